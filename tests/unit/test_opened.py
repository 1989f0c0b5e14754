"""Who opened whose data: only proposals one leads, only what happened to oneself, in bounded time."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from panosc_spawner.audit import AuditLog, Entry, Event
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Role
from panosc_spawner.outages import Outages
from panosc_spawner.pages.access import led_by, look_at_log
from panosc_spawner.pages.opened import MOST, happenings, openings
from panosc_spawner.pages.told import outage_views
from panosc_spawner.proposals.model import Grant, Proposal

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NAMES = {"p-a": "Ada", "p-b": "Bea <b>"}


def mount(person: str, area: str = "raw", access: str = "ro", ago: float = 0, **more: object) -> Entry:
    known = {
        "person": person,
        "server": "p-1",
        "proposal": "esrf/ma1",
        "role": "member",
        "area": area,
        "access": access,
    }
    return Entry(NOW - timedelta(seconds=ago), "mount", known | more)


def test_directories_of_one_start_are_one_opening() -> None:
    entries = [
        mount("p-b", "processed", "rw", 1), mount("p-b", "raw", "ro", 2),
        mount("p-a", "raw", "ro", 3, role="pi"), mount("p-b", "raw", "ro", 4000),
        mount("p-c", "raw", ago=5000), mount("p-b", proposal="esrf/ma2"),
        Entry(NOW, "login", {"person": "p-b", "proposal": "esrf/ma1"}),
    ]  # fmt: skip
    found = openings(entries, frozenset({"esrf/ma1"}), "p-a", lambda name: NAMES.get(name, ""))
    assert [(o.name, o.own, o.role, o.read, o.changed) for o in found] == [
        ("Bea <b>", False, "Team member", "raw data", "processed data"),
        ("Ada", True, "Main proposer", "raw data", ""),
        ("Bea <b>", False, "Team member", "raw data", ""),
        ("somebody who is not here any more", False, "Team member", "raw data", ""),
    ]
    assert [o.when for o in found] == sorted((o.when for o in found), reverse=True)


def test_lines_that_hold_anything_break_nothing() -> None:
    entries = [mount("p-b", "<x>", "??", role="<role>"), Entry(NOW, "mount", {"proposal": "esrf/ma1"})]
    found = openings(entries, frozenset({"esrf/ma1"}), "p-a", lambda name: "")
    assert found[0].role == "<role>"
    assert found[0].read == "<x>"
    assert happenings([Entry(NOW, event, {"person": "p-a"}) for event in Event], "p-a")


def test_only_ones_own_happenings() -> None:
    entries = [
        Entry(NOW, "server-started", {"person": "p-a", "proposals": [f"esrf/ma{n}" for n in range(7)]}),
        Entry(NOW, "login", {"person": "p-b"}),
        Entry(NOW, "server-stopped", {"person": "p-a", "proposals": ["esrf/ma1"], "reason": "access-removed"}),
        Entry(NOW, "admin", {"person": "p-a", "by": "root", "request": "DELETE users/*/servers/*", "status": 204}),
        Entry(NOW, "admin", {"person": "p-a", "by": "p-b", "request": "DELETE users/*", "status": 404}),
        Entry(
            NOW,
            "admin",
            {"person": "p-a", "by": "service keeper", "request": "DELETE users/*/servers/*", "status": 204},
        ),
        Entry(NOW, "mount", {"person": "p-a", "proposal": "esrf/ma1"}),
    ]
    assert [h.words for h in happenings(entries, "p-a")] == [
        "You opened ma0, ma1, ma2, ma3, ma4 and 2 more proposals.",
        "What you had open of ma1 was closed: a proposal in it was taken away.",
        "An administrator: stopped what you had open.",
        "An administrator: tried to act on your account (DELETE users/*), and was refused.",
        "This hub’s own service: stopped what you had open.",
    ]
    assert len(happenings([Entry(NOW, "login", {"person": "p-a"})] * 1000, "p-a")) == MOST


def grant(role: Role, **changes: object) -> Grant:
    proposal = Proposal(ProposalRef("esrf", f"ma{abs(hash((role, *changes))) % 10**6}"), "Title")
    return Grant(proposal, role, "List", "listed", NOW, **changes)  # type: ignore[arg-type]


def test_who_leads() -> None:
    leads = grant(Role.PI)
    ended = grant(Role.PI, ends_at=NOW - timedelta(days=1))
    others = (
        grant(Role.MEMBER), grant(Role.STAFF), grant(Role.LOCAL_CONTACT), grant(Role.INSTRUMENT_SCIENTIST), grant(Role.PUBLIC),
        grant(Role.PI, confirmed=False), grant(Role.PI, not_before=NOW + timedelta(days=1)),
    )  # fmt: skip
    assert set(led_by((leads, ended, *others), NOW)) == {str(leads.ref), str(ended.ref)}


def test_the_log_is_looked_at_for_these_alone(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "audit.jsonl", sync="never")
    audit.record(Event.LOGIN, person="p-a")
    audit.record(Event.LOGIN, person="p-ab")
    audit.record(Event.MOUNT, person="p-b", proposal="esrf/ma1", evidence='"person": "p-a"')
    audit.record(Event.MOUNT, person="p-b", proposal="esrf/ma12", evidence='"person": "p-a"')
    audit.record(Event.MOUNT, person="p-b", proposal="esrf/ma2", evidence='"proposal": "esrf/ma1"')
    looked = look_at_log(tmp_path / "audit.jsonl", "p-a", frozenset({"esrf/ma1"}))
    assert [(entry.event, entry.get("proposal")) for entry in looked.entries] == [("mount", "esrf/ma1"), ("login", "")]
    assert looked.complete


def test_of_a_log_of_a_gigabyte_only_the_end_is_read(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    line = json.dumps(
        {"time": NOW.isoformat(), "event": "mount", "person": "p-x", "proposal": "esrf/zz", "evidence": "x" * 150}
    )
    block = (line + "\n").encode() * 5000
    for number in range(12):  # 50 MB each: old ones are holes, so that the test needs no gigabyte
        with file.with_name(f"audit.jsonl.{number + 2}").open("wb") as handle:
            handle.truncate(80 * 1024**2)
    with file.with_name("audit.jsonl.1").open("wb") as handle:
        for _ in range(48):
            handle.write(block)
    file.write_bytes(block * 20)
    begin = time.monotonic()
    looked = look_at_log(file, "p-a", frozenset(f"esrf/ma{n}" for n in range(500)))
    assert time.monotonic() - begin < 5
    assert not looked.complete
    assert looked.since == NOW


def test_outages_say_until_when() -> None:
    outages = Outages(now=lambda: NOW)
    outages.failed("login", "test", "no answer")
    outages.failed("source", "User office", "no answer")
    views = outage_views(
        outages.down(),
        {"test": "Test login"},
        {"User office": "As of 11:00."},
        NOW - timedelta(minutes=10),
        timedelta(hours=1),
        NOW,
    )
    assert {view.name for view in views} == {"Test login", "User office"}
    words = {view.name: view.meaning for view in views}
    assert "until 12:50 UTC" in words["Test login"]
    assert "until 13:00 UTC" in words["User office"]
    assert words["User office"].endswith(" As of 11:00.")
    later = outage_views(outages.down(), {}, {}, NOW - timedelta(hours=2), timedelta(hours=1), NOW + timedelta(hours=2))
    assert "Save your work" in later[0].meaning
