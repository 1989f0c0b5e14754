"""What all spawners share: decide afresh at every start, say what happens, and end in words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from jupyterhub.spawner import Spawner
from traitlets import Instance

from panosc_spawner.errors import IdentityError
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.accounts import resolve_account
from panosc_spawner.identity.person import Account, NoAccount, Person
from panosc_spawner.launch.model import LaunchPlan, Mount, Reason, Refusal, Selection
from panosc_spawner.launch.plan import live_grants, plan
from panosc_spawner.launch.selection import parse_selection
from panosc_spawner.launch.sources import with_sources
from panosc_spawner.proposals.model import Grant, GrantReport
from panosc_spawner.spawners import wish
from panosc_spawner.spawners.context import HubContext
from panosc_spawner.spawners.file_threads import in_file_thread, place_of
from panosc_spawner.spawners.holdings import holdings, token_number, unshare, withdraw_token
from panosc_spawner.spawners.progress import ProgressLog, Step
from panosc_spawner.spawners.real_mounts import real_mounts
from panosc_spawner.spawners.records import record_mounts, record_refusal, record_start, record_stop
from panosc_spawner.spawners.refused import Refused
from panosc_spawner.spawners.remains import Nothing, Remains

_PROBE_SECONDS = 0.02
_JUST_NOW = 2.0  # seconds; sixty starts at once ask Docker once


class PlannedSpawner(Spawner):
    """A spawner that starts what a :class:`LaunchPlan` says and nothing else.

    Subclasses implement :meth:`launch`. ``start`` is the template: person, grants, plan, launch. The options of a start
    are read anew each time, since the hub replays stored ones and API callers bypass the form.
    """

    context = Instance(HubContext, help="The site and its grants; set by panosc_spawner.hub.").tag(config=True)

    person: Person | None = None
    plan: LaunchPlan | None = None
    problem: Refusal | None = None
    """Why the last server of this name ended badly or was refused; shown on the home page until the next start."""
    start_again = ""
    """When it was stopped to be started again at once (ISO 8601); empty: it is not to be."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.steps = ProgressLog()
        self.summary: dict[str, Any] = {}
        self.notes: list[str] = []
        """What its owner has to know of the server that starts next, beside the plan's own warnings."""
        self.token = 0  # number of its own API token
        self.grants: dict[ProposalRef, Grant] = {}
        self._given: dict[Mount, Path] = {}
        self._holds: tuple[str, ...] = ()  # proposals that the audit log says are in this server

    async def launch(self, plan: LaunchPlan, mounts: Mapping[Mount, Path]) -> tuple[str, int]:
        """Start the server of this plan. Called by :meth:`start`; returns where it listens.

        ``mounts`` are the plan's mounts that exist, with their real directories, checked to lie beneath their roots.
        """
        raise NotImplementedError

    async def start(self) -> tuple[str, int]:
        """Decide and start. Subclasses do not override this; they implement :meth:`launch`."""
        self.steps, self.problem, self.start_again = ProgressLog(), None, ""
        self._given = {}
        unshare(self.orm_spawner)
        try:
            listens = await self.launch(*await self.decide_and_look())
        except Refused as refused:
            self.problem = refused.refusal
            selection = parse_selection(self.user_options, self.context.site)
            wanted = () if isinstance(selection, Refusal) else selection.proposals
            record_refusal(self.context, self.user.name, self.name, wanted, refused.refusal)
            raise
        if self.plan:
            record_start(self.context, self.name, self.plan)
        return listens

    async def decide_and_look(self) -> tuple[LaunchPlan, dict[Mount, Path]]:
        """The plan as of now, with the real directories of its mounts as they are now.

        Raises:
            Refused: in words.
        """
        self.say(5, "Checking your access")
        asked_at = datetime.now(UTC)
        self.plan = await self.decide()
        self.say(15, "Preparing your data")
        place = place_of(ref.facility for ref in self.plan.proposals)
        mounts, self.default_url = await in_file_thread(place, look_at_data, self.plan, self.context.site)
        self.summary = summarise(self.plan) | holdings(self.plan, asked_at)
        self.summary["warnings"] += self.notes
        self.token = self.summary["token"] = token_number(self.api_token, self.orm_spawner)
        self._write_down(self.plan, mounts)
        return self.plan, mounts

    def _write_down(self, plan: LaunchPlan, mounts: Mapping[Mount, Path]) -> None:
        """What the server is about to be given. Before the engine gets it: whatever happens then, it is known."""
        new = {mount: real for mount, real in mounts.items() if self._given.get(mount) != real}
        self._given = dict(mounts)
        self._holds = tuple(map(str, plan.proposals))
        record_mounts(self.context, self.name, plan, new, self.grants)

    async def decide_again(self) -> tuple[LaunchPlan, dict[Mount, Path]]:
        """Decide anew after something that took long: the login, the rights and the links may be others by now.

        Raises:
            Refused: in words.
        """
        await self.run_auth_state_hook(await self.user.get_auth_state())
        return await self.decide_and_look()

    async def decide(self) -> LaunchPlan:
        """The plan for this server, from the person's identity, their grants as of now, and the stored selection.

        Raises:
            Refused: in words.
        """
        if self.person is None:
            raise Refused(Refusal(Reason.LOGIN_EXPIRED, "Your login has ended.", "Log out, log in, and try again."))
        site = self.context.site
        selection = parse_selection(self.user_options, site)
        if isinstance(selection, Refusal):
            raise Refused(selection)
        report, accounts, here = await asyncio.gather(
            self.context.book.report(self.person),
            facility_accounts(self.context, self.person, selection),
            self.context.images.look(_JUST_NOW),
        )
        decision = planned(self.context, self.person, report, selection, accounts, here.absent)
        self._refuse_one_too_many(decision)
        live = live_grants(report.grants, decision.proposals, site, datetime.now(UTC))
        if isinstance(live, Refusal):  # it ended in this very moment
            raise Refused(live)
        self.grants = {grant.ref: grant for grant in live}
        return decision

    def _refuse_one_too_many(self, decision: LaunchPlan) -> None:
        running = sum(1 for other in self.user.spawners.values() if other is not self and other.active)
        if running >= decision.limits.servers:
            raise Refused(
                Refusal(
                    Reason.TOO_MUCH,
                    f"You have {running} servers running, which is as many as you may have at a time.",
                    "Stop one of them on your page, then open this one.",
                )
            )

    async def poll(self) -> int | None:
        """None while the server runs, else its exit code. Each engine's own; the hub wants it on this class too."""
        raise NotImplementedError

    async def stop(self, now: bool = False) -> None:
        """End the server and leave nothing of it but the home. Each engine's own."""
        raise NotImplementedError

    def run_post_stop_hook(self) -> Any:
        """Write down that it ended. The hub calls this whenever a server has ended, or a start has failed."""
        if self._holds:
            record_stop(self.context, self.user.name, self.name, self._holds, self.problem)
        self._holds, self._given = (), {}
        withdraw_token(self.token, self.orm_spawner)
        self.token = 0
        return super().run_post_stop_hook()

    async def remains(self) -> Remains:
        """What there is of this server now, to make sure later that nothing of it is left. Each engine's own."""
        return Nothing()

    def hurry(self, seconds: int) -> None:
        """When it is stopped, give it no more than this to end by itself. Each engine's own."""

    async def run_auth_state_hook(self, auth_state: dict[str, Any] | None) -> None:
        """Learn who the person is. The hub calls this before each start, and when a page is shown."""
        try:
            self.person = Person.from_state((auth_state or {})["person"])
        except (KeyError, IdentityError):
            self.person = None
        await super().run_auth_state_hook(auth_state)

    def say(self, progress: int, message: str) -> None:
        """Tell the waiting person what happens now."""
        self.steps.say(progress, message)

    async def progress(self) -> AsyncIterator[Step]:
        """The steps of this start, for the hub's progress page."""
        async for step in self.steps.follow():
            yield step

    def get_env(self) -> dict[str, str]:
        """The hub's variables and the plan's."""
        env: dict[str, str] = super().get_env()
        if self.plan:
            env.update(self.plan.variables)
        # Seconds. People see what it tells, and idle servers are judged by it.
        env.setdefault("JUPYTERHUB_ACTIVITY_INTERVAL", "60")
        return env

    def get_state(self) -> dict[str, Any]:
        """What the hub keeps of this server, over its own restart and, of why it ended, over the server's end."""
        state: dict[str, Any] = super().get_state()
        if self.summary:
            state["panosc"] = self.summary
        if self.problem:
            state["problem"] = asdict(self.problem)
        if self.start_again:
            state[wish.KEY] = self.start_again
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Read :meth:`get_state` back."""
        super().load_state(state)
        self.summary = dict(state.get("panosc") or {})
        self._holds = tuple(str(ref) for ref in self.summary.get("proposals") or ())
        self.token = int(self.summary.get("token") or 0)
        self.start_again = str(state.get(wish.KEY) or "")

    def clear_state(self) -> None:
        """Forget the server; why it ended (:attr:`problem`), and whether it is to be started again, are kept."""
        super().clear_state()
        self.summary = {}

    async def wait_until_listening(self, ip: str, port: int, ended: Callable[[], Awaitable[Refusal | None]]) -> None:
        """Wait until the server accepts connections, looking every 20 ms, so that the hub's own first look succeeds.

        Args:
            ip: address of the server.
            port: its port.
            ended: asked about twice a second whether the server has already ended, and why.

        Raises:
            Refused: if it ended, or does not listen within ``http_timeout`` seconds.
        """
        loop = asyncio.get_running_loop()
        deadline, ask_at = loop.time() + self.http_timeout, loop.time() + 0.5
        while not await accepts_connection(ip, port):
            if loop.time() > ask_at:
                ask_at = loop.time() + 0.5
                if refusal := await ended():
                    raise Refused(refusal)
            if loop.time() > deadline:
                raise Refused(
                    Refusal(
                        Reason.SERVER_FAILED,
                        f"JupyterLab did not answer within {self.http_timeout} seconds.",
                        "Try again; if it happens again, tell the people who run this hub.",
                    )
                )
            await asyncio.sleep(_PROBE_SECONDS)


async def accepts_connection(ip: str, port: int) -> bool:
    """Whether something listens there now; waits half a second at most."""
    try:
        async with asyncio.timeout(0.5):
            _, writer = await asyncio.open_connection(ip, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def facility_accounts(
    context: HubContext, person: Person, selection: Selection
) -> dict[str, Account | NoAccount]:
    """The person's account for each facility of the selection."""
    accounts: dict[str, Account | NoAccount] = {}
    for facility in dict.fromkeys(ref.facility for ref in selection.proposals):
        rule = context.site.account_rule(facility)
        accounts[facility] = (
            await resolve_account(rule, person, context.site)
            if rule
            else NoAccount("the site has no account mapping for it")
        )
    return accounts


def planned(
    context: HubContext,
    person: Person,
    report: GrantReport,
    selection: Selection,
    accounts: Mapping[str, Account | NoAccount],
    absent: Collection[str] = (),
) -> LaunchPlan:
    """The plan as of now, with none of the ``absent`` images; where it is refused for want of a grant, a source that is down is named.

    Raises:
        Refused: in words.
    """
    decision = plan(person, report.grants, selection, context.site, accounts, datetime.now(UTC), absent)
    if isinstance(decision, Refusal):
        raise Refused(with_sources(decision, report.outcomes))
    return decision


def look_at_data(plan: LaunchPlan, site: Site) -> tuple[dict[Mount, Path], str]:
    """All that a start reads of the data: :func:`real_mounts`, and :func:`start_url`. In a file system's thread.

    Raises:
        Refused: as :func:`real_mounts`.
    """
    mounts = real_mounts(plan, site)
    return mounts, start_url(plan, mounts)


def start_url(plan: LaunchPlan, mounts: Mapping[Mount, Path]) -> str:
    """What JupyterLab opens first: the proposal's start page if there is one, else the first proposal's directory.

    It asks the file systems of the data. A page that may not be looked at is none.
    """
    home = plan.home.target
    for page in plan.start_pages:
        for mount, directory in mounts.items():
            inside = home / page
            if inside.is_relative_to(mount.target) and _is_file(directory / inside.relative_to(mount.target)):
                return f"/lab/tree/{page}"
    first = plan.proposals[0]
    return f"/lab/tree/{PurePosixPath('proposals', first.facility, first.id)}"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a root that NFS makes nobody, a handle that is stale: the page is a courtesy, the start goes on
        return False


def summarise(plan: LaunchPlan) -> dict[str, Any]:
    """What the home page shows of a running server, as JSON."""
    return {
        "proposals": [str(ref) for ref in plan.proposals],
        "environment": plan.environment_id,
        "environment_title": plan.environment.title,
        "desktop": plan.environment.desktop,
        "memory": int(plan.limits.memory),
        "cpu": plan.limits.cpu,
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "ends_at": plan.ends_at.isoformat(timespec="seconds"),
        "idle": plan.limits.idle.total_seconds() if plan.limits.idle else None,
        "warnings": list(plan.warnings),
    }
