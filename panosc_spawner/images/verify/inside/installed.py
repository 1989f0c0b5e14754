"""Print what is installed, as JSON rows of kind, name and version; run inside an image by ``panosc-hub images verify``.

Kinds are the types of package addresses; ``os`` is the image's Debian, ``python`` a Python that dpkg does not know.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

PANOSC = Path("/opt/panosc")
Row = tuple[str, str, str]


def python_packages() -> Iterable[Row]:
    """Of every environment."""
    for environment in (Path("/opt/venv"), *sorted(Path("/opt/kernels").glob("*"))):
        folders = [str(path) for path in environment.glob("lib/python3.*/site-packages")]
        for package in metadata.distributions(path=folders):
            yield "pypi", package.name.lower(), package.version


def debian_packages() -> Iterable[Row]:
    """As dpkg has them. Section "empty" stands for a package that the image was told to do without."""
    shown = "${db:Status-Abbrev}\t${Package}\t${Version}\t${Section}\n"
    listed = subprocess.run(["dpkg-query", "-W", "-f", shown], check=True, capture_output=True, text=True)
    for line in listed.stdout.splitlines():
        status, name, version, section = line.split("\t")
        if status.startswith("ii") and section != "empty":
            yield "deb", name.lower(), version


def noted(folder: Path = PANOSC) -> Iterable[Row]:
    """What the build's steps have noted of parts that neither pip nor dpkg knows, and what an operator has given to it."""
    file = folder / "parts.tsv"
    for line in file.read_text("utf-8").splitlines() if file.exists() else ():
        kind, name, version = line.split("\t")[:3]
        yield kind, name.lower(), version
    for name in json.loads((folder / "image.json").read_text("utf-8")).get("sources", {}):
        yield "generic", name, ""


def foreign_pythons(folder: Path = Path("/usr/bin")) -> Iterable[Row]:
    """Pythons that were copied here: dpkg does not know their files."""
    for path in sorted(folder.glob("python3.*")):
        if re.fullmatch(r"python3\.\d+", path.name) and not path.is_symlink():
            owner = subprocess.run(["dpkg-query", "-S", str(path)], capture_output=True, check=False)
            if owner.returncode:
                yield "python", path.name, ""


def system() -> Row:
    """The image's Debian."""
    found = platform.freedesktop_os_release()
    return "os", found["ID"], found.get("VERSION_ID") or found["VERSION_CODENAME"]


if __name__ == "__main__":
    print(json.dumps([*python_packages(), *debian_packages(), *noted(), *foreign_pythons(), system()]))
