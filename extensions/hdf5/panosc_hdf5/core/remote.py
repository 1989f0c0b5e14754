"""A file on a web server as h5py reads one: ranges over a kept connection, cached in blocks, of one state of the file only.

What changed on the server meanwhile is an error in words, never a mixture of two files.
"""

from __future__ import annotations

import http.client
import io
import os
import re
import ssl
import threading
import time
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from panosc_hdf5.core.errors import BadRequest, Busy, Forbidden, HDF5Error, NotFound, Unreadable, Unsupported
from panosc_hdf5.core.wire import Depends

BLOCK = 256 * 1024
MAX_AHEAD = 16  # blocks
MAX_BLOCKS = 256
MAX_REDIRECTS = 5
TIMEOUT_SECONDS = 15.0
FRESH_SECONDS = 5.0
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class _State:
    """What tells one state of the file from another."""

    etag: str
    modified: str
    size: int

    @property
    def validator(self) -> str:
        """For ``If-Range``, which takes strong tags and dates only."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified

    @property
    def mtime_ns(self) -> int:
        try:
            return int(parsedate_to_datetime(self.modified).timestamp() * 1e9)
        except (TypeError, ValueError, OverflowError):
            return 0


class _Connection:
    """One kept connection to one server. Redirects stay on that host."""

    def __init__(self, url: str) -> None:
        self._parts = _checked(url)
        self._url = url
        self._connection: http.client.HTTPConnection | None = None

    @property
    def host(self) -> str:
        return self._parts.netloc

    def get(self, headers: dict[str, str], method: str = "GET") -> http.client.HTTPResponse:
        """Ask; the answer's body is not read yet.

        Raises:
            HDF5Error: the server cannot be reached, or refuses.
        """
        for _ in range(MAX_REDIRECTS + 1):
            response = self._ask(method, headers)
            if response.status not in _REDIRECTS:
                return response
            self._follow(response.headers.get("Location", ""))
        raise Unreadable(f"{self.host} redirects in a circle.", code="redirects")

    def _follow(self, location: str) -> None:
        self.close()
        url = urljoin(self._url, location)
        parts = _checked(url)
        to_https = (self._parts.scheme, parts.scheme) == ("http", "https")
        if to_https:  # from one standard port to the other one
            allowed = self._parts.port in (None, 80) and parts.port in (None, 443)
        else:
            allowed = parts.scheme == self._parts.scheme and parts.port == self._parts.port
        if parts.hostname != self._parts.hostname or not allowed:
            raise Forbidden(
                f"{self.host} redirects to another server, which is not followed.",
                "Give the address that it redirects to.",
                code="redirected",
            )
        self._url, self._parts = url, parts

    def _ask(self, method: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        target = (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")
        fresh = self._connection is None
        try:
            return self._send(method, target, headers)
        except (http.client.HTTPException, OSError) as error:
            self.close()
            if fresh:
                raise self._unreachable(error) from error
        try:  # a kept connection may have been closed by the server meanwhile
            return self._send(method, target, headers)
        except (http.client.HTTPException, OSError) as error:
            self.close()
            raise self._unreachable(error) from error

    def _send(self, method: str, target: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        if self._connection is None:
            self._connection = self._connect()
        self._connection.request(method, target, headers={"Accept-Encoding": "identity", **headers})
        return self._connection.getresponse()

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=context)
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)

    def _unreachable(self, error: Exception) -> HDF5Error:
        if isinstance(error, ssl.SSLError):
            return Unreadable(f"The certificate of {self.host} is not trusted.", code="certificate")
        if isinstance(error, TimeoutError):
            return Busy(f"{self.host} did not answer in {TIMEOUT_SECONDS:.0f} seconds.", "Try again.", code="timeout")
        return Busy(f"{self.host} cannot be reached.", "Look whether the address is right.", code="unreachable")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises for what is no number
    except ValueError as error:
        raise BadRequest("This is no web address.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadRequest("This is no web address.", "It begins with https:// or http://.")
    if parts.username or parts.password:
        raise BadRequest("A web address with a password in it is not opened.", "Leave the name and the password out.")
    if any(ord(letter) <= 32 or ord(letter) > 126 for letter in url):
        raise BadRequest("The web address holds blanks or letters that must be written as %xx.")
    return parts


class RemoteFile(io.RawIOBase):
    """A file on a web server, for h5py.

    Args:
        url: http or https; the server must answer ranges.

    Attributes:
        failure: why the last read failed; HDF5 does not always pass it on.

    Raises:
        HDF5Error: it cannot be read.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._connection = _Connection(url)
        self._lock = threading.RLock()
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._position = 0
        self._ahead = 1
        self._expected = -1
        self.failure: HDF5Error | None = None
        self._state: _State | None = None
        self.requests = 0
        self._fetch(0, 1)
        self._looked = time.monotonic()

    @property
    def host(self) -> str:
        """The server, as the address names it."""
        return self._connection.host

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._state.size if self._state else 0

    @property
    def stamp(self) -> Depends:
        """What tells this state of the file from another one."""
        state = self._state or _State("", "", 0)
        return Depends(self._url, zlib.crc32(f"{state.etag}\n{state.modified}".encode()), state.mtime_ns, state.size)

    def is_current(self) -> bool:
        """Whether the server still has this state; asked every few seconds only. A server that is away says nothing new."""
        with self._lock:
            if isinstance(self.failure, HDF5Error) and self.failure.code == "changed":
                return False
            if time.monotonic() - self._looked < FRESH_SECONDS:
                return True
            self._looked = time.monotonic()
            try:
                response = self._connection.get({"Range": "bytes=0-0"})
                found = self._read_state(response)
                self._drain(response)
            except HDF5Error:
                return True
            return found is None or found == self._state

    # --- what h5py calls ------------------------------------------------------------------------------------------------

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go somewhere."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read from where it stands.

        Raises:
            HDF5Error: in words.
        """
        view = memoryview(buffer).cast("B")
        with self._lock:
            try:
                count = self._read_into(view, self._position)
            except HDF5Error as error:
                self.failure = error
                raise
            self._position += count
            return count

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
        self._blocks.clear()
        super().close()

    # --- blocks ---------------------------------------------------------------------------------------------------------

    def _read_into(self, view: memoryview, begin: int) -> int:
        end = min(begin + len(view), self.size)
        if end <= begin:
            return 0
        self._adapt(begin, end)
        for index in range(begin // BLOCK, (end - 1) // BLOCK + 1):
            block = self._block(index, (end - 1) // BLOCK)
            low, high = max(begin, index * BLOCK), min(end, index * BLOCK + len(block))
            if high < min(end, (index + 1) * BLOCK):
                raise Unreadable(f"{self.host} sent less of the file than there is.", "Try again.", code="short")
            view[low - begin : high - begin] = block[low - index * BLOCK : high - index * BLOCK]
        return end - begin

    def _adapt(self, begin: int, end: int) -> None:
        """Read further ahead, twice as far each time, as long as one read follows the other."""
        following = 0 <= begin - self._expected <= BLOCK
        self._ahead = min(MAX_AHEAD, self._ahead * 2) if following else 1
        self._expected = end

    def _block(self, index: int, last: int) -> bytes:
        if index in self._blocks:
            self._blocks.move_to_end(index)
            return self._blocks[index]
        wanted = max(last - index + 1, self._ahead)
        count = 1
        total = -(-self.size // BLOCK)
        while count < min(wanted, MAX_AHEAD) and index + count < total and index + count not in self._blocks:
            count += 1
        return self._fetch(index, count)

    def _fetch(self, index: int, count: int) -> bytes:
        begin = index * BLOCK
        headers = {"Range": f"bytes={begin}-{begin + count * BLOCK - 1}"}
        if self._state is not None and self._state.validator:
            headers["If-Range"] = self._state.validator
        self.requests += 1
        response = self._connection.get(headers)
        found = self._read_state(response)
        if found is None:
            raise self._refusal(response)
        if self._state is not None and found != self._state:
            raise self._changed()
        length = min(count * BLOCK, found.size - begin)
        try:
            data = response.read(length)
        except (http.client.HTTPException, OSError) as error:
            self._connection.close()
            raise Busy(f"{self.host} broke off.", "Try again.", code="broken_off") from error
        if len(data) != length or not response.isclosed():
            self._connection.close()
        self._state = found
        for number in range(count):
            self._blocks[index + number] = data[number * BLOCK : (number + 1) * BLOCK]
        while len(self._blocks) > MAX_BLOCKS:
            self._blocks.popitem(last=False)
        return data[:BLOCK]

    def _read_state(self, response: http.client.HTTPResponse) -> _State | None:
        """The state that an answer belongs to; None if it is no part of a file."""
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        encoding = response.headers.get("Content-Encoding", "identity")
        if response.status != 206 or match is None or encoding != "identity":
            return None
        etag, modified = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
        return _State(etag, modified, int(match.group(3)))

    def _refusal(self, response: http.client.HTTPResponse) -> HDF5Error:
        self._connection.close()
        status = response.status
        if status == 200 and self._state is not None:
            return self._changed()
        if status in (200, 206):
            return Unsupported(
                f"{self.host} does not answer parts of a file (HTTP ranges), so a file there cannot be read piece by piece.",
                "Download it first.",
                code="no_ranges",
            )
        if status in (401, 403):
            return Forbidden(f"{self.host} does not let this file be read without logging in.", code="permission")
        if status in (404, 410):
            return NotFound(f"{self.host} has no such file.")
        if status == 416:
            return (
                self._changed() if self._state else Unreadable(f"The file at {self.host} is empty.", code="empty_file")
            )
        if status in (429, 503):
            return Busy(f"{self.host} is busy.", "Try again in a while.", code="server_busy")
        return Unreadable(f"{self.host} answered {status}.", code="server_error")

    def _changed(self) -> HDF5Error:
        self._connection.close()
        self.failure = Busy(f"The file at {self.host} has changed meanwhile.", "Ask again.", code="changed")
        return self.failure

    def _drain(self, response: http.client.HTTPResponse) -> None:
        """Make the connection free again, unless that means reading a whole file."""
        if response.status == 206:
            response.read(BLOCK)
        if not response.isclosed():
            self._connection.close()
