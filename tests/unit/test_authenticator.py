"""Who may log in, as whom, and which settings are refused."""

import logging
import re
from datetime import UTC, datetime, timedelta

import pytest
from login_support import User, log_in, logged_in_state, make_hub
from provider_support import Scripted, serving
from token_support import ISSUER
from tornado import web

from panosc_spawner.identity.attempts import Attempt
from panosc_spawner.identity.community import Community
from panosc_spawner.identity.person import Identity, Person
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
MFA, RAF = "https://refeds.org/profile/mfa", "https://refeds.org/assurance"
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
    model = await log_in(provider, make(provider.url, **settings))
    if isinstance(outcome, str):
        assert outcome in model
        return
    assert model["name"] == username_for(ISSUER, ADA)
    assert model["admin"] is False, "JupyterHub's own role opens everybody's servers"
    assert [role["name"] for role in model["roles"]] == ["user", *(["administrator"] if outcome else [])]
    person = Person.from_state(model["auth_state"]["person"])
    assert (person.issuer, person.subject, person.community, person.admin) == (ISSUER, ADA, "umbrellaid", outcome)
    assert datetime.now(UTC) - person.seen_at < timedelta(seconds=10)


async def test_what_is_stored_and_shown(provider):
    provider.userinfo = (
        200,
        CLAIMS | {"uidNumber": 4711, "email": "ada@x", "eduperson_entitlement": [GROUP, "legacy"]},
    )
    model = await log_in(provider, make(provider.url, kept_claims=["uidNumber", "absent"]))
    assert model["user_info"] == {"name": "Ada Lovelace", "display_name": "Ada Lovelace", "initials": "AL"}
    person = Person.from_state(model["auth_state"]["person"])
    assert person.claims == {"uidNumber": 4711}
    assert person.entitlements == (GROUP,)
    assert model["auth_state"]["refresh_token"] == "rt"
    assert "ada@x" not in str(model["auth_state"])


TOKENS = [
    # claims of the ID token, settings, words of the refusal
    ({"nonce": "another"}, {}, "cannot verify (nonce)"),
    ({"nonce": None}, {}, "cannot verify (nonce)"),
    ({"iss": ISSUER + "/"}, {}, "cannot verify (iss)"),
    ({"aud": "other"}, {}, "cannot verify (aud)"),
    ({"exp": 1}, {}, "cannot verify (exp)"),
    ({"at_hash": "another"}, {}, "cannot verify (at_hash)"),
    ({"sub": "y"}, {}, "answered for somebody else"),  # userinfo.sub is not the ID token's
    ({}, {"acr": [MFA]}, "needs a stronger login"),
    ({"acr": "https://refeds.org/profile/sfa"}, {"acr": [MFA]}, "needs a stronger login"),
    ({"acr": MFA + "/"}, {"acr": [MFA]}, "needs a stronger login"),
    ({"acr": [MFA]}, {"acr": [MFA]}, "cannot verify (acr)"),
    ({"acr": MFA}, {"acr": ["https://x.example", MFA]}, None),
    ({}, {"assurance": [f"{RAF}/IAP/low"]}, None),
    ({}, {"assurance": [f"{RAF}/IAP/high"]}, "identity was checked (https://refeds.org/assurance/IAP/high)"),
]


@pytest.mark.parametrize(("claims", "settings", "refusal"), TOKENS)
async def test_what_the_id_token_says_counts(provider, claims, settings, refusal):
    provider.userinfo = (200, CLAIMS | {"eduperson_assurance": [f"{RAF}/IAP/medium"]})
    hub = make(provider.url, **settings)
    model = await log_in(provider, hub, **claims)
    if refusal is None:
        assert model["auth_state"]["login"]["acr"] == claims.get("acr", "")
    else:
        assert refusal in model
        assert hub.people.everybody() == []  # nobody was written into the book


@pytest.mark.parametrize("id_token", [None, "", "a.b", 7, ["x"]])
async def test_a_login_without_an_id_token_is_none(provider, id_token):
    provider.userinfo = (200, CLAIMS)
    provider.token = [(200, {"access_token": "at", "id_token": id_token})]
    assert "cannot verify (form)" in await log_in(provider, make(provider.url))
    assert [path for path, _ in provider.asked] == ["/token", "/jwks"]  # userinfo is not even asked


@pytest.mark.parametrize("sub", [None, "", ["x"], "X", "x "])
async def test_userinfo_is_of_the_same_subject(provider, sub):
    provider.userinfo = (200, CLAIMS | {"sub": sub})
    assert "somebody else" in await log_in(provider, make(provider.url))


@pytest.mark.parametrize(("auth_time", "allowed"), [(None, False), (-120, False), (-30, True), (0, True)])
async def test_linking_needs_a_login_of_now(provider, auth_time, allowed):
    provider.userinfo = (200, CLAIMS)
    attempt = Attempt.begin("umbrellaid", purpose="link", for_user="p-x")
    claims = {} if auth_time is None else {"auth_time": int(attempt.began) + auth_time}
    model = await log_in(provider, make(provider.url), attempt=attempt, **claims)
    assert isinstance(model, dict) if allowed else "log in again" in model


async def test_without_keys_nobody_is_logged_in(provider):
    provider.userinfo = (200, CLAIMS)
    for jwks in (DOWN, (200, "[]"), (200, {"keys": "none"}), (200, {"keys": []}), (302, "")):
        provider.jwks = jwks
        answer = await log_in(provider, make(provider.url))
        assert "does not answer right now" in answer or "cannot verify (key)" in answer


async def test_an_allowed_login_is_in_the_book_and_a_refused_one_is_not(provider):
    provider.userinfo = (200, CLAIMS)
    hub = make(provider.url)
    model = await log_in(provider, hub, sid="s1")
    assert hub.people.identities_of(model["name"]) == ((ISSUER, ADA),)
    assert [one.username for one in hub.context.logins.find(ISSUER, "x", "s1")] == [model["name"]]
    refused = make(provider.url, required_entitlement=f"{GROUP}:staff")
    assert "only members" in await log_in(provider, refused)
    assert refused.people.everybody() == []
    assert refused.context.logins.find(ISSUER, "x", "") == []
    blocked = make(provider.url, blocked_users={model["name"]})
    assert await log_in(provider, blocked) is None
    assert blocked.people.everybody() == []


async def test_a_shut_out_identity_is_told_so(provider):
    provider.userinfo = (200, CLAIMS)
    hub = make(provider.url)
    await log_in(provider, hub)
    hub.people.remove(Identity(ISSUER, ADA), by="admin", reason="left")
    assert isinstance(await log_in(provider, hub), str)


async def test_a_renamed_scope_is_the_same_person(provider):
    provider.userinfo = (200, CLAIMS)
    old = make(provider.url)
    before = await log_in(provider, old)
    community = COMMUNITY.model_copy(
        update={"identity_scopes": ("panosc.example",), "former_scopes": ("umbrellaid.example",)}
    )
    provider.userinfo = (200, CLAIMS | {"voperson_id": "28c5@panosc.example"})
    after = await log_in(provider, make_hub(community, provider.url, context=old.context))
    assert after["name"] == before["name"]
    provider.userinfo = (200, CLAIMS | {"voperson_id": "28c6@panosc.example"})
    other = await log_in(provider, make_hub(community, provider.url, context=old.context))
    assert other["name"] != before["name"]


LOOK_ALIKES = [
    "admin",
    "root",
    "hub",
    "jovyan",
    "ADMIN",
    "аdmin",
    "adm\u0456n",
    "p-aaaaaaaaaaaaaaaaaaaa",
    "../etc",
    "a b",
]


@pytest.mark.parametrize("name", LOOK_ALIKES)
async def test_no_name_that_people_choose_becomes_a_user_name(provider, name):
    """Reserved and look-alike names cannot collide: the user name is made of issuer and identifier alone."""
    chosen = dict.fromkeys(
        ("preferred_username", "name", "email", "nickname", "eduperson_principal_name", "username"), name
    )
    provider.userinfo = (200, CLAIMS | chosen)
    model = await log_in(provider, make(provider.url))
    assert model["name"] == username_for(ISSUER, ADA)
    assert model["admin"] is False


@pytest.mark.parametrize("identifier", LOOK_ALIKES)
async def test_no_identifier_becomes_a_reserved_name(provider, identifier):
    community = COMMUNITY.model_copy(update={"identity_claim": "sub"})
    provider.userinfo = (200, {"sub": identifier})
    model = await log_in(provider, make_hub(community, provider.url), sub=identifier)
    if isinstance(model, dict):
        assert re.fullmatch(r"p-[a-z2-7]{20}", model["name"])
        assert model["name"] != identifier
    else:
        assert "not a plain identifier" in model


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
    model = await log_in(provider, make(provider.url))
    assert model["user_info"]["name"] == name


async def test_nobody_elses_state_is_allowed(provider):
    provider.userinfo = (200, CLAIMS)
    authenticator = make(provider.url)
    model = await log_in(provider, authenticator)
    assert await authenticator.check_allowed("p-somebodyelse", model) is False
    for state in (
        None,
        {},
        {"person": {}},
        {"person": model["auth_state"]["person"] | {"issuer": "https://evil.example"}},
    ):
        assert await authenticator.check_allowed(model["name"], {"auth_state": state}) is False
    assert await authenticator.check_allowed(model["name"], None) is False


def test_no_environment_variable_turns_certificates_off(monkeypatch):
    monkeypatch.setenv("OAUTH_TLS_VERIFY", "0")
    assert make().first.validate_server_cert is True


def test_the_hubs_pages_come_first():
    class Page(web.RequestHandler):
        pass

    handlers = make(page_handlers=[("/home", Page)]).get_handlers(None)
    assert handlers[0] == ("/home", Page)
    assert any(pattern == "/oauth_callback" for pattern, *_ in handlers)


NO = (401, {"error": "invalid_token"})
DOWN = (503, "maintenance")


async def test_the_words_when_the_login_service_is_down_or_refuses(provider):
    provider.userinfo = DOWN
    assert "UmbrellaID does not answer right now" in await log_in(provider, make(provider.url))
    provider.userinfo = NO
    assert "Please log in again" in await log_in(provider, make(provider.url))


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
                answer = await log_in(provider, authenticator, tokens=tokens, sub=secret)
                assert isinstance(answer, dict) or secret not in str(answer)
                provider.token = token
                state = logged_in_state(ADA, COMMUNITY) | tokens
                await authenticator.refresh_user(User(state, username_for(ISSUER, ADA)))
    assert caplog.records
    assert secret not in caplog.text
