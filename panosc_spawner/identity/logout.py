"""Log out of the hub, and at the login service where it offers that (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyterhub import orm
from jupyterhub.handlers.login import LogoutHandler as HubLogoutHandler
from jupyterhub.utils import url_path_join
from tornado.httputil import url_concat

from panosc_spawner.audit import Event
from panosc_spawner.errors import IdentityError
from panosc_spawner.identity.authenticator import PanoscAuthenticator
from panosc_spawner.identity.logins import ProvenLogin
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.renewal import Ending

MAX_URL = 6000
"""Characters of an address that any server takes. An ID token that makes it longer is left out; the provider then asks."""

LEAVING = "panosc-leaving"
"""Cookie of a browser that was sent to the login service for logging out."""

_TOKENS = ("access_token", "refresh_token", "id_token")


class LogoutHandler(HubLogoutHandler):
    """``/logout``."""

    provider_url = ""
    login_title = ""

    async def handle_logout(self) -> None:
        """End the login here, and know where it ends there. Called by JupyterHub, when its cookies are cleared."""
        user = self.current_user
        if user is None:
            return
        # JupyterHub only asks the browser to forget its cookie; a copy of it would still be good, for two weeks.
        user.orm_user.cookie_id = orm.new_token()
        self.db.commit()
        state = await user.get_auth_state() or {}
        try:
            person, login = Person.from_state(state["person"]), ProvenLogin.from_state(state["login"])
        except (KeyError, TypeError, IdentityError):
            return
        self.authenticator.audit.record(
            Event.LOGOUT, person=user.name, identity=str(person.identity), community=person.community
        )
        community = self.authenticator.community(person.community)
        self.login_title = community.login_service if community is not None else ""
        if community is not None and community.endpoints.end_session and community.community.logout == "provider":
            # The provider will end the tokens, and may report that on the back channel. By then it is known here: it was the
            # person's wish, so what they started goes on.
            self.authenticator.context.logins.end(login.id, Ending.NO_LOGIN)
            await user.save_auth_state({name: value for name, value in state.items() if name not in _TOKENS})
            self.provider_url = self._end_session_url(community, state)
            self._set_cookie(
                LEAVING, community.community.id, max_age=600, expires_days=None, path=self.hub.base_url, samesite="Lax"
            )

    def _end_session_url(self, login: PanoscAuthenticator, state: Mapping[str, Any]) -> str:
        back = url_path_join(self.authenticator.public_url, "hub/logout")
        arguments = {"client_id": login.client_id, "post_logout_redirect_uri": back}
        if state.get("id_token"):
            with_hint = str(url_concat(login.endpoints.end_session, {"id_token_hint": state["id_token"], **arguments}))
            if len(with_hint) <= MAX_URL:
                return with_hint
        return str(url_concat(login.endpoints.end_session, arguments))

    async def render_logout_page(self) -> None:
        """To the login service, which sends people back here; or the page that says what is over and what is not."""
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "no-referrer")
        # By GET, with the ID token in the address, although a POST would keep it out of the provider's access log: a form of ours is
        # a request from another site, without the provider's own cookies where they are SameSite=Lax, which is what browsers take
        # for granted. It would know nobody to log out, and the next person at this computer would be logged in as the last one.
        # What is in the address opens nothing: an ID token is no credential, and the hub takes it only with its attempt's nonce.
        if self.provider_url:
            self.redirect(self.provider_url, status=303)
            return
        left = self._left()
        title = self.login_title or (left.login_service if left else "")
        self.finish(await self.render_template("logout.html", login_title=title, ended_there=left is not None))

    def _left(self) -> PanoscAuthenticator | None:
        """The community that this browser was just sent to for logging out; once."""
        id = (self.get_secure_cookie(LEAVING, max_age_days=1) or b"").decode("utf-8", "replace")
        if not id:
            return None
        self.clear_cookie(LEAVING, path=self.hub.base_url)
        community: PanoscAuthenticator | None = self.authenticator.community(id)
        return community
