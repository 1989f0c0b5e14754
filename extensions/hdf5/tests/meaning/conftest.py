"""Asks an operation about a file, as a worker does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from panosc_hdf5.core.context import Context, Limits, Services
from panosc_hdf5.core.errors import HDF5Error
from panosc_hdf5.core.operations import run
from panosc_hdf5.core.wire import Reply


class Asker:
    def __init__(self, root: Path | None, **limits: int) -> None:
        self.services = Services(roots=(root,) if root else (), limits=Limits(**limits))

    def replies(self, operation: str, path: Path | str, **parameters: object) -> list[Reply]:
        given = {name: str(value) for name, value in parameters.items()} | {"path": str(path)}
        found = list(run(operation, given, Context(self.services)))
        for reply in found:
            json.dumps(reply.header, allow_nan=False)
        return found

    def reply(self, operation: str, path: Path | str, **parameters: object) -> Reply:
        return self.replies(operation, path, **parameters)[0]

    def __call__(self, operation: str, path: Path | str, **parameters: object) -> Any:
        return self.reply(operation, path, **parameters).header

    def error(self, operation: str, path: Path | str, **parameters: object) -> HDF5Error:
        with pytest.raises(HDF5Error) as caught:
            self.replies(operation, path, **parameters)
        assert caught.value.message
        return caught.value


@pytest.fixture
def asker() -> Iterator[Callable[..., Asker]]:
    made: list[Asker] = []

    def make(root: Path | None, **limits: int) -> Asker:
        made.append(Asker(root, **limits))
        return made[-1]

    yield make
    for one in made:
        one.services.files.close()


@pytest.fixture
def ask(asker: Callable[..., Asker], tmp_path: Path) -> Asker:
    return asker(tmp_path)
