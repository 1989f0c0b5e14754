"""Everything that was copied is read again and compared, before anybody sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

from panosc_portal.moving.backend import Backend, Copying, each
from panosc_portal.moving.jobs import Progress
from panosc_portal.moving.manifest import differing
from panosc_portal.moving.remote_files import ListingError, RemoteFile
from panosc_portal.moving.runner import TryAgainError
from panosc_portal.moving.settle import Sums, checksums, remove_here
from panosc_portal.moving.threads import in_reading_thread, in_staging_thread

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

    left = copying.journal.to_verify()  # one walk over all: what is compared lies behind it
    while batch := list(islice(left, _PAGE)):
        await each(batch, at_once, one)


async def _compare(copying: Copying, file: RemoteFile, told: _Told) -> None:
    wanted = frozenset({"sha256", *(checksum.partition(":")[0] for checksum in file.checksums)}) - {"crc32c"}
    going_on = told.reading(file.path)
    try:
        sums = await in_reading_thread(_read, copying, file, wanted, going_on, stop=going_on.stop)
    finally:
        told.live.pop(file.path, None)
    if sums is None or sums.size != file.size or differing(file.checksums, sums.values):
        await in_staging_thread(_remove, copying, file)
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


def _remove(copying: Copying, file: RemoteFile) -> None:
    with copying.place.opened() as root:
        remove_here(root, file.path)


def _damaged(copying: Copying, file: RemoteFile) -> TryAgainError | ListingError:
    """It was removed and comes again; if it stays so, what the checksum says and what the storage gives are not the same."""
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
    """How far the comparing is: ``live``: bytes that were read of files in hand."""

    def __init__(self, copying: Copying) -> None:
        self._copying = copying
        self.live: dict[str, int] = {}

    def reading(self, path: str) -> _GoingOn:
        """A file is being read now."""
        self.live[path] = 0
        return _GoingOn(self.live, path)

    def show(self) -> None:
        files, size = self._copying.journal.totals()
        verified, read = self._copying.journal.verified()
        self._copying.report(Progress(min(size, read + sum(self.live.values())), size, verified, files))


class _GoingOn:
    """Whether to go on reading a file: asked by the thread that reads it, which alone counts its bytes."""

    def __init__(self, live: dict[str, int], path: str) -> None:
        self._live, self._path, self._stopped = live, path, False

    def stop(self) -> None:
        """It is to end."""
        self._stopped = True

    def __call__(self, size: int) -> bool:
        self._live[self._path] += size
        return not self._stopped
