"""From a site to the authenticator: what is asked of the provider, and mistakes told when the hub starts."""

import asyncio
import json
from datetime import timedelta

import pytest
from login_support import make_context
from prometheus_client import REGISTRY
from provider_support import serving
from tornado import web
from traitlets.config import Config

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.login_rules import Login
from panosc_spawner.facilities.model import ClaimAccount, Facility, NssAccount, UserOffice
from panosc_spawner.facilities.site import Hub, Site, SiteFile
from panosc_spawner.facilities.source_rules import EntitlementSource, FileSource
from panosc_spawner.identity import setup
from panosc_spawner.identity.communities_authenticator import CommunitiesAuthenticator
from panosc_spawner.identity.community import Community, Endpoints, load_community
from panosc_spawner.secret_file import read_secret

SHORT = timedelta(seconds=0.3)
NAMESPACE = "urn:geant:panosc.example"
COMMUNITY = Community(
    id="demo",
    title="Demo people",
    description="",
    issuer_required=True,
    namespaces=(NAMESPACE,),
    identity_scopes=("x.example",),
)
GIVEN = COMMUNITY.model_copy(
    update={
        "endpoints": Endpoints(
            authorize="https://i.example/a",
            token="https://i.example/t",
            userinfo="https://i.example/u",
            jwks="https://i.example/j",
        ),
        "issuer": "https://i.example",
    }
)


@pytest.fixture
def site(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("a-long-client-secret\n", encoding="utf-8")
    secret.chmod(0o600)
    office = UserOffice(name="UO")
    esrf = Facility(
        id="esrf", name="E", short_name="E", user_office=office, account=ClaimAccount(kind="claim", gids="groups")
    )

    def make(sources=(), **login):
        known = {"community": "demo", "client_id": "hub", "client_secret_file": "secret"}
        config = SiteFile(
            hub=Hub(id="t", facilities=("esrf",), support="help@x.example", state_dir=tmp_path),
            login=Login(**(known | login)),
            account=NssAccount(kind="nss"),
            sources=(*sources, FileSource(type="file", path="x.toml")),
        )
        ill = Facility(id="ill", name="I", short_name="I", user_office=office)
        return Site(tmp_path, config, {"esrf": esrf, "ill": ill})

    return make


class Discovery(web.RequestHandler):
    """Answers with the document of its settings, after as many failures as they say."""

    def get(self):
        settings = self.settings["discovery"]
        settings["asked"] += 1
        if settings["asked"] <= settings.get("fail", 0):
            raise web.HTTPError(503)
        if "redirect" in settings:
            self.redirect(settings["redirect"])
            return
        self.write(settings["body"] if "body" in settings else json.dumps(settings["document"]))


@pytest.fixture
async def provider():
    """A provider's discovery, and its settings."""
    settings = {"asked": 0}

    def app(port):
        issuer = settings["issuer"] = f"http://127.0.0.1:{port}"
        settings["document"] = {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/a",
            "token_endpoint": f"{issuer}/t",
            "userinfo_endpoint": f"{issuer}/u",
            "jwks_uri": f"{issuer}/j",
            "id_token_signing_alg_values_supported": ["HS256", "RS256", "none", "ES384"],
        }
        return web.Application(
            [("/.well-known/openid-configuration", Discovery)], discovery=settings, log_function=lambda handler: None
        )

    async with serving(app):
        yield settings


@pytest.fixture
def configured(monkeypatch):
    """The configuration; asked for in a thread, since the hub reads its configuration before it has a loop."""

    async def configured(site, community=COMMUNITY, wait=SHORT):
        monkeypatch.setattr(setup, "load_community", lambda name, folder: community)
        config = Config()
        await asyncio.to_thread(setup.configure_authenticator, config, site, make_context(), wait=wait)
        return config

    return configured


async def test_a_site_makes_an_authenticator(site, provider, configured):
    config = await configured(site(issuer=provider["issuer"], admins=("AB12@x.example",)))
    hub = CommunitiesAuthenticator(config=config)
    login = hub.first
    assert login.token_url == provider["issuer"] + "/t"
    assert login.oauth_callback_url == "http://127.0.0.1:8000/hub/oauth_callback"
    assert login.client_secret == "a-long-client-secret"
    assert login.basic_auth is True
    assert login.admins == ["ab12@x.example"]
    assert {"gidNumber", "groups", "preferred_username", "uidNumber"} <= set(login.kept_claims)
    assert login.login_service == "Demo people"
    assert login.expected.algorithms == ("RS256", "ES384")
    assert login.endpoints.jwks == provider["issuer"] + "/j"
    assert (hub.outage_grace, hub.max_session_age, hub.auth_refresh_age) == (3600, 43200, 20)
    assert "help@x.example" in hub.custom_403_message
    assert "a-long-client-secret" not in repr(config)


async def test_a_provider_that_starts_a_moment_later_is_waited_for(site, provider, configured):
    provider["fail"] = 2
    await configured(site(issuer=provider["issuer"]), wait=timedelta(seconds=5))
    assert provider["asked"] == 3


async def test_a_hub_that_restarts_while_the_provider_is_down_starts(site, provider, caplog, configured):
    before = await configured(site(issuer=provider["issuer"]))
    assert REGISTRY.get_sample_value("panosc_login_service_up", {"community": "demo"}) == 1
    provider["fail"] = 1000
    after = await configured(site(issuer=provider["issuer"]))
    assert REGISTRY.get_sample_value("panosc_login_service_up", {"community": "demo"}) == 0
    assert after.CommunitiesAuthenticator.logins == before.CommunitiesAuthenticator.logins
    assert "endpoints of the last start are used" in caplog.text
    with pytest.raises(ConfigurationError):  # those of another issuer are of no use
        await configured(site(issuer="http://127.0.0.1:9"))
    provider |= {"fail": 0, "document": provider["document"] | {"issuer": "https://evil.example"}}
    with pytest.raises(ConfigurationError, match="speaks for"):  # an answer that is wrong is no outage
        await configured(site(issuer=provider["issuer"]))


async def test_given_endpoints_are_not_asked_for(site, configured):
    config = await configured(site(), GIVEN)
    assert config.CommunitiesAuthenticator.logins[0]["authorize_url"] == "https://i.example/a"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"issuer": "https://evil.example"}, "speaks for the issuer 'https://evil.example'"),
        ({"issuer": None}, "speaks for the issuer 'None'"),
        ({"token_endpoint": "http://evil.example/t"}, "must be https"),
        ({"userinfo_endpoint": None}, "no usable endpoint"),
        ({"jwks_uri": "http://evil.example/j"}, "must be https"),
        ({"jwks_uri": None}, "no usable endpoint"),
        ({"end_session_endpoint": "javascript:alert(1)"}, "must be https"),
        ({"id_token_signing_alg_values_supported": ["HS256", "none"]}, "HS256, none only"),
        ({"id_token_signing_alg_values_supported": "RS256"}, "nothing only"),
        ({"code_challenge_methods_supported": ["plain"]}, "PKCE"),
        ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "client_secret_basic"),
    ],
)
async def test_a_discovery_document_that_does_not_fit_is_told(site, provider, changes, words, configured):
    provider["document"] |= changes
    with pytest.raises(ConfigurationError, match=words):
        await configured(site(issuer=provider["issuer"]))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fail": 1000}, "status 503"),
        ({"redirect": "https://evil.example/"}, "status 302"),
        ({"body": "<html>"}, "not JSON"),
        ({"body": "[]"}, "not a discovery document"),
    ],
)
async def test_a_provider_that_gives_no_document_is_told_with_what_was_asked(
    site, provider, changes, words, configured
):
    provider |= changes
    with pytest.raises(ConfigurationError) as error:
        await configured(site(issuer=provider["issuer"]))
    assert words in str(error.value)
    assert "/.well-known/openid-configuration" in str(error.value)
    assert "start the hub again" in str(error.value)


async def test_an_issuer_with_another_slash_is_another_issuer(site, provider, configured):
    with pytest.raises(ConfigurationError, match="with or without its last slash"):
        await configured(site(issuer=provider["issuer"] + "/"))


async def test_nobody_there_is_told(site, configured):
    with pytest.raises(ConfigurationError, match="refused"):
        await configured(site(issuer="http://127.0.0.1:9"))


def rule(**changes):
    known = {
        "type": "entitlements",
        "facility": "ill",
        "issuer": "https://i.example",
        "namespace": NAMESPACE,
        "group": ("g",),
    }
    return EntitlementSource(**(known | changes))


@pytest.mark.parametrize(
    ("login", "sources", "key"),
    [
        ({"issuer": "http://idp.example"}, (), "login.issuer"),
        ({"client_secret_file": None}, (), "login.client_secret_file"),
        ({"admins": ("ada",)}, (), "login.admins[1]"),
        ({"admins": ("ab@x.example", "ab@evil.example")}, (), "login.admins[2]"),
        ({"required_entitlement": "umbrellaid"}, (), "login.required_entitlement"),
        ({"required_entitlement": "urn:geant:other.example:group:x"}, (), "login.required_entitlement"),
        ({"acr": ("https://refeds.org/profile/mfa https://x",)}, (), "login.acr[1]"),
        ({"assurance": ("",)}, (), "login.assurance[1]"),
        ({}, (rule(issuer="https://i.example/"),), "sources[1].issuer"),
        ({}, (rule(namespace="urn:geant:panosc"),), "sources[1].namespace"),
        ({}, (rule(namespace="panosc.example"),), "sources[1].namespace"),
        (
            {},
            (rule(), FileSource(type="file", path="p.csv", person={"by": "subject", "issuer": "https://x"})),
            "sources[2].person.issuer",
        ),
    ],
)
async def test_mistakes_of_a_site_are_named(site, login, sources, key, configured):
    with pytest.raises(ConfigurationError) as error:
        await configured(site(sources, **login), GIVEN)
    assert error.value.key == key


@pytest.mark.parametrize(
    ("also", "key"),
    [
        ({"community": "demo"}, "login.also[1].community"),
        ({"community": "eduteams", "issuer": "https://i.example"}, "login.also[1].issuer"),
        ({"community": "umbrellaid"}, "login.also[1].issuer"),
        ({"community": "egi-checkin", "client_secret_file": None}, "login.also[1].client_secret_file"),
        ({"community": "egi-checkin", "admins": ("ada",)}, "login.also[1].admins[1]"),
        ({"community": "egi-checkin", "also": (Login(community="eduteams", client_id="x"),)}, "login.also[1].also"),
        ({"community": "nobody"}, "login.also[1].community"),
    ],
)
async def test_mistakes_of_another_login_are_named(site, configured, monkeypatch, also, key):
    known = {"client_id": "hub", "client_secret_file": "secret"}
    the_site = site(also=(Login(**(known | also)),))
    config = Config()
    monkeypatch.setattr(setup, "load_community", lambda name, folder: GIVEN if name == "demo" else load_community(name))
    with pytest.raises(ConfigurationError) as error:
        await asyncio.to_thread(setup.configure_authenticator, config, the_site, make_context(), wait=SHORT)
    assert error.value.key == key


async def test_each_login_has_a_callback_of_its_own(site, provider, monkeypatch):
    other = {"community": "other", "issuer": provider["issuer"], "client_id": "b", "client_secret_file": "secret"}
    monkeypatch.setattr(
        setup,
        "load_community",
        lambda name, folder: (
            GIVEN if name == "demo" else COMMUNITY.model_copy(update={"id": "other", "title": "Others"})
        ),
    )
    config = Config()
    the_site = site(also=(Login(**other),))
    await asyncio.to_thread(setup.configure_authenticator, config, the_site, make_context(), wait=SHORT)
    hub = CommunitiesAuthenticator(config=config)
    assert [login.oauth_callback_url.rpartition("/hub")[2] for login in hub.communities.values()] == [
        "/oauth_callback",
        "/oauth_callback/other",
    ]
    paths = [handler[0] for handler in hub.get_handlers(None)]
    assert "/oauth_callback/other" in paths
    assert "/backchannel-logout/other" in paths
    assert [login.client_id for login in hub.communities.values()] == ["hub", "b"]
    assert hub.login_service == "Demo people or Others"


async def test_a_missing_issuer_is_named(site, configured):
    with pytest.raises(ConfigurationError, match="Demo people's issuer is not public") as error:
        await configured(site())
    assert error.value.key == "login.issuer"


async def test_rules_within_the_communitys_namespace_are_fine(site, configured):
    await configured(site((rule(), rule(namespace=f"{NAMESPACE}:sub"))), GIVEN)


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        ("secret-secret", 0o644, "read by others"),
        ("secret-secret", 0o640, "chmod 600"),
        ("", 0o600, "no secret"),
        ("a\nb", 0o600, "no secret"),
        ("x" * 5000, 0o600, "no secret"),
    ],
)
def test_a_secret_is_the_hubs_alone(tmp_path, content, mode, words):
    file = tmp_path / "secret"
    file.write_text(content, encoding="utf-8")
    file.chmod(mode)
    with pytest.raises(ConfigurationError, match=words) as error:
        read_secret(file)
    assert "secret-secret" not in str(error.value)


def test_a_missing_secret_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_secret(tmp_path / "secret")
