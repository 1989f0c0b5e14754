"""Staging from OneData, by a fake that answers as its clients expect; and data on tape, by the WLCG Tape REST API."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dav_peer import dav_peer
from onedata_fake import Fake, onedata
from panosc_portal.moving.jobs import State
from panosc_portal.moving.third_party import Markers
from staging_support import VISIT, Desk, desk, remote, tree_of, write_tree

from panosc_spawner.facilities.portal_staging_rules import Remote


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again at once; tapes are asked often."""
    monkeypatch.setattr("panosc_portal.moving.runner._pause", lambda attempts: 0.05)
    monkeypatch.setattr("panosc_portal.moving.tape.ASK_AGAIN", 0.1)


@pytest.fixture
def space(tmp_path: Path) -> Iterator[Fake]:
    """A Oneprovider with the proposal's directory, still empty."""
    (tmp_path / "space" / VISIT).mkdir(parents=True)
    with onedata(tmp_path / "space") as fake:
        yield fake


def _remote(space: Fake, **more: Any) -> Remote:
    return remote(space.url, kind="onedata", space="ESRF data", **more)


def _contents(space: Fake) -> list[tuple[str, str]]:
    return [(path, span) for method, path, span in space.asked if path.endswith("/content")]


@pytest.mark.parametrize("camel", [True, False])
async def test_data_come_from_a_space(tmp_path: Path, space: Fake, root: Path, camel: bool) -> None:
    tree = write_tree(space.root / VISIT)
    space.camel = camel
    async with desk(tmp_path, root, _remote(space)) as here:
        done = await here.staged()
        assert tree_of(here.target) == tree
    assert "16 files" in done.words


async def test_a_content_that_breaks_off_goes_on_in_its_middle(tmp_path: Path, space: Fake, root: Path) -> None:
    tree = write_tree(space.root / VISIT, files=1, size=3 * 1024 * 1024)
    space.cut = {f"{VISIT}/scan0/frame 0000.h5": 2 * 1024 * 1024}
    async with desk(tmp_path, root, _remote(space)) as here:
        done = await here.staged()
        assert tree_of(here.target) == tree
    assert done.attempts == 2
    assert [span for _, span in _contents(space) if span] == [f"bytes={2 * 1024 * 1024}-"]


async def test_a_file_that_is_not_replicated_yet_is_waited_for(tmp_path: Path, space: Fake, root: Path) -> None:
    """The provider lists the right size, but shows the file as empty for a while."""
    tree = write_tree(space.root / VISIT, files=1, manifest=False)
    path = f"{VISIT}/scan0/frame 0000.h5"
    async with desk(tmp_path, root, _remote(space)) as here:
        shown = space.attributes
        calls = 0

        def late(asked: str) -> dict[str, Any]:
            nonlocal calls
            calls += asked == path
            return shown(asked) | ({"size": 0} if asked == path and calls == 2 else {})

        space.attributes = late  # type: ignore[method-assign]
        done = await here.staged()
        assert tree_of(here.target) == tree
        assert done.attempts == 2


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "a link": ({"name": "x", "type": "SYMLNK", "size": 1, "fileId": "AB"}, "is a link"),
    "a name that leads elsewhere": ({"name": "..", "type": "REG", "size": 1, "fileId": "AB"}, "not a name"),
    "a path as name": ({"name": "a/b", "type": "REG", "size": 1, "fileId": "AB"}, "not a name"),
    "an id that leads elsewhere": ({"name": "x", "type": "REG", "size": 1, "fileId": "../../x"}, "no name of a file"),
    "no size": ({"name": "x", "type": "REG", "fileId": "AB"}, "as the size"),
    "a device": ({"name": "x", "type": "DEV", "size": 1, "fileId": "AB"}, "neither a file"),
    "no name": ({"type": "REG", "size": 1, "fileId": "AB"}, "without a name"),
}


@pytest.mark.parametrize(("child", "words"), HOSTILE.values(), ids=HOSTILE)
async def test_what_a_space_may_not_list(
    tmp_path: Path, space: Fake, root: Path, child: dict[str, Any], words: str
) -> None:
    write_tree(space.root / VISIT)
    space.extra = {str(VISIT): [child]}
    async with desk(tmp_path, root, _remote(space)) as here:
        failed = await here.end(here.begin())
        assert failed.state is State.FAILED
        assert words in failed.words
        assert not here.target.exists()
    assert _contents(space) == []


async def test_directories_in_a_circle_end(tmp_path: Path, space: Fake, root: Path) -> None:
    write_tree(space.root / VISIT)
    top = {"name": "again", "type": "DIR", "size": 0, "fileId": space.identity(str(VISIT))}
    space.extra = {f"{VISIT}/scan0": [top]}
    async with desk(tmp_path, root, _remote(space)) as here:
        assert "in a circle" in (await here.end(here.begin())).words


async def test_a_size_that_lies_is_found(tmp_path: Path, space: Fake, root: Path) -> None:
    write_tree(space.root / VISIT, files=1, manifest=False)
    space.lies = {f"{VISIT}/notes.txt": {"size": 3}}
    async with desk(tmp_path, root, _remote(space)) as here:
        failed = await here.end(here.begin())
        assert "another size" in failed.words
        assert not here.target.exists()


async def test_a_token_that_is_not_taken_is_told(tmp_path: Path, space: Fake, root: Path) -> None:
    space.token = "another"
    async with desk(tmp_path, root, _remote(space)) as here:
        assert "does not accept the token" in (await here.end(here.begin())).words


# --- Tape -------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def taped(tmp_path: Path, space: Fake, root: Path) -> Any:
    """A WebDAV storage whose files are on tape."""
    write_tree(tmp_path / "elsewhere" / VISIT)
    space.localities = {f"/{VISIT}/notes.txt": "TAPE", f"/{VISIT}/empty": "TAPE"}
    with dav_peer(tmp_path / "elsewhere", {space.token: ("/", False)}) as peer:
        async with desk(tmp_path, root, remote(peer.url, tape_url=f"{space.url}/tape/v1")) as here:
            yield here


async def test_data_on_tape_are_asked_for_once_and_waited_for(space: Fake, taped: Desk) -> None:
    job = taped.begin()
    waiting = await taped.end(job, State.WAITING)
    assert "2 files are on tape" in waiting.words
    await asyncio.sleep(0.5)
    assert taped.runner.limits.at_once > len(taped.runner._running)  # it holds no place
    assert space.staged == {"request-1": [f"/{VISIT}/empty", f"/{VISIT}/notes.txt"]}
    assert [path for _, path, _ in space.asked].count("tape/stage") == 1
    assert not taped.target.exists()
    space.localities = dict.fromkeys(space.localities, "DISK_AND_TAPE")
    assert (await taped.end(job)).state is State.DONE
    assert len(tree_of(taped.target)) == 16


async def test_what_is_lost_is_told(space: Fake, taped: Desk) -> None:
    space.localities = {f"/{VISIT}/notes.txt": "LOST"}
    failed = await taped.end(taped.begin())
    assert "cannot give 1 of the files (1 lost)" in failed.words


async def test_cancelled_nobody_waits_for_the_tape_any_more(space: Fake, taped: Desk) -> None:
    job = taped.begin()
    await taped.end(job, State.WAITING)
    await taped.runner.cancel(job.id, "ada")
    assert space.staged == {}


# --- Performance markers ----------------------------------------------------------------------------------------------

_BODY = (
    b"Perf Marker\nTimestamp: 1\nStripe Index: 0\nStripe Bytes Transferred: 10\nTotal Stripe Count: 2\nEnd\n"
    b"Perf Marker\nTimestamp: 2\nStripe Index: 1\nStripe Bytes Transferred: 7\nTotal Stripe Count: 2\nEnd\nsuccess: Created\n"
)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_markers_in_pieces_of_any_size(size: int) -> None:
    markers = Markers()
    for at in range(0, len(_BODY), size):
        markers.feed(_BODY[at : at + size])
    markers.end()
    assert (markers.bytes, markers.outcome) == (17, "success: Created")


def test_an_answer_that_breaks_off_is_no_success() -> None:
    markers = Markers()
    markers.feed(_BODY[:100])
    markers.end()
    assert markers.outcome == ""
    markers.feed(b"failure: 404 Not Found")
    markers.end()
    assert markers.outcome == "failure: 404 Not Found"
    with pytest.raises(ValueError, match="without end"):
        markers.feed(b"x" * 5000)
