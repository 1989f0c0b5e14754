"""Which proposal do you miss? Every link between the person who is logged in and one proposal, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tornado import web

from panosc_spawner.errors import IdError
from panosc_spawner.explain import Helper, Link, Question, Running, State, Step, explain
from panosc_spawner.facilities.model import Facility
from panosc_spawner.pages.handler import PageHandler
from panosc_spawner.pages.looks import Looks

MAX_TYPED = 100
_FRESH = 60.0
"""Seconds: how old the sources' answers may be."""

STEP_WORDS = {
    Step.IDENTITY: "Who you are",
    Step.LOGIN: "Your login",
    Step.PROPOSAL: "The proposal’s number",
    Step.SOURCE: "Who can say so",
    Step.GRANT: "Your right to it",
    Step.PATH: "Where the data are",
    Step.ACCOUNT: "Your account for the data",
    Step.PERMISSION: "Reading the data",
    Step.MOUNT: "What you would get",
}
STATE_WORDS = {State.OK: "In order", State.BROKEN: "Broken", State.UNKNOWN: "Not known"}
WHO_WORDS = {
    Helper.PERSON: "you",
    Helper.MAIN_PROPOSER: "the proposal’s main proposer",
    Helper.USER_OFFICE: "the user office",
    Helper.OPERATOR: "the people who run this hub",
}


@dataclass(frozen=True)
class LinkView:
    """A link as the page shows it."""

    title: str
    state: str
    state_words: str
    subject: str
    message: str
    remedy: str
    who: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class StepView:
    """The links of one step, and how they are together: as the worst of them."""

    title: str
    state: str
    state_words: str
    links: tuple[LinkView, ...]


_WORST_FIRST = ("broken", "unknown", "ok")


def step_views(links: Iterable[Link]) -> list[StepView]:
    """The chain, step by step."""
    steps: dict[Step, list[LinkView]] = {}
    for link in links:
        steps.setdefault(link.step, []).append(link_view(link))
    worst = {step: min(views, key=lambda view: _WORST_FIRST.index(view.state)) for step, views in steps.items()}
    return [
        StepView(STEP_WORDS[step], worst[step].state, worst[step].state_words, tuple(views))
        for step, views in steps.items()
    ]


def link_view(link: Link) -> LinkView:
    """What the person may read of a link: never its details."""
    mends = link.state is State.BROKEN
    return LinkView(
        title=STEP_WORDS[link.step],
        state={State.OK: "ok", State.BROKEN: "broken", State.UNKNOWN: "unknown"}[link.state],
        state_words=STATE_WORDS[link.state],
        subject=link.subject,
        message=link.message,
        remedy=link.remedy if link.state is not State.OK else "",
        who=" or ".join(WHO_WORDS[helper] for helper in link.who) if mends else "",
        notes=link.notes,
    )


def candidates(typed: str, facilities: Mapping[str, Facility]) -> list[str]:
    """What somebody may mean: the text itself if it names a facility, else each facility that writes its proposals so."""
    if "/" in typed:
        return [typed]
    found = []
    for key, facility in facilities.items():
        try:
            found += [f"{key}/{facility.proposals.normalise(typed)}"] if facility.proposals else []
        except IdError:
            continue
    return found


class ExplainHandler(PageHandler):
    """``/explain?proposal=…``: from one's own login only. A look changes nothing."""

    looks = Looks()
    """Of the whole hub: a look asks sources and file systems, and somebody may reload all day."""

    @web.authenticated
    async def get(self) -> None:
        """The chain, or the question which proposal."""
        self.require("read:servers")
        site = self.pages.context.site
        typed = self.get_query_argument("proposal", "")[:MAX_TYPED].strip()
        served = {key: site.facilities[key] for key in site.config.hub.facilities}
        found = await self._meant(candidates(typed, served)) if typed else []
        chain, meant = None, found if len(found) > 1 else []
        if typed and not meant:
            question = await self._question(found[0] if found else typed)
            async with self.looks.turn(self.current_user.name):
                chain = await explain(question)
        await self.show(
            "explain.html",
            typed=typed,
            meant=meant,
            chain=chain,
            steps=step_views(chain.links) if chain else [],
            broken=link_view(chain.broken) if chain and chain.broken else None,
            facilities={key: facility.short_name for key, facility in site.facilities.items()},
            served=list(served.values()),
        )

    async def _meant(self, found: list[str]) -> list[str]:
        """Where several facilities write proposals so, the one that is known to be the person's own."""
        if len(found) < 2:
            return found
        report = await self.report(await self.person())
        own = {str(grant.ref) for grant in report.grants}
        return [ref for ref in found if ref in own] or found

    async def _question(self, proposal: str) -> Question:
        context = self.pages.context
        person = await self.person()
        login = ((await self.current_user.get_auth_state()) or {}).get("login")
        acr = login.get("acr", "") if isinstance(login, dict) else ""
        running = tuple(Running(view.name, view.refs) for view in self.servers() if view.state == "running")
        return Question(
            context.site, context.book, proposal, person, acr=str(acr or ""), running=running, max_age=_FRESH
        )
