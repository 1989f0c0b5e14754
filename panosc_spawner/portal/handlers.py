"""What the portal asks, over HTTP: ``/hub/panosc/portal/…``, in JSON, always with a person's token and never with a cookie."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from jupyterhub import orm
from jupyterhub.handlers.base import BaseHandler
from tornado import web

from panosc_spawner.errors import IdentityError
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.roles import PORTAL_ACCESS
from panosc_spawner.launch.model import Reason, Refusal
from panosc_spawner.metrics import PORTAL_QUESTIONS
from panosc_spawner.portal.desk import PortalDesk
from panosc_spawner.portal.service import CLIENT
from panosc_spawner.spawners.refused import Refused

KEY_SECONDS = 120
_MAX_QUESTION = 4096
_ENDED = Refusal(Reason.LOGIN_EXPIRED, "Your login has ended.", "Log in again.")
_NOT_HERE = Refusal(
    Reason.LOGIN_EXPIRED,
    "Only the portal may ask this, for somebody who is logged in there.",
    "Use the portal’s pages.",
)


class PortalHandler(BaseHandler):
    """A question of the portal's about the person whose token it has."""

    desk: PortalDesk
    question = ""
    any_token = False
    """Whether a person's own API token may ask, too, where it is good for the portal."""
    # JupyterHub's: a page of another site that a person looks at cannot make their browser ask.
    _accept_token_auth = True
    _accept_cookie_auth = False

    def get_content_type(self) -> str:
        """JSON, also for the errors of it."""
        return "application/json"

    def check_xsrf_cookie(self) -> None:
        """Nothing: no cookie counts here."""

    async def get(self) -> None:
        """Answer, or refuse in words."""
        self.set_header("Cache-Control", "no-store")
        if not self._may_ask():
            return self._refuse(401 if self.current_user is None else 403, _NOT_HERE)
        try:
            person = await self._person()
        except (KeyError, IdentityError):
            return self._refuse(401, _ENDED)
        try:
            answer = await self.answer(person)
        except Refused as refused:
            status = 403 if refused.refusal.reason is Reason.BAD_REQUEST else refused.status_code
            return self._refuse(status, refused.refusal)
        PORTAL_QUESTIONS.labels(self.question, "ok").inc()
        self.finish(json.dumps(answer))
        return None

    async def answer(self, person: Person) -> dict[str, Any]:
        """The answer's JSON.

        Raises:
            Refused: in words.
        """
        raise NotImplementedError

    def _may_ask(self) -> bool:
        token, user = self.get_token(), self.current_user
        if token is None or not isinstance(getattr(user, "orm_user", None), orm.User) or token.user is None:
            return False
        return bool(token.client_id == CLIENT or (self.any_token and self.has_scope(PORTAL_ACCESS)))

    async def _person(self) -> Person:
        user = self.current_user
        person = Person.from_state((await user.get_auth_state() or {})["person"])
        if person.username != user.name:
            raise IdentityError("the login is another account's")
        people = self.desk.context.people  # what was linked or unlinked a moment ago counts
        return replace(person, linked=people.linked(user.name, person.identity)) if people else person

    def _refuse(self, status: int, refusal: Refusal) -> None:
        PORTAL_QUESTIONS.labels(self.question, refusal.reason.value).inc()
        self.set_status(status)
        self.finish(json.dumps({"message": refusal.message, "remedy": refusal.remedy, "reason": refusal.reason.value}))

    def write_error(self, status_code: int, **values: Any) -> None:
        """JSON for whatever else goes wrong, without what it was: the hub has logged that."""
        ended = status_code in (401, 403)
        refusal = _ENDED if ended else Refusal(Reason.SERVER_FAILED, "The hub could not answer.", "Try again.")
        self._refuse(401 if ended else status_code, refusal)


class MeHandler(PortalHandler):
    """``/panosc/portal/me``: whose token this is, and that it still counts."""

    question = "me"
    any_token = True

    async def answer(self, person: Person) -> dict[str, Any]:
        """See the class."""
        return {"username": person.username, "display_name": person.display_name, "admin": person.admin}


class PersonHandler(PortalHandler):
    """``/panosc/portal/person``: what is theirs."""

    question = "person"
    any_token = True

    async def answer(self, person: Person) -> dict[str, Any]:
        """See the class."""
        return await self.desk.person(person, self.current_user)


class AskedHandler(PortalHandler):
    """A question with a body, of texts by name in JSON. Only by POST: it is written down, or changes something."""

    async def get(self) -> None:
        """A look is none."""
        raise web.HTTPError(405)

    async def post(self) -> None:
        """See the class."""
        await PortalHandler.get(self)

    def asked(self, *names: str) -> list[str]:
        """These of the texts; empty where one is missing.

        Raises:
            Refused: if the body is something else.
        """
        try:
            asked = json.loads(self.request.body[:_MAX_QUESTION])
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict) or not all(isinstance(value, str) for value in asked.values()):
            raise Refused(Refusal(Reason.BAD_REQUEST, "The question was not understood.", "Ask again."))
        return [asked.get(name, "") for name in names]


class DataHandler(AskedHandler):
    """``POST /panosc/portal/data`` (``{"proposal": "esrf/ma1234", "purpose": "download"}``): where it lies for them."""

    question = "data"

    async def answer(self, person: Person) -> dict[str, Any]:
        """See the class."""
        return await self.desk.data(person, *self.asked("proposal", "purpose"))


class CatalogueTokenHandler(AskedHandler):
    """``POST /panosc/portal/token`` (``{"catalogue": "ill"}``): a token of theirs for one catalogue of the site's."""

    question = "token"

    async def answer(self, person: Person) -> dict[str, Any]:
        """See the class."""
        self.set_header("Pragma", "no-cache")
        return {"token": await self.desk.token(person, *self.asked("catalogue"))}


class KeyHandler(AskedHandler):
    """``POST /panosc/portal/key`` (``{"server": …}``): a key to one running server of theirs, to put a file there.

    What the portal itself has opens all that is theirs, so it never goes to a server: whatever runs there could read it.
    """

    question = "key"

    async def answer(self, person: Person) -> dict[str, Any]:
        """See the class."""
        (name,) = self.asked("server")
        user = self.current_user
        spawner = user.spawners.get(name) if name in user.orm_spawners else None
        if not name or spawner is None or not spawner.ready:
            raise Refused(
                Refusal(Reason.BAD_REQUEST, "This server is not running now.", "Open the proposal, then try again.")
            )
        self.set_header("Pragma", "no-cache")
        scope = f"access:servers!server={user.name}/{name}"
        note = "The portal puts a file into this server"
        return {"key": user.new_api_token(note=note, expires_in=KEY_SECONDS, scopes=[scope])}


def portal_handlers(desk: PortalDesk) -> list[tuple[str, type[web.RequestHandler]]]:
    """The addresses and handlers of the portal's questions, before the hub's own."""
    return [
        (f"/panosc/portal/{kind.question}", type(kind.__name__, (kind,), {"desk": desk}))
        for kind in (MeHandler, PersonHandler, DataHandler, CatalogueTokenHandler, KeyHandler)
    ]
