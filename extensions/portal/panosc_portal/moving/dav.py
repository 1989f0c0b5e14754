"""Storages that speak WebDAV over HTTP (dCache, XRootD, StoRM, Nextcloud): what they hold, bytes of it, and their macaroons.

Everything that comes back is bounded and looked at: no document types in XML, no entry that is not in the directory asked for,
no redirect with a token. Addresses are made from names that were looked at, each part encoded.
"""

from __future__ import annotations

import json
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit
from xml.parsers import expat

import httpx
from pydantic import SecretStr

from panosc_portal.moving.jobs import JobError
from panosc_portal.moving.remote_files import (
    ListingError,
    RemoteFile,
    TreeCount,
    TreeLimits,
    good_checksum,
    good_name,
    good_path,
    good_size,
)
from panosc_portal.moving.runner import TryAgainError

Bearer = Callable[[], Awaitable[SecretStr | None]]
"""Gives a fresh token, or None where none is needed."""

MAX_LISTING = 1024**3  # bytes of one directory's listing
_PROPFIND = (
    b'<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:" xmlns:oc="http://owncloud.org/ns"><prop><resourcetype/>'
    b"<getcontentlength/><getetag/><oc:checksums/></prop></propfind>"
)
_STATUS = {
    401: "does not accept the token",
    403: "does not allow it",
    404: "does not have it",
    429: "is asked too often",
    507: "has no room",
}
_BUSY = {408, 423, 425, 429, 500, 502, 503, 504}
_WANTED = "sha-256;q=1, sha;q=0.1, adler32;q=0.9, md5;q=0.5"


class StorageError(JobError):
    """A storage did not do what it was asked, and will not by itself."""


class StorageStatusError(StorageError):
    """It answered with a status that is none of success."""

    def __init__(self, words: str, remedy: str, status: int) -> None:
        super().__init__(words, remedy)
        self.status = status


def storage_said(title: str, status: int, what: str) -> JobError:
    """An answer that is none, in words; one that may pass is a :class:`TryAgainError`."""
    if 300 <= status < 400:
        return StorageError(f"{title} sends elsewhere for {what}, which is not followed.", "Tell its people.")
    words = f"{title} {_STATUS.get(status, 'answered with an error')} (status {status}): {what}."
    if status in _BUSY:
        return TryAgainError(words)
    remedy = {401: "Log in again, and try again.", 403: "Ask the facility whether you may have these data."}
    return StorageStatusError(words, remedy.get(status, "Try again later, or ask the facility."), status)


def make_client(
    timeout: timedelta, ca_file: Path | None, certificate: Path | None = None, *, streams: int = 12
) -> httpx.AsyncClient:
    """A client that the environment does not decide about, and that keeps nothing between requests.

    Args:
        timeout: longest silence.
        ca_file: authorities of the storage's certificate.
        certificate: with its key, shown to the storage.
        streams: files that are copied at a time; some connections more are for what is asked meanwhile.

    Raises:
        OSError: if one of the files cannot be used.
    """
    trusted = ssl.create_default_context(cafile=ca_file)
    if certificate is not None:
        trusted.load_cert_chain(certificate)
    return httpx.AsyncClient(
        verify=trusted,
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        timeout=httpx.Timeout(timeout.total_seconds(), connect=min(10.0, timeout.total_seconds())),
        limits=httpx.Limits(max_connections=streams + 4, keepalive_expiry=5.0),
        headers={"User-Agent": "panosc-hub", "Accept-Encoding": "identity"},
    )


class DavClient:
    """One storage.

    Args:
        title: as people see it.
        url: what is beneath it is asked for; https, or http on loopback.
        bearer: gives the token.
        client: made by :func:`make_client`.
    """

    def __init__(self, title: str, url: str, bearer: Bearer, client: httpx.AsyncClient) -> None:
        self.title, self.url = title, url.rstrip("/")
        self._bearer, self._client = bearer, client

    def address(self, path: str) -> str:
        """Of a path that was looked at."""
        return f"{self.url}/{quote(good_path(path), safe='/')}"

    async def walk(self, path: str, limits: TreeLimits) -> AsyncIterator[RemoteFile]:
        """All files beneath a directory, with names that were looked at, relative to it.

        Raises:
            ListingError: if the listing cannot be used, or has no end.
            JobError: if the storage does not answer, in words.
        """
        count = TreeCount(limits)
        waiting = deque([""])
        while waiting:
            here = waiting.popleft()
            count.directory()
            async for found in self._children(f"{path}/{here}" if here else path):
                below = good_path(f"{here}/{found.name}" if here else found.name)
                if found.collection:
                    waiting.append(below)
                    if len(waiting) + count.directories > limits.directories:
                        raise ListingError("The storage lists directories without end; it may lead in a circle.")
                    continue
                file = RemoteFile(below, good_size(found.size, below), tuple(found.checksums), tag=found.tag)
                count.file(file)
                yield file

    async def digest(self, path: str) -> str | None:
        """A file's checksum as the storage knows it (RFC 3230), if it tells one."""
        async with self._send("HEAD", self.address(path), headers={"Want-Digest": _WANTED}) as answer:
            if answer.status_code != 200:
                return None
            return digest_of(answer.headers.get("Digest", ""))

    async def small(self, path: str, most: int) -> bytes | None:
        """The bytes of a small file; None if there is none.

        Raises:
            JobError: if it is bigger than ``most``, or the storage does not answer.
        """
        async with self._send("GET", self.address(path)) as answer:
            if answer.status_code == 404:
                return None
            if answer.status_code != 200:
                raise storage_said(self.title, answer.status_code, path.rpartition("/")[2])
            body = bytearray()
            async for piece in answer.aiter_raw():
                body += piece
                if len(body) > most:
                    raise StorageError(f"{self.title}: {path.rpartition('/')[2]} is too big to be a list of checksums.")
            return bytes(body)

    @asynccontextmanager
    async def open(self, path: str, start: int, tag: str) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """A file's bytes from ``start`` on: (where they start, the bytes). They start at 0 if it was changed since ``tag``."""
        headers = {"Range": f"bytes={start}-", **({"If-Range": tag} if tag.startswith('"') else {})} if start else {}
        async with self._send("GET", self.address(path), headers=headers) as answer:
            if answer.status_code not in {200, 206}:
                raise storage_said(self.title, answer.status_code, path)
            begins = start if answer.status_code == 206 and _begins_at(answer, start) else 0
            if answer.status_code == 206 and begins != start:
                raise StorageError(f"{self.title} gave another part of {path} than was asked for.", "Try again.")
            yield begins, answer.aiter_raw(256 * 1024)

    async def macaroon(self, path: str, activities: str, validity: timedelta) -> SecretStr:
        """A token for one directory alone, for a time.

        Raises:
            JobError: if the storage gives none.
        """
        body = {"caveats": [f"activity:{activities}"], "validity": f"PT{max(1, int(validity.total_seconds() // 60))}M"}
        headers = {"Content-Type": "application/macaroon-request"}
        async with self._send("POST", self.address(path), headers, json.dumps(body).encode()) as answer:
            if answer.status_code != 200:
                raise storage_said(self.title, answer.status_code, "a macaroon for the directory")
            try:
                given = json.loads(await _bounded(answer, 64 * 1024))["macaroon"]
            except (ValueError, KeyError, TypeError):
                given = None
        if not isinstance(given, str) or not given.isascii() or not given.isprintable() or not given:
            raise StorageError(
                f"{self.title} gave no macaroon, though it answered.", "Tell the people who run this hub."
            )
        return SecretStr(given)

    async def make_directory(self, path: str) -> None:
        """Make a directory; it may be there already."""
        async with self._send("MKCOL", self.address(path)) as answer:
            if answer.status_code not in {200, 201, 204, 405, 409}:
                raise storage_said(self.title, answer.status_code, "a new directory")

    @asynccontextmanager
    async def copy_here(self, path: str, source: str, token: SecretStr | None) -> AsyncIterator[httpx.Response]:
        """Have this storage fetch ``source`` itself (HTTP third-party copy, pull), with a token for it."""
        headers = {"Source": source, "Overwrite": "T", "Credential": "none", "RequireChecksumVerification": "false"}
        if token is not None:
            headers["TransferHeaderAuthorization"] = f"Bearer {token.get_secret_value()}"
        async with self._send("COPY", self.address(path), headers) as answer:
            yield answer

    async def _children(self, path: str) -> AsyncIterator[_Child]:
        url = self.address(path) + "/"
        headers = {"Depth": "1", "Content-Type": "application/xml; charset=utf-8"}
        async with self._send("PROPFIND", url, headers, _PROPFIND) as answer:
            if answer.status_code != 207:
                raise storage_said(self.title, answer.status_code, f"the list of {path.rpartition('/')[2]}")
            parser, size = _Listing(url, urlsplit(self.url).netloc), 0
            async for piece in answer.aiter_raw():
                size += len(piece)
                if size > MAX_LISTING:
                    raise ListingError("The storage's list of one directory has no end.")
                for child in parser.feed(piece):
                    yield child
            for child in parser.feed(b"", last=True):
                yield child

    @asynccontextmanager
    async def _send(
        self, method: str, url: str, headers: dict[str, str] | None = None, content: bytes | None = None
    ) -> AsyncIterator[httpx.Response]:
        answer = await self._once(method, url, headers or {}, content)
        try:
            yield answer
        except (httpx.HTTPError, httpx.StreamError, ssl.SSLError) as error:
            raise _silent(self.title, error) from None
        finally:
            await answer.aclose()

    async def _once(self, method: str, url: str, headers: dict[str, str], content: bytes | None) -> httpx.Response:
        token = await self._bearer()
        if token is not None:
            headers = {**headers, "Authorization": f"Bearer {token.get_secret_value()}"}
        try:
            request = self._client.build_request(method, url, headers=headers, content=content)
            return await self._client.send(request, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, ValueError) as error:
            raise _silent(self.title, error) from None  # without the cause: it may hold headers


@dataclass
class _Child:
    href: str = ""
    name: str = ""
    collection: bool = False
    size: str = ""
    tag: str = ""
    checksums: list[str] = field(default_factory=list)


class _Listing:
    """A PROPFIND's answer, while it comes."""

    def __init__(self, url: str, host: str) -> None:
        self._base, self._host = PurePosixPath(unquote(urlsplit(url).path)), host
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._child: _Child | None = None
        self._said: list[str] = []
        self._done: list[_Child] = []

    def feed(self, piece: bytes, last: bool = False) -> list[_Child]:
        try:
            self._parser.Parse(piece, last)
        except expat.ExpatError:
            raise ListingError("The storage's list of a directory is no XML, or was cut.") from None
        done, self._done = self._done, []
        return done

    def _doctype(self, *_: object) -> None:
        raise ListingError("The storage's list of a directory has a document type, which no such list needs.")

    def _start(self, name: str, _: object) -> None:
        self._said = []
        if name == "DAV: response":
            self._child = _Child()
        elif name == "DAV: collection" and self._child:
            self._child.collection = True

    def _text(self, text: str) -> None:
        self._said.append(text)
        if len(self._said) > 64:
            self._said = ["".join(self._said)]
            if len(self._said[0]) > 64 * 1024:
                raise ListingError("The storage's list of a directory holds a value without end.")

    def _end(self, name: str) -> None:
        child, said = self._child, "".join(self._said).strip()
        self._said = []
        if child is None:
            return
        if name == "DAV: href" and not child.href:
            child.href = said
        elif name == "DAV: getcontentlength":
            child.size = said
        elif name == "DAV: getetag":
            child.tag = _tag(said)
        elif name == "http://owncloud.org/ns checksum":
            child.checksums += [known for word in said.split() if (known := good_checksum(word))]
        elif name == "DAV: response":
            self._child = None
            if self._named(child):
                self._done.append(child)

    def _named(self, child: _Child) -> bool:
        """Whether it is in the directory; the directory itself is not."""
        try:
            parts = urlsplit(child.href)
        except ValueError:
            raise ListingError("The storage lists an address that is none.") from None
        if parts.netloc and parts.netloc != self._host:
            raise ListingError("The storage lists what is at another host.")
        path = unquote(parts.path, errors="surrogateescape").rstrip("/") or "/"
        base = str(self._base)
        if path == base:
            return False
        if not path.startswith(base + "/"):
            raise ListingError(f"The storage lists {path[-60:]!r}, which is not in the directory that was asked for.")
        child.name = good_name(path[len(base) + 1 :])
        return True


def digest_of(header: str) -> str | None:
    """The best checksum in a ``Digest`` header (RFC 3230): hex, as XRootD writes it, or base64."""
    import base64
    import binascii

    found: dict[str, str] = {}
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        name = {"sha": "sha1"}.get(name.lower(), name.lower().replace("-", ""))
        plain = good_checksum(f"{name}:{value}")
        if plain is None:
            try:
                plain = good_checksum(f"{name}:{base64.b64decode(value, validate=True).hex()}")
            except (binascii.Error, ValueError):
                plain = None
        if plain:
            found[name] = plain
    return next((found[name] for name in ("sha512", "sha256", "sha1", "md5", "adler32") if name in found), None)


def _tag(said: str) -> str:
    """An ETag as ``If-Range`` takes it; some storages leave the quotes away. Empty if it is none."""
    plain = said if said.startswith(('"', "W/")) or not said else f'"{said}"'
    return plain if plain.isascii() and plain.isprintable() and len(plain) < 200 else ""


def _begins_at(answer: httpx.Response, start: int) -> bool:
    return str(answer.headers.get("Content-Range", "")).startswith(f"bytes {start}-")


async def _bounded(answer: httpx.Response, most: int) -> bytes:
    body = bytearray()
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) > most:
            raise ValueError
    return bytes(body)


def _silent(title: str, error: Exception) -> JobError:
    if isinstance(error, httpx.TimeoutException):
        return TryAgainError(f"{title} did not answer in time.")
    if "CERTIFICATE_VERIFY" in str(error):
        return StorageError(f"{title} has a certificate that is not trusted here.", "Tell the people who run this hub.")
    return TryAgainError(f"The connection to {title} failed ({type(error).__name__}).")


__all__ = ["Bearer", "DavClient", "StorageError", "StorageStatusError", "digest_of", "make_client", "storage_said"]
