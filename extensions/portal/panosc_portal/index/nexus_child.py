"""A process that reads what NeXus files say of themselves, so that no file can block, bloat or end the portal.

A program of its own, started by :mod:`panosc_portal.index.nexus`, with h5py and the standard library alone. It gets open
descriptors over a socket, never paths, and follows no link out of a file. As root it becomes nobody before it reads the first.
Answers are JSON, each with its length before it.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

MAX_GROUPS, MAX_LINKS, MAX_DEPTH, MAX_FOUND = 300, 3000, 6, 200
MAX_TEXT = 8000
MAX_NUMBERS = 10_000
MAX_CHUNK = 16 * 1024**2
MAX_ANSWER = 512 * 1024
NOBODY = 65534

WANTED = frozenset(
    {
        *(
            "title",
            "definition",
            "start_time",
            "end_time",
            "entry_identifier",
            "experiment_identifier",
            "run_cycle",
            "analysis",
        ),
        *(
            "proposal_id",
            "proposal",
            "experiment_description",
            "name",
            "chemical_formula",
            "description",
            "probe",
            "type",
        ),
        *("temperature", "pressure", "magnetic_field", "electric_field", "wavelength", "energy", "incident_wavelength"),
        *(
            "incident_energy",
            "incident_photon_energy",
            "fixed_energy",
            "technique",
            "technique_pid",
            "radiation",
            "beam_energy",
        ),
    }
)
SKIPPED = frozenset(
    {"NXdata", "NXlog", "NXevent_data", "NXmonitor", "NXcollection", "NXparameters", "NXcharacterization"}
)


def main() -> None:
    """Answer until the socket ends. Arguments: descriptor of the socket, bytes of address space, seconds of CPU a file."""
    link = socket.socket(fileno=int(sys.argv[1]))
    _confine(int(sys.argv[2]))
    seconds = int(sys.argv[3])
    link.sendall(b"r")  # ready
    while True:
        _, descriptors, _, _ = socket.recv_fds(link, 16, 1)
        if not descriptors:
            return
        _bound_time(seconds)
        answer = json.dumps(_read(descriptors[0]), allow_nan=False).encode()
        if len(answer) > MAX_ANSWER:
            answer = json.dumps({"error": "says more of itself than is taken"}).encode()
        link.sendall(struct.pack(">I", len(answer)) + answer)


def _confine(memory: int) -> None:
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()  # noqa: SIM115, PTH123 - one line
    resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    with contextlib.suppress(OSError):
        os.nice(10)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def _bound_time(seconds: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime) + seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _read(descriptor: int) -> dict[str, Any]:
    try:
        with os.fdopen(descriptor, "rb") as raw, h5py.File(raw, "r") as file:
            return {"entries": list(_entries(file)), "attributes": _attributes(file)}
    except MemoryError:
        return {"error": "needs more memory than a reader may have"}
    except RecursionError:
        return {"error": "is nested deeper than is read"}
    except Exception as error:  # whatever HDF5 makes of a hostile file; it is told by type, its words may hold anything
        return {"error": f"is no HDF5 file that can be read ({type(error).__name__})"}


def _attributes(file: h5py.File) -> dict[str, Any]:
    found = {name: _attribute(file, name) for name in ("default", "title", "experiment_identifier", "file_time")}
    return {name: value for name, value in found.items() if value}


def _entries(file: h5py.File) -> Iterator[dict[str, Any]]:
    default = _attribute(file, "default")
    named = [(name, group) for name, group in _groups(file, MAX_GROUPS) if _kind(group) == "NXentry"]
    for name, group in sorted(named, key=lambda pair: pair[0] != default)[:20]:
        yield {"name": name[:200], "found": _walk(group)}


def _walk(entry: h5py.Group) -> list[dict[str, Any]]:
    """What is wanted beneath an entry: ``{"in": class of its group, "of": that group's name, "name", "value", "unit"}``."""
    found: list[dict[str, Any]] = []
    waiting: list[tuple[h5py.Group, int, list[str]]] = [(entry, 0, [])]
    seen: set[object] = set()
    links = 0
    while waiting and len(seen) < MAX_GROUPS and len(found) < MAX_FOUND:
        group, depth, path = waiting.pop(0)
        if group.id in seen:
            continue
        seen.add(group.id)
        kind = _kind(group)
        short = _attribute(group, "short_name")
        if kind == "NXinstrument" and short:
            found.append({"in": kind, "path": path, "name": "short_name", "value": short, "unit": ""})
        for name in _names(group):
            links += 1
            if links > MAX_LINKS:
                return found
            item = _item(group, name)
            if isinstance(item, h5py.Group) and depth < MAX_DEPTH and _kind(item) not in SKIPPED:
                waiting.append((item, depth + 1, [*path, _kind(item)]))
            elif isinstance(item, h5py.Dataset) and name in WANTED:
                value = _value(item)
                if value is not None:
                    found.append(
                        {"in": kind, "path": path, "name": name, "value": value, "unit": _attribute(item, "units")}
                    )
    return found


def _groups(parent: h5py.Group, most: int) -> Iterator[tuple[str, h5py.Group]]:
    for number, name in enumerate(_names(parent)):
        if number >= most:
            return
        item = _item(parent, name)
        if isinstance(item, h5py.Group):
            yield name, item


def _names(group: h5py.Group) -> Iterator[str]:
    for number, name in enumerate(group):
        if number >= MAX_LINKS:
            return
        if isinstance(name, str):
            yield name


def _item(group: h5py.Group, name: str) -> object:
    """What a hard link leads to, or a soft one within the file; None for links to other files."""
    try:
        kind = group.get(name, getlink=True)
        if isinstance(kind, h5py.ExternalLink):
            return None
        if isinstance(kind, h5py.SoftLink) and _leaves(group, kind.path, 0):
            return None
        return group[name]
    except (KeyError, OSError, RuntimeError, ValueError, TypeError):
        return None


def _leaves(group: h5py.Group, path: str, depth: int) -> bool:
    """Whether a soft link's way leads through a link to another file; links to links are followed so far, and no further."""
    here: Any = group.file if path.startswith("/") else group
    for part in [part for part in path.split("/") if part not in {"", "."}][:50]:
        kind = here.get(part, getlink=True)
        if isinstance(kind, h5py.ExternalLink) or depth > 5:
            return True
        if isinstance(kind, h5py.SoftLink) and _leaves(here, kind.path, depth + 1):
            return True
        here = here[part]
        if not isinstance(here, h5py.Group):
            return False
    return False


def _kind(group: h5py.Group) -> str:
    """Its NeXus class; canSAS's own names are written in either attribute."""
    kind = _attribute(group, "NX_class") or _attribute(group, "canSAS_class")
    return _CANSAS.get(kind, kind)


_CANSAS = {
    "SASentry": "NXentry",
    "SASinstrument": "NXinstrument",
    "SASsource": "NXsource",
    "SASsample": "NXsample",
    "SASdata": "NXdata",
}


def _attribute(item: h5py.Group | h5py.Dataset, name: str) -> str:
    try:
        if name not in item.attrs or item.attrs.get_id(name).get_storage_size() > MAX_TEXT:
            return ""
        value = item.attrs[name]
    except (OSError, RuntimeError, ValueError, TypeError, KeyError):
        return ""
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size == 1 else ""
    return _text(value)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value.rstrip("\0").strip()[:MAX_TEXT] if isinstance(value, str) else ""


def _value(item: h5py.Dataset) -> str | float | None:
    """A text, or a number (of several: their mean); None for what is none, large, or not in this file."""
    try:
        if item.external or item.is_virtual or item.shape is None or not 0 < item.size <= MAX_NUMBERS:
            return None
        if item.chunks and int(np.prod(item.chunks, dtype=object)) * item.dtype.itemsize > MAX_CHUNK:
            return None
        if h5py.check_string_dtype(item.dtype) is not None:
            return _first_text(item)
        if item.dtype.kind not in "iuf":
            return None
        numbers = np.asarray(item[()], dtype=np.float64).ravel()
    except (OSError, RuntimeError, ValueError, TypeError, KeyError):
        return None
    finite = numbers[np.isfinite(numbers)]
    if finite.size == 0:
        return None
    mean = float(np.mean(finite))
    return mean if np.isfinite(mean) else None


def _first_text(item: h5py.Dataset) -> str | None:
    if item.dtype.itemsize > MAX_TEXT or item.size > 100:
        return None
    value = item[()]
    if isinstance(value, np.ndarray):
        value = " ".join(_text(one) for one in value.ravel())
    return _text(value) or None


if __name__ == "__main__":
    main()
