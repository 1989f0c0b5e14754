"""An archive as a place to write to, over WebDAV: files come in beside their place, are read again, and only then moved to it.

Nothing that is there already is ever overwritten, but for the archive's own lists of what it holds.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import AsyncIterator
from urllib.parse import quote

import httpx

from panosc_portal.moving.dav import DavClient, StorageError, digest_of, storage_said
from panosc_portal.moving.remote_files import good_path
from panosc_portal.moving.runner import TryAgainError

_DIGEST = {"Want-Digest": "sha-256", "Want-Repr-Digest": "sha-256=9"}


class ArchiveDav(DavClient):
    """One archive. Paths are relative to its url."""

    async def size(self, path: str) -> int | None:
        """A file's bytes; None if it is not there.

        Raises:
            JobError: if the archive does not tell.
        """
        async with self._send("HEAD", self.address(path)) as answer:
            if answer.status_code == 404:
                return None
            length = str(answer.headers.get("Content-Length", ""))
            if answer.status_code != 200 or not length.isdecimal():
                raise storage_said(self.title, answer.status_code, f"whether it has {path}")
            return int(length)

    async def put(self, path: str, content: AsyncIterator[bytes], size: int) -> None:
        """Write a file.

        Raises:
            JobError: if the archive does not take it; what the content raises.
        """
        token = await self._bearer()
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        try:
            request = self._client.build_request("PUT", self.address(path), content=content, headers=headers)
            answer = await self._client.send(request, stream=True)
            await answer.aclose()  # what it says beside its status is not read: it may have no end
        except httpx.TimeoutException:
            raise TryAgainError(f"{self.title} did not answer in time.") from None
        except (httpx.HTTPError, ssl.SSLError, OSError) as error:  # without the cause: it may hold headers
            if "CERTIFICATE_VERIFY" in str(error):
                raise StorageError(
                    f"{self.title} has a certificate that is not trusted here.", "Tell the people who run this hub."
                ) from None
            raise TryAgainError(f"The connection to {self.title} failed ({type(error).__name__}).") from None
        if answer.status_code not in {200, 201, 204}:
            raise storage_said(self.title, answer.status_code, f"to write {path.rpartition('/')[2]}")

    async def sha256(self, path: str, size: int, *, by_digest: bool = False) -> str:
        """A file's SHA-256 as the archive holds it: read again, or (``by_digest``) as the archive tells it, if it does.

        Raises:
            JobError: if it cannot be read, or has another size.
        """
        if by_digest and (told := await self._told(path)):
            return told
        digest, got = hashlib.sha256(), 0
        async with self.open(path, 0, "") as (_, pieces):
            async for piece in pieces:
                digest.update(piece)
                got += len(piece)
                if got > size:
                    break
        if got != size:
            raise TryAgainError(f"{self.title} gave back another size of {path.rpartition('/')[2]} than was sent.")
        return digest.hexdigest()

    async def move(self, path: str, to: str, *, overwrite: bool = False) -> None:
        """Give a file its place.

        Raises:
            JobError: if there is something already, or the archive does not do it.
        """
        headers = {"Destination": self.address(to), "Overwrite": "T" if overwrite else "F"}
        async with self._send("MOVE", self.address(path), headers) as answer:
            if answer.status_code == 412:
                raise StorageError(
                    f"{self.title} has another {to.rpartition('/')[2]} there already; nothing was overwritten.",
                    "Ask the archive's people.",
                )
            if answer.status_code not in {200, 201, 204}:
                raise storage_said(self.title, answer.status_code, f"to give {to.rpartition('/')[2]} its place")

    async def make_directories(self, path: str) -> None:
        """Make a directory, and those above it that are missing: a token may open no more than the proposal's own.

        Raises:
            JobError: if the archive does not do it.
        """
        status = await self._mkcol(path)
        parent = path.rpartition("/")[0]
        if status in {404, 409} and parent:
            await self.make_directories(parent)
            status = await self._mkcol(path)
        if status not in {200, 201, 204, 405}:
            raise storage_said(self.title, status, "a new directory")

    async def _mkcol(self, path: str) -> int:
        async with self._send("MKCOL", self.address(path)) as answer:
            return int(answer.status_code)

    async def remove(self, path: str) -> None:
        """Remove what was written beside its place; it may not be there."""
        async with self._send("DELETE", self.address(path)) as answer:
            if answer.status_code not in {200, 204, 404}:
                raise storage_said(self.title, answer.status_code, "to remove what is not complete")

    def address(self, path: str) -> str:
        """Of a path whose parts were looked at."""
        return f"{self.url}/{quote(good_path(path).encode('utf-8'), safe='/')}"

    async def _told(self, path: str) -> str:
        async with self._send("HEAD", self.address(path), headers=dict(_DIGEST)) as answer:
            if answer.status_code != 200:
                return ""
            told = digest_of(answer.headers.get("Digest", "")) or ""
        return told.removeprefix("sha256:") if told.startswith("sha256:") else ""
