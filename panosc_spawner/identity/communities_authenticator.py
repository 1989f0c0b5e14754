"""The hub's authenticator: one or more communities to log in with, each with an authenticator of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from jupyterhub.auth import Authenticator
from jupyterhub.utils import url_path_join
from traitlets import Any as AnyTrait
from traitlets import Dict, Float, Instance, List, TraitError, Unicode, default, validate

from panosc_spawner.audit import AuditLog, Event
from panosc_spawner.errors import IdentityError, PeopleError, TokenError
from panosc_spawner.identity.attempts import Attempt
from panosc_spawner.identity.authenticator import PanoscAuthenticator
from panosc_spawner.identity.backchannel import BackchannelLogoutHandler, seen_logouts
from panosc_spawner.identity.context import EndedHook, LoginContext
from panosc_spawner.identity.exchange import GivenToken, SubjectTokenRefused, exchanged
from panosc_spawner.identity.fixed import HUB, require_fixed
from panosc_spawner.identity.login import BeginHandler, CallbackHandler, LoginPageHandler
from panosc_spawner.identity.logins import ProvenLogin
from panosc_spawner.identity.logout import LogoutHandler
from panosc_spawner.identity.people import PeopleStore
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.refresh import Renewals
from panosc_spawner.identity.refusals import LoginRefused
from panosc_spawner.identity.renewal import Renewal
from panosc_spawner.identity.roles import roles_of

__all__ = ["CommunitiesAuthenticator"]


class CommunitiesAuthenticator(Authenticator):
    """What the hub logs people in with; :func:`~.setup.configure_authenticator` sets it up from a site."""

    logins = List(
        Dict(),
        config=True,
        help="Settings of one PanoscAuthenticator for each community, the first one first. Made from [login] of site.toml.",
    )
    context = Instance(
        LoginContext, config=True, help="What the logins of this hub share: people, audit log, sessions."
    )
    public_url = Unicode(
        config=True, help="Where people reach the hub: for coming back from a logout at the login service."
    )
    login_service = Unicode("your community", config=True, help="Named on the login page.")
    custom_403_message = Unicode(
        "Your login may not use this hub. Ask the people who run it.",
        config=True,
        help="Shown to people who are known to their community, but may not be here.",
    )
    outage_grace = Float(
        3600.0,
        min=0.0,
        config=True,
        help="Seconds since somebody's claims were last seen that they stay logged in while the login service is down. "
        "Longer: whoever was locked out there works here longer. It does not end before the hub itself heard nothing for "
        "two minutes (or the grace, if that is shorter): after a sleep, or when the clock is set, there is time to ask.",
    )
    max_session_age = Float(
        43200.0,
        min=60.0,
        config=True,
        help="Seconds after which people log in anew, whatever the login service says: some tell what they knew at the login.",
    )
    page_handlers = List(
        AnyTrait(),
        config=True,
        help="Handlers of the hub's own pages, (pattern, class) or (pattern, class, arguments). They come before JupyterHub's.",
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in HUB:  # a validator does not see a value that equals the parent's default
            require_fixed("CommunitiesAuthenticator", HUB, name, getattr(self, name))
        if not self.logins or self.context is None:
            raise TraitError("CommunitiesAuthenticator needs its logins: call configure_authenticator.")
        self.communities: dict[str, PanoscAuthenticator] = {}
        for settings in self.logins:
            made = PanoscAuthenticator(parent=self, context=self.context, **settings)
            self.communities[made.community.id] = made
        self._renewals = Renewals(self)

    # -- settings ----------------------------------------------------------------------------------------------------

    @validate(*HUB)
    def _is_fixed(self, proposal: Any) -> Any:
        require_fixed("CommunitiesAuthenticator", HUB, proposal.trait.name, proposal.value)
        return proposal.value

    @validate("auth_refresh_age")
    def _refreshes(self, proposal: Any) -> Any:
        if not 0 < proposal.value <= 3600:
            raise TraitError(
                "CommunitiesAuthenticator.auth_refresh_age must be 1 to 3600 seconds: a right taken away must be seen."
            )
        return proposal.value

    @default("enable_auth_state")
    def _enable_auth_state_default(self) -> bool:
        return True

    @default("auth_refresh_strict")
    def _auth_refresh_strict_default(self) -> bool:
        return True

    @default("refresh_pre_spawn")
    def _refresh_pre_spawn_default(self) -> bool:
        return True

    @default("manage_roles")
    def _manage_roles_default(self) -> bool:
        return True

    @default("reset_managed_roles_on_startup")
    def _reset_managed_roles_on_startup_default(self) -> bool:
        return True  # without it, JupyterHub 6.1.1 does not start again once somebody was given a role (a KeyError)

    async def load_managed_roles(self) -> list[dict[str, Any]]:
        """The roles that logins give; who has them stays as it is until their next request. Called by JupyterHub when it starts."""
        return roles_of(admin=True)

    @default("any_allow_config")
    def _any_allow_config_default(self) -> bool:
        return True  # check_allowed decides; the hub need not warn that nobody can log in

    @default("reconcile_auth_state_hook")
    def _reconcile_default(self) -> Any:
        return self._reconciled

    @validate("reconcile_auth_state_hook")
    def _reconciles(self, proposal: Any) -> Any:
        if proposal.value != self._reconciled:
            raise TraitError(
                "CommunitiesAuthenticator.reconcile_auth_state_hook cannot be another: it keeps tokens that were spent from coming "
                "back. Remove this setting."
            )
        return proposal.value

    def _reconciled(
        self, authenticator: Any, model: Mapping[str, Any], stored: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """The state to store. Called by JupyterHub at each login and refresh, right before it stores it."""
        return dict(self.context.logins.newer_state(model["auth_state"], stored))

    # -- for the hub's other parts -----------------------------------------------------------------------------------

    @property
    def people(self) -> PeopleStore:
        """Which identity is whose."""
        return self.context.people

    @property
    def audit(self) -> AuditLog:
        """Where logins are written down."""
        return self.context.audit

    @property
    def on_start(self) -> list[Any]:
        """Called once with the JupyterHub application, when it has started."""
        return self.context.on_start

    @property
    def ended_hooks(self) -> list[EndedHook]:
        """Awaited when a login ended."""
        return self.context.ended_hooks

    @property
    def first(self) -> PanoscAuthenticator:
        """The community that the site names first."""
        return next(iter(self.communities.values()))

    def community(self, id: str) -> PanoscAuthenticator | None:
        """The authenticator of a community; None if the site has none of this name."""
        return self.communities.get(id)

    async def renew(self, user: Any) -> Renewal:
        """Ask the login service again about a person; see :meth:`.Renewals.renew`."""
        return await self._renewals.renew(user)

    async def exchange_token(self, user: Any, audience: str, scope: str = "") -> GivenToken:
        """A fresh token of this person's login that is good for one audience (RFC 8693).

        Raises:
            TokenError: in words, if there is none to be had now.
        """
        for attempt in (1, 2):
            state = await user.get_auth_state() or {}
            login, token = self._login_of(state), state.get("access_token")
            if login is None or not token:
                break
            try:
                return await exchanged(login, token, audience, scope)
            except SubjectTokenRefused:
                if attempt == 2:
                    raise
            renewal = await self.renew(user)
            if renewal.model is None:
                break
            await user.save_auth_state(self._reconciled(self, renewal.model, await user.get_auth_state()))
        raise TokenError("Your login has ended. Log in again, and ask for the token again.")

    def _login_of(self, state: Mapping[str, Any]) -> PanoscAuthenticator | None:
        """The authenticator of a stored login that is not over."""
        try:
            person, login = Person.from_state(state["person"]), ProvenLogin.from_state(state["login"])
        except (KeyError, TypeError, IdentityError):
            return None
        return None if self.context.logins.ended(login.id) else self.community(person.community)

    # -- called by JupyterHub ----------------------------------------------------------------------------------------

    def login_url(self, base_url: str) -> str:
        """Where a login begins; with several communities it leads to the page that shows them."""
        return str(url_path_join(base_url, "oauth_login"))

    def get_handlers(self, app: Any) -> list[Any]:
        """The hub's own pages, then the logins'. JupyterHub puts its own handlers after these."""
        if app is not None:
            self._starting = asyncio.get_running_loop().create_task(self._start(app))
        ours: list[Any] = [
            (r"/login", LoginPageHandler),
            (r"/oauth_login", BeginHandler),
            (r"/logout", LogoutHandler),
        ]
        for place, (id, login) in enumerate(self.communities.items()):
            path = f"/{id}" if place else ""
            ours.append((f"/oauth_callback{path}", CallbackHandler, {"community": id}))
            ours.append(
                (
                    f"/backchannel-logout{path}",
                    BackchannelLogoutHandler,
                    {"hub": self, "login": login, "seen": seen_logouts()},
                )
            )
        return [*self.page_handlers, *ours]

    async def _start(self, app: Any) -> None:
        await app._start_future  # JupyterHub's: its start is complete
        for starts in self.on_start:
            try:
                starts(app)
            except Exception:  # the others must begin all the same: one of them watches over everybody's access
                self.log.critical("A part of the hub could not begin", exc_info=True)

    async def authenticate(self, handler: Any, data: Any = None, **kwargs: Any) -> dict[str, Any] | None:
        """The auth model of a login attempt that came back. Called by :class:`.CallbackHandler`, through JupyterHub.

        Raises:
            LoginRefused: in words for the person.
        """
        attempt = data.get("attempt") if isinstance(data, Mapping) else None
        if not isinstance(attempt, Attempt):  # a form that somebody posted: there are no passwords here
            return None
        login = self.community(attempt.community)
        return await login.log_in(attempt, data["code"]) if login else None

    async def check_allowed(self, username: str, authentication: Any = None) -> bool:
        """Whether this person may be here; their community's authenticator decides.

        Raises:
            LoginRefused: with words for the person.
        """
        try:
            person = Person.from_state(((authentication or {}).get("auth_state") or {})["person"])
        except (KeyError, TypeError, IdentityError):
            return False
        login = self.community(person.community)
        return login is not None and await login.check_allowed(username, authentication)

    async def run_post_auth_hook(self, handler: Any, auth_model: dict[str, Any]) -> dict[str, Any]:
        """Write an allowed login down, in the book of people and among the logins. Called by JupyterHub, last.

        Raises:
            LoginRefused: in words, if the identity may not log in or the book of people cannot be written.
        """
        model: dict[str, Any] = await super().run_post_auth_hook(handler, auth_model)
        person = Person.from_state(model["auth_state"]["person"])
        login = self.communities[person.community]
        proven = ProvenLogin.from_state(model["auth_state"]["login"])
        try:
            login.admit(person)
        except IdentityError as error:
            raise LoginRefused("identity", str(error)) from error
        except PeopleError as error:
            self.log.error("The book of people cannot be written: %s", error)
            raise LoginRefused(
                "people", "This hub cannot store who you are right now. Try again later.", 503
            ) from error
        self.context.logins.begin(proven, person.issuer, person.username)
        self.audit.record(
            Event.LOGIN, person=person.username, identity=str(person.identity), community=person.community
        )
        return model

    async def refresh_user(self, user: Any, handler: Any = None, **kwargs: Any) -> bool | dict[str, Any]:
        """Ask the login service again about somebody at work. Called by JupyterHub, for requests.

        Returns:
            The new auth model; True to go on as before because the login service is down; False if the person must log in.
        """
        # JupyterHub 6.1.1 reads this after a False, but sets it for tokens only: a browser's request would end in an error.
        if handler is not None and not hasattr(handler, "_token_authenticated"):
            handler._token_authenticated = False
        renewal = await self.renew(user)
        if renewal.ending:
            await self.context.ended(user.name, renewal.ending, "found at a request")
            return False
        return dict(renewal.model) if renewal.model is not None else True
