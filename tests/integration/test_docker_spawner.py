"""The Docker spawner on a real daemon: the life of a server, its confinement, and its failures."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path, PurePosixPath

import docker
import pytest
from docker_support import HUB_ID, IMAGE, MB, STUBBORN, Bench, make_site, until

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.model import Area, Environment
from panosc_spawner.facilities.site import Limits
from panosc_spawner.launch.model import HomeMount, Reason
from panosc_spawner.spawners.docker_engine import Engine
from panosc_spawner.spawners.docker_network import hub_address
from panosc_spawner.spawners.refused import Refused

# docker-py does not close the socket of a connection that fails.
pytestmark = [pytest.mark.docker, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give homes to others")


async def refused(spawner) -> Refused:
    with pytest.raises(Refused) as caught:
        await spawner.start()
    return caught.value


async def test_life_of_a_server(bench: Bench):
    spawner = bench.spawner(bench.plan(bench.data("ma1234")))
    assert await spawner.poll() == 0
    _ip, port = await spawner.start()
    assert port == 8888
    assert bench.client.inspect_container(spawner.object_id)["State"]["Running"]
    assert await spawner.poll() is None
    assert list(spawner.phases.seconds) == ["decide", "data", "image", "prepare", "create", "start", "listen"]
    assert spawner.get_state()["panosc"]["phases"]["listen"] < 5
    await spawner.stop()
    assert await spawner.poll() == 0
    assert bench.containers() == []
    assert bench.overlays() == []


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


async def test_a_missing_image_is_refused_in_words(bench: Bench):
    plan = bench.plan(environment=Environment(title="Tomography", image="panosc/not-here:1"))
    error = await refused(bench.spawner(plan))
    assert error.refusal.reason is Reason.MISSING_IMAGE
    assert "Tomography" in error.refusal.message and "panosc/not-here:1" in error.refusal.message


async def test_an_image_that_was_asked_for_by_an_option_is_not_used(bench: Bench):
    spawner = bench.spawner(bench.plan())
    spawner.user_options = {"image": "panosc/not-here:1"}
    await spawner.start()
    assert bench.client.inspect_container(spawner.object_id)["Config"]["Image"] == IMAGE


async def test_an_early_crash_shows_the_log_and_no_secret(bench: Bench):
    script = 'echo "cannot import numpy"; echo "$JUPYTERHUB_API_TOKEN"; printf "\\033[31mred\\033[0m"; exit 3'
    error = await refused(bench.spawner(bench.plan(), cmd=["sh", "-c", script]))
    assert error.refusal.reason is Reason.SERVER_FAILED
    assert "exit code 3" in error.refusal.message
    assert error.refusal.details.splitlines() == ["cannot import numpy", "[removed]", "red"]
    assert bench.containers() == [] and bench.overlays() == []


async def test_a_command_that_is_not_in_the_image_is_refused_in_words(bench: Bench):
    error = await refused(bench.spawner(bench.plan(), cmd=["no-such-command"]))
    assert error.refusal.reason is Reason.SERVER_FAILED
    assert "no-such-command" in error.refusal.details
    assert bench.containers() == []


async def test_out_of_memory_is_said(bench: Bench):
    plan = bench.plan(limits=Limits(memory=32 * MB, cpu=1))
    error = await refused(bench.spawner(plan, cmd=["perl", "-e", '$x = "x" x (200*1024*1024); sleep 60']))
    assert error.refusal.reason is Reason.OUT_OF_MEMORY
    assert "32 MB" in error.refusal.message
    assert bench.containers() == []


async def test_a_server_that_crashes_later_leaves_its_reason(bench: Bench):
    spawner = bench.spawner(bench.plan())
    await spawner.start()
    bench.client.kill(spawner.object_id)
    await until(lambda: not bench.client.inspect_container(spawner.object_id)["State"]["Running"])
    assert await spawner.poll() == 137
    assert spawner.problem and "exit code 137" in spawner.problem.message
    assert bench.containers() == [] and bench.overlays() == []


async def test_a_cancelled_start_leaves_nothing(bench: Bench):
    spawner = bench.spawner(bench.plan(bench.data("ma1234")), cmd=["sleep", "60"])
    task = asyncio.create_task(spawner.start())
    await until(lambda: bool(spawner.object_id))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(task, 0.3)
    assert bench.containers() == [] and bench.overlays() == []
    assert await spawner.poll() == 0


async def test_a_start_cancelled_while_docker_creates_leaves_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    creating = asyncio.Event()
    loop = asyncio.get_running_loop()
    create = docker.APIClient.create_container

    def slow_create(self, *args, **kwargs):
        if "p-ma1234" in str(kwargs.get("labels")):
            loop.call_soon_threadsafe(creating.set)
            time.sleep(0.5)
        return create(self, *args, **kwargs)

    monkeypatch.setattr(docker.APIClient, "create_container", slow_create)
    spawner = bench.spawner(bench.plan())
    task = asyncio.create_task(spawner.start())
    await asyncio.wait_for(creating.wait(), 5)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.01)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.containers() == [] and bench.overlays() == []


async def test_stop_during_a_start_cancels_it_in_words(bench: Bench):
    spawner = bench.spawner(bench.plan(), cmd=["sleep", "60"])
    task = asyncio.create_task(spawner.start())
    await until(lambda: bool(spawner.object_id))
    assert await spawner.poll() is None
    await spawner.stop()
    with pytest.raises(Refused, match="cancelled"):
        await task
    assert bench.containers() == []


async def test_a_left_over_of_the_same_server_makes_way(bench: Bench):
    plan = bench.plan()
    first = bench.spawner(plan)
    await first.start()
    second = bench.spawner(plan)
    await second.start()
    assert [container["Id"] for container in bench.containers()] == [second.object_id]


async def test_the_container_of_somebody_else_is_left_alone(bench: Bench):
    spawner = bench.spawner(bench.plan())
    other = bench.client.create_container(IMAGE, command=["sleep", "60"], name=spawner.object_name)["Id"]
    try:
        error = await refused(spawner)
        assert "left alone" in error.refusal.remedy
        assert bench.client.inspect_container(other)["State"]["Status"] == "created"
    finally:
        bench.client.remove_container(other, force=True)


async def test_a_slow_stop_delays_nobody(bench: Bench):
    slow = [bench.spawner(bench.plan(), f"slow-{number}", cmd=STUBBORN) for number in range(2)]
    other = bench.spawner(bench.plan(), "other")
    await asyncio.gather(*(spawner.start() for spawner in (*slow, other)))
    stops = [asyncio.create_task(spawner.stop()) for spawner in slow]
    await asyncio.sleep(0.2)
    begun = time.monotonic()
    assert await other.poll() is None
    assert time.monotonic() - begun < 0.5
    assert not any(stop.done() for stop in stops)
    await asyncio.gather(*stops)


async def test_a_hub_that_was_killed_finds_its_servers(bench: Bench):
    spawner = bench.spawner(bench.plan())
    await spawner.start()
    twin = bench.again(spawner)
    assert await twin.poll() is None
    assert twin.summary["environment"] == "esrf/base"
    await twin.stop()
    assert bench.containers() == []


async def test_a_daemon_with_a_problem_never_means_gone(bench: Bench, caplog: pytest.LogCaptureFixture):
    spawner = bench.spawner(bench.plan())
    await spawner.start()
    working, socket = spawner.shared.engine, bench.folder / "docker.sock"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 500 x\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(answer, socket)
    spawner.shared.engine = failing = Engine(
        2, lambda version: docker.APIClient(f"unix://{socket}", version="1.41", timeout=2)
    )
    assert await spawner.poll() is None
    server.close()
    await server.wait_closed()
    socket.unlink(missing_ok=True)
    assert await spawner.poll() is None, "a daemon that is away"
    with pytest.raises(Refused, match="does not answer"):
        await spawner.stop()
    assert spawner.object_id, "a server that could not be stopped is not forgotten"
    failing.close()
    spawner.shared.engine = working
    assert await spawner.poll() is None
    assert len([line for line in caplog.messages if "does not answer about" in line]) <= 1


async def test_a_start_while_the_daemon_is_away_is_refused_in_words(bench: Bench):
    spawner = bench.spawner(bench.plan())
    spawner.shared.engine = Engine(2, lambda version: docker.APIClient("unix:///nowhere.sock", version="auto"))
    error = await refused(spawner)
    assert error.refusal.reason is Reason.ENGINE_DOWN
    assert error.status_code == 503


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


async def test_a_server_can_be_started_right_after_it_was_stopped(bench: Bench):
    spawner = bench.spawner(bench.plan(bench.data("ma1234")))
    for _ in range(3):
        await spawner.start()
        await spawner.stop()
    assert bench.containers() == []


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
