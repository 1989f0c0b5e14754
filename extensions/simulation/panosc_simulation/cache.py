"""Compiled instruments in the person's home, so that pressing *run* again does not compile again.

A program is built in a folder beside its place and takes its place by one rename, with its own checksum beside it: what is
half written is never used. Two kernels that need the same program wait for one lock; a killed process loses its lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .errors import InstallationError

LIMIT_BYTES = 256 * 1000 * 1000
_PROGRAM, _ABOUT = "program", "about.json"
_STALE_SECONDS = 3600


def folder() -> Path:
    """The first folder that takes programs: ``PANOSC_SIMULATION_CACHE``, the home's cache, the machine's scratch.

    Raises:
        InstallationError: if none can be written to and run from.
    """
    scratch = Path(tempfile.gettempdir()) / f"panosc-simulation-{os.getuid()}"
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "panosc-simulation"
    named = os.environ.get("PANOSC_SIMULATION_CACHE")
    tried = [Path(named)] if named else [home, scratch]
    for place in tried:
        if _usable(place):
            return place
    names = " nor ".join(map(str, tried))
    raise InstallationError(
        f"Compiled instruments can be kept neither in {names}: each is full, read-only, not yours, or mounted noexec. "
        "Set PANOSC_SIMULATION_CACHE to a folder that allows programs."
    )


def _usable(place: Path) -> bool:
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        if place.stat().st_uid != os.getuid() or os.statvfs(place).f_flag & os.ST_NOEXEC:
            return False
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"\0" * 65536)
            file.flush()
        return True
    except OSError:
        return False


def lookup(root: Path, key: str) -> Path | None:
    """The program of that key, if it is there and whole. It counts as used now."""
    program, about = root / key / _PROGRAM, root / key / _ABOUT
    try:
        whole = json.loads(about.read_text())["sha256"] == _checksum(program)
        if whole and os.access(program, os.X_OK):
            os.utime(about)
            return program
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def build(root: Path, key: str, make: Callable[[Path], Path], check: Callable[[], None] = lambda: None) -> Path:
    """The program of that key; made if it is not there yet.

    Args:
        root: the cache's folder.
        key: what the program depends on, as a hash.
        make: builds in the folder it is given and returns the program it made there; it may raise.
        check: called while another process builds the same; it may raise, to stop waiting.
    """
    found = lookup(root, key)
    if found:
        return found
    with _lock(root, key, check):
        found = lookup(root, key)  # somebody else made it meanwhile
        if found:
            return found
        work = Path(tempfile.mkdtemp(prefix=".build-", dir=root))
        try:
            _publish(make(work), root, key)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        _tidy(root, keep=key)
    return root / key / _PROGRAM


def _publish(made: Path, root: Path, key: str) -> None:
    ready = Path(tempfile.mkdtemp(prefix=".ready-", dir=root))
    try:
        shutil.copy2(made, ready / _PROGRAM)
        (ready / _PROGRAM).chmod(0o700)
        with (ready / _ABOUT).open("w") as file:
            json.dump({"sha256": _checksum(ready / _PROGRAM), "made": time.time()}, file)
            file.flush()
            os.fsync(file.fileno())
        if (root / key).exists():  # there, but not whole: lookup() said so
            shutil.rmtree(root / key)
        try:
            ready.rename(root / key)
        except OSError:
            if lookup(root, key) is None:  # else somebody was first
                raise
    finally:
        shutil.rmtree(ready, ignore_errors=True)


def _checksum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@contextlib.contextmanager
def _lock(root: Path, key: str, check: Callable[[], None]) -> Iterator[None]:
    """One builder a key. 256 lock files that are never removed, so that no lock is held on a file that is gone."""
    locks = root / "locks"
    locks.mkdir(exist_ok=True, mode=0o700)
    with (locks / key[:2]).open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                check()
                time.sleep(0.05)
            except OSError:  # a file system without locks: it may be made twice, and is whole all the same
                break
        yield


def _tidy(root: Path, keep: str, limit: int = LIMIT_BYTES) -> None:
    """Forget what was not used for longest, down to the limit; and what killed builders left behind."""
    programs: list[tuple[float, int, Path]] = []
    for entry in root.iterdir():
        with contextlib.suppress(OSError):
            if entry.name.startswith("."):
                if time.time() - entry.stat().st_mtime > _STALE_SECONDS:
                    shutil.rmtree(entry, ignore_errors=True)
            elif (entry / _ABOUT).is_file():
                programs.append(((entry / _ABOUT).stat().st_mtime, (entry / _PROGRAM).stat().st_size, entry))
    total = sum(size for _, size, _ in programs)
    for _, size, entry in sorted(programs):
        if total <= limit:
            return
        if entry.name != keep:
            shutil.rmtree(entry, ignore_errors=True)
            total -= size
