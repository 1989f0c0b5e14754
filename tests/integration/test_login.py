"""Logging in to a real JupyterHub with the demo's real login services: who somebody is then, and for how long."""

import os
import re
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pytest
from login_hub import Running, query, words


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("login"))
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture
def browser(running):
    with running.browser() as browser:
        yield browser


def test_somebody_logs_in_and_is_who_they_are(running, browser):
    who = running.choose(browser, "ada").json()
    assert re.fullmatch(r"p-[a-z2-7]{20}", who["name"])
    assert who["info"]["name"] == "Ada Lovelace"
    assert who["admin"] is False
    assert any("8-04-923" in text for text in who["entitlements"])


def test_the_same_person_is_the_same_and_another_is_another(running):
    names = []
    for persona in ("marie", "marie", "lars"):
        with running.browser() as browser:
            names.append(running.choose(browser, persona).json()["name"])
    assert names[0] == names[1] != names[2]


def test_only_the_listed_identity_is_an_administrator(running, browser):
    assert running.choose(browser, "olga").json()["admin"] is True


def test_cancelling_is_told_and_logs_nobody_in(running, browser):
    answer = running.choose(browser, "")
    assert answer.status_code == 400
    assert "The login was cancelled" in words(answer)
    assert "/hub/login" in str(browser.get(f"{running.hub}/hub/who").url)


def test_a_page_with_a_card_for_each_community_the_last_one_used_first(running, browser):
    page = browser.get(f"{running.hub}/hub/who")
    assert "/hub/login" in str(page.url)
    titles = re.findall(r'<h2 id="community-(\w+)">', page.text)
    assert titles == ["demo", "other"]
    assert "Log in with Other people" in page.text
    assert "oauth_login?community=other&amp;next=%2Fhub%2Fwho" in page.text
    assert running.choose(browser, "marie", "other").json()["community"] == "other"
    assert [cookie.value for cookie in browser.cookies.jar if cookie.name == "panosc-community"] == ["other"]
    browser.cookies.delete("jupyterhub-hub-login")
    page = browser.get(f"{running.hub}/hub/login")
    assert re.findall(r'<h2 id="community-(\w+)">', page.text) == ["other", "demo"]
    assert "You used this one last time" in words(page)


@pytest.mark.parametrize("last", ["nobody", "<script>", "demo other", ""])
def test_a_made_up_cookie_of_the_last_community_does_nothing(running, browser, last):
    browser.cookies.set("panosc-community", last)
    page = browser.get(f"{running.hub}/hub/login")
    assert re.findall(r'<h2 id="community-(\w+)">', page.text) == ["demo", "other"]
    assert "<script>demo" not in page.text


def test_a_login_that_names_no_community_leads_to_the_page(running, browser):
    for arguments in ("", "?community=nobody", "?community=../demo"):
        answer = browser.get(f"{running.hub}/hub/oauth_login{arguments}", follow_redirects=False)
        assert urlsplit(answer.headers["location"]).path == "/hub/login"


def test_the_same_identifier_in_two_communities_is_two_people(running):
    names = {}
    for community in ("demo", "other"):
        with running.browser() as browser:
            names[community] = running.choose(browser, "marie", community).json()["name"]
    assert names["demo"] != names["other"]


def test_a_login_that_is_not_strong_enough_is_refused_by_the_provider_and_by_us(running, browser):
    begun = query(running.begin(browser, "other"))
    assert begun["acr_values"] == "https://refeds.org/profile/mfa"
    assert '"essential": true' in begun["claims"]
    answer = running.choose(browser, "ada", "other")  # only a password
    assert answer.status_code == 400
    assert "second factor" in words(answer)
    assert running.choose(browser, "marie", "other").status_code == 200


def test_logins_and_refusals_are_written_down(running, browser):
    ok = running.metric('panosc_logins_total{community="demo",outcome="ok"}')
    who = running.choose(browser, "lars").json()
    assert running.metric('panosc_logins_total{community="demo",outcome="ok"}') == ok + 1
    line = [one for one in running.audit("login") if one["person"] == who["name"]][-1]
    assert line["community"] == "demo"
    assert line["identity"].endswith(f"({running.issuer})")
    with running.browser() as other:
        running.choose(other, "")
    assert running.audit("login-refused")[-1]["reason"] == "provider-said-access_denied"
    assert running.metric('panosc_logins_total{community="demo",outcome="provider-said-access_denied"}') >= 1
    text = (running.folder / "site" / "audit.jsonl").read_text(encoding="utf-8")
    assert "Lars" not in text
    assert "eyJ" not in text


def test_what_is_to_be_done_at_the_start_was_done(running):
    assert (running.folder / "site" / "started.txt").read_text() == "CommunitiesAuthenticator"


def test_claims_follow_the_community_and_a_suspended_person_is_out(running, browser):
    assert running.choose(browser, "tom").status_code == 200
    people = running.personas.read_text(encoding="utf-8")
    try:
        time.sleep(2.2)  # the access token ends, too: a refresh with rotation
        running.personas.write_text(people.replace('"Tom Kibble"', '"Thomas Kibble"'), encoding="utf-8")
        assert browser.get(f"{running.hub}/hub/who").json()["info"]["name"] == "Thomas Kibble"
        running.personas.write_text(people.replace("[tom]\n", "[tom]\nenabled = false\n"), encoding="utf-8")
        time.sleep(1.2)
        assert "/hub/login" in str(browser.get(f"{running.hub}/hub/who").url)
    finally:
        running.personas.write_text(people, encoding="utf-8")


def test_the_login_time_stays_over_refreshes(running, browser):
    first = running.choose(browser, "emil").json()
    time.sleep(1.2)
    again = browser.get(f"{running.hub}/hub/who").json()
    assert again["logged_in_at"] == first["logged_in_at"]
    assert again["seen_at"] > first["seen_at"]
    assert again["login"] == first["login"]


def test_where_the_provider_is_down_people_stay_and_nobody_new_comes(running, browser):
    running.choose(browser, "noor")
    running.stop("demo")
    time.sleep(1.2)
    assert browser.get(f"{running.hub}/hub/who").status_code == 200
    assert running.metric('panosc_login_service_up{community="demo"}') == 0
    assert running.metric('panosc_login_renewals_total{community="demo",outcome="kept"}') >= 1
    running.start_provider("demo")  # it knows nothing of its logins any more, and has another key
    time.sleep(1.2)
    assert "/hub/login" in str(browser.get(f"{running.hub}/hub/who").url)
    assert running.metric('panosc_login_service_up{community="demo"}') == 1
    assert running.choose(browser, "noor").status_code == 200  # the new key is fetched


def test_a_hub_that_was_off_for_longer_than_the_grace_waits_for_the_provider_before_it_ends_logins(tmp_path):
    running = Running(tmp_path, outage_grace="2s")
    try:
        running.start()
        with running.browser() as browser:
            name = running.choose(browser, "ada").json()["name"]
            running.stop("hub", "demo")
            time.sleep(3)
            running.start_hub()  # the machine is on again, and the network is not
            assert urlsplit(str(browser.get(f"{running.hub}/hub/who").url)).path == "/hub/who"
            end = time.monotonic() + 90
            while "/hub/login" not in str(browser.get(f"{running.hub}/hub/who").url) and time.monotonic() < end:
                time.sleep(0.5)
            assert set(running.wait_for_ended(name)) == {"outage-too-long"}
    finally:
        running.stop()


def test_a_login_without_a_refresh_token_ends_with_its_only_token_and_ends_no_servers(tmp_path):
    running = Running(tmp_path, provider_options=["--no-refresh-tokens", "--access-token-seconds", "10"])
    try:
        running.start()
        assert running.metric('panosc_login_service_up{community="demo"}') == 1  # known before anybody logs in
        with running.browser() as browser:
            name = running.choose(browser, "ada").json()["name"]
            time.sleep(10.5)
            assert "/hub/login" in str(browser.get(f"{running.hub}/hub/who").url)
            assert set(running.wait_for_ended(name)) == {"no-login"}  # which ends no servers: nobody refused her
            assert running.choose(browser, "ada").status_code == 200
    finally:
        running.stop()


@pytest.mark.parametrize("what", ["roll-over", "withdraw"])
def test_new_keys_are_taken_up(running, browser, what):
    running.choose(browser, "ada")
    time.sleep(10)  # keys are asked for again once in ten seconds
    running.ask_provider(what)
    with running.browser() as other:
        assert running.choose(other, "lars").status_code == 200


@pytest.mark.parametrize("offset", [50, -50])
def test_clocks_may_differ_a_little(running, browser, offset):
    running.ask_provider("clock", str(offset))
    try:
        assert running.choose(browser, "ada").status_code == 200
    finally:
        running.ask_provider("clock", "0")


def test_clocks_that_differ_by_more_are_told(running, browser):
    running.ask_provider("clock", "120")
    try:
        answer = running.choose(browser, "ada")
    finally:
        running.ask_provider("clock", "0")
    assert answer.status_code == 502
    assert "cannot verify (iat)" in words(answer)


def test_a_token_for_one_audience_is_exchanged(running, browser):
    running.choose(browser, "ada")
    time.sleep(2.2)  # the access token ended: it is renewed first
    given = browser.get(f"{running.hub}/hub/exchange", params={"audience": "https://catalogue.example"}).json()
    assert given["value"].count(".") == 2
    refused = browser.get(f"{running.hub}/hub/exchange", params={"audience": "https://evil.example"})
    assert refused.status_code == 409
    assert "no token for 'https://evil.example'" in refused.text


def test_no_token_is_in_the_logs(running):
    log = running.log("hub") + running.log("demo") + running.log("other")
    for name in ("demo", "other"):
        assert (running.folder / f"{name}-secret").read_text(encoding="utf-8").strip() not in log
    assert "Traceback" not in log
    assert not re.search(r"[?&]code=(?!\[secret\])\w", log)
    assert not re.search(r"eyJ[\w-]{20}", log)


def test_a_config_that_lets_everybody_in_does_not_start(running, tmp_path):
    config = tmp_path / "jupyterhub_config.py"
    text = (running.folder / "jupyterhub_config.py").read_text(encoding="utf-8")
    config.write_text(text + "\nc.Authenticator.allow_all = True\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "jupyterhub", "-f", str(config)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, "TEST_SITE": str(running.folder / "site")},
    )
    assert done.returncode != 0
    assert "allow_all cannot be True" in done.stdout + done.stderr
