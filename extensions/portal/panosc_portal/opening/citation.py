"""A data set as a reference for a paper's bibliography, and as code that reads it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from panosc_portal.catalogues.model import Dataset
from panosc_portal.opening.chain import Found

_TEX = str.maketrans(
    {"{": r"\{", "}": r"\}", "%": r"\%", "&": r"\&", "#": r"\#", "_": r"\_", "$": r"\$", "\\": r"\textbackslash "}
)


def bibtex(dataset: Dataset, publisher: str) -> str:
    """A BibTeX entry of type ``misc``, which every style knows; empty without a DOI: there is nothing lasting to cite."""
    doi = dataset.doi or next((document.doi for document in dataset.documents if document.doi), "")
    if not doi:
        return ""
    names = dict.fromkeys(member.name for document in dataset.documents for member in document.members if member.name)
    year = dataset.created.year if dataset.created else dataset.release.year if dataset.release else None
    fields = [
        ("author", " and ".join(map(_tex, names))),
        ("title", f"{{{_tex(dataset.title)}}}"),
        ("publisher", _tex(publisher)),
        ("year", str(year or "")),
        ("doi", _tex(doi)),
        ("note", "Data set"),
    ]
    key = re.sub(r"[^A-Za-z0-9]+", "-", doi).strip("-")
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields if value and value != "{}")
    return f"@misc{{{key},\n{lines}\n}}\n"


def _tex(text: str) -> str:
    return " ".join(text.split()).translate(_TEX)


def snippet(found: Found) -> str:
    """Python that opens the file in a server with its proposal; empty where there is none."""
    if found.spot is None or found.ref is None or not found.spot.is_hdf5:
        return ""
    path = PurePosixPath("proposals", found.ref.facility, found.ref.id, found.spot.shown)
    return "\n".join(
        [
            "from pathlib import Path",
            "import h5py, hdf5plugin",
            "",
            f"file = h5py.File(Path.home() / {str(path)!r})",
        ]
    )
