"""“My identities”: who I am here, with which logins I get in, how to link another one and how to unlink one.

Linking and unlinking are steps of :mod:`~panosc_spawner.identity.linking`: here are the pages of it, and what a person has to
know before they say yes.
"""

from __future__ import annotations

from typing import Any

from tornado import web

from panosc_spawner.errors import IdentityError, PeopleError
from panosc_spawner.identity import linking
from panosc_spawner.identity.linking import Linking
from panosc_spawner.identity.people import PeopleStore
from panosc_spawner.identity.people_model import State
from panosc_spawner.identity.person import Identity, Person
from panosc_spawner.identity.refusals import LoginRefused
from panosc_spawner.launch.model import Reason, Refusal
from panosc_spawner.pages.handler import PageHandler
from panosc_spawner.pages.identities import history_of, logins_of, session_of, title_of

_DONE = {
    "linked": "The login is linked. From now on you get in here with either of them.",
    "cancelled": "Nothing was changed.",
}
_STOP_FIRST = "Stop them on your page, then come back. Your files are kept."


class AccountPage(PageHandler):
    """What the pages about one's logins share."""

    @property
    def people(self) -> PeopleStore:
        """The book of people."""
        people = self.pages.context.people
        if people is None:
            raise web.HTTPError(404, "This hub has no list of identities.")
        return people

    @property
    def titles(self) -> dict[str, str]:
        """What the site's communities are called, by issuer."""
        return {login.issuer: login.community.title for login in self.authenticator.communities.values()}

    def require_browser(self) -> None:
        """Refuse programs: whose logins an account has is for the person at the browser to say.

        Raises:
            web.HTTPError: 403, for a request with a token.
        """
        self.require("read:servers")
        if self.get_auth_token():
            raise web.HTTPError(403, "Only the person at the browser can do this, not a program with a token.")

    def write_error(self, status_code: int, **values: Any) -> None:
        """A book that cannot be used is not the person's mistake. Called by tornado."""
        error = (values.get("exc_info") or (None, None, None))[1]
        if isinstance(error, PeopleError):
            self.log.error("%s", error)
            words = "This hub cannot look up identities right now. Try again in a few minutes."
            values["exc_info"] = (web.HTTPError, web.HTTPError(503, words), None)
            self.set_status(503)
            status_code = 503
        super().write_error(status_code, **values)

    async def follow(self) -> None:
        """Let what was just changed take effect, in this request."""
        await self.authenticator.context.links.catch_up()

    async def show_account(self, refusal: Refusal | None = None) -> None:
        """The page, with a refusal of what was just tried."""
        person = await self.person()
        await self.show(
            "account.html",
            person=person,
            session=session_of(person, self.pages.context.site.config.access.max_session_age),
            logins=logins_of(self.people, person, self.titles),
            history=history_of(self.people, person.username, self.titles),
            cards=[login.community for login in self.authenticator.communities.values()],
            done=_DONE.get(self.get_query_argument("done", ""), ""),
            refusal=refusal,
        )

    async def refuse(self, message: str, remedy: str = "") -> None:
        """The page again, with the reason why something cannot be."""
        self.set_status(409)
        await self.show_account(Refusal(Reason.BAD_REQUEST, message, remedy))

    def running(self, username: str) -> int:
        """How many servers of somebody run, start or stop."""
        user = self.find_user(username)
        if user is None:
            return 0
        stored = {name for name, spawner in user.orm_spawners.items() if spawner.server is not None}
        return len(stored | {name for name, spawner in user.spawners.items() if spawner.active})


class AccountHandler(AccountPage):
    """``/account``: who I am here."""

    @web.authenticated
    async def get(self) -> None:
        """The page."""
        self.require("read:servers")
        await self.show_account()


class _Begins(AccountPage):
    """An address that only a form is sent to."""

    @web.authenticated
    async def get(self) -> None:
        """A reload changes nothing."""
        self.go(self.hub_url("account"))


class LinkHandler(_Begins):
    """``POST /account/link``: begin to link a login of a community."""

    @web.authenticated
    async def post(self) -> None:
        """First the login that the account has is shown again."""
        self.require_browser()
        wanted = self.get_body_argument("community", "")
        if wanted not in self.authenticator.communities:
            return await self.refuse("This hub has no such community.", "Choose one of those below.")
        person = await self.person()
        linking.keep(self, Linking.begin("link", person.username, wanted=wanted))
        self.go(linking.sign_in_url(self, person.community))


class UnlinkHandler(_Begins):
    """``POST /account/unlink``: begin to unlink a login."""

    @web.authenticated
    async def post(self) -> None:
        """First a login that stays is shown, so that nobody locks themselves out."""
        self.require_browser()
        person = await self.person()
        target = Identity(self.get_body_argument("issuer", ""), self.get_body_argument("subject", ""))
        stay = [one for one in self.people.identities_of(person.username) if one != target]
        if target not in self.people.identities_of(person.username):
            return await self.refuse("This login does not belong to your account.", "The list below is of now.")
        if not stay:
            return await self.refuse("This is your only login: without it nobody could open your account.")
        if running := self.running(person.username):
            return await self.refuse(f"You have {_servers(running)} running.", _STOP_FIRST)
        community = self._community(person, stay)
        if not community:
            return await self.refuse(
                "None of your other logins can be used at this hub any more.", "Link another one first."
            )
        linking.keep(self, Linking.begin("unlink", person.username, target=target))
        self.go(linking.sign_in_url(self, community))

    def _community(self, person: Person, stay: list[Identity]) -> str:
        """Where to sign in with a login that stays: the present one, if it does."""
        stay = sorted(stay, key=lambda one: one != person.identity)
        by_issuer = {login.issuer: id for id, login in self.authenticator.communities.items()}
        return next((by_issuer[one.issuer] for one in stay if one.issuer in by_issuer), "")


class ConfirmHandler(AccountPage):
    """``/account/confirm``: what is still to show; the question, when all is proven; and the answer to it."""

    @web.authenticated
    async def get(self) -> None:
        """The next sign-in, or the question."""
        self.require_browser()
        step = linking.kept(self)
        if step and step.kind == "link" and step.kept and not step.other:
            wanted = self.authenticator.communities[step.wanted].community
            url = linking.sign_in_url(self, step.wanted)
            return await self.show("account_next.html", step=step, community=wanted, url=url)
        await self._ask()

    @web.authenticated
    async def post(self) -> None:
        """The person said yes, or no."""
        self.require_browser()
        step = linking.kept(self)
        if self.get_body_argument("answer", "") != "yes":
            linking.forget(self)
            return self.go(self.hub_url("account", done="cancelled"))
        if step is None or not step.proven:
            return self._begin_again()
        if self._in_the_way(step):
            return await self._ask()
        linking.forget(self)
        try:
            if not linking.used_now(step):
                return self._begin_again()
            await (self._link(step) if step.kind == "link" else self._unlink(step))
        except IdentityError as error:
            await self.refuse(str(error))

    async def _link(self, step: Linking) -> None:
        linking.link(self.people, step, leaving=self.get_body_argument("leaving", ""))
        await self.follow()
        self.go(self.hub_url("account", done="linked"))

    async def _unlink(self, step: Linking) -> None:
        back = linking.unlink(self.people, step)
        await self.follow()
        self.clear_login_cookie()
        self.go(self.hub_url("account/unlinked", back="1" if back else ""))

    async def _ask(self) -> None:
        step = linking.kept(self)
        if step is None or not step.proven:
            return self._begin_again()
        try:
            view = self._link_question(step) if step.kind == "link" else self._unlink_question(step)
        except LoginRefused as refused:
            linking.forget(self)
            return await self.refuse(refused.words)
        if view["running"]:
            self.set_status(409)
        await self.show("account_confirm.html", step=step, person=await self.person(), **view)

    def _link_question(self, step: Linking) -> dict[str, Any]:
        assert step.other  # noqa: S101 - `proven` says so
        known = linking.require_linkable(
            self.people, step.for_user, step.other.identity, self.authenticator.blocked_users
        )
        leaving = known.username if known and known.state is State.ACTIVE else ""
        return {
            "leaving": leaving,
            "since": made.time if (made := self.people.made(leaving)) else None,
            "others_there": len(self.people.identities_of(leaving)) - 1 if leaving else 0,
            "own_home": "{user}" in self.pages.context.site.config.home.source,
            "running": self.running(leaving) if leaving else 0,
            "titles": self.titles,
            "title_of": title_of,
        }

    def _unlink_question(self, step: Linking) -> dict[str, Any]:
        assert step.target  # noqa: S101 - as above
        return {
            "back": self.people.goes_back_to(step.target),
            "running": self.running(step.for_user),
            "titles": self.titles,
            "title_of": title_of,
        }

    def _in_the_way(self, step: Linking) -> bool:
        """Whether servers run that would lose what they stand on."""
        if step.kind == "unlink":
            return self.running(step.for_user) > 0
        leaving = self.get_body_argument("leaving", "")
        return bool(leaving) and self.running(leaving) > 0

    def _begin_again(self) -> None:
        linking.forget(self)
        self.go(self.hub_url("account", done="cancelled"))


class UnlinkedHandler(AccountPage):
    """``/account/unlinked``: it is done, and nobody is logged in any more."""

    async def get(self) -> None:
        """Say so."""
        await self.show("account_unlinked.html", back=self.get_query_argument("back", "") == "1")


def _servers(number: int) -> str:
    return f"{number} server{'s' if number > 1 else ''}"
