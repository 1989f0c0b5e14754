"""An image in the words of a facility's file: the table ``[environments.<name>]``."""

from __future__ import annotations

import json
from collections.abc import Mapping

from packaging.utils import canonicalize_name

from panosc_spawner.images import VERSION, locks, wheels
from panosc_spawner.images.folder import Folder, Images
from panosc_spawner.images.model import Software

OWN_KERNEL = "Python 3"
_HEADER = """\
# The words of this repository's images, made from images/<name>/image.toml by panosc-hub images docs. A facility offers one by
# naming it, [environments.simulation], and says there what is its own: instruments, other memory. Sizes are not here: Docker
# knows them.
"""


def environment(folder: Folder, images: Images) -> dict[str, object]:
    """The keys of an :class:`~panosc_spawner.facilities.model.Environment` that an image itself knows.

    Instruments are a facility's to say, and the true size is Docker's.

    Raises:
        ImageError: if a lock is missing.
    """
    image = folder.image
    known = locked_versions(folder, images)
    table: dict[str, object] = {
        "title": image.title,
        "description": image.description,
        "image": folder.tag,
        "pull": "never",
        "version": VERSION,
        "kernels": [OWN_KERNEL, *(kernel.title for kernel in image.kernels.values())],
        "packages": [f"{program.name} {version_of(program, known)}".strip() for program in image.software],
        "techniques": list(image.techniques),
        "formats": list(image.formats),
        "licence": image.licence,
        "minimum_memory": _size(image.memory),
    }
    if image.desktop:
        table["desktop"] = True
    return {key: value for key, value in table.items() if value not in ("", [])}


def as_toml(name: str, table: Mapping[str, object]) -> str:
    """The table as it is written in a facility's file. JSON's strings, lists and booleans are TOML's, too."""
    lines = [f"[environments.{name}]"]
    lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def all_as_toml(images: Images) -> str:
    """The file from which the hub takes the words of this repository's images.

    Raises:
        ImageError: if a lock is missing.
    """
    tables = [as_toml(name, environment(folder, images)) for name, folder in images.folders.items()]
    return "\n".join([_HEADER, *tables])


def locked_versions(folder: Folder, images: Images) -> dict[str, str]:
    """The version of every locked package of an image and of this repository's own in it, its parents' and further Pythons' too."""
    found: dict[str, str] = {}
    for one in images.chain(folder.name):
        for name in one.image.kernels:
            for package, version in locks.versions(locks.read_lock(one.kernel_lock(name))).items():
                found.setdefault(package, version)
    for one in images.chain(folder.name):
        if one.lock.exists():
            found.update(locks.versions(locks.read_lock(one.lock)))
        own = (wheels.version(images.root.parent / wheel) for wheel in one.image.pip.wheels)
        found.update({canonicalize_name(name): version for name, version in filter(None, own)})
    return found


def version_of(program: Software, known: Mapping[str, str]) -> str:
    """A program's version; empty where it is Debian's, which is known only once the image is built."""
    if program.version:
        return program.version
    return known.get(canonicalize_name(program.version_from or ""), "")


def _size(size: int) -> str:
    for unit, factor in (("G", 1024**3), ("M", 1024**2)):
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)
