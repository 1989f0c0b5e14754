"""What a refresh decides when the login service says yes, no, nothing, or something about somebody else."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from login_support import User, logged_in_state, make_hub
from provider_support import Scripted, serving
from token_support import ISSUER

from panosc_spawner.identity.community import Community
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.username import username_for

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
    outcome = await make(provider.url, required_entitlement=GROUP).refresh_user(ada)
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
    assert await make(outage_grace=60.0).refresh_user(ada) is False


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
    async with asyncio.timeout(3):  # one request_timeout of 1 s, not 20
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
