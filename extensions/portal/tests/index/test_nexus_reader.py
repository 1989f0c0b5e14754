"""The process that reads people's files for the index: confined, bounded, and replaced when it ends or hangs."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import h5py
import pytest
from nexus_files import write
from panosc_portal.index.nexus import NexusReader, UnreadableFile, described


def test_a_reader_that_ends_or_hangs_is_replaced(tmp_path: Path) -> None:
    reader = NexusReader(seconds=20.0)
    good = os.open(write(tmp_path / "1.nxs", "Good"), os.O_RDONLY)
    assert reader.read(good).title == "Good"
    assert reader._process is not None
    reader._process.kill()
    reader._process.wait()
    assert reader.read(good).title == "Good"
    first = reader._process.pid
    os.kill(first, 19)  # stopped: it answers nothing
    begin = time.monotonic()
    with pytest.raises(UnreadableFile, match="longer than 20 s"):
        reader.read(good)
    assert time.monotonic() - begin < 100
    assert reader.read(good).title == "Good"
    assert reader._process.pid != first
    os.close(good)
    reader.close()


def test_a_reader_has_bounded_memory(tmp_path: Path) -> None:
    """A text of 200 MB in a file of a few kB: HDF5 would take the memory, and is refused it."""
    path = tmp_path / "1.nxs"
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        entry.create_dataset("title", (1,), h5py.string_dtype(length=200_000_000), chunks=(1,), compression="gzip")
        entry["run"] = 1
    reader = NexusReader(memory=64 * 1024**2)
    descriptor = os.open(path, os.O_RDONLY)
    assert reader.read(descriptor).title == ""
    os.close(descriptor)
    reader.close()


def test_the_reader_is_nobody_where_it_can_be_and_writes_nothing(tmp_path: Path) -> None:
    reader = NexusReader()
    descriptor = os.open(write(tmp_path / "1.nxs"), os.O_RDONLY)
    reader.read(descriptor)
    assert reader._process is not None
    process = Path(f"/proc/{reader._process.pid}")
    uid = 65534 if os.geteuid() == 0 else os.geteuid()
    assert f"Uid:\t{uid}\t{uid}\t{uid}" in (process / "status").read_text()
    limits = {
        " ".join(line[:26].split()): line[26:].split()[0] for line in (process / "limits").read_text().splitlines()
    }
    assert limits["Max file size"] == "0" and limits["Max address space"] != "unlimited"
    os.close(descriptor)
    reader.close()


@pytest.mark.parametrize(
    "answer",
    [
        *(
            [],
            5,
            None,
            {"entries": 5},
            {"entries": ["x"]},
            {"entries": [{"found": [5, {"value": {}}, {"value": True}]}]},
        ),
        *({"entries": [{"found": [{"in": 5, "path": 5, "name": [], "value": 1e400, "unit": {}}]}]}, {"error": 5}),
    ],
    ids=str,
)
def test_an_answer_that_a_file_wrote_is_taken_apart_with_care(answer: Any) -> None:
    try:
        assert described(answer).parameters == ()
    except UnreadableFile as error:
        assert str(error)
