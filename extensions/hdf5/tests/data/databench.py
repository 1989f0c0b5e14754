"""Files that are made and read in one test, and what a request works with."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
from panosc_hdf5.core.context import Context, Limits, Services
from panosc_hdf5.core.operations import run
from panosc_hdf5.core.reading import Reader
from panosc_hdf5.core.wire import Reply


class Bench:
    """A directory with files, read through the package."""

    def __init__(self, directory: Path, **limits: int) -> None:
        self.directory = directory
        self.services = Services((directory,), Limits(**limits), directory / "cache", threads=2)
        self.context = Context(self.services)
        self._numbers = itertools.count()

    def write(self, fill: Callable[[h5py.File], Any], name: str = "", **options: Any) -> str:
        path = self.directory / (name or f"{next(self._numbers)}.h5")
        with h5py.File(path, "w", **options) as h5:
            fill(h5)
        return str(path)

    def array(self, data: Any, **options: Any) -> str:
        """A file with one data set, ``/d``."""
        return self.write(lambda h5: h5.create_dataset("d", data=data, **options))

    @contextmanager
    def reader(self, path: str, h5path: str = "/d") -> Iterator[Reader]:
        with self.services.files.locate(path, h5path) as located:
            yield Reader(located, self.context)

    def run(self, name: str, path: str, h5path: str = "/d", **parameters: object) -> list[Reply]:
        asked = {"path": path, "h5path": h5path} | {k: str(v) for k, v in parameters.items()}
        return list(run(name, asked, self.context))

    def one(self, name: str, path: str, h5path: str = "/d", **parameters: object) -> Reply:
        (reply,) = self.run(name, path, h5path, **parameters)
        return reply

    def close(self) -> None:
        self.services.files.close()
        self.services.pool.shutdown()
