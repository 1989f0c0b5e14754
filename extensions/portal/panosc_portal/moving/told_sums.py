"""SHA-256 that others tell of files: manifests among the data, and catalogues. With them, terabytes need not be read."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import PurePosixPath

from panosc_portal.catalogues.model import Dataset, File
from panosc_portal.moving.as_person import Reader
from panosc_portal.moving.manifest import read_manifest
from panosc_portal.moving.plan import Plan
from panosc_portal.moving.remote_files import ListingError, good_checksum

MANIFEST = "manifest-sha256.txt"
MOST_MANIFEST = 64 * 1024**2


async def told_by_manifests(reader: Reader, plan: Plan) -> dict[str, str]:
    """SHA-256 by name. A manifest that is older than a file says nothing of it."""
    told: dict[str, str] = {}
    times = {file.name: file.identity.mtime for file in plan.files}
    for file in plan.files:
        if PurePosixPath(file.name).name != MANIFEST or file.size > MOST_MANIFEST:
            continue
        async with reader.open(file.area.path, file.path, same=file.identity) as stream:
            content = b"".join([piece async for piece in stream])
        base = PurePosixPath(file.name).parent
        with suppress(ListingError):  # not one that can be read: then its word is not used
            for path, checksum in read_manifest(MANIFEST, content):
                name = str(base / path)
                if times.get(name, file.identity.mtime + 1) <= file.identity.mtime:
                    told[name] = checksum.removeprefix("sha256:")
    return told


def told_by_catalogue(plan: Plan, dataset: Dataset, files: Iterable[File]) -> dict[str, str]:
    """SHA-256 by name, of files that the catalogue lists at the very place where they lie here, with the size they have."""
    known = {}
    for file in files:
        checksum = good_checksum(file.checksum)
        if checksum and checksum.startswith("sha256:"):
            known[str(PurePosixPath(dataset.location or "/") / file.path)] = (
                file.size,
                checksum.removeprefix("sha256:"),
            )
    told = {}
    for one in plan.files:
        size, sha256 = known.get(str(one.area.path / one.path), (None, ""))
        if sha256 and size in {None, one.size}:
            told[one.name] = sha256
    return told
