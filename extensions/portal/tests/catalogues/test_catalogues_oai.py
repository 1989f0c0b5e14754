"""Harvest by OAI-PMH: all pages, what is new, what is gone, interrupted in the middle, and hostile XML."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from catalogue_support import ask
from fakes.oai import Record, Repository
from fakes.server import Reply, always, hang, send_reply, serving
from hypothesis import given, settings
from hypothesis import strategies as st
from panosc_portal.catalogues.entries import Notes
from panosc_portal.catalogues.model import Availability, Found, Kind, Query
from panosc_portal.catalogues.oai import OaiCatalogue
from panosc_portal.catalogues.oai_records import NoPage, Source, read_page
from panosc_portal.catalogues.oai_store import OaiStore
from panosc_portal.errors import CatalogueError, Outcome

from panosc_spawner.facilities.catalogue_rules import OaiCatalogue as Rule
from panosc_spawner.facilities.load import load_facility

Make = Callable[..., OaiCatalogue]
SOURCE = Source("eli", "eli")


def records() -> list[Record]:
    return [
        Record(number, f"Electron beam {number}", year=2020 + number, subject="SANS", address="PaNET01189")
        for number in range(1, 8)
    ]


@pytest.fixture
async def repository() -> AsyncIterator[Repository]:
    async with serving(Repository(records())) as fake:
        yield fake


@pytest.fixture
def make(repository: Repository, tmp_path: Path, keep: Callable[[Any], Any]) -> Make:
    def made(**keys: Any) -> OaiCatalogue:
        rule = {"type": "oai", "name": "eli", "url": f"{repository.url}/oai2d", "timeout": "5s", **keys}
        found: OaiCatalogue = keep(
            OaiCatalogue(Rule.model_validate(rule), load_facility("eli"), tmp_path, tmp_path / "state")
        )
        return found

    return made


def dois(found: Found) -> set[int]:
    return {int(one.doi.rpartition(".")[2]) for one in found.datasets}


async def all_of(catalogue: OaiCatalogue) -> set[int]:
    datasets, _, _ = await asyncio.to_thread(catalogue.store.search, Query(), 0, 200)
    return dois(Found(tuple(datasets)))


async def test_only_one_harvests_at_a_time(repository: Repository, make: Make) -> None:
    first, second = make(), make()  # the search's, and the index's
    came = await asyncio.gather(first.harvest(), second.harvest())
    assert sorted(came) == [0, 7]
    assert [one.query["verb"] for one in repository.asked].count("Identify") == 1
    with first.store.alone() as mine:
        assert mine
        assert await second.harvest() == 0
    assert await all_of(second) == set(range(1, 8))


async def test_all_pages_are_fetched_with_the_token_alone(repository: Repository, make: Make) -> None:
    catalogue = make()
    assert await catalogue.harvest() == 7
    asked = [one.query for one in repository.asked]
    assert asked[0] == {"verb": "Identify"}
    assert asked[1] == {"verb": "ListRecords", "metadataPrefix": "oai_datacite"}
    assert all(set(one) == {"verb", "resumptionToken"} for one in asked[2:])
    assert len(asked) == 4
    found = await ask(catalogue, Query("electron beam"), limit=5)
    assert (len(found.datasets), found.total, found.next) == (5, 7, 5)
    one = found.datasets[0]
    assert one.documents[0].members[0].orcid == "0000-0001-2345-6789"
    assert one.availability is Availability.OPEN
    assert one.landing.startswith("https://doi.org/10.83412/eli.")


async def test_what_is_new_and_what_was_deleted(repository: Repository, make: Make) -> None:
    catalogue = make()
    await catalogue.harvest()
    repository.settings.now = "2026-07-01T00:00:00Z"
    repository.records[0] = Record(1, deleted=True, stamp="2026-06-15T00:00:00Z")
    repository.records[1] = Record(2, "Renamed", stamp="2026-06-15T00:00:00Z")
    repository.records.append(Record(8, "New", stamp="2026-06-20T00:00:00Z"))
    repository.asked.clear()
    assert await catalogue.harvest() == 3
    assert repository.asked[1].query["from"] == "2026-06-01T00:00:00Z"  # the repository's clock, not ours
    assert await all_of(catalogue) == {2, 3, 4, 5, 6, 7, 8}
    assert dois(await ask(catalogue, Query("renamed"))) == {2}
    assert (await ask(catalogue, Query(pid="10.83412/ELI.1"))).datasets == ()
    assert await catalogue.harvest() == 0  # noRecordsMatch is no error


async def test_days_only_where_the_repository_counts_in_days(repository: Repository, make: Make) -> None:
    repository.settings.granularity = "YYYY-MM-DD"
    catalogue = make()
    await catalogue.harvest()
    repository.asked.clear()
    await catalogue.harvest()
    assert repository.asked[1].query["from"] == "2026-06-01"


async def test_where_deletions_are_not_told_what_is_gone_is_gone_after_a_harvest_of_all(
    repository: Repository, make: Make
) -> None:
    repository.settings.deleted_record = "no"
    catalogue = make()
    await catalogue.harvest()
    del repository.records[0]
    await catalogue.harvest()
    assert 1 in await all_of(catalogue)
    await asyncio.to_thread(catalogue.store.remember, {"whole": "2020-01-01T00:00:00+00:00"})  # a week is over
    await catalogue.harvest()
    assert await all_of(catalogue) == {2, 3, 4, 5, 6, 7}


@pytest.mark.parametrize("after", [1, 2, 3])
async def test_a_harvest_that_was_interrupted_goes_on_where_it_was(
    repository: Repository, make: Make, after: int
) -> None:
    catalogue = make()
    repository.trouble = always(Reply(503, b"", {"retry-after": "60"}))
    repository.troubled = lambda asked: len(repository.asked) > after
    with pytest.raises(CatalogueError) as caught:
        await catalogue.harvest()
    assert caught.value.outcome is Outcome.DOWN
    kept = len(await all_of(catalogue))
    assert kept == 3 * (after - 1)
    repository.trouble = None
    repository.asked.clear()
    again = make()  # another process
    await again.harvest()
    if after > 1:
        assert "resumptionToken" in repository.asked[0].query
    assert await all_of(again) == set(range(1, 8))


async def test_a_token_that_ran_out_begins_anew(repository: Repository, make: Make) -> None:
    catalogue = make()
    repository.settings.forget_tokens = True
    with pytest.raises(CatalogueError, match="does not know where it was"):
        await catalogue.harvest()
    repository.settings.forget_tokens = False
    assert await catalogue.harvest() == 7


async def test_pages_that_go_round_in_a_circle_end(repository: Repository, make: Make) -> None:
    repository.settings.circle = True
    with pytest.raises(CatalogueError, match="circle"):
        await make().harvest()
    assert len(repository.asked) < 6


async def test_more_than_may_be_kept_is_said(repository: Repository, make: Make) -> None:
    catalogue = make(max_records=4)
    with pytest.raises(CatalogueError, match="max_records") as caught:
        await catalogue.harvest()
    assert caught.value.outcome is Outcome.PARTIAL
    assert len(await all_of(catalogue)) == 4
    asked = len(repository.asked)
    await ask(catalogue)
    await asyncio.sleep(0.1)
    assert len(repository.asked) == asked  # it would be no different in a minute


async def test_one_that_sends_the_same_for_ever_is_given_up(repository: Repository, make: Make) -> None:
    pages = iter(range(10_000))
    record = '<record><header status="deleted"><identifier>x</identifier></header></record>'

    async def endless(send: Any) -> None:
        body = f"<OAI-PMH><ListRecords>{record * 50}<resumptionToken>t{next(pages)}</resumptionToken></ListRecords></OAI-PMH>"
        await send_reply(send, Reply(200, body.encode(), kind="text/xml"))

    repository.trouble, repository.troubled = endless, lambda asked: asked.query["verb"] == "ListRecords"
    with pytest.raises(CatalogueError, match="max_records"):
        await make(max_records=100).harvest()
    assert next(pages) < 10


async def test_it_is_asked_less_and_less_often_while_it_fails(repository: Repository, make: Make) -> None:
    repository.trouble = always(Reply(500, b""))
    catalogue = make()
    for expected in (60, 120, 240, 480, 960, 1920, 3840, 7680, 15360, 21600, 21600):  # six hours: every
        await catalogue._harvest_quietly()
        pause = catalogue._not_before - time.monotonic()
        assert expected - 5 < pause <= expected


async def test_it_harvests_by_itself_and_says_what_it_has_until_then(repository: Repository, make: Make) -> None:
    catalogue = make()
    first = await ask(catalogue, Query("electron"))
    assert "fetched for the first time" in first.notes[0]
    for _ in range(2000):
        found = await ask(catalogue, Query("electron"))
        if len(found.datasets) == 7 and not found.notes:
            break
        await asyncio.sleep(0.02)
    assert (len(found.datasets), found.notes) == (7, ())
    count = len(repository.asked)
    await ask(catalogue, Query("beam"))
    assert len(repository.asked) == count  # not again before its time


async def test_nothing_yet_and_it_fails_is_an_error_and_later_on_a_note(repository: Repository, make: Make) -> None:
    repository.trouble = always(Reply(500, b"<html>SECRET</html>"))
    catalogue = make()
    await ask(catalogue)
    for _ in range(2000):
        if catalogue._harvesting is not None and catalogue._harvesting.done():
            break
        await asyncio.sleep(0.02)
    with pytest.raises(CatalogueError) as caught:
        await ask(catalogue)
    assert caught.value.outcome is Outcome.DOWN
    repository.trouble = None
    await catalogue.harvest()
    found = await ask(catalogue)
    assert len(found.datasets) == 7
    assert any(note.startswith("as it was on ") for note in found.notes)


@pytest.mark.parametrize(
    ("query", "expected", "kind"),
    [
        (Query("wakefield"), {1, 2, 3, 4, 5, 6, 7}, Kind.TEXT),
        (Query("ELECTR 3"), {3}, Kind.TEXT),
        (Query('"beam 4"'), {4}, Kind.TEXT),
        (Query('a" OR "b NEAR( *'), set(), Kind.TEXT),
        (Query(years=(2022, 2023)), {2, 3}, Kind.YEARS),
        (Query(years=(None, 2021)), {1}, Kind.YEARS),
        (Query(pid="https://doi.org/10.83412/eli.5"), {5}, Kind.PID),
        (Query(pid="oai:data.example.org:6"), {6}, Kind.PID),
        (Query(techniques=("PaNET01124",)), {1, 2, 3, 4, 5, 6, 7}, Kind.TECHNIQUE),
        (Query(techniques=("PaNET01216",)), set(), Kind.TECHNIQUE),
        (Query(availability=(Availability.EMBARGOED,)), set(), Kind.AVAILABILITY),
        (Query(facilities=("esrf",)), set(), Kind.FACILITY),
    ],
)
async def test_conditions(repository: Repository, make: Make, query: Query, expected: set[int], kind: Kind) -> None:
    catalogue = make()
    await catalogue.harvest()
    found = await ask(catalogue, query)
    assert dois(found) == expected
    assert kind in found.applied
    assert found.total == len(expected)


async def test_dublin_core_and_kinds_and_rights(repository: Repository, make: Make) -> None:
    repository.records = [
        Record(1, "Open", rights="https://creativecommons.org/licenses/by/4.0/"),
        Record(2, "A paper", kind="Text"),
        Record(3, "Later", available="2999-01-01"),
        Record(4, "Closed", rights="info:eu-repo/semantics/closedAccess"),
        Record(5, "<b>Fe</b><sub>2</sub>O & T < 5 K", rights=""),
    ]
    for prefix in ("oai_datacite", "oai_dc"):
        catalogue = make(prefix=prefix, name=f"eli-{prefix.replace('_', '-')}"[:20])
        await catalogue.harvest()
        found = {int(one.doi.rpartition(".")[2]): one for one in (await ask(catalogue)).datasets}
        assert set(found) == {1, 3, 4, 5}
        assert found[1].availability is Availability.OPEN
        assert found[4].availability is Availability.EMBARGOED
        assert found[5].availability is Availability.UNKNOWN
        assert found[5].title == "Fe2O & T < 5 K"
        assert all(one.landing.startswith("https://doi.org/") for one in found.values())
        if prefix == "oai_datacite":
            assert found[3].availability is Availability.EMBARGOED
            assert str(found[3].release) == "2999-01-01"


async def test_a_record_that_is_wrong_is_left_out_with_a_note(repository: Repository, make: Make) -> None:
    repository.records[0].body = "<strange xmlns='x'/>"
    catalogue = make()
    await catalogue.harvest()
    assert await all_of(catalogue) == {2, 3, 4, 5, 6, 7}


async def test_check(repository: Repository, make: Make) -> None:
    assert await make().check() == "answers with 7 records"
    repository.settings.prefixes = ("oai_dc",)
    with pytest.raises(CatalogueError, match='write prefix = "oai_dc"'):
        await make().check()


async def test_only_a_set(repository: Repository, make: Make) -> None:
    repository.settings.sets = {"open": {2, 4}}
    catalogue = make(set="open")
    await catalogue.harvest()
    assert await all_of(catalogue) == {2, 4}


async def test_a_hung_repository_is_given_up_and_closing_ends_a_harvest(repository: Repository, make: Make) -> None:
    repository.trouble = hang
    catalogue = make(timeout="1s")
    with pytest.raises(CatalogueError) as caught:
        await catalogue.harvest()
    assert caught.value.outcome is Outcome.TIMEOUT
    slow = make(timeout="50s", name="other")
    await ask(slow)
    await asyncio.wait_for(slow.aclose(), 2)


async def test_what_is_kept_is_the_portals_alone(make: Make, tmp_path: Path) -> None:
    await make().harvest()
    file = tmp_path / "state" / "oai-eli.sqlite"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


async def test_many_who_open_it_first_make_it_once(tmp_path: Path) -> None:
    for turn in range(5):
        store = OaiStore(tmp_path / f"{turn}" / "x.sqlite")
        counts = await asyncio.gather(*(asyncio.to_thread(store.count) for _ in range(12)))
        assert counts == [0] * 12


async def test_a_file_that_is_no_database_or_of_another_version_is_fetched_anew(make: Make, tmp_path: Path) -> None:
    file = tmp_path / "state" / "oai-eli.sqlite"
    file.parent.mkdir(mode=0o700)
    file.write_bytes(b"not a database at all, but long enough to be read as one" * 20)
    catalogue = make()
    assert await catalogue.harvest() == 7
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA user_version = 99")
    assert await asyncio.to_thread(catalogue.store.count) == 0
    assert await catalogue.harvest() == 7


async def test_what_cannot_be_kept_is_an_error_in_words(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = make()
    await asyncio.to_thread(catalogue.store.count)

    def full(*_: object) -> int:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(catalogue.store, "take", full)
    await catalogue._harvest_quietly()
    with pytest.raises(CatalogueError, match="cannot be kept here"):
        await ask(catalogue)


# --- hostile XML ----------------------------------------------------------------------------------------------------------

_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">'
    + "".join(
        f'<!ENTITY lol{n} "{"&lol" + str(n - 1) + ";" if n > 1 else "&lol;"}{"&lol;" * 9}">' for n in range(1, 10)
    )
    + "]><OAI-PMH>&lol9;</OAI-PMH>"
)
_OUTSIDE = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><OAI-PMH><error code="&f;"/></OAI-PMH>'
)
_DTD = '<!DOCTYPE OAI-PMH SYSTEM "http://127.0.0.1:9/evil.dtd"><OAI-PMH/>'
_RECORD = "<OAI-PMH><ListRecords><record><header><identifier>{}</identifier></header><metadata>{}</metadata></record></ListRecords></OAI-PMH>"


@pytest.mark.parametrize(
    "body",
    [
        _LAUGHS.encode(), _OUTSIDE.encode(), _DTD.encode(), b"", b"   ", b"not xml", b"<a>", b"<html><body>Login</body></html>",
        b"\xff\xfe\x00", b"<OAI-PMH>\xe9</OAI-PMH>", b'<?xml version="1.0" encoding="no-such"?><OAI-PMH/>', b"<OAI-PMH>\x00</OAI-PMH>",
        b"<OAI-PMH><ListRecords>" + b"<record/>" * 3 + b"<resumptionToken>" + b"x" * 3000 + b"</resumptionToken></ListRecords></OAI-PMH>",
    ],
)  # fmt: skip
async def test_hostile_pages_are_refused_in_words(repository: Repository, make: Make, body: bytes) -> None:
    repository.raw = body
    with pytest.raises(CatalogueError) as caught:
        await make().check()
    assert caught.value.outcome is Outcome.GARBLED
    assert "root:" not in str(caught.value)
    assert len(str(caught.value)) < 200
    with pytest.raises(NoPage):
        read_page(body, SOURCE, Notes())


def test_a_deep_tree_and_an_endless_text_are_bounded() -> None:
    deep = _RECORD.format("a", "<x>" * 50_000 + "</x>" * 50_000)
    notes = Notes()
    try:
        assert read_page(deep.encode(), SOURCE, notes).datasets == []
        assert notes.words()
    except NoPage:
        pass  # a parser that refuses the depth is as good
    long = _RECORD.format("a", f"<dc><title>{'x' * 1_000_000}</title></dc>")
    page = read_page(long.encode(), SOURCE, Notes())
    assert page.datasets[0][1] is not None
    assert len(page.datasets[0][1].title) <= 500


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_in_a_record_is_a_record_or_a_note(title: str, name: str) -> None:
    from xml.sax.saxutils import escape

    body = _RECORD.format(escape(name), f"<dc><title>{escape(title)}</title><date>{escape(title)}</date></dc>")
    notes = Notes()
    try:
        page = read_page(body.encode("utf-8", "replace"), SOURCE, notes)
    except NoPage:  # characters that XML does not have
        return
    assert page.datasets or notes.words()
    for _, dataset in page.datasets:
        assert dataset is not None
        assert dataset.title.isprintable()
        assert dataset.landing == "" or dataset.landing.startswith("https://")


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_page_or_none(body: bytes) -> None:
    try:
        read_page(body, SOURCE, Notes())
    except NoPage as error:
        assert len(str(error)) < 100
