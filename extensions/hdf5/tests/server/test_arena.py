"""The memory shared with the server: regions live as long as somebody holds them, and all of it comes back."""

from __future__ import annotations

import gc
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from panosc_hdf5.core.errors import Cancelled, TooLarge
from panosc_hdf5.core.wire import Depends
from panosc_hdf5.server.worker_process import shared_memory
from panosc_hdf5.worker_answer import listed, pack_bytes
from panosc_hdf5.worker_arena import PAGE, Arena
from panosc_hdf5.worker_protocol import (
    INLINE,
    MAX_HEADER,
    TABLE_BYTES,
    Unpacker,
    WorkerSettings,
    answers_in_parts,
    pack,
)

SIZE = 1024**2


@pytest.fixture
def arena() -> Iterator[Arena]:
    yield new_arena()


def new_arena() -> Arena:
    descriptor = shared_memory(SIZE)
    try:
        return Arena(descriptor, SIZE)
    finally:
        os.close(descriptor)


def test_a_region_lives_as_long_as_a_view_of_it(arena: Arena) -> None:
    found = arena.allocate(10_000)
    assert found is not None
    offset, array = found
    assert offset % PAGE == 0
    view = array[:8000].view("u4").reshape(2, 1000)[:, ::2]
    del found, array
    gc.collect()
    assert arena.used == 3 * PAGE
    del view
    assert arena.used == 0


def test_a_region_that_is_sent_is_kept(arena: Arena) -> None:
    found = arena.allocate(5000)
    assert found is not None
    offset, array = found
    assert arena.find(memoryview(array[100:])) == offset + 100
    assert arena.retain(offset + 100) == offset
    del found, array
    assert arena.used == 2 * PAGE
    arena.release(offset)
    assert arena.used == 0
    assert arena.retain(offset) is None
    assert arena.find(memoryview(b"elsewhere")) is None


def test_full_and_waiting(arena: Arena) -> None:
    found = arena.allocate(arena.capacity)
    assert found is not None
    assert arena.allocate(1) is None
    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) > 2:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        arena.wait(1, check)
    array = [found[1]]
    del found
    threading.Timer(0.1, array.clear).start()
    assert arena.wait(1, lambda: None) is not None


@given(st.lists(st.tuples(st.integers(1, 200_000), st.integers(0, 10)), max_size=60))
def test_all_of_it_comes_back(steps: list[tuple[int, int]]) -> None:
    arena = new_arena()
    use(arena, steps)
    assert arena.used == 0
    assert arena.allocate(arena.capacity) is not None


def use(arena: Arena, steps: list[tuple[int, int]]) -> None:
    """Allocate and drop regions; each keeps what was written into it."""
    held: list[np.ndarray] = []
    for size, drop in steps:
        found = arena.allocate(size)
        if found is None:
            held = held[len(held) // 2 :]
            continue
        assert found[0] >= TABLE_BYTES
        found[1][:] = len(held) % 251
        held.append(found[1])
        if drop < len(held) and drop % 2:
            del held[drop]
        assert all((one == one[0]).all() for one in held)


def test_pages_are_given_back(arena: Arena) -> None:
    found = arena.allocate(500_000)
    assert found is not None
    found[1][:] = 7
    assert arena.shrink() == 0
    del found
    assert arena.shrink() >= 500_000
    again = arena.allocate(500_000)
    assert again is not None
    assert not again[1].any()  # new pages


def test_packing(arena: Arena) -> None:
    found = arena.allocate(100_000)
    assert found is not None
    offset, array = found
    big = bytes(range(256)) * 1000
    packed = pack_bytes([b"head", memoryview(array), b"pad", big, b"", b"tail"], arena, SIZE, lambda: None)
    assert packed.body == b"headpadtail"
    assert [piece[1] for piece in packed.pieces] == [4, 100_000, 3, 256_000, 4]
    assert packed.pieces[1][0] == offset
    assert [piece[0] for piece in packed.pieces[::2]] == [INLINE] * 3
    assert len(packed.held) == 2
    del found, array
    for region in packed.held:
        arena.release(region)
    assert arena.used == 0
    with pytest.raises(TooLarge):
        pack_bytes([big], arena, 1000, lambda: None)


def test_what_cannot_be_packed_leaves_nothing(arena: Arena) -> None:
    found, other = arena.allocate(400_000), arena.allocate(500_000)
    assert found is not None

    def check() -> None:
        raise Cancelled("no")

    with pytest.raises(Cancelled):
        pack_bytes([memoryview(found[1]), bytes(300_000)], arena, 2 * SIZE, check)
    del found, other
    assert arena.used == 0


@given(
    st.lists(
        st.tuples(st.dictionaries(st.text(max_size=5), st.integers() | st.text()), st.binary(max_size=50)), max_size=8
    ),
    st.integers(1, 30),
)
def test_messages(messages: list[tuple[dict[str, object], bytes]], step: int) -> None:
    data = b"".join(pack(header, body) for header, body in messages)
    unpacker, found = Unpacker(), []
    for begin in range(0, len(data), step):
        found += list(unpacker.feed(data[begin : begin + step]))
    assert found == messages


@pytest.mark.parametrize("data", [b"\xff" * 8, b"\x02\0\0\0\0\0\0\0[]", b"\x02\0\0\0\0\0\0\0{x"])
def test_nonsense_is_no_message(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        list(Unpacker().feed(data))


def test_settings_on_the_command_line() -> None:
    settings = WorkerSettings(roots=("/a b", "/ü"), limits={"page": 3})
    assert WorkerSettings.from_json(settings.as_json()) == settings


def test_what_answers_in_parts() -> None:
    assert answers_in_parts(True, ("path",), {})
    assert not answers_in_parts(True, ("path", "progressive"), {"progressive": "0"})
    assert answers_in_parts(True, ("path", "progressive"), {"progressive": "true"})
    assert not answers_in_parts(False, ("path",), {})


def test_more_files_than_a_message_holds() -> None:
    """A virtual data set of 100,000 files must not make the server end its reader."""
    many = [Depends(f"/data/{number:0100d}.h5", number, 1, 2, 3) for number in range(100_000)]
    found = listed(many)
    assert 10_000 < len(found) < len(many)
    assert [Depends(*entry) for entry in found] == many[: len(found)]  # type: ignore[arg-type]
    assert len(pack({"depends": found})) < MAX_HEADER


def test_details_of_any_kind_can_be_said() -> None:
    several = [np.float32(0.5), float("nan"), {"a": (1, None, True)}]
    error = TooLarge("Much.", nbytes=np.int64(3), of=several, path=Path("x"))
    assert json.loads(json.dumps(error.as_json(), allow_nan=False))["details"] == {
        "nbytes": 3, "of": [0.5, "nan", {"a": [1, None, True]}], "path": "x",
    }  # fmt: skip


def test_the_memory_is_not_taken_away_from_below() -> None:
    descriptor = shared_memory(SIZE)
    try:
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, 0)
        arena = Arena(descriptor, SIZE)
        allocated = arena.allocate(100_000)
        assert allocated is not None
        allocated[1][:] = 1
        del allocated
        gc.collect()
        assert arena.shrink() > 0
    finally:
        os.close(descriptor)
