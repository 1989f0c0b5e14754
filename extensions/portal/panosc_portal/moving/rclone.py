"""Staging from WebDAV by rclone: it copies what we listed and looked at, as the account that will own it.

What rclone 1.60 (Debian 12) does, and what follows:

- It gets its token by ``bearer_token_command``, at its start and whenever the storage says 401: ``cat`` of a file in memory that
  has no name, is inherited by number, and in which we keep a fresh token. So it is on no command line, in no environment and
  on no disk, and whoever the copy runs as needs no Python of ours.
- ``--files-from-raw``: only names that we listed, whatever a listing says to it. Not with ``--no-traverse``, which asks for each
  file once more: small files then take twice as long.
- It writes under the final name. So an interrupted file looks like a short one: what it did not report as copied is
  removed, or gone on with by ranges where it is big and its ETag tells that it is the same. ``--multi-thread-streams 0``:
  with several, an interrupted file would have its full size and holes.
- It knows no checksums over plain WebDAV: we read everything again afterwards.
- It dies with the portal (``setpriv --pdeathsig``), or it would go on writing beside the next portal's.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

from pydantic import SecretStr

from panosc_portal.moving.backend import Copying, changed, each, fetch
from panosc_portal.moving.dav import Bearer, DavClient, StorageError
from panosc_portal.moving.jobs import JobError
from panosc_portal.moving.remote_files import RemoteFile, TreeLimits
from panosc_portal.moving.runner import TryAgainError
from panosc_portal.moving.settle import remove_here, size_here
from panosc_portal.moving.threads import in_staging_thread

logger = logging.getLogger(__name__)

BATCH = 50_000  # files for one rclone: it keeps their names in memory
GO_ON_FROM = 16 * 1024**2  # bytes of an interrupted file from which it is worth to go on in the middle
TOKEN_EVERY = 60.0
"""Seconds after which a fresh token is asked for."""
_ROOM_EVERY = 5.0
_STOP_SECONDS = 5.0
_MAX_LINE = 1024 * 1024


class RcloneBackend:
    """A WebDAV storage, copied by rclone.

    Args:
        client: of the storage: lists it, and goes on with interrupted files.
        bearer: gives the token, or None.
        program: rclone.
        streams: files at a time.
        silence: seconds without a byte after which a connection is given up.
        ca_file: authorities of the storage's certificate.
    """

    def __init__(
        self, client: DavClient, bearer: Bearer, program: Path, streams: int, silence: float, ca_file: Path | None
    ) -> None:
        self._client, self._bearer, self._program = client, bearer, program
        self._streams, self._silence, self._ca_file = streams, silence, ca_file

    def walk(self, path: str, limits: TreeLimits) -> AsyncIterator[RemoteFile]:
        """See :class:`~panosc_portal.moving.backend.Backend`."""
        return self._client.walk(path, limits)

    async def small(self, path: str, most: int) -> bytes | None:
        """See :class:`~panosc_portal.moving.backend.Backend`."""
        return await self._client.small(path, most)

    async def digest(self, path: str) -> str | None:
        """See :class:`~panosc_portal.moving.backend.Backend`."""
        return await self._client.digest(path)

    async def copy(self, copying: Copying) -> None:
        """See :class:`~panosc_portal.moving.backend.Backend`."""
        await self._go_on(copying)
        for batch in _batches(copying, BATCH):
            await self._rclone(copying, batch)
            left = await in_staging_thread(_missing, copying, batch)
            copying.live.clear()
            copying.told()
            # Names that rclone writes in another way than the storage does.
            await each(left, self._streams, lambda file: self._fetch(copying, file, False))

    async def _go_on(self, copying: Copying) -> None:
        """What an earlier try left half-done."""
        big = await in_staging_thread(_half_done, copying)
        await each(big, self._streams, lambda file: self._fetch(copying, file, True))

    async def _fetch(self, copying: Copying, file: RemoteFile, go_on: bool) -> None:
        def opener(one: RemoteFile, start: int) -> Any:
            return self._client.open(f"{copying.path}/{one.path}", start, one.tag)

        await fetch(copying, file, opener, go_on=go_on)

    async def _rclone(self, copying: Copying, files: list[RemoteFile]) -> None:
        log = _Log(copying, {file.path for file in files})
        with tempfile.TemporaryFile() as names:
            names.write("".join(f"{file.path}\n" for file in files).encode())
            names.seek(0)
            async with self._tokens() as token:
                size = sum(file.size for file in files)
                child = await self._start(copying, size, names, token)
                try:
                    await self._follow(child, copying, log)
                finally:
                    await _ended(child)
        log.flush()
        if child.returncode:
            raise log.error(self._client.title, copying)

    async def _start(
        self, copying: Copying, size: int, names: IO[bytes], token: int | None
    ) -> asyncio.subprocess.Process:
        if os.access(self._program, os.X_OK) is False:
            raise StorageError("This hub lacks the program that copies (rclone).", "Tell the people who run this hub.")
        command = [
            *("setpriv", "--pdeathsig", "KILL", "--", str(self._program), "copy"),
            *(f":webdav:{copying.path}", str(copying.place.partial)),
            *("--config", "", "--files-from-raw", "-", "--size-only"),
            *("--transfers", str(self._streams), "--checkers", str(2 * self._streams), "--multi-thread-streams", "0"),
            *("--retries", "1", "--low-level-retries", "3", "--contimeout", "10s", "--timeout", f"{self._silence:g}s"),
            *("--max-transfer", f"{size + 1024 * 1024}B", "--cutoff-mode", "hard", "--no-update-modtime"),
            *("--use-json-log", "-v", "--stats", "1s", "--stats-log-level", "NOTICE"),
            *(("--ca-cert", str(self._ca_file)) if self._ca_file else ()),
        ]
        environment = {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": "/nonexistent",
            "RCLONE_WEBDAV_URL": self._client.url,
            "RCLONE_WEBDAV_VENDOR": "other",
            "RCLONE_CACHE_DIR": "/nonexistent",
        }
        options: dict[str, Any] = {"umask": 0o077, "cwd": "/", "env": environment}
        if token is not None:
            environment["RCLONE_WEBDAV_BEARER_TOKEN_COMMAND"] = f"cat /dev/fd/{token}"
            options["pass_fds"] = (token,)
        if os.geteuid() == 0:
            options |= {"user": copying.writer.uid, "group": copying.writer.gid, "extra_groups": []}
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=names,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            limit=_MAX_LINE,
            **options,
        )

    @asynccontextmanager
    async def _tokens(self) -> AsyncIterator[int | None]:
        """A file in memory, without a name, that holds a fresh token: its number. None where none is needed."""
        token = await self._bearer()
        if token is None:
            yield None
            return
        held = os.memfd_create("token", os.MFD_CLOEXEC)
        try:
            _put(held, token)
            fresh = asyncio.create_task(self._keep_fresh(held, token))
            try:
                yield held
            finally:
                fresh.cancel()
                await asyncio.gather(fresh, return_exceptions=True)
        finally:
            os.ftruncate(held, 0)
            os.close(held)

    async def _keep_fresh(self, held: int, token: SecretStr) -> None:
        while True:
            await asyncio.sleep(TOKEN_EVERY)
            try:
                newer = await self._bearer()
            except Exception as error:  # the storage then says 401, and the copy is begun again
                logger.warning("No token for %s: %s", self._client.title, type(error).__name__)
                continue
            if newer is not None and newer != token:
                token = newer
                _put(held, token)

    async def _follow(self, child: asyncio.subprocess.Process, copying: Copying, log: _Log) -> None:
        """Read what rclone says until it ends, and look at the room now and then."""
        stderr = child.stderr
        if stderr is None:
            return
        look = asyncio.get_running_loop().time() + _ROOM_EVERY
        while True:
            try:
                line = await stderr.readline()
            except ValueError:  # a line without end
                continue
            if not line:
                break
            log.line(line)
            if (now := asyncio.get_running_loop().time()) > look:
                look = now + _ROOM_EVERY
                await copying.check_room()
        await child.wait()


class _Log:
    """What rclone says, line by line."""

    def __init__(self, copying: Copying, names: set[str]) -> None:
        self._copying, self._names = copying, names
        self._done: list[str] = []
        self._errors: list[str] = []
        self._written = 0.0
        self._base = copying.journal.copied()[1]

    def line(self, line: bytes) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            said = {"level": "error", "msg": line.decode("utf-8", "replace")}
        if not isinstance(said, dict):
            return
        message, name = str(said.get("msg", "")), said.get("object")
        if message.startswith("Copied") and isinstance(name, str) and name in self._names:
            self._done.append(name)
        elif said.get("level") in {"error", "critical"}:
            self._errors = [*self._errors[-20:], message[:500]]
        now = asyncio.get_running_loop().time()
        if now - self._written >= 0.25:
            self._written = now
            self.flush()
        stats = said.get("stats")
        if isinstance(stats, dict) and isinstance(stats.get("bytes"), int):
            here = self._copying.journal.copied()[1] - self._base
            self._copying.live = {"": max(0, stats["bytes"] - here)}
            self._copying.told()

    def flush(self) -> None:
        """Write down what is copied."""
        self._copying.journal.here(self._done)
        self._done.clear()

    def error(self, title: str, copying: Copying) -> JobError:
        """Why rclone ended with an error."""
        copying.live.clear()
        said = " ".join(self._errors)
        logger.info("rclone on %s: %s", title, said[-2000:])
        if any(words in said for words in ("no space left", "disk quota exceeded", "remaining disk space")):
            return copying.room.full()
        if "max transfer limit" in said:
            return StorageError(
                f"{title} sends more than it listed; nothing of it was taken over.",
                "Tell the people who run the storage.",
            )
        if "permission denied" in said:
            return StorageError(
                "The data cannot be written here (permission denied).", "Tell the people who run this hub."
            )
        if "x509" in said:
            return StorageError(
                f"{title} has a certificate that is not trusted here.", "Tell the people who run this hub."
            )
        words = {"401": "does not accept the token", "403": "does not allow it", "404": "has not all files any more"}
        reason = next((text for code, text in words.items() if code in said), "broke off")
        return TryAgainError(f"{title} {reason} while the data came.")


def _put(held: int, token: SecretStr) -> None:
    """In one write; a longer one before is cut afterwards."""
    plain = token.get_secret_value().encode("ascii") + b"\n"
    os.pwrite(held, plain, 0)
    os.ftruncate(held, len(plain))


def _batches(copying: Copying, size: int) -> Iterable[list[RemoteFile]]:
    """What is not here, so many at a time; each is asked for when the one before is done."""
    last = ""
    while batch := list(itertools.islice((file for file in copying.journal.to_copy() if file.path > last), size)):
        last = batch[-1].path
        yield batch


def _half_done(copying: Copying) -> list[RemoteFile]:
    """Remove what is here without having been reported as copied; big ones that can be gone on with are returned."""
    found = []
    with copying.place.opened() as root:
        for file in copying.journal.to_copy():
            size = size_here(root, file.path)
            if size is None:
                continue
            if GO_ON_FROM <= size < file.size and file.tag.startswith('"'):
                found.append(file)
            else:
                remove_here(root, file.path)
    return found


def _missing(copying: Copying, files: list[RemoteFile]) -> list[RemoteFile]:
    """After rclone said that all is well: which files are not here; the others are written down.

    Raises:
        ListingError: if one has another size than was listed.
    """
    left, here = [], []
    with copying.place.opened() as root:
        for file in files:
            size = size_here(root, file.path)
            if size is None:
                left.append(file)
            elif size != file.size:
                remove_here(root, file.path)
                raise changed(file)
            else:
                here.append(file.path)
    copying.journal.here(here)
    return left


async def _ended(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(child.wait(), _STOP_SECONDS)
