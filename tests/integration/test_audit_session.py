"""A whole session at a real hub with real logins: everything is written down, and no token, secret or needless claim is."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from access_support import AtWork, wait_for
from identities_support import TwoLogins, Visitor
from jupyterhub.crypto import CryptKeeper

from benchmarks.access_stack import Stack

pytestmark = pytest.mark.slow

ADDRESS = "ada.mail@post.example"
CLAIM = "claim-that-nobody-needs"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoLogins]:
    running = TwoLogins(tmp_path_factory.mktemp("session"), ("olga", "ada", "bea"))
    for file in (running.personas, running.other_people):
        more = f'email = "{ADDRESS}"\neduperson_scoped_affiliation = ["{CLAIM}@demo.panosc.example"]\n'
        file.write_text(file.read_text().replace("preferred_username =", more + "preferred_username ="))
    running.data("ma1001", "ma1002", "ma1003")
    running.grant({"ma1001": ["ada"], "ma1002": ["ada"], "ma1003": ["bea"]})
    try:
        running.start()
        yield running
    finally:
        running.stop()
        print((running.folder / "hub.log").read_text()[-6000:])


@pytest.fixture(scope="module")
def session(hub: TwoLogins) -> dict[str, Any]:
    """Log in, start, be refused, explain, lose a proposal, link, be stopped by an administrator, log out."""
    found: dict[str, Any] = {"secrets": set()}
    ada = AtWork(hub, "ada")
    ada.start("p-ma1001", "ma1001", "ma1002")
    found["explained"] = explained(hub, hub.identity("ada"), "esrf/ma1001")
    found["not explained"] = explained(hub, ada.user, "esrf/ma1003")
    with contextlib.suppress(SystemExit):
        ada.start("p-ma1003", "ma1003")
    token = ada.session.api("POST", f"users/{ada.user}/tokens", json={"note": "n0te"}).json()["token"]
    found["secrets"].add(token)
    found["secrets"] |= tokens_of(hub)
    hub.grant({"ma1002": ["ada"], "ma1003": ["bea"]})
    wait_for(lambda: any(line["event"] == "revocation" for line in hub.audit()), "the revocation", 60)
    wait_for(lambda: ada.reads("p-ma1001", "ma1002"), "the server is back with what is left", 60)
    found["secrets"] |= tokens_of(hub)
    linked = Visitor(hub)
    linked.log_in("bea")
    linked.link("bea", "bea")
    linked.submit("account/confirm", answer="yes")
    olga = hub.session("olga")
    found["secrets"] |= tokens_of(hub)
    olga.api("DELETE", f"users/{ada.user}/servers/p-ma1001")
    wait_for(lambda: any(by_administrator(line) for line in hub.audit()), "the administrator's line", 60)
    found["secrets"] |= cookies_of(ada, linked, olga)
    linked.get("logout")
    linked.close()
    time.sleep(1)
    return found | {"user": ada.user}


def by_administrator(line: dict[str, Any]) -> bool:
    return line["event"] == "admin" and not str(line["by"]).startswith("service")


def explained(hub: Stack, person: str, proposal: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "panosc_spawner.cli", "explain", str(hub.site), person, proposal, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def tokens_of(hub: Stack) -> set[str]:
    """All tokens that the hub keeps of people's logins, and its own secrets."""
    found = {file.read_text().strip() for file in hub.state.glob("*") if file.name in ("crypt-key", "proxy-token")}
    found |= {(hub.state / "cookie-secret").read_text().strip(), hub.secret.read_text().strip()}
    keeper = CryptKeeper(keys=[bytes.fromhex((hub.state / "crypt-key").read_text().strip())])
    with contextlib.closing(sqlite3.connect(f"file:{hub.state / 'hub.sqlite'}?mode=ro", uri=True)) as database:
        states = [row[0] for row in database.execute("select encrypted_auth_state from users") if row[0]]
    for state in states:
        kept = keeper._decrypt(state)
        found |= {kept[name] for name in ("access_token", "refresh_token", "id_token") if kept.get(name)}
        found |= {kept["login"][name] for name in ("id", "sid", "nonce") if kept["login"].get(name)}
    keeper.executor.shutdown()
    return found


def cookies_of(ada: AtWork, linked: Visitor, olga: Any) -> set[str]:
    jars = (ada.session.http.cookies.jar, linked.http.cookies.jar, olga.http.cookies.jar)
    return {cookie.value or "" for jar in jars for cookie in jar if len(cookie.value or "") > 12}


def test_everything_is_written_down(hub: TwoLogins, session: dict[str, Any]) -> None:
    lines = hub.audit()
    events = {str(line["event"]) for line in lines}
    wanted = {"login", "mount", "server-started", "server-stopped", "refusal", "revocation", "admin", "identity-linked"}
    assert wanted | {"logout"} <= events, events
    mine = [line for line in lines if line.get("person") == session["user"]]
    assert {line["proposal"] for line in mine if line["event"] == "mount"} == {"esrf/ma1001", "esrf/ma1002"}
    admin = next(line for line in lines if by_administrator(line))
    assert (admin["person"], admin["server"]) == (session["user"], "p-ma1001")
    assert str(admin["request"]).startswith("DELETE users/*/servers/*")


def test_a_line_says_what_and_why(hub: TwoLogins, session: dict[str, Any]) -> None:
    for line in hub.audit():
        assert line.get("person") or line["event"] in ("admin", "login-refused"), line
        if line["event"] == "mount":
            assert line["source"] == "User office"
            assert line["evidence"]
            assert line["access"] in ("ro", "rw")
        if line["event"] in ("revocation", "refusal", "server-stopped"):
            assert line["reason"], line


def test_no_secret_and_no_needless_claim(hub: TwoLogins, session: dict[str, Any]) -> None:
    text = "".join(file.read_text() for file in hub.state.glob("audit.jsonl*"))
    assert len(session["secrets"]) > 10
    for secret in session["secrets"]:
        assert secret not in text, secret[:8]
    assert "eyJ" not in text
    assert "n0te" not in text
    for claim in (ADDRESS, "post.example", CLAIM, "Person", "preferred_username", "urn:geant"):
        assert claim not in text
    # What looks like an address is an identity, where it says which login it was.
    for line in hub.audit():
        for name, value in line.items():
            if name not in ("identity", "evidence"):
                assert "@" not in str(value), line
    assert not re.search(r"\beyJ|Bearer", text)


def test_the_operator_finds_out_beside_the_hub(session: dict[str, Any]) -> None:
    code, found = session["explained"]
    assert (code, found["opens"]) == (0, True), found
    assert "It is in the running server p-ma1001." in str(found)
    code, found = session["not explained"]
    assert (code, found["broken"], found["code"]) == (1, "grant", "not-granted")
