"""The portal at a real hub with a real login service: who may ask the hub what, what a right that is taken away ends, and what a
portal that dies leaves alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from running_demo import RunningDemo

from benchmarks.hubs import Session

_PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("configurable-http-proxy", path=_PATH), reason="the hub's proxy is not installed"
    ),
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """The demo with local processes: hub, portal, two login services, two catalogues."""
    running = RunningDemo("local", tmp_path_factory.mktemp("portal") / "demo")
    try:
        running.wait()
        yield running
    finally:
        running.stop()


@pytest.fixture
def logged_in(demo: RunningDemo) -> Iterator[Callable[[str], Session]]:
    """Logs people in at the hub; none of them has been at the portal."""
    sessions: list[Session] = []

    def log_in(name: str) -> Session:
        sessions.append(Session(demo.url, name))
        return sessions[-1]

    yield log_in
    for session in sessions:
        session.close()


def at_portal(session: Session, page: str) -> httpx.Response:
    return session.http.get(f"{session.hub}/services/portal/{page}", headers={"Sec-Fetch-Mode": "navigate"})


def own_token(session: Session) -> str:
    """One that the person makes on the hub's page of tokens: it may do all that they may."""
    return str(session.api("POST", f"users/{session.user}/tokens", json={"note": "mine"}).json()["token"])


def audit(demo: RunningDemo) -> list[dict[str, object]]:
    file = demo.folder / "state-local" / "audit.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_one_login_is_enough_and_nobody_is_asked(demo: RunningDemo, logged_in: Callable[[str], Session]) -> None:
    ada = logged_in("ada")
    page = at_portal(ada, "proposal/esrf/ma1234")
    assert page.status_code == 200
    assert "How a ceria catalyst breathes when it is heated" in page.text
    assert [answer.status_code for answer in page.history].count(200) == 0  # no page between that asks for consent
    assert at_portal(ada, "proposal/esrf/hc4711").status_code == 404


def test_a_public_page_knows_who_is_logged_in_at_the_hub_without_a_click(
    demo: RunningDemo, logged_in: Callable[[str], Session]
) -> None:
    looks = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    address = f"{demo.url}/services/portal/software"
    ada = logged_in("ada")
    page = ada.http.get(address, headers=looks)
    assert (page.status_code, str(page.url)) == (200, address)
    assert "/services/portal/logout" in page.text
    with httpx.Client(trust_env=False, follow_redirects=True, timeout=60) as stranger:
        assert not stranger.get(address, headers=looks).history
        # What a browser keeps of a login that the hub has ended: it is sent to log in once, then it is let look.
        stranger.cookies.set("jupyterhub-session-id", "of-a-login-that-is-over", domain="127.0.0.1", path="/")
        first = stranger.get(address, headers=looks, follow_redirects=False)
        assert first.status_code == 303 and "/hub/api/oauth2/authorize" in first.headers["Location"]
        second = stranger.get(address, headers=looks, follow_redirects=False)
        assert second.status_code == 200
        assert "/services/portal/login" in second.text


def test_only_the_portal_asks_where_data_lie(demo: RunningDemo, logged_in: Callable[[str], Session]) -> None:
    """The person's own tokens, their server's, and their browser's cookie open nothing of it."""
    ada = logged_in("ada")
    hub = f"{demo.url}/hub/panosc/portal"
    asked = {"proposal": "esrf/ma1234", "purpose": "download"}
    token = {"Authorization": f"token {own_token(ada)}"}
    with httpx.Client(trust_env=False, timeout=60) as program:
        me = program.get(f"{hub}/me", headers=token)
        assert (me.status_code, me.json()["username"]) == (200, ada.user)
        assert [one["ref"] for one in program.get(f"{hub}/person", headers=token).json()["proposals"]] == [
            "esrf/ma1234",
            "ill/8-04-923",
        ]
        for question in ("data", "token", "start"):
            answer = program.post(f"{hub}/{question}", headers=token, json=asked | {"then": "/services/portal/"})
            assert answer.status_code == 403, question
            assert "Only the portal may ask this" in answer.json()["message"]
            assert program.get(f"{hub}/{question}", headers=token).status_code in (403, 405)
        assert program.get(f"{hub}/me").status_code in (401, 403)
    for question in ("me", "person"):
        assert ada.http.get(f"{hub}/{question}").status_code in (401, 403)  # with the browser's cookie
    xsrf = next(c.value for c in ada.http.cookies.jar if c.name == "_xsrf" and c.path.endswith("/hub/"))
    by_cookie = ada.http.post(f"{hub}/data", json=asked, headers={"X-XSRFToken": str(xsrf)})
    assert by_cookie.status_code in (401, 403)
    assert "data-read" not in {line["event"] for line in audit(demo) if line.get("person") == ada.user}


def test_what_is_read_is_written_down_and_a_right_that_is_taken_away_ends_it(
    demo: RunningDemo, logged_in: Callable[[str], Session]
) -> None:
    ada = logged_in("ada")
    plan = at_portal(ada, "download/esrf/ma1234")
    assert plan.status_code == 200
    assert "Take it" in plan.text
    (line,) = [one for one in audit(demo) if one["event"] == "data-read" and one["person"] == ada.user]
    assert (line["proposal"], line["reason"], line["role"]) == ("esrf/ma1234", "download", "member")
    assert "raw" in line["areas"]  # type: ignore[operator]

    team = demo.folder / "site" / "proposals.toml"
    before = team.read_text()
    first = before.index('person = "', before.index("ma1234"))
    entry = before.index("[[proposal.team]]", first)  # the main proposer's is first, then Ada's
    end = before.index("[[proposal]]", entry)
    team.write_text(before[:entry] + before[end:])
    try:
        deadline = time.monotonic() + 120
        while (page := at_portal(ada, "download/esrf/ma1234")).status_code == 200:
            assert time.monotonic() < deadline, "she could still read it after two minutes"
            time.sleep(1)
        assert page.status_code == 403
        assert "You are not on proposal ma1234" in page.text
    finally:
        team.write_text(before)


def test_logging_out_at_the_hub_is_logging_out_at_the_portal(
    demo: RunningDemo, logged_in: Callable[[str], Session]
) -> None:
    marie = logged_in("marie")
    assert at_portal(marie, "proposal/esrf/hc4711").status_code == 200
    with httpx.Client(cookies=httpx.Cookies(marie.http.cookies), trust_env=False, timeout=60) as thief:
        for page in ("proposal/esrf/hc4711", "jobs"):
            assert thief.get(f"{demo.url}/services/portal/{page}").status_code == 200  # the copy is as good as hers
        marie.http.get(f"{demo.url}/hub/logout")
        assert "/hub/login" in str(at_portal(marie, "proposal/esrf/hc4711").url)
        # Whoever copied her cookies before gets nothing of the hub's from now on, and is nobody within a minute.
        assert thief.get(f"{demo.url}/services/portal/proposal/esrf/hc4711").status_code != 200
        deadline = time.monotonic() + 120
        while thief.get(f"{demo.url}/services/portal/jobs").status_code == 200:
            assert time.monotonic() < deadline, "the copy still counts after two minutes"
            time.sleep(1)


def test_a_start_from_the_portal_is_one_of_the_hubs(demo: RunningDemo, logged_in: Callable[[str], Session]) -> None:
    """The button of the page starts a server by the hub's own rules, and leads back to the portal, which opens a notebook."""
    ada = logged_in("ada")
    page = at_portal(ada, "open?pid=10.5072/demo-esrf-0101")
    form = re.search(r'<form[^>]*method="post"[^>]*action="([^"]+)".*?</form>', page.text, re.DOTALL)
    assert form, page.text
    fields = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', form[0]))
    address = httpx.URL(str(page.url)).join(form[1].replace("&amp;", "&"))
    without = {name: value for name, value in fields.items() if name != "_xsrf"}
    assert ada.http.post(address, data=without).status_code == 403
    started = ada.http.post(address, data=fields)
    assert "/hub/spawn-pending/" in str(started.url), started.text[:2000]
    deadline = time.monotonic() + 180
    while "/lab" not in str((now := ada.http.get(started.url)).url):
        assert time.monotonic() < deadline, now.text[:2000]
        time.sleep(0.5)
    assert re.search(r"/lab/tree/.*\.ipynb", str(now.url))
    ada.stop("p-ma1234")


def test_a_portal_that_dies_leaves_the_hub_alone_and_comes_back(
    demo: RunningDemo, logged_in: Callable[[str], Session]
) -> None:
    ada = logged_in("ada")
    assert at_portal(ada, "transfers").status_code == 200
    os.kill(portal_process(demo), signal.SIGKILL)
    home = ada.http.get(f"{demo.url}/hub/home")
    assert (home.status_code, "My proposals" in home.text) == (200, True)
    deadline = time.monotonic() + 180
    seen = set()
    while (page := at_portal(ada, "transfers")).status_code != 200:
        seen.add(page.status_code)
        assert time.monotonic() < deadline, page.text
        time.sleep(0.2)
    assert seen <= {502, 503}
    assert str(page.url).startswith(f"{demo.url}/services/portal/")  # still logged in: the cookie outlives the process


def portal_process(demo: RunningDemo) -> int:
    """The number of the portal itself, not of what keeps it running."""
    site = str(demo.folder / "site").encode()
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = command.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"panosc_portal" in words and b"serve" in words and site in words:
            return int(command.parent.name)
    raise AssertionError("no portal runs")
