"""Changes of rights: remembered over a restart, written down once, told to the person; and the notices themselves."""

from __future__ import annotations

import json
import sqlite3
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from launch_support import MA, NOW, PERSON, SP, grant, site

from panosc_spawner.access.changes import MAX_NOTICES, GrantChanges
from panosc_spawner.audit import AuditLog
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Role
from panosc_spawner.notices import KEPT, Notices
from panosc_spawner.outages import FORGET, Outages

LIST, OTHER = "user office list", "catalogue"


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notices = Notices(folder / "notices.sqlite")
        self.changes = self.again()

    def again(self) -> GrantChanges:
        """As after a restart of the hub."""
        audit = AuditLog(self.folder / "audit.jsonl")
        self.changes = GrantChanges(site(), audit, self.notices, self.folder / "grants.sqlite")
        return self.changes

    def said(self, *grants: object, source: str = LIST) -> None:
        self.changes.on_answer(PERSON, source, grants)  # type: ignore[arg-type]

    def events(self) -> list[tuple[str, str]]:
        file = self.folder / "audit.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [(line["event"], line.get("proposal", "")) for line in lines]

    def told(self) -> list[str]:
        return [notice.text for notice in self.notices.unread(PERSON.username)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_first_answer_is_one_line_and_no_news(bench: Bench) -> None:
    bench.said(grant(MA), grant(SP))
    assert bench.events() == [("grant-added", "")]
    assert bench.told() == []


def test_what_does_not_change_is_not_written(bench: Bench) -> None:
    for minutes in range(5):
        bench.said(grant(SP, seen_at=NOW + timedelta(minutes=minutes)))
    bench.again()
    bench.said(grant(SP, seen_at=NOW + timedelta(hours=9)))
    assert len(bench.events()) == 1


def test_added_removed_changed_are_written_down_and_told_over_a_restart(bench: Bench) -> None:
    bench.said(grant(SP))
    bench.again()
    bench.said(grant(SP, Role.PI), grant(MA))
    bench.said(grant(MA))
    assert bench.events()[1:] == [
        ("grant-added", str(MA)),
        ("grant-changed", str(SP)),
        ("grant-removed", str(SP)),
    ]
    removed, added = bench.told()
    assert "sp7 (SPAL) was removed from your proposals (user office list)" in removed and "ask" in removed
    assert "You were added to ma1234 (SYNC; user office list)" in added


def test_none_is_an_answer(bench: Bench) -> None:
    bench.said(grant(SP))
    bench.said()
    assert bench.events()[-1] == ("grant-removed", str(SP))


def test_what_another_source_gives_anyway_is_written_down_but_no_news(bench: Bench) -> None:
    bench.said(grant(SP))
    bench.said(grant(SP, source=OTHER), source=OTHER)
    bench.said()
    assert bench.events()[-1] == ("grant-removed", str(SP))
    assert bench.told() == []


def test_many_changes_do_not_bury_the_person(bench: Bench) -> None:
    bench.said(grant(SP))
    bench.said(grant(SP), *(grant(ProposalRef(MA.facility, f"ma{n}")) for n in range(200)))
    assert len(bench.told()) == MAX_NOTICES + 1
    assert "And 195 more proposals were added" in bench.told()[0]
    assert len(bench.events()) == 201


def test_an_end_that_was_moved_is_a_change(bench: Bench) -> None:
    bench.said(grant(SP, ends_at=NOW + timedelta(days=1)))
    bench.said(grant(SP, ends_at=NOW + timedelta(days=2)))
    assert bench.events()[-1] == ("grant-changed", str(SP))


def test_files_are_the_hubs_alone(bench: Bench) -> None:
    assert {stat.S_IMODE(file.stat().st_mode) for file in bench.folder.glob("*.sqlite")} == {0o600}


def test_a_notice_is_kept_until_its_owner_dismisses_it(tmp_path: Path) -> None:
    notices = Notices(tmp_path / "notices.sqlite")
    notices.add("p-ada", "added", "one", "esrf/ma1")
    notices.add("p-ada", "revoked", "two", "esrf/ma1")
    notices.add("p-bea", "added", "three")
    notices.close()
    again = Notices(tmp_path / "notices.sqlite")
    (mine,) = again.unread("p-ada")
    assert (mine.kind, mine.text, mine.ref) == ("revoked", "two", "esrf/ma1")
    again.dismiss("p-bea", mine.id)
    assert again.unread("p-ada") == (mine,)
    again.dismiss("p-ada", mine.id)
    assert again.unread("p-ada") == () and len(again.unread("p-bea")) == 1


def test_notices_are_bounded_and_of_known_kinds() -> None:
    notices = Notices()
    for number in range(KEPT + 5):
        notices.add("p-ada", "added", f"{number} {'x' * 5000}")
    unread = notices.unread("p-ada")
    assert len(unread) == KEPT and unread[0].text.startswith(f"{KEPT + 4} ") and len(unread[0].text) == 1000
    with pytest.raises(ValueError, match="not a kind"):
        notices.add("p-ada", "spam", "x")  # type: ignore[arg-type]


def test_notices_that_cannot_be_written_break_nothing(tmp_path: Path) -> None:
    notices = Notices(tmp_path / "notices.sqlite")
    with sqlite3.connect(tmp_path / "notices.sqlite") as other:
        other.execute("drop table notices")
    other.close()
    notices.add("p-ada", "added", "one", "esrf/ma1")
    notices.dismiss("p-ada", 1)
    assert notices.unread("p-ada") == ()


def test_an_outage_is_told_from_its_beginning_until_it_is_over_or_nobody_asks_any_more() -> None:
    clock = [NOW]
    outages = Outages(lambda: clock[0])
    outages.failed("source", LIST, "no answer")
    clock[0] += timedelta(minutes=5)
    outages.failed("source", LIST, "no answer within 5 s")
    outages.failed("login", "demo", "no answer")
    first, second = outages.down()
    assert (first.name, first.since, first.reason) == (LIST, NOW, "no answer within 5 s")
    assert second.kind == "login" and "no new right" in second.meaning and "go on" in first.meaning
    outages.answered("login", "demo")
    clock[0] += FORGET + timedelta(seconds=1)
    assert outages.down() == ()
    outages.failed("source", LIST, "no answer")
    assert outages.down()[0].since == clock[0], "nobody knows what was in between"
