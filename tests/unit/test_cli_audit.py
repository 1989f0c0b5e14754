"""``panosc-hub audit``: readable lines, filters, an exit code, and nothing that could move a terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from explain_support import Words

from panosc_spawner.audit import AuditLog, Event
from panosc_spawner.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = Words(tmp_path).write()
    audit = AuditLog(folder / "state" / "audit.jsonl", sync="never")
    audit.record(Event.LOGIN, person="p-a", identity="a@login.example (https://login.example)", community="test")
    audit.record(
        Event.MOUNT, person="p-a", proposal="demo/demo-001", server="p-demo-001", source="List", evidence="listed on the team",
        area="raw", access="ro", role="member", path="/data/raw",
    )  # fmt: skip
    audit.record(
        Event.REFUSAL, person="p-b", reason="not-granted", evidence="No.\n\x1b[31mred", proposals=["demo/demo-001"]
    )
    audit.record(Event.ADMIN, person="p-b", by="root", request="DELETE users/*", status=204)
    return folder


def test_lines_are_readable(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(site)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[1].endswith(
        "mount              p-a  demo/demo-001; server p-demo-001; raw (ro) as member; List: listed on the team; path=/data/raw"
    )
    assert "\x1b" not in "".join(lines)
    assert "p-b (by root)" in lines[3]
    assert "request=DELETE users/*, status=204" in lines[3]


@pytest.mark.parametrize(
    ("arguments", "events"),
    [
        (["--person", "p-a"], ["login", "mount"]),
        (["--person", "a@login.example"], ["login"]),
        (["--person", "root"], ["admin"]),
        (["--proposal", "demo/demo-001"], ["mount", "refusal"]),
        (["--event", "login", "--event", "admin"], ["login", "admin"]),
        (["--since", "1h"], ["login", "mount", "refusal", "admin"]),
        (["--since", "2020-01-01", "--person", "p-b"], ["refusal", "admin"]),
    ],
)
def test_filters_and_json(
    site: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], events: list[str]
) -> None:
    assert main(["audit", str(site), "--json", *arguments]) == 0
    assert [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()] == events


def test_nothing_found_says_so(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(site), "--since", "2099-01-01"]) == 1
    assert "nothing of the kind" in capsys.readouterr().err
    assert main(["audit", str(site), "--proposal", "elsewhere/1"]) == 1
    assert "names no proposal" in capsys.readouterr().err
    (site / "state" / "audit.jsonl").unlink()
    assert main(["audit", str(site)]) == 1
    assert "there is no" in capsys.readouterr().err


def test_before_the_hub_first_started(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (site / "state").rename(site / "elsewhere")
    assert main(["audit", str(site)]) == 1
    assert "there is no" in capsys.readouterr().err


def test_a_link_in_its_place_is_not_followed(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (site / "state" / "audit.jsonl").rename(site / "other")
    (site / "state" / "audit.jsonl").symlink_to(site / "other")
    assert main(["audit", str(site)]) == 1
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--since", "yesterday"], ["--event", "nothing"], []])
def test_wrong_use(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["audit", *(["x", *arguments] if arguments else [])])
    assert stopped.value.code == 2
    capsys.readouterr()


def test_following(site: Path) -> None:
    command = [sys.executable, "-m", "panosc_spawner.cli", "audit", str(site), "--follow", "--json", "--person", "p-a"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        # Whoever runs the tests in the background has this ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stdout
        assert [json.loads(process.stdout.readline())["event"] for _ in range(2)] == ["login", "mount"]
        audit = AuditLog(site / "state" / "audit.jsonl", max_bytes=100)  # and rotated at once
        audit.record(Event.LOGOUT, person="p-b")
        audit.record(Event.LOGOUT, person="p-a")
        assert json.loads(process.stdout.readline())["event"] == "logout"
        process.send_signal(signal.SIGINT)
        begin = time.monotonic()
        assert process.wait(10) == 0
        assert time.monotonic() - begin < 5
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()
