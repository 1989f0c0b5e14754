"""Merging and paging, with whatever catalogues there may be: nothing is lost, nothing is shown twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from panosc_portal.catalogues.model import Availability, Capabilities, Dataset, Instrument, Query, Technique
from panosc_portal.errors import CatalogueError, Outcome
from panosc_portal.search.cursor import LIFETIME, CursorError, Cursors, Place, Position
from panosc_portal.search.federation import Federation, Finished
from panosc_portal.search.merge import Merger, completed, doi_of, richness
from search_fakes import ALL_KINDS, QUICK, FakeCatalogue, dataset
from support import FakeHub

SOURCES = ("a", "b", "c")
ALL = Query()


@st.composite
def catalogues(draw: st.DrawFn) -> list[FakeCatalogue]:
    """Three catalogues of different sizes, some of whose data sets have the same DOIs, in any order."""
    made = []
    for name in SOURCES:
        numbers = draw(st.lists(st.integers(0, 40), unique=True, max_size=40))
        with_doi = draw(st.sets(st.integers(0, 40)))
        held = [dataset(name, n, doi=f"10.1000/{n}" if n in with_doi else "") for n in numbers]
        cuts = draw(st.booleans())
        made.append(FakeCatalogue(name, held, capabilities=Capabilities(asks=ALL_KINDS, limits_first=cuts)))
    return made


def federation(made: Sequence[FakeCatalogue]) -> Federation:
    site = SimpleNamespace(facilities={})
    return Federation(site, FakeHub(), made, QUICK)  # type: ignore[arg-type]


async def pages(searched: Federation, fails: Sequence[str] = ()) -> list[Finished]:
    """All pages; on page n, the catalogue fails[n] does not answer."""
    found: list[Finished] = []
    cursor = ""
    for number in range(60):
        failing = searched.sources[fails[number]].catalogue if number < len(fails) and fails[number] else None
        if isinstance(failing, FakeCatalogue):
            failing.failure = CatalogueError(failing.name, Outcome.DOWN, "down")
        end = [event async for event in searched.search(ALL, cursor, None)][-1]
        if isinstance(failing, FakeCatalogue):
            failing.failure = None
        assert isinstance(end, Finished)
        found.append(end)
        cursor = end.cursor
        if not end.more and number >= len(fails):
            return found
    raise AssertionError("the pages do not end")


def identity(one: Dataset) -> str:
    return doi_of(one) or f"{one.source}/{one.pid}"


@settings(max_examples=60, deadline=None)
@given(catalogues())
def test_page_behind_page_everything_is_shown_once(made: list[FakeCatalogue]) -> None:
    shown = [hit for end in asyncio.run(pages(federation(made))) for hit in end.hits]
    names = [identity(hit.dataset) for hit in shown]
    assert len(names) == len(set(names))
    assert set(names) == {identity(one) for catalogue in made for one in catalogue.datasets}


@settings(max_examples=60, deadline=None)
@given(catalogues(), st.lists(st.sampled_from(["", *SOURCES]), max_size=6))
def test_a_catalogue_that_fails_now_and_then_loses_and_repeats_nothing(
    made: list[FakeCatalogue], fails: list[str]
) -> None:
    searched = federation(made)
    for source in searched.sources.values():
        source._breaker._limit = 1000  # it fails on purpose, and is asked again at once
    shown = [hit for end in asyncio.run(pages(searched, fails)) for hit in end.hits]
    names = [identity(hit.dataset) for hit in shown]
    assert len(names) == len(set(names))
    assert set(names) == {identity(one) for catalogue in made for one in catalogue.datasets}


@settings(max_examples=60, deadline=None)
@given(catalogues(), st.permutations(SOURCES))
def test_the_order_does_not_depend_on_who_answered_first(made: list[FakeCatalogue], order: list[str]) -> None:
    merged = []
    for sources in (SOURCES, order):
        merger = Merger({}, SOURCES)
        for name in sources:
            for rank, one in enumerate(made[SOURCES.index(name)].datasets, 1):
                if merger.is_new(one):
                    merger.add(one, rank, ())
        merged.append([(sorted(hit.places), hit.score) for hit in merger.hits()])
    assert merged[0] == merged[1]


def test_what_several_catalogues_put_first_comes_first() -> None:
    merger = Merger({}, SOURCES)
    for rank, number in enumerate((1, 2, 3), 1):
        merger.add(dataset("a", number, doi=f"10.1000/{number}"), rank, ())
    for rank, number in enumerate((9, 3), 1):
        merger.add(dataset("b", number, doi=f"10.1000/{number}"), rank, ())
    assert [hit.dataset.doi[-1] for hit in merger.hits()] == ["3", "1", "9", "2"]


def test_a_description_is_completed_by_poorer_ones_but_paths_stay_their_own() -> None:
    best = dataset(
        "a",
        1,
        instrument=Instrument("ID02"),
        techniques=(Technique("SAXS"),),
        created=None,
        availability=Availability.UNKNOWN,
    )
    other = dataset("b", 1, licence="CC-BY-4.0", location="/data/of/b", instrument=Instrument("other"))
    assert richness(best) > richness(dataset("c", 1))
    both = completed(best, [other])
    assert (both.source, both.licence, both.availability) == ("a", "CC-BY-4.0", Availability.OPEN)
    assert both.instrument == Instrument("ID02") and both.location == ""


def test_who_tells_most_does_not_take_over_another_facilitys_data_set() -> None:
    own = dataset(
        "a", 1, doi="10.1000/1", title="Real", facility="esrf", proposal="ma1", availability=Availability.EMBARGOED
    )
    told = dataset(
        "b",
        1,
        doi="10.1000/1",
        title="False",
        facility="ill",
        proposal="8-1",
        landing="https://x.example/",
        licence="CC0-1.0",
        instrument=Instrument("D33"),
        techniques=(Technique("SANS"),),
    )
    for order in ((own, told), (told, own)):
        merger = Merger({}, SOURCES, ["a"])
        for one in order:
            merger.add(one, 1, ())
        (hit,) = merger.hits()
        kept = hit.dataset
        assert (kept.title, kept.facility, kept.proposal, kept.landing) == ("Real", "esrf", "ma1", "")
        assert (kept.source, kept.availability, kept.licence) == ("a", Availability.EMBARGOED, "CC0-1.0")
        assert [source for source, _ in hit.places] == ["a", "b"]


# --- Cursors ------------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=60))
def test_no_cursor_can_be_made_up(forged: bytes) -> None:
    cursors = Cursors()
    cursors.keep(Place(), ALL, "ada")
    text = forged.decode("latin-1")
    if text:
        with pytest.raises(CursorError, match="another search"):
            cursors.place(text, ALL, "ada")


@given(st.integers(0, 43), st.sampled_from("ABCDefgh0189-_"))
def test_a_cursor_that_was_changed_is_refused(at: int, letter: str) -> None:
    cursors = Cursors()
    name = cursors.keep(Place(), ALL, "ada")
    changed = name[:at] + letter + name[at + 1 :]
    if changed != name:
        with pytest.raises(CursorError):
            cursors.place(changed, ALL, "ada")


def test_a_cursor_fits_its_question_and_person_and_hour() -> None:
    clock = [1_000_000.0]
    cursors = Cursors(now=lambda: clock[0], most=3)
    place = Place({"a": Position(10, 3)})
    name = cursors.keep(place, ALL, "ada")
    assert cursors.place(name, ALL, "ada") is place and cursors.place("", ALL, "ada") == Place()
    for query, person in ((Query(text="x"), "ada"), (ALL, "ben"), (ALL, "")):
        with pytest.raises(CursorError, match="another search, for somebody else"):
            cursors.place(name, query, person)
    with pytest.raises(CursorError, match="another search"):
        Cursors().place(name, ALL, "ada")  # another portal's, or of before a restart
    clock[0] += LIFETIME + 1
    with pytest.raises(CursorError, match="too old"):
        cursors.place(name, ALL, "ada")
    clock[0] -= LIFETIME
    for _ in range(3):
        cursors.keep(Place(), ALL, "ada")
    assert len(cursors) == 3
    with pytest.raises(CursorError, match="too old"):
        cursors.place(name, ALL, "ada")
