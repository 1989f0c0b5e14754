"""What a real hub writes down: every mount, start, stop and refusal, what administrators do, and never a secret."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from hub_harness import HubUnderTest, proxy_command
from test_pages_hub import Browser

pytestmark = pytest.mark.skipif(
    not proxy_command(), reason="the hub's proxy (configurable-http-proxy) is not installed"
)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubUnderTest]:
    with HubUnderTest(tmp_path_factory.mktemp("audit")) as running:
        yield running


def lines(hub: HubUnderTest, since: int = 0) -> list[dict[str, Any]]:
    file = hub.folder / "site" / "state" / "audit.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()][since:] if file.exists() else []


def waited_for(hub: HubUnderTest, since: int, event: str, count: int = 1) -> list[dict[str, Any]]:
    """The lines since then, once there are so many of this event; the hub writes some after it has answered."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if sum(line["event"] == event for line in lines(hub, since)) >= count:
            return lines(hub, since)
        time.sleep(0.1)
    raise AssertionError(f"not {count} times {event} in {lines(hub, since)}")


def api(hub: HubUnderTest, method: str, path: str, token: str, body: object = None) -> int:
    request = urllib.request.Request(
        f"{hub.url}/hub/api/{path}",
        json.dumps(body).encode() if body is not None else None,
        {"Authorization": f"token {token}", "Content-Type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def token_of(browser: Browser, name: str) -> str:
    """A token of one's own, as its page makes it."""
    xsrf = next(cookie.value for cookie in browser.jar if cookie.name == "_xsrf")
    request = urllib.request.Request(
        f"{browser.hub.url}/hub/api/users/{name}/tokens",
        json.dumps({"note": "n0te-of-a-token"}).encode(),
        {"X-XSRFToken": str(xsrf), "Content-Type": "application/json", "Referer": browser.hub.url + "/hub/token"},
        method="POST",
    )
    browser.get("/hub/token")
    with browser._follow.open(request, timeout=60) as answer:
        return str(json.loads(answer.read())["token"])


def test_a_server_from_its_start_to_its_end(hub: HubUnderTest) -> None:
    since = len(lines(hub))
    ada = Browser(hub, "ada")
    ada.post("/hub/open", proposals="esrf/ma1001")
    waited_for(hub, since, "server-started")
    ada.post("/hub/panosc/stop/p-ma1001")
    found = waited_for(hub, since, "server-stopped")
    events = [line["event"] for line in found]
    assert set(events[:-2]) == {"mount"}
    assert events[-2:] == ["server-started", "server-stopped"]
    raw = next(line for line in found if line.get("area") == "raw")
    data = hub.folder / "data/esrf/ma1001/id22/20260304/RAW_DATA"
    assert {key: raw[key] for key in ("person", "proposal", "server", "access", "role", "source", "path")} == {
        "person": "ada",
        "proposal": "esrf/ma1001",
        "server": "p-ma1001",
        "access": "ro",
        "role": "pi",
        "source": "User office list",
        "path": str(data.resolve()),
    }
    assert raw["evidence"] == "listed as main proposer"
    assert {line["access"] for line in found if line.get("area") == "processed"} == {"rw"}
    started, stopped = found[-2:]
    assert started["proposals"] == stopped["proposals"] == ["esrf/ma1001"]
    assert started["account"] == "scientist (1000:1000)"
    assert stopped["reason"] == "stopped"


def test_a_server_that_ended_by_itself_says_why(hub: HubUnderTest) -> None:
    since = len(lines(hub))
    Browser(hub, "ada").post("/hub/open", proposals="esrf/ma1007")
    assert waited_for(hub, since, "server-stopped")[-1]["reason"] == "server-failed"


def test_a_start_that_fails_after_its_mounts_has_an_end_too(hub: HubUnderTest) -> None:
    since = len(lines(hub))
    Browser(hub, "ada").post("/hub/open", proposals="esrf/ma1003")
    events = [line["event"] for line in waited_for(hub, since, "server-stopped")]
    assert events[0] == "mount"
    assert events[-2:] == ["refusal", "server-stopped"]


def test_what_is_refused_on_the_page_is_written_down_once(hub: HubUnderTest) -> None:
    since = len(lines(hub))
    dan = Browser(hub, "dan")
    dan.get("/hub/open?proposals=esrf/ma1009")  # a look is no attempt
    dan.post("/hub/open", proposals="esrf/ma1009")
    (line,) = lines(hub, since)
    assert (line["event"], line["person"], line["reason"]) == ("refusal", "dan", "not-granted")
    assert line["proposals"] == ["esrf/ma1009"]


def test_what_is_refused_by_the_api_is_written_down(hub: HubUnderTest) -> None:
    dan = Browser(hub, "dan")
    token = token_of(dan, "dan")
    since = len(lines(hub))
    assert api(hub, "POST", "users/dan/servers/p-x", token, {"user_options": {"proposals": ["esrf/ma1009"]}}) >= 400
    found = lines(hub, since)
    assert [line["event"] for line in found] == ["refusal"]
    assert found[0]["reason"] == "not-granted"


def test_what_administrators_do_to_others(hub: HubUnderTest) -> None:
    ada, root = Browser(hub, "ada"), Browser(hub, "root")
    ada.post("/hub/open", proposals="esrf/ma1005")
    token = token_of(root, "root")
    since = len(lines(hub))
    assert api(hub, "DELETE", "users/ada/servers/p-ma1005", token) in (202, 204)
    assert api(hub, "POST", "users", token, {"usernames": ["mallory", "b0dy"]}) == 201
    assert api(hub, "DELETE", "users/mallory", token) == 204
    assert api(hub, "POST", "groups/some", token, {}) == 201
    admin = [line for line in waited_for(hub, since, "admin", 4) if line["event"] == "admin"]
    assert [(line.get("person"), line["by"], line["request"], line["status"]) for line in admin] == [
        ("ada", "root", "DELETE users/*/servers/*", admin[0]["status"]),
        (None, "root", "POST users", 201),
        ("mallory", "root", "DELETE users/*", 204),
        (None, "root", "POST groups/*", 201),
    ]
    assert admin[0]["server"] == "p-ma1005"
    assert "b0dy" not in json.dumps(admin)


def test_what_others_try_is_written_down_too(hub: HubUnderTest) -> None:
    token = token_of(Browser(hub, "dan"), "dan")
    since = len(lines(hub))
    assert api(hub, "DELETE", "users/ada", token) in (403, 404)
    (line,) = waited_for(hub, since, "admin")
    assert (line["event"], line["person"], line["by"]) == ("admin", "ada", "dan")
    assert line["status"] in (403, 404)


def test_a_look_into_the_server_of_another(hub: HubUnderTest) -> None:
    since = len(lines(hub))
    query = "client_id=jupyterhub-user-ada-p-ma1001&response_type=code&redirect_uri=%2Fx&state=s3cret-state"
    Browser(hub, "root").get(f"/hub/api/oauth2/authorize?{query}")
    Browser(hub, "ada").get(f"/hub/api/oauth2/authorize?{query}")
    (line,) = waited_for(hub, since, "admin")
    assert (line["event"], line["by"], line["server"]) == ("admin", "root", "ada-p-ma1001")
    assert "s3cret" not in json.dumps(line)


def test_after_all_this_no_secret_and_no_address_is_in_the_log(hub: HubUnderTest) -> None:
    """Runs last: over everything that the tests above have caused."""
    ada = Browser(hub, "ada")
    token = token_of(ada, "ada")
    ada.get("/hub/logout")
    file = hub.folder / "site" / "state" / "audit.jsonl"
    text = file.read_text()
    assert len(text.splitlines()) > 20
    secrets = [token, "n0te-of-a-token", *(cookie.value or "" for cookie in ada.jar if len(cookie.value or "") > 8)]
    for secret in secrets:
        assert secret not in text
    assert not re.search(r"[0-9a-f]{32}", text)  # the hub's tokens
    assert "eyJ" not in text
    # The login's identities look like e-mail addresses; nothing here needs them.
    assert "@" not in text
    assert file.stat().st_mode & 0o077 == 0
