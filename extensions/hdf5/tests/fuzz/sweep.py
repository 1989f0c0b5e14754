"""Ask everything of every object of a file, in a process of its own; the last line it prints is one JSON object.

::

    python sweep.py FILE ROOT [--objects 60] [--hidden TEXT]

An operation answers as the contract says, or raises an ``HDF5Error`` in words. Anything else is listed in ``problems``. What a
process cannot say when it dies is said before: the last line of standard error names the question.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from contract import contract
from panosc_hdf5.core.context import Context, Services, Ticket
from panosc_hdf5.core.errors import HDF5Error
from panosc_hdf5.core.operations import TABLE, run
from panosc_hdf5.core.wire import Reply, envelope_parts, read_envelope

DEADLINE_SECONDS = 5.0
MEMORY_BYTES = 6 * 1024**3  # of address space, as a worker has
# What an operation's header is declared as; those that are not here have no declaration of their own.
DECLARED = {
    "open": "IOpen",
    "entity": "IEntity",
    "children": "IChildren",
    "search": "SearchLine",
    "values": "IValues",
    "state": "ILiveState",
    "view": "IViewHeader",
    "line": "ILineHeader",
    "trace": "ITraceHeader",
    "roi": "ITraceHeader",
    "profile": "IProfileHeader",
    "azimuthal": "IAzimuthalHeader",
}
# Lists inside of an answer, by the operation and the field.
LISTS = {("attributes", "attributes"): "IAttribute", ("check", "findings"): "IFinding"}
# Some questions of each operation, besides the one without parameters.
QUESTIONS: dict[str, tuple[dict[str, str], ...]] = {
    "open": ({}, {"width": "300", "height": "200"}),
    "children": ({}, {"sort": "start_time", "descending": "1"}, {"sort": "creation", "offset": "1", "limit": "2"}),
    "search": ({"q": "data"}, {"q": "NXdata", "kind": "nx_class"}, {"q": "*a*", "kind": "glob", "limit": "3"}),
    "view": (
        {},
        {"width": "40", "height": "30", "reduce": "mean", "mask": "0"},
        {"progressive": "1", "window": "0,9,0,9"},
    ),
    "tile": ({"level": "0", "x": "0", "y": "0"}, {"level": "2", "x": "0", "y": "0", "size": "64"}),
    "line": ({}, {"points": "10"}, {"range": "0,5"}),
    "frame": ({}, {"encoding": "stored"}),
    "trace": ({"axis": "0", "point": "0,0"}, {"point": "1,2"}, {"axis": "1", "point": "0"}),
    "roi": ({"window": "0,5,0,5"}, {"window": "0,5,0,5", "axis": "0"}),
    "profile": ({"start": "0,0", "end": "5,5"}, {"start": "1,4", "end": "2,0", "width": "3"}),
    "azimuthal": ({}, {"beam_x": "5", "beam_y": "5", "unit": "r"}),
    "export": tuple({"format": kind} for kind in ("csv", "npy", "tiff", "png", "nxdata", "json")),
    "values": ({}, {"slice": "..."}, {"slice": "0"}),
    "stats": ({}, {"window": "0,3,0,3", "bins": "8"}),
}


@dataclass
class Sweep:
    """What was asked, and what came of it."""

    path: Path
    hidden: tuple[str, ...]
    context: Context
    outcomes: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")

    def ask(self, operation: str, h5path: str, **parameters: str) -> list[Reply]:
        """Ask one question and judge its answer."""
        question = f"{operation} {h5path} {parameters}"
        print(question[:500], file=sys.stderr, flush=True)
        begin = time.perf_counter()
        replies: list[Reply] = []
        try:
            self.context.ticket = Ticket(DEADLINE_SECONDS)
            for reply in run(operation, {"path": str(self.path), "h5path": h5path, **parameters}, self.context):
                replies.append(reply)
                self._judge(question, operation, reply)
            self.outcomes[f"{operation}: answer"] += 1
        except HDF5Error as error:
            self.outcomes[f"{operation}: {type(error).__name__}"] += 1
            self._judge_words(question, error)
        except BaseException as error:
            self.outcomes[f"{operation}: BUG {type(error).__name__}"] += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            ours = [f for f in traceback.extract_tb(error.__traceback__) if "panosc_hdf5" in f.filename][-1:]
            place = " ".join(f"{Path(f.filename).name}:{f.lineno}" for f in (*ours, where))
            self.problems.append(f"{question}: {type(error).__name__}: {error} at {place}")
        taken = time.perf_counter() - begin
        self.slowest = max(self.slowest, (taken, question))
        return replies

    def _judge(self, question: str, operation: str, reply: Reply) -> None:
        try:
            text = json.dumps(reply.header, allow_nan=False)
        except (TypeError, ValueError) as error:
            self.problems.append(f"{question}: the header is no JSON: {error}")
            return
        self._judge_secrets(question, text)
        header = json.loads(text)
        if reply.body is None:
            header = self._travelled(question, reply) or header
        found = []
        if declared := DECLARED.get(operation):
            found += contract().problems(declared, header)
        for (name, part), declared in LISTS.items():
            if name == operation:
                found += [p for item in header.get(part, [None]) for p in contract().problems(declared, item)]
        self.problems += [f"{question}: {problem}" for problem in found[:5]]

    def _travelled(self, question: str, reply: Reply) -> dict[str, Any] | None:
        """The header as it arrives at the other side."""
        data = b"".join(bytes(part) for part in envelope_parts(reply))
        header, arrays, taken = read_envelope(data)
        if taken != len(data) or set(arrays) != set(reply.arrays):
            self.problems.append(f"{question}: the envelope does not come out as it went in")
        return header

    def _judge_words(self, question: str, error: HDF5Error) -> None:
        words = f"{error.message} {error.remedy}"
        if len(error.message) < 12 or not error.message.rstrip().endswith((".", "!", "?", "…")):
            self.problems.append(f"{question}: no sentence: {error.message!r}")
        if any(sign in words for sign in ("Traceback", " object at 0x", "errno", "NoneType")):
            self.problems.append(f"{question}: not for people: {words!r}")
        try:
            self._judge_secrets(question, json.dumps(error.as_json(), allow_nan=False))
        except (TypeError, ValueError) as reason:
            self.problems.append(f"{question}: the refusal is no JSON: {reason}")

    def _judge_secrets(self, question: str, text: str) -> None:
        for hidden in self.hidden:
            if hidden in text.replace(f'"file": "{hidden}', ""):  # a link names its target as its author wrote it
                self.problems.append(f"{question}: {hidden!r} is shown")


def objects(sweep: Sweep, most: int) -> Iterator[str]:
    """Paths of the file as the tree shows them, breadth first, never twice into the same group by another name."""
    waiting, seen = ["/"], {"/"}
    yield "/"
    while waiting and len(seen) < most:
        group = waiting.pop(0)
        for reply in sweep.ask("children", group, limit="1000"):
            shown = reply.header.get("children", [])
            for child in _spread(shown, max(1, most - len(seen))):
                if child["h5path"] in seen:
                    continue
                seen.add(child["h5path"])
                yield child["h5path"]
                if child["kind"] == "group" and child["h5path"].count("/") < 12:
                    waiting.append(child["h5path"])


def _spread(children: list[Any], most: int) -> list[Any]:
    step = max(1, len(children) // most)
    return children[::step][:most] + (children[-1:] if step > 1 else [])


def sweep(path: Path, root: Path, most: int, hidden: tuple[str, ...]) -> dict[str, Any]:
    """Ask everything of a file."""
    found = Sweep(path, hidden, Context(Services(roots=(root,), cache_dir=None)))
    for h5path in objects(found, most):
        for operation, entry in TABLE.items():
            for question in QUESTIONS.get(operation, ({},)):
                found.ask(operation, h5path, **{k: v for k, v in question.items() if k in entry.parameters})
    return {
        "outcomes": dict(sorted(found.outcomes.items())),
        "problems": found.problems,
        "peak_mb": _peak_mb(),
        "slowest": [round(found.slowest[0], 2), found.slowest[1]],
    }


def _peak_mb() -> int:
    """Of this process; getrusage would tell the peak of the one that started it, if that was higher."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    raise RuntimeError("the kernel does not say how much memory was used")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("root", type=Path)
    parser.add_argument("--objects", type=int, default=60)
    parser.add_argument("--hidden", action="append", default=[])
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    answer = sweep(arguments.file, arguments.root, arguments.objects, tuple(arguments.hidden))
    print(f"\n{json.dumps(answer)}")  # HDF5's filters print, too


if __name__ == "__main__":
    main()
