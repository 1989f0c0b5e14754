"""Data that come from elsewhere and go to an archive, at a real hub with a real login service: its rights, tokens and audit log."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from dav_peer import DavPeer, dav_peer
from running_demo import RunningDemo
from staging_support import tree_of

from benchmarks.hubs import Session

_PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("configurable-http-proxy", path=_PATH), reason="the hub's proxy is not installed"
    ),
]
REF = "esrf/ma1234"
AUDIENCE = "demo-catalogue"
"""The one that the demo's login service gives tokens for."""
MORE = """
[tokens.elsewhere]
audience = "{audience}"
facilities = ["esrf"]

[[portal.staging.remotes]]
name = "elsewhere"
title = "Storage elsewhere"
facility = "esrf"
kind = "webdav"
url = "{url}/visitor"
token = {{ by = "person", catalogue = "elsewhere" }}
keep_free = 0

[[portal.archive.sites]]
name = "archive"
title = "The archive"
facilities = ["esrf"]
url = "{url}/archive"
areas = ["raw"]
token = {{ by = "person", catalogue = "elsewhere" }}
"""


class Exchanged(dict[str, tuple[str, bool]]):
    """Whatever token the login service made for this storage opens all of it, as at a storage that trusts that service."""

    def __contains__(self, token: object) -> bool:
        try:
            payload = str(token).split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (IndexError, ValueError):
            return False
        return claims.get("aud") in (AUDIENCE, [AUDIENCE]) and claims["exp"] > time.time()

    def __getitem__(self, token: str) -> tuple[str, bool]:
        return "/", True


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("storage")
    (folder / "visitor").mkdir()
    (folder / "archive").mkdir()
    return folder


@pytest.fixture(scope="module")
def peer(storage: Path) -> Iterator[DavPeer]:
    with dav_peer(storage, {}) as made:
        made.guard.tokens = Exchanged()
        yield made


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, peer: DavPeer) -> Iterator[RunningDemo]:
    """A hub whose ESRF data may be elsewhere."""
    more = MORE.format(url=peer.url, audience=AUDIENCE)
    running = RunningDemo("local", tmp_path_factory.mktemp("moving") / "demo", more)
    try:
        running.wait()
        yield running
    finally:
        running.stop()


@pytest.fixture
def log_in(demo: RunningDemo) -> Iterator[Callable[[str], Session]]:
    sessions: list[Session] = []

    def make(name: str) -> Session:
        sessions.append(Session(demo.url, name))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


def at_portal(session: Session, page: str) -> httpx.Response:
    return session.http.get(f"{session.hub}/services/portal/{page}", headers={"Sec-Fetch-Mode": "navigate"})


def press(session: Session, page: httpx.Response, action: str, **more: str) -> httpx.Response:
    """Send the form of a page whose action ends like this."""
    (form,) = re.findall(rf'<form method="post" action="([^"]*{re.escape(action)})"[^>]*>(.*?)</form>', page.text, re.S)
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form[1]))
    address = form[0].replace("&amp;", "&")
    return session.http.post(f"{session.hub}{address}", data={**fields, **more})


def until(session: Session, page: httpx.Response, words: str, seconds: float = 90) -> httpx.Response:
    """A job's page when it says so."""
    deadline = time.monotonic() + seconds
    while words not in page.text:
        assert time.monotonic() < deadline, page.text[-3000:]
        assert "Try again" not in page.text, page.text[-3000:]
        time.sleep(0.3)
        page = session.http.get(page.url)
    return page


def audit(demo: RunningDemo, **wanted: str) -> list[dict[str, Any]]:
    lines = (demo.folder / "state-local" / "audit.jsonl").read_text().splitlines()
    return [entry for entry in map(json.loads, lines) if wanted.items() <= entry.items()]


def test_data_that_are_elsewhere_come_and_open_with_one_press(
    demo: RunningDemo, storage: Path, peer: DavPeer, log_in: Callable[[str], Session]
) -> None:
    visitor = demo.folder / "data/esrf/data/visitor"
    (raw,) = (path for path in visitor.glob("ma1234/**/RAW_DATA"))
    there = storage / "visitor" / raw.relative_to(visitor)
    there.parent.mkdir(parents=True)
    shutil.move(raw, there)
    ada = log_in("ada")
    inside = sorted(path.relative_to(there) for path in there.rglob("*.h5"))[0]
    page = at_portal(ada, f"open?pid=proposals/esrf/ma1234/raw/id31-20250915/{inside}")
    assert "Bring it here" in page.text
    (address,) = set(re.findall(r'href="/services/portal/(stage/esrf/ma1234[^"]*)"', page.text))
    page = at_portal(ada, address.replace("&amp;", "&"))
    assert "Bring the data here, then open" in page.text
    page = until(ada, press(ada, page, address), "Open in JupyterLab")
    assert tree_of(raw) == tree_of(there)
    assert {token.count(".") for method, token in peer.guard.bearers if method == "GET"} == {
        2
    }  # exchanged, not the person's
    assert audit(demo, event="data-read", reason="stage", proposal=REF)
    assert audit(demo, event="token-given", audience=AUDIENCE)

    page = press(ada, page, "/services/portal/open")
    deadline = time.monotonic() + 90
    while "/lab" not in str(page.url):
        assert time.monotonic() < deadline, page.text[:2000]
        time.sleep(0.5)
        page = ada.http.get(page.url)
    shown = ada.http.get(
        f"{ada.hub}/user/{ada.user}/p-ma1234/api/contents/proposals/esrf/ma1234/raw/id31-20250915/{inside}?content=0"
    )
    assert (shown.status_code, shown.json()["size"]) == (200, (there / inside).stat().st_size)
    ada.stop("p-ma1234")


def test_who_is_not_on_it_brings_and_archives_nothing(peer: DavPeer, log_in: Callable[[str], Session]) -> None:
    noor = log_in("noor")
    before = len(peer.guard.log)
    for page in (f"stage/{REF}", f"archive/{REF}"):
        answer = at_portal(noor, page)
        assert (
            "not on proposal" in answer.text and '<form method="post" action="/services/portal/stage' not in answer.text
        )
    assert len(peer.guard.log) == before


def test_a_main_proposer_archives_and_a_member_does_not(
    demo: RunningDemo, storage: Path, log_in: Callable[[str], Session]
) -> None:
    ada = log_in("ada")
    assert "Send to The archive" not in at_portal(ada, f"archive/{REF}").text
    marie = log_in("marie")
    page = at_portal(marie, f"archive/{REF}")
    page = until(marie, press(marie, page, f"archive/{REF}"), "Receipt")
    (raw,) = (path for path in (demo.folder / "data/esrf/data/visitor").glob("ma1234/**/RAW_DATA"))
    kept = {
        Path(path).name: content for path, content in tree_of(storage / "archive").items() if "/data/" in f"/{path}"
    }
    assert kept == {Path(path).name: content for path, content in tree_of(raw).items()}
    job = str(page.url).rpartition("/")[2]
    receipt = at_portal(marie, f"archive/receipts/{job}").json()
    assert receipt["proposal"] == REF and receipt["signature"]
    assert audit(demo, event="data-read", reason="archive", proposal=REF)
