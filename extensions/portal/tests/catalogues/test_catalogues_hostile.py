"""Answers that are not what they should be: one wrong entry costs itself, a wrong page is an outcome in words, and no secret leaves."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from catalogue_support import ADA, ask, panosc
from fakes.panosc import IllImplementation, LoopBack3
from fakes.server import Asked, Reply, Trouble, always, drip, elsewhere, hang, serving
from fakes.world import world
from panosc_portal.catalogues.model import Availability, Credentials, Dataset, Query
from panosc_portal.catalogues.panosc import PanoscCatalogue
from panosc_portal.errors import CatalogueError, Outcome
from pydantic import SecretStr

Keep = Callable[[Any], Any]
SECRET = "token-of-ada"


@pytest.fixture
async def fake() -> AsyncIterator[LoopBack3]:
    async with serving(LoopBack3(world())) as served:
        yield served


def lists(answer: Any) -> Trouble:
    """Answer lists with this, as JSON or bytes."""
    return always(Reply(content=answer))


def only_lists(asked: Asked) -> bool:
    return asked.path[-1] == "Datasets"


async def answered(fake: LoopBack3, keep: Keep, answer: Any) -> Any:
    """What comes of a list."""
    fake.trouble, fake.troubled = lists(answer), only_lists
    return await ask(keep(panosc(fake.url, "reference")))


# --- whole answers --------------------------------------------------------------------------------------------------------

OUTCOMES: dict[str, tuple[Trouble, Outcome]] = {
    "hang": (hang, Outcome.TIMEOUT),
    "drip": (drip, Outcome.TIMEOUT),
    "error": (always(Reply(503, b"<html>SECRET-OF-THE-BODY")), Outcome.DOWN),
    "busy": (always(Reply(429, b"")), Outcome.DOWN),
    "unauthorized": (always(Reply(401, {"message": "SECRET-OF-THE-BODY"})), Outcome.REFUSED),
    "forbidden": (always(Reply(403, b"")), Outcome.REFUSED),
    "gone": (always(Reply(404, b"<html>")), Outcome.CANNOT),
    "redirect": (elsewhere("http://127.0.0.1:9/x?token=SECRET-OF-THE-BODY"), Outcome.DOWN),
    "html": (always(Reply(200, b"<html>Welcome to the hotel's network</html>")), Outcome.GARBLED),
    "empty": (always(Reply(200, b"")), Outcome.GARBLED),
    "null": (always(Reply(200, None)), Outcome.GARBLED),
    "object": (always(Reply(200, {"error": "maintenance"})), Outcome.GARBLED),
    "numbers": (always(Reply(200, [7, 7])), Outcome.GARBLED),
    "deep": (always(Reply(200, b"[" * 100_000 + b"]" * 100_000)), Outcome.GARBLED),
    "latin": (always(Reply(200, '[{"pid":"é"}]'.encode("latin-1"))), Outcome.GARBLED),
    "nan": (always(Reply(200, b'[{"pid":"a","size":NaN}]')), Outcome.GARBLED),
    "twice": (always(Reply(200, b'[{"pid":"a","pid":"b"}]')), Outcome.GARBLED),
    "huge": (always(Reply(200, b'["' + b"x" * 9_000_000 + b'"]')), Outcome.GARBLED),
    "zipped": (always(Reply(200, b"\x1f\x8b", {"content-encoding": "gzip"})), Outcome.GARBLED),
    "wide": (always(Reply(200, b"[" + b"7," * 600_000 + b"7]")), Outcome.GARBLED),
}


@pytest.mark.parametrize("name", OUTCOMES)
@pytest.mark.parametrize("what", ["search", "get", "files", "check"])
@pytest.mark.usefixtures("hurried")
async def test_every_failure_is_an_outcome_in_words_and_in_time(
    fake: LoopBack3, keep: Keep, caplog: pytest.LogCaptureFixture, name: str, what: str
) -> None:
    caplog.set_level(logging.INFO)
    fake.trouble, expected = OUTCOMES[name]
    patient = name not in ("hang", "drip")
    catalogue: PanoscCatalogue = keep(
        panosc(
            fake.url,
            "reference",
            timeout=timedelta(seconds=5 if patient else 0.3),
            audience="x",
            differs={"token_header": "Authorization"},
        )
    )
    calls = {
        "search": lambda: ask(catalogue, Query("ferrofluid"), who=ADA),
        "get": lambda: catalogue.get("a/b", ADA),
        "files": lambda: _files(catalogue),
        "check": lambda: catalogue.check(),
    }
    begun = time.monotonic()
    if what == "get" and name in ("gone", "null"):  # what is answered for a data set that is not there
        assert await calls[what]() is None
        return
    with pytest.raises(CatalogueError) as caught:
        await calls[what]()
    assert patient or time.monotonic() - begun < 8  # it hangs for a minute; the machine may be busy
    assert caught.value.outcome is expected or (name == "object" and what == "get")
    words = str(caught.value)
    assert len(words) < 250
    for forbidden in (SECRET, "127.0.0.1", "SECRET-OF-THE-BODY", "Traceback", "http:", "<html"):
        assert forbidden not in words
    assert SECRET not in caplog.text
    assert "SECRET-OF-THE-BODY" not in caplog.text


async def _files(catalogue: PanoscCatalogue) -> list[Any]:
    return [file async for file in catalogue.files(Dataset("ill", "a/b", "t"), ADA)]


@pytest.mark.usefixtures("hurried")
async def test_a_count_that_fails_or_is_slow_costs_the_number_only(fake: LoopBack3, keep: Keep) -> None:
    catalogue = keep(panosc(fake.url, "reference", timeout="50s"))
    for trouble in (
        hang,
        always(Reply(500, b"")),
        always(Reply(200, {"count": "many"})),
        always(Reply(200, {"count": -1})),
    ):
        fake.trouble, fake.troubled = trouble, lambda asked: asked.path[-1] == "count"
        begun = time.monotonic()
        found = await ask(catalogue)
        assert time.monotonic() - begun < 10
        assert (len(found.datasets), found.total) == (10, None)


async def test_a_question_that_is_cancelled_leaves_nothing_behind(fake: LoopBack3, keep: Keep) -> None:
    fake.trouble = hang
    catalogue = keep(panosc(fake.url, "reference"))
    before = asyncio.all_tasks()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await ask(catalogue)
    await asyncio.sleep(0.05)
    ours = {task for task in asyncio.all_tasks() - before if "handle" not in repr(task)}
    assert ours == set()
    fake.trouble = None
    assert len((await ask(catalogue)).datasets) == 10


# --- tokens ---------------------------------------------------------------------------------------------------------------


async def test_a_token_goes_to_its_own_catalogue_only_and_never_across_a_redirect(keep: Keep) -> None:
    async with serving(IllImplementation(world())) as fake, serving(IllImplementation(world())) as other:
        catalogue = keep(panosc(fake.url, "ill", audience="ill"))
        with pytest.raises(CatalogueError, match="made for another catalogue"):
            await ask(catalogue, who=Credentials("ada", SecretStr(SECRET), "esrf"))
        assert fake.asked == []
        for status in (301, 302, 303, 307, 308):
            fake.trouble = always(Reply(status, b"", {"location": f"{other.url}/api/datasets"}))
            with pytest.raises(CatalogueError, match="sends elsewhere"):
                await ask(catalogue, who=ADA)
        assert other.asked == []
        assert fake.seen(SECRET)


async def test_a_token_that_cannot_be_a_header_is_not_sent(keep: Keep) -> None:
    async with serving(IllImplementation(world())) as fake:
        catalogue = keep(panosc(fake.url, "ill", audience="ill"))
        with pytest.raises(CatalogueError):
            await ask(catalogue, who=Credentials("ada", SecretStr("a\r\nX-Evil: 1"), "ill"))
        assert fake.asked == []


# --- single entries -------------------------------------------------------------------------------------------------------


def good(pid: str = "good", **more: Any) -> dict[str, Any]:
    return {"pid": pid, "title": "A title", "isPublic": True, "creationDate": "2020-01-01T00:00:00.000Z", **more}


@pytest.mark.parametrize(
    "wrong",
    [
        7, None, "text", [], {}, {"pid": None}, {"pid": {}}, {"pid": ["a"]}, {"pid": ""}, {"pid": "  "}, {"pid": "x" * 501},
        {"pid": "a\u202eb"}, {"pid": "a\nb"}, {"pid": "\ud800"}, {"title": {}}, {"title": ["a"]}, {"title": 7}, {"isPublic": "false"},
        {"isPublic": 1}, {"isPublic": []}, {"creationDate": 7}, {"creationDate": {}}, {"size": "big"}, {"size": {}}, {"size": True},
        {"score": "high"},
    ],
)  # fmt: skip
async def test_an_entry_of_wrong_types_is_left_out_with_a_note_and_the_page_stays(
    fake: LoopBack3, keep: Keep, wrong: Any
) -> None:
    entry = {**good("wrong"), **wrong} if isinstance(wrong, dict) and wrong else wrong
    found = await answered(fake, keep, [good("a"), entry, good("b")])
    assert [one.pid for one in found.datasets] == ["a", "b"]
    assert len(found.notes) == 1
    assert found.notes[0].startswith("1 entry was left out: ")
    assert len(found.notes[0]) < 150


@pytest.mark.parametrize(
    ("odd", "attribute", "expected"),
    [
        ({"size": -1}, "size", None),
        ({"size": 10**19}, "size", None),
        ({"size": "12345"}, "size", 12345),
        ({"size": 12.0}, "size", 12),
        ({"size": None}, "size", None),
        ({"creationDate": "yesterday"}, "created", None),
        ({"creationDate": "0001-01-01T00:00:00+23:59"}, "created", None),
        ({"creationDate": "9999-12-31T23:59:59-23:59"}, "created", None),
        ({"creationDate": "9" * 300}, "created", None),
        ({"creationDate": None}, "created", None),
        ({"isPublic": None}, "availability", Availability.UNKNOWN),
        ({"title": None}, "title", "odd"),
        ({"title": "<script>alert(1)</script><b>Fe</b><sub>2</sub>O&amp;\u202e T < 5 K\n\0"}, "title", "alert(1)Fe2O& T < 5 K"),
        ({"title": "x" * 100_000}, "title", "x" * 499 + "…"),
        ({"title": "a<b and c>d"}, "title", "a<b and c>d"),
        ({"score": -1}, "score", None),
        ({"techniques": None}, "techniques", ()),
        ({"techniques": {}}, "techniques", ()),
        ({"techniques": [7, {"name": []}, {}]}, "techniques", ()),
        ({"parameters": [{"name": "a", "value": None}, {"name": "", "value": 1}, {"value": 1}, {"name": "b", "value": [1]}]}, "parameters", ()),
        ({"instrument": {}}, "instrument", None),
        ({"instrument": None}, "instrument", None),
        ({"samples": [{"name": None}]}, "samples", ()),
        ({"unknown": {"deep": [1]}}, "pid", "odd"),
    ],
)  # fmt: skip
async def test_values_that_make_no_sense_are_as_if_they_were_not_there(
    fake: LoopBack3, keep: Keep, odd: Any, attribute: str, expected: Any
) -> None:
    found = await answered(fake, keep, [{**good("odd"), **odd}])
    assert len(found.datasets) == 1
    assert getattr(found.datasets[0], attribute) == expected


async def test_endless_relations_are_cut_with_a_note(fake: LoopBack3, keep: Keep) -> None:
    """Reading them all would hold up everybody else's search for seconds."""
    parameters = [{"name": "a", "value": 1, "unit": ""}] * 3000
    found = await answered(fake, keep, [good(str(number), parameters=parameters) for number in range(20)])
    assert len(found.datasets) == 20
    assert sum(len(one.parameters) for one in found.datasets) == 10_000
    assert found.notes == ("it tells more about its data sets than is shown here",)


async def test_the_same_twice_and_more_than_was_asked_for(fake: LoopBack3, keep: Keep) -> None:
    found = await answered(fake, keep, [good("a"), good("a"), good("b")])
    assert [one.pid for one in found.datasets] == ["a", "b"]
    assert found.notes == ("1 entry was left out: the same is there twice",)
    many = await answered(fake, keep, [good(str(number)) for number in range(500)])
    assert len(many.datasets) == 50
    assert many.next == 50
    assert any("more than was asked for" in note for note in many.notes)


async def test_a_page_that_lost_entries_still_goes_on(fake: LoopBack3, keep: Keep) -> None:
    """The end is where the list ends, not where the entries that could be read do."""
    fake.trouble, fake.troubled = lists([good("a"), {"pid": 7}]), only_lists
    found = await ask(keep(panosc(fake.url, "reference")), limit=2)
    assert (len(found.datasets), found.next) == (2, 2)
    fake.trouble = lists([good("a"), {"pid": []}])
    found = await ask(keep(panosc(fake.url, "reference")), limit=2)
    assert (len(found.datasets), found.next) == (1, 2)


async def test_it_answers_for_another_data_set(fake: LoopBack3, keep: Keep) -> None:
    fake.trouble = always(Reply(content=good("other")))
    with pytest.raises(CatalogueError, match="another data set"):
        await keep(panosc(fake.url, "reference")).get("mine", None)


@pytest.mark.parametrize("pid", ["..", ".", "a\0b", "x" * 20_000, "", "%2e%2e", "a/../b", "?x=1#y"])
async def test_a_pid_never_leads_elsewhere(fake: LoopBack3, keep: Keep, pid: str) -> None:
    catalogue = keep(panosc(fake.url, "reference"))
    try:
        assert await catalogue.get(pid, None) is None
    except CatalogueError as error:
        assert "name for its address" in error.reason or "too long" in error.reason
        assert error.outcome is Outcome.CANNOT
    assert all(
        asked.path[:2] == ("api", "Datasets") and asked.path[2] == pid for asked in fake.asked if len(asked.path) > 2
    )
    assert all(len(asked.path) == 3 for asked in fake.asked)


async def test_files_that_never_end_or_lead_elsewhere(fake: LoopBack3, keep: Keep) -> None:
    catalogue = keep(panosc(fake.url, "reference"))
    dataset = Dataset("ill", "a", "t")
    page = [{"name": f"{number}.h5", "path": "/data"} for number in range(500)]
    fake.trouble = always(Reply(content=page))  # the same page for ever: it does not know skip
    assert len([file async for file in catalogue.files(dataset, None)]) == 500
    assert len(fake.asked) == 2
    bad = [
        {"name": "../../etc/passwd", "path": "/data"}, {"name": "a\0b"}, {"name": "x", "path": "/data/../../etc"}, {"name": 7}, 7,
        {"name": "", "path": ""}, {"path": "C:\\windows"}, {"name": "good.h5", "path": "/data/good.h5"}, {"name": "n.h5", "size": -4},
    ]  # fmt: skip
    fake.trouble = always(Reply(content=bad))
    assert [(f.path, f.size) async for f in catalogue.files(dataset, None)] == [("/data/good.h5", None), ("n.h5", None)]
