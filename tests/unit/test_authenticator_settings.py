"""Settings that would let others in, or trust too much, are refused when the hub starts."""

import pytest
from login_support import login_settings, make_context, make_hub
from token_support import ISSUER
from traitlets import TraitError
from traitlets.config import Config

from panosc_spawner.identity.authenticator import PanoscAuthenticator
from panosc_spawner.identity.communities_authenticator import CommunitiesAuthenticator
from panosc_spawner.identity.community import Community

COMMUNITY = Community(id="umbrellaid", title="UmbrellaID", description="", issuer=ISSUER)


def make(**settings):
    return make_hub(COMMUNITY, **settings)


HUB_SETTINGS = [
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
]


@pytest.mark.parametrize("section", ["Authenticator", "CommunitiesAuthenticator"])
@pytest.mark.parametrize(("name", "value"), HUB_SETTINGS)
def test_settings_of_the_hub_that_would_let_others_in_are_refused(section, name, value):
    config = Config()
    config[section][name] = value
    config.CommunitiesAuthenticator.logins = [login_settings(COMMUNITY, "http://127.0.0.1:9")]
    config.CommunitiesAuthenticator.context = make_context()
    with pytest.raises(TraitError, match=name):
        CommunitiesAuthenticator(config=config)


@pytest.mark.parametrize("section", ["OAuthenticator", "PanoscAuthenticator"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name, value in HUB_SETTINGS if name != "auth_refresh_age"),
        ("enable_pkce", False),
        ("validate_server_cert", False),
        ("userdata_from_id_token", True),
        ("userdata_token_method", "url"),
        ("refresh_user_hook", print),
        ("modify_auth_state_hook", print),
        ("allowed_scopes", ["openid"]),
        ("admin_groups", {"admin"}),
    ],
)
def test_settings_of_a_community_that_would_trust_too_much_are_refused(section, name, value):
    config = Config()
    config[section][name] = value
    config.CommunitiesAuthenticator.logins = [login_settings(COMMUNITY, "http://127.0.0.1:9")]
    config.CommunitiesAuthenticator.context = make_context()
    with pytest.raises((TraitError, ValueError), match=name):
        CommunitiesAuthenticator(config=config)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("required_entitlement", "umbrellaid"),
        ("outage_grace", -1.0),
        ("max_session_age", 0.0),
        ("clock_skew", 3600.0),
        ("issuer", ""),
        ("http_request_kwargs", {"validate_cert": False}),
        ("http_request_kwargs", {"follow_redirects": True}),
    ],
)
def test_settings_that_are_none_are_refused(name, value):
    with pytest.raises(TraitError):
        make(**{name: value})


def test_settings_of_requests_add_to_ours():
    found = make(http_request_kwargs={"proxy_host": "proxy.example"}).first.http_request_kwargs
    assert (found["proxy_host"], found["request_timeout"], found["follow_redirects"]) == ("proxy.example", 10.0, False)


@pytest.mark.parametrize("data", [None, {}, {"username": "ada", "password": "x"}, {"attempt": "x", "code": "y"}, "x"])
async def test_a_posted_form_logs_nobody_in(data):
    assert await make().get_authenticated_user(None, data) is None


def test_an_authenticator_without_logins_does_not_start():
    with pytest.raises(TraitError, match="configure_authenticator"):
        CommunitiesAuthenticator()


def test_one_communitys_authenticator_is_no_hubs():
    with pytest.raises(TraitError, match="CommunitiesAuthenticator"):
        PanoscAuthenticator(**login_settings(COMMUNITY, "http://127.0.0.1:9"))


def test_no_other_hook_decides_what_is_stored():
    config = Config()
    config.Authenticator.reconcile_auth_state_hook = lambda authenticator, model, stored: stored
    config.CommunitiesAuthenticator.logins = [login_settings(COMMUNITY, "http://127.0.0.1:9")]
    config.CommunitiesAuthenticator.context = make_context()
    with pytest.raises(TraitError, match="reconcile_auth_state_hook"):
        CommunitiesAuthenticator(config=config)
    assert callable(make().reconcile_auth_state_hook)
