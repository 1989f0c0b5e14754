"""Staging between two storages (XRootD, dCache): the one here fetches from the one there, each opened by a macaroon.

HTTP third-party copy, pull: ``COPY`` to the storage here, with ``Source`` and, in ``TransferHeaderAuthorization``, a macaroon that
opens the proposal's directory there for reading and nothing else: the person's or the site's own token never goes from one to
the other. The answer goes on while bytes flow (performance markers), and its last line tells how it ended.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import PurePosixPath

import httpx
from pydantic import SecretStr

from panosc_portal.moving.backend import Copying, changed, each
from panosc_portal.moving.dav import DavClient, StorageError, storage_said
from panosc_portal.moving.place import HIDDEN
from panosc_portal.moving.remote_files import RemoteFile, TreeLimits
from panosc_portal.moving.runner import TryAgainError
from panosc_portal.moving.settle import remove_here, size_here
from panosc_portal.moving.threads import in_staging_thread

VALIDITY = timedelta(hours=12)
_MAX_LINE = 4096
_BYTES = re.compile(r"\s*Stripe Bytes Transferred:\s*(\d{1,19})\s*", re.ASCII)
_STRIPE = re.compile(r"\s*Stripe Index:\s*(\d{1,4})\s*", re.ASCII)


class Macaroons:
    """A macaroon for one directory, asked for again when half of its time is over."""

    def __init__(self, client: DavClient, path: str, activities: str) -> None:
        self._client, self._path, self._activities = client, path, activities
        self._given: SecretStr | None = None
        self._until = 0.0
        self._asking = asyncio.Lock()

    async def __call__(self) -> SecretStr:
        """One that is good for some hours."""
        async with self._asking:
            if self._given is None or time.monotonic() > self._until:
                self._given = await self._client.macaroon(self._path, self._activities, VALIDITY)
                self._until = time.monotonic() + VALIDITY.total_seconds() / 2
            return self._given


class Markers:
    """The body of a COPY's answer: performance markers, and at the end a line that tells how it went."""

    def __init__(self) -> None:
        self.bytes = 0
        self.outcome = ""
        self._stripes: dict[str, int] = {}
        self._stripe = "0"
        self._rest = ""

    def feed(self, piece: bytes) -> None:
        """A piece of it.

        Raises:
            ValueError: if a line has no end.
        """
        *lines, self._rest = (self._rest + piece.decode("utf-8", "replace")).split("\n")
        if len(self._rest) > _MAX_LINE:
            raise ValueError("a line without end")
        for line in lines:
            self._line(line)

    def end(self) -> None:
        """Nothing more comes: the last line may have no end of line."""
        self._line(self._rest)
        self._rest = ""

    def _line(self, line: str) -> None:
        if index := _STRIPE.fullmatch(line):
            self._stripe = index[1]
        elif moved := _BYTES.fullmatch(line):
            if len(self._stripes) < 1000:
                self._stripes[self._stripe] = int(moved[1])
            self.bytes = sum(self._stripes.values())
        elif line.strip().lower().startswith(("success", "failure")):
            self.outcome = line.strip()[:500]


class ThirdPartyBackend:
    """Two storages.

    Args:
        source: the one there.
        destination: the one here; what is beneath its url is the area's root.
        token: of the source for one directory; None for open data.
        streams: files at a time.
        silence: seconds without a marker after which a copy is given up.
    """

    def __init__(
        self, source: DavClient, destination: DavClient, token: Macaroons | None, streams: int, silence: float
    ) -> None:
        self._source, self._destination, self._token = source, destination, token
        self._streams, self._silence = streams, silence

    def walk(self, path: str, limits: TreeLimits) -> AsyncIterator[RemoteFile]:
        """See :class:`~panosc_portal.moving.backend.Backend`."""
        return self._source.walk(path, limits)

    async def small(self, path: str, most: int) -> bytes | None:
        """See :class:`~panosc_portal.moving.backend.Backend`."""
        return await self._source.small(path, most)

    async def digest(self, path: str) -> str | None:
        """See :class:`~panosc_portal.moving.backend.Backend`."""
        return await self._source.digest(path)

    async def copy(self, copying: Copying) -> None:
        """See :class:`~panosc_portal.moving.backend.Backend`."""
        await in_staging_thread(_forget_half_done, copying)
        made: set[str] = set()
        while batch := copying.some():
            await copying.check_room()
            await self._directories(copying, batch, made)
            await each(batch, self._streams, lambda file: self._one(copying, file))

    async def _directories(self, copying: Copying, files: list[RemoteFile], made: set[str]) -> None:
        for file in files:
            for parent in reversed(PurePosixPath(file.path).parents[:-1]):
                if str(parent) not in made:
                    await self._destination.make_directory(hidden_path(copying, str(parent)))
                    made.add(str(parent))

    async def _one(self, copying: Copying, file: RemoteFile) -> None:
        source = self._source.address(f"{copying.path}/{file.path}")
        token = await self._token() if self._token else None
        markers = Markers()
        try:
            async with self._destination.copy_here(hidden_path(copying, file.path), source, token) as answer:
                if answer.status_code not in {200, 201, 202, 204}:
                    raise storage_said(self._destination.title, answer.status_code, f"the copy of {file.path}")
                await self._follow(copying, file, answer, markers)
        finally:
            copying.live.pop(file.path, None)
        await self._came(copying, file, markers)

    async def _follow(self, copying: Copying, file: RemoteFile, answer: httpx.Response, markers: Markers) -> None:
        pieces = answer.aiter_raw()
        moved, since = 0, time.monotonic()
        while True:
            try:
                piece = await asyncio.wait_for(anext(pieces), self._silence)
            except StopAsyncIteration:
                break
            except TimeoutError:
                raise TryAgainError(f"{self._destination.title} says nothing of {file.path} any more.") from None
            try:
                markers.feed(piece)
            except ValueError:
                raise StorageError(
                    f"{self._destination.title} gave an answer without end.", "Tell its people."
                ) from None
            if markers.bytes > file.size:
                raise changed(file)
            if markers.bytes > moved:
                moved, since = markers.bytes, time.monotonic()
                copying.live[file.path] = moved
                copying.told()
                await copying.check_room()
            elif time.monotonic() - since > 10 * self._silence:
                raise TryAgainError(f"{file.path} has not moved on for {10 * self._silence:g} s.")
        markers.end()

    async def _came(self, copying: Copying, file: RemoteFile, markers: Markers) -> None:
        if not markers.outcome.lower().startswith("success"):
            raise _failure(self._source.title, file, markers.outcome, copying)
        await in_staging_thread(_looked_at, copying, file)
        copying.journal.here([file.path])
        copying.told()


def hidden_path(copying: Copying, path: str) -> str:
    """Where a file comes, beneath the url of the storage here. Nothing else is ever a destination."""
    return f"{HIDDEN}/{copying.place.key}/data/{path}"


def _failure(title: str, file: RemoteFile, outcome: str, copying: Copying) -> Exception:
    said = outcome.lower()
    if "no space" in said or "quota" in said or "507" in said:
        return copying.room.full()
    for code, words in (
        ("401", "does not accept the macaroon"),
        ("403", "does not allow it"),
        ("404", "does not have it"),
    ):
        if code in said:
            return TryAgainError(f"{title} {words}: {file.path}.")
    return TryAgainError(f"The copy of {file.path} from {title} failed on the way.")


def _looked_at(copying: Copying, file: RemoteFile) -> None:
    """Whether a file has the size that was listed; if not, it is removed.

    Raises:
        ListingError: if not.
    """
    with copying.place.opened() as root:
        if size_here(root, file.path) != file.size:
            remove_here(root, file.path)
            raise changed(file)


def _forget_half_done(copying: Copying) -> None:
    """A file that was not reported as copied: the storage here writes it anew from its first byte."""
    with copying.place.opened() as root:
        for file in copying.journal.to_copy():
            if size_here(root, file.path) is not None:
                remove_here(root, file.path)
