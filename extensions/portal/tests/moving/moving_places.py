"""Directories for tests of moving data, readable by the person that the portal becomes, and answers of the hub about them."""

from __future__ import annotations

import os
from pathlib import Path

from panosc_portal.hub import AreaDirectory, ProposalData

OTHER = 7001
PERSON = 7000 if os.geteuid() == 0 else os.geteuid()
GROUPS = (7070,) if os.geteuid() == 0 else ()


def open_dir(path: Path) -> Path:
    """A directory that everybody may read."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o755)
    return path


def as_person(area: Path, uid: int, ref: str = "esrf/ma1234") -> ProposalData:
    """What the hub says of a proposal with one area."""
    return ProposalData(ref, (AreaDirectory("raw", area, area.parent),), uid, uid, GROUPS)


def person_data(area: Path, ref: str = "esrf/ma1234") -> ProposalData:
    """The same, for the tests' person."""
    return as_person(area, PERSON, ref)
