"""The proof: whatever claims, sources and selections say, a server gets and keeps no directory that no live right opens."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from support_subset import (
    ACCOUNT,
    NAMESPACE,
    SCRIPTED,
    Failure,
    Moment,
    Right,
    Story,
    Told,
    allowed,
    in_grace,
    make_community,
    make_site,
)

from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Role
from panosc_spawner.launch.model import LaunchPlan
from panosc_spawner.proposals.model import Visit

FAST, SLOW = 1_000, 100_000
PARTS = 8  # each a process's, so that all cores take part

ID31 = Visit("ID31", date(2026, 3, 4))
D22 = Visit("D22", date(2026, 5, 30), fields={"cycle": "261"})
SPB = Visit("SPB", date(2026, 2, 1), fields={"cycle": "202601"})
REFS = {
    ProposalRef("esrf", "ma1234"): ID31,
    ProposalRef("esrf", "ma123"): replace(ID31, instrument="ID22"),
    ProposalRef("esrf", "hg99"): ID31,
    ProposalRef("ill", "8-04-923"): D22,
    ProposalRef("ill", "8-04-92"): D22,
    ProposalRef("euxfel", "p002145"): SPB,
    ProposalRef("euxfel", "p900091"): SPB,
}
# Sources and selections name these most of the time, or they would seldom speak of the same.
FAVOURITES = [ProposalRef("esrf", "ma1234"), ProposalRef("ill", "8-04-923")]
# What a careless or hostile source writes where an id or a visit is expected.
HOSTILE_REFS = [
    ProposalRef("esrf", "MA-1234"),
    ProposalRef("esrf", "../ma1234"),
    ProposalRef("ill", "8-04-923/../8-04-92"),
    ProposalRef("moon", "ma1234"),
    ProposalRef("ill", "ma1234"),
    ProposalRef("euxfel", "p2145"),
]
HOSTILE_VISITS = [
    Visit("../..", date(2026, 3, 4)),
    Visit("ID31/..", date(2026, 3, 4)),
    Visit("", date(2026, 3, 4)),
    Visit("ID31"),
    Visit("D22", date(2026, 5, 30), fields={"cycle": "../261"}),
    Visit("ID31", date(2026, 3, 4), fields={"proposal": "hg99"}),
    Visit("ID31", date(2026, 3, 4), fields={"date": "20260304/../../../hg99/id31/20260304"}),
    Visit("ID31\n", date(2026, 3, 4)),
]
TIMES = [
    (None, None),
    (timedelta(minutes=-5), timedelta(days=1)),
    (timedelta(minutes=3), None),
    (None, timedelta(minutes=2)),
    (None, timedelta()),
    (timedelta(days=1), timedelta(days=-1)),
]

# All that a source may say, once: one choice among these is cheaper than five choices, a hundred thousand times.
RIGHTS = [
    Right(ref, role, visits, *times, age)
    for ref in [*list(REFS) * 4, *FAVOURITES * 20, *HOSTILE_REFS]
    for own in [REFS.get(ref, ID31)]
    for role in Role
    for visits in [*[(own,)] * 12, *[()] * 3, (own, replace(own, instrument="ID15a")), *((v,) for v in HOSTILE_VISITS)]
    for times in [*TIMES[:1] * 4, *TIMES]
    for age in [*[timedelta()] * 5, timedelta(minutes=14), timedelta(minutes=16), timedelta(days=3)]
]
_rights = st.sampled_from(RIGHTS)


# Entitlements: which of them are a right is said here, by hand.
_GROUP = f"{NAMESPACE}:group:community:ill:proposals"
GOOD = {
    f"{_GROUP}:8-04-923": Right(ProposalRef("ill", "8-04-923")),
    f"{_GROUP}:8-04-923#evil.example": Right(ProposalRef("ill", "8-04-923")),
    f"{_GROUP}:8-04-92:role=pi#community.example": Right(ProposalRef("ill", "8-04-92"), Role.PI),
    "URN:geant:Community.example:group:community:ill:proposals:8-04-92": Right(ProposalRef("ill", "8-04-92")),
}
BAD = [
    "urn:geant:evil.example:group:community:ill:proposals:8-04-923#community.example",
    "urn:geant:community.example.evil:group:community:ill:proposals:8-04-923",
    "urn:geant:evil-community.example:group:community:ill:proposals:8-04-923",
    "urn:geant:evil.example:group:x:community.example:group:community:ill:proposals:8-04-923",
    f"{NAMESPACE}:sub:group:community:ill:proposals:8-04-923",
    f"{NAMESPACE}:group:x:group:community:ill:proposals:8-04-923",
    f"{NAMESPACE}:group:community%3Aill%3Aproposals%3A8-04-923",
    f"{NAMESPACE}:group:community:ill:proposals%3A8-04-923",
    f"{_GROUP}:8-04-923:role=chief",
    f"{_GROUP}:8-04-923:8-04-92",
    f"{_GROUP}:..%2F..%2Fetc",
    f"{_GROUP}:%38-04-923%23",
    f"{_GROUP}:",
    f"{_GROUP}",
    f"{NAMESPACE}:res:community:ill:proposals:8-04-923",
    f"{NAMESPACE}:Group:community:ill:proposals:8-04-923",
    f" {_GROUP}:8-04-923",
    f"{_GROUP}:8-04-923\n",
    f"{_GROUP}:８-04-923",
    "urn:mace:egi.eu:aai.egi.eu:member@fedcloud.egi.eu",
    "x" * 3000,
]
# Good ones with one character changed to a separator, and now and then something that is no text: the login is refused then.
CHANGED = [
    urn[:at] + ":" + urn[at + 1 :]
    for text in GOOD
    for urn in [text.partition("#")[0]]
    for at in range(len(urn))
    if urn[at] != ":"
]
_claims = st.lists(st.sampled_from([*[*GOOD] * 30, *BAD * 8, *CHANGED, None, 7]), max_size=4)
_answers = st.lists(_rights, max_size=4) | st.lists(_rights, min_size=2, max_size=4) | st.sampled_from(Failure)
_laters = st.sampled_from(
    [*[timedelta(seconds=30)] * 2, *[timedelta(minutes=4)] * 2, timedelta(minutes=20), *[timedelta(hours=5)] * 2]
)
moments = st.builds(Moment, st.tuples(*[_answers] * SCRIPTED), _claims, _laters, st.sampled_from([True, True, False]))
WRITTEN = [f"{ref.facility}/{ref.id}" for ref in REFS]
BOTH = [f"{ref.facility}/{ref.id}" for ref in FAVOURITES]
ODD = [
    "esrf/",
    "ill/../esrf/ma1234",
    "ill/8-04-923/..",
    "moon/1",
    "/data/visitor/hg99",
    "esrf/ma1234\n",
    ["esrf/ma1234"],
]
ASKED: list[object] = [
    *[[text] for text in WRITTEN * 12],
    *[[text] for text in BOTH * 30],
    *[BOTH] * 40,
    *[[text, other] for text in WRITTEN for other in WRITTEN],
    *[[text, odd] for text in WRITTEN[:3] for odd in ODD],
    ["esrf/MA-1234"],
    "esrf/ma1234,ill/8-04-923",
    ["*"],
    {"esrf/ma1234": 1},
    None,
]
SELECTIONS: list[object] = [
    *[{"proposals": asked} for asked in ASKED * 6],
    *[{"proposals": asked, "environment": "esrf/base"} for asked in ASKED],
    *[{"proposals": WRITTEN[:1], "environment": odd} for odd in ("evil:latest", ["ill/base"], {"image": "x"})],
    {"proposals": WRITTEN[:1], "mounts": ["/data/visitor/hg99"]},
    "all of them",
]
selections = st.sampled_from(SELECTIONS)
stories = st.tuples(st.lists(moments, min_size=1, max_size=3), selections)


class Looker:
    """Lives through stories, and counts what came of them."""

    def __init__(self, folder: Path) -> None:
        self.site = make_site(folder)
        self.community = make_community()
        self.counts: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()

    def look(self, moments: list[Moment], options: object) -> None:
        """At each moment of a story, what a server gets is among what is allowed then."""
        story = Story(self.site, self.community)
        self.counts["stories"] += 1
        for moment in moments:
            self.counts["decisions"] += 1
            told = self._loop.run_until_complete(story.live(moment, options))
            if told is None:
                self.counts["refused: login"] += 1
            else:
                self._compare(story, told)

    def _compare(self, story: Story, told: Told) -> None:
        self._compare_server(story, told)
        if not isinstance(told.decision, LaunchPlan):
            self.counts[f"refused: {told.decision.reason}"] += 1
            return
        may = allowed(story, GOOD)
        self.counts["plans"] += 1
        self.counts["mounts"] += len(told.decision.mounts)
        sources = {mount.source for mount in told.decision.mounts}
        assert sources <= may.readable, (sources - may.readable, told)
        writable = {mount.source for mount in told.decision.mounts if not mount.read_only}
        assert writable <= may.writable, (writable - may.writable, told)
        assert told.decision.account == ACCOUNT
        assert told.decision.ends_at > told.at

    def _compare_server(self, story: Story, told: Told) -> None:
        """What a running server goes on with is allowed now, or is in the grace of an outage; a new mount never is the latter."""
        grace = in_grace(story, GOOD)
        if told.left is None:
            return
        may = allowed(story, GOOD)
        self.counts[
            "looks at a server: " + ("restarted" if told.restarted else "goes on" if told.left else "ended")
        ] += 1
        for mount in told.left:
            if mount.proposal in grace and not told.restarted:
                self.counts["mounts in an outage's grace"] += 1
                continue
            assert PurePosixPath(mount.source) in may.readable, (mount, told)
            assert not mount.writable or PurePosixPath(mount.source) in may.writable, (mount, told)

    def close(self) -> None:
        """Nothing is left behind."""
        self._loop.close()


def examine(folder: Path, number: int, start: int | None = None) -> Counter[str]:
    """Look at so many stories; ``start`` is where their chance begins."""
    logging.disable()  # a hundred thousand failures' tracebacks would be all that this does
    looker = Looker(folder)

    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(stories)
    def every(told: tuple[list[Moment], object]) -> None:
        looker.look(*told)

    try:
        (every if start is None else seed(start)(every))()
    finally:
        looker.close()
        logging.disable(logging.NOTSET)
    return looker.counts


def test_mounts_are_among_the_live_rights(tmp_path: Path) -> None:
    counts = examine(tmp_path, FAST)
    assert counts["plans"] > FAST / 10  # a proof over refusals alone would prove nothing


@pytest.mark.slow
def test_mounts_are_among_the_live_rights_in_a_hundred_thousand_stories(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = time.monotonic()
    folders = [tmp_path / str(part) for part in range(PARTS)]
    for folder in folders:
        folder.mkdir()
    starts = [int.from_bytes(os.urandom(4)) for _ in folders]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        counts = sum(pool.map(examine, folders, [SLOW // PARTS] * PARTS, starts), Counter[str]())
    with capsys.disabled():
        print(f"\n{time.monotonic() - begun:.0f} s, seeds {starts}")
        print("\n".join(f"{count:>10,}  {what}" for what, count in counts.most_common()))
    assert counts["stories"] >= SLOW
    assert counts["plans"] > SLOW / 10
    assert counts["mounts"] > counts["plans"]
    for outcome, least in (("goes on", 1000), ("ended", 500), ("restarted", 50)):
        assert counts[f"looks at a server: {outcome}"] > least
    assert counts["mounts in an outage's grace"] > 1000
