"""ILL's PaNOSC search API, the only one with own data: proposals under embargo, to the people who may see them.

Read in ILLGrenoble/panosc-search-api: the token goes into the header ``access_token`` (``account-token.provider.ts``), where a
token that cannot be verified, or an identity provider that is down, silently makes an anonymous question of it.
``document.repository.ts``: an anonymous question gets ``isPublic = true``, a person's those and the ones of their
``documentacl``. ``where-converter.ts``: ``{"isPublic": {"eq": false}}`` is misread, ``{"isPublic": false}`` is right.
``query-executor.ts``: ``limit`` counts joined rows and not documents, so a page could be cut anywhere: no limit is sent, and the
answer is bounded here. ``dataset.model.ts``: the path of a dataset's files comes with the relation ``files``.

So two questions. With the person's token for what is *not* public: such a document in the answer proves that ILL knew who
asked, since no anonymous answer has one; an answer without any proves nothing, and is an error. And without a token for what
is public and has the person among its members, where who asks makes no difference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence, Set
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pydantic import Field, SecretStr

from panosc_spawner.errors import PersonalSourceError, SourceError
from panosc_spawner.facilities.http_source_rules import IllSource
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.person import Person
from panosc_spawner.proposals.credentials import TokenBroker
from panosc_spawner.proposals.http.base import HttpProposals, all_of, listed_as, role_named
from panosc_spawner.proposals.http.fields import Exact, Flag, Item, Moment, Text, read_list
from panosc_spawner.proposals.http.grants import Entry
from panosc_spawner.proposals.http.recent import Recent
from panosc_spawner.proposals.http.too_much import about_one_person
from panosc_spawner.proposals.model import Grant, Visit

AT_A_TIME = 4  # requests for the files of one person's proposals
_PLACE_SECONDS = 3600.0  # where a proposal's data lie does not change; a new cycle brings a new directory

_Visits = tuple[Visit, ...]


class _Person(Item):
    id: Exact


class _Member(Item):
    role: Text = ""
    person: _Person | None = None


class _Instrument(Item):
    name: Text = ""


class _File(Item):
    path: Text = ""


class _Dataset(Item):
    instrument: _Instrument | None = None
    files: tuple[_File, ...] = ()


class _Document(Item):
    pid: Exact
    type: Exact
    is_public: Flag = Field(alias="isPublic")
    title: Text = ""
    start: Moment = Field(default=None, alias="startDate")
    end: Moment = Field(default=None, alias="endDate")
    members: tuple[_Member, ...] = ()
    datasets: tuple[_Dataset, ...] = ()


class IllProposals(HttpProposals):
    """A :class:`~panosc_spawner.proposals.source.ProposalSource`."""

    def __init__(self, rule: IllSource, site: Site, *, broker: TokenBroker) -> None:
        super().__init__(rule, site)
        self._rule = rule
        self._broker = broker
        self._pid = re.compile(rule.pid, re.ASCII)
        self._places: Recent[_Visits] = Recent(_PLACE_SECONDS, size=5000)

    async def grants(self, person: Person) -> Sequence[Grant]:
        """See :class:`~panosc_spawner.proposals.source.ProposalSource`."""
        numbers = frozenset(await self.keys_of(self._rule.person, person))
        token = await self.token_of(self._broker, person, self._rule.audience)
        seen_at = datetime.now(UTC)
        with about_one_person():
            found = await self._embargoed(token)
        found += await self._public(numbers)
        with about_one_person():
            entries = await all_of((partial(self._entries, one, numbers, token) for one in found), AT_A_TIME)
        return self.desk.grants((entry for of_one in entries for entry in of_one), seen_at)

    async def check(self) -> str:
        """See :class:`~panosc_spawner.proposals.source.ProposalSource`."""
        answer = await self.client.get("documents", query={"filter": _filter({"isPublic": True}, limit=1)})
        read_list(_Document, answer, self.name, self._rule.max_items)
        if self._rule.proof_document:
            return "answers; what people may see it tells only to their own login"
        return "answers; without proof_document, people with no proposal under embargo get an error"

    async def _embargoed(self, token: SecretStr) -> list[_Document]:
        """The proposals that are not public and that the token's owner may see."""
        documents = await self._documents({"isPublic": False}, token)
        if any(document.is_public for document in documents):
            raise SourceError(self.name, "its answer is not as expected: public documents among those that are not")
        if not documents:
            raise PersonalSourceError(
                self.name,
                "it does not say whether it knows you: no proposal under embargo is yours, or it did not accept your login",
            )
        return [one for one in documents if one.type == "proposal" and one.pid != self._rule.proof_document]

    async def _public(self, numbers: Set[str]) -> list[_Document]:
        """The public proposals with the person among their members. Asked by nobody, as whoever asks gets the same.

        An answer holds only the member that was asked for, so those of several numbers are put together.
        """
        found: dict[str, _Document] = {}
        for number in sorted(numbers):
            person = {"relation": "person", "scope": {"where": {"id": number}}}
            members = {"relation": "members", "scope": {"include": [person]}}
            for one in await self._documents({"isPublic": True}, None, members):
                if one.type == "proposal" and one.is_public and self._role_words(one, {number}) is not None:
                    before = found[one.pid].members if one.pid in found else ()
                    found[one.pid] = one.model_copy(update={"members": before + one.members})
        return list(found.values())

    async def _documents(
        self, where: dict[str, Any], token: SecretStr | None, members: dict[str, Any] | None = None
    ) -> list[_Document]:
        members = members or {"relation": "members", "scope": {"include": [{"relation": "person"}]}}
        datasets = {"relation": "datasets", "scope": {"include": [{"relation": "instrument"}]}}
        query = _filter(where, include=[members, datasets])
        answer = await self.client.get(
            "documents", query={"filter": query}, headers=_credentials(token), personal=token is not None
        )
        documents = read_list(_Document, answer, self.name, self._rule.max_items)
        if len({document.pid for document in documents}) != len(documents):
            raise SourceError(self.name, "its answer is not as expected: a document is there twice")
        return documents

    async def _entries(self, document: _Document, numbers: Set[str], token: SecretStr) -> list[Entry]:
        match = self._pid.fullmatch(document.pid)
        if match is None:
            return []
        word = self._role_words(document, numbers)
        if word is None:
            role, evidence = self._rule.unlisted, "you may see it while it is under embargo"
        else:
            role = role_named(word, self._rule.roles)
            evidence = listed_as(word, role)
        visits: list[Visit | None] = [*await self._visits(document, match["id"], token)] or [None]
        return [Entry(match["id"], role, evidence, document.title, visit) for visit in visits]

    def _role_words(self, document: _Document, numbers: Set[str]) -> str | None:
        """The strongest of the person's roles in ILL's words; None if they are not among the members."""
        words = [member.role for member in document.members if member.person and member.person.id in numbers]
        order = list(Role)
        return min(words, key=lambda word: order.index(role_named(word, self._rule.roles)), default=None)

    async def _visits(self, document: _Document, proposal: str, token: SecretStr) -> _Visits:
        """Where its data lie, from the paths of its files: the cycle is nowhere else.

        Whoever asks, the place is the same, so it is kept; but only for documents that this person's own answer held.
        """

        async def ask() -> _Visits:
            files = {"relation": "datasets", "scope": {"include": [{"relation": "files"}]}}
            query = _filter({"pid": document.pid}, include=[files])
            answer = await self.client.get(
                "documents", query={"filter": query}, headers=_credentials(token), personal=True
            )
            found = read_list(_Document, answer, self.name, 1)
            if [one.pid for one in found] != [document.pid]:
                raise SourceError(self.name, "it did not show a proposal again that it had just listed")
            return self._places_of(found[0], proposal)

        start, end = self.day(document.start), self.day(document.end)
        places = await self._places.get(document.pid, ask)
        if places:
            return tuple(Visit(place.instrument, start, end, place.fields) for place in places)
        names = dict.fromkeys(dataset.instrument.name for dataset in document.datasets if dataset.instrument)
        return tuple(Visit(name, start, end) for name in names)

    def _places_of(self, document: _Document, proposal: str) -> _Visits:
        ref = self.desk.ref(proposal)
        paths = dict.fromkeys(file.path for dataset in document.datasets for file in dataset.files)
        found: list[Visit] = []
        for path in paths:
            visit = self.desk.visit_at(ref, path) if ref else None
            if visit is not None and visit not in found:
                found.append(visit)
        return tuple(found)


def _credentials(token: SecretStr | None) -> dict[str, SecretStr]:
    return {} if token is None else {"access_token": token}


def _filter(where: dict[str, Any], *, include: Sequence[dict[str, Any]] = (), limit: int = 0) -> str:
    filters: dict[str, Any] = {"where": where}
    if include:
        filters["include"] = list(include)
    if limit:
        filters["limit"] = limit
    return json.dumps(filters, separators=(",", ":"))
