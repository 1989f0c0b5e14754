"""Downloads: whose they are, what they consist of, and how they are sent. The pages are in ``download_pages``."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from starlette.requests import Request

from panosc_portal.context import Portal
from panosc_portal.errors import HubError
from panosc_portal.hub import AreaDirectory, Login, ProposalData
from panosc_portal.login import LoginNeeded, maybe_signed_in
from panosc_portal.moving.as_person import Entry, Identity, Reader, ReadError, shown
from panosc_portal.moving.checksums import Checksums
from panosc_portal.moving.link_tokens import PREFIX, Link, LinkTokens
from panosc_portal.moving.plan import Plan, located, make_plan
from panosc_portal.moving.sending import Lanes
from panosc_spawner.facilities.portal_downloads_rules import DownloadRules

COALESCED_SECONDS = 5.0
"""A program that asks for many small files at once has the hub asked once in so long."""
SURVEY_SECONDS = 10.0
PLAN_SECONDS = 120.0
_MOST_KNOWN = 1000
_STATUS = {"missing": 404, "forbidden": 403, "outside": 404, "kind": 404, "changed": 409, "too many": 409}


@dataclass(frozen=True)
class Bearer:
    """Who downloads, and by which token, if not in a browser."""

    login: Login
    link: Link | None = None

    def check(self, ref: str, paths: Sequence[str]) -> None:
        """Whether the token, if there is one, is for this.

        Raises:
            HubError: 403, or 401 when its time is over.
        """
        if self.link is None:
            return
        if self.link.ends < time.time():
            raise HubError(401, "This download token is over.", "Make a new one on the download's page.")
        if not all(self.link.covers(ref, path) for path in (paths or ("",))):
            raise HubError(403, "This download token is for other data.", "Make one for these on the download's page.")


@dataclass
class _Known:
    data: ProposalData
    at: float


@dataclass
class Downloads:
    """What all downloads of a portal share: ``portal.part(Downloads)``.

    Each process that reads has a place: those that send among ``lanes``, those that list before among ``looks``.
    """

    portal: Portal
    rules: DownloadRules
    tokens: LinkTokens
    checksums: Checksums
    lanes: Lanes
    looks: Lanes
    _known: OrderedDict[tuple[str, str, str], _Known] = field(default_factory=OrderedDict)

    async def data(self, bearer: Bearer, ref: str) -> ProposalData:
        """Where the person's data lie, by rights that are live.

        Raises:
            HubError: in the hub's words.
        """
        login = bearer.login
        key = (login.username, login.token.get_secret_value(), ref)
        known = self._known.get(key)
        if known and time.monotonic() - known.at < COALESCED_SECONDS:
            return known.data
        self._known.pop(key, None)
        data = await self.portal.hub.data(login, ref, "download")
        self._known[key] = _Known(data, time.monotonic())
        while len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return data

    async def still(self, bearer: Bearer, data: ProposalData, paths: Sequence[str]) -> None:
        """Whether what is being sent may still be sent.

        Raises:
            HubError: if the right, the login or the token is over, or the data lie elsewhere now.
        """
        bearer.check(data.ref, paths)
        now = await self.portal.hub.data(bearer.login, data.ref, "download")
        if (now.uid, now.areas) != (data.uid, data.areas):
            raise HubError(403, "Your rights to these data changed.", "Look at the download's page again.")

    async def survey(self, data: ProposalData, paths: Sequence[str]) -> tuple[Plan | None, bool]:
        """What a download would consist of, as far as it can be told in some seconds, and whether that is all.

        Raises:
            ReadError: in words.
        """
        plan: Plan | None = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SURVEY_SECONDS), Reader(data) as reader:
                plan = await make_plan(reader, data, paths, self.rules.zip_files, self.rules.bag_files)
        complete = plan is not None and (plan.complete or plan.count < self.rules.bag_files)
        return plan, complete

    def fits_zip(self, plan: Plan) -> bool:
        """Whether it goes as one zip."""
        return plan.complete and plan.size <= self.rules.zip_limit

    async def full_plan(self, reader: Reader, data: ProposalData, paths: Sequence[str]) -> Plan:
        """The plan of a zip.

        Raises:
            HubError: 413 if it is too much for one; ReadError.
        """
        try:
            async with asyncio.timeout(PLAN_SECONDS):
                plan = await make_plan(reader, data, paths, self.rules.zip_files)
        except TimeoutError:
            raise HubError(
                503, "The file system takes too long to list these data.", "Try again later, or choose a folder of it."
            ) from None
        if not self.fits_zip(plan):
            raise HubError(
                413,
                "This is too much for one zip.",
                "Choose a folder of it, or take it as a bag, or with rclone: the download's page shows how.",
            )
        return plan

    async def file_bytes(
        self, data: ProposalData, place: tuple[AreaDirectory, str], identity: Identity, start: int, end: int
    ) -> AsyncGenerator[bytes]:
        """A part of one file, as the person reads it."""
        async with (
            Reader(data) as reader,
            reader.open(place[0].path, place[1], start=start, end=end, same=identity, links=True) as stream,
        ):
            async for piece in stream:
                yield piece


async def bearer_of(request: Request, downloads: Downloads) -> Bearer:
    """Who asks: by a download token, a hub's token, or this browser's login.

    Raises:
        LoginNeeded: if that is nobody.
        HubError: 401 for a token that is over.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip().startswith(PREFIX):
        link = downloads.tokens.open(token.strip())
        if link is None:
            raise HubError(
                401, "This download token is over, or not of this portal.", "Make a new one on the download's page."
            )
        return Bearer(link.login, link)
    login = await maybe_signed_in(request)
    if login is None:
        raise LoginNeeded
    return Bearer(login)


def asked_paths(request: Request, most: int = 500) -> tuple[str, ...]:
    """The chosen paths of an address (``path``, or ``q`` from forms), also where a name is no UTF-8.

    Raises:
        HubError: 400 if there are too many.
    """
    query = request.scope.get("query_string", b"").decode("latin-1")
    pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    paths = tuple(value if name == "path" else plain(value) for name, value in pairs if name in {"path", "q"})
    if len(paths) > most:
        raise HubError(400, f"More than {most} folders were chosen at once.", "Choose the folder that holds them.")
    return paths


def path_in(request: Request, before: str) -> str:
    """What stands in an address behind ``before``, as the file system writes it."""
    raw: bytes = request.scope.get("raw_path") or quote(request.url.path).encode()
    return unquote_to_bytes(raw.partition(b"?")[0]).decode("utf-8", "surrogateescape")[len(before) :]


def quoted(path: str) -> str:
    """A path in an address."""
    return quote(path.encode("utf-8", "surrogateescape"), safe="/")


def plain(path: str) -> str:
    """A path of :func:`quoted`, as forms carry it."""
    return unquote_to_bytes(path).decode("utf-8", "surrogateescape")


def query_of(paths: Sequence[str], **more: str) -> str:
    """The query of an address for some paths."""
    parts = [f"path={quote(path.encode('utf-8', 'surrogateescape'), safe='/')}" for path in paths]
    parts += [f"{name}={quote(value, safe='')}" for name, value in more.items() if value]
    return "?" + "&".join(parts) if parts else ""


def in_words(error: ReadError) -> HubError:
    """What cannot be read, as an answer."""
    return HubError(_STATUS.get(error.code, 503), f"{shown(error.path) or 'The data'}: {error.message}", error.remedy)


def one_place(data: ProposalData, path: str) -> tuple[AreaDirectory, str] | None:
    """The area and the path in it of one file or folder; None for what is above areas, or nowhere."""
    places = located(data, path)
    return places[0] if len(places) == 1 and path.strip("/") else None


async def children(data: ProposalData, path: str, most: int) -> tuple[list[Entry], bool]:
    """What lies directly in a folder, as the person sees it (paths are names in it), and whether that is all.

    Raises:
        ReadError: if it cannot be listed.
    """
    wanted = path.strip("/")
    place = one_place(data, wanted)
    if place is None or (not place[1] and not _is_area(data, wanted)):
        names = _above(data, wanted)
        if not names:
            raise ReadError("missing", path)
        return [Entry(name, "dir", Identity(0, 0, 0, 0, 0)) for name in names], True
    area, below = place
    found: list[Entry] = []
    async with Reader(data) as reader:
        async for entry in reader.walk(area.path, below, deep=False):
            if len(found) >= most:
                return found, False
            found.append(Entry(entry.path.rpartition("/")[2], entry.kind, entry.identity, entry.mode))
    return found, True


def _is_area(data: ProposalData, path: str) -> bool:
    return any(path == (f"{a.area}/{a.label}" if a.label else a.area) for a in data.areas)


def _above(data: ProposalData, path: str) -> list[str]:
    """Names of what lies in a folder that is above the areas' own."""
    places = [(f"{a.area}/{a.label}" if a.label else a.area) for a in data.areas]
    beneath = [p.removeprefix(f"{path}/") if path else p for p in places if not path or p.startswith(f"{path}/")]
    return list(dict.fromkeys(p.partition("/")[0] for p in beneath))


def make_downloads(portal: Portal) -> Downloads:
    """The portal's downloads; what they keep is in the site's state directory.

    Raises:
        ConfigurationError: if that cannot be used.
    """
    if Downloads in portal.parts:
        return portal.part(Downloads)
    rules = portal.site.config.portal.downloads
    state: Path = portal.site.config.hub.state_dir
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    checksums = Checksums(state / "portal-checksums.sqlite")
    made = Downloads(
        portal,
        rules,
        LinkTokens(state / "portal-links.key"),
        checksums,
        Lanes(rules.per_person, rules.at_once, rules.wait),
        Lanes(rules.per_person, rules.at_once, rules.wait),
    )
    portal.add(checksums)
    portal.add(made)
    return made
