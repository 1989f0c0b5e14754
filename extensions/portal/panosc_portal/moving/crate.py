"""What data are, for machines: an RO-Crate (1.1) with licence, authors, DOI, and each file with its address and checksum."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.model.person import Person
from rocrate.rocrate import ROCrate

from panosc_portal.moving.citing import Citing

MOST_FILES = 20_000
"""Files that a crate names; the bag's manifest has all."""
_TYPES = {
    "h5": "application/x-hdf5",
    "hdf5": "application/x-hdf5",
    "nxs": "application/x-hdf5",
    "nx": "application/x-hdf5",
    "cxi": "application/x-hdf5",
    "txt": "text/plain",
    "csv": "text/csv",
    "json": "application/json",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "png": "image/png",
    "jpg": "image/jpeg",
    "pdf": "application/pdf",
    "xml": "application/xml",
}


def crate(about: Citing, ref: str, files: Sequence[tuple[str, int, str, str]]) -> bytes:
    """``ro-crate-metadata.json``.

    Args:
        about: title, licence, authors.
        ref: the proposal.
        files: (path in the crate, bytes, sha256 in hex, address), in order.
    """
    made = ROCrate(version="1.1")
    root = made.root_dataset
    root["name"] = about.title
    root["description"] = about.description or f"{about.title}, measured at {about.facility}."
    root["datePublished"] = about.published or datetime.now(UTC).date().isoformat()
    root["creditText"] = about.cite
    root["identifier"] = f"https://doi.org/{about.doi}" if about.doi else ref
    root["publisher"] = made.add(
        ContextEntity(made, f"#{ref.partition('/')[0]}", properties={"@type": "Organization", "name": about.facility})
    )
    if about.licence:
        root["license"] = _licence(made, about.licence)
    if about.policy:
        root["conditionsOfAccess"] = about.policy
    if about.authors:
        root["author"] = [
            made.add(Person(made, f"#person-{number}", properties={"name": name}))
            for number, name in enumerate(about.authors, 1)
        ]
    if len(files) > MOST_FILES:
        root["abstract"] = (
            f"{len(files)} files, of which the first {MOST_FILES} are described here; manifest-sha256.txt names all."
        )
    for path, size, sha256, address in files[:MOST_FILES]:
        made.add_file(None, path, properties=_file(path, size, sha256, address))
    return json.dumps(made.metadata.generate(), indent=1, ensure_ascii=False).encode("utf-8")


def _file(path: str, size: int, sha256: str, address: str) -> dict[str, Any]:
    kind = _TYPES.get(path.rpartition(".")[2].lower(), "application/octet-stream")
    return {"contentSize": str(size), "sha256": sha256, "contentUrl": address, "encodingFormat": kind}


def _licence(made: ROCrate, licence: str) -> Any:
    """An entity where the licence has an address: an SPDX id, or an address itself."""
    if licence.startswith(("https://", "http://")):
        address = licence
    elif " " not in licence and len(licence) < 60:
        address = f"https://spdx.org/licenses/{licence}"
    else:
        return licence
    return made.add(ContextEntity(made, address, properties={"@type": "CreativeWork", "name": licence}))
