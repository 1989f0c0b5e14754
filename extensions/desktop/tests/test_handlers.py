"""Who gets the desktop, what counts as activity, and what the page is told."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from panosc_desktop import handlers, home
from panosc_desktop.session import Session, SessionError
from tornado.httpclient import HTTPClientError

HELLO = b"RFB 003.008\n"


async def read(socket: Any, count: int = len(HELLO)) -> bytes:
    """That many bytes of the picture's; words between them are passed over."""
    data = b""
    while len(data) < count:
        message = await asyncio.wait_for(socket.read_message(), 10)
        assert message is not None, "closed"
        if isinstance(message, bytes):
            data += message
    return data


async def leave(socket: Any) -> None:
    """Close it, and wait until it is closed."""
    socket.close()
    while await asyncio.wait_for(socket.read_message(), 10) is not None:
        pass


async def words(socket: Any) -> dict[str, Any]:
    """The next words for the page."""
    while True:
        message = await asyncio.wait_for(socket.read_message(), 10)
        assert message is not None, "closed without words"
        if isinstance(message, str):
            found: dict[str, Any] = json.loads(message)
            return found


async def test_the_page_starts_the_desktop(desktop: Session, jp_fetch: Any) -> None:
    answer = await jp_fetch("desktop/")
    body = answer.body.decode()
    assert 'data-base="/a%40b/"' in body
    assert answer.headers["Cache-Control"] == "no-store"
    for _ in range(200):
        if desktop.running:
            break
        await asyncio.sleep(0.02)
    assert desktop.running


async def test_the_pages_own_files_come_without_a_log_in(desktop: Session, jp_fetch: Any) -> None:
    """JupyterHub sends requests of module scripts to its log-in, and a script does not log in."""
    for name in ("page.css", "desktop.svg"):
        answer = await jp_fetch(f"desktop/static/{name}", headers={"Authorization": ""}, follow_redirects=False)
        assert answer.code == 200
    with pytest.raises(HTTPClientError) as refused:
        await jp_fetch("desktop/static/../page.html", headers={"Authorization": ""})
    assert refused.value.code in (403, 404)


async def test_the_address_without_a_slash_leads_to_the_page(desktop: Session, jp_fetch: Any) -> None:
    with pytest.raises(HTTPClientError) as moved:
        await jp_fetch("desktop", follow_redirects=False)
    assert moved.value.code == 302
    assert moved.value.response.headers["Location"].endswith("/desktop/")


async def test_bytes_go_both_ways_and_the_desktop_outlives_the_page(desktop: Session, jp_ws_fetch: Any) -> None:
    socket = await jp_ws_fetch("desktop/socket")
    assert await read(socket) == HELLO
    large = bytes(range(256)) * 8192
    await socket.write_message(large, binary=True)
    assert await read(socket, len(large)) == large
    await leave(socket)
    again = await jp_ws_fetch("desktop/socket")
    assert await read(again) == HELLO
    assert desktop._folder is not None
    assert (desktop._folder / "starts").read_text() == "x"
    await leave(again)


async def test_without_a_log_in_nothing_starts(desktop: Session, jp_fetch: Any, jp_ws_fetch: Any) -> None:
    nobody = {"Authorization": ""}
    for path in ("desktop/state", "desktop/"):
        with pytest.raises(HTTPClientError) as refused:
            await jp_fetch(path, headers=nobody, follow_redirects=False)
        assert refused.value.code in (302, 403)
    for path in ("desktop/restart", "desktop/open"):
        with pytest.raises(HTTPClientError) as refused:
            await jp_fetch(path, method="POST", body="{}", headers=nobody)
        assert refused.value.code == 403
    with pytest.raises(HTTPClientError) as refused:
        await jp_ws_fetch("desktop/socket", headers=nobody)
    assert refused.value.code == 403
    assert not desktop.running


@pytest.mark.parametrize("path", ["desktop/", "desktop/state"])
async def test_others_whom_the_server_lets_in_do_not_get_the_desktop(
    path: str, desktop: Session, jp_fetch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ada shared her server with Ben: he is logged in there, and is not Ada."""
    monkeypatch.setenv("JUPYTERHUB_USER", "ada")
    with pytest.raises(HTTPClientError) as refused:
        await jp_fetch(path)
    assert refused.value.code == 403
    assert not desktop.running


async def test_others_get_no_connection_and_open_no_files(
    desktop: Session, jp_fetch: Any, jp_ws_fetch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTERHUB_USER", "ada")
    with pytest.raises(HTTPClientError) as refused:
        await jp_ws_fetch("desktop/socket")
    assert refused.value.code == 403
    for path in ("desktop/restart", "desktop/open"):
        with pytest.raises(HTTPClientError) as refused:
            await jp_fetch(path, method="POST", body="{}")
        assert refused.value.code == 403
        assert "belongs to somebody else" in json.loads(refused.value.response.body)["message"]
    assert not desktop.running


def test_the_owner_is_whom_the_hub_started_the_server_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def asks(user: object) -> Any:
        return SimpleNamespace(current_user=user)

    monkeypatch.setenv("JUPYTERHUB_USER", "ada")
    assert handlers.is_owner(asks(SimpleNamespace(username="ada")))
    assert not handlers.is_owner(asks(SimpleNamespace(username="ben")))
    assert not handlers.is_owner(asks(SimpleNamespace(name="ada")))
    assert not handlers.is_owner(asks(None))
    monkeypatch.delenv("JUPYTERHUB_USER")
    assert handlers.is_owner(asks(SimpleNamespace(username="anybody")))
    assert not handlers.is_owner(asks(None))


async def test_a_page_of_another_origin_is_refused(
    desktop: Session, jp_ws_fetch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As with a cookie: a token in the address or header says that the request is meant.
    monkeypatch.setattr(handlers.DesktopSocket, "skip_check_origin", lambda self: False)
    with pytest.raises(HTTPClientError) as refused:
        await jp_ws_fetch("desktop/socket", headers={"Origin": "https://elsewhere.example"})
    assert refused.value.code == 403
    assert not desktop.running


@pytest.mark.parametrize(
    ("message", "counts"),
    [
        (b"\x04\x01\x00\x00\x00\x00\x00\x41", True),  # a key
        (b"\x05\x00\x00\x10\x00\x10", True),  # the pointer
        (b"\x06\x00\x00\x00\x00\x00\x00\x01x", False),  # the clipboard: noVNC sends this by itself, too
        (b"\xff\x00\x00\x01\x00\x00\x00\x41\x00\x00\x00\x1e", True),  # a key, as QEMU's extension sends it
        (b"\x03\x01\x00\x00\x00\x00\x05\x00\x03\x20", False),  # send what has changed
        (b"\xf8\x00\x00\x00\x80\x00\x00\x02\x00", False),  # a fence
        (b"\xfb\x00\x05\x00\x03\x20\x01\x00", False),  # the window's new size
    ],
)
async def test_only_what_a_person_does_is_activity(
    message: bytes, counts: bool, desktop: Session, jp_ws_fetch: Any, jp_serverapp: Any
) -> None:
    settings = jp_serverapp.web_app.settings
    socket = await jp_ws_fetch("desktop/socket")
    await read(socket)
    before = time.time()
    await socket.write_message(message, binary=True)
    assert await read(socket, len(message)) == message
    assert (settings.get("panosc_person_at", 0) >= before) is counts
    assert bool(settings.get("last_activity_times")) is counts
    await leave(socket)


async def test_asking_for_the_state_is_no_activity(desktop: Session, jp_fetch: Any, jp_serverapp: Any) -> None:
    before = jp_serverapp.web_app.last_activity()
    answer = json.loads((await jp_fetch("desktop/state")).body)
    assert answer == {"running": False, "home": ""}
    assert jp_serverapp.web_app.last_activity() == before


async def test_the_page_hears_that_the_connection_lives(
    desktop: Session, jp_ws_fetch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "HEARTBEAT_SECONDS", 0.05)
    socket = await jp_ws_fetch("desktop/socket")
    assert await words(socket) == {"alive": True}
    await leave(socket)


async def test_a_desktop_that_was_left_says_so(desktop: Session, jp_ws_fetch: Any) -> None:
    socket = await jp_ws_fetch("desktop/socket")
    await read(socket)
    await socket.write_message(b"quit", binary=True)
    assert await words(socket) == {"ended": True}
    assert await asyncio.wait_for(socket.read_message(), 10) is None
    assert socket.close_code == handlers.CLOSED_WITH_WORDS
    socket.close()


async def test_why_it_did_not_start_is_told_to_the_page(x_server: Path, desktop: Session, jp_ws_fetch: Any) -> None:
    x_server.write_text("#!/bin/sh\necho no room for the screen >&2\nexit 3\n")
    socket = await jp_ws_fetch("desktop/socket")
    assert await words(socket) == {"problem": "The desktop did not start: no room for the screen"}
    await leave(socket)


async def test_restart_ends_it(desktop: Session, jp_fetch: Any) -> None:
    await desktop.ensure()
    assert (await jp_fetch("desktop/restart", method="POST", body="")).code == 204
    assert not desktop.running


async def test_a_file_opens_in_silx_view_on_the_desktop(
    desktop: Session, jp_fetch: Any, jp_root_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silx = tmp_path / "bin" / "silx"
    silx.parent.mkdir()
    silx.write_text(
        f'#!/bin/sh\necho "$DISPLAY|$@" > {tmp_path}/called.new && mv {tmp_path}/called.new {tmp_path}/called\n'
    )
    silx.chmod(0o755)
    monkeypatch.setenv("PATH", f"{silx.parent}:/usr/bin:/bin")
    (jp_root_dir / "a b;c.h5").write_bytes(b"")
    answer = await jp_fetch("desktop/open", method="POST", body=json.dumps({"path": "a b;c.h5"}))
    assert answer.code == 204
    for _ in range(200):
        if (tmp_path / "called").exists():
            break
        await asyncio.sleep(0.02)
    assert (tmp_path / "called").read_text() == f":7|view {jp_root_dir}/a b;c.h5\n"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{}", 400),
        ("[]", 400),
        ('{"path": 3}', 400),
        ('{"path": "a\\u0000b"}', 400),
        ('{"path": ""}', 400),
        ('{"path": "gone.h5"}', 404),
        ('{"path": "../secret.h5"}', 404),
        ('{"path": "/../secret.h5"}', 404),
        ('{"path": "folder"}', 404),
    ],
)
async def test_files_that_are_not_the_servers_are_refused(
    body: str, status: int, desktop: Session, jp_fetch: Any, jp_root_dir: Path
) -> None:
    (jp_root_dir / "folder").mkdir()
    (jp_root_dir.parent / "secret.h5").write_bytes(b"")
    with pytest.raises(HTTPClientError) as refused:
        await jp_fetch("desktop/open", method="POST", body=body)
    assert refused.value.code == status
    assert not desktop.running


def test_a_home_that_can_be_written_to_is_no_problem(tmp_path: Path) -> None:
    assert home.home_problem(tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "says"), [(28, "is full"), (122, "is full"), (30, "cannot be written to"), (13, "cannot")]
)
def test_a_home_that_cannot_is_told_in_words(
    number: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert says in home.home_problem(tmp_path)


async def test_a_background_start_that_fails_is_logged_not_raised(
    desktop: Session, jp_fetch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse() -> Path:
        raise SessionError("no")

    monkeypatch.setattr(desktop, "ensure", refuse)
    assert (await jp_fetch("desktop/")).code == 200
    await asyncio.sleep(0)
