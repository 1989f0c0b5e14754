"""A token for one audience in exchange for one's own (RFC 8693): what is passed on, and what is not."""

from datetime import UTC, datetime, timedelta

import pytest
from login_support import User, endpoints, logged_in_state, make_hub
from provider_support import Scripted, serving
from token_support import ISSUER

from panosc_spawner.errors import TokenError
from panosc_spawner.identity.community import Community
from panosc_spawner.identity.exchange import ACCESS_TOKEN, GRANT
from panosc_spawner.identity.logins import ProvenLogin
from panosc_spawner.identity.renewal import Ending
from panosc_spawner.identity.username import username_for

COMMUNITY = Community(id="demo", title="Demo people", description="", issuer=ISSUER)
ADA = "28c5@demo.example"
AUDIENCE = "https://catalogue.example"
GIVEN = {"access_token": "new", "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 300}


@pytest.fixture
async def provider():
    script = Scripted()
    script.token = (200, GIVEN)
    script.userinfo = (200, {"sub": "x", "voperson_id": ADA})
    async with serving(script.app):
        yield script


def make(provider, **settings):
    offered = endpoints(provider.url, token_exchange=True)
    return make_hub(COMMUNITY, provider.url, **({"endpoints": offered} | settings))


def ada(**changes):
    return User(logged_in_state(ADA, COMMUNITY, **changes), username_for(ISSUER, ADA))


async def test_a_token_is_exchanged(provider):
    given = await make(provider).exchange_token(ada(), AUDIENCE, "read")
    assert given.value.get_secret_value() == "new"
    assert timedelta(seconds=290) < given.expires_at - datetime.now(UTC) <= timedelta(seconds=300)
    assert "new" not in repr(given)
    path, form = provider.asked[0]
    assert path == "/token"
    assert form["grant_type"] == GRANT
    assert (form["subject_token"], form["subject_token_type"]) == ("at", ACCESS_TOKEN)
    assert (form["audience"], form["scope"]) == (AUDIENCE, "read")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"access_token": "at"}, "your own token back"),
        ({"expires_in": None}, "how long"),
        ({"expires_in": 0}, "how long"),
        ({"expires_in": True}, "how long"),
        ({"expires_in": 10**7}, "how long"),
        ({"expires_in": "soon"}, "how long"),
        ({"issued_token_type": None}, "another type"),
        ({"issued_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "another type"),
        ({"token_type": "mac"}, "does not answer"),
        ({"access_token": None}, "does not answer"),
        ({"access_token": "a\nb"}, "does not answer"),
    ],
)
async def test_a_token_that_is_more_or_less_than_asked_is_not_passed_on(provider, changes, words):
    provider.token = (200, GIVEN | changes)
    with pytest.raises(TokenError, match=words):
        await make(provider).exchange_token(ada(), AUDIENCE)


@pytest.mark.parametrize("answer", [{"expires_in": "300"}, {"token_type": "N_A"}])
async def test_answers_that_providers_give(provider, answer):
    provider.token = (200, GIVEN | answer)
    assert (await make(provider).exchange_token(ada(), AUDIENCE)).value.get_secret_value() == "new"


@pytest.mark.parametrize("error", ["invalid_target", "invalid_scope", "unsupported_grant_type"])
async def test_a_refusal_of_the_audience_is_told_and_not_tried_again(provider, error):
    provider.token = (400, {"error": error, "error_description": "EVIL"})
    with pytest.raises(TokenError, match=f"no token for '{AUDIENCE}'") as refused:
        await make(provider).exchange_token(ada(), AUDIENCE)
    assert "EVIL" not in str(refused.value)
    assert len(provider.asked) == 1


async def test_a_token_that_ended_is_renewed_first(provider):
    provider.token = [(400, {"error": "invalid_request"}), (200, GIVEN)]
    user = ada()
    given = await make(provider).exchange_token(user, AUDIENCE)
    assert given.value.get_secret_value() == "new"
    assert user.saved  # the renewed login was stored


async def test_a_login_that_is_over_gives_no_token(provider):
    provider.token = (400, {"error": "invalid_grant"})
    provider.userinfo = (401, {})
    hub = make(provider)
    with pytest.raises(TokenError, match="has ended"):
        await hub.exchange_token(ada(), AUDIENCE)
    hub = make(provider)
    user = ada()
    hub.context.logins.begin(ProvenLogin("login-1", "x"), ISSUER, user.name)
    hub.context.logins.end("login-1", Ending.LOGGED_OUT)
    asked = len(provider.asked)
    with pytest.raises(TokenError, match="has ended"):
        await hub.exchange_token(user, AUDIENCE)
    assert len(provider.asked) == asked


@pytest.mark.parametrize("state", [None, {}, {"person": {}, "access_token": "at"}])
async def test_without_a_login_there_is_no_token(provider, state):
    with pytest.raises(TokenError, match="has ended"):
        await make(provider).exchange_token(User(state, "p-x"), AUDIENCE)


async def test_a_provider_that_exchanges_nothing_is_not_asked(provider):
    with pytest.raises(TokenError, match="does not exchange tokens"):
        await make(provider, endpoints=endpoints(provider.url)).exchange_token(ada(), AUDIENCE)
    assert provider.asked == []


async def test_a_provider_that_is_down_gives_none_for_now(provider):
    provider.token = (503, "")
    with pytest.raises(TokenError, match="Try again"):
        await make(provider).exchange_token(ada(), AUDIENCE)
