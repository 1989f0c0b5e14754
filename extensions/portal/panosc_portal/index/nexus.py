"""What a NeXus file says of itself, as a data set: read by a process that may fail, become stuck or be taken over by the file."""

from __future__ import annotations

import json
import math
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from panosc_portal.catalogues.model import Instrument, Parameter, Sample, Technique
from panosc_portal.index.definitions import named, probe_of, technique_of

MEMORY = 512 * 1024**2
"""Bytes that the reading process may have beyond what it needs for itself."""
SECONDS = 20.0
"""For one file."""
START_SECONDS = 60.0
"""For the process to start: a busy machine takes a while."""
_LONGEST = 1024 * 1024
_CHILD = Path(__file__).with_name("nexus_child.py")


class UnreadableFile(Exception):
    """A file that tells nothing, in words for the harvest's report."""


@dataclass(frozen=True)
class Described:
    """What a file says of itself. All of it is the file's word."""

    title: str = ""
    start: datetime | None = None
    end: datetime | None = None
    identifiers: tuple[str, ...] = ()  # of the experiment, as written
    instrument: Instrument | None = None
    techniques: tuple[Technique, ...] = ()
    samples: tuple[Sample, ...] = ()
    parameters: tuple[Parameter, ...] = ()


class NexusReader:
    """Reads files one after the other in a process of its own, which is replaced when it fails.

    Args:
        memory: bytes of address space for a file.
        seconds: for a file.
    """

    def __init__(self, memory: int = MEMORY, seconds: float = SECONDS) -> None:
        self._memory, self._seconds = memory, seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._link: socket.socket | None = None

    def read(self, descriptor: int) -> Described:
        """What an open file says of itself. The descriptor stays the caller's.

        Raises:
            UnreadableFile: in words.
        """
        link = self._ready()
        deadline = time.monotonic() + self._seconds
        try:
            link.settimeout(self._seconds)
            socket.send_fds(link, [b"f"], [descriptor])
            (length,) = struct.unpack(">I", _exactly(link, 4, deadline))
            if length > _LONGEST:
                raise UnreadableFile("says more of itself than is taken")
            answer = json.loads(_exactly(link, length, deadline))
        except TimeoutError:
            self.close()
            raise UnreadableFile(f"took longer than {self._seconds:g} s to read") from None
        except (OSError, ValueError) as error:
            self.close()
            raise UnreadableFile("broke the process that read it") from error
        except UnreadableFile:
            self.close()
            raise
        return described(answer)

    def _ready(self) -> socket.socket:
        if self._link is not None and self._process is not None and self._process.poll() is None:
            return self._link
        self.close()
        ours, theirs = socket.socketpair()
        command = [
            sys.executable,
            "-I",
            str(_CHILD),
            str(theirs.fileno()),
            str(self._memory),
            str(int(self._seconds) + 1),
        ]
        environment = {"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", "HDF5_USE_FILE_LOCKING": "FALSE"}
        self._process = subprocess.Popen(
            *(command,),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd="/",
        )
        theirs.close()
        self._link = ours
        try:
            _exactly(ours, 1, time.monotonic() + START_SECONDS)
        except (OSError, TimeoutError) as error:
            self.close()
            raise UnreadableFile("was not read: the process that reads files does not start") from error
        return ours

    def close(self) -> None:
        """End the process."""
        if self._link is not None:
            self._link.close()
        if self._process is not None:
            with suppress(OSError):
                self._process.kill()
            with suppress(subprocess.TimeoutExpired):  # a read that hangs in the kernel is left to end there
                self._process.wait(2)
        self._link = self._process = None


def _exactly(link: socket.socket, many: int, deadline: float) -> bytes:
    found = bytearray()
    while len(found) < many:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        link.settimeout(left)
        piece = link.recv(min(many - len(found), 65536))
        if not piece:
            raise ConnectionError("the reading process ended")
        found += piece
    return bytes(found)


# --- What the answer means ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Item:
    kind: str  # NeXus class of the group that it lies in
    path: tuple[str, ...]  # classes from the entry to that group
    name: str
    value: str | float
    unit: str


def described(answer: Any) -> Described:
    """The process's answer, which a hostile file may have written, as a description.

    Raises:
        UnreadableFile: if the file cannot be read, or the answer is none.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("entries", []), list):
        raise UnreadableFile("broke the process that read it")
    if error := answer.get("error"):
        raise UnreadableFile(str(error)[:200])
    entries = [_items(one) for one in answer.get("entries", [])[:20]]
    if not entries:
        raise UnreadableFile("has no NXentry, so it is no NeXus file")
    attributes = answer.get("attributes")
    written = attributes if isinstance(attributes, dict) else {}
    first = entries[0]
    every = [item for entry in entries for item in entry]
    probe = probe_of(_texts(every, lambda one: one.name in {"probe", "radiation"} or _is(one, "NXsource", "type")))
    return Described(
        title=_first(first, lambda one: _at_top(one, "title")) or _text(written.get("title")),
        start=_when(_first(first, lambda one: _at_top(one, "start_time"))),
        end=_when(_first(first, lambda one: _at_top(one, "end_time"))),
        identifiers=tuple(one for one in [*_identifiers(every), _text(written.get("experiment_identifier"))] if one),
        instrument=_instrument(every),
        techniques=_techniques(every, probe),
        samples=_samples(every),
        parameters=_parameters(every, probe),
    )


def _items(entry: Any) -> list[_Item]:
    found = []
    for raw in entry.get("found", [])[:200] if isinstance(entry, dict) else []:
        if not isinstance(raw, dict) or not isinstance(raw.get("value"), str | float | int):
            continue
        value = raw["value"] if isinstance(raw["value"], str) else float(raw["value"])
        if isinstance(value, float) and not math.isfinite(value):
            continue
        path = raw.get("path")
        kinds = tuple(_text(one) for one in path[:8]) if isinstance(path, list) else ()
        found.append(_Item(_text(raw.get("in")), kinds, _text(raw.get("name")), value, _text(raw.get("unit"))))
    return found


def _text(value: Any) -> str:
    return value.strip()[:8000] if isinstance(value, str) else ""


def _at_top(item: _Item, name: str) -> bool:
    return not item.path and item.name == name


def _is(item: _Item, kind: str, *names: str) -> bool:
    return item.kind == kind and item.name in names


def _texts(items: list[_Item], wanted: Callable[[_Item], bool]) -> list[str]:
    return [one.value for one in items if isinstance(one.value, str) and one.value and wanted(one)]


def _first(items: list[_Item], wanted: Callable[[_Item], bool]) -> str:
    return next(iter(_texts(items, wanted)), "")


def _when(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _identifiers(items: list[_Item]) -> list[str]:
    names = ("experiment_identifier", "proposal_id", "proposal", "entry_identifier")
    found = [(names.index(one.name), one.value) for one in items if not one.path and one.name in names]
    return [value for _, value in sorted(found, key=lambda pair: pair[0]) if isinstance(value, str)]


def _instrument(items: list[_Item]) -> Instrument | None:
    name = _first(items, lambda one: _is(one, "NXinstrument", "name")) or _first(
        items, lambda one: _is(one, "NXinstrument", "short_name")
    )
    source = _first(items, lambda one: _is(one, "NXsource", "name"))
    return Instrument(name, source) if name else None


def _techniques(items: list[_Item], probe: str) -> tuple[Technique, ...]:
    defined = _texts(items, lambda one: one.name == "definition" and one.kind in {"NXentry", "NXsubentry"})
    found = [one for text in defined if (one := technique_of(text, probe)) is not None]
    said = _texts(items, lambda one: one.name in {"technique", "technique_pid"})
    found += named([word for text in said for word in (text, *text.split())])
    return tuple(dict.fromkeys(found))


def _samples(items: list[_Item]) -> tuple[Sample, ...]:
    of = [one for one in items if one.kind == "NXsample"]
    name = _first(of, lambda one: one.name == "name")
    formula = _first(of, lambda one: one.name == "chemical_formula")
    description = _first(of, lambda one: one.name == "description")
    if not (name or formula or description):
        return ()
    about = ", ".join(dict.fromkeys(one for one in (formula, description) if one and one != name))
    return (Sample(name or formula or description[:100], about),)


_NUMBERS: dict[str, tuple[str, frozenset[str]]] = {
    "temperature": ("sample_temperature", frozenset({"NXsample", "NXenvironment"})),
    "pressure": ("sample_pressure", frozenset({"NXsample", "NXenvironment"})),
    "magnetic_field": ("sample_magnetic_field", frozenset({"NXsample", "NXenvironment"})),
    "electric_field": ("sample_electric_field", frozenset({"NXsample", "NXenvironment"})),
    "wavelength": (
        "incident_wavelength",
        frozenset({"NXmonochromator", "NXbeam", "NXsource", "NXcrystal", "NXvelocity_selector"}),
    ),
    "incident_wavelength": (
        "incident_wavelength",
        frozenset({"NXbeam", "NXsource", "NXinstrument", "NXentry", "NXsample"}),
    ),
    "energy": ("incident_energy", frozenset({"NXmonochromator", "NXchopper", "NXcrystal"})),
    "incident_energy": (
        "incident_energy",
        frozenset({"NXbeam", "NXinstrument", "NXentry", "NXmonochromator", "NXsample"}),
    ),
    "fixed_energy": ("incident_energy", frozenset({"NXentry"})),
    "incident_photon_energy": ("incident_photon_energy", frozenset({"NXbeam", "NXinstrument", "NXentry"})),
}
_DEFAULT_UNITS = {"sample_temperature": "K"}


def _parameters(items: list[_Item], probe: str) -> tuple[Parameter, ...]:
    """Of several of one name, the first: nearest to the entry."""
    found: dict[str, Parameter] = {}
    for one in items:
        name, kinds = _NUMBERS.get(one.name, ("", frozenset()))
        if not isinstance(one.value, float) or one.kind not in kinds or "NXdetector" in one.path:
            continue
        if name == "incident_energy" and probe == "x-ray":
            name = "incident_photon_energy"
        found.setdefault(name, Parameter(name, one.value, one.unit or _DEFAULT_UNITS.get(name, "")))
    formula = _first(items, lambda one: _is(one, "NXsample", "chemical_formula"))
    if formula:
        found["sample_chemical_formula"] = Parameter("sample_chemical_formula", formula)
    return tuple(found.values())
