"""A proposal's data on disk, readable by the person; and who that is."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "search"))

from panosc_portal.hub import AreaDirectory, OwnProposal, PersonReport, ProposalData, RunningServer
from search_fakes import QUICK, FakeCatalogue
from support import FakeHub, make_site

from panosc_spawner.facilities.site import Site

UID = 7000 if os.geteuid() == 0 else os.geteuid()


@pytest.fixture
def place() -> Iterator[Path]:
    """A fresh directory that everybody may read: pytest's own are its user's alone."""
    made = Path(tempfile.mkdtemp(prefix="panosc-opening-")).resolve()
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def site(place: Path) -> Site:
    """ESRF and ILL, their data beneath ``place``."""
    return make_site(place)


@pytest.fixture
def raw(place: Path) -> Path:
    """The raw data of ma1234's one visit, where ESRF's convention says."""
    made = place / "data/esrf/ma1234/id31/20250915/RAW_DATA"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def hub(raw: Path) -> FakeHub:
    """Ada is on ma1234, Noor is on nothing."""
    hub = FakeHub()
    server = RunningServer("p-ma1234", "/user/ada/p-ma1234/", True, ("esrf/ma1234",))
    proposal = OwnProposal("esrf/ma1234", "Ceria", "member", "User office list", ("ID31",))
    hub.people = {
        "ada": PersonReport((proposal,), (server,)),
        "noor": PersonReport(troubles=("SciCat did not answer.",)),
    }
    area = AreaDirectory("raw", raw, raw.parents[3])
    hub.directories["ada", "esrf/ma1234"] = ProposalData("esrf/ma1234", (area,), UID, UID)
    return hub


@pytest.fixture
def catalogue() -> FakeCatalogue:
    """ESRF's."""
    return FakeCatalogue("esrf", facilities=frozenset({"esrf"}), title="ESRF data portal")


__all__ = ["QUICK"]
