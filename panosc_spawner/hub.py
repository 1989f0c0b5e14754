"""From a site's folder to JupyterHub's configuration. Called by ``jupyterhub_config.py`` and by nothing else."""

from __future__ import annotations

import logging
import os
import secrets
import shlex
import sqlite3
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from panosc_spawner.access.broker import HubTokens
from panosc_spawner.access.install import Access
from panosc_spawner.audit import AuditLog
from panosc_spawner.errors import ConfigurationError, PeopleError
from panosc_spawner.facilities.load import load_site
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.communities_authenticator import CommunitiesAuthenticator
from panosc_spawner.identity.community import Community, load_community
from panosc_spawner.identity.context import LoginContext
from panosc_spawner.identity.logins import Logins
from panosc_spawner.identity.people import PeopleStore
from panosc_spawner.identity.setup import configure_authenticator
from panosc_spawner.notices import Notices
from panosc_spawner.pages.install import TEMPLATES, page_handlers, template_vars
from panosc_spawner.pages.requests import audited
from panosc_spawner.portal.desk import PortalDesk
from panosc_spawner.portal.handlers import portal_handlers
from panosc_spawner.portal.service import catalogue_audiences, portal_service, storage_tokens
from panosc_spawner.proposals.book import GrantBook
from panosc_spawner.secret_file import METRICS_TOKEN, METRICS_TOKEN_LENGTH, read_secret
from panosc_spawner.spawners.context import HubContext, audit_log
from panosc_spawner.spawners.docker import PanoscDockerSpawner
from panosc_spawner.spawners.docker_network import hub_address
from panosc_spawner.spawners.images_here import DockerImages, LocalImages
from panosc_spawner.spawners.local import PanoscLocalSpawner, isolation_warning
from panosc_spawner.spawners.quiet_proxy import QuietProxy, never_half

log = logging.getLogger(__name__)
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def configure(c: Any, folder: Path) -> None:
    """Set all that this hub needs on ``c``, from the site's folder.

    Raises:
        ConfigurationError: if the folder holds a mistake, or the identity provider or Docker do not answer.
            The hub then does not start: one that starts without Docker would forget its running servers.
    """
    site = load_site(folder)
    community = load_community(site.config.login.community, site.folder)
    _state(c, site)
    audit = audit_log(site)
    tokens = HubTokens()
    local = site.config.hub.spawner == "local"
    context = HubContext(
        site,
        GrantBook(site, broker=tokens),
        audit,
        notices=_notices(site),
        people=_people(site, audit),
        images=LocalImages(site) if local else DockerImages(site),
    )
    warning = ""
    _addresses(c, site)
    if local:
        warning = isolation_warning(site)
        _local(c)
    else:
        _docker(c, site)
    _servers(c, context)
    _login(c, site, community, context, tokens)
    _pages(c, context, community, warning)
    _services(c, site)


def _state(c: Any, site: Site) -> None:
    """Database and secrets beneath the state directory, which is the hub's alone."""
    directory = site.config.hub.state_dir
    try:
        if directory.is_dir() and any(directory.iterdir()) and not (directory / "crypt-key").exists():
            raise OSError("it holds other files, and is made the hub's alone")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        c.CryptKeeper.keys = [bytes.fromhex(_secret(directory / "crypt-key"))]
        c.ConfigurableHTTPProxy.auth_token = _secret(directory / "proxy-token")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            site.folder / "site.toml", "hub.state_dir", f"cannot be used: {error}", "give a directory the hub may write"
        ) from error
    c.JupyterHub.db_url = f"sqlite:///{directory / 'hub.sqlite'}"
    c.JupyterHub.db_kwargs = {
        "hide_parameters": True
    }  # a failing statement is logged, and its values are codes and tokens
    c.JupyterHub.cookie_secret_file = str(directory / "cookie-secret")
    # Each browser's own: who logs in anew elsewhere must not keep alive, for two weeks, where they forgot to log out.
    c.JupyterHub.cookie_max_age_days = site.config.access.max_session_age / timedelta(days=1)
    c.JupyterHub.pid_file = str(directory / "hub.pid")
    c.ConfigurableHTTPProxy.pid_file = str(directory / "proxy.pid")


def _secret(file: Path) -> str:
    """64 hex digits kept in a file that only the hub can read; made at the first start."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text("ascii").strip()
    with os.fdopen(descriptor, "w") as handle:
        handle.write(token := secrets.token_hex(32))
    return token


def _addresses(c: Any, site: Site) -> None:
    hub = site.config.hub
    if hub.demo and urlsplit(hub.bind_url).hostname not in LOOPBACK:
        raise ConfigurationError(
            site.folder / "site.toml", "hub.bind_url", "a demo listens on loopback only", "write http://127.0.0.1:8000"
        )
    c.JupyterHub.bind_url = hub.bind_url
    c.JupyterHub.public_url = hub.public_url
    if hub.user_domains:
        c.JupyterHub.subdomain_host = hub.public_url
        # Cookies that no server's host name can set for the hub's.
        c.JupyterHub.cookie_host_prefix_enabled = hub.public_url.startswith("https")
    elif urlsplit(hub.public_url).hostname not in LOOPBACK:
        log.warning(
            "hub.user_domains is off: whoever follows a link into another person's server gives its programs their own login here"
        )
    c.JupyterHub.hub_port = hub.port
    c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{hub.proxy_api_port}"
    c.ConfigurableHTTPProxy.command = never_half(proxy_command())
    c.JupyterHub.proxy_class = QuietProxy
    # Servers outlive a restart of the hub. A demo stops everything that it started.
    c.JupyterHub.cleanup_servers = hub.demo


def proxy_command() -> list[str]:
    """The command of the hub's proxy: the environment variable's, else the program beside our Python, else one on PATH."""
    if given := shlex.split(os.environ.get("PANOSC_PROXY_COMMAND", "")):
        return given
    beside = Path(sys.executable).parent / "configurable-http-proxy"
    return [str(beside) if beside.is_file() else beside.name]


def _docker(c: Any, site: Site) -> None:
    c.JupyterHub.spawner_class = PanoscDockerSpawner
    c.JupyterHub.hub_ip = hub_address(site)


def _local(c: Any) -> None:
    c.JupyterHub.spawner_class = PanoscLocalSpawner
    c.JupyterHub.hub_ip = "127.0.0.1"


def _servers(c: Any, context: HubContext) -> None:
    pulls = any(
        environment.pull != "never"
        for facility in context.site.facilities.values()
        for environment in facility.environments.values()
    )
    c.PlannedSpawner.context = context
    c.Spawner.http_timeout = 60
    # Of this, most may be waiting for a turn when a course begins; each step has a shorter time of its own.
    c.Spawner.start_timeout = 1800 if pulls else 600
    # Starts take turns (docker.starts); the hub's own limit would answer the hundred-and-first with an error.
    c.JupyterHub.concurrent_spawn_limit = 0
    c.Spawner.poll_interval = 15
    c.Spawner.apply_user_options = _options_are_read_at_start
    c.JupyterHub.allow_named_servers = True
    # The API makes a server of any name, started or not; the pages make only those of one's proposals.
    c.JupyterHub.named_server_limit_per_user = 1000
    c.JupyterHub.default_url = "/hub/home"
    c.JupyterHub.redirect_to_server = False


def _options_are_read_at_start(spawner: Any, options: Any) -> None:
    """Do nothing: ``PlannedSpawner.decide`` reads them, after the grants."""


def _login(c: Any, site: Site, community: Community, context: HubContext, tokens: HubTokens) -> None:
    c.JupyterHub.authenticator_class = CommunitiesAuthenticator
    logins = login_context(site, context)
    configure_authenticator(c, site, logins)
    access = Access(context, tokens, logins)
    portal = []
    if site.config.portal.enabled:
        portal = portal_handlers(PortalDesk(context, tokens, catalogue_audiences(site), storage_tokens(site)))
    c.CommunitiesAuthenticator.page_handlers = [*access.handlers, *portal, *page_handlers(context, community)]


def login_context(site: Site, context: HubContext) -> LoginContext:
    """What the logins share, in files of the state directory.

    Raises:
        ConfigurationError: if one of the files cannot be used.
    """
    assert context.people  # noqa: S101 - made above
    try:
        return LoginContext(context.people, context.audit, Logins(site.config.hub.state_dir / "logins.sqlite"))
    except (OSError, sqlite3.Error) as error:
        raise _not_usable(site, error) from error


def _notices(site: Site) -> Notices:
    """What people have not read yet."""
    try:
        return Notices(site.config.hub.state_dir / "notices.sqlite")
    except (OSError, sqlite3.Error) as error:
        raise _not_usable(site, error) from error


def _people(site: Site, audit: AuditLog) -> PeopleStore:
    """The book of people, which the pages and the logins share."""
    try:
        return PeopleStore(site.config.hub.state_dir / "people.sqlite", audit)
    except PeopleError as error:
        raise _not_usable(site, error) from error


def _not_usable(site: Site, error: Exception) -> ConfigurationError:
    return ConfigurationError(site.folder / "site.toml", "hub.state_dir", f"cannot be used: {error}")


def _pages(c: Any, context: HubContext, community: Community, warning: str) -> None:
    c.JupyterHub.template_paths = [TEMPLATES]
    c.JupyterHub.template_vars = template_vars(context, community, warning)
    c.JupyterHub.tornado_settings = {"log_function": audited(context.audit)}


def _services(c: Any, site: Site) -> None:
    """The keeper, which stops servers whose time is over and removes containers that no server owns; who reads metrics; the portal."""
    c.JupyterHub.services = [
        {"name": "keeper", "command": [sys.executable, "-m", "panosc_spawner.spawners.keeper", str(site.folder)]}
    ]
    c.JupyterHub.load_roles = [
        {
            "name": "keeper",
            "services": ["keeper"],
            "scopes": ["list:users", "read:servers", "admin:server_state", "delete:servers"],
        }
    ]
    if file := site.config.hub.metrics_token_file:
        token = read_secret(site.folder / file, METRICS_TOKEN, least=METRICS_TOKEN_LENGTH).get_secret_value()
        c.JupyterHub.services.append({"name": "prometheus", "api_token": token})
        c.JupyterHub.load_roles.append({"name": "metrics", "services": ["prometheus"], "scopes": ["read:metrics"]})
    if site.config.portal.enabled:
        c.JupyterHub.services.append(portal_service(site))
