"""One fault at a time, for real, and the chain names the right link; without a fault it names none."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from explain_faults import (
    DEMO,
    FAULTS,
    Case,
    Fault,
    Source,
    a_link_to_another_proposal,
    grant,
    no_account,
    the_login_was_ended,
)
from explain_support import ISSUER, SUBJECT, Words, person

from panosc_spawner.errors import SourceError
from panosc_spawner.explain import Helper, Running, State, Step
from panosc_spawner.explain.report import as_text
from panosc_spawner.identity.person import Identity
from panosc_spawner.launch.model import Reason, Selection
from panosc_spawner.launch.selection import parse_ref
from panosc_spawner.proposals.book import GrantBook
from panosc_spawner.spawners.base import facility_accounts, planned
from panosc_spawner.spawners.context import HubContext
from panosc_spawner.spawners.real_mounts import real_mounts
from panosc_spawner.spawners.refused import Refused

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can try a directory as somebody else")


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(Words(tmp_path))


def test_nothing_is_broken(case: Case) -> None:
    found = case.explained()
    assert found.broken is None
    assert found.opens
    assert {link.state for link in found.links} == {State.OK} if os.geteuid() == 0 else True
    assert list(dict.fromkeys(link.step for link in found.links)) == list(Step)


@pytest.mark.parametrize(("name", "step", "code", "who", "make"), FAULTS, ids=[found[0] for found in FAULTS])
def test_the_broken_link_is_named(
    case: Case, name: str, step: Step, code: str, who: Helper, make: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    if step is Step.PERMISSION and os.geteuid() != 0:
        pytest.skip("only root can try a directory as somebody else")
    make(case)
    if case.more.pop("strip_environments", False):
        monkeypatch.setattr("panosc_spawner.launch.plan.offered_environments", lambda *_: {})
    try:
        found = case.explained()
    except OSError as error:
        if name == "an_acl_shuts_them_out" and error.errno == 95:
            pytest.skip("this file system has no ACLs")
        raise
    assert found.broken, as_text(found)
    assert (found.broken.step, found.broken.code) == (step, code), as_text(found)
    assert who in found.broken.who
    assert found.broken.remedy
    assert not found.opens
    before = [link for link in found.links if list(Step).index(link.step) < list(Step).index(step)]
    assert State.BROKEN not in {link.state for link in before}
    assert code in as_text(found)
    mount = next(link for link in found.links if link.step is Step.MOUNT)
    assert mount.state is not State.OK


_DECIDED_AT_A_START = (Step.SOURCE, Step.GRANT, Step.PATH, Step.ACCOUNT, Step.MOUNT)


@pytest.mark.parametrize(
    ("name", "step", "make"),
    [(name, step, make) for name, step, _, _, make in FAULTS if step in _DECIDED_AT_A_START],
    ids=[name for name, step, *_ in FAULTS if step in _DECIDED_AT_A_START],
)
def test_a_start_is_refused_for_what_is_explained(
    case: Case, name: str, step: Step, make: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The explanation and the start decide by the same rules: neither says yes where the other says no."""
    make(case)
    if case.more.pop("strip_environments", False):
        monkeypatch.setattr("panosc_spawner.launch.plan.offered_environments", lambda *_: {})
    site = case.words.site()
    case.spoil()
    reason = asyncio.run(_started(case, site))
    assert reason is not None
    broken = case.explained_again(site).broken
    assert broken
    if broken.code in set(Reason):
        assert reason == broken.code
    else:
        assert reason in {Reason.SOURCE_DOWN, Reason.NOT_GRANTED, Reason.STALE, Reason.BAD_PATH, Reason.NO_ACCOUNT}


async def _started(case: Case, site: Any) -> Reason | None:
    """What a start of this would be refused with; None if it would not."""
    book = GrantBook(site, sources=case.sources(site) if case.sources else None)
    if case.before:
        await case.before(book, case.person)
    context = HubContext(site, book)
    refs = tuple(parse_ref(text, site) for text in (case.proposal, *case.more.get("together", ())))
    selection = Selection(refs)
    report, accounts = await asyncio.gather(
        book.report(case.person), facility_accounts(context, case.person, selection)
    )
    try:
        real_mounts(planned(context, case.person, report, selection, accounts), site)
    except Refused as refused:
        return refused.refusal.reason
    return None


def test_enough_faults_are_seeded() -> None:
    assert len(FAULTS) >= 30
    assert {step for _, step, *_ in FAULTS} == set(Step)


# -- beyond single faults --------------------------------------------------------------------------------------------------


def test_a_proposal_of_others_and_one_that_does_not_exist_look_the_same(case: Case) -> None:
    case.proposal = "demo/demo-002"
    theirs = case.explained()
    case.proposal = "demo/demo-999"
    nobodys = case.explained()
    now = datetime.now(UTC)
    one, other = ([link.to_json() for link in replace(found, asked_at=now).links] for found in (theirs, nobodys))
    assert str(one).replace("demo-002", "demo-999") == str(other)


def test_what_the_person_reads_names_no_place_of_others(case: Case) -> None:
    a_link_to_another_proposal(case)
    found = case.explained()
    shown = str([link.to_json(for_operator=False) for link in found.links])
    assert "demo-002" not in shown
    assert str(case.words.data) not in shown
    assert "demo-002" in as_text(found)  # the operator sees where it leads


def test_a_source_that_is_down_breaks_nothing_where_another_has_said_yes(case: Case) -> None:
    case.sources = lambda site: [
        Source("Down", SourceError("Down", "away")),
        Source("Fake", [grant()]),
    ]
    found = case.explained()
    assert found.opens, as_text(found)
    assert [link.state for link in found.links if link.step is Step.SOURCE] == [State.UNKNOWN, State.OK]


def test_while_a_source_is_down_nobody_is_told_that_they_are_not_on_it(case: Case) -> None:
    case.sources = lambda site: [Source("Fake", SourceError("Fake", "away")), Source("Other", [])]
    found = case.explained()
    right = next(link for link in found.links if link.step is Step.GRANT)
    assert right.state is State.UNKNOWN
    assert "You are not on" not in as_text(found)


def test_two_faults_are_both_shown_and_the_first_is_named(case: Case) -> None:
    the_login_was_ended(case)
    no_account(case)
    found = case.explained()
    broken = [link.step for link in found.links if link.state is State.BROKEN]
    assert broken == [Step.LOGIN, Step.ACCOUNT]
    assert found.broken
    assert found.broken.step is Step.LOGIN


def test_written_otherwise_is_fine_and_said(case: Case) -> None:
    case.proposal = " demo/DEMO-1 "
    found = case.explained()
    assert found.opens
    assert "'demo/DEMO-1'" in as_text(found)


def test_optional_data_that_are_missing_do_not_break_it(case: Case) -> None:
    case.words.demo = "[areas.scratch]\nrequired = false"
    case.spoil = lambda: shutil.rmtree(case.words.raw.with_name("scratch"))
    found = case.explained()
    assert found.opens, as_text(found)
    assert "a server is started without them" in as_text(found, width=200)


def test_running_servers(case: Case) -> None:
    case.more = {"running": (Running("p-demo-001", (DEMO,)), Running("p-other", ("demo/demo-003",)))}
    assert "It is in the running server p-demo-001." in as_text(case.explained(), width=200)
    case.more = {"running": (Running("p-other", ("demo/demo-003",)),)}
    assert "It is in no running server (there is p-other)." in as_text(case.explained(), width=200)


def test_linked_identities_are_named(case: Case) -> None:
    case.person = person(linked=(Identity(ISSUER, SUBJECT), Identity("https://other.example", "a1@other.example")))
    assert "Linked to it: a1@other.example (https://other.example)." in as_text(case.explained(), width=200)


def test_without_a_login_what_goes_by_it_is_not_known(case: Case) -> None:
    case.words.sources = (
        '[[sources]]\ntype = "entitlements"\nfacility = "demo"\nissuer = "https://login.example"\n'
        'namespace = "urn:geant:login.example"\ngroup = ["proposals"]'
    )
    case.proposal, case.more = "demo/demo-002", {"from_login": False}
    found = case.explained()
    assert found.broken is None, as_text(found)
    assert [link.state for link in found.links if link.step is Step.SOURCE] == [State.OK, State.UNKNOWN]
    assert not found.opens


def test_without_a_login_the_rest_is_tried(case: Case) -> None:
    case.more = {"from_login": False}
    found = case.explained()
    assert found.opens
    assert [link.state for link in found.links if link.step is Step.LOGIN] == [State.UNKNOWN]
    case.words.account = 'kind = "claim"'
    found = case.explained()
    assert not found.opens
    assert found.broken is None
    assert "no login is at hand" in as_text(found, width=200)


@AS_ROOT
def test_many_groups_are_told_where_nfs_forgets_them(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.words.account += f"\ngids = {list(range(5000, 5020))}"
    assert "NFS passes on 16 of them" in as_text(case.explained(), width=300)
    monkeypatch.setattr("panosc_spawner.explain.data.is_nfs", lambda real: True)
    assert "On NFS only 16 of the 20 groups count" in as_text(case.explained(), width=300)


@AS_ROOT
def test_an_area_that_cannot_be_written_is_told(case: Case) -> None:
    case.spoil = lambda: case.words.raw.with_name("processed").chmod(0o755)
    found = case.explained()
    assert found.opens
    processed = next(link for link in found.links if link.step is Step.PERMISSION and link.subject == "processed")
    assert processed.notes == ("By the hub they could be written, too; the file system refuses it.",)


def test_hostile_questions_are_answered(case: Case) -> None:
    for text in ("", "/", "demo/", "demo/../../etc", "demo/\x1b[2J", "demo/" + "9" * 10_000, "\u202edemo/demo-001"):
        case.proposal = text
        found = case.explained()
        assert found.broken
        assert found.broken.step is Step.PROPOSAL
        assert "\x1b" not in as_text(found)
        assert len(as_text(found)) < 4000
