"""The floor: the same reads with plain h5py in one process. Open, read, ``tobytes``, close; the page cache is warm.

A process of its own: lines of JSON in, ``{"seconds", "cpu_seconds"}`` out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Floored:
    """One read of the floor."""

    seconds: float
    cpu_seconds: float


class Floor:
    """The process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.hdf5_floor"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def read(self, kind: str, file: str, path: str, selection: str = "") -> Floored:
        """Do a read."""
        assert self._process.stdin is not None and self._process.stdout is not None
        question = {"kind": kind, "file": file, "path": path, "selection": selection}
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return Floored(**json.loads(self._process.stdout.readline()))

    def stop(self) -> None:
        """End it."""
        self._process.communicate()


def parse(selection: str) -> tuple[Any, ...]:
    """``0,5:9,::20`` as h5py takes it."""
    found: list[Any] = []
    for part in selection.split(","):
        if ":" in part:
            found.append(slice(*(int(number) if number else None for number in part.split(":"))))
        else:
            found.append(int(part))
    return tuple(found)


def read_slice(file: str, path: str, selection: str) -> bytes:
    """A selection of a data set, as bytes."""
    import h5py

    with h5py.File(file, "r", locking=False) as opened:
        dataset = opened[path]
        values = dataset[parse(selection)] if selection else dataset[()]
        return bytes(values.tobytes())


def read_names(file: str, path: str, selection: str) -> bytes:
    """The names in a group."""
    import h5py

    with h5py.File(file, "r", locking=False) as opened:
        return "\n".join(opened[path]).encode()


def read_children(file: str, path: str, selection: str) -> bytes:
    """Name, kind, shape, type and number of attributes of each child of a group; a lean walk."""
    import h5py

    found = []
    with h5py.File(file, "r", locking=False) as opened:
        group = opened[path].id
        for name in group:
            child = h5py.h5o.open(group, name)
            attributes = h5py.h5a.get_num_attrs(child)
            if isinstance(child, h5py.h5d.DatasetID):
                found.append((name.decode(), "dataset", child.shape, str(child.dtype), attributes))
            else:
                found.append((name.decode(), "group", None, "", attributes))
    return json.dumps(found).encode()


def main() -> None:
    """The process."""
    import h5py
    import hdf5plugin

    assert h5py and hdf5plugin  # imported before anything is measured
    for line in sys.stdin:
        question = json.loads(line)
        read = {"slice": read_slice, "names": read_names, "children": read_children}[question["kind"]]
        begin, cpu = time.perf_counter(), time.process_time()
        data = read(question["file"], question["path"], question["selection"])
        seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu
        del data
        print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds}), flush=True)


if __name__ == "__main__":
    main()
