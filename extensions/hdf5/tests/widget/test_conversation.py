"""Questions over the comm, answered by the real reading process."""

from __future__ import annotations

import os
import queue
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from panosc_hdf5.core.wire import read_envelope
from panosc_hdf5.notebook.conversation import Conversation
from panosc_hdf5.notebook.reader import Reader


class Comm:
    """The browser's side: what was sent to it."""

    def __init__(self, path: Path, reader: Reader) -> None:
        self.got: queue.Queue[tuple[dict[str, Any], list[bytes]]] = queue.Queue()
        self.conversation = Conversation(lambda m, b: self.got.put((m, b)), lambda: str(path), lambda: reader)
        self._count = 0

    def send(self, **message: Any) -> int:
        self._count += 1
        self.conversation.take({"request": self._count, **message})
        return self._count

    def ask(self, operation: str, **parameters: Any) -> list[tuple[dict[str, Any], list[bytes]]]:
        """All answers to one question, the last one included."""
        request = self.send(kind="ask", operation=operation, parameters=parameters)
        found = []
        while True:
            message, buffers = self.got.get(timeout=60)
            assert message["request"] == request
            found.append((message, buffers))
            if message["kind"] in ("end", "problem"):
                return found


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    found = Reader()
    yield found
    found.close()


@pytest.fixture
def comm(small: Path, reader: Reader) -> Comm:
    return Comm(small, reader)


def test_json(comm: Comm) -> None:
    (answer, _), (end, _) = comm.ask("children", h5path="/entry", limit=10)
    assert [child["name"] for child in answer["header"]["children"]] == ["curve", "data", "name[0]", "title"]
    assert end["kind"] == "end"


def test_arrays_are_what_h5py_reads(comm: Comm, small: Path) -> None:
    (answer, buffers), *_ = comm.ask("view", h5path="/entry/data", slice="1,:,:", width=100, height=100)
    assert answer["form"] == "envelope"
    header, arrays, _ = read_envelope(buffers[0])
    assert header["factor"] == 1
    with h5py.File(small) as file:
        np.testing.assert_array_equal(arrays["data"], file["entry/data"][1])


def test_an_export_is_a_body(comm: Comm, small: Path) -> None:
    (answer, buffers), *_ = comm.ask("export", h5path="/entry/data", slice="0,:,:", format="npy")
    assert answer["form"] == "body"
    (small.parent / "out.npy").write_bytes(buffers[0])
    assert np.load(small.parent / "out.npy").shape == (4, 5)


@pytest.mark.parametrize(
    ("operation", "parameters", "status"),
    [
        ("nothing", {}, 404),
        ("children", {"h5path": "/none"}, 404),
        ("children", {"h5path": "/", "wrong": 1}, 400),
        ("view", {"h5path": "/entry/data", "slice": "9"}, 400),
        ("children", {"h5path": {"a": 1}}, 400),
    ],
)
def test_problems_in_words(comm: Comm, operation: str, parameters: dict[str, Any], status: int) -> None:
    message, _ = comm.ask(operation, **parameters)[-1]
    assert (message["kind"], message["status"]) == ("problem", status)
    assert message["problem"]["message"]


@pytest.mark.parametrize("message", [None, 3, "x", [], {}, {"request": None}, {"request": [1]}])
def test_what_is_no_message_is_nothing(comm: Comm, message: Any) -> None:
    comm.conversation.take(message)
    assert comm.got.empty()


@pytest.mark.parametrize("message", [{"kind": "dance"}, {"kind": "ask", "parameters": 3}, {"kind": "ask", "file": 3}])
def test_wrong_messages_are_answered(comm: Comm, message: dict[str, Any]) -> None:
    comm.send(**message)
    answer, _ = comm.got.get(timeout=60)
    assert answer["kind"] == "problem"


def test_another_file_is_seen_from_the_widgets_own(comm: Comm, small: Path) -> None:
    with h5py.File(small.parent / "beside.h5", "w") as file:
        file["here"] = 1
    for other in ("beside.h5", str(small.parent / "beside.h5")):
        comm.send(kind="ask", operation="children", parameters={"h5path": "/"}, file=other)
        answer, _ = comm.got.get(timeout=60)
        assert [child["name"] for child in answer["header"]["children"]] == ["here"]
        comm.got.get(timeout=60)


def test_a_cancelled_question_ends(comm: Comm) -> None:
    request = comm.send(kind="ask", operation="search", parameters={"q": "*"})
    comm.conversation.take({"kind": "cancel", "request": request})
    while comm.got.get(timeout=60)[0]["kind"] != "end":
        pass


def test_growth_is_told_until_it_is_cancelled(comm: Comm, small: Path) -> None:
    with h5py.File(small, "a") as file:
        file.create_dataset("growing", (1,), "i4", maxshape=(None,), chunks=(4,))
    request = comm.send(kind="follow", h5path="/growing")
    assert comm.got.get(timeout=60)[0]["state"]["shape"] == [1]
    with h5py.File(small, "a", locking=False) as file:
        file["growing"].resize((3,))
    shape = None
    while shape != [3]:
        shape = comm.got.get(timeout=60)[0]["state"]["shape"]
    comm.conversation.take({"kind": "cancel", "request": request})
    while comm.got.get(timeout=60)[0]["kind"] != "end":
        pass


def test_a_reader_that_dies_is_replaced_and_whoever_waits_is_told(small: Path) -> None:
    reader = Reader()
    comm = Comm(small, reader)
    comm.send(kind="follow", h5path="/entry/data")
    comm.got.get(timeout=60)
    assert reader._process is not None
    os.kill(reader._process.pid, signal.SIGKILL)
    message, _ = comm.got.get(timeout=60)
    assert message["problem"]["code"] == "reader_lost"
    assert comm.ask("children", h5path="/")[0][0]["kind"] == "answer"
    comm.conversation.close()
    reader.close()


def test_the_notebook_can_write_the_file_meanwhile(comm: Comm, small: Path) -> None:
    comm.ask("children", h5path="/")
    with h5py.File(small, "w") as file:
        file["new"] = 1
    (answer, _), _ = comm.ask("children", h5path="/")
    assert [child["name"] for child in answer["header"]["children"]] == ["new"]
