"""Access that stays true, at a real hub with real servers: what is taken away cannot be read a minute later, and nothing else ends."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from access_support import AtWork, Kernel, wait_for

from benchmarks.access_stack import Stack

# The websockets of a server that is killed are closed by nobody.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]
WITHIN = 60.0


def running(tmp_path: Path, spawner: str, options: tuple[str, ...] = (), **access: str) -> Iterator[Stack]:
    stack = Stack(tmp_path, spawner=spawner, access=access, provider_options=options)
    stack.data("ma1001", "ma1002")
    stack.grant({"ma1001": ["ada"], "ma1002": ["ada", "bea"]})
    try:
        yield stack.start()
    finally:
        stack.stop()
        for log in sorted(tmp_path.glob("*.log")):
            print(f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-80:], sep="\n")


@pytest.fixture(params=["local", pytest.param("docker", marks=pytest.mark.docker)])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    """As an operator has it who changes nothing."""
    yield from running(tmp_path, request.param)


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Stack]:
    """One that asks more often, so that the tests take less time."""
    yield from running(tmp_path, "local", recheck="2s", source_timeout="2s")


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Stack]:
    """One with a short grace."""
    yield from running(tmp_path, "local", recheck="2s", outage_grace="15s", source_timeout="2s")


NOWHERE = ("--backchannel-logout-uri", "http://127.0.0.1:9/nobody")


@pytest.fixture(params=[(), NOWHERE], ids=["told", "found"])
def telling(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    """One whose login service tells the hub of a suspension on the back channel, and one that has to be asked.

    The first asks seldom, so that it hears of it before it asks.
    """
    yield from running(tmp_path, "local", request.param, recheck="2s" if request.param else "30m", source_timeout="2s")


def test_what_is_taken_away_cannot_be_read_a_minute_later_and_the_rest_goes_on(hub: Stack) -> None:
    ada = AtWork(hub, "ada")
    ada.start("p-both", "ma1001", "ma1002")
    ada.read_on("p-both", "ma1001")
    (ada.home() / "work.txt").write_text("mine")
    address = ada.server("p-both", "lab").url
    hub.grant({"ma1002": ["ada", "bea"]})
    changed = time.time()
    wait_for(lambda: time.time() - ada.last_read() > 5, "the program in the server can read no more", WITHIN + 5)
    seconds = ada.last_read() - changed
    assert ada.last_read()
    print(f"{hub.spawner}: unreadable {seconds:.1f} s after the change")
    assert seconds < WITHIN
    wait_for(lambda: ada.reads("p-both", "ma1002"), "the server is back with the other proposal", 60)
    assert not ada.reads("p-both", "ma1001")
    assert ada.server("p-both", "lab").url == address
    assert (ada.home() / "work.txt").read_text() == "mine"
    assert time.time() - ada.last_read() > 5
    lines = [line for line in hub.audit() if line["event"] == "revocation"]
    assert [(line["proposal"], line["reason"], line["server"]) for line in lines] == [
        ("esrf/ma1001", "removed", "p-both")
    ]
    assert "User office" in str(lines[0]["source"])
    assert 'panosc_revocations_total{reason="removed"} 1.0' in hub.metrics()
    assert "started again" in ada.problem("p-both")


def test_a_server_with_nothing_left_ends_and_says_why(quick: Stack) -> None:
    ada = AtWork(quick, "ada")
    ada.start("p-ma1001", "ma1001")
    ada.start("second", "ma1001")
    ada.start("other", "ma1002")
    quick.grant({"ma1002": ["ada", "bea"]})
    wait_for(lambda: not ada.reads("p-ma1001", "ma1001") and not ada.reads("second", "ma1001"), "both ended", WITHIN)
    assert ada.reads("other", "ma1002")
    wait_for(lambda: ada.problem("p-ma1001").count("This server was stopped") >= 2, "both say why", 60)
    words = ada.problem("p-ma1001")
    assert "You are not on proposal ma1001" in words and "(User office, asked" in words and "are kept" in words
    with pytest.raises(SystemExit, match="You are not on proposal ma1001"):
        ada.start("p-ma1001", "ma1001")


def test_a_start_that_races_with_the_revocation_is_lost(quick: Stack) -> None:
    ada = AtWork(quick, "ada")
    ada.session.api("POST", f"users/{ada.user}/servers/p-ma1001", json={"proposals": ["esrf/ma1001"]})
    quick.grant({"ma1002": ["ada", "bea"]})
    mine = f"users/{ada.user}"
    wait_for(lambda: "p-ma1001" not in ada.session.api("GET", mine).json()["servers"], "the server is gone", WITHIN)
    assert not ada.reads("p-ma1001", "ma1001")
    time.sleep(3)
    assert not ada.reads("p-ma1001", "ma1001")


def test_a_user_office_that_is_down_throws_nobody_out_and_lets_nobody_in(quick: Stack) -> None:
    ada, bea = AtWork(quick, "ada"), AtWork(quick, "bea")
    ada.start("p-ma1001", "ma1001")
    (quick.site / "proposals.toml").write_text("this is [not TOML")
    time.sleep(6)
    assert ada.reads("p-ma1001", "ma1001")
    with pytest.raises(SystemExit, match="did not answer"):
        bea.start("p-ma1002", "ma1002")
    quick.kill_hub()  # nothing is forgotten with it
    quick.start_hub()
    page = AtWork(quick, "ada")
    wait_for(lambda: page.reads("p-ma1001", "ma1001"), "the server is found again", 60)
    time.sleep(4)
    assert page.reads("p-ma1001", "ma1001"), "nor is it taken away after that"
    wait_for(lambda: "User office has not answered since" in page.problem(""), "the page says so", 60)
    assert 'panosc_source_up{source="User office"} 0.0' in quick.metrics()
    quick.grant({"ma1001": ["ada"], "ma1002": ["ada", "bea"]})
    bea.session.http.close()
    bea = AtWork(quick, "bea")
    wait_for(lambda: "has not answered since" not in bea.problem(""), "it is over", 60)
    bea.start("p-ma1002", "ma1002")


def test_a_silence_longer_than_the_grace_ends_in_words(impatient: Stack) -> None:
    ada = AtWork(impatient, "ada")
    ada.start("p-ma1001", "ma1001")
    (impatient.site / "proposals.toml").write_text("this is [not TOML")
    begun = time.monotonic()
    wait_for(lambda: not ada.reads("p-ma1001", "ma1001"), "ended after the grace", 90)
    assert time.monotonic() - begun > 12
    wait_for(lambda: "was last confirmed" in ada.problem("p-ma1001"), "it says why", 60)


def test_a_suspended_person_loses_servers_tokens_and_sessions(telling: Stack) -> None:
    ada, bea = AtWork(telling, "ada"), AtWork(telling, "bea")
    ada.start("p-ma1001", "ma1001")
    bea.start("p-ma1002", "ma1002")
    token = ada.session.api("POST", f"users/{ada.user}/tokens", json={"note": "a script"}).json()["token"]
    bearer = {"Authorization": f"token {token}"}
    mine = f"{telling.url}/hub/api/user"
    assert httpx.get(mine, headers=bearer, trust_env=False, timeout=60).status_code == 200
    ada.read_on("p-ma1001", "ma1001")
    kernel = Kernel(ada, "p-ma1001")
    assert kernel.alive
    telling.write_people(suspended=["ada"])
    begun = time.time()
    wait_for(
        lambda: httpx.get(mine, headers=bearer, trust_env=False, timeout=60).status_code in (401, 403),
        "no token",
        WITHIN,
    )
    wait_for(lambda: time.time() - ada.last_read() > 4, "the program reads no more", WITHIN)
    print(f"suspended: unreadable after {ada.last_read() - begun:.1f} s")
    assert ada.last_read() - begun < WITHIN
    wait_for(lambda: not kernel.alive, "the notebook's kernel channel is closed", 60)
    home = ada.session.http.get(f"{telling.url}/hub/home", follow_redirects=False)
    assert home.status_code == 302 and "login" in home.headers["location"]
    assert ada.server("p-ma1001", "api/contents", follow_redirects=False).status_code in (302, 401, 403, 404, 424, 503)
    assert bea.reads("p-ma1002", "ma1002")
    ended = [line for line in telling.audit() if line["event"] == "login-ended"]
    assert [line["person"] for line in ended] == [ada.user]
    assert ended[0]["reason"] == ("refused" if telling.provider_options else "logged-out")


def test_somebody_who_was_added_is_told_without_logging_out(quick: Stack) -> None:
    bea = AtWork(quick, "bea")
    bea.start("p-ma1002", "ma1002")
    quick.grant({"ma1001": ["ada", "bea"], "ma1002": ["ada", "bea"]})
    added = "You were added to ma1001"
    wait_for(lambda: any(line["event"] == "grant-added" and line.get("proposal") == "esrf/ma1001" for line in quick.audit()), "the change is written down", 60)  # fmt: skip
    assert added in bea.session.http.get(f"{quick.url}/hub/home").text
    bea.start("p-ma1001", "ma1001")
    assert bea.reads("p-ma1001", "ma1001")


def test_nobody_shares_a_server_and_no_administrator_enters_one(quick: Stack) -> None:
    ada, bea, olga = AtWork(quick, "ada"), AtWork(quick, "bea"), AtWork(quick, "olga")
    ada.start("p-ma1001", "ma1001")
    for path, body in ((f"shares/{ada.user}/p-ma1001", {"user": bea.user}), (f"share-codes/{ada.user}/p-ma1001", {})):
        for who in (ada, olga):
            with pytest.raises(SystemExit, match="Servers cannot be shared here"):
                who.session.api("POST", path, json=body)
    accept = bea.session.http.get(f"{quick.url}/hub/accept-share?code=x")
    assert accept.status_code == 403 and "cannot be shared" in accept.text
    assert {line["person"] for line in quick.audit() if line["event"] == "sharing-refused"} == {
        ada.user,
        olga.user,
        bea.user,
    }
    listed = olga.session.api("GET", "users").json()
    assert {user["name"] for user in listed} >= {ada.user}, "an administrator sees who works"
    assert not olga.session.http.get(f"{quick.url}/user/{ada.user}/p-ma1001/api/contents").text.count("proposals")
    with pytest.raises(SystemExit):
        olga.session.api("POST", f"users/{ada.user}/tokens", json={"note": "in another's name"})
    with pytest.raises(SystemExit):
        olga.session.api("PATCH", f"users/{ada.user}", json={"admin": True})
    olga.session.api("DELETE", f"users/{ada.user}/servers/p-ma1001")


TOKEN_RULE = """
[tokens.archive]
audience = "https://archive.example"
facilities = ["esrf"]
lifetime = "10m"
"""


def test_a_servers_own_code_gets_a_token_for_one_audience_and_nobody_else_does(tmp_path: Path) -> None:
    stack = Stack(
        tmp_path, access={"recheck": "2s"}, provider_options=("--exchange-audience", "https://archive.example")
    )
    stack.data("ma1001")
    stack.grant({"ma1001": ["ada"]})
    with (stack.site / "site.toml").open("a") as file:
        file.write(TOKEN_RULE)
    try:
        stack.start()
        ada = AtWork(stack, "ada")
        ada.start("p-ma1001", "ma1001")
        ada.run(
            "p-ma1001",
            'curl -si -H "Authorization: token $JUPYTERHUB_API_TOKEN" ${JUPYTERHUB_API_URL%/api}/panosc/token/archive '
            "> ~/answer.new; mv ~/answer.new ~/answer",
        )
        answer = ada.home() / "answer"
        wait_for(answer.exists, "the server's code got an answer", 60)
        head, _, body = answer.read_text().partition("\n\n")
        assert " 200 " in head and "cache-control: no-store" in head.lower()
        given = json.loads(body)
        token = given["token"]
        assert datetime.fromisoformat(given["expires_at"]) - datetime.now(UTC) < timedelta(minutes=11)
        assert json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["aud"] in (
            "https://archive.example",
            ["https://archive.example"],
        )
        url = f"{stack.url}/hub/panosc/token/archive"
        assert ada.session.http.get(url).status_code == 403, "not with a browser's cookies"
        other = ada.session.api("POST", f"users/{ada.user}/tokens", json={"note": "Server at /user/x/"}).json()["token"]
        refused = httpx.get(url, headers={"Authorization": f"token {other}"}, trust_env=False, timeout=60)
        assert refused.status_code == 403 and "Only a running server" in refused.json()["message"]
        events = [line for line in stack.audit() if str(line["event"]).startswith("token-")]
        assert [line["event"] for line in events] == ["token-given", "token-refused"]
        assert (events[0]["proposal"], events[0]["server"]) == ("esrf/ma1001", "p-ma1001")
        written = "".join(file.read_text(errors="replace") for file in tmp_path.glob("*.log"))
        assert token not in written + json.dumps(stack.audit())
    finally:
        stack.stop()
        print((tmp_path / "hub.log").read_text()[-6000:])
