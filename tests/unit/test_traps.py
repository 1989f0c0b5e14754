"""What has bitten others who built on JupyterHub, dockerspawner and oauthenticator: each trap by its words, and closed.

Those that need a real hub, Docker or login service are shown closed in ``tests/integration``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config

from panosc_spawner.errors import IdentityError
from panosc_spawner.facilities.load import load_site
from panosc_spawner.facilities.site import Site
from panosc_spawner.hub import configure
from panosc_spawner.identity.claims import ClaimRules, person_from
from panosc_spawner.identity.community import Community
from panosc_spawner.launch.model import Reason
from panosc_spawner.pages.open import OpenHandler
from panosc_spawner.spawners.context import HubContext
from panosc_spawner.spawners.docker import PanoscDockerSpawner
from panosc_spawner.spawners.docker_engine import Engine

SITE = """
[hub]
id = "traps"
facilities = ["demo"]
spawner = "local"
state_dir = "state"
{more}

[login]
community = "here"
client_id = "hub"

[home]
source = "/home/{{user}}"

[account]
kind = "shared"

[[sources]]
type = "file"
path = "proposals.toml"

[local]
isolation = "none"
"""

COMMUNITY = """
id = "here"
title = "Here"
description = "Those who are here."
issuer = "https://login.example"
token_auth = "none"
namespaces = ["urn:geant:here.example"]
[endpoints]
authorize = "https://login.example/authorize"
token = "https://login.example/token"
userinfo = "https://login.example/userinfo"
jwks = "https://login.example/jwks"
"""

Configured = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "communities").mkdir()
    (tmp_path / "communities/here.toml").write_text(COMMUNITY)
    (tmp_path / "proposals.toml").write_text("")
    (tmp_path / "site.toml").write_text(SITE.format(more=""))
    return tmp_path


@pytest.fixture
def configured(folder: Path) -> Configured:
    """The hub's configuration of a site, with more lines in its ``[hub]``."""

    def make(more: str = "") -> Any:
        (folder / "site.toml").write_text(SITE.format(more=more))
        configure(config := Config(), folder)
        return config

    return make


@pytest.fixture
def site(folder: Path) -> Site:
    return load_site(folder)


def test_a_container_that_is_kept_is_started_again_with_its_old_mounts(site: Site):
    spawner = PanoscDockerSpawner(context=HubContext(site, None))  # type: ignore[arg-type]
    assert spawner.remove is True


def test_one_docker_thread_freezes_all_polls_and_starts(site: Site):
    engine = Engine(site.config.docker.threads, make_client=lambda version: pytest.fail("nobody asked"))
    assert site.config.docker.threads > 1
    assert engine.quick is not engine._slow, "what waits for a container to end waits elsewhere"
    engine.close()


RULES = ClaimRules(Community.model_validate({"id": "c", "title": "C", "description": "", "issuer": "https://i.example",
    "namespaces": ("urn:geant:here.example",), "identity_claim": "sub"}), "https://i.example")  # fmt: skip


@pytest.mark.parametrize("claim", ["eduperson_entitlement", "entitlements"])
def test_groups_that_come_as_text_become_letters(claim: str):
    group = "urn:geant:here.example:group:a"
    person = person_from({"sub": "ada", claim: group}, RULES, datetime.now(UTC))
    assert person.entitlements == (group,)


@pytest.mark.parametrize("value", [{"groups": ["a"]}, 7, True, [["urn:geant:here.example:group:a"]], [None]])
def test_a_nested_claim_gives_no_groups_and_no_error(value: object):
    with pytest.raises(IdentityError, match="not a list of texts"):
        person_from({"sub": "ada", "entitlements": value}, RULES, datetime.now(UTC))


@pytest.mark.parametrize(
    "options",
    [
        {"proposals": ["demo/demo-001"], "path": "x", "self": "y", "image": "evil:latest"},
        {"proposals": [1, None, {"a": 2}], "environment": ["a", "b"]},
        {"proposals": [], "memory": {"a": 1}},
    ],
)
def test_stored_options_are_replayed_and_their_types_trusted(options: dict[str, object]):
    class Handler:
        asked: dict[str, str]

        def hub_url(self, path: str, **arguments: str) -> str:
            self.asked = arguments
            return path

    handler = Handler()
    assert OpenHandler._link(handler, options) == "open"  # type: ignore[arg-type]
    assert set(handler.asked) <= {"proposals", "environment", "memory", "cpu", "gpus"}
    assert all(isinstance(value, str) for value in handler.asked.values())


def test_a_memory_limit_that_is_asked_for_at_construction_is_frozen(configured: Configured):
    config = configured()
    for name in ("Spawner", "DockerSpawner", "PlannedSpawner", "PanoscDockerSpawner"):
        assert not {"mem_limit", "cpu_limit"} & set(config[name])
    assert not any(callable(value) for value in config.DockerSpawner.values())


def test_roles_of_the_hubs_own_names_replace_its_defaults_and_break_servers(configured: Configured):
    roles = configured().JupyterHub.load_roles
    assert {role["name"] for role in roles}.isdisjoint({"user", "server", "admin", "token"})


def test_a_shared_server_shares_its_mounts(configured: Configured):
    config = configured()
    scopes = [scope for role in config.JupyterHub.load_roles for scope in role["scopes"]]
    assert not [scope for scope in scopes if "share" in scope or scope.startswith("access:")]
    assert "extra_user_scopes" not in config.JupyterHub
    assert "server_token_scopes" not in config.Spawner


def test_an_upgrade_of_the_hub_stops_everybodys_servers(configured: Configured):
    assert configured().JupyterHub.cleanup_servers is False
    assert configured("demo = true").JupyterHub.cleanup_servers is True


def test_a_refusal_for_the_reason_error_or_timeout_loses_its_words():
    assert not {"error", "timeout"} & {reason.value for reason in Reason}


def test_a_person_cannot_fill_the_hubs_database_with_server_names(configured: Configured):
    assert 0 < configured().JupyterHub.named_server_limit_per_user <= 1000


def test_secrets_of_the_hub_are_readable_by_its_account_alone(folder: Path, configured: Configured):
    configured()
    assert (folder / "state").stat().st_mode & 0o777 == 0o700
    for name in ("crypt-key", "proxy-token"):
        assert (folder / "state" / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("address", ["http://0.0.0.0:8000", "http://192.0.2.7:8000", "http://127.0.0.1.example:80"])
def test_a_demo_that_others_can_reach_lets_anybody_be_anybody(configured: Configured, address: str):
    with pytest.raises(Exception, match="loopback"):
        configured(f'demo = true\nbind_url = "{address}"')


def test_the_proxys_own_api_is_not_for_servers(configured: Configured):
    config = configured()
    assert config.ConfigurableHTTPProxy.api_url.startswith("http://127.0.0.1:")
    assert len(config.ConfigurableHTTPProxy.auth_token) == 64
