"""Everything that was copied is read again and compared, before anybody sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import islice

from panosc_portal.moving.backend import Backend, Copying, each
from panosc_portal.moving.jobs import Progress
from panosc_portal.moving.manifest import differing
from panosc_portal.moving.remote_files import ListingError, RemoteFile
from panosc_portal.moving.runner import TryAgainError
from panosc_portal.moving.settle import Sums, checksums, remove_here

_PAGE = 1000
_MOST_TIMES = 3


async def verify(copying: Copying, backend: Backend, need_checksums: bool, at_once: int) -> None:
    """Compare each file with all that is told of it: manifest, catalogue, the storage's own checksum, its size.

    Args:
        copying: what was copied.
        backend: is asked for a file's checksum where nothing else tells one.
        need_checksums: refuse files of which nobody tells a checksum.
        at_once: files at a time.

    Raises:
        TryAgainError: a file is not as it should be; it was removed, and is copied again.
        ListingError: if it comes wrong again and again, or has no checksum though it needs one.
    """
    told = _Told(copying)

    async def one(file: RemoteFile) -> None:
        known = file.checksums or await _asked(copying, backend, file)
        if not known and need_checksums:
            raise ListingError(
                f"Nobody tells a checksum of {file.path}, and this hub takes no data without (need_checksums)."
            )
        expected = replace(file, checksums=known)
        await _compare(copying, expected, told)

    while batch := list(islice(copying.journal.to_verify(), _PAGE)):
        await each(batch, at_once, one)


async def _compare(copying: Copying, file: RemoteFile, told: _Told) -> None:
    wanted = frozenset({"sha256", *(checksum.partition(":")[0] for checksum in file.checksums)}) - {"crc32c"}
    stop = False

    def going_on(size: int) -> bool:
        told.read += size
        return not stop

    try:
        sums = await asyncio.to_thread(_read, copying, file, wanted, going_on)
    except asyncio.CancelledError:
        stop = True
        raise
    if sums is None or sums.size != file.size or differing(file.checksums, sums.values):
        raise _damaged(copying, file)
    comparable = any(not checksum.startswith("crc32c:") for checksum in file.checksums)
    copying.journal.compared(file.path, sums.values["sha256"], told=comparable)
    told.show()


def _read(copying: Copying, file: RemoteFile, wanted: frozenset[str], going_on: Callable[[int], bool]) -> Sums | None:
    try:
        with copying.place.opened() as root:
            return checksums(root, file.path, wanted, going_on)
    except InterruptedError:
        return None
    except OSError as error:
        if error.errno is not None and error.errno in {2, 20, 22, 40}:  # not there, or no plain file
            return None
        raise


def _damaged(copying: Copying, file: RemoteFile) -> TryAgainError | ListingError:
    """It is removed and comes again; if it stays so, what the checksum says and what the storage gives are not the same."""
    with copying.place.opened() as root:
        remove_here(root, file.path)
    copying.journal.here([file.path], value=False)
    times = int(copying.journal.said("damaged") or 0) + 1
    copying.journal.say("damaged", str(times))
    if times >= _MOST_TIMES:
        return ListingError(
            f"{file.path} does not come as its checksum says, {times} times: the storage's copy is damaged."
        )
    return TryAgainError(f"{file.path} did not come as its checksum says.")


async def _asked(copying: Copying, backend: Backend, file: RemoteFile) -> tuple[str, ...]:
    """The storage's own checksum. One that tells none for the first file is not asked for all."""
    if copying.journal.said("digests") == "no":
        return ()
    found = await backend.digest(f"{copying.path}/{file.path}")
    if copying.journal.said("digests") == "":
        copying.journal.say("digests", "yes" if found else "no")
    return (found,) if found else ()


class _Told:
    """How far the comparing is."""

    def __init__(self, copying: Copying) -> None:
        self._copying = copying
        self.read = copying.journal.verified()[1]

    def show(self) -> None:
        files, size = self._copying.journal.totals()
        verified = self._copying.journal.verified()[0]
        self._copying.report(Progress(min(size, self.read), size, verified, files))
