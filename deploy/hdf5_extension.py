"""Build the HDF5 extension's front end, when its sources changed, with the Node and the tools of ``.venv``.

Run by ``bootstrap.py``; by hand, it also makes the wheel that images install::

    .venv/bin/python deploy/hdf5_extension.py wheel DIRECTORY
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from command import BootstrapError, run

SOURCE = Path(__file__).resolve().parent.parent / "extensions" / "hdf5"
BUILT = SOURCE / "panosc_hdf5" / "labextension"
_STAMP = SOURCE / "panosc_hdf5" / "labextension.stamp"
_FRONT_END = ("src", "style", "schema", "scripts")
_FILES = ("package.json", "package-lock.json", "tsconfig.json", "install.json")


def front_end_sources() -> Iterator[Path]:
    """What the front end is built from, in a fixed order."""
    yield from (SOURCE / name for name in _FILES)
    for name in _FRONT_END:
        yield from _files_in(SOURCE / name)


def package_sources() -> Iterator[Path]:
    """What the whole package is made from: the front end, the Python modules, and how they are put together."""
    yield from front_end_sources()
    yield from (SOURCE / name for name in ("README.md", "pyproject.toml"))
    yield from (path for name in ("jupyter-config", "panosc_hdf5") for path in _files_in(SOURCE / name))


def _files_in(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.rglob("*")):
        made = BUILT in path.parents or path == _STAMP or path.suffix == ".pyc"
        if path.is_file() and not made and "__tests__" not in path.parts:
            yield path


def digest(files: Iterable[Path]) -> str:
    """Of the files' names and contents."""
    found = hashlib.sha256()
    for path in files:
        found.update(str(path.relative_to(SOURCE)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def is_built() -> bool:
    """Whether the front end was built from the sources of now."""
    return (BUILT / "package.json").exists() and _STAMP.exists() and _STAMP.read_text() == digest(front_end_sources())


def build(environment: Mapping[str, str]) -> None:
    """Build the front end, unless it is there.

    Args:
        environment: with a PATH on which ``node``, ``npm`` and ``jupyter-builder`` are.

    Raises:
        BootstrapError: with the last lines of what failed.
    """
    if is_built():
        return
    wanted = digest(front_end_sources())
    install(environment)
    run("npm", "run", "build:prod", env=environment, cwd=SOURCE)
    _STAMP.write_text(wanted)


def install(environment: Mapping[str, str]) -> None:
    """Install the locked npm packages, unless they are there."""
    stamp = SOURCE / "node_modules" / ".panosc-stamp"
    wanted = hashlib.sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", env=environment, cwd=SOURCE)
    stamp.write_text(wanted)


def wheel(directory: Path) -> Path:
    """Make the wheel; any older one in the directory goes.

    Raises:
        BootstrapError: with the last lines of what failed.
    """
    from bootstrap import BIN, PYTHON, node_environment, uv_environment

    build(node_environment())
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        command = ("build", "--wheel", "--no-build-isolation", "--python", PYTHON, "--out-dir", made, SOURCE)
        run(BIN / "uv", *command, env=uv_environment())
        for old in directory.glob("panosc_hdf5-*.whl"):
            old.unlink()
        (new,) = Path(made).glob("panosc_hdf5-*.whl")
        return Path(shutil.move(new, directory / new.name))


def main(arguments: list[str]) -> int:
    """``hdf5_extension.py [wheel DIRECTORY]``."""
    from bootstrap import node_environment

    try:
        if len(arguments) == 2 and arguments[0] == "wheel":
            print(wheel(Path(arguments[1])).name)
        elif not arguments:
            build(node_environment())
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except BootstrapError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
