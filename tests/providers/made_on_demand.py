"""Node packages and Python environments that only some tests need: made beneath ``.test`` from lock files, once."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import bootstrap

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / ".test" / "providers"


def node_packages(source: Path) -> Path:
    """A folder with the packages of ``source``'s package-lock.json; its ``node_modules`` is beneath it."""

    def make(folder: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(source / name, folder / name)
        command = [bootstrap.BIN / "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run([str(word) for word in command], cwd=folder, env=bootstrap.node_environment(), check=True)

    return _made(PLACE / source.name, source / "package-lock.json", make)


def python_environment(source: Path) -> Path:
    """The ``bin`` of a virtual environment with exactly the packages of ``source``'s requirements.lock."""

    def make(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
        command = [bootstrap.BIN / "uv", "pip", "sync", "--require-hashes", "--python", folder / "venv/bin/python"]
        command.append(source / "requirements.lock")
        subprocess.run([str(word) for word in command], env=bootstrap.uv_environment(), check=True)

    return _made(PLACE / source.name, source / "requirements.lock", make) / "venv" / "bin"


def _made(folder: Path, lock: Path, make: Callable[[Path], None]) -> Path:
    """The folder, made anew if it is not of this lock file; two test runs at once make it once."""
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    stamp = folder / "stamp"
    with _one_at_a_time(folder):
        if not stamp.is_file() or stamp.read_text() != digest:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            make(folder)
            stamp.write_text(digest)
    return folder


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
