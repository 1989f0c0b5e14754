"""Logging out: here, at the login service, and when the login service says so behind the browser's back."""

import re
import time
from urllib.parse import urlsplit

import httpx
import pytest
from login_hub import Running, query, words


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("logout"))
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture
def browser(running):
    with running.browser() as browser:
        yield browser


def is_out(running, browser):
    return "/hub/login" in str(browser.get(f"{running.hub}/hub/who").url)


def test_who_logs_out_is_logged_out_at_the_login_service_too(running, browser):
    who = running.choose(browser, "ada").json()
    answer = browser.get(f"{running.hub}/hub/logout", follow_redirects=False)
    asked = query(answer.headers["location"])
    assert answer.headers["location"].startswith(f"{running.issuer}/end_session?")
    assert asked["client_id"] == "panosc-hub"
    assert asked["post_logout_redirect_uri"] == f"{running.hub}/hub/logout"
    assert asked["id_token_hint"].count(".") == 2
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert is_out(running, browser)
    page = browser.get(answer.headers["location"])
    assert str(page.url).startswith(f"{running.hub}/hub/logout")
    assert "You were sent to" in words(page)
    assert "What you started goes on" in words(page)
    assert "You were sent to" not in words(browser.get(f"{running.hub}/hub/logout"))
    line = running.audit("logout")[-1]
    assert (line["person"], line["community"]) == (who["name"], "demo")
    assert "by" not in line
    assert running.ended() == []  # the provider's report of it ends nobody's servers


def test_no_cookie_of_before_is_good_any_more(running, browser):
    running.choose(browser, "marie")
    kept = dict(browser.cookies)
    with running.browser() as second:
        running.choose(second, "marie")
        browser.get(f"{running.hub}/hub/logout", follow_redirects=False)
        with running.browser() as copy:
            for name, value in kept.items():
                copy.cookies.set(name, value)
            assert copy.get(f"{running.hub}/hub/api/user").status_code == 403
            assert is_out(running, copy)
        assert is_out(running, second)


def test_a_logout_reported_by_the_provider_ends_the_login(running, browser):
    who = running.choose(browser, "lars").json()
    with running.browser() as marie:
        running.choose(marie, "marie")
        running.ask_provider("logout", "lars")
        assert running.wait_for_ended(who["name"]) == ["logged-out"]
        time.sleep(1.2)
        assert is_out(running, browser)
        assert not is_out(running, marie)
    line = running.audit("logout")[-1]
    assert (line["person"], line["by"], line["reason"]) == (who["name"], "demo", "backchannel")
    assert running.choose(browser, "lars").json()["name"] == who["name"]  # and comes back when they log in again


def test_a_logout_at_one_provider_is_not_one_at_another(running, browser):
    running.choose(browser, "marie", "other")
    before = running.ended()
    running.ask_provider("logout", "marie", "demo")  # the same identifier there
    time.sleep(1.2)
    assert not is_out(running, browser)
    assert not any("marie" in line for line in running.ended()[len(before) :])


def test_a_logout_is_remembered_over_a_restart_of_the_hub(running, browser):
    who = running.choose(browser, "tom").json()
    running.stop("hub")
    running.start_hub()
    running.ask_provider("logout", "tom")
    assert running.wait_for_ended(who["name"]) == ["logged-out"]
    running.stop("hub")
    running.start_hub()
    assert is_out(running, browser)


def test_all_sessions_of_somebody_end_the_newest_and_the_older_ones(running, browser):
    first = running.choose(browser, "emil").json()
    with running.browser() as newer:
        who = running.choose(newer, "emil").json()
        assert who["login"]["sid"] != first["login"]["sid"]
        running.ask_provider("logout", "emil")
        assert sorted(running.wait_for_ended(who["name"], 2)) == ["logged-out", "no-login"]
        time.sleep(1.2)  # auth_refresh_age
        assert is_out(running, newer)
    assert is_out(running, browser)


# -- what is no report -------------------------------------------------------------------------------------------------------


def report(running, token, path="/hub/backchannel-logout", **changes):
    arguments = {"data": {"logout_token": token}} | changes
    return httpx.post(f"{running.hub}{path}", trust_env=False, timeout=60, **arguments)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"data": {}},
        {"data": {"logout_token": ["a.b.c", "a.b.c"]}},
        {"data": None, "json": {"logout_token": "a.b.c"}},
        {"data": None, "content": b"\xff\xfe", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"data": {f"a{number}": "x" for number in range(100)}},
    ],
)
def test_what_is_no_logout_token_is_refused(running, changes):
    answer = report(running, "a.b.c", **changes)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers


def test_a_huge_report_is_not_read(running):
    def chunks():
        for _ in range(100):
            yield b"x" * 65536

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        address = f"{running.hub}/hub/backchannel-logout"
        answer = httpx.post(address, content=chunks(), headers=headers, trust_env=False, timeout=60)
        assert answer.status_code in (400, 413)
    except httpx.TransportError:
        pass  # the connection was closed, which is as good
    assert httpx.get(f"{running.hub}/hub/health", trust_env=False, timeout=60).status_code == 200


def test_no_browser_is_served_there(running, browser):
    running.choose(browser, "noor")
    assert browser.get(f"{running.hub}/hub/backchannel-logout").status_code == 405
    answer = browser.post(f"{running.hub}/hub/backchannel-logout", data={"logout_token": "x"})
    assert answer.status_code == 400
    assert not is_out(running, browser)


def test_an_id_token_is_no_report(running, browser):
    running.choose(browser, "noor")
    hint = query(browser.get(f"{running.hub}/hub/logout", follow_redirects=False).headers["location"])["id_token_hint"]
    assert report(running, hint).status_code == 400


# -- a community whose logouts are not the provider's ------------------------------------------------------------------------


@pytest.fixture
def leaving_alone(tmp_path):
    hub = Running(tmp_path)
    try:
        hub.start()
        yield hub
    finally:
        hub.stop()


def test_a_logout_without_the_provider_is_told_as_such(leaving_alone):
    """Where a community's file says so, the login service is left alone."""
    file = leaving_alone.folder / "site" / "communities" / "demo.toml"
    file.write_text(file.read_text(encoding="utf-8") + '\nlogout = "here"\n', encoding="utf-8")
    leaving_alone.stop("hub")
    leaving_alone.start_hub()
    with leaving_alone.browser() as browser:
        leaving_alone.choose(browser, "ada")
        page = browser.get(f"{leaving_alone.hub}/hub/logout")
        assert urlsplit(str(page.url)).path == "/hub/logout"
        assert re.search(r"may still know you", words(page))
        assert is_out(leaving_alone, browser)
