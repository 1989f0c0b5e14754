"""The questions: as ours is asked, as jupyterlab-h5web is asked, as plain h5py reads; and what each may take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

FRAMES = 200
SIDE = 20_000
DETECTOR = "/entry/instrument/detector/data"
EIGER, IMAGE, LINES = "eiger/eiger.h5", "image20k/image20k.h5", "lines/lines.h5"
BLISS, CHILDREN, DEEP, MODULES = "bliss/bliss.h5", "children/children.h5", "deep/deep.h5", "modules/modules.h5"
SCREEN = {"width": 1000, "height": 1000}

Ask = tuple[str, Mapping[str, object]]
Read = tuple[str, str, str]


@dataclass(frozen=True)
class Targets:
    """The most that it may be. Ratios are ours divided by the floor's: by the fastest of all turns, and by processor time."""

    wall: float | None = None
    cpu: float | None = None
    kilobytes: float | None = None
    seconds: float | None = None
    first_seconds: float | None = None
    peak_mb: float | None = None
    bytes_to_stored: float | None = None


@dataclass(frozen=True)
class Comparison:
    """One row of the table.

    Attributes:
        name: in words.
        file: in the corpus.
        ours: for a turn: operation and parameters.
        peer: for a turn: route and parameters; None where the peer has no such thing.
        floor: for a turn: kind, path and selection of a plain read.
        cold: the file changes before each turn, so that nothing about it is known.
        before: asked of ours first, and not measured.
        gzip: whether ours may compress.
        exact: ours answers the floor's very values.
        parts: ours answers in parts.
        slow_peer: the peer takes minutes; it is asked once and only on demand.
        turns: at most so many.
        targets: see there.
    """

    name: str
    file: str
    ours: Callable[[int], Ask]
    peer: Callable[[int], Ask] | None = None
    floor: Callable[[int], Read] | None = None
    cold: bool = False
    before: Callable[[int], Ask] | None = None
    gzip: bool = True
    exact: bool = False
    parts: bool = False
    slow_peer: bool = False
    turns: int = 1000
    targets: Targets = field(default_factory=Targets)


def frame(turn: int) -> int:
    """Another frame each turn."""
    return (17 * turn + 3) % FRAMES


def _data(path: str, selection: str) -> Ask:
    return "data", {"path": path, "format": "bin", "selection": selection}


def _raw_frame(turn: int) -> Ask:
    return "frame", {"h5path": DETECTOR, "slice": f"{frame(turn)},:,:", "encoding": "raw"}


def _pixel(turn: int) -> tuple[int, int]:
    return (331 * turn + 100) % 2167, (577 * turn + 100) % 2070


def _corner(turn: int) -> tuple[int, int]:
    return (3001 * turn + 700) % (SIDE - 1024), (1777 * turn + 300) % (SIDE - 1024)


COMPARISONS: dict[str, Comparison] = {
    # First, as long as the servers hold nothing else in memory.
    "overview": Comparison(
        "20,000 x 20,000, whole",
        IMAGE,
        ours=lambda turn: ("view", {"h5path": "/entry/data/image", "progressive": 1, **SCREEN}),
        peer=lambda turn: _data("/entry/data/image", "::20,::20"),
        floor=lambda turn: ("slice", "/entry/data/image", "::20,::20"),
        cold=True,
        parts=True,
        turns=5,
        targets=Targets(cpu=0.75, first_seconds=0.3, peak_mb=350),
    ),
    "tile": Comparison(
        "20,000 x 20,000, a tile that is kept",
        IMAGE,
        ours=lambda turn: (
            "tile",
            {"h5path": "/entry/data/image", "level": 4, "x": turn % 2, "y": turn // 2 % 2},
        ),
        before=lambda turn: ("view", {"h5path": "/entry/data/image", **SCREEN}),
        targets=Targets(seconds=0.005),
    ),
    "meta": Comparison(
        "attributes and type of one data set",
        BLISS,
        ours=lambda turn: ("entity", {"h5path": "/1000.1/measurement/counter000"}),
        peer=lambda turn: ("meta", {"path": "/1000.1/measurement/counter000"}),
        floor=lambda turn: ("children", "/1000.1/sample", ""),
    ),
    "frame": Comparison(
        "4M frame, exact, raw",
        EIGER,
        ours=_raw_frame,
        peer=lambda turn: _data(DETECTOR, f"{frame(turn)},:,:"),
        floor=lambda turn: ("slice", DETECTOR, f"{frame(turn)}"),
        gzip=False,
        exact=True,
        targets=Targets(wall=0.9, cpu=0.65),
    ),
    "stored": Comparison(
        "4M frame, exact, as stored",
        EIGER,
        ours=lambda turn: ("frame", {"h5path": DETECTOR, "slice": f"{frame(turn)},:,:", "encoding": "stored"}),
        peer=lambda turn: _data(DETECTOR, f"{frame(turn)},:,:"),
        floor=lambda turn: ("slice", DETECTOR, f"{frame(turn)}"),
        targets=Targets(wall=0.22, cpu=0.22, bytes_to_stored=1.01),
    ),
    "view": Comparison(
        "4M frame, first view",
        EIGER,
        ours=lambda turn: ("view", {"h5path": DETECTOR, "slice": f"{frame(turn)},:,:", **SCREEN}),
        peer=lambda turn: _data(DETECTOR, f"{frame(turn)},:,:"),
        floor=lambda turn: ("slice", DETECTOR, f"{frame(turn)}"),
        targets=Targets(kilobytes=600),
    ),
    "open": Comparison(
        "4M stack, everything to show it",
        EIGER,
        ours=lambda turn: ("open", SCREEN),
        floor=lambda turn: ("slice", DETECTOR, "0"),
        cold=True,
    ),
    "trace": Comparison(
        "pixel trace over 200 frames",
        EIGER,
        ours=lambda turn: ("trace", {"h5path": DETECTOR, "axis": 0, "point": "{},{}".format(*_pixel(turn))}),
        peer=lambda turn: _data(DETECTOR, ":,{},{}".format(*_pixel(turn))),
        floor=lambda turn: ("slice", DETECTOR, ":,{},{}".format(*_pixel(turn))),
        exact=True,
        turns=7,
        targets=Targets(wall=0.03, cpu=0.03),
    ),
    "roi": Comparison(
        "100 x 100 of a frame that is shown",
        EIGER,
        ours=lambda turn: (
            "frame",
            {"h5path": DETECTOR, "slice": f"{frame(turn)},1000:1100,1000:1100", "encoding": "raw"},
        ),
        peer=lambda turn: _data(DETECTOR, f"{frame(turn)},1000:1100,1000:1100"),
        floor=lambda turn: ("slice", DETECTOR, f"{frame(turn)},1000:1100,1000:1100"),
        before=lambda turn: ("view", {"h5path": DETECTOR, "slice": f"{frame(turn)},:,:", **SCREEN}),
        exact=True,
        targets=Targets(wall=0.2, cpu=0.2),
    ),
    "vds": Comparison(
        "virtual frame of 1024 x 1024",
        MODULES,
        ours=lambda turn: ("frame", {"h5path": "/entry/data/data", "slice": f"{turn % 100},:,:", "encoding": "raw"}),
        peer=lambda turn: _data("/entry/data/data", f"{turn % 100},:,:"),
        floor=lambda turn: ("slice", "/entry/data/data", f"{turn % 100}"),
        gzip=False,
        exact=True,
    ),
    "window": Comparison(
        "20,000 x 20,000, 1024 x 1024 of it, exact",
        IMAGE,
        ours=lambda turn: ("frame", {"h5path": "/entry/data/image", "slice": _window(turn), "encoding": "raw"}),
        peer=lambda turn: _data("/entry/data/image", _window(turn)),
        floor=lambda turn: ("slice", "/entry/data/image", _window(turn)),
        gzip=False,
        exact=True,
    ),
    "line": Comparison(
        "line of 10 million, gzip",
        LINES,
        ours=lambda turn: ("line", {"h5path": "/entry/data/gzip", "points": 1000}),
        peer=lambda turn: _data("/entry/data/gzip", ":"),
        floor=lambda turn: ("slice", "/entry/data/gzip", ""),
        cold=True,
        turns=9,
        targets=Targets(wall=0.75, cpu=0.75, kilobytes=64),
    ),
    "contiguous": Comparison(
        "line of 10 million, contiguous",
        LINES,
        ours=lambda turn: ("line", {"h5path": "/entry/data/contiguous", "points": 1000}),
        peer=lambda turn: _data("/entry/data/contiguous", ":"),
        floor=lambda turn: ("slice", "/entry/data/contiguous", ""),
        cold=True,
        turns=9,
        targets=Targets(wall=0.3, cpu=0.3, kilobytes=64),
    ),
    "scans": Comparison(
        "2,000 scans, first page",
        BLISS,
        ours=lambda turn: ("children", {"h5path": "/", "limit": 200}),
        peer=lambda turn: ("meta", {"path": "/"}),
        floor=lambda turn: ("children", "/", ""),
        cold=True,
        turns=9,
        targets=Targets(wall=0.2, cpu=0.2),
    ),
    "counters": Comparison(
        "300 counters",
        BLISS,
        ours=lambda turn: ("children", {"h5path": "/2000.1/measurement", "limit": 400}),
        peer=lambda turn: ("meta", {"path": "/2000.1/measurement"}),
        floor=lambda turn: ("children", "/2000.1/measurement", ""),
        cold=True,
        turns=9,
    ),
    "children": Comparison(
        "100,000 children, first page",
        CHILDREN,
        ours=lambda turn: ("children", {"h5path": "/many", "limit": 200}),
        peer=lambda turn: ("meta", {"path": "/many"}),
        floor=lambda turn: ("names", "/many", ""),
        cold=True,
        slow_peer=True,
        turns=5,
        targets=Targets(seconds=0.2),
    ),
    "search": Comparison(
        "100,000 children, search",
        CHILDREN,
        ours=lambda turn: ("search", {"q": f"point_0{turn:02d}99"}),
        peer=lambda turn: ("paths", {}),
        floor=lambda turn: ("names", "/many", ""),
        cold=True,
        slow_peer=True,
        turns=5,
        targets=Targets(seconds=0.5),
    ),
    "deep": Comparison(
        "38,000 objects, search",
        DEEP,
        ours=lambda turn: ("search", {"q": "needle"}),
        peer=lambda turn: ("paths", {}),
        cold=True,
        slow_peer=True,
        turns=5,
    ),
}


def _window(turn: int) -> str:
    y, x = _corner(turn)
    return f"{y}:{y + 1024},{x}:{x + 1024}"


def _again(key: str) -> Comparison:
    """The same of a file that did not change since: it is open, and what was asked before may be kept."""
    first = COMPARISONS[key]
    return replace(first, name=f"{first.name}, again", cold=False, before=first.ours, peer=None)


COMPARISONS |= {f"{key}-again": _again(key) for key in ("scans", "counters", "contiguous", "line", "search")}
