"""What staging does to a file system it does in threads of its own, to their end; and nothing of it in the event loop."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from dav_peer import DavPeer
from moving_places import OTHER, PERSON
from onedata_fake import onedata
from panosc_portal.moving.backend import Copying, _Written, fetch
from panosc_portal.moving.dav import make_client
from panosc_portal.moving.jobs import Progress, State
from panosc_portal.moving.journal import Journal
from panosc_portal.moving.place import Place, Writer
from panosc_portal.moving.quota import Room
from panosc_portal.moving.remote_files import RemoteFile
from panosc_portal.moving.runner import JobLimits, Task
from panosc_portal.moving.settle import Sums
from panosc_portal.moving.settle import checksums as real_checksums
from panosc_portal.moving.threads import asked_in_staging_thread, in_reading_thread, in_staging_thread
from staging_support import REF, VISIT, data_of, desk, remote, tree_of, write_tree
from support import login


class Held:
    """Stops whoever comes to it, in a thread, until it is opened; at the end of the test for all."""

    def __init__(self) -> None:
        self.came, self._open = threading.Event(), threading.Event()

    def wait(self) -> None:
        """For the thread."""
        self.came.set()
        assert self._open.wait(30)

    def open(self) -> None:
        """Let them go on."""
        self._open.set()

    async def reached(self) -> None:
        """Until somebody came."""
        async with asyncio.timeout(20):
            while not self.came.is_set():
                await asyncio.sleep(0.01)


@pytest.fixture
def held() -> Iterator[Held]:
    """Whatever happens, no thread is left in it."""
    made = Held()
    yield made
    made.open()


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed, or waits for another job, is tried again at once."""
    monkeypatch.setattr("panosc_portal.moving.runner._pause", lambda attempts: 0.05)
    monkeypatch.setattr("panosc_portal.moving.staging.ASK_AGAIN", 0.2)
    monkeypatch.setattr("panosc_portal.moving.staging._BRIEFLY", 0.05)


async def test_work_that_was_begun_is_ended_before_a_cancellation_goes_on(held: Held) -> None:
    ended: list[str] = []

    def work(word: str) -> None:
        held.wait()
        ended.append(word)

    task = asyncio.create_task(in_staging_thread(work, "whole"))
    await held.reached()
    for _ in range(3):  # however often
        task.cancel()
        await asyncio.sleep(0.02)
    assert not task.done() and ended == []
    held.open()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["whole"]


async def test_a_question_is_not_waited_for_and_a_long_reading_is_stopped(held: Held) -> None:
    question = asyncio.create_task(asked_in_staging_thread(held.wait))
    await held.reached()
    question.cancel()
    await asyncio.wait([question], timeout=2)
    assert question.cancelled()
    reading, stopped = threading.Event(), threading.Event()

    def read() -> bool:
        reading.set()
        return stopped.wait(20)

    task = asyncio.create_task(in_reading_thread(read, stop=stopped.set))
    while not reading.is_set():
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task], timeout=2)
    assert task.cancelled() and stopped.is_set()


async def test_what_the_work_says_and_raises_comes_back() -> None:
    assert await in_staging_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await in_staging_thread(divmod, 7, 0)


async def test_verifying_leaves_the_portals_threads_to_others(
    tmp_path: Path, there: Path, peer: DavPeer, root: Path, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = write_tree(there)

    def slowly(*args: Any) -> Sums:
        held.wait()
        return real_checksums(*args)

    monkeypatch.setattr("panosc_portal.moving.verify.checksums", slowly)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
    async with desk(tmp_path, root, remote(peer.url, streams=8)) as here:
        job = here.begin()
        await held.reached()
        await asyncio.sleep(0.2)
        async with asyncio.timeout(5):
            assert await asyncio.to_thread(int, "7") == 7  # a name that is looked up, a search that is answered
        held.open()
        assert (await here.end(job)).state is State.DONE
        assert tree_of(here.target) == tree


@pytest.fixture
def threads_of(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """In which threads the file system is reached, and the progress is told."""
    found: dict[str, set[str]] = {}

    def watch(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def noted(*args: Any, **more: Any) -> Any:
            found.setdefault(name, set()).add(threading.current_thread().name.partition("_")[0])
            return original(*args, **more)

        monkeypatch.setattr(owner, name, noted)

    watch(Place, "__init__")
    watch(Place, "_open_root")
    watch(Room, "check")
    for name in ("open", "cut", "write", "close"):
        watch(_Written, name)
    watch(Task, "progress")
    return found


@pytest.mark.parametrize("kind", ["webdav", "onedata"])
async def test_no_file_system_is_reached_in_the_event_loop(
    tmp_path: Path, peer: DavPeer, root: Path, kind: str, threads_of: dict[str, set[str]], monkeypatch: Any
) -> None:
    """From the first look to the rename, with a file that comes damaged once, and with a cancellation."""
    there = tmp_path / ("elsewhere" if kind == "webdav" else "space") / VISIT
    there.mkdir(parents=True, exist_ok=True)
    tree = write_tree(there)
    damaged: list[str] = []

    def once(handle: int, path: str, *more: Any) -> Sums:
        sums = real_checksums(handle, path, *more)
        if path == "notes.txt" and not damaged:
            damaged.append(path)
            return Sums(sums.size, dict.fromkeys(sums.values, "0"))
        return sums

    monkeypatch.setattr("panosc_portal.moving.verify.checksums", once)
    with onedata(tmp_path / "space") as space:
        rules = remote(peer.url) if kind == "webdav" else remote(space.url, kind="onedata", space="ESRF data")
        async with desk(tmp_path, root, rules) as here:
            threads_of.clear()
            assert (await here.staged()).attempts == 2
            assert tree_of(here.target) == tree
            again = here.begin(refresh=True)
            await here.end(again, State.RUNNING, State.VERIFYING)
            await here.runner.cancel(again.id, "ada")
    assert damaged == ["notes.txt"]
    loop = threading.current_thread().name
    assert threads_of["progress"] == {loop}  # it wakes who follows the job
    for name in ("__init__", "_open_root", "check", *(("open", "cut", "write", "close") if kind == "onedata" else ())):
        assert threads_of[name] <= {"staging", "staging-reads"}, name


@pytest.mark.parametrize("waits", [0.1, 20.0])
async def test_cancelled_in_the_last_step_all_is_there_and_has_its_receipt(
    tmp_path: Path, there: Path, peer: DavPeer, root: Path, held: Held, waits: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than a cancellation is waited for, or not: nothing is taken from beneath it, and the job stays cancelled."""
    tree = write_tree(there)
    publish = Place.publish

    def slowly(place: Place, *, replace: bool) -> None:
        held.wait()
        publish(place, replace=replace)

    monkeypatch.setattr(Place, "publish", slowly)
    monkeypatch.setattr("panosc_portal.moving.runner._STOP_SECONDS", waits)
    async with desk(tmp_path, root, remote(peer.url)) as here:
        job = here.begin()
        await held.reached()
        cancelling = asyncio.create_task(here.runner.cancel(job.id, "ada"))
        await asyncio.sleep(0.3)
        assert cancelling.done() == (waits < 1)
        assert tree_of(here.partial) == tree  # it is in hand
        assert any((tmp_path / "journals").iterdir())
        held.open()
        await cancelling
        async with asyncio.timeout(20):
            while here.runner._running:
                await asyncio.sleep(0.02)
        found = here.runner.job(job.id)
        assert found is not None and found.state is State.CANCELLED
        assert tree_of(here.target) == tree
        (receipt,) = here.staging.receipts.of(REF)
        assert receipt.published and receipt.files == len(tree)
        assert list((tmp_path / "journals").iterdir()) == []
        asked = len(peer.guard.log)
        await here.staged()  # is here
        assert len(peer.guard.log) == asked


async def test_what_a_server_has_open_outlives_a_cancellation(
    tmp_path: Path, there: Path, peer: DavPeer, root: Path
) -> None:
    old = write_tree(there, files=3)
    async with desk(tmp_path, root, remote(peer.url)) as here:
        await here.staged()
        write_tree(there, files=4)
        assert (await here.end(here.begin(refresh=True))).state is State.DONE
        peer.guard.slow = 0.3
        asked = peer.count("GET")
        job = here.begin(refresh=True)
        while peer.count("GET") < asked + 2:
            await asyncio.sleep(0.01)
        await here.runner.cancel(job.id, "ada")
        (place,) = (root / ".panosc-staging").iterdir()
        assert [one.name for one in place.iterdir()] == ["replaced"]
        assert tree_of(place / "replaced") == old


async def test_who_waits_for_anothers_job_holds_no_turn(
    tmp_path: Path, there: Path, peer: DavPeer, root: Path, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(there)

    def slowly(*args: Any) -> Sums:
        held.wait()
        return real_checksums(*args)

    monkeypatch.setattr("panosc_portal.moving.verify.checksums", slowly)
    owner = {"kind": "account", "uid": PERSON, "group": str(OTHER)}
    async with desk(tmp_path, root, remote(peer.url, owner=owner), limits=JobLimits(at_once=2)) as here:
        here.hub.directories[("ben", REF)] = data_of(root, uid=OTHER)
        first = here.begin()
        await held.reached()
        second = here.begin(login("ben"))
        async with asyncio.timeout(10):
            while not (found := here.runner.job(second.id)).words.startswith("Somebody else's job"):  # type: ignore[union-attr]
                await asyncio.sleep(0.01)
        assert found is not None and (found.state, found.attempts) == (State.QUEUED, 0)
        looks = []
        for _ in range(100):
            looks.append(second.id in here.runner._running)
            await asyncio.sleep(0.01)
        assert looks.count(False) > looks.count(True)
        held.open()
        done = [await here.end(job) for job in (first, second)]
        assert [job.state for job in done] == [State.DONE, State.DONE]
        assert done[1].attempts == 1  # looking whether it is its turn was none


def _copying(tmp_path: Path, root: Path, size: int, report: Callable[[Progress], None] = lambda at: None) -> Copying:
    journal = Journal(None)
    journal.add_all([RemoteFile("a/b", size)])
    place = Place(root, PurePosixPath(root / VISIT))
    place.prepare(Writer(os.geteuid(), os.getegid()))
    return Copying("", place, journal, Writer(0, 0), Room(root, 2**40, 0, 0, "there"), report)


async def test_a_file_is_not_closed_while_it_is_written(
    tmp_path: Path, root: Path, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number might be another file's by then."""
    content = b"x" * 1234
    numbers: list[int] = []
    write = os.write

    def slowly(number: int, piece: Any) -> int:
        if len(piece) == len(content):
            numbers.append(number)
            held.wait()
        return write(number, piece)

    monkeypatch.setattr(os, "write", slowly)

    @asynccontextmanager
    async def opener(file: RemoteFile, start: int) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        async def pieces() -> AsyncIterator[bytes]:
            yield content

        yield start, pieces()

    copying = _copying(tmp_path, root, len(content))
    task = asyncio.create_task(fetch(copying, RemoteFile("a/b", len(content)), opener, go_on=False))
    await held.reached()
    where = Path(f"/proc/self/fd/{numbers[0]}").stat()
    task.cancel()
    await asyncio.sleep(0.2)
    assert os.fstat(numbers[0]).st_ino == where.st_ino
    held.open()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (copying.place.partial / "a/b").read_bytes() == content
    assert not Path(f"/proc/self/fd/{numbers[0]}").exists() or os.fstat(numbers[0]).st_ino != where.st_ino
    copying.journal.close()


async def test_each_stream_has_a_connection() -> None:
    """A storage that answers the first when the last has asked."""
    streams, asked, all_here = 32, 0, asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        asked += 1
        if asked == streams:
            all_here.set()
        await all_here.wait()
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    begun = time.monotonic()
    async with server, make_client(timedelta(seconds=20), None, streams=streams) as client:
        answers = await asyncio.gather(*(client.get(address) for _ in range(streams)))
    assert {one.status_code for one in answers} == {204}
    assert time.monotonic() - begun < 15
