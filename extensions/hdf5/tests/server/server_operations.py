"""Operations made for these tests: what files do to readers, without files that do it.

They read nothing by h5py, so that what is tested is the way of a question and its answer, not HDF5.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from panosc_hdf5.core.context import Context
from panosc_hdf5.core.errors import Forbidden, TooLarge, Unreadable
from panosc_hdf5.core.operations import TABLE, Entry
from panosc_hdf5.core.query import Query
from panosc_hdf5.core.wire import Depends, Reply, Stored

_NAME = "operations_for_tests"

ENTRIES = {
    "echo": Entry(_NAME, "echo", ("path", "h5path", "text"), 5.0),
    "array": Entry(_NAME, "array", ("path", "n", "kind"), 20.0),
    "sleepy": Entry(_NAME, "sleepy", ("path", "seconds", "tag"), 20.0),
    "deaf": Entry(_NAME, "deaf", ("path", "seconds"), 1.0),
    "crash": Entry(_NAME, "crash", ("path", "h5path", "how"), 5.0),
    "greedy": Entry(_NAME, "greedy", ("path", "bytes"), 20.0),
    "refused": Entry(_NAME, "refused", ("path",), 5.0),
    "bug": Entry(_NAME, "bug", ("path",), 5.0),
    "lines": Entry(_NAME, "lines", ("path", "n", "wait", "fail"), 20.0, streamed=True),
    "arrays": Entry(_NAME, "arrays", ("path", "n", "fail"), 20.0, streamed=True),
    "maybe": Entry(_NAME, "maybe", ("path", "progressive"), 20.0, streamed=True),
    "linked": Entry(_NAME, "linked", ("path", "target"), 5.0),
    "download": Entry(_NAME, "download", ("path", "n"), 5.0),
    "slow": Entry(_NAME, "sleepy", ("path", "seconds", "tag"), 60.0),
}


def register() -> None:
    """Add them to the table of this process."""
    sys.modules[f"panosc_hdf5.core.{_NAME}"] = sys.modules[__name__]
    TABLE.update(ENTRIES)


def _count(query: Query, name: str) -> int:
    """How often this was really done: a line in a file beside the data."""
    tally = Path(query.text("path") + f".{name}")
    with tally.open("a") as file:
        file.write("x\n")
    return len(tally.read_text().splitlines())


def echo(query: Query, context: Context) -> Reply:
    return Reply({"text": query.text("text", ""), "pid": os.getpid(), "count": _count(query, "echo")})


def array(query: Query, context: Context) -> Reply:
    n, kind = query.integer("n", 10), query.text("kind", "counts")
    data = context.empty((n,), np.dtype("u4"))
    data[:] = np.arange(n) if kind == "ramp" else np.arange(n) * 2654435761 % 11
    if kind == "stored":
        return Reply({"n": n}, {"data": Stored(data.tobytes(), "<u4", (n,), "raw")})
    return Reply({"n": n}, {"data": data, "small": np.arange(3)})


def sleepy(query: Query, context: Context) -> Reply:
    Path(query.text("path") + ".begun").touch()
    end = time.monotonic() + query.number("seconds", 1.0)
    while time.monotonic() < end:
        try:
            context.check()
        except Exception:
            Path(query.text("path") + ".cancelled").touch()
            raise
        time.sleep(0.01)
    return Reply({"count": _count(query, "sleepy"), "pid": os.getpid()})


def deaf(query: Query, context: Context) -> Reply:
    """Does not look whether anybody waits, as a read within HDF5."""
    Path(query.text("path") + ".begun").touch()
    time.sleep(query.number("seconds", 1.0))
    return Reply({"pid": os.getpid()})


def crash(query: Query, context: Context) -> Reply:
    how = query.text("how", "segfault")
    _count(query, "crash")
    if how == "segfault":
        ctypes.string_at(0)
    if how == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(60)
    os.kill(os.getpid(), signal.SIGKILL)
    return Reply()


def greedy(query: Query, context: Context) -> Reply:
    wanted = query.integer("bytes")
    data = np.ones(wanted, np.uint8)
    return Reply({"sum": int(data[::4096].sum())})


def refused(query: Query, context: Context) -> Reply:
    raise TooLarge("Too much.", "Take a slice.", tile=[0, 0, 512, 512])


def bug(query: Query, context: Context) -> Reply:
    raise ZeroDivisionError("secret /path")


def lines(query: Query, context: Context) -> Iterator[Reply]:
    for index in range(query.integer("n", 3)):
        context.check()
        yield Reply({"index": index, "text": "ü" * 10})
        time.sleep(query.number("wait", 0.0))
    if query.flag("fail"):
        raise Unreadable("The rest is damaged.")


def arrays(query: Query, context: Context) -> Iterator[Reply]:
    """Each part in the same array, as an accumulator would be."""
    data = context.empty((100_000,), np.dtype("u4"))
    for index in range(query.integer("n", 3)):
        data[:] = index
        yield Reply({"index": index}, {"data": data})
    if query.flag("fail"):
        raise Forbidden("Not the rest.")


def maybe(query: Query, context: Context) -> Iterator[Reply]:
    for index in range(3):
        yield Reply({"index": index}, {"data": np.full(10, index)})


def linked(query: Query, context: Context) -> Reply:
    target = Path(query.text("path")).with_name(query.text("target"))
    found = target.stat()
    depends = (Depends.of(str(target), found),)
    return Reply({"text": target.read_text(), "count": _count(query, "linked")}, depends=depends)


def download(query: Query, context: Context) -> Reply:
    return Reply(body=b"1,2,3\n" * query.integer("n", 2), media_type="text/csv", filename="naïve data.csv")
