"""The book of people: what a login opens, what links change, and what nobody can do to it."""

import signal
import sqlite3
import stat
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest
from people_support import ADA, ADA_ELSEWHERE, BEA, in_the_book, replayed

from panosc_spawner.audit import AuditLog
from panosc_spawner.errors import IdentityError, PeopleError
from panosc_spawner.identity.people import PeopleStore
from panosc_spawner.identity.people_file import APPLICATION, VERSION
from panosc_spawner.identity.people_model import Act, State, is_person_name
from panosc_spawner.identity.person import Identity
from panosc_spawner.identity.username import username_for

WHY = {"by": "root", "reason": "asked for", "proof": "seen"}


@pytest.fixture
def book(tmp_path):
    store = PeopleStore(tmp_path / "people.sqlite", AuditLog(tmp_path / "audit.jsonl"))
    yield store
    store.close()


def acts(book, **of):
    return [change.act for change in book.history(**of)]


def test_looking_up_writes_nothing_and_the_first_login_stores_the_name_for_ever(book):
    name = book.name_of(ADA)
    assert name == username_for(*ADA)
    assert book.everybody() == []
    assert not book.is_person(name)
    assert book.admit(ADA) == book.admit(ADA) == name
    assert acts(book) == [Act.MADE]
    assert book.identities_of(name) == (ADA,)


def test_a_stored_name_stays_when_names_would_be_made_otherwise(book, monkeypatch):
    name = book.admit(ADA)
    monkeypatch.setattr("panosc_spawner.identity.people_rows.username_for", lambda *_: "p-" + "z" * 20)
    assert book.name_of(ADA) == book.admit(ADA) == name
    assert book.admit(BEA) == "p-" + "z" * 20


def test_a_name_that_was_given_is_not_given_to_the_next_one_who_would_get_it(book, monkeypatch):
    monkeypatch.setattr("panosc_spawner.identity.people_rows.username_for", lambda *_: "p-" + "z" * 20)
    book.admit(ADA)
    with pytest.raises(IdentityError, match="does not fit"):
        book.admit(BEA)
    assert in_the_book(book) == {ADA: ("p-" + "z" * 20, State.ACTIVE)}


def test_linked_identities_are_one_person(book):
    name = book.admit(ADA)
    moved = book.link(name, ADA_ELSEWHERE, **WHY)
    assert moved and moved.left == ""
    assert book.name_of(ADA_ELSEWHERE) == book.admit(ADA_ELSEWHERE) == name
    assert book.linked(name, ADA) == (ADA_ELSEWHERE,)
    assert book.linked(name, ADA_ELSEWHERE) == (ADA,)
    assert book.link(name, ADA_ELSEWHERE, **WHY) is None
    assert acts(book) == [Act.MADE, Act.LINKED]


def test_an_identity_with_an_account_is_not_moved_unawares_and_comes_back_to_it(book):
    name, other = book.admit(ADA), book.admit(ADA_ELSEWHERE)
    with pytest.raises(IdentityError, match="account of its own"):
        book.link(name, ADA_ELSEWHERE, **WHY)
    with pytest.raises(IdentityError, match="account of its own"):
        book.link(name, ADA_ELSEWHERE, leaving=book.admit(BEA), **WHY)
    assert book.name_of(ADA_ELSEWHERE) == other
    assert book.link(name, ADA_ELSEWHERE, leaving=other, **WHY).left == other
    assert book.name_of(ADA_ELSEWHERE) == name
    assert book.unlink(name, ADA_ELSEWHERE, **WHY) == other
    assert book.name_of(ADA_ELSEWHERE) == other
    assert acts(book, identity=ADA_ELSEWHERE) == [Act.MADE, Act.LEFT, Act.LINKED, Act.UNLINKED, Act.RETURNED]


def test_it_does_not_come_back_to_an_account_that_somebody_else_had_meanwhile(book):
    name, other = book.admit(ADA), book.admit(ADA_ELSEWHERE)
    book.link(name, ADA_ELSEWHERE, leaving=other, **WHY)
    book.link(other, BEA, **WHY)
    book.remove(BEA, by="root", reason="left")
    assert book.unlink(name, ADA_ELSEWHERE, **WHY) == ""
    with pytest.raises(IdentityError, match="unlinked"):
        book.name_of(ADA_ELSEWHERE)


def test_an_unlinked_identity_is_refused_in_words_until_somebody_decides(book):
    name = book.admit(ADA)
    book.link(name, ADA_ELSEWHERE, **WHY)
    assert book.unlink(name, ADA_ELSEWHERE, **WHY) == ""
    for ask in (book.name_of, book.admit):
        with pytest.raises(IdentityError, match="Log in with the other login of that account"):
            ask(ADA_ELSEWHERE)
    assert book.identities_of(name) == (ADA,)
    assert book.known(ADA_ELSEWHERE).state is State.UNLINKED
    book.link(name, ADA_ELSEWHERE, **WHY)  # again
    assert book.name_of(ADA_ELSEWHERE) == name


def test_a_released_identity_begins_anew_and_gets_no_account_of_before(book):
    name = book.admit(ADA)
    book.link(name, ADA_ELSEWHERE, **WHY)
    book.unlink(name, ADA, **WHY)  # who made the account leaves it
    assert book.identities_of(name) == (ADA_ELSEWHERE,)
    book.release(ADA, by="root", reason="asked for")
    fresh = book.admit(ADA)
    assert fresh not in (name, "")
    assert is_person_name(fresh)
    assert book.admit(ADA) == fresh
    assert book.admit(ADA_ELSEWHERE) == name
    book.remove(ADA, by="root", reason="again")
    book.release(ADA, by="root", reason="and again")
    assert book.admit(ADA) not in (name, fresh)


def test_who_is_shut_out_stays_out_and_only_an_administrator_lets_them_in_again(book):
    name = book.admit(ADA)
    assert book.remove(ADA, by="root", reason="left the institute") == name
    with pytest.raises(IdentityError, match=r"shut out .* Ask the people who run this hub"):
        book.admit(ADA)
    with pytest.raises(IdentityError, match="already"):
        book.remove(ADA, by="root", reason="twice")
    book.link(name, ADA, by="root", reason="is back", proof="in person")
    assert book.admit(ADA) == name


def test_nobody_who_was_never_here_can_be_shut_out_too(book):
    assert book.remove(BEA, by="root", reason="asked by the user office") == ""
    with pytest.raises(IdentityError, match="shut out"):
        book.admit(BEA)
    book.release(BEA, by="root", reason="a mistake")
    assert book.admit(BEA) == username_for(*BEA)


def test_the_only_login_of_an_account_cannot_be_unlinked(book):
    name = book.admit(ADA)
    with pytest.raises(IdentityError, match="only login"):
        book.unlink(name, ADA, **WHY)
    with pytest.raises(IdentityError, match="does not belong"):
        book.unlink(name, BEA, **WHY)
    with pytest.raises(IdentityError, match="not shut out"):
        book.release(ADA, by="root", reason="x")
    assert acts(book) == [Act.MADE]


def test_nobody_is_linked_to_a_name_that_the_book_does_not_know(book):
    for name in ("root", "admin", "ada", "p-" + "a" * 20, "", "p-\u0430" + "a" * 19):
        with pytest.raises(IdentityError, match="Nobody here"):
            book.link(name, ADA, **WHY)
    assert book.everybody() == []


@pytest.mark.parametrize("what", ["by", "reason"])
@pytest.mark.parametrize("text", ["", "  ", "x" * 501, "two\nlines", "\x1b[2J"])
def test_a_change_needs_who_and_why_in_one_line(book, what, text):
    name = book.admit(ADA)
    with pytest.raises(IdentityError):
        book.link(name, BEA, **{**WHY, what: text})
    assert book.known(BEA) is None, "nothing is changed without its line of history"
    assert acts(book) == [Act.MADE]


@pytest.mark.parametrize(
    "identity",
    [
        ("", "x"),
        ("https://a", ""),
        ("https://a", "x y"),
        ("https://a", "x\0"),
        ("https://a", "ü@b"),
        ("https://a", "x" * 257),
    ],
)
def test_what_is_not_a_canonical_identity_is_refused(book, identity):
    with pytest.raises(IdentityError):
        book.admit(Identity(*identity))
    assert book.everybody() == []


# -- migration --------------------------------------------------------------------------------------------------------

OLD, NEW = Identity("https://a.example", "x@old.example"), Identity("https://a.example", "x@new.example")


def test_a_migrated_identity_takes_its_account_along(book):
    name = book.admit(OLD)
    assert book.name_of(NEW, [OLD]) == name
    assert acts(book) == [Act.MADE]
    assert book.admit(NEW, [OLD]) == name
    assert book.admit(NEW, [OLD]) == name
    assert acts(book) == [Act.MADE, Act.MIGRATED]
    assert book.identities_of(name) == (OLD, NEW)
    assert book.name_of(NEW) == name, "also once the rule is gone"


def test_a_migrated_identity_that_was_here_first_keeps_what_it_has(book):
    name, old = book.admit(NEW), book.admit(OLD)
    assert name != old
    assert book.admit(NEW, [OLD]) == name


@pytest.mark.parametrize("removed", [True, False])
def test_a_new_scope_is_no_way_around_being_shut_out(book, removed):
    name = book.admit(OLD)
    if removed:
        book.remove(OLD, by="root", reason="suspended")
    else:
        book.link(name, ADA, **WHY)
        book.unlink(name, OLD, **WHY)
    for ask in (book.name_of, book.admit):
        with pytest.raises(IdentityError):
            ask(NEW, [OLD])
    assert book.known(NEW) is None


def test_a_released_identity_is_not_migrated(book):
    name = book.admit(OLD)
    book.remove(OLD, by="root", reason="x")
    book.release(OLD, by="root", reason="x")
    assert book.admit(NEW, [OLD]) == username_for(*NEW) != name


# -- the file ---------------------------------------------------------------------------------------------------------


def test_only_the_hub_can_read_the_file(book, tmp_path):
    book.admit(ADA)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("people.sqlite*")}
    assert set(modes.values()) == {0o600}
    assert len(modes) == 3, "with its journal, which holds the same"
    (tmp_path / "other.sqlite").touch(mode=0o644)
    PeopleStore(tmp_path / "other.sqlite").close()
    assert stat.S_IMODE((tmp_path / "other.sqlite").stat().st_mode) == 0o600


def test_the_book_is_one_where_configurations_are_copied(book):
    assert deepcopy({"people": book})["people"] is book


def test_two_open_books_see_each_other(book, tmp_path):
    other = PeopleStore(tmp_path / "people.sqlite")
    name = book.admit(ADA)
    before = book.version()
    assert book.version() == before
    other.link(name, BEA, **WHY)
    assert book.version() != before
    assert book.name_of(BEA) == name
    other.close()


def test_the_hub_hears_of_each_change_once(book, tmp_path):
    other = PeopleStore(tmp_path / "people.sqlite")
    name = other.admit(ADA)
    other.link(name, BEA, **WHY)
    assert [change.act for change in book.unheard()] == [Act.MADE, Act.LINKED]
    book.heard(book.unheard()[-1].number)
    book.heard(1)  # never back
    assert book.unheard() == []
    other.close()


ONE_OF_MANY = """
import sys
from pathlib import Path
from panosc_spawner.identity.people import PeopleStore
from panosc_spawner.identity.person import Identity
book = PeopleStore(Path(sys.argv[1]))
for number in range(60):
    print(book.admit(Identity("https://login.example", f"n{number}@login.example")), flush=True)
"""


def test_processes_that_write_at_the_same_time_agree(tmp_path):
    command = [sys.executable, "-c", ONE_OF_MANY, str(tmp_path / "people.sqlite")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert answers[0] == answers[1] == answers[2]
    book = PeopleStore(tmp_path / "people.sqlite")
    assert len(book.everybody()) == 60
    assert in_the_book(book) == replayed(book.history())
    book.close()


def test_what_was_answered_survives_kill_9(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", ONE_OF_MANY, str(tmp_path / "people.sqlite")], stdout=subprocess.PIPE, text=True
    )
    told = [process.stdout.readline().strip() for _ in range(7)]
    process.send_signal(signal.SIGKILL)
    told += process.stdout.read().split()
    process.stdout.close()
    process.wait(10)
    book = PeopleStore(tmp_path / "people.sqlite")
    names = [change.username for change in book.history()]
    assert names[: len(told)] == told
    assert in_the_book(book) == replayed(book.history())
    book.close()


def test_a_file_of_a_later_hub_or_of_somebody_else_is_left_alone(tmp_path):
    later = tmp_path / "later.sqlite"
    PeopleStore(later).close()
    with sqlite3.connect(later) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()
    with pytest.raises(PeopleError, match="a later one"):
        PeopleStore(later)
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as db:
        db.execute("CREATE TABLE users (name TEXT)")
    db.close()
    with pytest.raises(PeopleError, match="not a book of people"):
        PeopleStore(foreign)
    (tmp_path / "text").write_text("no database, but long enough to be looked at: " * 100)
    with pytest.raises(PeopleError, match="not a database"):
        PeopleStore(tmp_path / "text")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PeopleError, match="cannot be used"):
        PeopleStore(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(PeopleError, match="cannot be used"):
        PeopleStore(tmp_path / "missing" / "people.sqlite")


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM history", "UPDATE history SET by = 'x'", "DELETE FROM identity", "DELETE FROM person", "UPDATE person SET subject = 'x'",
     "INSERT INTO person VALUES ('root', 'i', 's', 't')", "INSERT INTO person VALUES ('p-AAAAAAAAAAAAAAAAAAAA', 'i', 's', 't')",
     "UPDATE identity SET username = 'admin'", "UPDATE identity SET state = 'admin'", "UPDATE identity SET username = ''"],
)  # fmt: skip
def test_the_file_itself_refuses_what_must_never_be(book, tmp_path, statement):
    book.admit(ADA)
    db = sqlite3.connect(tmp_path / "people.sqlite")
    with pytest.raises(sqlite3.IntegrityError):
        db.execute(statement)
    db.close()
    assert book.name_of(ADA) == username_for(*ADA)


@pytest.mark.parametrize(
    "name",
    ["root", "admin", "hub", "jovyan", "p-", "p-" + "a" * 19, "p-" + "a" * 21, "P-" + "a" * 20, "p-" + "1" * 20, "p-" + "a" * 19 + "\n",
     "p-\u0430" + "a" * 19, "p-" + "a" * 18 + "/.", "p-" + "a" * 19 + "\0", "\uff50-" + "a" * 20, ""],
)  # fmt: skip
def test_a_row_that_an_older_or_hostile_hand_wrote_opens_nothing(book, tmp_path, name):
    assert not is_person_name(name)
    book.admit(ADA)
    db = sqlite3.connect(tmp_path / "people.sqlite")
    db.execute("PRAGMA ignore_check_constraints = ON")
    db.execute("UPDATE identity SET username = ?", (name,))
    db.commit()
    db.close()
    for ask in (lambda: book.name_of(ADA), lambda: book.admit(ADA), book.everybody, lambda: book.known(ADA)):
        with pytest.raises(PeopleError, match="did not make"):
            ask()


def test_an_identity_whose_row_is_gone_does_not_get_its_old_name_as_if_nothing_had_been(book, tmp_path):
    book.admit(ADA)
    db = sqlite3.connect(tmp_path / "people.sqlite")
    db.execute("DROP TRIGGER identity_stays")
    db.execute("DELETE FROM identity")
    db.commit()
    db.close()
    with pytest.raises(IdentityError, match="does not fit"):
        book.name_of(ADA)


def test_a_writer_who_never_ends_is_told_in_words_and_logins_are_still_read(book, tmp_path, monkeypatch):
    name = book.admit(ADA)
    db = sqlite3.connect(tmp_path / "people.sqlite", isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    book._connection.execute("PRAGMA busy_timeout = 50")
    assert book.name_of(ADA) == book.admit(ADA) == name
    with pytest.raises(PeopleError, match="locked"):
        book.admit(BEA)
    db.rollback()
    db.close()
    assert book.admit(BEA) == username_for(*BEA)


def test_the_audit_log_has_who_why_and_the_proof(book, tmp_path):
    name, other = book.admit(ADA), book.admit(ADA_ELSEWHERE)
    book.link(name, ADA_ELSEWHERE, by=name, reason="both are mine", proof="both signed in", leaving=other)
    book.unlink(name, ADA_ELSEWHERE, by="root", reason="not hers", proof="")
    lines = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert len(lines) == 2
    for part in ('"identity-linked"', name, other, ADA_ELSEWHERE.subject, "both are mine", "both signed in"):
        assert part in lines[0]
    for part in ('"identity-unlinked"', name, '"by": "root"', "not hers"):
        assert part in lines[1]


def test_a_login_that_is_known_costs_next_to_nothing(book):
    import time

    book.admit(ADA)
    began = time.perf_counter()
    for _ in range(2000):
        book.name_of(ADA)
    assert (time.perf_counter() - began) / 2000 < 0.002


def test_the_file_is_where_it_was_asked_for(tmp_path):
    odd = tmp_path / "a folder?mode=ro#x%41"
    odd.mkdir()
    book = PeopleStore(Path(odd) / "people.sqlite")
    book.admit(ADA)
    book.close()
    assert {path.name for path in odd.iterdir()} == {"people.sqlite"}
    with sqlite3.connect(odd / "people.sqlite") as db:
        assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION,)
    db.close()
