"""The requests of the PaNOSC search API, each bounded and read into types."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from panosc_portal.catalogues.base import HttpCatalogue, bearer
from panosc_portal.catalogues.entries import Notes, read_entries, read_entry
from panosc_portal.catalogues.model import Credentials
from panosc_portal.catalogues.panosc_entries import PanoscDataset, PanoscDocument, PanoscFile
from panosc_portal.catalogues.panosc_filter import Question, Where, as_text, together
from panosc_portal.errors import CatalogueError, Outcome
from panosc_spawner.facilities.catalogue_rules import PanoscCatalogue as Rule
from panosc_spawner.facilities.model import Facility

Headers = Mapping[str, SecretStr]
Include = dict[str, Any]
MAX_WHOLE = 1000
"""Data sets of one list that is asked for without a limit."""
_NOT_KNOWN = (400, 422, 500)  # what implementations answer to a relation that they do not know
_FORGET = 60.0  # seconds after which relations that failed are tried again
MEMBERS: Include = {
    "include": [{"relation": "members", "scope": {"include": [{"relation": "person"}, {"relation": "affiliation"}]}}]
}


@dataclass(frozen=True)
class Listed:
    """A list that came back: what could be read, and how many entries there were."""

    entries: list[PanoscDataset]
    length: int


class PanoscApi(HttpCatalogue):
    """One PaNOSC search API."""

    def __init__(self, rule: Rule, facility: Facility | None, folder: Path) -> None:
        super().__init__(rule, facility, folder)
        self.dialect = rule.dialect
        self.units = rule.units
        self._not_taken: dict[str, float] = {}  # relations, until when they are left out

    def headers(self, credentials: Credentials | None) -> Headers:
        """The person's token, in the header that takes it; nothing where it shows open data only."""
        token = self.token_for(credentials)
        if token is None or not self.dialect.token_header:
            return {}
        header = self.dialect.token_header
        return {header: bearer(token) if header == "Authorization" else token}

    def includes(self, *, whole: bool = False, to_one: bool = False) -> list[Include]:
        """The relations that are asked for besides.

        Args:
            whole: all that is known of a data set.
            to_one: only those that do not make several rows of one data set.
        """
        dialect = self.dialect
        documents: list[Include] = []
        if dialect.document:
            documents = [{"relation": dialect.document, **({"scope": MEMBERS} if whole else {})}]
        names = [dialect.instrument, *([] if to_one else [dialect.techniques, dialect.parameters, dialect.samples])]
        if whole and dialect.files == "include":
            names.append("files")
        return documents + [{"relation": name} for name in names if name]

    async def ask(self, *path: str, headers: Headers | None = None, **query: Any) -> Any:
        """The JSON at a path below the API's address; ``filter`` and ``where`` are given as objects.

        Raises:
            CatalogueError: in words.
        """
        sent = {key: as_text(value) for key, value in query.items() if value is not None}
        with self.asking():
            return await self.client.get(*path, query=sent, headers=headers or {}, personal=bool(headers))

    async def count(self, where: Where | None, headers: Headers | None = None) -> int:
        """How many data sets there are for a condition: implementations answer an object, a number, or a text.

        Raises:
            CatalogueError: in words.
        """
        answer = await self.ask("Datasets", "count", headers=headers, where=where)
        counted = answer.get("count") if isinstance(answer, dict) else answer
        if isinstance(counted, str) and counted.isascii() and counted.isdigit() and len(counted) < 16:
            counted = int(counted)
        if isinstance(counted, bool) or not isinstance(counted, int) or not 0 <= counted < 10**15:
            raise CatalogueError(self.name, Outcome.GARBLED, "its answer is no count")
        return counted

    async def datasets(
        self,
        asked: Question,
        optional: Sequence[Include],
        headers: Headers,
        notes: Notes,
        *,
        skip: int = 0,
        limit: int = 0,
    ) -> Listed:
        """A list of data sets; without ``limit``, all that match."""
        joined = asked.joined()
        filters: dict[str, Any] = {"where": where} if (where := together(asked.where)) is not None else {}
        filters |= {"query": asked.query} if asked.query else {}
        if limit:
            filters |= {"limit": limit, **({"skip": skip} if skip else {})}
            filters |= {"order": list(self.dialect.order)} if self.dialect.order else {}
        plain = [one for one in optional if one["relation"] not in joined]
        answer = await self._with_relations(("Datasets",), filters, asked.joins, plain, headers, notes)
        entries = read_entries(
            PanoscDataset, answer, self.name, notes, most=limit or MAX_WHOLE, key=lambda entry: entry.pid
        )
        return Listed(entries, len(answer))

    async def dataset(
        self, pid: str, optional: Sequence[Include], headers: Headers, notes: Notes
    ) -> PanoscDataset | None:
        """One data set by its PID; None where there is none."""
        answer = await self._one("Datasets", pid, optional, headers, notes)
        if answer is None:
            return None
        entry = read_entry(PanoscDataset, answer, self.name, notes)
        if entry.pid.lower() != pid.lower():
            raise CatalogueError(self.name, Outcome.GARBLED, "it answered for another data set")
        return entry

    async def document(self, pid: str, headers: Headers) -> PanoscDocument | None:
        """One document by its PID, with its members; None where there is none."""
        answer = await self._one("Documents", pid, MEMBERS["include"], headers, Notes())
        return None if answer is None else read_entry(PanoscDocument, answer, self.name)

    async def documents(
        self, where: Where, headers: Headers, *, most: int = 20, datasets: bool = False
    ) -> list[PanoscDocument]:
        """Documents, with their data sets if these are wanted."""
        filters = {"where": where, "limit": most, **({"include": [{"relation": "datasets"}]} if datasets else {})}
        answer = await self.ask("Documents", headers=headers, filter=filters)
        return read_entries(PanoscDocument, answer, self.name, Notes(), most=most)

    async def file_page(self, pid: str, skip: int, limit: int, headers: Headers) -> tuple[list[PanoscFile], int]:
        """Files of a data set, and how long the list was. Always with a filter: the federation fails without one."""
        filters = {"limit": limit, **({"skip": skip} if skip else {})}
        answer = await self.ask("Datasets", pid, "files", headers=headers, filter=filters)
        # Some do not know limit, and answer all of them.
        return read_entries(PanoscFile, answer, self.name, Notes(), most=1_000_000), len(answer)

    async def _one(self, kind: str, pid: str, optional: Sequence[Include], headers: Headers, notes: Notes) -> Any:
        try:
            return await self._with_relations((kind, pid), {}, (), optional, headers, notes)
        except CatalogueError as error:
            if error.status == 404:
                return None
            raise

    async def _with_relations(
        self,
        path: tuple[str, ...],
        filters: Mapping[str, Any],
        joins: Sequence[Include],
        optional: Sequence[Include],
        headers: Headers,
        notes: Notes,
    ) -> Any:
        """Ask with relations. If that fails as it does where one is not known, ask once more without the optional ones."""
        now = time.monotonic()
        wanted = [one for one in optional if self._not_taken.get(one["relation"], 0.0) < now]
        try:
            answer = await self.ask(*path, headers=headers, filter=_including(filters, [*joins, *wanted]))
        except CatalogueError as error:
            if not wanted or error.status not in _NOT_KNOWN:
                raise
            answer = await self.ask(*path, headers=headers, filter=_including(filters, joins))
            self._not_taken.update((one["relation"], now + _FORGET) for one in wanted)
            wanted = []
        if len(wanted) < len(optional):
            notes.say("it told less than was asked for: it does not know all that others tell")
        return answer


def _including(filters: Mapping[str, Any], relations: Sequence[Include]) -> dict[str, Any] | None:
    return {**filters, **({"include": list(relations)} if relations else {})} or None
