"""Who may log in, as whom; and what a refresh decides when the login service says yes, no, or nothing."""

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from provider_support import Scripted, serving
from tornado import web
from traitlets import TraitError
from traitlets.config import Config

from panosc_spawner.identity.authenticator import PanoscAuthenticator
from panosc_spawner.identity.community import Community
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.username import username_for

ISSUER = "https://proxy.eduteams.example"
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
REFUSED = None


def make(url="http://127.0.0.1:9", **settings):
    config = Config()
    known = {
        "community": COMMUNITY,
        "issuer": ISSUER,
        "token_url": f"{url}/token",
        "userdata_url": f"{url}/userinfo",
        "client_id": "hub",
        "http_request_kwargs": {"connect_timeout": 1.0, "request_timeout": 1.0},
    }
    for name, value in (known | settings).items():
        setattr(config.PanoscAuthenticator, name, value)
    return PanoscAuthenticator(config=config)


@pytest.fixture
async def provider():
    script = Scripted()
    async with serving(script.app):
        yield script


async def log_in(authenticator):
    """The steps of oauthenticator and JupyterHub from the token on; None or the words of a refusal if not allowed."""
    try:
        model = await authenticator._token_to_auth_model(
            {"access_token": "at", "token_type": "Bearer", "refresh_token": "rt"}
        )
        return model if await authenticator.check_allowed(model["name"], model) else None
    except web.HTTPError as error:
        return str(error.log_message)


POLICY = [
    # claims, settings, admin or the words of the refusal
    (CLAIMS, {}, False),
    (CLAIMS | {"voperson_id": [ADA.upper()]}, {}, False),
    (CLAIMS, {"admins": [ADA]}, True),
    (CLAIMS, {"admins": ["other@umbrellaid.example"]}, False),
    (CLAIMS | {"admin": True, "groups": ["admin"], "preferred_username": "olga"}, {}, False),
    (CLAIMS | {"eduperson_entitlement": []}, {}, False),
    (CLAIMS, {"required_entitlement": GROUP}, False),
    (CLAIMS | {"eduperson_entitlement": GROUP}, {"required_entitlement": GROUP}, False),  # text, not its letters
    (CLAIMS | {"eduperson_entitlement": None, "entitlements": [GROUP]}, {"required_entitlement": GROUP}, False),
    (CLAIMS | {"eduperson_entitlement": [f"{GROUP}:esrf#x"]}, {"required_entitlement": GROUP}, False),
    (CLAIMS | {"eduperson_entitlement": []}, {"required_entitlement": GROUP}, "only members of its group 'umbrellaid'"),
    (CLAIMS | {"eduperson_entitlement": []}, {"required_entitlement": GROUP, "admins": [ADA]}, "only members"),
    (CLAIMS | {"eduperson_entitlement": [f"{GROUP}-x"]}, {"required_entitlement": GROUP}, "only members"),
    (
        CLAIMS | {"eduperson_entitlement": ["urn:geant:evil.example:group:umbrellaid#umbrellaid.org"]},
        {"required_entitlement": "urn:geant:evil.example:group:umbrellaid"},
        "only members",  # another's namespace never counts, even if somebody asks for it
    ),
    (CLAIMS | {"eduperson_entitlement": {"a": 1}}, {}, "not a list of texts"),
    (CLAIMS | {"eduperson_entitlement": [1]}, {}, "not a list of texts"),
    (CLAIMS | {"eduperson_entitlement": [f"{GROUP}:{n}" for n in range(2001)]}, {}, "2001 groups"),
    ({"sub": "x", "email": "ada@x", "preferred_username": "ada"}, {}, "did not say who you are"),
    (CLAIMS | {"voperson_id": "28c5@evil-umbrellaid.example"}, {}, "was not issued by UmbrellaID"),
    (CLAIMS | {"voperson_id": [ADA, "b@umbrellaid.example"]}, {}, "more than one"),
    (CLAIMS | {"voperson_id": "test@umbrellaid.example"}, {}, "monitoring account"),
]


@pytest.mark.parametrize(("claims", "settings", "outcome"), POLICY)
async def test_policy(provider, claims, settings, outcome):
    provider.userinfo = (200, claims)
    model = await log_in(make(provider.url, **settings))
    if isinstance(outcome, str):
        assert outcome in model
        return
    assert model["name"] == username_for(ISSUER, ADA)
    assert model["admin"] is outcome
    person = Person.from_state(model["auth_state"]["person"])
    assert (person.issuer, person.subject, person.community, person.admin) == (ISSUER, ADA, "umbrellaid", outcome)
    assert datetime.now(UTC) - person.seen_at < timedelta(seconds=10)


async def test_what_is_stored_and_shown(provider):
    provider.userinfo = (
        200,
        CLAIMS | {"uidNumber": 4711, "email": "ada@x", "eduperson_entitlement": [GROUP, "legacy"]},
    )
    model = await log_in(make(provider.url, kept_claims=["uidNumber", "absent"]))
    assert model["user_info"] == {"name": "Ada Lovelace", "display_name": "Ada Lovelace", "initials": "AL"}
    person = Person.from_state(model["auth_state"]["person"])
    assert person.claims == {"uidNumber": 4711}
    assert person.entitlements == (GROUP,)
    assert model["auth_state"]["refresh_token"] == "rt"
    assert "ada@x" not in str(model["auth_state"])


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"name": "Ada"}, "Ada"),
        ({"name": ["Ada L"]}, "Ada L"),
        ({"given_name": "Ada", "family_name": "Lovelace"}, "Ada Lovelace"),
        ({"preferred_username": "ada"}, "ada"),
        ({}, "Unnamed person"),
        ({"name": 7}, "Unnamed person"),
        ({"name": " A\u202eda\n\0L " + "x" * 500}, "A da L " + "x" * 93),
    ],
)
async def test_display_names(provider, claims, name):
    provider.userinfo = (200, {"sub": "x", "voperson_id": ADA, **claims})
    model = await log_in(make(provider.url))
    assert model["user_info"]["name"] == name


async def test_nobody_elses_state_is_allowed(provider):
    provider.userinfo = (200, CLAIMS)
    authenticator = make(provider.url)
    model = await log_in(authenticator)
    assert await authenticator.check_allowed("p-somebodyelse", model) is False
    for state in (
        None,
        {},
        {"person": {}},
        {"person": model["auth_state"]["person"] | {"issuer": "https://evil.example"}},
    ):
        assert await authenticator.check_allowed(model["name"], {"auth_state": state}) is False
    assert await authenticator.check_allowed(model["name"], None) is False


@pytest.mark.parametrize("section", ["Authenticator", "PanoscAuthenticator"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allow_all", True),
        ("allow_existing_users", True),
        ("allowed_users", {"ada"}),
        ("admin_users", {"ada"}),
        ("enable_auth_state", False),
        ("auth_refresh_strict", False),
        ("auth_refresh_age", 0),
        ("refresh_pre_spawn", False),
        ("manage_groups", True),
        ("auto_login", True),
    ],
)
def test_settings_that_would_let_others_in_are_refused(section, name, value):
    config = Config()
    setattr(config[section], name, value)
    with pytest.raises(TraitError, match=name):
        PanoscAuthenticator(config=config, community=COMMUNITY, issuer=ISSUER)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("enable_pkce", False),
        ("validate_server_cert", False),
        ("userdata_from_id_token", True),
        ("userdata_token_method", "url"),
        ("refresh_user_hook", print),
        ("required_entitlement", "umbrellaid"),
        ("outage_grace", -1.0),
        ("community", None),
        ("issuer", ""),
    ],
)
def test_settings_that_would_trust_too_much_are_refused(name, value):
    with pytest.raises((TraitError, ValueError)):
        make(**{name: value})


def test_no_environment_variable_turns_certificates_off(monkeypatch):
    monkeypatch.setenv("OAUTH_TLS_VERIFY", "0")
    assert make().validate_server_cert is True


def test_the_hubs_pages_come_first():
    class Page(web.RequestHandler):
        pass

    handlers = make(page_handlers=[("/home", Page)]).get_handlers(None)
    assert handlers[0] == ("/home", Page)
    assert any(pattern == "/oauth_callback" for pattern, *_ in handlers)


# -- refresh ---------------------------------------------------------------------------------------------------------------

NEW_TOKENS = (200, {"access_token": "at2", "token_type": "Bearer", "refresh_token": "rt2"})
NO = (401, {"error": "invalid_token"})
DOWN = (503, "maintenance")


class User:
    """What refresh_user needs of JupyterHub's User."""

    def __init__(self, state, name=None):
        self.name, self.state, self.saved = name or username_for(ISSUER, ADA), state, []

    async def get_auth_state(self):
        return self.state

    async def save_auth_state(self, state):
        self.state = state
        self.saved.append(state)


def logged_in(age=timedelta(minutes=10), **changes):
    """The stored state of a login whose claims were last seen so long ago."""
    person = Person(
        ISSUER, ADA, username_for(ISSUER, ADA), "Ada", "umbrellaid", datetime.now(UTC) - age, entitlements=(GROUP,)
    )
    tokens = {"access_token": "at", "token_type": "Bearer", "refresh_token": "rt"}
    return tokens | {"token_response": tokens, "person": replace(person, **changes).to_state()}


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
    user = User(logged_in(timedelta(minutes=minutes)))
    before = user.state["person"]
    outcome = await make(provider.url, required_entitlement=GROUP).refresh_user(user)
    if expected == "model":
        assert outcome["name"] == user.name
        assert outcome["admin"] is False
        assert Person.from_state(outcome["auth_state"]["person"]).seen_at > datetime.now(UTC) - timedelta(seconds=10)
    else:
        assert outcome is expected
    assert (
        user.state["person"] == before
    )  # a refresh that failed makes no claim younger; one that worked, the hub stores


async def test_refusing_connections_is_down_and_not_a_denial():
    user = User(logged_in())
    assert await make().refresh_user(user) is True
    assert await make(outage_grace=60.0).refresh_user(user) is False


async def test_a_rotated_token_is_stored_before_it_is_used(provider):
    provider.userinfo, provider.token = [NO, DOWN, (200, CLAIMS)], NEW_TOKENS
    user = User(logged_in())
    authenticator = make(provider.url)
    assert await authenticator.refresh_user(user) is True
    assert (user.state["access_token"], user.state["refresh_token"]) == ("at2", "rt2")
    model = await authenticator.refresh_user(user)
    assert model["auth_state"]["refresh_token"] == "rt2"
    assert [path for path, _ in provider.asked] == ["/userinfo", "/token", "/userinfo", "/userinfo"]
    assert provider.asked[-1][1] == "Bearer at2"


async def test_two_requests_at_a_time_do_not_spend_a_token_twice(provider):
    provider.userinfo, provider.token = [NO, (200, CLAIMS), (200, CLAIMS)], [NEW_TOKENS]
    user = User(logged_in())
    authenticator = make(provider.url)
    models = await asyncio.gather(authenticator.refresh_user(user), authenticator.refresh_user(user))
    assert all(model["auth_state"]["access_token"] == "at2" for model in models)
    assert not authenticator._refreshing


async def test_where_the_login_service_hangs_the_requests_of_a_person_wait_together_and_not_in_turn(provider):
    provider.userinfo = "hang"
    user = User(logged_in())
    authenticator = make(provider.url)
    async with asyncio.timeout(3):  # one request_timeout of 1 s, not 20
        outcomes = await asyncio.gather(*(authenticator.refresh_user(user) for _ in range(20)))
    assert outcomes == [True] * 20


async def test_a_request_that_is_given_up_does_not_end_the_refresh_of_the_others(provider):
    provider.userinfo = "hang"
    user = User(logged_in())
    authenticator = make(provider.url)
    first, second = (asyncio.create_task(authenticator.refresh_user(user)) for _ in range(2))
    await asyncio.sleep(0.1)
    first.cancel()
    assert await second is True


async def test_an_administrator_who_is_not_listed_any_more_is_none(provider):
    provider.userinfo = (200, CLAIMS)
    outcome = await make(provider.url).refresh_user(User(logged_in(admin=True)))
    assert outcome["admin"] is False


async def test_a_blocked_person_is_out_at_the_next_refresh(provider):
    provider.userinfo = (200, CLAIMS)
    user = User(logged_in())
    assert await make(provider.url, blocked_users={user.name}).refresh_user(user) is False


@pytest.mark.parametrize("state", [None, {}, {"person": {}}, {"person": logged_in()["person"]}])
async def test_a_login_of_an_older_version_ends(provider, state):
    provider.userinfo = (200, CLAIMS)
    assert await make(provider.url).refresh_user(User(state)) is False


async def test_a_login_at_another_issuer_ends(provider):
    provider.userinfo = (200, CLAIMS)
    assert await make(provider.url).refresh_user(User(logged_in(issuer="https://old.example"))) is False


async def test_the_words_when_the_login_service_is_down_or_refuses(provider):
    provider.userinfo = DOWN
    assert "UmbrellaID does not answer right now" in await log_in(make(provider.url))
    provider.userinfo = NO
    assert "Please log in again" in await log_in(make(provider.url))


async def test_no_token_and_no_claim_is_ever_logged(provider, caplog):
    secret = "very-secret-value"
    tokens = {"access_token": secret, "token_type": "Bearer", "refresh_token": secret, "id_token": secret}
    claims = {"sub": secret, "voperson_id": f"{secret}@evil.example", "name": secret, "email": secret}
    authenticator = make(provider.url, client_secret=secret)
    with caplog.at_level(logging.DEBUG):
        for userinfo in ((200, CLAIMS), (200, claims), (401, claims), (500, claims), (200, f"<{secret}")):
            for token in (
                (200, tokens),
                (400, tokens | {"error": "invalid_grant", "error_description": secret}),
                (500, tokens),
            ):
                provider.userinfo, provider.token = userinfo, token
                answer = await log_in(authenticator)
                assert isinstance(answer, dict) or secret not in str(answer)
                state = logged_in()
                state |= tokens | {"token_response": tokens}
                await authenticator.refresh_user(User(state))
    assert caplog.records
    assert secret not in caplog.text
