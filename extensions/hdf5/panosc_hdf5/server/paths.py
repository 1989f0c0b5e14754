"""From what a client calls a file to the file: confined to the server's root, by real paths, with every refusal in words."""

from __future__ import annotations

import asyncio
import os
import re
import stat
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from panosc_hdf5.core.context import beneath
from panosc_hdf5.core.errors import BadRequest, Busy, Forbidden, HDF5Error, NotFound, Unsupported
from panosc_hdf5.core.wire import Depends

MAX_PATH = 4096
_DRIVE = re.compile(r"^[A-Za-z0-9_. -]+:")
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Target:
    """What is asked about.

    Attributes:
        path: real and confined; or a URL that is allowed.
        stamp: the file as it is now; None for a URL.
        seen_ns: when that was, nanoseconds since 1970.
    """

    path: str
    stamp: Depends | None
    seen_ns: int = 0

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal as long as the file does not change."""
        if self.stamp is None:
            return (self.path,)
        return self.stamp.key


class Paths:
    """Confines paths.

    Args:
        root: the folder that contents paths count from, asked each time.
        extra_roots: where links may lead, too.
        url_prefixes: URLs that may be read begin with one of these.
        hidden: whether files whose name begins with a dot may be read, asked each time.
        seconds: how long a file system may take to say that a file is there.
    """

    def __init__(
        self,
        root: Callable[[], str],
        extra_roots: Sequence[str] = (),
        url_prefixes: Sequence[str] = (),
        hidden: Callable[[], bool] = lambda: False,
        seconds: float = 10.0,
    ) -> None:
        self._root = root
        self._extra = tuple(extra_roots)
        self._prefixes = tuple(url_prefixes)
        self._hidden = hidden
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(16, "panosc-hdf5-stat")
        self._hanging: dict[Hashable, asyncio.Future[Any]] = {}

    def roots(self) -> tuple[str, ...]:
        """Real paths of the root and the extra roots. Touches the file system."""
        return tuple(dict.fromkeys(self._real_roots()))

    def _real_roots(self) -> Iterator[str]:
        """One by one: who finds a file in the first one need not wait for a file system that hangs."""
        yield from (os.path.realpath(root) for root in (self._root(), *self._extra))

    async def resolve(self, text: str) -> Target:
        """The file that a contents path or a URL names.

        Raises:
            HDF5Error: in words; without the machine's own paths.
        """
        _refuse_nonsense(text)
        if _URL.match(text):
            return Target(self._allowed_url(text), None)
        return await self._run(text, lambda: self._find(text))

    async def stamps(self, paths: Sequence[str]) -> list[Depends | None]:
        """Files as they are now; None for those that are not there."""
        return await self._run(tuple(paths), lambda: [Depends.now(path) for path in paths])

    async def _run(self, about: Hashable, work: Callable[[], Result]) -> Result:
        """Do something with the file system in a thread. What hangs has one thread, however often it is asked again.

        Raises:
            Busy: it takes too long.
        """
        end = time.monotonic() + self._seconds
        if (hanging := self._hanging.get(about)) is not None:
            await asyncio.wait([hanging], timeout=self._seconds)
            if not hanging.done():
                raise _hangs()
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        await asyncio.wait([future], timeout=max(0.1, end - time.monotonic()))
        if not future.done():
            self._hanging[about] = future
            future.add_done_callback(lambda done: self._hangs_no_more(about, done))
            raise _hangs()
        return future.result()

    def _hangs_no_more(self, about: Hashable, future: asyncio.Future[Any]) -> None:
        if self._hanging.get(about) is future:
            del self._hanging[about]
        if not future.cancelled():
            future.exception()  # nobody waits for it any more

    def close(self) -> None:
        """End the threads that do not hang."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _find(self, text: str) -> Target:
        root = self._root()
        if not root:
            raise Forbidden("This server's files do not lie in a folder, so that HDF5 files cannot be read from it.")
        relative = _relative(text)
        path = Path(root, relative)
        drive = _DRIVE.match(relative)
        try:
            if drive and not path.exists():
                path = Path(root, _relative(relative[drive.end() :]))
            return self._checked(path, Path(root))
        except HDF5Error:
            raise
        except PermissionError as error:
            raise Forbidden("This file may not be read.", "Ask its owner for access.") from error
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _missing() from error
        except (OSError, ValueError, RuntimeError) as error:  # a cycle of symbolic links, a name that is too long
            raise NotFound(
                f"This file cannot be found: {getattr(error, 'strerror', None) or 'its path is not valid'}."
            ) from error

    def _checked(self, path: Path, root: Path) -> Target:
        if not self._hidden() and any(part.startswith(".") for part in path.relative_to(root).parts):
            raise _missing()
        real = os.path.realpath(path, strict=True)
        if not any(beneath(real, allowed) for allowed in self._real_roots()):
            raise Forbidden("This path leads outside of the folder that this server shows.", code="outside")
        seen = time.time_ns()
        found = os.stat(real)  # noqa: PTH116 - as text all the way: it goes to the worker
        if stat.S_ISDIR(found.st_mode):
            raise Unsupported("This is a folder, not a file.", code="folder")
        if not stat.S_ISREG(found.st_mode):
            raise Unsupported("This is no regular file.", code="not_a_file")
        if not os.access(real, os.R_OK):
            raise Forbidden("This file may not be read.", "Ask its owner for access.")
        return Target(real, Depends.of(real, found), seen)

    def _allowed_url(self, text: str) -> str:
        parts = _split(text)
        plain = unquote(parts.path)
        if (
            parts.scheme not in ("http", "https")
            or "@" in parts.netloc
            or "\\" in plain
            or any(part in ("..", ".") for part in plain.split("/"))
            or any(ord(letter) <= 32 or ord(letter) == 127 for letter in text)
        ):
            raise BadRequest("This URL is not one that can be read.")
        for prefix in map(urlsplit, self._prefixes):
            if (parts.scheme, parts.netloc.lower()) == (prefix.scheme, prefix.netloc.lower()) and (
                parts.path.startswith(prefix.path.rstrip("/") + "/")
            ):
                return str(parts.scheme) + text[len(parts.scheme) :]  # in small letters, by which workers tell a URL
        raise Forbidden(
            "This server does not read from that address.",
            "Its operator can allow it: PanoscHDF5.url_prefixes.",
            code="url_not_allowed",
        )


def _refuse_nonsense(text: str) -> None:
    if not text or len(text) > MAX_PATH:
        raise BadRequest("The parameter path is missing or too long.")
    if "\0" in text:
        raise BadRequest("The parameter path holds a NUL character.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadRequest("The parameter path is not valid text.") from error


def _relative(text: str) -> str:
    """A contents path without its leading slash; one that climbs is refused even if it came back."""
    relative = text.lstrip("/")
    parts = relative.split("/")
    if ".." in parts:
        raise Forbidden("A path must not climb (..).", code="outside")
    if not any(part not in ("", ".") for part in parts):
        raise Unsupported("This is a folder, not a file.", code="folder")
    return relative


def _split(text: str):  # type: ignore[no-untyped-def]  # urllib's own type has no public name
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise BadRequest("This is not a valid URL.") from error
    return parts


def _hangs() -> HDF5Error:
    return Busy("The file system does not answer.", "Try again later.", code="file_system_hangs")


def _missing() -> HDF5Error:
    return NotFound("There is no such file.", "It may have been moved or renamed: refresh the list of files.")
