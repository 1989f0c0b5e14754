"""The audit log is written whole, by several at a time, whatever stands in a line and whatever the disk does."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panosc_spawner.audit import AuditLog, Event, newest, oldest
from panosc_spawner.audit import log as log_module
from panosc_spawner.audit.lines import MAX_LINE, encode
from panosc_spawner.metrics import AUDIT_FAILURES

ROOT = Path(__file__).parents[2]


def lines_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


def failures() -> float:
    return AUDIT_FAILURES._value.get()


def test_a_line_holds_what_is_known_and_nothing_else(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "audit.jsonl")
    audit.record(Event.MOUNT, person="p-a", proposal="esrf/ma1", area="raw", read_only=True, note="", other=None)
    (line,) = lines_of(tmp_path / "audit.jsonl")
    assert line.pop("time").endswith("+00:00")
    assert line == {"event": "mount", "person": "p-a", "proposal": "esrf/ma1", "area": "raw", "read_only": True}


def test_details_cannot_forge_time_or_event(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "audit.jsonl")
    audit.record(Event.REFUSAL, person="p-a", **{"time": "2000-01-01T00:00:00+00:00"})  # type: ignore[arg-type]
    (line,) = lines_of(tmp_path / "audit.jsonl")
    assert not line["time"].startswith("2000")


@pytest.mark.parametrize(
    "text",
    [
        "two\nlines",
        "a\r\nb",
        "line\u2028separator\u2029and\x85next",
        'quote" and {"event": "login"}',
        "\x1b[2J\x1b]0;title\x07",
        "\u202egnp.exe",
        "\ud800 alone",
        "\0",
        "x" * 1_000_000,
    ],
)
def test_hostile_text_stays_in_its_line_and_cannot_move_a_terminal(tmp_path: Path, text: str) -> None:
    audit = AuditLog(tmp_path / "audit.jsonl")
    audit.record(Event.REFUSAL, person="p-a", reason=text, details=[text] * 1000)
    audit.record(Event.LOGIN, person="p-b")
    content = (tmp_path / "audit.jsonl").read_bytes()
    assert all(byte == 10 or 32 <= byte < 127 for byte in content)
    assert [entry.event for entry in oldest(tmp_path / "audit.jsonl")] == ["refusal", "login"]
    assert max(map(len, content.splitlines())) <= MAX_LINE


@given(
    st.dictionaries(
        st.text(max_size=80),
        st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.text()), st.binary()),
        max_size=60,
    )
)
@settings(max_examples=300, deadline=None)
def test_whatever_comes_is_one_bounded_line_of_json(fields: dict[str, Any]) -> None:
    line = encode(fields)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert len(line) <= MAX_LINE + 1
    assert isinstance(json.loads(line), dict)


@pytest.mark.parametrize(
    "secret",
    [
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlc2lnbmF0dXJl",
        "Authorization: Bearer 0123456789abcdef0123456789abcdef",
        "token 0123456789abcdef0123456789abcdef",
        "https://h.example/cb?code=s3cr3t-c0de&state=1",
        "refresh_token=s3cr3t-value",
    ],
)
def test_what_looks_like_a_token_is_not_written(tmp_path: Path, secret: str) -> None:
    audit = AuditLog(tmp_path / "audit.jsonl")
    audit.record(Event.LOGIN_REFUSED, reason=f"failed: {secret}", details=["x", secret])
    text = (tmp_path / "audit.jsonl").read_text()
    assert "[removed]" in text
    for part in ("eyJ", "0123456789abcdef", "s3cr3t"):
        assert part not in text


def test_the_file_is_the_hubs_alone(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_text("")
    file.chmod(0o644)
    before = os.umask(0)
    try:
        AuditLog(file).record(Event.LOGIN)
        AuditLog(tmp_path / "new.jsonl").record(Event.LOGIN)
    finally:
        os.umask(before)
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files for others")
def test_what_root_writes_stays_writable_for_the_hub(tmp_path: Path) -> None:
    os.chown(tmp_path, 4321, 4322)
    AuditLog(tmp_path / "audit.jsonl").record(Event.LOGIN)
    for path in tmp_path.iterdir():
        assert (path.stat().st_uid, path.stat().st_gid) == (4321, 4322)


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "directory", "lock"])
def test_what_is_no_file_is_refused_counted_and_told(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "audit.jsonl"
    target = tmp_path / "elsewhere"
    if kind == "link":
        target.write_text("precious\n")
        file.symlink_to(target)
    elif kind == "dangling":
        file.symlink_to(target)
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "directory":
        file.mkdir()
    else:
        (tmp_path / "audit.jsonl.lock").symlink_to(target)
    before = failures()
    AuditLog(file).record(Event.LOGIN, person="p-a")
    assert failures() == before + 1
    assert "cannot be written" in caplog.text
    assert "p-a" in caplog.text
    assert not target.exists() or target.read_text() == "precious\n"


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "audit.jsonl"
    audit = AuditLog(file)
    audit.record(Event.LOGIN, person="p-a")
    real, room = os.write, 40

    def little(descriptor: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        part, room = data[:room], 0
        return real(descriptor, part)

    monkeypatch.setattr(log_module.os, "write", little)
    before = failures()
    audit.record(Event.MOUNT, person="p-b", proposal="esrf/ma1")
    monkeypatch.undo()
    assert failures() == before + 1
    audit.record(Event.LOGOUT, person="p-c")
    assert [line["person"] for line in lines_of(file)] == ["p-a", "p-c"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_really_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", disk], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount")
    try:
        audit = AuditLog(disk / "audit.jsonl")
        before = failures()
        for number in range(200):
            audit.record(Event.LOGIN, person=f"p-{number}", reason="x" * 150)
        assert failures() > before
        found = lines_of(disk / "audit.jsonl")
        assert [line["person"] for line in found] == [f"p-{number}" for number in range(len(found))]
        assert len(found) > 20
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_torn_line_of_before_does_not_take_the_next_one_with_it(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_bytes(b'{"time": "2026-11-25T10:00:00+00:00", "event": "log')
    AuditLog(file).record(Event.LOGIN, person="p-a")
    assert [entry.get("person") for entry in oldest(file)] == ["p-a"]


def test_it_is_rotated_by_size_and_the_oldest_go(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    (tmp_path / "audit.jsonl.9").write_text("of a time when more were kept\n")
    audit = AuditLog(file, max_bytes=1000, keep=3)
    for number in range(100):
        audit.record(Event.LOGIN, person=f"p-{number:03d}", reason="x" * 50)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2", "audit.jsonl.3", "audit.jsonl.lock"]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    people = [entry.get("person") for entry in oldest(file)]
    assert people == [f"p-{number:03d}" for number in range(100 - len(people), 100)]
    assert [entry.get("person") for entry in newest(file).entries] == people[::-1]


def test_a_file_that_cannot_be_rotated_goes_on_growing(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    (tmp_path / "audit.jsonl.1").mkdir()
    audit = AuditLog(file, max_bytes=200, keep=1)
    before = failures()
    for number in range(10):
        audit.record(Event.LOGIN, person=f"p-{number}", reason="x" * 50)
    assert len(lines_of(file)) == 10
    assert failures() > before


WRITER = """
import sys
from pathlib import Path
from panosc_spawner.audit import AuditLog, Event
audit = AuditLog(Path(sys.argv[1]), max_bytes=20_000, keep=1000, sync="never")
for number in range(400):
    audit.record(Event.MOUNT, person=sys.argv[2], number=number, evidence="x" * (number % 300))
"""


def test_several_processes_rotate_and_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(file), f"p-{who}"], cwd=ROOT) for who in range(4)]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0, 0]
    seen = Counter((entry.get("person"), entry.get("number")) for entry in oldest(file))
    assert len(seen) == 1600
    assert set(seen.values()) == {1}
    for who in range(4):  # each one's lines in its own order
        numbers = [int(entry.get("number")) for entry in oldest(file) if entry.get("person") == f"p-{who}"]
        assert numbers == list(range(400))
    assert len(list(tmp_path.iterdir())) > 5


def test_a_lock_that_somebody_keeps_holds_nobody_up_and_loses_nothing(tmp_path: Path) -> None:
    import fcntl

    file = tmp_path / "audit.jsonl"
    audit = AuditLog(file, max_bytes=100)
    with (tmp_path / "audit.jsonl.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for number in range(3):
            audit.record(Event.LOGIN, person=f"p-{number}")
    assert [line["person"] for line in lines_of(file)] == ["p-0", "p-1", "p-2"]


@pytest.mark.parametrize(("sync", "times"), [("line", 3), ("second", 1), ("never", 0)])
def test_when_the_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync: Any, times: int) -> None:
    synced: list[int] = []
    timers: list[Any] = []

    class Timer:
        daemon = False

        def __init__(self, seconds: float, call: Any, arguments: tuple[Any, ...]) -> None:
            assert seconds == 1.0
            timers.append(lambda: call(*arguments))

        def start(self) -> None:
            assert self.daemon

    monkeypatch.setattr(log_module.threading, "Timer", Timer)
    monkeypatch.setattr(log_module.os, "fdatasync", synced.append)
    audit = AuditLog(tmp_path / "audit.jsonl", sync=sync)
    for _ in range(3):
        audit.record(Event.LOGIN)
    for timer in timers:
        timer()
    assert len(synced) == times


def test_without_threads_the_line_is_written_and_safe_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    synced: list[int] = []

    def none_left(timer: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(log_module.threading.Timer, "start", none_left)
    monkeypatch.setattr(log_module.os, "fdatasync", synced.append)
    before = failures()
    audit = AuditLog(tmp_path / "audit.jsonl", sync="second")
    for number in range(2):
        audit.record(Event.LOGIN, person=f"p-{number}")
    assert [line["person"] for line in lines_of(tmp_path / "audit.jsonl")] == ["p-0", "p-1"]
    assert len(synced) == 2, "nobody knows whether another line comes that would take this one along"
    assert failures() == before and "for want of a thread" in caplog.text
    monkeypatch.undo()
    audit.record(Event.LOGIN)
    assert audit._sync_waits, "it goes on as before when there are threads again"


def test_whatever_goes_wrong_in_writing_is_counted_and_raises_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("of a kind that nobody thought of")

    monkeypatch.setattr(AuditLog, "_write", broken)
    before = failures()
    AuditLog(tmp_path / "audit.jsonl").record(Event.LOGIN, person="p-a")
    assert failures() == before + 1 and "nobody thought of. Lost: {" in caplog.text


def test_no_file_no_line(tmp_path: Path) -> None:
    AuditLog(None).record(Event.LOGIN, person="p-a")
    assert list(tmp_path.iterdir()) == []
