"""What a refresh decides when the login service says yes, no, nothing, or something about somebody else."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from login_support import User, log_in, logged_in_state, make_hub
from provider_support import Scripted, serving
from token_support import ISSUER, id_claims, sign

from panosc_spawner.identity import provider as provider_module
from panosc_spawner.identity.community import Community
from panosc_spawner.identity.lifetimes import RUNS_OUT
from panosc_spawner.identity.logins import ProvenLogin
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.renewal import Ending
from panosc_spawner.identity.username import username_for
from panosc_spawner.outages import Silences

NAMESPACE = "urn:geant:eduteams.org:service:umbrellaid.org"
COMMUNITY = Community(
    id="umbrellaid",
    title="UmbrellaID",
    description="",
    issuer=ISSUER,
    identity_scopes=("umbrellaid.example",),
    namespaces=(NAMESPACE,),
)
ADA = "28c5@umbrellaid.example"
GROUP = f"{NAMESPACE}:group:umbrellaid"
CLAIMS = {"sub": "x", "voperson_id": ADA, "name": "Ada Lovelace", "eduperson_entitlement": [GROUP]}


def make(url="http://127.0.0.1:9", **settings):
    return make_hub(COMMUNITY, url, **settings)


@pytest.fixture
async def provider():
    script = Scripted()
    async with serving(script.app):
        yield script


NEW_TOKENS = (200, {"access_token": "at2", "token_type": "Bearer", "refresh_token": "rt2"})
NO = (401, {"error": "invalid_token"})
DOWN = (503, "maintenance")


def logged_in(age=timedelta(minutes=10), **changes):
    """The stored state of a login whose claims were last seen so long ago."""
    return logged_in_state(ADA, COMMUNITY, age=age, **({"entitlements": (GROUP,)} | changes))


def user(state=None, **changes):
    return User(state or logged_in(**changes), username_for(ISSUER, ADA))


class Clock:
    """Seconds that the test moves."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def with_clock(hub):
    """The clock by which the hub sees how long nothing is heard."""
    clock = Clock()
    hub._renewals._silences = Silences(clock)
    return clock


async def after_minutes(hub, minutes, someone):
    """What a refresh says after so many minutes of silence."""
    clock = with_clock(hub)
    assert await hub.refresh_user(someone) is True
    clock.now += minutes * 60
    return await hub.refresh_user(someone)


REFRESH = [
    # what userinfo says, what the token endpoint says, age of the last good answer, expected
    ("still there", (200, CLAIMS), None, 10, "model"),
    ("access token ended", [NO, (200, CLAIMS)], NEW_TOKENS, 10, "model"),
    ("refresh token revoked", NO, (400, {"error": "invalid_grant"}), 10, False),
    ("refresh token refused without a word", NO, (400, "no"), 10, False),
    ("suspended: the new token is refused too", [NO, NO], NEW_TOKENS, 10, False),
    ("another person", (200, CLAIMS | {"voperson_id": "eve@umbrellaid.example"}), None, 10, False),
    ("no identity", (200, {"sub": "x"}), None, 10, False),
    ("the required group was lost", (200, CLAIMS | {"eduperson_entitlement": []}), None, 10, False),
    ("userinfo down", DOWN, None, 10, True),
    ("userinfo down for too long", DOWN, None, 61, False),
    ("userinfo hangs", "hang", None, 10, True),
    ("userinfo hangs for too long", "hang", None, 61, False),
    ("userinfo is a maintenance page", (200, "<html>"), None, 10, True),
    ("userinfo is a list", (200, "[]"), None, 10, True),
    ("userinfo is empty", (200, ""), None, 10, True),
    ("too many requests", (429, ""), None, 10, True),
    ("userinfo moved", (404, ""), None, 10, True),
    ("token endpoint down", NO, DOWN, 10, True),
    ("token endpoint down for too long", NO, DOWN, 61, False),
    ("the hub's own secret is wrong", NO, (401, {"error": "invalid_client"}), 10, True),
    ("a firewall before it refuses all", (403, "<html>"), (403, "<html>"), 10, True),
    ("a firewall before it refuses all for too long", (403, "<html>"), (403, "<html>"), 61, False),
    ("a firewall after a new token", [NO, (403, "<html>")], NEW_TOKENS, 10, True),
    (
        "forbidden in OAuth's words",
        (403, {"error": "insufficient_scope"}),
        (400, {"error": "invalid_grant"}),
        10,
        False,
    ),
    ("refreshing is not for this hub any more", NO, (400, {"error": "unsupported_grant_type"}), 10, True),
    ("no token in the answer", NO, (200, {}), 10, True),
    ("userinfo down after a new token", [NO, DOWN], NEW_TOKENS, 10, True),
]


@pytest.mark.parametrize(
    ("case", "userinfo", "token", "minutes", "expected"), REFRESH, ids=[case[0] for case in REFRESH]
)
async def test_refresh(provider, case, userinfo, token, minutes, expected):
    provider.userinfo = userinfo
    provider.token = token or provider.token
    ada = user(age=timedelta(minutes=minutes))
    before = ada.state["person"]
    hub = make(provider.url, required_entitlement=GROUP)
    outcome = await hub.refresh_user(ada)
    if minutes == 61:  # the grace is over by the time of the day: not before it was seen
        assert outcome is True
        outcome = await after_minutes(hub, 2, ada)
    if expected == "model":
        assert outcome["name"] == ada.name
        assert outcome["admin"] is False
        assert Person.from_state(outcome["auth_state"]["person"]).seen_at > datetime.now(UTC) - timedelta(seconds=10)
    else:
        assert outcome is expected
    assert (
        ada.state["person"] == before
    )  # a refresh that failed makes no claim younger; one that worked, the hub stores


async def test_refusing_connections_is_down_and_not_a_denial():
    ada = user()
    assert await make().refresh_user(ada) is True
    assert await after_minutes(make(outage_grace=60.0), 2, ada) is False


async def test_a_rotated_token_is_stored_before_it_is_used(provider):
    provider.userinfo, provider.token = [NO, DOWN, (200, CLAIMS)], NEW_TOKENS
    ada = user()
    authenticator = make(provider.url)
    assert await authenticator.refresh_user(ada) is True
    assert (ada.state["access_token"], ada.state["refresh_token"]) == ("at2", "rt2")
    model = await authenticator.refresh_user(ada)
    assert model["auth_state"]["refresh_token"] == "rt2"
    assert [path for path, _ in provider.asked] == ["/userinfo", "/token", "/userinfo", "/userinfo"]
    assert provider.asked[-1][1] == "Bearer at2"


async def test_two_requests_at_a_time_do_not_spend_a_token_twice(provider):
    provider.userinfo, provider.token = [NO, (200, CLAIMS), (200, CLAIMS)], [NEW_TOKENS]
    ada = user()
    authenticator = make(provider.url)
    models = await asyncio.gather(authenticator.refresh_user(ada), authenticator.refresh_user(ada))
    assert all(model["auth_state"]["access_token"] == "at2" for model in models)
    assert not authenticator._renewals._running


async def test_where_the_login_service_hangs_the_requests_of_a_person_wait_together_and_not_in_turn(provider):
    provider.userinfo = "hang"
    ada = user()
    authenticator = make(provider.url)
    async with asyncio.timeout(10):  # one request_timeout of 1 s, not 20
        outcomes = await asyncio.gather(*(authenticator.refresh_user(ada) for _ in range(20)))
    assert outcomes == [True] * 20


async def test_a_request_that_is_given_up_does_not_end_the_refresh_of_the_others(provider):
    provider.userinfo = "hang"
    ada = user()
    authenticator = make(provider.url)
    first, second = (asyncio.create_task(authenticator.refresh_user(ada)) for _ in range(2))
    await asyncio.sleep(0.1)
    first.cancel()
    assert await second is True


async def test_an_administrator_who_is_not_listed_any_more_is_none(provider):
    provider.userinfo = (200, CLAIMS)
    outcome = await make(provider.url).refresh_user(user(admin=True))
    assert outcome["admin"] is False


async def test_a_blocked_person_is_out_at_the_next_refresh(provider):
    provider.userinfo = (200, CLAIMS)
    ada = user()
    assert await make(provider.url, blocked_users={ada.name}).refresh_user(ada) is False


@pytest.mark.parametrize("state", [None, {}, {"person": {}}, {"person": logged_in()["person"]}])
async def test_a_login_of_an_older_version_ends(provider, state):
    provider.userinfo = (200, CLAIMS)
    assert await make(provider.url).refresh_user(User(state, username_for(ISSUER, ADA))) is False


async def test_a_login_at_another_issuer_ends(provider):
    provider.userinfo = (200, CLAIMS)
    assert await make(provider.url).refresh_user(user(issuer="https://old.example")) is False


async def test_a_provider_that_hangs_keeps_nobody_waiting_again_and_again(provider, monkeypatch):
    monkeypatch.setattr(provider_module, "REST", 3.0)
    provider.userinfo = "hang"
    hub = make(provider.url)
    assert (await hub.renew(user())).kept
    asked = len(provider.asked)
    for _ in range(20):
        assert (await hub.renew(user())).kept
    assert len(provider.asked) == asked
    await asyncio.sleep(3.1)
    provider.userinfo = (200, CLAIMS)
    assert (await hub.renew(user())).model  # tried again, and is back
    assert (await hub.renew(user())).model


async def test_after_its_rest_one_tries_and_the_others_go_on(provider, monkeypatch):
    monkeypatch.setattr(provider_module, "REST", 0.3)
    provider.userinfo = "hang"
    hub = make(provider.url)
    await hub.renew(user())
    await asyncio.sleep(0.4)
    asked = len(provider.asked)
    people = [User(logged_in(), f"p-{number}") for number in range(10)]
    renewals = await asyncio.gather(*(hub.renew(one) for one in people))
    assert all(renewal.kept for renewal in renewals)
    assert len(provider.asked) == asked + 1


# -- how a login ends ------------------------------------------------------------------------------------------------------


def fresh_tokens(**claims):
    """The answer of a token endpoint at a refresh, with an ID token."""
    return (200, NEW_TOKENS[1] | {"id_token": sign(id_claims(**({"exp": int(time.time()) + 86400} | claims)))})


ENDINGS = [
    # case, userinfo, token endpoint, settings, changes of the stored login, ending (None: goes on; "renewed": a new model)
    ("still there", (200, CLAIMS), None, {}, {}, "renewed"),
    ("with an ID token", [NO, (200, CLAIMS)], fresh_tokens(), {}, {}, "renewed"),
    ("with one without a nonce", [NO, (200, CLAIMS)], fresh_tokens(nonce=None), {}, {}, "renewed"),
    ("the tokens are refused", NO, (400, {"error": "invalid_grant"}), {}, {}, Ending.REFUSED),
    ("userinfo of another subject", (200, CLAIMS | {"sub": "y"}), None, {}, {}, Ending.OTHER_IDENTITY),
    ("userinfo of no subject", (200, {"voperson_id": ADA}), None, {}, {}, Ending.OTHER_IDENTITY),
    (
        "another identifier",
        (200, CLAIMS | {"voperson_id": "e@umbrellaid.example"}),
        None,
        {},
        {},
        Ending.OTHER_IDENTITY,
    ),
    ("an ID token of another subject", [NO, (200, CLAIMS)], fresh_tokens(sub="y"), {}, {}, Ending.OTHER_IDENTITY),
    ("an ID token of another login", [NO, (200, CLAIMS)], fresh_tokens(nonce="m"), {}, {}, Ending.OTHER_IDENTITY),
    (
        "an ID token that cannot be verified",
        [NO, (200, CLAIMS)],
        fresh_tokens(iss="https://evil.example"),
        {},
        {},
        None,
    ),
    ("an ID token that is too old", [NO, (200, CLAIMS)], fresh_tokens(exp=1, iat=0), {}, {}, None),
    ("the group was lost", (200, CLAIMS | {"eduperson_entitlement": []}), None, {}, {}, Ending.NOT_ALLOWED),
    ("the assurance was lost", (200, CLAIMS), None, {"assurance": ["https://x.example/a"]}, {}, Ending.NOT_ALLOWED),
    ("no identifier", (200, {"sub": "x"}), None, {}, {}, Ending.NOT_ALLOWED),
    ("the community is gone", (200, CLAIMS), None, {}, {"from_community": "old"}, Ending.NOT_ALLOWED),
    ("down", DOWN, None, {}, {}, None),
    ("down for too long, where there is no grace", DOWN, None, {"outage_grace": 0.0}, {}, Ending.OUTAGE),
    ("logged in for too long", (200, CLAIMS), None, {}, {"since": timedelta(hours=13)}, Ending.TOO_OLD),
    ("too long, and the provider is down", DOWN, None, {}, {"since": timedelta(hours=13)}, Ending.TOO_OLD),
    ("no login is stored", (200, CLAIMS), None, {}, {"login": {"id": ""}}, Ending.NO_LOGIN),
]


@pytest.mark.parametrize(
    ("case", "userinfo", "token", "settings", "changes", "ending"), ENDINGS, ids=[c[0] for c in ENDINGS]
)
async def test_each_end_has_its_name(provider, case, userinfo, token, settings, changes, ending):
    provider.userinfo, provider.token = userinfo, token or provider.token
    hub = make(provider.url, **({"required_entitlement": GROUP} | settings))
    gone = changes.get("from_community")
    ada = user(**({} if gone else changes))
    if gone:
        ada.state["person"]["community"] = gone
    renewal = await hub.renew(ada)
    if ending == "renewed":
        assert renewal.model is not None
        person = Person.from_state(renewal.model["auth_state"]["person"])
        assert person.logged_in_at == Person.from_state(ada.state["person"]).logged_in_at
    else:
        assert (renewal.model, renewal.ending, renewal.kept) == (None, ending, ending is None)
        assert Person.from_state(ada.state["person"]).seen_at < datetime.now(UTC) - timedelta(minutes=9)


@pytest.mark.parametrize("ending", [Ending.REFUSED, Ending.OTHER_IDENTITY, Ending.TOO_OLD])
async def test_a_login_that_ended_for_good_is_not_asked_about_again(provider, ending):
    hub = make(provider.url)
    login = ProvenLogin("login-1", "x")
    hub.context.logins.begin(login, ISSUER, username_for(ISSUER, ADA))
    provider.userinfo = {Ending.REFUSED: NO, Ending.OTHER_IDENTITY: (200, CLAIMS | {"sub": "y"})}.get(ending, DOWN)
    provider.token = (400, {"error": "invalid_grant"})
    ada = user(**({"since": timedelta(days=1)} if ending is Ending.TOO_OLD else {}))
    assert (await hub.renew(ada)).ending is ending
    asked = len(provider.asked)
    provider.userinfo = (200, CLAIMS)
    ada.state = logged_in()  # even if the stored state were younger again
    assert (await hub.renew(ada)).ending is ending
    assert len(provider.asked) == asked
    ada.state = logged_in(login={"id": "login-2"})  # a new login
    assert (await hub.renew(ada)).model


async def test_a_right_that_comes_back_counts_again(provider):
    hub = make(provider.url, required_entitlement=GROUP)
    ada = user()
    provider.userinfo = (200, CLAIMS | {"eduperson_entitlement": []})
    assert (await hub.renew(ada)).ending is Ending.NOT_ALLOWED
    provider.userinfo = (200, CLAIMS)
    assert (await hub.renew(ada)).model


async def test_a_refusal_after_a_lost_answer_ends_no_servers(provider):
    """The provider rotated the token, but the hub was killed or the answer was lost: the old one is refused, not the person."""
    hub = make(provider.url)
    hub.context.logins.begin(ProvenLogin("login-1", "x"), ISSUER, username_for(ISSUER, ADA))
    provider.userinfo, provider.token = NO, "hang"
    ada = user()
    assert (await hub.renew(ada)).kept
    provider.token = (400, {"error": "invalid_grant"})
    again = make_hub(COMMUNITY, provider.url, context=hub.context)  # a hub that was started anew
    for _ in range(3):  # and that stays so
        ending = (await again.renew(ada)).ending
        assert ending is Ending.NO_LOGIN
        assert not ending.ends_servers


async def test_a_refusal_long_after_a_lost_answer_is_one(provider):
    hub = make(provider.url, outage_grace=0.5)
    hub.context.logins.begin(ProvenLogin("login-1", "x"), ISSUER, username_for(ISSUER, ADA))
    hub.context.logins.rotate("login-1", begins=True)
    await asyncio.sleep(0.6)
    provider.userinfo, provider.token = NO, (400, {"error": "invalid_grant"})
    assert (await hub.renew(user())).ending is Ending.REFUSED


@pytest.mark.parametrize("answer", [(503, "maintenance"), (500, ""), (401, {"error": "invalid_client"}), (429, "")])
async def test_a_refusal_after_an_answer_of_a_provider_that_is_down_is_one(provider, answer):
    """It said that it did nothing, so the token was not spent: nobody who was suspended meanwhile keeps their servers."""
    hub = make(provider.url)
    hub.context.logins.begin(ProvenLogin("login-1", "x"), ISSUER, username_for(ISSUER, ADA))
    provider.userinfo, provider.token = NO, answer
    assert (await hub.renew(user())).kept
    provider.token = (400, {"error": "invalid_grant"})
    assert (await hub.renew(user())).ending is Ending.REFUSED


async def test_an_answer_that_came_clears_the_mark(provider):
    hub = make(provider.url)
    hub.context.logins.begin(ProvenLogin("login-1", "x"), ISSUER, username_for(ISSUER, ADA))
    provider.userinfo, provider.token = [NO, (200, CLAIMS)], NEW_TOKENS
    assert (await hub.renew(user())).model
    assert hub.context.logins.rotating("login-1") == 0


async def test_an_unlinked_identity_is_somebody_else(provider):
    provider.userinfo = (200, CLAIMS)
    hub = make(provider.url)
    ada = User(logged_in(username="p-aaaaaaaaaaaaaaaaaaaa"), "p-aaaaaaaaaaaaaaaaaaaa")  # was linked to this account
    assert (await hub.renew(ada)).ending is Ending.OTHER_IDENTITY


async def test_requests_tell_of_an_end_and_the_watcher_does_not_twice(provider):
    told = []

    async def hook(name, ending, details):
        told.append((name, ending))

    provider.userinfo, provider.token = NO, (400, {"error": "invalid_grant"})
    hub = make(provider.url)
    hub.ended_hooks.append(hook)
    assert (await hub.renew(user())).ending is Ending.REFUSED
    assert told == []
    assert await hub.refresh_user(user()) is False
    assert told == [(username_for(ISSUER, ADA), Ending.REFUSED)]


async def test_a_renewed_login_counts_as_asked_about_once_it_is_stored_and_an_outage_at_once(provider):
    provider.userinfo = (200, CLAIMS)
    ada = user()
    await make(provider.url).renew(ada)
    assert not hasattr(ada, "_auth_refreshed"), "a request would go on with what was known before"
    provider.userinfo = "hang"
    await make(provider.url).renew(ada)
    assert ada._auth_refreshed > 0
    provider.userinfo = NO
    other = user()
    await make(provider.url).renew(other)
    assert not hasattr(other, "_auth_refreshed")


# -- how long nothing was heard ----------------------------------------------------------------------------------------------


async def test_after_a_sleep_there_are_two_minutes_for_the_network_to_come_up(provider):
    hub = make(provider.url)
    clock = with_clock(hub)
    ada = user(age=timedelta(hours=8))
    provider.userinfo = DOWN
    for _ in range(12):
        assert (await hub.renew(ada)).kept
        clock.now += 10
    assert (await hub.renew(ada)).ending is Ending.OUTAGE


async def test_an_answer_begins_the_two_minutes_anew(provider):
    hub = make(provider.url)
    clock = with_clock(hub)
    ada = user(age=timedelta(hours=2), since=timedelta(hours=3))
    for answer in (DOWN, (200, CLAIMS), DOWN):
        provider.userinfo = answer
        assert (await hub.renew(ada)).ending is None
        clock.now += 90
    assert (await hub.renew(ada)).kept
    clock.now += 30
    assert (await hub.renew(ada)).ending is Ending.OUTAGE


async def test_a_refusal_of_one_is_an_answer_for_the_others(provider):
    hub = make(provider.url)
    clock = with_clock(hub)
    ada = user(age=timedelta(hours=2))
    other = User(logged_in(login={"id": "login-2"}), "p-other")
    provider.userinfo = DOWN
    assert (await hub.renew(other)).kept
    clock.now += 100
    provider.userinfo, provider.token = NO, (400, {"error": "invalid_grant"})
    assert (await hub.renew(other)).ending is Ending.REFUSED
    provider.userinfo = DOWN
    clock.now += 100
    assert (await hub.renew(ada)).kept


async def test_who_was_not_asked_about_ends_with_a_provider_that_was_seen_silent(provider):
    hub = make(provider.url)
    clock = with_clock(hub)
    provider.userinfo = DOWN
    other = User(logged_in(login={"id": "login-2"}, username="p-other"), "p-other")
    assert (await hub.renew(other)).kept
    clock.now += 130
    assert (await hub.renew(other)).kept  # heard of 10 minutes ago
    assert (await hub.renew(user(age=timedelta(hours=2)))).ending is Ending.OUTAGE


async def test_answers_about_others_do_not_keep_one_whose_own_cannot_be_verified(provider):
    hub = make(provider.url)
    clock = with_clock(hub)
    ada = user(age=timedelta(hours=2))
    other = User(logged_in(login={"id": "login-2"}, username="p-other"), "p-other")
    for minute in range(3):
        clock.now = minute * 60
        provider.userinfo, provider.token = NO, fresh_tokens(iss="https://evil.example")
        ending = (await hub.renew(ada)).ending
        provider.userinfo = (200, CLAIMS)
        assert (await hub.renew(other)).ending is Ending.OTHER_IDENTITY  # an answer
    assert ending is Ending.OUTAGE


# -- a login whose only token runs out ---------------------------------------------------------------------------------------


def only_an_access_token(seconds_left, **changes):
    """A stored login without a refresh token, whose access token runs out in so many seconds."""
    state = logged_in(**changes)
    state["refresh_token"] = None
    if seconds_left is not None:
        state[RUNS_OUT] = time.time() + seconds_left
    return user(state)


@pytest.mark.parametrize(
    ("seconds_left", "ending"),
    [
        (-1, Ending.NO_LOGIN),
        (-86400, Ending.NO_LOGIN),
        (30, Ending.REFUSED),  # it was still good: the person is refused
        (None, Ending.REFUSED),  # nobody said for how long it is good
    ],
)
async def test_the_end_of_the_only_token_is_no_refusal_of_the_person(provider, seconds_left, ending):
    hub = make(provider.url)
    hub.context.logins.begin(ProvenLogin("login-1", "x"), ISSUER, username_for(ISSUER, ADA))
    provider.userinfo = NO
    ada = only_an_access_token(seconds_left)
    for _ in range(2):  # and that stays so
        assert (await hub.renew(ada)).ending is ending
    assert [path for path, _ in provider.asked] == ["/userinfo"]
    assert ending.ends_servers is (ending is Ending.REFUSED)


async def test_a_token_that_should_have_run_out_and_is_taken_is_good(provider):
    provider.userinfo = (200, CLAIMS)
    assert (await make(provider.url).renew(only_an_access_token(-60))).model


async def test_somebody_else_is_somebody_else_with_an_old_token_too(provider):
    provider.userinfo = (200, CLAIMS | {"sub": "y"})
    assert (await make(provider.url).renew(only_an_access_token(-60))).ending is Ending.OTHER_IDENTITY


async def test_a_refresh_token_that_is_refused_is_a_refusal_whenever_the_access_token_ran_out(provider):
    provider.userinfo, provider.token = NO, (400, {"error": "invalid_grant"})
    ada = only_an_access_token(-60)
    ada.state["refresh_token"] = "rt"
    assert (await make(provider.url).renew(ada)).ending is Ending.REFUSED


async def test_when_the_token_runs_out_is_remembered_from_the_login_on(provider):
    hub = make(provider.url)
    provider.userinfo, before = (200, CLAIMS), time.time()
    model = await log_in(provider, hub, tokens={"expires_in": 3600, "refresh_token": None, RUNS_OUT: 1})
    assert before + 3540 <= model["auth_state"][RUNS_OUT] <= time.time() + 3540  # less access.clock_skew
    ada = User(model["auth_state"], model["name"])
    renewed = await hub.renew(ada)
    assert renewed.model["auth_state"][RUNS_OUT] == model["auth_state"][RUNS_OUT]
    provider.userinfo = NO
    assert (await hub.renew(ada)).ending is Ending.REFUSED


@pytest.mark.parametrize(("said", "known"), [({"expires_in": 100}, True), ({}, False)])
async def test_a_new_token_runs_out_when_its_own_answer_says(provider, said, known):
    provider.userinfo, provider.token = [NO, (200, CLAIMS)], (200, NEW_TOKENS[1] | said)
    ada = user()
    ada.state[RUNS_OUT] = 1.0
    state = (await make(provider.url).renew(ada)).model["auth_state"]
    assert (state[RUNS_OUT] is not None) is known
    if known:
        assert 80 < state[RUNS_OUT] - time.time() <= 90
