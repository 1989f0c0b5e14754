"""Whose word counts in the book of grants: facilities' own choice, what a right must say, and what is told of answers."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from panosc_spawner.errors import PersonalSourceError, SourceError
from panosc_spawner.facilities.access_rules import AccessPolicy
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.load import load_facility
from panosc_spawner.facilities.login_rules import Login
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.site import Hub, Site, SiteFile
from panosc_spawner.facilities.source_rules import FileSource
from panosc_spawner.identity.person import Person
from panosc_spawner.proposals.book import GrantBook
from panosc_spawner.proposals.model import Grant, Proposal, Visit

NOW = datetime(2026, 3, 4, 10, tzinfo=UTC)
ADA = Person("https://idp.example", "ada@x", "p-ada", "Ada", "demo", NOW)
MA, ILL = ProposalRef("esrf", "ma1"), ProposalRef("ill", "8-04-923")


class Source:
    facilities = frozenset({"esrf", "ill"})

    def __init__(self, name, *answer, error=None, knows=()):
        self.name, self.answer, self.error, self.asked = name, answer, error, 0
        self.knows = dict(knows)

    async def grants(self, person):
        self.asked += 1
        if self.error:
            raise self.error
        return [replace(grant, source=grant.source and self.name) for grant in self.answer]

    async def describe(self, refs):
        return {ref: self.knows[ref] for ref in refs if ref in self.knows}

    async def check(self):
        return "fine"


def right(ref=MA, **more):
    return replace(Grant(Proposal(ref), Role.MEMBER, "x", "listed", NOW), **more)


@pytest.fixture
def make(tmp_path):
    def make(*sources, count=(), **policy):
        facilities = {
            "esrf": load_facility("esrf").model_copy(update={"sources": tuple(count)}),
            "ill": load_facility("ill"),
        }
        config = SiteFile(
            hub=Hub(id="t", facilities=("esrf", "ill")),
            login=Login(community="demo", client_id="hub"),
            sources=(FileSource(type="file", path="x.toml"),),
            access=AccessPolicy(**policy),
        )
        return GrantBook(Site(tmp_path, config, facilities), sources=sources, now=lambda: NOW)

    return make


def refs(report):
    return sorted(str(grant.ref) for grant in report.grants)


class TestWhoCounts:
    async def test_a_facility_that_names_none_takes_every_sources_word(self, make):
        assert refs(await make(Source("a", right()), Source("b", right(ILL))).report(ADA)) == [
            "esrf/ma1",
            "ill/8-04-923",
        ]

    async def test_a_facility_that_names_sources_takes_no_others_word(self, make):
        book = make(
            Source("a", right(), right(ILL)), Source("office", right(ProposalRef("esrf", "sp2"))), count=["office"]
        )
        report = await book.report(ADA)
        assert refs(report) == ["esrf/sp2", "ill/8-04-923"]
        assert [outcome.grants for outcome in report.outcomes] == [1, 1]

    async def test_what_does_not_count_cannot_even_choose_a_directory(self, make):
        """Visits name directories: those of a source that is not trusted must not reach a path."""
        elsewhere = {MA: Proposal(MA, "Another title", (Visit("id99", fields={"cycle": "999"}),))}
        book = make(Source("office", right()), Source("stranger", knows=elsewhere), count=["office"])
        [grant] = (await book.report(ADA)).grants
        assert grant.proposal == Proposal(MA)

    async def test_a_source_may_speak_of_its_own_facilities_only(self, make):
        source = Source("a", right(), right(ILL))
        source.facilities = frozenset({"ill"})
        assert refs(await make(source).report(ADA)) == ["ill/8-04-923"]

    @pytest.mark.parametrize(
        "lacking",
        [{"evidence": ""}, {"source": ""}, {"seen_at": NOW.replace(tzinfo=None)}],
        ids=["reason", "source", "zone"],
    )
    async def test_a_right_without_reason_source_or_time_is_none(self, make, lacking, caplog):
        assert refs(await make(Source("a", right(**lacking), right(ILL))).report(ADA)) == ["ill/8-04-923"]
        assert "without source, reason or time" in caplog.text


@given(
    ends=st.one_of(st.none(), st.timedeltas(timedelta(days=-3), timedelta(days=3))),
    age=st.timedeltas(timedelta(), timedelta(days=3)),
)
def test_every_right_has_an_end(ends, age):
    """It is never later than what the source said, and never later than max_grant_age after it was seen."""
    grant = right(ends_at=None if ends is None else NOW + ends)
    until = grant.until(age)
    assert until <= NOW + age
    assert until == min(grant.ends_at or until, NOW + age)
    assert grant.since == NOW
    assert right(not_before=NOW - timedelta(1)).since == NOW - timedelta(1)


class TestTelling:
    async def test_each_good_answer_is_told_once(self, make):
        told = []
        book = make(Source("a", right()), Source("b", error=SourceError("b", "down")))
        book.on_answer = lambda *answer: told.append(answer)
        await asyncio.gather(book.report(ADA), book.report(ADA))
        [(person, name, grants)] = told
        assert (person, name, [str(grant.ref) for grant in grants]) == (ADA, "a", ["esrf/ma1"])

    async def test_a_listener_that_fails_takes_no_answer_away(self, make, caplog):
        book = make(Source("a", right()))
        book.on_answer = lambda *_: 1 / 0
        assert refs(await book.report(ADA)) == ["esrf/ma1"]
        assert "Telling of an answer of a failed" in caplog.text


def counted(name, outcome):
    return REGISTRY.get_sample_value("panosc_source_answers_total", {"source": name, "outcome": outcome}) or 0


def up(name):
    return REGISTRY.get_sample_value("panosc_source_up", {"source": name})


class TestBreakerAndMetrics:
    async def test_answers_and_errors_are_counted_and_up_follows(self, make):
        source = Source("counted", right())
        book = make(source)
        await book.report(ADA)
        assert (counted("counted", "answer"), up("counted")) == (1, 1)
        source.error = SourceError("counted", "down")
        await book.report(ADA)
        assert (counted("counted", "error"), up("counted")) == (1, 0)

    async def test_a_failure_about_one_person_says_nothing_about_the_source(self, make):
        source = Source("personal", error=PersonalSourceError("personal", "no login is at hand"))
        book = make(source)
        for _ in range(5):
            report = await book.report(ADA)
        assert report.outcomes[0].error == "no login is at hand"
        assert (source.asked, up("personal")) == (5, None)

    async def test_a_source_that_keeps_failing_is_left_alone_and_says_so(self, make):
        source = Source("broken", error=SourceError("broken", "the database is down"))
        book = make(source)
        for _ in range(10):
            report = await book.report(ADA)
        assert source.asked == 3
        assert "not asked again for" in report.outcomes[0].error
        assert "the database is down" in report.outcomes[0].error

    async def test_a_hanging_source_is_left_alone_too(self, make):
        class Hangs(Source):
            async def grants(self, person):
                self.asked += 1
                await asyncio.sleep(60)

        source = Hangs("hangs")
        book = make(source, source_timeout=timedelta(seconds=0.05))
        for _ in range(6):
            report = await book.report(ADA)
        assert source.asked == 3
        assert report.outcomes[0].error.startswith("not asked again for")
        assert counted("hangs", "timeout") == 3


class TestWhatIsKept:
    """An answer that says the same again is kept once, with the time at which it was last said."""

    async def test_the_same_rights_again(self, make):
        source = Source("a", right(), right(ILL))
        book = make(source)
        first = await book.report(ADA)
        kept = book._answers[ADA.identities][0].kept
        later = NOW + timedelta(seconds=30)
        source.answer = [replace(grant, seen_at=later) for grant in source.answer]
        second = await book.report(ADA)
        assert {grant.seen_at for grant in first.grants} == {NOW}
        assert {grant.seen_at for grant in second.grants} == {later}
        assert book._answers[ADA.identities][0].kept is kept
        source.error = SourceError("a", "down")
        third = await book.report(ADA)
        assert {(grant.seen_at, grant.confirmed) for grant in third.grants} == {(later, False)}
        assert {grant.seen_at for grant in (await book.report(ADA, timedelta(minutes=1))).grants} == {later}

    @pytest.mark.parametrize(
        "change",
        [
            {"role": Role.PI},
            {"ends_at": NOW},
            {"not_before": NOW},
            {"evidence": "listed otherwise"},
            {"proposal": Proposal(MA, "A title")},
            {"proposal": Proposal(ILL)},
            {"confirmed": False},
        ],
        ids=lambda change: next(iter(change)),
    )
    async def test_whatever_is_new_is_kept(self, make, change):
        source = Source("a", right())
        book = make(source)
        await book.report(ADA)
        source.answer = [replace(right(), **change)]
        await book.report(ADA)
        source.error = SourceError("a", "down")
        [grant] = (await book.report(ADA)).grants
        assert grant == replace(right(source="a"), **(change | {"confirmed": False}))

    async def test_rights_seen_at_different_times_keep_their_own(self, make):
        source = Source("a", right(), right(ILL))
        book = make(source)
        await book.report(ADA)
        older, newer = NOW + timedelta(seconds=1), NOW + timedelta(seconds=2)
        source.answer = [right(seen_at=older), right(ILL, seen_at=newer)]
        await book.report(ADA)
        source.error = SourceError("a", "down")
        assert {grant.seen_at for grant in (await book.report(ADA)).grants} == {older, newer}

    async def test_a_long_list_lets_others_have_their_turn(self, make):
        book = make(Source("a", *(right(ProposalRef("esrf", f"ma{number}")) for number in range(1, 10_001))))
        turns = 0
        asked = asyncio.create_task(book.report(ADA))
        while not asked.done():
            await asyncio.sleep(0)
            turns += 1
        assert len(asked.result().grants) == 10_000
        assert turns >= 25
