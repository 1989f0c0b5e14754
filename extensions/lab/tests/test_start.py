"""What the server opens on."""

from __future__ import annotations

import errno
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from panosc_lab import examples, start
from panosc_lab.image import Image, read_image
from tornado.httpclient import HTTPClientError

Fetch = Callable[..., Awaitable[Any]]


async def opened(jp_fetch: Fetch, jp_base_url: str) -> str:
    """Where the server's first address leads, beneath the server's own."""
    with pytest.raises(HTTPClientError) as caught:
        await jp_fetch("", follow_redirects=False)
    assert caught.value.code == 302 and caught.value.response
    return str(caught.value.response.headers["Location"]).removeprefix(jp_base_url)


async def test_the_images_notebook_while_it_is_new(image: Path, home: Path, jp_fetch: Fetch, jp_base_url: str) -> None:
    assert await opened(jp_fetch, jp_base_url) == "lab/tree/examples/sans/start-here.ipynb"
    assert (home / "examples/base/start-here.ipynb").exists()


async def test_the_proposals_own_page_comes_first(
    image: Path, home: Path, jp_fetch: Fetch, jp_base_url: str, jp_serverapp: Any
) -> None:
    page = home / "proposals/ill/8-04-923/processed/start here.ipynb"
    page.parent.mkdir(parents=True)
    page.write_text("{}")
    address = "lab/tree/proposals/ill/8-04-923/processed/start%20here.ipynb"
    jp_serverapp.web_app.settings["default_url"] = jp_base_url + address
    assert await opened(jp_fetch, jp_base_url) == address


async def test_the_data_once_the_notebook_was_worked_in(
    image: Path, home: Path, jp_fetch: Fetch, jp_base_url: str, jp_serverapp: Any
) -> None:
    mine = home / "examples/sans/start-here.ipynb"
    await opened(jp_fetch, jp_base_url)
    mine.write_text("my fit")
    settings = jp_serverapp.web_app.settings
    settings["default_url"] = jp_base_url + "lab/tree/proposals/ill/8-04-923"
    again = start.Start(jp_serverapp, read_image(image), image / "notebooks", home)
    settings[start.KEY] = again
    again.begin()
    assert await opened(jp_fetch, jp_base_url) == "lab/tree/proposals/ill/8-04-923"


async def test_a_full_home_starts_and_says_so(
    image: Path, home: Path, jp_fetch: Fetch, jp_base_url: str, jp_serverapp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    await jp_serverapp.web_app.settings[start.KEY].examples()  # those of the start itself
    monkeypatch.setattr(examples.os, "fsync", full)
    (image / "notebooks/sans/new.ipynb").write_text("new")
    again = start.Start(jp_serverapp, read_image(image), image / "notebooks", home)
    jp_serverapp.web_app.settings[start.KEY] = again
    again.begin()
    assert await opened(jp_fetch, jp_base_url) == "panosc/start"
    page = (await jp_fetch("panosc", "start")).body.decode()
    assert "Your home is full" in page and f'href="{jp_base_url}lab"' in page


async def test_slow_storage_keeps_nobody_out(
    image: Path, jp_fetch: Fetch, jp_base_url: str, jp_serverapp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = threading.Event()
    monkeypatch.setattr(start, "copy_examples", lambda *_: copied.wait(30))
    monkeypatch.setattr(start, "_PATIENCE", 0.1)
    slow = start.Start(jp_serverapp, read_image(image), image / "notebooks", Path("/nowhere"))
    jp_serverapp.web_app.settings[start.KEY] = slow
    slow.begin()
    try:
        assert await opened(jp_fetch, jp_base_url) == "lab"
        assert not copied.is_set()
    finally:
        copied.set()


async def test_elsewhere_than_in_our_images(home: Path, jp_fetch: Fetch, jp_base_url: str) -> None:
    assert await opened(jp_fetch, jp_base_url) == "lab"
    assert list(home.iterdir()) == []


async def test_strangers_are_sent_away(image: Path, jp_fetch: Fetch, jp_base_url: str) -> None:
    for path in ("", "panosc/start"):
        with pytest.raises(HTTPClientError) as caught:
            await jp_fetch(path, headers={"Authorization": "token wrong"}, follow_redirects=False)
        assert caught.value.code in (302, 403)
        assert "login" in str(caught.value.response.headers.get("Location", "login"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"name": "esrf", "title": "X", "notebook": "start-here.ipynb"}', Image("esrf", "X", "start-here.ipynb")),
        ('{"name": "../../etc", "notebook": "../../../x.ipynb"}', Image()),
        ('{"name": "esrf", "notebook": 7}', Image("esrf")),
        ("[]", Image()),
        ("{", Image()),
        ('{"name": null}', Image()),
    ],
)
def test_what_an_image_says(tmp_path: Path, text: str, expected: Image) -> None:
    (tmp_path / "image.json").write_text(text)
    assert read_image(tmp_path) == expected
    assert read_image(tmp_path / "none") == Image()
