"""Make the wheel of one of this repository's packages.

Run by ``panosc-hub images build``; by hand::

    .venv/bin/python deploy/wheels.py extensions/hdf5 DIRECTORY
"""

from __future__ import annotations

import sys
from pathlib import Path

import hdf5_extension
from bootstrap import BIN, PYTHON, ROOT, uv_environment
from command import BootstrapError, run


def make(package: Path, directory: Path) -> None:
    """Make a package's wheel; the HDF5 extension's front end is built first.

    Raises:
        BootstrapError: with the last lines of what failed.
    """
    if package == hdf5_extension.SOURCE:
        hdf5_extension.wheel(directory)
        return
    options = ("--wheel", "--no-build-isolation", "--python", PYTHON, "--out-dir", directory)
    run(BIN / "uv", "build", *options, package, env=uv_environment())


def main(arguments: list[str]) -> int:
    """``wheels.py PACKAGE DIRECTORY``, the package's folder from the repository's."""
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        make((ROOT / arguments[0]).resolve(), Path(arguments[1]))
    except BootstrapError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
