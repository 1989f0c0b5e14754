"""The portal as the hub's service: what it may do, where it is, and which of its pages a start may lead to."""

from __future__ import annotations

from dataclasses import replace

import pytest
from jupyterhub.utils import subdomain_hook_idna
from launch_support import SPALL, site
from traitlets.config import Config

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.portal_url import portal_url
from panosc_spawner.facilities.site import Site
from panosc_spawner.hub import _services
from panosc_spawner.identity.roles import PORTAL_ACCESS, roles_of
from panosc_spawner.portal import service
from panosc_spawner.portal.service import NAME, portal_address, portal_service, storage_tokens, within_portal


def with_portal(*, enabled: bool = True, **hub: object) -> Site:
    made = site(portal={"enabled": enabled, "port": 8099})
    changed = made.config.hub.model_copy(update=hub)
    return replace(made, config=made.config.model_copy(update={"hub": changed}))


def test_it_may_do_nothing_of_its_own() -> None:
    config = Config()
    _services(config, with_portal())
    (portal,) = [one for one in config.JupyterHub.services if one["name"] == "portal"]
    assert portal["url"] == "http://127.0.0.1:8099"
    assert portal["oauth_client_allowed_scopes"] == []
    assert "admin" not in portal
    assert not [role for role in config.JupyterHub.load_roles if "portal" in role["services"]]
    assert f"access:services!service={service.NAME}" == PORTAL_ACCESS
    assert all(PORTAL_ACCESS in roles_of(admin)[0]["scopes"] for admin in (True, False))


def test_without_it_nothing_is_different() -> None:
    config = Config()
    _services(config, with_portal(enabled=False))
    assert [one["name"] for one in config.JupyterHub.services] == ["keeper"]


def test_a_package_that_is_not_installed_is_told_when_the_hub_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="not installed"):
        portal_service(with_portal())


def test_where_it_is() -> None:
    assert portal_address(with_portal()) == "/services/portal/"
    hosts = with_portal(public_url="https://hub.example.org:8443", user_domains=True)
    assert portal_address(hosts) == "https://portal--service.hub.example.org:8443/services/portal/"


@pytest.mark.parametrize(
    "address",
    ["/services/portal/", "/services/portal/opening/abc?file=1&x=%2Fy", "/services/portal/datasets/esrf/10.15151%3Ax"],
)
def test_its_own_pages_may_follow_a_start(address: str) -> None:
    assert within_portal(with_portal(), address) == address
    hosts = with_portal(public_url="https://hub.example.org", user_domains=True)
    assert within_portal(hosts, address) == f"https://portal--service.hub.example.org{address}"
    assert within_portal(with_portal(enabled=False), address) == ""


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/",
        "/hub/logout",
        "/services/portal",
        "/services/other/",
        "/services/portal/../../hub/logout",
        "/services/portal/%2e%2e/%2e%2e/hub/logout",
        "/services/portal/..%2f..%2fhub/logout",
        "/services/portal//evil.example",
        "/services/portal/./x",
        "/services/portal/a\\b",
        "/services/portal/a%5cb",
        "/services/portal/a b",
        "/services/portal/a\nb",
        "/services/portal/é",
        "/services/portal/#x",
        "//evil.example/services/portal/",
        "https://evil.example/services/portal/",
        "javascript:alert(1)",
        "http://[",
        "/services/portal/" + "x" * 5000,
    ],
)
def test_nothing_else_may(address: str) -> None:
    assert within_portal(with_portal(), address) == ""


def test_who_is_elsewhere_finds_its_pages() -> None:
    plain = with_portal(public_url="https://hub.example.org:8443/jupyter")
    assert portal_url(plain, "open?pid=1") == "https://hub.example.org:8443/jupyter/services/portal/open?pid=1"
    hosts = with_portal(public_url="https://hub.example.org:8443", user_domains=True)
    named = subdomain_hook_idna(NAME, "hub.example.org", "service")  # what JupyterHub itself makes of it
    assert portal_url(hosts, "badge.svg") == f"https://{named}:8443/services/portal/badge.svg"


def test_tokens_are_given_for_storages_and_archives_that_are_asked_in_peoples_names() -> None:
    def asked(name: str, by: str, **more: object) -> dict[str, object]:
        token = {"by": by, **({"catalogue": name} if by == "person" else {})}
        return {"name": name, "title": name, "url": "https://storage.example.org", "token": token, **more}

    made = site(
        portal={
            "enabled": True,
            "staging": {"remotes": [asked("dcache", "person", facility=SPALL, kind="webdav")]},
            "archive": {
                "sites": [asked("stfc", "person", facilities=[SPALL]), asked("open", "none", facilities=[SPALL])]
            },
        },
        tokens={name: {"audience": name, "facilities": [SPALL]} for name in ("dcache", "stfc", "open")},
    )
    assert set(storage_tokens(made)) == {"dcache", "stfc"}
