"""The decision about access, as truth tables and properties."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from launch_support import ACCOUNT, ACCOUNTS, MA, NOW, PERSON, SITE, SP, SPALL, SYNC, decide, grant, site

from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Access, Area, Role
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.person import Account, NoAccount
from panosc_spawner.launch.model import LaunchPlan, Reason, Refusal, Selection
from panosc_spawner.launch.plan import plan
from panosc_spawner.launch.sources import with_sources
from panosc_spawner.proposals.model import Grant, Proposal, SourceOutcome, Visit


def test_a_plan_holds_all_that_a_spawner_needs() -> None:
    made = decide(grant(MA), grant(SP))
    assert isinstance(made, LaunchPlan)
    assert [(str(m.source), str(m.target), m.read_only, m.required) for m in made.mounts] == [
        (
            "/data/synchrotron/ma1234/ID31/20250915/raw",
            "/home/ada/proposals/synchrotron/ma1234/raw/id31-20250915",
            True,
            True,
        ),
        (
            "/data/synchrotron/ma1234/ID31/20250915/processed",
            "/home/ada/proposals/synchrotron/ma1234/processed/id31-20250915",
            False,
            False,
        ),
        ("/data/spallation/sp7/raw", "/home/ada/proposals/spallation/sp7/raw", True, True),
        ("/data/spallation/sp7/processed", "/home/ada/proposals/spallation/sp7/processed", False, False),
    ]
    assert made.account == Account("ada", 20001, 20000, (30001, 30002))
    assert made.home.source == "/home/ada"
    assert made.environment_id == f"{SYNC}/base"
    assert made.labels["org.panosc.proposals"] == "synchrotron/ma1234,spallation/sp7"
    assert made.ends_at == NOW + timedelta(hours=12)
    assert made.start_pages[0] == PurePosixPath("proposals/synchrotron/ma1234/processed/id31-20250915/start-here.ipynb")


REFUSALS = [
    ("nothing chosen", [grant()], Selection(()), Reason.NO_PROPOSAL),
    ("somebody else's", [grant()], Selection((ProposalRef(SPALL, "sp8"),)), Reason.NOT_GRANTED),
    ("one of two is not theirs", [grant()], Selection((SP, MA)), Reason.NOT_GRANTED),
    ("an unknown facility", [grant()], Selection((ProposalRef("moon", "sp7"),)), Reason.NOT_GRANTED),
    ("no grants at all", [], Selection((SP,)), Reason.NOT_GRANTED),
    ("begins tomorrow", [grant(not_before=NOW + timedelta(days=1))], None, Reason.NOT_YET),
    ("ended a second ago", [grant(ends_at=NOW - timedelta(seconds=1))], None, Reason.ENDED),
    ("ends exactly now", [grant(ends_at=NOW)], None, Reason.ENDED),
    ("seen too long ago", [grant(seen_at=NOW - timedelta(minutes=16))], None, Reason.STALE),
    ("its source failed just now", [grant(confirmed=False)], None, Reason.STALE),
    ("another facility's image", [grant()], Selection((SP,), environment=f"{SYNC}/base"), Reason.NO_ENVIRONMENT),
    ("an image by name", [grant()], Selection((SP,), environment="evil:latest"), Reason.NO_ENVIRONMENT),
    ("too much memory", [grant()], Selection((SP,), memory=64 * 1024**3), Reason.TOO_MUCH),
    ("too many cores", [grant()], Selection((SP,), cpu=64), Reason.TOO_MUCH),
    ("a GPU where there is none", [grant()], Selection((SP,), gpus=1), Reason.TOO_MUCH),
    ("too little memory", [grant()], Selection((SP,), memory=1024), Reason.TOO_LITTLE),
    ("a visit without a date", [grant(MA, proposal=Proposal(MA, visits=(Visit("ID31"),)))], None, Reason.BAD_PATH),
    ("no visit at all", [grant(MA, proposal=Proposal(MA))], None, Reason.BAD_PATH),
    (
        "an instrument that climbs",
        [grant(MA, proposal=Proposal(MA, visits=(Visit("../..", date(2025, 1, 1)),)))],
        None,
        Reason.BAD_PATH,
    ),
]


@pytest.mark.parametrize(("grants", "ask", "reason"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_refusals(grants: list[Grant], ask: Selection | None, reason: Reason) -> None:
    refusal = decide(*grants, ask=ask)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is reason
    assert refusal.message.endswith(".")
    assert refusal.remedy.endswith(".")


ACCOUNT_TABLE = [
    ("root", Account("root", 0, 0), Reason.SYSTEM_ACCOUNT),
    ("uid 0 by another name", Account("ada", 0, 20000), Reason.SYSTEM_ACCOUNT),
    ("system uid", Account("www-data", 33, 20000), Reason.SYSTEM_ACCOUNT),
    ("nobody", Account("nobody", 65534, 20000), Reason.SYSTEM_ACCOUNT),
    ("uid -1 as the kernel sees it", Account("ada", 2**32 - 1, 20000), Reason.SYSTEM_ACCOUNT),
    ("negative", Account("ada", -1, 20000), Reason.SYSTEM_ACCOUNT),
    ("root's group", Account("ada", 20001, 0), Reason.SYSTEM_ACCOUNT),
    ("system group", Account("ada", 20001, 42), Reason.SYSTEM_ACCOUNT),
    ("a name that is a path", Account("../root", 20001, 20000), Reason.SYSTEM_ACCOUNT),
    ("a name with a newline", Account("ada\nroot", 20001, 20000), Reason.SYSTEM_ACCOUNT),
    ("a name with a colon", Account("ada:0", 20001, 20000), Reason.SYSTEM_ACCOUNT),
    ("none", NoAccount("not in LDAP"), Reason.NO_ACCOUNT),
]


@pytest.mark.parametrize(("account", "reason"), [r[1:] for r in ACCOUNT_TABLE], ids=[r[0] for r in ACCOUNT_TABLE])
def test_accounts_that_are_refused(account: Account | NoAccount, reason: Reason) -> None:
    refusal = decide(grant(), accounts={SPALL: account})
    assert isinstance(refusal, Refusal)
    assert refusal.reason is reason


def test_two_facilities_with_two_accounts_are_two_servers() -> None:
    refusal = decide(grant(MA), grant(SP), accounts={SYNC: ACCOUNT, SPALL: replace(ACCOUNT, uid=40000)})
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.ACCOUNTS_DIFFER


def test_system_groups_are_dropped_and_many_groups_are_warned_of() -> None:
    made = decide(grant(), accounts={SPALL: replace(ACCOUNT, gids=(0, 42, *range(30000, 30017)))})
    assert isinstance(made, LaunchPlan)
    assert min(made.account.gids) == 30000
    assert len(made.account.gids) == 17
    assert "17 groups" in made.warnings[0]


def test_sixteen_groups_are_not_warned_of() -> None:
    made = decide(grant(), accounts={SPALL: replace(ACCOUNT, gids=tuple(range(30000, 30016)))})
    assert isinstance(made, LaunchPlan)
    assert made.warnings == ()


ROLE_TABLE = [
    (Role.PI, {Area.RAW: True, Area.PROCESSED: False}),
    (Role.MEMBER, {Area.RAW: True, Area.PROCESSED: False}),
    (Role.LOCAL_CONTACT, {Area.RAW: True, Area.PROCESSED: True}),
    (Role.PUBLIC, {Area.RAW: True}),
]


@pytest.mark.parametrize(("role", "read_only"), ROLE_TABLE)
def test_roles_decide_what_is_writable(role: Role, read_only: dict[Area, bool]) -> None:
    made = decide(grant(role=role))
    assert isinstance(made, LaunchPlan)
    assert {mount.area: mount.read_only for mount in made.mounts} == read_only


def test_the_strongest_live_grant_counts() -> None:
    ended_pi = grant(role=Role.PI, ends_at=NOW - timedelta(days=1))
    made = decide(grant(role=Role.LOCAL_CONTACT), ended_pi, grant(role=Role.PUBLIC))
    assert isinstance(made, LaunchPlan)
    assert {mount.area: mount.read_only for mount in made.mounts} == {Area.RAW: True, Area.PROCESSED: True}


def test_a_server_ends_with_the_grant() -> None:
    made = decide(grant(MA), grant(SP, ends_at=NOW + timedelta(hours=3)))
    assert isinstance(made, LaunchPlan)
    assert made.ends_at == NOW + timedelta(hours=3)


def test_overrides_apply_in_the_order_of_their_keys() -> None:
    overrides = {
        "20-main-proposers": {"groups": ["role:pi"], "memory": "32G"},
        "10-everybody-at-spallation": {"groups": ["facility:spallation", "nobody"], "memory": "16G", "gpus": 1},
        "30-others": {"groups": ["facility:moon"], "memory": "1G"},
    }
    made = decide(grant(role=Role.PI), on=site(resources={"overrides": overrides, "ask": "2G"}), ask=Selection((SP,)))
    assert isinstance(made, LaunchPlan)
    assert made.limits.memory == 2 * 1024**3
    most = decide(
        grant(role=Role.PI),
        on=site(resources={"overrides": overrides}),
        ask=Selection((SP,), memory=32 * 1024**3, gpus=1),
    )
    assert isinstance(most, LaunchPlan)
    assert (most.limits.memory, most.limits.gpus) == (32 * 1024**3, 1)


@pytest.mark.parametrize(
    ("suggested", "instrument", "expected"),
    [
        ("", "D22", "sans"),
        ("", "d22", "sans"),
        ("", "ID31", "base"),
        ("sans", "ID31", "sans"),
        ("no-such", "ID31", "base"),
    ],
)
def test_the_suggested_environment(suggested: str, instrument: str, expected: str) -> None:
    made = decide(grant(proposal=Proposal(SP, visits=(Visit(instrument),), environment=suggested)))
    assert isinstance(made, LaunchPlan)
    assert made.environment_id == f"{SPALL}/{expected}"


def with_status(**status: str) -> Site:
    """The test site, its facility's environments with other statuses."""
    environments = {
        key: environment.model_copy(update={"status": status.get(key, "current"), "status_note": "Use another."})
        for key, environment in SITE.facilities[SPALL].environments.items()
    }
    facility = SITE.facilities[SPALL].model_copy(update={"environments": environments})
    return replace(SITE, facilities={**SITE.facilities, SPALL: facility})


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"sans": "deprecated"}, "base"),
        ({"sans": "withdrawn"}, "base"),
        ({"sans": "deprecated", "base": "deprecated"}, "sans"),
    ],
)
def test_what_is_deprecated_or_withdrawn_is_not_suggested(status: dict[str, str], expected: str) -> None:
    made = decide(grant(proposal=Proposal(SP, visits=(Visit("D22"),))), on=with_status(**status))
    assert isinstance(made, LaunchPlan)
    assert made.environment_id == f"{SPALL}/{expected}"


def test_what_is_deprecated_starts_and_what_is_withdrawn_does_not() -> None:
    ask = Selection((SP,), environment=f"{SPALL}/sans")
    assert isinstance(decide(grant(), on=with_status(sans="deprecated"), ask=ask), LaunchPlan)
    refused = decide(grant(), on=with_status(sans="withdrawn"), ask=ask)
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.NO_ENVIRONMENT
    assert "was withdrawn" in refused.message
    assert "Use another." in refused.message


def test_a_source_that_is_down_is_named() -> None:
    refusal = Refusal(Reason.NOT_GRANTED, "You are not on it.", "Ask.")
    down = SourceOutcome("user office", NOW, error="no answer within 5 seconds")
    assert "user office (no answer within 5 seconds, asked 09:00 UTC)" in with_sources(refusal, [down]).message
    assert with_sources(refusal, [SourceOutcome("user office", NOW, 3)]) is refusal
    other = Refusal(Reason.TOO_MUCH, "Too much.", "Less.")
    assert with_sources(other, [down]) is other


# --- properties of the decision ------------------------------------------------------------------------------------

_ids = st.sampled_from(["ma1", "ma2", "sp7", "..", "a/b", "", "x" * 100, "ma1\n", "{0}"])
_refs = st.builds(ProposalRef, st.sampled_from([SYNC, SPALL, "moon"]), _ids)
_visits = st.builds(
    Visit,
    st.sampled_from(["ID31", "d22", "..", "a/b", "", "{proposal}", "\0"]),
    st.none() | st.dates(),
    st.none(),
    st.dictionaries(
        st.sampled_from(["date", "cycle", "proposal", "instrument"]),
        st.sampled_from(["..", "/etc", "1", ""]),
        max_size=2,
    ),
)
_times = st.sampled_from([None, NOW - timedelta(days=1), NOW, NOW + timedelta(days=1)])
_grants = st.builds(
    Grant,
    st.builds(Proposal, _refs, st.just("t"), st.lists(_visits, max_size=3).map(tuple)),
    st.sampled_from(list(Role)),
    st.just("s"),
    st.just("e"),
    st.sampled_from([NOW, NOW - timedelta(hours=1)]),
    _times,
    _times,
)


@given(st.lists(_grants, max_size=6), st.lists(_refs, max_size=3).map(tuple))
def test_every_mount_comes_from_a_live_grant_and_lies_beneath_its_root(
    grants: list[Grant], wanted: tuple[ProposalRef, ...]
) -> None:
    made = plan(PERSON, grants, Selection(wanted), SITE, ACCOUNTS, NOW)
    if isinstance(made, Refusal):
        return
    live = {
        g.ref
        for g in grants
        if (not g.not_before or g.not_before <= NOW) and (not g.ends_at or g.ends_at > NOW) and g.seen_at == NOW
    }
    assert set(made.proposals) == set(wanted)
    for mount in made.mounts:
        assert mount.proposal in live
        assert mount.proposal in wanted
        assert mount.source.is_relative_to(f"/data/{mount.proposal.facility}/{mount.proposal.id}")
        assert ".." not in mount.source.parts + mount.target.parts
        assert mount.target.is_relative_to(f"/home/ada/proposals/{mount.proposal.facility}/{mount.proposal.id}")
        assert mount.read_only or mount.area is not Area.RAW
        rule = SITE.facilities[mount.proposal.facility].areas[mount.area]
        assert any(rule.access_for(g.role) is not Access.NONE for g in grants if g.ref == mount.proposal)
    assert len({mount.target for mount in made.mounts}) == len(made.mounts)
