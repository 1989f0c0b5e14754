"""Staging from OneData by a Oneprovider's REST interface.

Facts (onedatafilerestclient 25.2, https://onedata.org/#/home/api/stable/oneprovider): ``POST /lookup-file-id/<space>/<path>``
gives ``fileId``; ``GET /data/<id>/children?limit=&token=&attribute=…`` gives ``children``, ``isLast``, ``nextPageToken``; ``GET
/data/<id>/content`` takes ``Range``; the token is in ``X-Auth-Token``. Attributes have names in snake case before 21.2.5 and in
camel case from there on; both are asked for and read. A Oneprovider may still be fetching a file from another one and show it
as empty or short: sizes are compared, and such a file is asked for again later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx

from panosc_portal.moving.backend import Copying, each, fetch
from panosc_portal.moving.dav import Bearer, StorageError, storage_said
from panosc_portal.moving.remote_files import (
    ListingError,
    RemoteFile,
    TreeCount,
    TreeLimits,
    good_name,
    good_path,
    good_size,
)
from panosc_portal.moving.runner import TryAgainError
from panosc_portal.moving.threads import asked_in_staging_thread
from panosc_spawner.proposals.http.json_answer import NotAnAnswer, parse

_API = "/api/v3/oneprovider"
_PAGE = 1000
_MAX_ANSWER = 8 * 1024**2
_ATTRIBUTES = ("fileId", "name", "type", "size", "mtime")
_OLD = {"file_id": "fileId", "id": "fileId"}


class OneDataBackend:
    """A space, or a directory of one.

    Args:
        title: as people see it.
        url: of the Oneprovider.
        space: its name or id, and a path below it if need be.
        bearer: gives the token.
        client: made by :func:`~panosc_portal.moving.dav.make_client`.
        streams: files at a time.
    """

    def __init__(
        self, title: str, url: str, space: str, bearer: Bearer, client: httpx.AsyncClient, streams: int
    ) -> None:
        self._title, self._url, self._space = title, url.rstrip("/") + _API, space.strip("/")
        self._bearer, self._client, self._streams = bearer, client, streams

    async def walk(self, path: str, limits: TreeLimits) -> AsyncIterator[RemoteFile]:
        """See :class:`~panosc_portal.moving.backend.Backend`."""
        count = TreeCount(limits)
        top = await self._lookup(path)
        seen, waiting = {top}, deque([("", top)])
        while waiting:
            here, file_id = waiting.popleft()
            count.directory()
            async for child in self._children(file_id):
                below = good_path(f"{here}/{good_name(child['name'])}" if here else good_name(child["name"]))
                if child["type"] == "DIR":
                    if child["fileId"] in seen:
                        raise ListingError(f"The storage's directories lead in a circle at {below[-60:]!r}.")
                    seen.add(child["fileId"])
                    waiting.append((below, child["fileId"]))
                    if len(seen) > limits.directories:
                        raise ListingError(f"The storage lists more than {limits.directories:,} directories.")
                    continue
                file = _file(below, child)
                count.file(file)
                yield file

    async def small(self, path: str, most: int) -> bytes | None:
        """See :class:`~panosc_portal.moving.backend.Backend`."""
        try:
            file_id = await self._lookup(path)
        except StorageError:
            return None
        async with self._send("GET", f"/data/{file_id}/content") as answer:
            self._expect(answer, {200}, path)
            body = bytearray()
            async for piece in answer.aiter_raw():
                body += piece
                if len(body) > most:
                    raise StorageError(
                        f"{self._title}: {path.rpartition('/')[2]} is too big to be a list of checksums."
                    )
            return bytes(body)

    async def digest(self, path: str) -> str | None:
        """OneData keeps no checksums of files."""
        return None

    async def copy(self, copying: Copying) -> None:
        """See :class:`~panosc_portal.moving.backend.Backend`."""
        while batch := copying.some():
            await copying.check_room()
            await each(batch, self._streams, lambda file: self._one(copying, file))

    async def _one(self, copying: Copying, file: RemoteFile) -> None:
        same = await self._same(file)
        await fetch(copying, file, self._open, go_on=same)

    async def _same(self, file: RemoteFile) -> bool:
        """Whether it is what was listed. A shorter one may still be on its way to this provider.

        Raises:
            TryAgainError: if it is shorter.
        """
        now = await self._json("GET", f"/data/{file.key}", file.path, _asked())
        size = good_size(_read(now).get("size", -1), file.path)
        if size < file.size:
            raise TryAgainError(f"{self._title} shows {file.path} shorter than it was listed.")
        return size == file.size and bool(file.tag) and str(_read(now).get("mtime", "")) == file.tag

    @asynccontextmanager
    async def _open(self, file: RemoteFile, start: int) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        headers = {"Range": f"bytes={start}-"} if start else {}
        async with self._send("GET", f"/data/{file.key}/content", headers=headers) as answer:
            self._expect(answer, {200, 206}, file.path)
            begins = start if answer.status_code == 206 else 0
            if answer.status_code == 206 and not str(answer.headers.get("Content-Range", "")).startswith(
                f"bytes {start}-"
            ):
                raise StorageError(f"{self._title} gave another part of {file.path} than was asked for.", "Try again.")
            yield begins, answer.aiter_raw(256 * 1024)

    async def _lookup(self, path: str) -> str:
        where = quote(good_path(f"{self._space}/{path}"), safe="/")
        found = await self._json("POST", f"/lookup-file-id/{where}", path)
        return _identity(found.get("fileId"))

    async def _children(self, file_id: str) -> AsyncIterator[dict[str, Any]]:
        token = ""
        pages = 0
        while True:
            asked = [*_asked(), ("limit", str(_PAGE)), *([("token", token)] if token else [])]
            page = await self._json("GET", f"/data/{file_id}/children", "a directory", asked)
            children = page.get("children")
            if not isinstance(children, list):
                raise ListingError("The storage's list of a directory is none.")
            for child in children:
                yield _child(child)
            following = page.get("nextPageToken")
            if page.get("isLast", not following) or not following:
                return
            pages += 1
            if not isinstance(following, str) or following == token or len(following) > 4096 or not children:
                raise ListingError("The storage's list of one directory has no end.")
            token = following

    async def _json(
        self, method: str, path: str, what: str, query: list[tuple[str, str]] | None = None
    ) -> dict[str, Any]:
        async with self._send(method, path, query=query) as answer:
            self._expect(answer, {200, 201}, what)
            body = bytearray()
            async for piece in answer.aiter_raw():
                body += piece
                if len(body) > _MAX_ANSWER:
                    raise ListingError("The storage's answer is too long.")
        try:
            found = await asked_in_staging_thread(parse, bytes(body))
        except NotAnAnswer as error:
            raise ListingError(f"The storage's answer cannot be used: {error}.") from None
        if not isinstance(found, dict):
            raise ListingError("The storage's answer is not what its interface says.")
        return found

    def _expect(self, answer: httpx.Response, wanted: set[int], what: str) -> None:
        if answer.status_code not in wanted:
            raise storage_said(self._title, answer.status_code, what)

    @asynccontextmanager
    async def _send(
        self, method: str, path: str, query: list[tuple[str, str]] | None = None, headers: dict[str, str] | None = None
    ) -> AsyncIterator[httpx.Response]:
        token = await self._bearer()
        more = {"X-Auth-Token": token.get_secret_value()} if token else {}
        try:
            request = self._client.build_request(
                method,
                self._url + path,
                params=httpx.QueryParams(tuple(query or ())),
                headers={**(headers or {}), **more},
            )
            answer = await self._client.send(request, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise TryAgainError(f"The connection to {self._title} failed ({type(error).__name__}).") from None
        try:
            yield answer
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise TryAgainError(f"The connection to {self._title} broke off ({type(error).__name__}).") from None
        finally:
            await answer.aclose()


def _asked() -> list[tuple[str, str]]:
    return [("attribute", name) for name in _ATTRIBUTES] + [("attribute", "file_id")]


def _read(attributes: dict[str, Any]) -> dict[str, Any]:
    return {_OLD.get(key, key): value for key, value in attributes.items()}


def _child(given: object) -> dict[str, Any]:
    child = _read(given) if isinstance(given, dict) else {}
    name, kind = child.get("name"), child.get("type")
    if not isinstance(name, str):
        raise ListingError("The storage lists something without a name.")
    if kind in {"SYMLNK", "LNK"}:
        raise ListingError(f"The storage lists {name[:60]!r}, which is a link. Links are not taken over.")
    if kind not in {"REG", "DIR"}:
        raise ListingError(f"The storage lists {name[:60]!r}, which is neither a file nor a directory.")
    return {**child, "fileId": _identity(child.get("fileId"))}


def _identity(value: object) -> str:
    """OneData's name of a file: it becomes part of an address."""
    if not isinstance(value, str) or not (0 < len(value) <= 1024) or not value.isascii() or not value.isalnum():
        raise ListingError("The storage gives something that is no name of a file.")
    return value


def _file(path: str, child: dict[str, Any]) -> RemoteFile:
    mtime = child.get("mtime")
    tag = str(mtime) if isinstance(mtime, int | float) and not isinstance(mtime, bool) else ""
    return RemoteFile(path, good_size(child.get("size", -1), path), key=child["fileId"], tag=tag)
