"""What becomes of a running server's proposals: the whole truth table, and that nothing is concluded from a source that failed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest
from launch_support import ACCOUNTS, MA, NOW, PERSON, SP, SPALL, SYNC, grant, site
from launch_support import decide as plan_of

from panosc_spawner.access.decisions import Decision, Silence, Standing, decide, start_again_with
from panosc_spawner.access.held import Held, read_held
from panosc_spawner.access.judge import Judge
from panosc_spawner.facilities.model import Role
from panosc_spawner.launch.model import LaunchPlan, Reason, Selection
from panosc_spawner.proposals.model import Grant, GrantReport, SourceOutcome
from panosc_spawner.spawners.base import summarise
from panosc_spawner.spawners.holdings import holdings

SITE = site()
LIST, OTHER = "user office list", "catalogue"
SPEAKERS = {LIST: frozenset({SPALL, SYNC}), OTHER: frozenset({SPALL}), "far away": frozenset({SYNC})}
OK = SourceOutcome(LIST, NOW, 1)
GRACE = SITE.config.access.outage_grace
SEEN = dict.fromkeys((MA, SP), timedelta(minutes=2))
"""The hub has met with the silence for long enough itself."""


def held(*grants: Grant, confirmed: timedelta = timedelta(minutes=1)) -> Held:
    """What a server holds that was started with these grants, and confirmed so long ago."""
    made = plan_of(*grants)
    assert isinstance(made, LaunchPlan)
    summary = summarise(made) | holdings(made, NOW - confirmed)
    return read_held(summary, SITE, NOW)


def down(name: str = LIST, *, last_answer: bool = False) -> SourceOutcome:
    return SourceOutcome(name, NOW, 0, "no answer", NOW - timedelta(minutes=5) if last_answer else None)


def said(*grants: Grant, outcomes: tuple[SourceOutcome, ...] = (OK,)) -> GrantReport:
    return GrantReport(grants, outcomes)


def standing(server: Held, report: GrantReport, silence: Silence = SEEN) -> Standing:
    return decide(server, report, SITE, SPEAKERS, NOW, silence).verdicts[0].standing


def in_days(days: float) -> datetime:
    return NOW + timedelta(days=days)


TABLE = [
    # what the report says of the proposal                     outcomes                                      standing
    ("live", grant(), (OK,), Standing.LIVE),
    ("live by one, another is down", grant(), (OK, down(OTHER)), Standing.LIVE),
    ("gone", None, (OK,), Standing.REMOVED),
    ("gone, a source of other facilities is down", None, (OK, down("far away")), Standing.REMOVED),
    ("gone, one that never had it is down", None, (OK, down(OTHER, last_answer=True)), Standing.REMOVED),
    ("gone, one that could have it is down", None, (OK, down(OTHER)), Standing.UNKNOWN),
    ("all down, nothing at hand", None, (down(),), Standing.UNKNOWN),
    ("down, last answer had it", grant(confirmed=False), (down(last_answer=True),), Standing.UNKNOWN),
    ("old claims", grant(seen_at=NOW - timedelta(minutes=16)), (OK,), Standing.UNKNOWN),
    ("over", grant(ends_at=in_days(-0.01)), (OK,), Standing.ENDED),
    ("over, one that could extend it is down", grant(ends_at=in_days(-0.01)), (OK, down(OTHER)), Standing.UNKNOWN),
    ("later", grant(not_before=in_days(1)), (OK,), Standing.EMBARGOED),
    ("later, one is down", grant(not_before=in_days(1)), (OK, down(OTHER)), Standing.UNKNOWN),
    ("less to write", grant(role=Role.LOCAL_CONTACT), (OK,), Standing.REDUCED),
    ("less to see", grant(role=Role.PUBLIC), (OK,), Standing.REDUCED),
    ("less to write, one that may say more is down", grant(role=Role.LOCAL_CONTACT), (OK, down(OTHER)), Standing.UNKNOWN),
    ("more", grant(role=Role.PI), (OK,), Standing.LIVE),
]  # fmt: skip


@pytest.mark.parametrize(("words", "now_said", "outcomes", "wanted"), TABLE, ids=[row[0] for row in TABLE])
def test_truth_table(words: str, now_said: Grant | None, outcomes: tuple[SourceOutcome, ...], wanted: Standing) -> None:
    report = said(*([now_said] if now_said else []), outcomes=outcomes)
    assert standing(held(grant()), report) is wanted


@pytest.mark.parametrize(("words", "now_said", "outcomes", "wanted"), TABLE, ids=[row[0] for row in TABLE])
def test_what_is_unknown_ends_after_the_grace_and_nothing_else_changes(
    words: str, now_said: Grant | None, outcomes: tuple[SourceOutcome, ...], wanted: Standing
) -> None:
    report = said(*([now_said] if now_said else []), outcomes=outcomes)
    late = standing(held(grant(), confirmed=GRACE + timedelta(seconds=1)), report)
    assert late is (Standing.UNCONFIRMED if wanted is Standing.UNKNOWN else wanted)


@pytest.mark.parametrize("silence", [{}, {SP: timedelta(seconds=119)}, {MA: timedelta(hours=9)}])
@pytest.mark.parametrize(("words", "now_said", "outcomes", "wanted"), TABLE, ids=[row[0] for row in TABLE])
def test_after_a_sleep_of_the_machine_what_is_unknown_goes_on_until_the_silence_was_seen_and_nothing_else_changes(
    words: str, now_said: Grant | None, outcomes: tuple[SourceOutcome, ...], wanted: Standing, silence: Silence
) -> None:
    report = said(*([now_said] if now_said else []), outcomes=outcomes)
    assert standing(held(grant(), confirmed=timedelta(hours=9)), report, silence) is wanted


def test_of_a_grace_that_is_shorter_than_two_minutes_so_much_must_be_seen() -> None:
    short = site(access={"outage_grace": "15s"})
    server, report = held(grant(), confirmed=timedelta(seconds=16)), said(outcomes=(down(),))
    found = [
        decide(server, report, short, SPEAKERS, NOW, {SP: timedelta(seconds=seconds)}).verdicts[0].standing
        for seconds in (14, 15)
    ]
    assert found == [Standing.UNKNOWN, Standing.UNCONFIRMED]


def test_the_last_confirmation_counts_and_not_the_start() -> None:
    long_ago = held(grant(), confirmed=timedelta(hours=9))
    report = said(outcomes=(down(),))
    assert standing(long_ago, report) is Standing.UNCONFIRMED
    assert standing(replace(long_ago, confirmed={SP: NOW - GRACE}), report) is Standing.UNKNOWN


def test_nothing_is_lost_by_failures_alone_within_the_grace() -> None:
    """Whatever is down, and whatever the others say that is not a plain no: the server goes on."""
    for mine, other, near in product((None, "down", "stale"), repeat=3):
        failed = [
            down(name, last_answer=kind == "stale")
            for name, kind in ((LIST, mine), (OTHER, other), ("far away", near))
            if kind
        ]
        if not any(outcome.source in (LIST, OTHER) for outcome in failed):
            continue
        grants = [grant(confirmed=False)] if mine == "stale" else []
        if mine is None and other == "stale":
            continue  # the list answered no, and the catalogue is known not to have it: a plain no
        found = decide(held(grant()), said(*grants, outcomes=tuple(failed)), SITE, SPEAKERS, NOW, SEEN)
        assert not found.lost, failed


def test_a_visit_that_is_not_the_persons_any_more_is_less() -> None:
    both = grant(MA)
    more = replace(both, proposal=replace(both.proposal, visits=(*both.proposal.visits, grant(SP).proposal.visits[0])))
    assert standing(held(more), said(both)) is Standing.REDUCED
    assert standing(held(both), said(more)) is Standing.LIVE


def test_visits_that_could_not_be_looked_up_are_no_revocation() -> None:
    bare = replace(grant(MA), proposal=replace(grant(MA).proposal, visits=()))
    assert standing(held(grant(MA)), said(bare)) is Standing.LIVE
    contact = replace(bare, role=Role.LOCAL_CONTACT)
    assert standing(held(grant(MA)), said(contact)) is Standing.REDUCED, (
        "but what the role may do is known without them"
    )


def test_each_proposal_has_its_own_verdict_and_the_rest_can_go_on() -> None:
    server = held(grant(MA), grant(SP))
    found = decide(server, said(grant(MA)), SITE, SPEAKERS, NOW, SEEN)
    assert [verdict.ref for verdict in found.lost] == [SP]
    assert found.startable == (MA,)
    selection = Selection((MA, SP), f"{SPALL}/sans", cpu=1.5)
    again = start_again_with(selection, found, PERSON, said(grant(MA)), SITE, ACCOUNTS, NOW)
    assert again == Selection((MA,), "", cpu=1.5), "the other facility's environment goes, what was chosen else stays"


def test_more_than_what_is_left_entitles_to_gives_way() -> None:
    rich = site(
        resources={"default": {"memory": "4G"}, "overrides": {"sp": {"groups": [f"facility:{SPALL}"], "memory": "64G"}}}
    )
    found = decide(held(grant(MA), grant(SP)), said(grant(MA)), rich, SPEAKERS, NOW, SEEN)
    asked = Selection((MA, SP), memory=32 * 1024**3)
    again = start_again_with(asked, found, PERSON, said(grant(MA)), rich, ACCOUNTS, NOW)
    assert again == Selection((MA,))


def test_it_is_started_again_in_what_is_on_the_machine() -> None:
    found = decide(held(grant(MA), grant(SP)), said(grant(SP)), SITE, SPEAKERS, NOW, SEEN)
    image = SITE.facilities[SPALL].environments["sans"].image
    asked = Selection((MA, SP), f"{SPALL}/sans")
    here = start_again_with(asked, found, PERSON, said(grant(SP)), SITE, ACCOUNTS, NOW)
    assert here == Selection((SP,), f"{SPALL}/sans")
    gone = start_again_with(asked, found, PERSON, said(grant(SP)), SITE, ACCOUNTS, NOW, (image,))
    assert gone == Selection((SP,), "")


def test_what_is_not_confirmed_now_is_not_started_again() -> None:
    report = said(grant(SP, confirmed=False), outcomes=(OK, down(OTHER, last_answer=True)))
    found = decide(held(grant(MA), grant(SP)), report, SITE, SPEAKERS, NOW, SEEN)
    assert [v.standing for v in found.verdicts] == [Standing.REMOVED, Standing.UNKNOWN]
    assert found.startable == ()
    assert start_again_with(Selection((MA, SP)), found, PERSON, report, SITE, ACCOUNTS, NOW) is None


def test_every_loss_says_why_and_what_to_do() -> None:
    for _, now_said, outcomes, wanted in TABLE:
        report = said(*([now_said] if now_said else []), outcomes=outcomes)
        for age in (timedelta(minutes=1), timedelta(hours=5)):
            for verdict in decide(held(grant(), confirmed=age), report, SITE, SPEAKERS, NOW, SEEN).lost:
                assert verdict.why and "sp7" in verdict.why.message and verdict.why.remedy, wanted


def test_a_proposal_that_this_hub_does_not_serve_any_more_is_removed() -> None:
    summary = {"proposals": ["elsewhere/x1", f"{SPALL}/sp7", 7, "\x00/"], "decided_at": NOW.isoformat()}
    found = decide(read_held(summary, SITE, NOW), said(grant()), SITE, SPEAKERS, NOW, SEEN)
    assert [v.standing for v in found.verdicts] == [Standing.LIVE, *[Standing.REMOVED] * 3]


def test_the_first_end_of_a_live_right_is_told() -> None:
    found = decide(held(grant(MA), grant(SP)), said(grant(MA, ends_at=in_days(2)), grant(SP, ends_at=in_days(1))), SITE, SPEAKERS, NOW, SEEN)  # fmt: skip
    assert isinstance(found, Decision) and found.ends_at == in_days(1)


@pytest.mark.parametrize(
    "summary",
    [
        {},
        {"proposals": [f"{SPALL}/sp7"]},
        {"proposals": [f"{SPALL}/sp7"], "confirmed": {f"{SPALL}/sp7": "soon"}, "decided_at": 7, "account": {"name": 1}},
        {"proposals": [f"{SPALL}/sp7"], "decided_at": "2031-01-01T00:00:00", "holds": [{"proposal": "x", "area": "y"}]},
    ],
)
def test_states_of_older_hubs_are_read_and_give_the_grace_from_now(summary: dict[str, object]) -> None:
    server = read_held(summary, SITE, NOW)
    assert server.decided_at == NOW
    assert not decide(server, said(outcomes=(down(),)), SITE, SPEAKERS, NOW, SEEN).lost


def test_the_hub_sees_a_silence_from_the_first_look_at_this_very_server_that_met_with_it() -> None:
    seconds = [5000.0]
    judge = Judge(SITE, SPEAKERS, clock=lambda: seconds[0])
    old, younger = (held(grant(), confirmed=timedelta(hours=hours)) for hours in (9, 8))

    def look(server: Held, report: GrantReport, *, later: float, name: str = "p-one") -> Standing:
        seconds[0] += later
        return judge.decide("p-ada", name, server, report, NOW).verdicts[0].standing

    silent = said(outcomes=(down(),))
    assert look(old, silent, later=0) is Standing.UNKNOWN, "the first look after the machine slept"
    assert look(old, silent, later=119) is Standing.UNKNOWN
    assert look(old, silent, later=1) is Standing.UNCONFIRMED
    assert look(younger, silent, later=0) is Standing.UNKNOWN, "started meanwhile: another server of that name"
    assert look(old, silent, later=0, name="p-two") is Standing.UNKNOWN
    assert look(old, said(grant()), later=0) is Standing.LIVE
    assert look(old, silent, later=5) is Standing.UNKNOWN, "an answer begins it anew"
    assert look(old, silent, later=700) is Standing.UNKNOWN, "nobody looked for ten minutes: nothing was seen"
    assert look(old, silent, later=130) is Standing.UNCONFIRMED


def test_the_words_of_a_loss_by_silence_name_who_is_silent() -> None:
    found = decide(held(grant(), confirmed=timedelta(hours=2)), said(outcomes=(down(),)), SITE, SPEAKERS, NOW, SEEN)
    why = found.lost[0].why
    assert why and why.reason is Reason.SOURCE_DOWN and "user office list: no answer" in why.message
