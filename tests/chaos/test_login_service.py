"""The login service misbehaves while people work."""

from __future__ import annotations

import concurrent.futures
import time

import pytest
from chaos_world import MakeWorld, until
from outcomes import expected, outcome_of

BACK_CHANNEL = ("/token", "/userinfo", "/jwks", "/.well-known")
FAULTS = {"down": "down", "hang": "hang", "server_error": "500", "garbage": "garbage"}
SLOWEST_PAGE = 18.0


@pytest.mark.parametrize("name", FAULTS)
def test_people_at_work_go_on_while_the_login_service(make_world: MakeWorld, name: str) -> None:
    outcome = outcome_of("test_people_at_work_go_on_while_the_login_service", name)
    world = make_world()
    ada = world.stack.session("ada")
    world.start(ada, "ma1001")
    started = world.servers(ada)["p-ma1001"]["started"]
    world.proxy.set(FAULTS[name], *BACK_CHANNEL)
    expected(world, outcome)
    slowest = 0.0
    for _ in range(5):
        time.sleep(1.1)
        began = time.monotonic()
        assert world.is_logged_in(ada)
        slowest = max(slowest, time.monotonic() - began)
        assert world.read(ada, "ma1001") == 200
    assert slowest < SLOWEST_PAGE, "pages wait for the login service"
    seen = world.try_to_log_in("bea")
    assert 'user: "' not in seen
    assert all(words in seen for words in outcome.words)
    world.proxy.set("")
    until(lambda: not any(world.metric(line) for line in outcome.metrics), 90, "the metric's return")
    assert world.servers(ada)["p-ma1001"]["started"] == started
    assert world.read(ada, "ma1001") == 200
    assert world.home(world.stack.session("bea")).status_code == 200


def test_a_slow_login_service_makes_only_logins_slow(make_world: MakeWorld) -> None:
    world = make_world()
    ada = world.stack.session("ada")
    world.start(ada, "ma1001")
    world.proxy.set("slow", *BACK_CHANNEL)
    time.sleep(6)
    assert world.is_logged_in(ada) and world.read(ada, "ma1001") == 200
    began = time.monotonic()
    bea = world.stack.session("bea")
    assert 3 < time.monotonic() - began < 60
    assert world.is_logged_in(bea)
    expected(world, outcome_of("test_a_slow_login_service_makes_only_logins_slow"))


def test_tokens_that_another_key_signed_let_nobody_in(make_world: MakeWorld) -> None:
    outcome = outcome_of("test_tokens_that_another_key_signed_let_nobody_in")
    world = make_world(provider_options=["--access-token-seconds", "2"])
    ada = world.stack.session("ada")
    world.start(ada, "ma1001")
    world.stack.ask_provider("withdraw")
    world.proxy.set("wrong key")
    seen = world.try_to_log_in("bea")
    assert all(words in seen for words in outcome.words)
    assert 'user: "' not in seen
    time.sleep(5)  # her access token ends: what the refresh brings cannot be verified
    assert world.is_logged_in(ada) and world.read(ada, "ma1001") == 200
    expected(world, outcome)
    world.proxy.set("")
    until(lambda: 'user: "' in world.try_to_log_in("bea"), 90, "logging in again")
    assert world.is_logged_in(ada) and world.read(ada, "ma1001") == 200


def test_a_redirected_back_channel_is_not_followed(make_world: MakeWorld) -> None:
    outcome = outcome_of("test_a_redirected_back_channel_is_not_followed")
    world = make_world()
    ada = world.stack.session("ada")
    with world.listener() as listener:
        world.proxy.elsewhere = listener.url
        world.proxy.set("redirect", *BACK_CHANNEL)
        seen = world.try_to_log_in("bea")
        assert all(words in seen for words in outcome.words)
        time.sleep(5)
        assert world.is_logged_in(ada)
        expected(world, outcome)
        assert listener.seen == []


def test_a_wrong_certificate_is_an_outage(make_tls_world: MakeWorld) -> None:
    outcome = outcome_of("test_a_wrong_certificate_is_an_outage")
    world = make_tls_world()
    ada = world.stack.session("ada")
    world.start(ada, "ma1001")
    for certificate in world.wrong_certificates:
        world.proxy.present(certificate)
        assert world.try_to_log_in("bea") == ""
        seen = world.try_to_log_in("bea", warned=False)
        assert all(words in seen for words in outcome.words)
        expected(world, outcome)
        assert world.is_logged_in(ada) and world.read(ada, "ma1001") == 200
        world.proxy.present(world.right_certificate)
        until(lambda: not any(world.metric(line) for line in outcome.metrics), 90, "the metric's return")
    assert world.is_logged_in(world.stack.session("bea"))


def test_after_the_grace_an_outage_ends_logins_and_servers_but_no_work(make_world: MakeWorld) -> None:
    outcome = outcome_of("test_after_the_grace_an_outage_ends_logins_and_servers_but_no_work")
    world = make_world(access={"recheck": "2s", "outage_grace": "20s"})
    ada = world.stack.session("ada")
    world.start(ada, "ma1001")
    world.write_in_home(ada, "p-ma1001", "mine.txt", "work")
    world.proxy.set("down")
    time.sleep(4)
    assert world.read(ada, "ma1001") == 200
    until(lambda: world.read(ada, "ma1001") != 200, 120, "the end of the server")
    assert not world.is_logged_in(ada)
    expected(world, outcome)
    world.proxy.set("")
    again = world.stack.session("ada")
    world.start(again, "ma1001")
    assert world.read_in_home(again, "p-ma1001", "mine.txt") == "work"


def test_parallel_requests_spend_a_rotating_token_once(make_world: MakeWorld) -> None:
    world = make_world(provider_options=["--access-token-seconds", "1"])
    ada = world.stack.session("ada")
    for _ in range(5):
        time.sleep(2.2)  # her access token has ended; whoever comes first renews it
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            pages = list(pool.map(lambda _: world.home(ada), range(16)))
        assert [page.status_code for page in pages] == [200] * 16
        assert all(f'user: "{ada.user}"' in page.text for page in pages)
    assert not world.audited("login-ended")
    spent = [path for _, path in world.proxy.seen if path == "/token"]
    assert len(spent) >= 5
    expected(world, outcome_of("test_parallel_requests_spend_a_rotating_token_once"))


def test_a_hub_killed_in_the_middle_of_a_refresh(make_world: MakeWorld) -> None:
    outcome = outcome_of("test_a_hub_killed_in_the_middle_of_a_refresh")
    world = make_world(provider_options=["--access-token-seconds", "2"])
    ada = world.stack.session("ada")
    world.start(ada, "ma1001")
    started = world.servers(ada)["p-ma1001"]["started"]
    world.write_in_home(ada, "p-ma1001", "mine.txt", "work")
    # The provider rotates the token, and the hub dies before it has the answer with the new one.
    world.proxy.set("late", "/token")
    rotated = world.proxy.answered.count("/token")
    until(lambda: world.proxy.answered.count("/token") > rotated, 90, "a refresh")
    world.stack.kill_hub()
    world.proxy.set("")
    world.stack.start_hub()
    time.sleep(5)
    assert not world.is_logged_in(ada), "a token that was spent cannot be refreshed"
    expected(world, outcome)
    again = world.stack.session("ada")
    assert world.servers(again)["p-ma1001"]["started"] == started
    assert world.read(again, "ma1001") == 200
    assert world.read_in_home(again, "p-ma1001", "mine.txt") == "work"


def test_a_provider_with_another_clock(make_world: MakeWorld) -> None:
    outcome = outcome_of("test_a_provider_with_another_clock")
    world = make_world(provider_options=["--access-token-seconds", "2"])
    ada = world.stack.session("ada")
    for seconds in ("50", "-50"):  # within access.clock_skew
        world.stack.ask_provider("clock", seconds)
        assert 'user: "' in world.try_to_log_in("bea")
    for seconds in ("600", "-7200"):
        world.stack.ask_provider("clock", seconds)
        seen = world.try_to_log_in("bea")
        assert 'user: "' not in seen and all(words in seen for words in outcome.words)
        time.sleep(4)
        assert world.is_logged_in(ada)
    expected(world, outcome)
    world.stack.ask_provider("clock", "0")
    until(lambda: 'user: "' in world.try_to_log_in("bea"), 90, "logging in again")
    assert world.is_logged_in(ada)


def test_the_hubs_own_clock_jumps(make_clocked_world: MakeWorld) -> None:
    world = make_clocked_world()
    ada = world.stack.session("ada")
    for shift in ("+30m", "-30m", "+0"):
        world.start(ada, "ma1001")
        world.set_clock(shift)
        time.sleep(6)
        assert world.is_logged_in(ada) and world.read(ada, "ma1001") == 200, f"a clock of {shift} took something away"
        world.stack.grant({"ma1001": ["bea"]})
        until(lambda: world.read(ada, "ma1001") != 200, 60, f"with a clock of {shift}, the end of a right")
        world.stack.grant({"ma1001": ["ada", "bea"], "ma1002": ["ada"]})
        until(lambda: not world.servers(ada).get("p-ma1001", {}).get("pending"), 60, "the end of the server")
    expected(world, outcome_of("test_the_hubs_own_clock_jumps"))
