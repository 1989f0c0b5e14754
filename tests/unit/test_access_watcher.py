"""The watch itself: whose turn it is, that nobody's trouble is another's, that it goes on, and that it remembers."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from access_fakes import stored_user
from jupyterhub import orm
from launch_support import NOW, PERSON, SITE, SP, grant
from launch_support import decide as plan_of

from panosc_spawner.access import watcher as module
from panosc_spawner.access.confirming import confirmed_summary, must_store
from panosc_spawner.access.decisions import decide
from panosc_spawner.access.held import read_held
from panosc_spawner.access.judge import Judge
from panosc_spawner.access.logins import Known
from panosc_spawner.access.watcher import Watcher
from panosc_spawner.launch.model import LaunchPlan
from panosc_spawner.proposals.book import GrantBook
from panosc_spawner.proposals.model import GrantReport, SourceOutcome
from panosc_spawner.spawners.base import summarise
from panosc_spawner.spawners.context import HubContext
from panosc_spawner.spawners.holdings import holdings

GRACE = timedelta(hours=1)


class Logins:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.trouble: dict[str, Exception | float] = {}

    async def look(self, user: Any) -> Known:
        self.asked.append(user.name)
        trouble = self.trouble.get(user.name)
        if isinstance(trouble, Exception):
            raise trouble
        await asyncio.sleep(trouble or 0)
        return Known(PERSON)


def watch_over(*people: str, logged_in: int = 0) -> tuple[Watcher, Logins]:
    """A watch over people with a server each, and further ones who are only logged in."""
    db = stored_user("p-first").db
    users: dict[int, Any] = {}
    for name in (*people, *(f"q-{number:05}" for number in range(logged_in))):
        row = orm.User(name=name, encrypted_auth_state=b"something")
        db.add(row)
        db.flush()
        spawner = SimpleNamespace(active=name in people, summary={})
        users[row.id] = SimpleNamespace(name=name, spawners={"": spawner})
    db.commit()
    logins = Logins()
    app = SimpleNamespace(db=db, users=users)
    context = HubContext(SITE, GrantBook(SITE, sources=[]))
    watch = Watcher(context, app, logins, None, None)  # type: ignore[arg-type]
    watch._interval = 0.05
    return watch, logins


async def test_one_persons_trouble_is_no_other_ones() -> None:
    watch, logins = watch_over("p-ada", "p-bea", "p-cleo")
    logins.trouble = {"p-ada": ValueError("no"), "p-bea": 5.0}
    for _ in range(3):
        await watch.round()
        await asyncio.sleep(0.02)
    assert logins.asked.count("p-cleo") == logins.asked.count("p-ada") == 3
    assert logins.asked.count("p-bea") == 1, "who hangs is not asked about twice at a time"


async def test_the_watch_goes_on_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, logins = watch_over("p-ada")
    rounds = 0
    whole = watch.round

    async def broken() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise MemoryError
        await whole()

    monkeypatch.setattr(watch, "round", broken)
    running = asyncio.create_task(watch.run())
    async with asyncio.timeout(5):
        while not logins.asked:
            await asyncio.sleep(0.05)
    running.cancel()
    assert rounds >= 2


async def test_those_who_are_only_logged_in_come_in_even_shares_and_everybody_comes() -> None:
    watch, _ = watch_over("p-ada", logged_in=900)
    watch._interval = 20.0
    sizes, seen = [], set()  # type: ignore[var-annotated]
    for place in range(3):
        due = watch._people()
        sizes.append(len(due) - 1)
        for number in due:
            watch._looked[number] = place + 1.0
        seen |= set(due)
    assert sizes[:2] == [400, 400] and len(seen) == 901
    watch._looked = {number: module.time.monotonic() for number in watch._looked}
    assert len(watch._people()) == 1, "nobody of them is asked about again at once"


# -- remembering ---------------------------------------------------------------------------------------------------------


def summary_and_decision(seconds: float, **changes: Any) -> tuple[dict[str, Any], Any]:
    made = plan_of(grant(SP, seen_at=NOW))
    assert isinstance(made, LaunchPlan)
    summary = summarise(made) | holdings(made, NOW)
    seen = NOW + timedelta(seconds=seconds)
    report = GrantReport((grant(SP, seen_at=seen, **changes),), (SourceOutcome("user office list", seen, 1),))
    found = decide(
        read_held(summary, SITE, seen), report, SITE, {"user office list": frozenset({SP.facility})}, seen, {}
    )
    return summary, found


@pytest.mark.parametrize(
    "decided_at", [None, NOW + timedelta(hours=5), NOW], ids=["older version", "clock back", "known"]
)
async def test_whenever_a_server_was_decided_about_its_rights_can_be_taken_away(decided_at: datetime | None) -> None:
    watch, _ = watch_over("p-ada")
    plan, clock = plan_of(grant(SP)), [NOW + timedelta(minutes=5)]
    assert isinstance(plan, LaunchPlan)
    summary = summarise(plan) | holdings(plan, NOW) | {"decided_at": decided_at and decided_at.isoformat()}
    spawner = SimpleNamespace(active=True, summary=summary)
    taken: list[Any] = []
    watch._now, watch._act = lambda: clock[0], taken.append  # type: ignore[method-assign]
    watch._judge = Judge(SITE, {"Office": frozenset(SITE.facilities)})
    for _ in range(2):
        report = GrantReport((), (SourceOutcome("Office", clock[0], 0),))
        clock[0] += timedelta(seconds=1)
        watch._decide(SimpleNamespace(name="p-ada"), "", spawner, PERSON, report)
        clock[0] += timedelta(seconds=20)
    assert taken, "at the second look at the latest"


def test_confirmations_are_stored_now_and_then() -> None:
    summary, found = summary_and_decision(20)
    assert not must_store(confirmed_summary(summary, found), summary, found, GRACE)
    summary, found = summary_and_decision(400)
    assert must_store(confirmed_summary(summary, found), summary, found, GRACE)
    summary, found = summary_and_decision(20)
    assert must_store(confirmed_summary(summary, found), {}, found, GRACE)
    assert must_store(confirmed_summary(summary, found), summary, found, timedelta(minutes=1)), "a tenth of the grace"


def test_the_last_word_of_a_source_that_fell_silent_is_stored_once() -> None:
    summary, found = summary_and_decision(20)
    known = confirmed_summary(summary, found)
    late = NOW + timedelta(seconds=40)
    silent = GrantReport((), (SourceOutcome("user office list", late, 0, "no answer"),))
    held = read_held(known, SITE, late)
    unknown = decide(held, silent, SITE, {"user office list": frozenset({SP.facility})}, late, {})
    after = confirmed_summary(known, unknown)
    assert must_store(after, summary, unknown, GRACE)
    assert not must_store(after, after, unknown, GRACE)


def test_an_end_that_the_source_moved_is_the_servers_end() -> None:
    soon = NOW + timedelta(hours=2)
    summary, found = summary_and_decision(20, ends_at=soon)
    after = confirmed_summary(summary, found)
    assert datetime.fromisoformat(after["ends_at"]) == soon.replace(microsecond=0)
    assert must_store(after, summary, found, GRACE)
