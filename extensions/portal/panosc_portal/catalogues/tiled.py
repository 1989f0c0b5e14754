"""A tiled server (https://blueskyproject.io/tiled): its tree is searched, a node is a data set.

Run against tiled 0.2.20: ``GET /api/v1/search/{path}`` with ``page[offset]``, ``page[limit]`` and conditions such as ``filter[fulltext][condition]
[text]``; the answer has ``data`` (``id``, ``attributes`` with ``ancestors``, ``metadata``, ``structure_family``, ``structure``) and
``meta.count``; ``GET /api/v1/metadata/{path}?include_data_sources=true`` tells the files of one node. Access tags decide there what a
login sees. What stands in ``metadata`` is whatever somebody wrote.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Set
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import Field

from panosc_portal.catalogues.base import HttpCatalogue, bearer, bounded
from panosc_portal.catalogues.entries import Notes, read_entries, read_entry
from panosc_portal.catalogues.model import (
    Availability,
    Capabilities,
    Credentials,
    Dataset,
    Document,
    File,
    Found,
    Kind,
    Parameter,
    Query,
    Sample,
    Technique,
)
from panosc_portal.catalogues.values import (
    Entry,
    Exact,
    Identifier,
    Line,
    Size,
    directory_of,
    doi,
    file_path,
    line,
    moment,
    panet,
    quantity,
)
from panosc_portal.catalogues.words import words_of
from panosc_portal.errors import CatalogueError
from panosc_spawner.facilities.catalogue_rules import TiledCatalogue as Rule
from panosc_spawner.facilities.model import Facility

PAGE = 100  # tiled's own maximum is 300
_TIMES = ("start_time", "created", "creation_time", "date", "time", "start.time")
MAX_PARAMETERS = 500


class _Asset(Entry):
    data_uri: Exact = ""
    size: Size = None


class _Attributes(Entry):
    ancestors: Any = ()
    family: Line = Field(default="", alias="structure_family")
    metadata: Any = None
    sources: Any = Field(default=None, alias="data_sources")


class _Node(Entry):
    id: Identifier
    attributes: _Attributes


class _One(Entry):
    data: _Node


class TiledCatalogue(HttpCatalogue):
    """A :class:`~panosc_portal.catalogues.model.Catalogue`. A data set's PID is its path in the tree."""

    def __init__(self, rule: Rule, facility: Facility | None, folder: Path) -> None:
        super().__init__(rule, facility, folder)
        self._rule = rule
        self._root = tuple(part for part in rule.path.split("/") if part)
        asks = {Kind.TEXT, Kind.PID} | ({Kind.FACILITY} if facility else set())
        self.capabilities = Capabilities(frozenset(asks), own_data=rule.personal, counts=True, files=True)

    async def search(self, query: Query, *, skip: int, limit: int, credentials: Credentials | None) -> Found:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        if (nothing := self.elsewhere(query)) is not None:
            return nothing
        applied = {Kind.FACILITY} if query.facilities else set()
        if query.pid:
            one = await self.get(query.pid, credentials)
            return Found(
                (one,) if one and not skip else (), total=int(one is not None), applied=frozenset({*applied, Kind.PID})
            )
        limit = min(bounded(limit), PAGE)
        sent = {"page[offset]": str(skip), "page[limit]": str(limit)}
        if words := words_of(query.text):
            sent["filter[fulltext][condition][text]"] = " ".join(words)
            if len(words) == 1:  # of several words, any is enough there
                applied.add(Kind.TEXT)
        answer = await self._ask(("search", *self._root), sent, credentials)
        notes = Notes()
        listed = answer.get("data") if isinstance(answer, dict) else None
        nodes = read_entries(_Node, listed, self.name, notes, most=limit)
        personal = self.token_for(credentials) is not None
        return Found(
            datasets=tuple(self._dataset(node, personal) for node in nodes),
            total=_count(answer),
            applied=frozenset(applied),
            next=skip + limit if isinstance(listed, list) and len(listed) >= limit else None,
            notes=notes.words(),
        )

    async def get(self, pid: str, credentials: Credentials | None) -> Dataset | None:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        node = await self._node(pid, credentials)
        return self._dataset(node, self.token_for(credentials) is not None) if node else None

    async def files(self, dataset: Dataset, credentials: Credentials | None) -> AsyncIterator[File]:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        node = await self._node(dataset.pid, credentials)
        for asset in _assets(node) if node else ():
            if path := _path_of(asset.data_uri):
                yield File(path, asset.size)

    async def check(self) -> str:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        answer = await self._ask(("search", *self._root), {"page[limit]": "1"}, None)
        count = _count(answer)
        read_entries(_Node, answer.get("data") if isinstance(answer, dict) else None, self.name, Notes(), most=10)
        return f"lists {count if count is not None else 'some'} nodes without a login"

    async def _node(self, pid: str, credentials: Credentials | None) -> _Node | None:
        path = tuple(part for part in pid.split("/") if part)
        if not path or path[: len(self._root)] != self._root or len(path) > 30 or {".", ".."} & set(path):
            return None
        try:
            answer = await self._ask(("metadata", *path), {"include_data_sources": "true"}, credentials)
        except CatalogueError as error:
            if error.status == 404:
                return None
            raise
        return read_entry(_One, answer, self.name).data

    async def _ask(self, path: tuple[str, ...], query: Mapping[str, str], credentials: Credentials | None) -> Any:
        token = self.token_for(credentials)
        headers = {"Authorization": bearer(token)} if token else {}
        with self.asking():
            # The tree's root is /search/, and /search only sends there.
            return await self.client.get(
                "api", "v1", *path, query=query, headers=headers, personal=token is not None, slash=path == ("search",)
            )

    def _dataset(self, node: _Node, personal: bool) -> Dataset:
        held = node.attributes.metadata if isinstance(node.attributes.metadata, dict) else {}
        ancestors = node.attributes.ancestors if isinstance(node.attributes.ancestors, list) else []
        pid = "/".join([*(str(part) for part in ancestors), node.id])
        proposal = _text(held, self._rule.proposal_key)
        technique = _text(held, "technique")
        found_doi = doi(_text(held, "doi"))
        paths = [path for asset in _assets(node) if (path := _path_of(asset.data_uri))]
        return Dataset(
            source=self.name,
            pid=pid,
            title=line(_text(held, self._rule.title_key)) or node.id,
            availability=Availability.UNKNOWN if personal else Availability.OPEN,
            created=next((found for key in _TIMES if (found := moment(_text(held, key)))), None),
            size=sum(asset.size or 0 for asset in _assets(node)) or None,
            facility=self.facility,
            techniques=(Technique(technique, panet(technique)),) if technique else (),
            parameters=tuple(_parameters(held, {self._rule.title_key, self._rule.proposal_key, *_TIMES})),
            samples=(Sample(_text(held, "sample")),) if _text(held, "sample") else (),
            documents=(Document(proposal, type="proposal"),) if proposal else (),
            proposal=self.proposal_of(proposal) if proposal else "",
            doi=found_doi,
            location=directory_of(paths[0]) if paths else "",
            landing=self.landing(pid, found_doi),
            file_count=len(paths) or None,
        )


def _count(answer: Any) -> int | None:
    meta = answer.get("meta") if isinstance(answer, dict) else None
    count = meta.get("count") if isinstance(meta, dict) else None
    return count if type(count) is int and count >= 0 else None


def _text(held: Mapping[str, Any], key: str) -> str:
    """A text, or a number as one, at a dotted key."""
    value: Any = held
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:g}" if isinstance(value, float) else str(value)[:40]
    return line(value) if isinstance(value, str) else ""


def _parameters(held: Mapping[str, Any], shown: Set[str]) -> list[Parameter]:
    """Numbers and texts of the first level, and ``{value, units}`` one level beneath; not what is shown elsewhere."""
    found = []
    for key, value in list(held.items())[:MAX_PARAMETERS]:
        unit = ""
        if key in shown:
            continue
        if isinstance(value, dict) and "value" in value:
            unit, value = _text(value, "units") or _text(value, "unit"), value["value"]
        try:
            found.append(Parameter(line(key, 200), quantity(value), unit))
        except ValueError:
            continue
    return found


def _assets(node: _Node) -> list[_Asset]:
    sources = node.attributes.sources if isinstance(node.attributes.sources, list) else []
    found: list[_Asset] = []
    for source in sources[:1000]:
        listed = source.get("assets") if isinstance(source, dict) else None
        if isinstance(listed, list) and listed:
            found += read_entries(_Asset, listed, "", Notes(), most=10_000)
    return found


def _path_of(uri: str) -> str:
    """The path of a ``file://localhost/…`` address; nothing of any other."""
    parts = urlsplit(uri) if uri.startswith("file://") else None
    return file_path(unquote(parts.path), "") if parts and parts.netloc in ("", "localhost") else ""
