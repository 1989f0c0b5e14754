"""A login attempt is used once, soon, in the browser that began it; and what is remembered of it is bounded."""

import base64
import hashlib
import json
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panosc_spawner.identity.attempts import LIFETIME, MAX_NEXT, Attempt, attempt_cookies, cookie_name
from panosc_spawner.identity.seen import Seen


def test_no_two_attempts_share_anything():
    attempts = [Attempt.begin("eduteams") for _ in range(50)]
    for part in ("state", "nonce", "verifier"):
        values = {getattr(attempt, part) for attempt in attempts}
        assert len(values) == 50
        assert all(len(value) == 43 for value in values)  # RFC 7636: 43 to 128 characters
    assert all(len({attempt.state, attempt.nonce, attempt.verifier}) == 3 for attempt in attempts)


def test_the_challenge_is_s256():
    attempt = replace(Attempt.begin("x"), verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert attempt.challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636, appendix B


def test_a_cookie_is_read_back():
    attempt = Attempt.begin("eduteams", next_url="/hub/open?x=1", purpose="link", for_user="p-x")
    assert Attempt.from_text(attempt.to_text()) == attempt
    assert Attempt.from_text(attempt.to_text().encode()) == attempt
    assert (
        len(Attempt.begin("x" * 63, next_url="/" * MAX_NEXT, for_user="p" * 22).to_text()) < 2500
    )  # of 4096, in base64


def test_a_page_to_go_to_that_fits_no_cookie_is_left_out():
    assert Attempt.begin("x", next_url="/" + "a" * MAX_NEXT).next_url == ""


@pytest.mark.parametrize(
    "change",
    [{"purpose": "admin"}, {"state": 1}, {"began": "now"}, {"next_url": None}, {"extra": 1}, {"nonce": ["x"]}],
)
def test_cookies_of_another_shape_are_none(change):
    assert Attempt.from_text(json.dumps(json.loads(Attempt.begin("x").to_text()) | change)) is None


@given(st.none() | st.text() | st.binary())
def test_whatever_stands_in_a_cookie_is_no_attempt(text):
    assert Attempt.from_text(text) is None


@pytest.mark.parametrize(("age", "fresh"), [(0, True), (890, True), (902, False), (10**6, False), (-60, False)])
def test_an_attempt_ends(age, fresh):
    assert replace(Attempt.begin("x"), began=time.time() - age).fresh is fresh
    assert timedelta(minutes=15) == LIFETIME


def test_a_state_is_of_its_attempt_alone():
    attempt = Attempt.begin("x")
    assert attempt.is_of(attempt.state)
    for other in ("", attempt.state[:-1], attempt.state + "x", Attempt.begin("x").state, "é\ud800"):
        assert not attempt.is_of(other)


def test_each_attempt_has_a_cookie_of_its_own():
    first, second = Attempt.begin("x"), Attempt.begin("x")
    names = [cookie_name(attempt.state, host_only=False) for attempt in (first, second)]
    assert names[0] != names[1]
    assert cookie_name(first.state, host_only=True) == "__Host-" + names[0]
    assert first.state not in names[0]
    assert attempt_cookies([*names, "__Host-" + names[0], "panosc-login-x", "_xsrf", names[0] + "0"]) == [
        *names,
        "__Host-" + names[0],
    ]


@pytest.mark.parametrize("state", ["", "x", "x" * 43 + "\n", "x" * 44, "../" + "x" * 40, "é" * 43])
def test_what_is_no_state_of_ours_names_no_cookie(state):
    assert cookie_name(state, host_only=False) == ""


def test_what_was_seen_is_seen_once_and_forgotten_in_time():
    clock = [0.0]
    seen = Seen(timedelta(seconds=10), most=3, clock=lambda: clock[0])
    assert [seen.first_time(key) for key in "aba"] == [True, True, False]
    clock[0] = 9.9
    assert not seen.first_time("a")
    clock[0] = 10.0
    assert seen.first_time("a")
    assert len(seen) == 1


def test_what_was_seen_is_bounded():
    seen = Seen(timedelta(hours=1), most=100)
    assert all(seen.first_time(str(number)) for number in range(1000))
    assert len(seen) <= 101
    assert not seen.first_time("999")


def test_the_nonce_is_not_the_state_hashed():
    attempt = Attempt.begin("x")
    digest = base64.urlsafe_b64encode(hashlib.sha256(attempt.state.encode()).digest()).decode().rstrip("=")
    assert attempt.nonce != digest
