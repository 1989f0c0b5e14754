"""From a plan to Docker's arguments, without Docker."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Area, Environment
from panosc_spawner.facilities.site import Docker, Limits
from panosc_spawner.identity.person import Account
from panosc_spawner.launch.model import HomeMount, LaunchPlan, Mount
from panosc_spawner.spawners.docker_container import ContainerRequest, container_request, labels_match

HOME = PurePosixPath("/home/ada")
RAW = Mount(
    PurePosixPath("/data/ma1234/RAW_DATA"), PurePosixPath("/data"), HOME / "proposals/esrf/ma1234/raw",
    True, True, ProposalRef("esrf", "ma1234"), Area.RAW,
)  # fmt: skip
SHARED = replace(RAW, target=HOME / "proposals/esrf/ma1234/shared", read_only=False, area=Area.SHARED)
PLAN = LaunchPlan(
    username="ada-1",
    proposals=(RAW.proposal,),
    environment_id="esrf/base",
    environment=Environment(title="Base", image="panosc/base:1"),
    account=Account("ada", 20123, 20100, (5, 6)),
    home=HomeMount("path", "/homes/ada", HOME, True),
    mounts=(RAW, SHARED),
    start_pages=(),
    variables={},
    limits=Limits(memory=2 * 1024**3, cpu=1.5),
    labels={"org.panosc.hub": "h", "org.panosc.person": "ada-1"},
    warnings=(),
    ends_at=datetime(2026, 11, 23, tzinfo=UTC),
)


def request(plan: LaunchPlan = PLAN, mounts: dict[Mount, Path] | None = None, **docker: Any) -> ContainerRequest:
    real = Path("/data/ma1234/RAW_DATA")
    return container_request(
        plan,
        {RAW: real, SHARED: real} if mounts is None else mounts,
        name="panosc-h-ada--p-ma1234",
        server="p-ma1234",
        network="panosc-h",
        docker=Docker(**docker),
        command=["lab"],
        environment={"JUPYTERHUB_API_TOKEN": "t", "HOME": "/root"},
        overlay={"/etc/passwd": Path("/state/passwd")},
    )


def mounts_of(made: ContainerRequest) -> dict[str, dict[str, Any]]:
    return {mount["Target"]: mount for mount in made.host["mounts"]}


def test_one_source_can_be_mounted_twice_and_each_keeps_its_access():
    mounts = mounts_of(request())
    assert mounts[str(RAW.target)]["ReadOnly"] is True
    assert mounts[str(SHARED.target)].get("ReadOnly", False) is False
    assert {mount["Type"] for mount in mounts.values()} == {"bind"}


def test_what_is_mounted_beneath_read_only_data_does_not_come_along():
    mounts = mounts_of(request())
    assert mounts[str(RAW.target)]["BindOptions"] == {"NonRecursive": True}
    assert "BindOptions" not in mounts[str(SHARED.target)]


def test_nothing_is_bound_in_the_way_that_creates_missing_directories():
    made = request()
    assert "binds" not in made.host
    assert "volumes" not in made.create


def test_only_mounts_that_exist_are_made():
    assert set(mounts_of(request(mounts={}))) == {"/home/ada", "/etc/passwd"}


def test_the_real_directory_is_mounted_and_braces_are_kept():
    real = Path("/data/{username}/x")
    assert mounts_of(request(mounts={RAW: real}))[str(RAW.target)]["Source"] == str(real)


def test_the_account_is_numeric_and_the_names_are_the_persons():
    made = request()
    assert made.create["user"] == "20123:20100"
    assert made.host["group_add"] == ["5", "6"]
    assert (
        made.create["environment"] | {"HOME": "/home/ada", "USER": "ada", "LOGNAME": "ada"}
        == made.create["environment"]
    )
    assert made.create["working_dir"] == "/home/ada"


def test_limits():
    host = request(pids=100).host
    assert host["mem_limit"] == host["memswap_limit"] == 2 * 1024**3
    assert host["cpu_quota"] == 150_000
    assert host["pids_limit"] == 100
    assert "device_requests" not in host


def test_gpus_are_asked_for_by_number():
    host = request(replace(PLAN, limits=Limits(gpus=2))).host
    assert host["device_requests"][0]["Count"] == 2


@pytest.mark.parametrize("read_only", [True, False])
def test_a_read_only_root_has_what_programs_write_to(read_only: bool):
    host = request(read_only_root=read_only).host
    assert host["read_only"] is read_only
    assert ("/run" in host["tmpfs"]) is read_only
    assert "exec" in host["tmpfs"]["/tmp"].split(",")
    assert "/home/ada/proposals" in host["tmpfs"]


def test_docker_never_removes_by_itself_and_has_an_init():
    host = request().host
    assert host["auto_remove"] is False and host["init"] is True
    assert host["cap_drop"] == ["ALL"] and host["security_opt"] == ["no-new-privileges"]
    assert host["log_config"]["Config"] == {"max-size": "10m", "max-file": "3"}


def test_a_home_volume_is_not_filled_from_the_image():
    made = request(replace(PLAN, home=HomeMount("volume", "home-ada", HOME, True)))
    home = mounts_of(made)["/home/ada"]
    assert (home["Type"], home["Source"], home["VolumeOptions"]["NoCopy"]) == ("volume", "home-ada", True)


def test_labels_name_the_server_and_are_compared_by_hub_person_and_server():
    labels = request().create["labels"]
    assert labels["org.panosc.server"] == "p-ma1234"
    assert labels_match({**labels, "more": "x"}, labels)
    assert not labels_match({**labels, "org.panosc.hub": "other"}, labels)
    assert not labels_match(None, labels)
