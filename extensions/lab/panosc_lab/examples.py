"""The notebooks that an image brings, copied into the home; what a person changed is never touched.

``/opt/panosc/notebooks/<image>/`` becomes ``~/examples/<image>/``. A file is copied where it is missing, and replaced where
the image has another one than the copy that was made of it and nobody has changed that copy since. Which copies were made is
kept in ``~/examples/.panosc.json``: without it, whatever is there counts as changed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from panosc_lab.reading import read_regular

EXAMPLES = "examples"
MANIFEST = ".panosc.json"
MOST_FILES = 500
"""Files that are looked at: an image has some ten."""

MOST_BYTES = 64 * 1024**2
"""Of one file. Larger ones stay in the image."""

_MANIFEST_BYTES = 1024**2


@dataclass
class Copied:
    """What came of it."""

    new: list[str] = field(default_factory=list)
    """Files that were copied or replaced, as ``<image>/<file>``."""
    kept: list[str] = field(default_factory=list)
    """Files that the image has otherwise, and that were left because somebody changed them."""
    problem: str = ""
    """Why not all could be copied, in words; empty if all could."""
    as_shipped: frozenset[str] = frozenset()
    """Files that are now as the image has them."""


def copy_examples(shipped: Path, home: Path) -> Copied:
    """Bring the examples in the home up to date. Never raises for what is in the home."""
    done = Copied()
    same: set[str] = set()
    try:
        target = _directory(home / EXAMPLES)
        known = _read_manifest(target / MANIFEST)
        made: dict[str, str] = {}
        try:
            for name, source in _files(shipped):
                content = source.read_bytes()
                if _bring(target, name, content, known.get(name, ""), done):
                    same.add(name)
                    made[name] = _digest(content)
        finally:
            # Read again: another server of the same person may have copied meanwhile.
            noted = _read_manifest(target / MANIFEST)
            if noted | made != noted:
                _write(target / MANIFEST, json.dumps(noted | made, indent=1, sort_keys=True).encode())
    except OSError as error:
        done.problem = _in_words(error)
    done.as_shipped = frozenset(same)
    return done


def _bring(target: Path, name: str, content: bytes, copied: str, done: Copied) -> bool:
    """Copy one file if it may be; whether it is then as shipped.

    Raises:
        OSError: if it cannot be written.
    """
    image, _, rest = name.partition("/")
    folder = _directory(target / image)
    for part in Path(rest).parts[:-1]:
        folder = _directory(folder / part)
    file = folder / Path(rest).name
    there = read_regular(file, MOST_BYTES, follow=False)
    if there == content:
        return True
    if os.path.lexists(file) and (there is None or _digest(there) != copied):
        done.kept.append(name)
        return False
    _write(file, content)
    done.new.append(name)
    return True


def _files(shipped: Path) -> Iterator[tuple[str, Path]]:
    """The regular files of each image's folder, as ``<image>/<file>``; those that begin with a dot stay."""
    count = 0
    for directory, folders, files in os.walk(shipped):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        for name in sorted(files):
            path = Path(directory) / name
            inside = path.relative_to(shipped)
            found = path.lstat()
            if name.startswith(".") or len(inside.parts) < 2 or not stat.S_ISREG(found.st_mode):
                continue
            count += 1
            if found.st_size <= MOST_BYTES and count <= MOST_FILES:
                yield inside.as_posix(), path


def _directory(path: Path) -> Path:
    """A directory that is one, made when missing.

    Raises:
        OSError: if something else is there, a link for example: where it leads is not ours to write to.
    """
    with contextlib.suppress(FileExistsError):
        path.mkdir()
    if not stat.S_ISDIR(path.lstat().st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "is not a directory", str(path))
    return path


def _write(file: Path, content: bytes) -> None:
    """Write a file whole or not at all. Two servers of one person, in containers, may well have the same process number.

    Raises:
        OSError: if it cannot be written; nothing is left then.
    """
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(8)}.part")
    try:
        with fresh.open("xb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())  # a full home says so here, and not later
        fresh.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_manifest(file: Path) -> dict[str, str]:
    try:
        found = json.loads(read_regular(file, _MANIFEST_BYTES, follow=False) or b"{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, Mapping):
        return {}
    return {name: value for name, value in found.items() if isinstance(name, str) and isinstance(value, str)}


def _in_words(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "Your home is full, so the example notebooks could not be put into it."
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.ELOOP):
        return f"The example notebooks were not put into your home: {error.filename} is not a directory of its own."
    return f"The example notebooks could not be put into your home ({error.strerror or error})."
