"""Checksums that are told beside the data: manifests among the files, and what a catalogue has written down."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import PurePosixPath
from urllib.parse import unquote

from panosc_portal.catalogues.model import Catalogue, Credentials, Query
from panosc_portal.errors import CatalogueError
from panosc_portal.moving.journal import Journal
from panosc_portal.moving.remote_files import ListingError, beneath, good_checksum, good_path
from panosc_portal.moving.runner import TryAgainError

MANIFESTS = ("manifest-sha512.txt", "manifest-sha256.txt", "manifest-sha1.txt", "manifest-md5.txt")
MAX_MANIFEST = 512 * 1024**2
_LINE = re.compile(r"\\?([0-9A-Fa-f]{8,128})[ \t]+\*?(?:\./)?(.+)")
_PAGE = 100
_MOST_DATASETS = 10_000


def read_manifest(name: str, content: bytes) -> Iterator[tuple[str, str]]:
    """(path, checksum) of each line, as BagIt (RFC 8493) and ``sha256sum`` write them.

    Raises:
        ListingError: if it is none, or names what lies elsewhere.
    """
    algorithm = name.removeprefix("manifest-").removesuffix(".txt")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ListingError(f"{name} is no text.") from None
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        found = _LINE.fullmatch(line.rstrip("\r"))
        checksum = good_checksum(f"{algorithm}:{found[1]}") if found else None
        if found is None or checksum is None:
            raise ListingError(f"{name} has something else than a checksum and a name in line {number}.")
        path = re.sub(r"%(0[AaDd]|25)", lambda code: unquote(code[0]), found[2])
        yield good_path(path), checksum


def take_manifest(journal: Journal, name: str, content: bytes) -> int:
    """Have the journal expect what a manifest says. Returns how many files it names.

    Raises:
        ListingError: if it names a file that the storage does not list.
    """
    count, missing = 0, []
    for path, checksum in read_manifest(name, content):
        count += 1
        if not journal.expect(path, [checksum]):
            missing.append(path)
    if missing:
        raise ListingError(
            f"{name} names {len(missing)} file{'s' if len(missing) != 1 else ''} that the storage does not list, such as "
            f"{missing[0][-80:]!r}: the data there are not complete."
        )
    return count


async def catalogue_checksums(
    catalogue: Catalogue, credentials: Credentials | None, proposal: str, directory: PurePosixPath
) -> AsyncIterator[tuple[str, str]]:
    """(path beneath the directory, checksum) of the files of a proposal's data sets that a catalogue knows checksums of.

    Args:
        catalogue: the one that has them.
        credentials: the person's.
        proposal: the facility's id; data sets of others that a search for it finds do not count.
        directory: the proposal's, as the catalogue writes it.

    Raises:
        TryAgainError: if the catalogue does not answer: without it, less would be compared than the site wants.
    """
    skip: int | None = 0
    seen = 0
    try:
        while skip is not None and seen < _MOST_DATASETS:
            found = await catalogue.search(Query(text=proposal), skip=skip, limit=_PAGE, credentials=credentials)
            for dataset in found.datasets:
                location = PurePosixPath(dataset.location or "/")
                if location != directory and beneath(directory, location) is None:
                    continue
                async for file in catalogue.files(dataset, credentials):
                    path = beneath(directory, location / file.path)
                    checksum = good_checksum(file.checksum)
                    if path and checksum:
                        yield path, checksum
            seen += len(found.datasets)
            skip = found.next if found.datasets else None
    except CatalogueError as error:
        raise TryAgainError(f"The checksums could not be asked for: {error}.") from error


def differing(checksums: tuple[str, ...], computed: dict[str, str]) -> str | None:
    """The first of the checksums that is another than was computed; None if all agree."""
    for checksum in checksums:
        algorithm, _, value = checksum.partition(":")
        if algorithm in computed and computed[algorithm] != value:
            return checksum
    return None
