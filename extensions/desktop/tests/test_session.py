"""One desktop a server: started once, ended whole, and words when it cannot start."""

from __future__ import annotations

import asyncio
import logging
import signal
import struct
from pathlib import Path

import pytest
from panosc_desktop import session
from panosc_desktop.session import Session, SessionError

LOG = logging.getLogger("test")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_it_starts_once_for_many_who_ask_at_once(x_server: Path, folder: Path) -> None:
    desktop = Session(LOG)
    sockets = await asyncio.gather(*(desktop.ensure() for _ in range(20)))
    assert len(set(sockets)) == 1
    assert (sockets[0].parent / "starts").read_text() == "x"
    assert sockets[0].parent.stat().st_mode & 0o777 == 0o700
    await desktop.stop()
    assert not desktop.running


async def test_after_its_end_it_starts_anew(x_server: Path, folder: Path) -> None:
    desktop = Session(LOG)
    first = await desktop.ensure()
    reader, writer = await asyncio.open_unix_connection(first)
    await reader.readexactly(12)
    writer.write(b"quit")
    await writer.drain()
    writer.close()
    for _ in range(1500):
        if not desktop.running:
            break
        await asyncio.sleep(0.02)
    assert not desktop.running
    assert (await desktop.ensure()).exists()
    assert (first.parent / "starts").read_text() == "xx"
    await desktop.stop()


async def test_a_killed_server_leaves_no_desktop(x_server: Path, folder: Path) -> None:
    """Its end of the pipe closes, however it ended."""
    desktop = Session(LOG)
    await desktop.ensure()
    assert desktop._process is not None and desktop._process.stdin is not None
    pid = desktop._process.pid
    desktop._process.stdin.close()
    await asyncio.wait_for(desktop._process.wait(), 30)
    assert not alive(pid)


async def test_a_restart_waits_for_all_of_the_old_one(x_server: Path, folder: Path) -> None:
    """The script is gone at once, the X server takes a moment, and then removes its socket: which must not be the new one."""
    x_server.write_text(
        "#!/bin/bash\n"
        "python3 -c 'import signal, socket, sys, time, os\n"
        "path = sys.argv[1]\n"
        "def leave(*_):\n    time.sleep(0.5); os.unlink(path); os._exit(0)\n"
        "signal.signal(signal.SIGTERM, leave)\n"
        "server = socket.socket(socket.AF_UNIX); server.bind(path); server.listen()\n"
        "while True: signal.pause()' $1/rfb &\nwait\n"
    )
    desktop = Session(LOG)
    for _ in range(2):
        socket = await desktop.ensure()
        await desktop.stop()
        assert not socket.exists()
    assert (await desktop.ensure()).exists()
    await asyncio.sleep(0.7)
    assert (await desktop.ensure()).exists()
    await desktop.stop()


async def test_closing_leaves_neither_processes_nor_files(x_server: Path, folder: Path) -> None:
    desktop = Session(LOG)
    await desktop.ensure()
    process = desktop._process
    assert process is not None
    desktop.close()
    assert await asyncio.wait_for(process.wait(), 30) == -signal.SIGTERM
    assert list(folder.iterdir()) == []


async def test_what_does_not_start_is_told_by_its_last_words(
    x_server: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x_server.write_text("#!/bin/sh\necho first >&2\necho no room for the screen >&2\nexit 3\n")
    with pytest.raises(SessionError, match="The desktop did not start: no room for the screen"):
        await Session(LOG).ensure()


async def test_what_never_answers_is_given_up_and_ended(
    x_server: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "START_SECONDS", 3)
    x_server.write_text("#!/bin/sh\necho $$ > $1/pid\nexec sleep 600\n")
    desktop = Session(LOG)
    with pytest.raises(SessionError, match="it said nothing"):
        await desktop.ensure()
    (pid,) = (int(path.read_text()) for path in folder.glob("*/pid"))
    assert not alive(pid)


async def test_an_environment_without_a_desktop_is_told_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "X_SERVER", "Xthere-is-no-such-program")
    with pytest.raises(SessionError, match="has no desktop"):
        await Session(LOG).ensure()


async def test_no_room_for_lock_files_is_told_in_words(
    x_server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(SessionError, match=r"lock files in /tmp: No such file"):
        await Session(LOG).ensure()


async def test_programs_find_the_display_and_may_use_it(x_server: Path, folder: Path) -> None:
    desktop = Session(LOG)
    with pytest.raises(SessionError, match="not running"):
        _ = desktop.environment
    await desktop.ensure()
    environment = desktop.environment
    assert environment["DISPLAY"] == ":7"
    cookie = Path(environment["XAUTHORITY"])
    assert cookie.stat().st_mode & 0o777 == 0o600
    # libXau's format: family, address, number, name, data; each but the first with its length before it.
    content = cookie.read_bytes()
    assert struct.unpack_from(">HHHH", content) == (0xFFFF, 0, 0, 18)
    assert content[8:26] == b"MIT-MAGIC-COOKIE-1"
    assert struct.unpack_from(">H", content, 26) == (16,)
    assert len(content) == 28 + 16
    await desktop.stop()
    first = content[28:]
    await desktop.ensure()
    assert cookie.read_bytes()[28:] != first
    await desktop.stop()
