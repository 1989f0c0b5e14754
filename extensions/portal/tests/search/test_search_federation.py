"""The federation: what is there is shown, what fails is told, nobody waits for the slowest, and nobody sees another's data."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from panosc_portal.catalogues.model import (
    Availability,
    Capabilities,
    Dataset,
    Kind,
    Parameter,
    ParameterCondition,
    Query,
)
from panosc_portal.errors import CatalogueError, HubError, Outcome
from panosc_portal.hub import Login, OwnProposal, PersonReport
from panosc_portal.search.cursor import CursorError
from panosc_portal.search.federation import Answered, BusyError, Federation, Finished
from search_fakes import ALL_KINDS, PATIENT, FakeCatalogue, dataset, rich
from support import FakeHub, login

from panosc_spawner.facilities.portal_search_rules import SearchRules

Federate = Callable[..., Federation]
ADA = login("ada")
ALL = Query()


async def page(federation: Federation, query: Query = ALL, cursor: str = "", who: Login | None = None) -> Finished:
    events = [event async for event in federation.search(query, cursor, who)]
    assert isinstance(events[-1], Finished)
    return events[-1]


async def all_pages(federation: Federation, query: Query = ALL) -> list[str]:
    found: list[str] = []
    cursor = ""
    for _ in range(200):
        end = await page(federation, query, cursor)
        found += [hit.dataset.pid for hit in end.hits]
        if not end.more:
            return found
        cursor = end.cursor
    raise AssertionError("the pages do not end")


async def test_first_results_come_before_the_slow_and_the_hung(federate: Federate) -> None:
    class Gated(FakeCatalogue):
        gate: asyncio.Event

        async def _wait(self) -> None:
            await self.gate.wait()

    slow = Gated("slow", [dataset("slow", 1)])
    slow.gate = asyncio.Event()
    federation = federate(
        FakeCatalogue("hung", delay=float("inf")), slow, FakeCatalogue("quick", [dataset("quick", 1)])
    )
    told: list[tuple[str, Outcome]] = []
    async for event in federation.search(Query(), "", None):
        slow.gate.set()  # it answers only when somebody has seen the first result
        if isinstance(event, Answered):
            told.append((event.outcome.source, event.outcome.outcome))
    assert told == [("quick", Outcome.OK), ("slow", Outcome.OK), ("hung", Outcome.TIMEOUT)]


async def test_every_failure_is_told_and_takes_nothing_from_the_others(federate: Federate) -> None:
    federation = federate(
        FakeCatalogue("ok", [dataset("ok", 1)]),
        FakeCatalogue("hung", delay=float("inf")),
        FakeCatalogue("down", failure=CatalogueError("down", Outcome.DOWN, "no connection (it is down)")),
        FakeCatalogue("cannot", failure=CatalogueError("cannot", Outcome.CANNOT, "it does not know samples")),
        FakeCatalogue("broken", failure=KeyError("datasets")),
        FakeCatalogue("more", [dataset("more", n) for n in range(9)]),
    )
    end = await page(federation)
    told = {one.source: one for one in end.outcomes}
    assert {name: one.outcome for name, one in told.items()} == {
        "ok": Outcome.OK,
        "hung": Outcome.TIMEOUT,
        "down": Outcome.DOWN,
        "cannot": Outcome.CANNOT,
        "broken": Outcome.GARBLED,
        "more": Outcome.PARTIAL,
    }
    assert told["more"].shown == 6 and told["more"].total == 9
    assert told["broken"].reason == "its answer cannot be used (KeyError)"
    assert {name for name, one in told.items() if one.retry} == {"hung", "down", "broken"}
    assert len(end.hits) == 7 and end.more


async def test_one_that_keeps_failing_is_left_alone_and_nobody_waits_for_it(federate: Federate) -> None:
    hung = FakeCatalogue("hung", delay=float("inf"))
    federation = federate(hung, FakeCatalogue("ok", [dataset("ok", 1)]))
    for number in range(3):
        await page(federation, Query(text=f"a{number}"))
    end = await page(federation, Query(text="data"))
    assert end.outcomes[0].outcome is Outcome.RESTING and "not asked again for" in end.outcomes[0].reason
    assert len(hung.asked) == 3


async def test_a_question_that_it_cannot_answer_does_not_count_against_a_catalogue(federate: Federate) -> None:
    odd = FakeCatalogue("odd", failure=CatalogueError("odd", Outcome.CANNOT, "no samples"))
    federation = federate(odd)
    for number in range(5):
        end = await page(federation, Query(text=f"a{number}"))
        assert end.outcomes[0].outcome is Outcome.CANNOT
    assert len(odd.asked) == 5


async def test_retry_asks_only_that_catalogue_and_the_next_page_goes_on_behind_it(federate: Federate) -> None:
    lame = FakeCatalogue(
        "lame", [dataset("lame", n) for n in range(8)], failure=CatalogueError("lame", Outcome.DOWN, "down")
    )
    good = FakeCatalogue("good", [dataset("good", n) for n in range(8)])
    federation = federate(lame, good)
    first = await page(federation)
    assert {hit.dataset.source for hit in first.hits} == {"good"}
    lame.failure = None
    events = [event async for event in federation.search(Query(), first.cursor, None, only="lame")]
    again = events[-1]
    assert isinstance(again, Finished)
    assert [hit.dataset.pid for hit in again.hits] == [f"lame-{n}" for n in range(6)]
    assert [one.source for one in again.outcomes] == ["lame"] and len(good.asked) == 1
    second = await page(federation, Query(), again.cursor)
    assert {hit.dataset.pid for hit in second.hits} == {"lame-6", "lame-7", "good-6", "good-7"} and second.page == 2
    assert not second.more


async def test_a_catalogue_that_failed_on_one_page_is_read_from_where_it_was_on_the_next(federate: Federate) -> None:
    lame = FakeCatalogue(
        "lame", [dataset("lame", n) for n in range(3)], failure=CatalogueError("lame", Outcome.DOWN, "down")
    )
    federation = federate(lame, FakeCatalogue("good", [dataset("good", n) for n in range(8)]))
    first = await page(federation)
    lame.failure = None
    second = await page(federation, Query(), first.cursor)
    assert {hit.dataset.pid for hit in second.hits} == {"lame-0", "lame-1", "lame-2", "good-6", "good-7"}


async def test_one_data_set_in_two_catalogues_is_one_and_names_both(federate: Federate) -> None:
    poor = dataset("b", 1, doi="10.1000/x", parameters=(Parameter("sample_temperature", 4.0, "K"),))
    federation = federate(
        FakeCatalogue("b", [poor]),
        FakeCatalogue("a", [replace(rich("a", 1), doi="https://doi.org/10.1000/X")]),
        FakeCatalogue("c", [dataset("c", 1, pid="10.1000/X")]),
    )
    end = await page(federation)
    assert len(end.hits) == 1
    hit = end.hits[0]
    assert [source for source, _ in hit.places] == ["a", "b", "c"] and hit.dataset.title.startswith("Silica")


async def test_two_data_sets_with_the_doi_of_their_session_stay_two(federate: Federate) -> None:
    session = [dataset("esrf", n, doi="10.15151/ESRF-ES-1") for n in range(3)]
    federation = federate(
        FakeCatalogue("esrf", session), FakeCatalogue("b", [dataset("b", 1, doi="10.15151/esrf-es-1")])
    )
    end = await page(federation)
    assert len(end.hits) == 3
    assert sorted(len(hit.places) for hit in end.hits) == [1, 1, 2]


async def test_a_duplicate_that_comes_on_a_later_page_is_not_shown_again(federate: Federate) -> None:
    first = [dataset("a", n, doi=f"10.1000/{n}") for n in range(12)]
    second = [dataset("b", n, doi=f"10.1000/{n}") for n in reversed(range(12))]
    federation = federate(FakeCatalogue("a", first), FakeCatalogue("b", second))
    dois: list[str] = []
    cursor = ""
    for _ in range(9):
        end = await page(federation, Query(), cursor)
        dois += [hit.dataset.doi for hit in end.hits]
        cursor = end.cursor
        if not end.more:
            break
    assert len(dois) == len(set(dois)) == 12


async def test_what_a_catalogue_ignored_is_checked_here(federate: Federate) -> None:
    """As the reference server does: gte on a parameter gives everything, or nothing, and units are not converted."""
    warm = dataset("a", 1, parameters=(Parameter("sample_temperature", 40.0, "°C"),))
    cold = dataset("a", 2, parameters=(Parameter("sample_temperature", 4.0, "K"),))
    silent = dataset("a", 3)
    query = Query(parameters=(ParameterCondition("sample_temperature", 300.0, 320.0, "K"),))
    federation = federate(FakeCatalogue("a", [cold, warm, silent], applied=frozenset()))
    end = await page(federation, query)
    assert [(hit.dataset.pid, hit.unchecked) for hit in end.hits] == [("a-1", ()), ("a-3", (Kind.PARAMETER,))]
    trusting = federate(FakeCatalogue("a", [cold, warm, silent]))
    assert [hit.unchecked for hit in (await page(trusting, query)).hits] == [(), ()], "it says that it checked"


async def test_a_catalogue_that_cuts_before_it_joins_is_asked_for_more(federate: Federate) -> None:
    """The reference server: limit 1 gives nothing though one matches further on."""
    many = [dataset("a", n, parameters=(Parameter("incident_wavelength", float(n), "nm"),)) for n in range(60)]

    def within(query: Query, one: Dataset) -> bool:
        return float(one.parameters[0].value) >= 50

    cuts = FakeCatalogue("a", many, capabilities=Capabilities(asks=ALL_KINDS, limits_first=True), hold=within)
    query = Query(parameters=(ParameterCondition("incident_wavelength", 500.0, 700.0, "Å"),))
    federation = federate(cuts)
    assert await all_pages(federation, query) == [f"a-{n}" for n in range(50, 60)]
    assert {limit for _, _, limit, _ in cuts.asked} == {30}


async def test_facilities_that_nobody_wants_are_not_asked(federate: Federate) -> None:
    esrf = FakeCatalogue("esrf", [rich("esrf", 1)], frozenset({"esrf"}))
    ill = FakeCatalogue("ill", [rich("ill", 1, "ill")], frozenset({"ill"}))
    federation = federate(esrf, ill)
    end = await page(federation, Query(facilities=("ill",)))
    assert [hit.dataset.facility for hit in end.hits] == ["ill"] and not esrf.asked
    assert [one.source for one in end.outcomes] == ["ill"]


async def test_the_same_question_of_many_people_is_asked_once(federate: Federate) -> None:
    slow = FakeCatalogue("slow", [dataset("slow", 1)], delay=0.05)
    federation = federate(slow, rules=PATIENT)
    ends = await asyncio.gather(*(page(federation, Query(text="data"), who=login(f"p{n}")) for n in range(50)))
    assert len(slow.asked) == 1 and all(len(end.hits) == 1 for end in ends)


async def test_who_goes_away_does_not_end_the_question_for_the_others(federate: Federate) -> None:
    slow = FakeCatalogue("slow", [dataset("slow", 1)], delay=0.08)
    federation = federate(slow, rules=PATIENT)
    first = asyncio.create_task(page(federation))
    await asyncio.sleep(0.02)
    second = asyncio.create_task(page(federation))
    await asyncio.sleep(0.02)
    first.cancel()
    assert len((await second).hits) == 1 and len(slow.asked) == 1


async def test_own_data_are_found_with_ones_own_token_and_never_shown_to_others(
    federate: Federate, hub: FakeHub
) -> None:
    own = FakeCatalogue(
        "ill",
        [dataset("ill", 1)],
        frozenset({"ill"}),
        Capabilities(asks=ALL_KINDS, own_data=True),
        private=[
            dataset("ill", 99, title="secret", facility="ill", proposal="8-04-923", availability=Availability.EMBARGOED)
        ],
        token="for-ill",
    )
    hub.people["ada"] = PersonReport(proposals=(OwnProposal("ill/8-04-923", "Ferrofluids", "pi", "User office"),))
    hub.people["ben"] = PersonReport()
    hub.tokens[("ada", "ill")] = "for-ill"
    federation = federate(own)
    mine = await page(federation, who=ADA)
    first = mine.hits[0].dataset
    assert (first.title, first.availability) == ("secret", Availability.OWN)
    assert mine.outcomes[0].own
    for who in (login("ben"), None):
        theirs = await page(federation, who=who)
        assert [hit.dataset.pid for hit in theirs.hits] == ["ill-1"] and not theirs.outcomes[0].own
    assert (await page(federation, who=login("ben"))).outcomes[0].notes == (
        "Open data only: This hub gives no token for that catalogue.",
    )
    only_mine = await page(federation, Query(availability=(Availability.OWN,)), who=ADA)
    assert [hit.dataset.title for hit in only_mine.hits] == ["secret"]


async def test_what_was_kept_of_own_data_is_not_shown_when_the_catalogue_fails(
    federate: Federate, hub: FakeHub
) -> None:
    """A right may have ended: only open data are shown from what was kept."""
    own = FakeCatalogue(
        "ill",
        [dataset("ill", 1)],
        capabilities=Capabilities(asks=ALL_KINDS, own_data=True),
        private=[dataset("ill", 99)],
        token="t",
    )
    hub.people["ada"] = PersonReport()
    hub.tokens[("ada", "ill")] = "t"
    rules = SearchRules(wait=timedelta(seconds=0.2), wait_in_all=timedelta(seconds=0.5), results=6, fresh=timedelta())
    federation = federate(own, rules=rules)
    assert len((await page(federation, who=ADA)).hits) == 2
    assert len((await page(federation)).hits) == 1
    own.failure = CatalogueError("ill", Outcome.DOWN, "no connection (it is down)")
    assert (await page(federation, who=ADA)).hits == ()
    old = await page(federation)
    assert [hit.dataset.pid for hit in old.hits] == ["ill-1"]
    assert old.outcomes[0].age is not None and old.outcomes[0].retry


async def test_a_token_that_is_refused_finds_open_data_and_says_so(federate: Federate, hub: FakeHub) -> None:
    class Refusing(FakeCatalogue):
        async def search(self, query, *, skip, limit, credentials):  # type: ignore[no-untyped-def]
            if credentials is not None:
                raise CatalogueError(self.name, Outcome.REFUSED, "it does not accept your login (status 401)")
            return await super().search(query, skip=skip, limit=limit, credentials=credentials)

    hub.people["ada"] = PersonReport()
    hub.tokens[("ada", "ill")] = "old"
    federation = federate(
        Refusing("ill", [dataset("ill", 1)], capabilities=Capabilities(asks=ALL_KINDS, own_data=True))
    )
    for number in range(4):
        end = await page(federation, Query(text=f"ill{' data' * number}"), who=ADA)
        assert [hit.dataset.pid for hit in end.hits] == ["ill-1"]
        assert end.outcomes[0].notes == ("Open data only: it does not accept your login (status 401).",)


async def test_a_hub_that_does_not_answer_costs_the_marks_and_not_the_results(federate: Federate, hub: FakeHub) -> None:
    class SlowHub(FakeHub):
        async def person(self, login: Login) -> PersonReport:
            await asyncio.sleep(60)
            raise HubError(503, "The hub does not answer.")

    federation = federate(FakeCatalogue("a", [dataset("a", 1)]))
    federation.own._hub = SlowHub()
    begun = time.monotonic()
    end = await page(federation, who=ADA)
    assert len(end.hits) == 1 and time.monotonic() - begun < 20


async def test_somebody_elses_cursor_is_refused(federate: Federate) -> None:
    federation = federate(FakeCatalogue("a", [dataset("a", n) for n in range(9)]))
    first = await page(federation, who=ADA)
    for query, who in ((Query(), login("ben")), (Query(), None), (Query(text="a"), ADA)):
        with pytest.raises(CursorError, match="another search"):
            await page(federation, query, first.cursor, who)


async def test_nobody_searches_for_everything_at_a_time(federate: Federate) -> None:
    federation = federate(FakeCatalogue("slow", [dataset("slow", 1)], delay=0.5), rules=PATIENT)
    running = [asyncio.create_task(page(federation, Query(text=f"slow{' data' * n}"), who=ADA)) for n in range(6)]
    await asyncio.sleep(0.02)
    with pytest.raises(BusyError, match="too much at a time"):
        await page(federation, who=ADA)
    assert len((await page(federation, who=login("ben"))).hits) == 1
    await asyncio.gather(*running)
    assert (await page(federation, who=ADA)).hits


async def test_those_who_are_not_logged_in_leave_turns_to_those_who_are(federate: Federate) -> None:
    federation = federate(FakeCatalogue("slow", [dataset("slow", 1)], delay=0.5), rules=PATIENT)
    flood = [asyncio.create_task(page(federation, Query(text=f"slow{' data' * n}"))) for n in range(40)]
    await asyncio.sleep(0.02)
    with pytest.raises(BusyError, match="without having logged in"):
        await federation.find("slow-1", None)
    assert len((await page(federation, Query(text="set"), who=ADA)).hits) == 1
    ended = await asyncio.gather(*flood, return_exceptions=True)
    assert sum(isinstance(one, BusyError) for one in ended) == 40 - 12


async def test_a_reader_who_leaves_leaves_nothing_running(federate: Federate) -> None:
    federation = federate(FakeCatalogue("hung", delay=float("inf")), FakeCatalogue("a", [dataset("a", 1)]))
    events = federation.search(Query(), "", ADA)
    assert isinstance(await anext(events), Answered)
    await events.aclose()
    assert not federation._running
    await federation.aclose()
    assert [one for one in asyncio.all_tasks() if one is not asyncio.current_task()] == []


async def test_one_that_gives_the_same_again_and_again_comes_to_an_end(federate: Federate) -> None:
    class Stuck(FakeCatalogue):
        async def search(self, query, *, skip, limit, credentials):  # type: ignore[no-untyped-def]
            found = await super().search(query, skip=0, limit=2, credentials=credentials)
            return replace(found, next=skip)

    federation = federate(Stuck("a", [dataset("a", n) for n in range(9)]))
    assert await all_pages(federation) == ["a-0", "a-1"]
    assert "same again" in (await page(federation)).outcomes[0].notes[0]


async def test_a_pid_is_found_where_it_is_and_the_rest_is_not_waited_for(federate: Federate) -> None:
    federation = federate(
        FakeCatalogue("a", [dataset("a", 1, doi="10.1000/x")], delay=0.02),
        FakeCatalogue("b", [replace(rich("b", 1), doi="10.1000/x")]),
        FakeCatalogue("down", failure=CatalogueError("down", Outcome.DOWN, "down")),
        rules=PATIENT,
    )
    found = await federation.find("10.1000/x", ADA)
    assert found.hit is not None and [source for source, _ in found.hit.places] == ["b", "a"]
    assert [one.outcome for one in found.outcomes] == [Outcome.OK, Outcome.OK, Outcome.DOWN]
    assert (await federation.find("10.1000/none", None)).hit is None
