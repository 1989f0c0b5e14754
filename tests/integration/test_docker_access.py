"""What a server in a container can reach, on a real daemon: its proposals' data, its home, its network, and no more."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from docker_support import HUB_ID, MB, Bench, make_site, refused

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.model import Area
from panosc_spawner.launch.model import HomeMount, Reason
from panosc_spawner.spawners.docker_network import hub_address
from panosc_spawner.spawners.refused import Refused

# docker-py does not close the socket of a connection that fails.
pytestmark = [pytest.mark.docker, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give homes to others")


async def test_raw_data_are_read_only_and_other_proposals_are_absent(bench: Bench):
    bench.data("hg999")
    mounts = bench.data("ma1234"), bench.data("ma1234", Area.PROCESSED, read_only=False)
    spawner = bench.spawner(bench.plan(*mounts))
    await spawner.start()
    where = "/home/ada/proposals/esrf/ma1234"
    assert bench.inside(spawner, f"cat {where}/raw/frame.txt") == (0, "raw of ma1234")
    code, said = bench.inside(spawner, f"echo no > {where}/raw/frame.txt")
    assert code and "Read-only" in said
    assert bench.inside(spawner, f"touch {where}/processed/new")[0] == 0
    assert (Path(mounts[1].source) / "new").exists()
    assert bench.inside(spawner, "ls /home/ada/proposals/esrf")[1] == "ma1234"
    assert "hg999" not in bench.inside(spawner, "cat /proc/self/mountinfo")[1]
    assert bench.inside(spawner, "touch /home/ada/proposals/mine")[0], "the tree of proposals is nobody's to write"


@root_only
async def test_what_is_mounted_beneath_raw_data_is_not_writable_either(bench: Bench):
    mount = bench.data("ma1234")
    beneath = Path(mount.source) / "beneath"
    beneath.mkdir()
    if os.system(f"mount -t tmpfs -o mode=1777 none {beneath}"):
        pytest.skip("may not mount here")
    try:
        spawner = bench.spawner(bench.plan(mount))
        await spawner.start()
        code, said = bench.inside(spawner, f"touch {mount.target}/beneath/new")
        assert code and "Read-only" in said
        await spawner.stop()
    finally:
        os.system(f"umount {beneath}")


async def test_no_directory_is_made_in_the_home_beside_the_one_for_proposals(bench: Bench):
    plan = bench.plan(bench.data("ma1234"), bench.data("hg999"))
    spawner = bench.spawner(plan)
    await spawner.start()
    home = Path(plan.home.source)
    assert sorted(str(path.relative_to(home)) for path in home.rglob("*")) == ["proposals"]
    assert (home / "proposals").stat().st_uid == plan.account.uid
    assert home.stat().st_uid == plan.account.uid
    assert home.stat().st_mode & 0o777 == 0o700


@root_only
async def test_the_person_is_known_by_name_in_an_unmodified_image(bench: Bench):
    spawner = bench.spawner(bench.plan(bench.data("ma1234")))
    await spawner.start()
    assert bench.inside(spawner, "whoami; id -un; id -u; id -gn; pwd; echo $HOME $USER")[1].split() == [
        "ada", "ada", "20123", "ada", "/home/ada", "/home/ada", "ada",
    ]  # fmt: skip
    assert sorted(bench.inside(spawner, "id -Gn")[1].split()) == ["ada", "g20200", "g20300"]
    assert bench.inside(spawner, "getent passwd root")[0] == 0
    assert bench.inside(spawner, "echo x >> /etc/passwd")[0]


async def test_a_server_is_confined(bench: Bench):
    plan = bench.plan(bench.data("ma1234"))
    spawner = bench.spawner(plan)
    await spawner.start()
    found = bench.client.inspect_container(spawner.object_id)
    host, config = found["HostConfig"], found["Config"]
    assert host["CapDrop"] == ["ALL"] and not host["CapAdd"] and not host["Privileged"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["ReadonlyRootfs"] and host["Init"] and not host["AutoRemove"]
    assert host["PidsLimit"] == 512
    assert host["Memory"] == host["MemorySwap"] == 256 * MB
    assert host["CpuQuota"] == host["CpuPeriod"]
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
    assert not host["Binds"] and not host["PortBindings"]
    assert list(found["NetworkSettings"]["Networks"]) == [f"panosc-{HUB_ID}"]
    labels = config["Labels"]
    assert labels["org.panosc.hub"] == HUB_ID and labels["org.panosc.server"] == "p-ma1234"
    assert config["User"] == f"{plan.account.uid}:{plan.account.gid}"
    assert "CapEff:\t0000000000000000" in bench.inside(spawner, "cat /proc/self/status")[1]
    assert "NoNewPrivs:\t1" in bench.inside(spawner, "cat /proc/self/status")[1]
    assert bench.inside(spawner, "touch /usr/x /etc/x")[0]
    assert bench.inside(spawner, "cp /bin/true /tmp/t && /tmp/t && touch /var/tmp/x") == (0, "")


async def test_servers_cannot_reach_each_other(bench: Bench):
    one = bench.spawner(bench.plan(bench.data("ma1234")), "one")
    two = bench.spawner(bench.plan(bench.data("ma1234")), "two")
    (ip, port), _ = await asyncio.gather(one.start(), two.start())
    connect = f"perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(PeerAddr=>\"{ip}:{port}\",Timeout=>1)'"
    assert bench.inside(one, connect)[0] == 0, "the check itself works"
    assert bench.inside(two, connect)[0] != 0


async def test_a_missing_directory_is_refused_in_words_and_nothing_is_created(bench: Bench):
    mount = bench.data("ma1234")
    Path(mount.source).rename(f"{mount.source}-away")
    error = await refused(bench.spawner(bench.plan(mount)))
    assert error.refusal.reason is Reason.MISSING_DIRECTORY
    assert str(mount.source) in error.refusal.message
    assert not Path(mount.source).exists()
    assert bench.containers() == []


async def test_a_directory_that_goes_away_during_the_start_is_refused_in_words(bench: Bench):
    mount = bench.data("ma1234")
    plan = bench.plan(mount)
    spawner = bench.spawner(plan)
    with pytest.raises(Refused) as caught:
        await spawner.launch(plan, {mount: bench.folder / "gone"})
    assert caught.value.refusal.reason is Reason.MISSING_DIRECTORY
    assert bench.containers() == [] and bench.overlays() == []


async def test_braces_in_a_path_are_just_braces(bench: Bench):
    mount = bench.data("ma1234")
    odd = bench.folder / "data" / "{username}-{x:d}-{"
    odd.mkdir()
    (odd / "f").write_text("odd")
    spawner = bench.spawner(bench.plan(replace(mount, source=PurePosixPath(odd))))
    await spawner.start()
    assert bench.inside(spawner, f"cat {mount.target}/f")[1] == "odd"


@root_only
async def test_a_home_that_is_a_volume_is_made_once_and_kept(bench: Bench):
    volume = f"home-{HUB_ID}-ada"
    plan = bench.plan(bench.data("ma1234"), home=HomeMount("volume", volume, PurePosixPath("/home/ada"), True))
    one, two = bench.spawner(plan, "one"), bench.spawner(plan, "two")
    await asyncio.gather(one.start(), two.start())
    assert bench.inside(one, "echo kept > ~/file && stat -c '%U %a' ~ ~/proposals/..")[1].split() == ["ada", "700"] * 2
    await asyncio.gather(one.stop(), two.stop())
    assert bench.client.inspect_volume(volume)["Labels"]["org.panosc.hub"] == HUB_ID
    await one.start()
    assert bench.inside(one, "cat ~/file; ls -A ~")[1].split() == ["kept", "file", "proposals"]
    assert bench.containers(helper="prepare-home") == []


@root_only
@pytest.mark.parametrize("case", ["link", "file", "other", "no-parent", "not-created"])
async def test_a_home_that_cannot_be_used_is_refused_in_words(bench: Bench, case: str):
    plan = bench.plan()
    home = Path(plan.home.source)
    if case == "link":
        home.symlink_to("/tmp")
    elif case == "file":
        home.touch()
    elif case == "other":
        home.mkdir()
    elif case == "no-parent":
        plan = replace(plan, home=replace(plan.home, source=str(home.parent / "nowhere" / "ada")))
    else:
        plan = replace(plan, home=replace(plan.home, create=False))
    error = await refused(bench.spawner(plan))
    assert error.refusal.reason is Reason.NO_HOME
    assert str(home.parent) in error.refusal.message
    assert bench.containers() == []


@root_only
async def test_a_full_home_still_starts(bench: Bench):
    plan = bench.plan(bench.data("ma1234"))
    home = Path(plan.home.source)
    home.mkdir()
    if os.system(f"mount -t tmpfs -o size=64k,mode=700,uid=20123,gid=20100 none {home}"):
        pytest.skip("may not mount here")
    try:
        first = bench.spawner(plan)
        await first.start()
        await first.stop()
        with pytest.raises(OSError):
            (home / "big").write_bytes(b"x" * 100_000)
        spawner = bench.spawner(plan)
        await spawner.start()
        assert bench.inside(spawner, f"cat {plan.mounts[0].target}/frame.txt")[0] == 0
        await spawner.stop()
    finally:
        os.system(f"umount {home}")


async def test_the_hub_has_an_address_on_a_network_that_keeps_servers_apart(bench: Bench):
    network = bench.client.inspect_network(f"panosc-{HUB_ID}")
    assert hub_address(bench.site) == network["IPAM"]["Config"][0]["Gateway"]
    site = make_site(bench.folder, network="bridge")
    with pytest.raises(ConfigurationError, match="reach each other"):
        hub_address(site)


async def test_a_name_in_the_home_where_the_proposals_should_appear_is_refused_in_words(bench: Bench):
    plan = bench.plan(bench.data("ma1234"))
    home = Path(plan.home.source)
    home.mkdir()
    os.chown(home, plan.account.uid, plan.account.gid)
    (home / "proposals").symlink_to("/etc")
    error = await refused(bench.spawner(plan))
    assert error.refusal.reason is Reason.NO_HOME and "Rename it" in error.refusal.remedy


@root_only
async def test_data_that_are_not_those_that_were_checked_are_not_served(bench: Bench):
    mount, other = bench.data("ma1234"), bench.data("hg999")
    plan, source = bench.plan(mount), Path(mount.source)
    spawner = bench.spawner(plan)
    source.rename(source.with_name("away"))
    source.symlink_to(other.source)
    with pytest.raises(Refused) as caught:
        await spawner.launch(plan, {mount: source})  # as it was when it was checked: a directory
    assert caught.value.refusal.reason is Reason.BAD_PATH
    assert bench.containers() == []
