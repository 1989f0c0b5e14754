"""From a site to the hub's configuration: secrets, addresses, and what is refused when it is loaded."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy
from launch_support import site
from traitlets.config import Config

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.site import Site
from panosc_spawner.hub import _addresses, _services, _state


def with_hub(folder: Path, **hub: object) -> Site:
    made = site()
    changed = made.config.hub.model_copy(update={"state_dir": folder, **hub})
    return replace(made, config=made.config.model_copy(update={"hub": changed}))


def test_secrets_are_the_hubs_alone_and_stay(tmp_path: Path) -> None:
    state = tmp_path / "state"
    first, second = Config(), Config()
    _state(first, with_hub(state))
    _state(second, with_hub(state))
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in state.iterdir()} == {0o600}
    assert first.CryptKeeper["keys"] == second.CryptKeeper["keys"]
    assert len(first.CryptKeeper["keys"][0]) == 32
    assert first.ConfigurableHTTPProxy.auth_token == second.ConfigurableHTTPProxy.auth_token


def test_a_browsers_cookie_is_good_no_longer_than_a_session(tmp_path: Path) -> None:
    config = Config()
    _state(config, with_hub(tmp_path / "state"))
    assert config.JupyterHub.cookie_max_age_days * 24 == 12  # access.max_session_age; JupyterHub's own are 14 days


def test_a_directory_with_other_files_is_not_made_the_hubs_own(tmp_path: Path) -> None:
    shared = tmp_path / "lib"
    shared.mkdir(mode=0o755)
    (shared / "somebody-elses").write_text("")
    with pytest.raises(ConfigurationError, match="holds other files"):
        _state(Config(), with_hub(shared))
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755


def test_a_spoilt_key_is_a_mistake_in_words(tmp_path: Path) -> None:
    (tmp_path / "crypt-key").write_text("not hexadecimal")
    with pytest.raises(ConfigurationError, match=r"hub\.state_dir"):
        _state(Config(), with_hub(tmp_path))


def test_a_demo_listens_on_loopback_only(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="loopback only"):
        _addresses(Config(), with_hub(tmp_path, demo=True, bind_url="http://0.0.0.0:8000"))


@pytest.mark.parametrize("demo", [True, False])
def test_servers_outlive_the_hub_but_not_the_demo(tmp_path: Path, demo: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANOSC_PROXY_COMMAND", "true")
    config = Config()
    _addresses(config, with_hub(tmp_path, demo=demo))
    assert config.JupyterHub.cleanup_servers is demo


@pytest.mark.parametrize(
    ("scheme", "host_cookies"), [("https://hub.example.org", True), ("http://localhost:8000", False)]
)
def test_peoples_servers_are_other_sites_to_browsers_than_the_hub(
    tmp_path: Path, scheme: str, host_cookies: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PANOSC_PROXY_COMMAND", "true")
    config = Config()
    _addresses(config, with_hub(tmp_path, public_url=scheme, user_domains=True))
    assert config.JupyterHub.subdomain_host == scheme
    assert config.JupyterHub.cookie_host_prefix_enabled is host_cookies
    assert not caplog.text
    one_site = Config()
    _addresses(one_site, with_hub(tmp_path, public_url="https://hub.example.org"))
    assert "subdomain_host" not in one_site.JupyterHub
    assert "hub.user_domains is off" in caplog.text


def test_prometheus_may_read_metrics_and_nothing_else(tmp_path: Path) -> None:
    token = tmp_path / "metrics-token"
    token.write_text("t" * 40 + "\n")
    token.chmod(0o600)
    config = Config()
    _services(config, with_hub(tmp_path, metrics_token_file=token))
    assert config.JupyterHub.services[1] == {"name": "prometheus", "api_token": "t" * 40}
    assert config.JupyterHub.load_roles[1]["scopes"] == ["read:metrics"]
    none = Config()
    _services(none, with_hub(tmp_path))
    assert [service["name"] for service in none.JupyterHub.services] == ["keeper"]


def test_a_token_for_metrics_that_others_can_read_is_refused(tmp_path: Path) -> None:
    token = tmp_path / "metrics-token"
    token.write_text("t" * 40)
    token.chmod(0o644)
    with pytest.raises(ConfigurationError, match="can be read by others"):
        _services(Config(), with_hub(tmp_path, metrics_token_file=token))


def test_a_short_token_for_metrics_is_refused(tmp_path: Path) -> None:
    token = tmp_path / "metrics-token"
    token.write_text("t" * 31)
    token.chmod(0o600)
    with pytest.raises(ConfigurationError, match="less than 32 characters"):
        _services(Config(), with_hub(tmp_path, metrics_token_file=token))


def test_statements_that_fail_are_logged_without_their_values(tmp_path: Path) -> None:
    c = Config()
    _state(c, with_hub(tmp_path))
    engine = sqlalchemy.create_engine("sqlite://", **c.JupyterHub.db_kwargs)
    with engine.connect() as connection, pytest.raises(sqlalchemy.exc.OperationalError) as failed:
        connection.execute(sqlalchemy.text("insert into oauth_codes values (:code)"), {"code": "secret-code"})
    engine.dispose()
    assert "secret-code" not in str(failed.value)
