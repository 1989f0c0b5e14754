"""Links in directories that people may write in: wherever they lead, nothing opens that was not granted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest

from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Area, Environment, Facility
from panosc_spawner.facilities.site import Limits, Site, SiteFile
from panosc_spawner.identity.person import Account
from panosc_spawner.launch.model import HomeMount, LaunchPlan, Mount, Reason
from panosc_spawner.spawners.real_mounts import real_mounts
from panosc_spawner.spawners.refused import Refused

MINE, THEIRS = ProposalRef("synchrotron", "ma1234"), ProposalRef("synchrotron", "hg999")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The trees of two proposals."""
    for ref in (MINE, THEIRS):
        for area in ("raw", "processed", "scratch"):
            (tmp_path / "data" / ref.id / area).mkdir(parents=True)
    return tmp_path / "data"


def site(root: Path) -> Site:
    config = SiteFile.model_validate(
        {
            "hub": {"id": "test", "facilities": ["synchrotron"]},
            "login": {"community": "demo", "client_id": "hub"},
            "sources": [{"type": "file", "path": "proposals.toml"}],
        }
    )
    area = {"access": {"default": "rw"}}
    facility = Facility.model_validate(
        {
            "id": "synchrotron",
            "name": "Synchrotron",
            "short_name": "SYNC",
            "user_office": {"name": "user office"},
            "proposals": {"written": r"(?P<id>[a-z]{2}\d{1,6})", "examples": ["ma1234"]},
            "paths": {"root": str(root)},
            "areas": {
                "raw": {"path": "{proposal}/raw", "access": {"default": "ro"}},
                "processed": {"path": "{proposal}/processed", **area},
                "scratch": {"path": "{proposal}/scratch", **area},
            },
        }
    )
    return Site(root.parent, config, {"synchrotron": facility})


def mount(root: Path, area: Area, *, ref: ProposalRef = MINE) -> Mount:
    return Mount(
        source=PurePosixPath(root, ref.id, area),
        root=PurePosixPath(root),
        target=PurePosixPath("/home/ada/proposals", str(ref), area),
        read_only=area is Area.RAW,
        required=True,
        proposal=ref,
        area=area,
    )


def plan(*mounts: Mount) -> LaunchPlan:
    return LaunchPlan(
        username="p-ada",
        proposals=(MINE,),
        environment_id="synchrotron/base",
        environment=Environment(title="Base", image="panosc/base:1"),
        account=Account("ada", 20001, 20001),
        home=HomeMount("path", "/home/ada", PurePosixPath("/home/ada"), True),
        mounts=mounts,
        start_pages=(),
        variables={},
        limits=Limits(),
        labels={},
        warnings=(),
        ends_at=datetime.now(UTC) + timedelta(hours=1),
    )


def link(place: Path, target: Path) -> None:
    place.rmdir()
    place.symlink_to(target)


def refusal(root: Path, *mounts: Mount) -> str:
    with pytest.raises(Refused) as refused:
        real_mounts(plan(*mounts), site(root))
    assert refused.value.refusal.reason is Reason.BAD_PATH
    return refused.value.refusal.message


def test_what_is_where_it_should_be_is_mounted(root: Path):
    mounts = [mount(root, area) for area in (Area.RAW, Area.PROCESSED, Area.SCRATCH)]
    assert real_mounts(plan(*mounts), site(root)) == {m: Path(m.source) for m in mounts}


@pytest.mark.parametrize("below", ["", "run-1"])
def test_raw_data_never_become_writable_through_a_link(root: Path, below: str):
    (root / "ma1234/raw/run-1").mkdir()
    link(root / "ma1234/processed", root / "ma1234/raw" / below)
    assert "raw data" in refusal(root, mount(root, Area.RAW), mount(root, Area.PROCESSED))
    # Nor where the person's role does not open the raw data at all.
    assert "raw data" in refusal(root, mount(root, Area.PROCESSED))


def test_what_one_may_only_read_never_becomes_writable_through_a_link(root: Path):
    link(root / "ma1234/scratch", root / "ma1234/processed")
    processed = replace(mount(root, Area.PROCESSED), read_only=True)
    assert "may only be read" in refusal(root, processed, mount(root, Area.SCRATCH))
    real_mounts(plan(mount(root, Area.PROCESSED), mount(root, Area.SCRATCH)), site(root))


def test_moved_raw_data_are_protected_where_no_template_knows_them(root: Path):
    (root / ".archive/ma1234/raw").mkdir(parents=True)
    link(root / "ma1234/raw", root / ".archive/ma1234/raw")
    real_mounts(plan(mount(root, Area.RAW), mount(root, Area.PROCESSED)), site(root))
    link(root / "ma1234/processed", root / ".archive/ma1234")
    assert "may only be read" in refusal(root, mount(root, Area.RAW), mount(root, Area.PROCESSED))


def test_a_folder_of_ones_own_name_in_anothers_data_is_not_ones_own(root: Path):
    (root / "hg999/processed/ma1234").mkdir()
    link(root / "ma1234/processed", root / "hg999/processed/ma1234")
    assert "another proposal's" in refusal(root, mount(root, Area.PROCESSED))
