"""The hub's authenticator with one community and a scripted provider, and the steps of a login after the callback."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from token_support import id_claims, sign
from tornado import web
from traitlets.config import Config

from panosc_spawner.audit import AuditLog
from panosc_spawner.identity.attempts import Attempt
from panosc_spawner.identity.communities_authenticator import CommunitiesAuthenticator
from panosc_spawner.identity.community import Endpoints
from panosc_spawner.identity.context import LoginContext
from panosc_spawner.identity.logins import Logins
from panosc_spawner.identity.people import PeopleStore
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.username import username_for

_HUB = ("outage_grace", "max_session_age", "blocked_users", "auth_refresh_age", "page_handlers", "custom_403_message")
_folders = []  # the books of people of this process's tests; removed at its end


def endpoints(url, **changes):
    """What a provider at this address offers."""
    known = {"authorize": f"{url}/authorize", "token": f"{url}/token", "userinfo": f"{url}/userinfo"}
    return Endpoints(**(known | {"jwks": f"{url}/jwks"} | changes))


def make_context(folder=None):
    """A book of people, an audit log and logins, of their own."""
    if folder is None:
        _folders.append(TemporaryDirectory())
        folder = Path(_folders[-1].name)
    audit = AuditLog(folder / "audit.jsonl")
    return LoginContext(PeopleStore(folder / "people.sqlite", audit), audit, Logins(folder / "logins.sqlite"))


def login_settings(community, url, **settings):
    """The settings of one login."""
    found = settings.pop("endpoints", None) or endpoints(url)
    known = {
        "community": community,
        "issuer": community.issuer,
        "endpoints": found,
        "authorize_url": found.authorize,
        "token_url": found.token,
        "userdata_url": found.userinfo,
        "oauth_callback_url": "http://127.0.0.1:8000/hub/oauth_callback",
        "client_id": "hub",
        "http_request_kwargs": {"connect_timeout": 1.0, "request_timeout": 1.0},
    }
    return known | settings


def make_hub(community, url="http://127.0.0.1:9", *, context=None, **settings):
    """The authenticator; settings of the hub's and of the community's are told apart."""
    config = Config()
    for name in [name for name in settings if name in _HUB]:
        setattr(config.CommunitiesAuthenticator, name, settings.pop(name))
    config.CommunitiesAuthenticator.logins = [login_settings(community, url, **settings)]
    config.CommunitiesAuthenticator.context = context or make_context()
    config.CommunitiesAuthenticator.public_url = "http://127.0.0.1:8000"
    return CommunitiesAuthenticator(config=config)


async def log_in(provider, hub, *, tokens=None, attempt=None, **claims):
    """All that JupyterHub does with a code; the auth model, or the words of a refusal, or None."""
    attempt = attempt or Attempt.begin(hub.first.community.id)
    answer = {"access_token": "at", "token_type": "Bearer", "refresh_token": "rt"} | (tokens or {})
    answer |= {"id_token": sign(id_claims(**({"nonce": attempt.nonce} | claims)))}
    if provider.token[0] == 200 if isinstance(provider.token, tuple) else False:
        provider.token = (200, answer)
    try:
        return await hub.get_authenticated_user(None, {"attempt": attempt, "code": "c"})
    except web.HTTPError as error:
        return str(error.log_message)


def logged_in_state(subject, community, *, age=timedelta(minutes=10), since=None, login=None, **changes):
    """The stored state of a login whose claims were last seen so long ago."""
    now = datetime.now(UTC)
    name = username_for(community.issuer, subject)
    person = Person(community.issuer, subject, name, "Ada", community.id, now - age, logged_in_at=now - (since or age))
    state = {"access_token": "at", "refresh_token": "rt", "id_token": "old", "token_type": "Bearer", "scope": "openid"}
    state |= {"login": {"id": "login-1", "subject": "x", "sid": "", "nonce": "n-0123456789", "acr": ""} | (login or {})}
    return state | {"person": replace(person, **changes).to_state()}


class User:
    """What a refresh needs of JupyterHub's User."""

    def __init__(self, state, name):
        self.name, self.state, self.saved = name, state, []

    async def get_auth_state(self):
        return self.state

    async def save_auth_state(self, state):
        self.state = state
        self.saved.append(state)
