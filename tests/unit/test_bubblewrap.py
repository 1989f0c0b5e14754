"""From a plan to bubblewrap's command line."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest

from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Area, Environment
from panosc_spawner.facilities.site import Limits
from panosc_spawner.identity.person import Account
from panosc_spawner.launch.model import HomeMount, LaunchPlan, Mount
from panosc_spawner.spawners import bubblewrap
from panosc_spawner.spawners.bubblewrap import Surroundings, account_files, first_process, python_paths, sandbox

HOME = PurePosixPath("/home/ada")
REF = ProposalRef("esrf", "ma1234")


def mount(area: Area, read_only: bool) -> Mount:
    where = PurePosixPath("/data/ma1234") / area
    return Mount(where, PurePosixPath("/data"), HOME / "proposals/esrf/ma1234" / area, read_only, True, REF, area)


@pytest.fixture
def plan() -> LaunchPlan:
    return LaunchPlan(
        username="p-ada",
        proposals=(REF,),
        environment_id="esrf/base",
        environment=Environment(title="Base", image="panosc/base:1"),
        account=Account("ada", 20123, 20100, (20200,)),
        home=HomeMount("path", "/srv/homes/ada", HOME, True),
        mounts=(mount(Area.PROCESSED, False), mount(Area.RAW, True)),
        start_pages=(),
        variables={},
        limits=Limits(),
        labels={},
        warnings=(),
        ends_at=datetime.now(UTC),
    )


def surroundings(tmp_path: Path, **changes: object) -> Surroundings:
    python = (tmp_path / "env",)
    for name in ("env", "accounts", "config"):
        (tmp_path / name).mkdir(exist_ok=True)
    return Surroundings(Path("/srv/homes/ada"), tmp_path / "accounts", tmp_path / "config", python, **changes)  # type: ignore[arg-type]


def command(plan: LaunchPlan, around: Surroundings) -> list[str]:
    return sandbox(plan, {m: Path(m.source) for m in plan.mounts}, around, ["python", "-m", "server"], 9)


def triples(words: list[str]) -> set[tuple[str, str, str]]:
    return {(words[i], words[i + 1], words[i + 2]) for i in range(len(words) - 2) if words[i].startswith("--")}


def test_raw_is_bound_read_only_and_processed_as_the_plan_says(plan: LaunchPlan, tmp_path: Path):
    found = triples(command(plan, surroundings(tmp_path)))
    assert ("--ro-bind", "/data/ma1234/raw", "/home/ada/proposals/esrf/ma1234/raw") in found
    assert ("--bind", "/data/ma1234/processed", "/home/ada/proposals/esrf/ma1234/processed") in found
    assert ("--bind", "/srv/homes/ada", "/home/ada") in found


def test_a_directory_comes_before_what_lies_in_it(plan: LaunchPlan, tmp_path: Path):
    words = command(plan, surroundings(tmp_path))
    home, proposals = words.index("/home/ada"), words.index("/home/ada/proposals")
    assert home < proposals < words.index("/home/ada/proposals/esrf/ma1234/raw")
    assert words[proposals - 1] == "--tmpfs"
    assert words[-6:-3] == ["--chdir", "/home/ada", "--"] and words[-3:] == ["python", "-m", "server"]


def test_only_what_is_named_can_be_written(plan: LaunchPlan, tmp_path: Path):
    words = command(plan, surroundings(tmp_path))
    writable = {words[i + 2] for i, word in enumerate(words) if word in ("--bind", "--bind-try", "--dev-bind")}
    assert writable == {"/home/ada", "/home/ada/proposals/esrf/ma1234/processed"}


def test_it_is_the_account_in_namespaces_of_its_own(plan: LaunchPlan, tmp_path: Path):
    words = command(plan, surroundings(tmp_path))
    assert words[0] == "bwrap"
    assert {"--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"} <= set(words)
    assert words[words.index("--uid") + 1] == "20123" and words[words.index("--gid") + 1] == "20100"
    assert "--die-with-parent" not in words, "a hub that was killed must find its servers again"
    assert "--unshare-net" not in words, "the server listens on loopback"


def test_the_machines_secrets_are_not_shown(plan: LaunchPlan, tmp_path: Path):
    words = command(plan, surroundings(tmp_path))
    assert not {"/etc", "/etc/shadow", "/etc/ssl", "/etc/ssl/private", "/root", "/home", "/var", "/"} & {
        words[i + 2] for i, word in enumerate(words) if word.endswith(("bind", "bind-try"))
    }


def test_what_is_to_be_hidden_is_covered_where_it_would_be_seen(plan: LaunchPlan, tmp_path: Path):
    inside, outside = tmp_path / "env" / "secret", tmp_path / "elsewhere"
    inside.mkdir(parents=True)
    outside.mkdir()
    words = command(plan, surroundings(tmp_path, hidden=(inside, outside)))
    assert words[words.index(str(inside)) - 1] == "--tmpfs"
    assert words.index(str(inside)) > words.index(str(tmp_path / "env"))
    assert str(outside) not in words


def test_account_files():
    files = account_files(Account("ada", 20123, 20100, (20200,)))
    assert "ada:x:20123:20100::/home/ada:/bin/bash" in files["passwd"]
    assert "group20200:x:20200:ada" in files["group"]


def test_python_is_found_whole():
    shown = [Path("/usr"), *python_paths()]
    for path in (Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable), Path(sys.executable).resolve()):
        assert any(path.is_relative_to(directory) for directory in shown), path


def test_why_it_cannot_be_used_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    assert "not installed" in bubblewrap.why_not.__wrapped__()


def test_a_sandbox_that_never_was():

    receive, send = os.pipe()
    os.close(send)
    assert first_process(receive) is None


def test_what_fails_just_now_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a hub that could not start one process at its own start would run all servers without isolation."""
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda name: "/usr/bin/bwrap")
    failures = [OSError(11, "Resource temporarily unavailable"), subprocess.TimeoutExpired("bwrap", 10)]

    def run(*command: object, **how: object) -> subprocess.CompletedProcess[str]:
        if failures:
            raise failures.pop()
        return subprocess.CompletedProcess([], 0, "", "")

    monkeypatch.setattr(bubblewrap.subprocess, "run", run)
    assert bubblewrap.why_not.__wrapped__() == ""
    failures += [OSError(1, "Operation not permitted")] * 100
    assert "Operation not permitted" in bubblewrap.why_not.__wrapped__()
