"""What a file of a person's shows: its default plot and a small picture, found by a process that is the person."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import sys
from collections import OrderedDict
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from panosc_portal.hub import ProposalData
from panosc_portal.moving.as_person import Identity, ReadError, process_options
from panosc_portal.moving.sending import Busy, Lanes

SECONDS = 30.0
AT_A_TIME = 3
WAIT = timedelta(seconds=20)
"""For a turn: each person looks into one file at a time, so that slow files of one keep nobody else from theirs."""
MOST_KEPT = 200
_MAX_ANSWER = 4 * 1024**2
_H5PATH = Field(max_length=1000)


class _Told(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Axis(_Told):
    """An axis of a plot: the data set with its values, and which dimension of the signal it goes along."""

    h5path: str | None = None
    dimension: int = 0
    label: str | None = None
    units: str | None = None
    scale: str | None = None
    has_values: bool = False


class Plot(_Told):
    """A file's default plot, as NeXus says it (manual.nexusformat.org/datarules.html#find-the-plottable-data)."""

    group: str = _H5PATH
    signal: str = _H5PATH
    shape: tuple[int, ...] = ()
    title: str | None = None
    units: str | None = None
    errors: str | None = None
    scale: str | None = None
    views: tuple[str, ...] = ()
    axes: tuple[Axis, ...] = ()
    problems: tuple[str | None, ...] = ()

    @property
    def is_image(self) -> bool:
        """Whether its first view is a picture."""
        return bool(self.views) and self.views[0] in ("heatmap", "rgb") and len(self.shape) >= 2


class Picture(_Told):
    """A small picture, in base64."""

    type: Literal["image/png", "image/svg+xml"]
    data: str

    @property
    def content(self) -> bytes:
        """Its bytes."""
        return base64.b64decode(self.data, validate=True)


class Look(_Told):
    """What was found in a file: a plot, or why there is none (``error``), in words."""

    where: str = ""
    plot: Plot | None = None
    picture: Picture | None = None
    error: str = ""


class Plots:
    """Looks into files, a few at a time, and keeps what it found while the files stay the same."""

    def __init__(self) -> None:
        self._turns = Lanes(1, AT_A_TIME, WAIT)
        self._kept: OrderedDict[tuple[Any, ...], Look] = OrderedDict()

    async def look(
        self, person: str, data: ProposalData, root: Path, path: str, identity: Identity, seconds: float = SECONDS
    ) -> Look:
        """What a file shows.

        Args:
            person: who asks; each has one turn at a time.
            data: as whom it is read.
            root: the area's real directory.
            path: of the file, beneath it.
            identity: of the file as it was found just now.
            seconds: after which nobody waits any more; what was not found then is not kept.

        Raises:
            ReadError: if the portal cannot read in this person's name.
        """
        # Of each person their own: what somebody may read, another may not.
        key = (data.uid, data.gid, data.groups, str(root), path, *identity.as_list())
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        process_options(data)  # whether it may be
        try:
            async with asyncio.timeout(seconds), self._turns.one(person):
                found = await _asked(data, root, path)
        except (TimeoutError, Busy):
            return Look(error="It takes too long to look into it just now.")
        self._kept[key] = found
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return found


async def _asked(data: ProposalData, root: Path, path: str) -> Look:
    order = {"uid": data.uid, "gid": data.gid, "groups": list(data.groups), "root": str(root), "path": path}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-m", "panosc_portal.opening.plot_child",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        cwd="/", env={"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin", "OPENBLAS_NUM_THREADS": "1"}, limit=_MAX_ANSWER,
    )  # fmt: skip
    assert child.stdin and child.stdout  # noqa: S101 - pipes, as asked for
    try:
        child.stdin.write(json.dumps(order).encode() + b"\n")
        child.stdin.close()
        return _parsed(await child.stdout.readline())
    except (ValueError, ConnectionError):
        return Look(error="It could not be looked into: it needs too much, or is damaged.")
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        with contextlib.suppress(TimeoutError):  # a read that hangs in the kernel is left to end there
            await asyncio.wait_for(asyncio.shield(child.wait()), 2.0)


def _parsed(line: bytes) -> Look:
    """The answer of a process that has read a hostile file: itself input.

    Raises:
        ValueError: if it is none.
    """
    try:
        found = Look.model_validate_json(line)
        if found.picture:
            _ = found.picture.content
    except (ValidationError, binascii.Error) as error:
        raise ValueError("no answer") from error
    return found


__all__ = ["Axis", "Look", "Picture", "Plot", "Plots", "ReadError"]
