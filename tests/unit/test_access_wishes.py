"""Servers that were stopped to be started again, after the hub ended in between: once, decided anew, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from access_fakes import stored_user
from launch_support import MA, PERSON, SP, grant, site

from panosc_spawner.access import revocation
from panosc_spawner.access.hands import Hands, _Inside
from panosc_spawner.access.logins import Known
from panosc_spawner.access.revocation import Case, Revoker
from panosc_spawner.access.wishes import KEPT, PATIENCE, Wishes
from panosc_spawner.errors import PersonalSourceError
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.renewal import Ending
from panosc_spawner.launch.model import Reason, Refusal, Selection
from panosc_spawner.proposals.book import GrantBook
from panosc_spawner.proposals.model import Grant
from panosc_spawner.spawners.context import HubContext
from panosc_spawner.spawners.wish import KEY, wished_at, without_wish

SITE = site()
NOW = datetime.now(UTC)
FACILITIES = frozenset({SP.facility, MA.facility})
PROBLEM = {"reason": "access-removed", "message": "This server was stopped.", "remedy": "Ask."}


class Office:
    """A source that says what it is told to say, or fails."""

    name, facilities = "office", FACILITIES

    def __init__(self) -> None:
        self.says: Sequence[Grant] | None = [grant(MA, seen_at=NOW)]

    async def grants(self, person: Person) -> Sequence[Grant]:
        if self.says is None:
            raise PersonalSourceError(self.name, "no token")  # it would be asked again at once when it is back
        return self.says

    async def check(self) -> str:
        return ""


class Hub:
    """A hub that has just begun, and found a server of ada's that its earlier run had stopped."""

    def __init__(self, state: Mapping[str, Any], access: Mapping[str, Any] | None = None) -> None:
        self.user = stored_user("p-ada", "p-both")
        self.row = self.user.orm_user.orm_spawners["p-both"]
        self.row.state = dict(state)
        self.row.user_options = {"proposals": [str(MA), str(SP)]}
        self.user.db.commit()
        self.known, self.office = Known(PERSON), Office()
        self.started: list[tuple[Case, Refusal]] = []
        self.ended: list[object] = []
        self.user.spawners = {}
        where = site(access=dict(access or {}))
        context = HubContext(where, GrantBook(where, sources=[self.office]))
        app = SimpleNamespace(db=self.user.db, users={self.row.user_id: self.user})
        self.wishes = Wishes(context, app, self, self, self, {"office": FACILITIES})  # type: ignore[arg-type]

    async def look(self, user: Any) -> Known:
        return self.known

    async def end_access(self, username: str, ending: Ending, details: str) -> None:
        self.ended.append((username, ending))

    async def go_on(self, case: Case, why: Refusal) -> None:
        assert KEY not in self.row.state, "it is forgotten before it is tried: once"
        self.started.append((case, why))

    async def try_it(self) -> bool:
        return await self.wishes.look_at(self.row.user_id, "p-both")


def stopped(ago: timedelta = timedelta(seconds=20)) -> dict[str, Any]:
    return {"problem": PROBLEM, KEY: (datetime.now(UTC) - ago).isoformat()}


async def test_it_is_started_again_once_with_what_is_confirmed_now() -> None:
    hub = Hub(stopped())
    await hub.wishes.run()
    [(case, why)] = hub.started
    assert case.decision.startable == (MA,) and [verdict.ref for verdict in case.decision.lost] == [SP]
    assert case.name == "p-both" and case.person == PERSON
    assert why == Refusal(Reason.REVOKED, "This server was stopped.", "Ask.")
    assert hub.row.state == {"problem": PROBLEM}
    await hub.wishes.run()
    assert len(hub.started) == 1


@pytest.mark.parametrize(
    "state",
    [{}, {"problem": PROBLEM}, {KEY: "soon"}, {KEY: 7}, stopped(KEPT + timedelta(seconds=1)), stopped(-KEPT)],
    ids=["nothing", "dismissed or started", "no time", "no text", "too old", "clock set back"],
)
async def test_it_is_forgotten(state: dict[str, Any]) -> None:
    hub = Hub(state)
    await hub.wishes.run()
    assert not hub.started and wished_at(hub.row.state) is None


async def test_what_its_owner_did_meanwhile_counts() -> None:
    hub = Hub(stopped())
    hub.row.state = without_wish(hub.row.state)
    assert await hub.try_it() and not hub.started


async def test_a_server_that_runs_after_all_is_left_to_the_watch() -> None:
    hub = Hub(stopped())
    spawner = hub.user.spawners["p-both"] = SimpleNamespace(active=True, ready=False, start_again="now")
    assert not await hub.try_it(), "the hub only looks yet whether it runs"
    assert KEY in hub.row.state
    spawner.ready = True
    assert await hub.try_it()
    assert not hub.started and KEY not in hub.row.state and spawner.start_again == ""


@pytest.mark.parametrize("known", [Known(None), Known(PERSON, Ending.REFUSED)])
async def test_nobodys_server_is_started(known: Known) -> None:
    hub = Hub(stopped())
    hub.known = known
    assert await hub.try_it()
    assert not hub.started and KEY not in hub.row.state
    assert hub.ended == ([("p-ada", Ending.REFUSED)] if known.ending else [])


async def test_where_servers_are_only_stopped_none_is_started() -> None:
    hub = Hub(stopped(), access={"when_revoked": "stop"})
    assert await hub.try_it() and not hub.started


async def test_a_source_that_is_not_back_yet_is_waited_for_a_minute() -> None:
    hub = Hub(stopped())
    hub.office.says = None
    for _ in range(PATIENCE):
        assert not await hub.try_it()
    assert not hub.started and KEY in hub.row.state
    hub.office.says = [grant(MA, seen_at=NOW), grant(SP, seen_at=NOW)]
    assert await hub.try_it()
    assert hub.started[0][0].decision.startable == (MA, SP)


async def test_a_source_that_stays_away_is_no_reason_to_try_for_ever() -> None:
    hub = Hub(stopped())
    hub.office.says = None
    tries = 0
    while not await hub.try_it():
        tries += 1
    assert tries == PATIENCE and hub.started[0][0].decision.startable == ()


# -- what the run before wrote down --------------------------------------------------------------------------------------


class Stopper:
    """Stops a server, and looks what the database says of it meanwhile."""

    def __init__(self, user: Any, gone: bool) -> None:
        self.user, self.gone, self.meanwhile = user, gone, {}  # type: ignore[var-annotated]
        self.hands = SimpleNamespace(app=SimpleNamespace(db=user.db))

    async def stop(self, user: Any, name: str, why: Refusal) -> bool:
        row = self.user.orm_user.orm_spawners[name]
        self.user.db.refresh(row)
        self.meanwhile = dict(row.state or {})
        return self.gone


@pytest.mark.parametrize(
    ("pending", "when_revoked", "gone", "meanwhile", "after"),
    [
        (None, "restart", True, True, True),
        ("spawn", "restart", True, True, True),
        (None, "restart", False, True, False),
        ("stop", "restart", True, False, False),
        (None, "stop", True, False, False),
    ],
    ids=["runs", "starts", "does not end", "its owner stops it", "servers are only stopped"],
)
async def test_it_is_written_down_before_the_stop(
    pending: str | None, when_revoked: str, gone: bool, meanwhile: bool, after: bool
) -> None:
    hub = Hub({"pid": 7}, access={"when_revoked": when_revoked})
    spawner = SimpleNamespace(
        name="p-both", active=True, pending=pending, orm_spawner=hub.row, start_again="", problem=None
    )
    hub.user.spawners = {"p-both": spawner}
    stopper = Stopper(hub.user, gone)
    case = await hub.wishes._case(hub.user, hub.row, PERSON, NOW)
    assert case
    revoker = Revoker(hub.wishes._context, stopper)  # type: ignore[arg-type]
    why = await revoker.take(case)
    assert (wished_at(stopper.meanwhile) is not None) is meanwhile and stopper.meanwhile["pid"] == 7
    assert (wished_at(hub.row.state) is not None) is after is (why is not None) is bool(spawner.start_again)


async def test_a_start_that_its_owner_cancels_keeps_nobody_elses_server_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The hub's own way to start it, JupyterHub's start cancelled in the middle, as by the button on the page."""
    hub = Hub(stopped())
    spawner = SimpleNamespace(
        name="p-both", active=False, orm_spawner=hub.row, start_again="", problem=None, _spawn_future=None, notes=[]
    )
    spawner.get_state = lambda: {"problem": str(spawner.problem)}
    hub.user.spawners = {"p-both": spawner}

    async def spawn_single_user(self: Any, user: Any, name: str, options: dict[str, Any]) -> None:
        spawner._spawn_future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(spawner._spawn_future.cancel)

    monkeypatch.setattr(revocation, "start_again_with", lambda *_: Selection((MA,)))
    monkeypatch.setattr(_Inside, "__init__", lambda *_: None)
    monkeypatch.setattr(_Inside, "spawn_single_user", spawn_single_user)
    stopper = SimpleNamespace(hands=Hands(SimpleNamespace(db=hub.user.db)))
    hub.wishes._revoker = Revoker(hub.wishes._context, stopper)  # type: ignore[arg-type]
    hub.wishes._left[7, "of somebody else"] = 0
    looked: list[int] = []
    look_at = hub.wishes.look_at

    async def look(number: int, name: str) -> bool:
        looked.append(number)
        return number == 7 or await look_at(number, name)

    monkeypatch.setattr(hub.wishes, "look_at", look)
    await hub.wishes.run()
    assert looked == [hub.row.user_id, 7]
    assert "could not be started again" in hub.row.state["problem"]
    assert "The start was cancelled. Start it again when you like." in hub.row.state["problem"]
