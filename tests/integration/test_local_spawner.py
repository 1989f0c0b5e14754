"""The local spawner with real processes: under bubblewrap, and with links where it cannot be used."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from local_support import BROKEN, SILENT, STUBBORN, LocalBench, local_bench, running

from panosc_spawner.facilities.model import Area
from panosc_spawner.launch.model import HomeMount, Reason
from panosc_spawner.spawners.bubblewrap import bubblewrap_works, why_not
from panosc_spawner.spawners.local import isolation_warning
from panosc_spawner.spawners.local_process import Process
from panosc_spawner.spawners.refused import Refused

__all__ = ["local_bench"]

isolated = pytest.mark.skipif(not bubblewrap_works(), reason=why_not() or "works")
WHERE = "/home/ada/proposals/esrf"


@isolated
async def test_raw_data_are_read_only_and_other_proposals_are_absent(local_bench: LocalBench):
    bench = local_bench
    bench.data("hg999")
    mounts = bench.data("ma1234"), bench.data("ma1234", Area.PROCESSED, read_only=False)
    spawner = bench.spawner(bench.plan(*mounts))
    await spawner.start()
    assert await bench.inside(spawner, f"cat {WHERE}/ma1234/raw/frame.txt") == (0, "raw of ma1234")
    code, said = await bench.inside(spawner, f"echo no > {WHERE}/ma1234/raw/frame.txt")
    assert code and "Read-only file system" in said
    code, said = await bench.inside(
        spawner, f"mount -o remount,rw {WHERE}/ma1234/raw || unshare -Ur mount -o remount,rw,bind {WHERE}/ma1234/raw"
    )
    assert code
    assert (await bench.inside(spawner, f"echo yes > {WHERE}/ma1234/processed/new"))[0] == 0
    assert (Path(mounts[1].source) / "new").read_text() == "yes\n"
    assert await bench.inside(spawner, f"ls {WHERE}") == (0, "ma1234")
    assert "hg999" not in (await bench.inside(spawner, "cat /proc/self/mountinfo"))[1]
    # What is in memory only is no place to save work.
    assert (await bench.inside(spawner, f"touch {WHERE}/mine"))[0]
    assert (await bench.inside(spawner, "touch /mine"))[0]
    assert (await bench.inside(spawner, "touch ~/mine /tmp/mine"))[0] == 0


@isolated
async def test_the_hubs_own_files_and_other_homes_are_absent(local_bench: LocalBench, monkeypatch: pytest.MonkeyPatch):
    bench = local_bench
    monkeypatch.setenv("CONFIGPROXY_AUTH_TOKEN", "proxy-secret")
    monkeypatch.setenv("JUPYTERHUB_CRYPT_KEY", "crypt-secret")
    for secret in ("state/crypt-key", "hidden/secret", "homes/marie/diary", "site.toml"):
        (bench.folder / secret).parent.mkdir(parents=True, exist_ok=True)
        (bench.folder / secret).write_text("secret")
    spawner = bench.spawner(bench.plan(bench.data("ma1234")))
    await spawner.start()
    for secret in ("state", "hidden", "homes", "data", "site.toml"):
        assert (await bench.inside(spawner, f"ls -d {bench.folder / secret}"))[0], secret
    _, env = await bench.inside(spawner, "env; cat /proc/*/environ | tr '\\0' '\\n'; cat /proc/*/cmdline")
    assert "proxy-secret" not in env and "crypt-secret" not in env
    assert (await bench.inside(spawner, "cat /etc/shadow /etc/gshadow /root/.bashrc"))[0]
    # The server's own token is in its environment, and on nobody's command line.
    assert "JUPYTERHUB_API_TOKEN=a-very-secret" in env
    assert not running("a-very-secret-api-token")


@isolated
async def test_the_person_is_the_account(local_bench: LocalBench):
    bench = local_bench
    spawner = bench.spawner(bench.plan(bench.data("ma1234")))
    await spawner.start()
    _, said = await bench.inside(spawner, "whoami; id -u; id -gn; pwd; echo $HOME $USER; ls /home; touch ~/mine; ls ~")
    # Where this Python itself lies beneath /home, the way to it is there too, and nothing else.
    of_python = {path.parts[2] for path in map(Path, (sys.prefix, sys.base_prefix)) if path.is_relative_to("/home")}
    homes = sorted({"ada", *of_python})
    assert said.split() == ["ada", "20123", "ada", "/home/ada", "/home/ada", "ada", *homes, "mine", "proposals"]


@isolated
async def test_a_terminal_works(local_bench: LocalBench):
    bench = local_bench
    spawner = bench.spawner(bench.plan(bench.data("ma1234")))
    await spawner.start()
    code, said = await bench.inside(
        spawner, 'python3 -c \'import pty; pty.spawn(["bash", "-lc", "tty; git --version"])\''
    )
    assert code == 0 and "/dev/pts/" in said and "git version" in said


async def test_a_restarted_hub_finds_its_server(local_bench: LocalBench):
    bench = local_bench
    spawner = bench.spawner(bench.plan(bench.data("ma1234")))
    await spawner.start()
    twin = bench.again(spawner)
    assert await twin.poll() is None
    await twin.stop()
    assert await twin.poll() == 0
    assert await spawner.poll() is not None


@isolated
async def test_stopping_ends_whatever_the_server_started(local_bench: LocalBench):
    bench = local_bench
    marker = f"sleep 31{os.getpid()}"
    spawner = bench.spawner(bench.plan(bench.data("ma1234")), cmd=STUBBORN)
    await spawner.start()
    await bench.inside(spawner, f"setsid nohup {marker} >/dev/null 2>&1 &")
    async with asyncio.timeout(60):
        while not running(marker):  # between fork and exec it has no command line
            await asyncio.sleep(0.05)
    await spawner.stop()
    assert not running(marker)
    assert await spawner.poll() == 0


async def test_a_server_that_dies_takes_its_children_along_and_says_why(local_bench: LocalBench):
    bench = local_bench
    spawner = bench.spawner(bench.plan(bench.data("ma1234")))
    await spawner.start()
    assert spawner.process
    os.kill(spawner.process.pid, signal.SIGKILL)
    await spawner.process.wait(60)
    assert await spawner.poll() not in (None, 0)
    assert spawner.problem and spawner.problem.reason is Reason.SERVER_FAILED
    assert spawner.get_state().get("process") is None


async def test_a_number_that_now_belongs_to_another_is_not_killed(local_bench: LocalBench):
    bench = local_bench
    spawner = bench.spawner(bench.plan(bench.data("ma1234")))
    with subprocess.Popen(["sleep", "60"]) as bystander:
        spawner.load_state({"pid": bystander.pid, "process": {"pid": bystander.pid, "born": "another-boot:1"}})
        assert await spawner.poll() == 0
        spawner.load_state({"pid": bystander.pid, "process": {"pid": bystander.pid, "born": "another-boot:1"}})
        await spawner.stop(now=True)
        spawner.process = Process(bystander.pid, "another-boot:1")
        await spawner.stop()
        assert bystander.poll() is None
        bystander.kill()


async def test_a_start_that_fails_is_told_with_the_log(local_bench: LocalBench):
    bench = local_bench
    spawner = bench.spawner(bench.plan(bench.data("ma1234")), cmd=BROKEN)
    with pytest.raises(Refused) as caught:
        await spawner.start()
    assert "exit code 3" in str(caught.value.refusal)
    assert "no kernel today" in caught.value.refusal.details
    assert await spawner.poll() == 0


async def test_a_start_that_fails_shows_no_secret(local_bench: LocalBench):
    bench = local_bench
    talks = "import os; print('\\x1b[31mmine is', os.environ['JUPYTERHUB_API_TOKEN'], 'GET /?token=0123456789abcdef'); exit(3)"
    spawner = bench.spawner(bench.plan(bench.data("ma1234")), cmd=[sys.executable, "-c", talks])
    spawner.api_token = "a-very-secret-api-token"
    with pytest.raises(Refused) as caught:
        await spawner.start()
    assert caught.value.refusal.details == "mine is [removed] GET /?token=[removed]"


async def test_a_cancelled_start_leaves_no_process(local_bench: LocalBench):
    bench = local_bench
    spawner = bench.spawner(bench.plan(bench.data("ma1234")), cmd=SILENT)
    task = asyncio.create_task(spawner.start())
    while not spawner.process:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    process = spawner.process
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not process.alive()
    assert not spawner.inner or not spawner.inner.alive()


async def test_a_home_that_cannot_be_is_refused_in_words(local_bench: LocalBench):
    bench = local_bench
    plan = bench.plan(bench.data("ma1234"))
    with pytest.raises(Refused, match="this hub's are volumes"):
        await bench.spawner(replace(plan, home=HomeMount("volume", "ada", plan.home.target, True))).start()
    home = Path(plan.home.source)
    home.mkdir(parents=True)
    (home / "proposals").write_text("mine")
    with pytest.raises(Refused, match="rename it"):
        await bench.spawner(plan).start()
    assert (home / "proposals").read_text() == "mine"


async def test_a_link_in_the_place_of_the_data_leads_nowhere(local_bench: LocalBench):
    bench = local_bench
    plan = bench.plan(bench.data("ma1234"))
    home, elsewhere = Path(plan.home.source), bench.folder / "elsewhere"
    home.mkdir(parents=True)
    elsewhere.mkdir()
    (home / "proposals").symlink_to(elsewhere)
    await bench.spawner(plan).start()
    assert list(elsewhere.iterdir()) == []


async def test_without_bubblewrap_there_are_links_and_a_warning(local_bench: LocalBench):
    bench = local_bench
    bench.isolation = "none"
    assert "isolates nobody" in isolation_warning(bench.site())
    first = bench.plan(bench.data("ma1234"))
    spawner = bench.spawner(first)
    await spawner.start()
    links = Path(first.home.source) / "proposals" / "esrf"
    assert (links / "ma1234" / "raw" / "frame.txt").read_text() == "raw of ma1234"
    assert (await bench.inside(spawner, "cd; cat proposals/esrf/ma1234/raw/frame.txt"))[1] == "raw of ma1234"
    await spawner.stop()
    (links / "notes.txt").write_text("mine")
    await bench.spawner(bench.plan(bench.data("hg999"))).start()
    assert sorted(path.name for path in links.iterdir()) == ["hg999", "notes.txt"]
    assert (bench.folder / "data" / "ma1234" / "raw" / "frame.txt").exists()


async def test_where_isolation_is_demanded_nothing_starts_without(
    local_bench: LocalBench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("panosc_spawner.spawners.bubblewrap.why_not", lambda: "no user namespaces here")
    local_bench.isolation = "bubblewrap"
    with pytest.raises(Refused, match="no user namespaces here"):
        await local_bench.spawner(local_bench.plan(local_bench.data("ma1234"))).start()
