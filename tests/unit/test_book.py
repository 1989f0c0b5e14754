"""The book of grants: all sources together, failures, age, and askers at the same time."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from panosc_spawner.errors import SourceError
from panosc_spawner.facilities.access_rules import AccessPolicy
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.login_rules import Login
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.site import Hub, Site, SiteFile
from panosc_spawner.facilities.source_rules import FileSource
from panosc_spawner.identity.person import Identity, Person
from panosc_spawner.proposals import book as book_module
from panosc_spawner.proposals.book import GrantBook
from panosc_spawner.proposals.model import Grant, Proposal, Visit

START = datetime(2026, 3, 4, 10, tzinfo=UTC)
REF = ProposalRef("esrf", "ma1")
ADA = Person("https://idp.example", "ada@x", "p-ada", "Ada", "demo", START)


class Clock:
    def __init__(self):
        self.time = START

    def __call__(self):
        return self.time

    def passes(self, **span):
        self.time += timedelta(**span)


class Source:
    """A source told what to answer: grants, an error to raise, or a number of seconds to hang."""

    def __init__(self, name, answer=(), clock=None):
        self.name, self.answer, self.asked, self.clock = name, answer, 0, clock
        self.facilities = frozenset({"esrf", "ill"})

    async def grants(self, person):
        self.asked += 1
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        if isinstance(self.answer, int | float):
            await asyncio.sleep(self.answer)
        return [replace(grant, seen_at=self.clock()) if self.clock else grant for grant in self.answer]

    async def check(self):
        return "fine"


def grant(role=Role.MEMBER, ref=REF, seen_at=START, source="office", **more):
    return Grant(Proposal(ref), role, source, "listed", seen_at, **more)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make(tmp_path, clock):
    def make(*sources, **policy):
        config = SiteFile(
            hub=Hub(id="t", facilities=("esrf",)),
            login=Login(community="demo", client_id="hub"),
            sources=(FileSource(type="file", path="x.toml"),),
            access=AccessPolicy(**policy),
        )
        return GrantBook(Site(tmp_path, config, {}), sources=sources, now=clock)

    return make


async def test_all_sources_are_asked_together(make):
    other = ProposalRef("ill", "8-04-923")
    report = await make(Source("office", [grant()]), Source("file", [grant(ref=other)])).report(ADA)
    assert [g.ref for g in report.grants] == [REF, other]
    assert [(o.source, o.grants, o.error, o.stale_since) for o in report.outcomes] == [
        ("office", 1, "", None),
        ("file", 1, "", None),
    ]


@pytest.mark.parametrize(
    ("grants", "best"),
    [
        ([grant(), grant(Role.PI)], 1),
        ([grant(Role.PUBLIC), grant(Role.STAFF), grant(Role.LOCAL_CONTACT)], 2),
        ([grant(Role.PI, ends_at=START), grant()], 1),  # an ended stronger right does not hide a live one
        ([grant(Role.PI, not_before=START + timedelta(days=1)), grant()], 1),
        ([grant(Role.PI, seen_at=START - timedelta(hours=1)), grant()], 1),  # nor one that could not be confirmed
        ([grant(ends_at=START + timedelta(days=1)), grant()], 1),
        ([grant(), grant(ends_at=START + timedelta(days=1))], 0),
        ([grant(), grant(source="file")], 0),
        ([grant(ends_at=START), grant(ends_at=START - timedelta(days=1))], 0),  # all ended: kept, the page tells
    ],
)
async def test_one_grant_a_proposal(make, grants, best):
    report = await make(*(Source(f"s{n}", [g]) for n, g in enumerate(grants))).report(ADA)
    assert report.grants == (grants[best],)


async def test_a_bare_right_gets_its_title_and_visits_from_a_source_that_knows_them(make):
    class Directory(Source):
        async def describe(self, refs):
            return {ref: Proposal(ref, "Pigments", (Visit("id22"),)) for ref in refs if ref == REF}

    unknown = ProposalRef("esrf", "ma2")
    book = make(Source("claims", [grant(), grant(ref=unknown)]), Directory("office"))
    first, second = (await book.report(ADA)).grants
    assert (first.proposal.title, first.proposal.instruments) == ("Pigments", ("id22",))
    assert second.proposal == Proposal(unknown)


async def test_a_source_that_never_answered_is_an_error_and_never_none(make):
    report = await make(
        Source("office", SourceError("office", "the database is down")), Source("file", [grant()])
    ).report(ADA)
    assert len(report.grants) == 1
    assert report.outcomes[0].error == "the database is down"
    assert report.outcomes[0].stale_since is None


async def test_a_failing_source_gives_its_last_answer_with_its_age_and_not_for_ever(make, clock):
    source = Source("office", [grant()], clock)
    book = make(source, keep_last_answer=timedelta(hours=4))
    await book.report(ADA)
    source.answer = SourceError("office", "the database is down")
    clock.passes(hours=4)
    report = await book.report(ADA)
    assert report.grants[0].seen_at == START  # so that the launch step makes no new mount of it
    assert (report.outcomes[0].error, report.outcomes[0].stale_since) == ("the database is down", START)
    assert [g.confirmed for g in report.grants] == [False] * len(report.grants)
    clock.passes(seconds=1)
    report = await book.report(ADA)
    assert report.grants == ()
    assert (report.outcomes[0].error, report.outcomes[0].stale_since) == ("the database is down", None)


async def test_the_last_answer_is_the_persons_own(make):
    source = Source("office", [grant()])
    book = make(source)
    await book.report(ADA)
    source.answer = SourceError("office", "down")
    assert (await book.report(replace(ADA, subject="eve@x"))).grants == ()
    assert (await book.report(replace(ADA, issuer="https://evil.example"))).grants == ()
    assert len((await book.report(ADA)).grants) == 1


async def test_a_right_taken_away_is_gone_at_once(make):
    source = Source("office", [grant()])
    book = make(source)
    await book.report(ADA)
    source.answer = []
    assert (await book.report(ADA)).grants == ()
    source.answer = SourceError("office", "down")
    assert (await book.report(ADA)).grants == ()  # the last good answer was "none"


async def test_a_hanging_source_delays_nobody_beyond_the_limit(make):
    book = make(Source("office", 30), Source("file", [grant()]), source_timeout=timedelta(seconds=0.5))
    async with asyncio.timeout(10):
        report = await book.report(ADA)
    assert len(report.grants) == 1
    assert report.outcomes[0].error == "no answer within 0.5 s"


async def test_a_source_that_will_not_be_cancelled_delays_nobody_either(make):
    over = asyncio.Event()

    class Stubborn(Source):
        async def grants(self, person):
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                await over.wait()
            return []

    async with asyncio.timeout(10):
        report = await make(Stubborn("office"), source_timeout=timedelta(seconds=0.05)).report(ADA)
    assert report.outcomes[0].error
    over.set()
    await asyncio.sleep(0.1)  # it ends before the loop does


async def test_a_mistake_in_a_source_is_its_own_failure_only(make, caplog):
    report = await make(Source("office", ZeroDivisionError()), Source("file", [grant()])).report(ADA)
    assert len(report.grants) == 1
    assert "log" in report.outcomes[0].error


async def test_a_young_answer_is_used_again_when_that_is_enough(make, clock):
    source = Source("office", [grant()])
    book = make(source)
    await book.report(ADA)
    clock.passes(seconds=30)
    report = await book.report(ADA, timedelta(minutes=1))
    assert (source.asked, report.outcomes[0].asked_at) == (1, START)
    await book.report(ADA)
    assert source.asked == 2
    await book.report(replace(ADA, seen_at=clock()), timedelta(minutes=1))  # new claims: ask again
    assert source.asked == 3
    clock.passes(minutes=2)
    await book.report(replace(ADA, seen_at=clock()), timedelta(minutes=1))
    assert source.asked == 4


async def test_equal_questions_at_a_time_are_asked_once(make):
    source = Source("office", [grant()])
    book = make(source)
    reports = await asyncio.gather(*(book.report(ADA) for _ in range(50)))
    assert source.asked == 1
    assert {len(report.grants) for report in reports} == {1}
    await book.report(ADA)
    assert source.asked == 2


async def test_an_asker_who_gives_up_takes_nothing_from_the_others(make):
    source = Source("office", [grant()])
    book = make(source)
    first, second = asyncio.ensure_future(book.report(ADA)), asyncio.ensure_future(book.report(ADA))
    await asyncio.sleep(0)
    first.cancel()
    assert len((await second).grants) == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_memory_is_bounded(make, monkeypatch):
    monkeypatch.setattr(book_module, "MAX_PEOPLE", 10)
    book = make(Source("office", [grant()]))
    for n in range(50):
        await book.report(replace(ADA, subject=f"{n}@x"))
    assert len(book._answers) == 10
    assert not book._asking


async def test_what_was_answered_before_an_identity_was_linked_or_unlinked_is_about_somebody_else(make, clock):
    source = Source("office", [grant()])
    book = make(source)
    both = replace(ADA, linked=(Identity("https://other.example", "0f3a@other"),))
    hour = timedelta(hours=1)
    await book.report(ADA, hour)
    source.answer = [grant(), grant(ref=ProposalRef("ill", "8-04-923"))]
    assert len((await book.report(both, hour)).grants) == 2, "asked anew, for both"
    source.answer = SourceError("office", "down")
    report = await book.report(replace(ADA, linked=()), timedelta())
    assert [g.ref for g in report.grants] == [REF], "what the unlinked one brought is not shown any more, either"
    assert not any(g.confirmed for g in report.grants)
