"""Whatever happens in whatever order: an identity is one person's, and a user name is never given to a second person."""

import contextlib
import itertools
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from people_support import in_the_book, replayed

from panosc_spawner.errors import IdentityError
from panosc_spawner.identity.people import PeopleStore
from panosc_spawner.identity.people_model import Act, State, is_person_name
from panosc_spawner.identity.person import Identity

IDENTITIES = st.sampled_from(
    [
        Identity("https://a.example", "x@old.example"),
        Identity("https://a.example", "x@new.example"),
        Identity("https://b.example", "x@old.example"),
        Identity("https://b.example", "z@b.example"),
    ]
)


def former(identity):
    local, _, scope = identity.subject.partition("@")
    migrates = identity.issuer == "https://a.example" and scope == "new.example"
    return [Identity(identity.issuer, f"{local}@old.example")] if migrates else []


class People(RuleBasedStateMachine):
    """Two processes with the same book; each step is taken by one of them."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.books = itertools.cycle([PeopleStore(Path(self.folder.name) / "people.sqlite") for _ in range(2)])

    def names(self):
        return sorted({change.username for change in next(self.books).history(limit=10_000) if change.act is Act.MADE})

    def teardown(self):
        for book in (next(self.books), next(self.books)):
            book.close()
        self.folder.cleanup()

    @rule(identity=IDENTITIES, migrates=st.booleans())
    def log_in(self, identity, migrates):
        book = next(self.books)
        was = former(identity) if migrates else []
        with contextlib.suppress(IdentityError):
            foretold = book.name_of(identity, was)
            assert book.admit(identity, was) == foretold
            assert next(self.books).name_of(identity) == foretold

    @precondition(lambda self: self.names())
    @rule(data=st.data(), identity=IDENTITIES, aware=st.booleans())
    def link(self, data, identity, aware):
        book = next(self.books)
        name = data.draw(st.sampled_from(self.names()))  # also of an account that nobody can open just now
        with contextlib.suppress(IdentityError):
            known = book.known(identity)
            owner = known.username if known and known.state is State.ACTIVE else ""
            leaving = owner if aware else ""
            book.link(name, identity, by="root", reason="r", proof="p", leaving=leaving)
            assert owner in (leaving, name), "moved unawares"
            assert book.name_of(identity) == name

    @rule(identity=IDENTITIES)
    def unlink(self, identity):
        book = next(self.books)
        with contextlib.suppress(IdentityError):
            name = book.name_of(identity)
            back = book.unlink(name, identity, by=name, reason="r", proof="p")
            assert back != name
            assert identity not in book.identities_of(name)
            assert book.identities_of(name), "an account that nobody can open"

    @rule(identity=IDENTITIES)
    def remove(self, identity):
        with contextlib.suppress(IdentityError):
            next(self.books).remove(identity, by="root", reason="r")

    @rule(identity=IDENTITIES)
    def release(self, identity):
        with contextlib.suppress(IdentityError):
            next(self.books).release(identity, by="root", reason="r")

    @invariant()
    def the_history_tells_it_all(self):
        book = next(self.books)
        assert in_the_book(book) == replayed(book.history(limit=10_000))

    @invariant()
    def an_identity_is_one_persons(self):
        book = next(self.books)
        for known in book.everybody():
            assert known.state is State.RELEASED or not known.username or is_person_name(known.username)
            owners = {n for n in {k.username for k in book.everybody()} if known.identity in book.identities_of(n)}
            assert owners == ({known.username} if known.state is State.ACTIVE else set())


TestPeople = People.TestCase
TestPeople.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
