"""PaNET, the ontology of photon and neutron techniques: what a technique's name means, and which ones are beneath it.

``panet.tsv`` holds what places the techniques among each other (its head names the source and the licence). As an OWL reasoner
would, a technique is put beneath every other one whose definition it meets: small angle x-ray scattering is small angle
scattering with x-rays, so it is found beneath "x-ray scattering", too, though nobody wrote that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

ADDRESS = "http://purl.org/pan-science/PaNET/"
_ID = re.compile(r"(?:https?://purl\.org/pan-science/PaNET/)?PaNET0*(\d{1,5})", re.IGNORECASE)
_NEUTRON, _PHOTON = "PaNET00101", "PaNET00100"


@dataclass(frozen=True)
class Node:
    """A technique in PaNET.

    Attributes:
        id: ``PaNET01188``.
        label: "small angle x-ray scattering".
        others: its other names: "SAXS".
        parents: those right above it as PaNET states them.
        place: the one of these that a tree shows it beneath; empty at the top.
    """

    id: str
    label: str
    others: tuple[str, ...]
    parents: tuple[str, ...]
    place: str = ""

    @property
    def address(self) -> str:
        """In the ontology."""
        return ADDRESS + self.id


def panet_id(text: str) -> str:
    """``PaNET01188`` for an address or id of PaNET as catalogues write them; empty if it is none."""
    found = _ID.fullmatch(text.strip())
    return f"PaNET{int(found[1]):05d}" if found else ""


class Techniques:
    """All techniques. Use :func:`techniques`."""

    def __init__(self, table: str) -> None:
        rows = [_row(line) for line in table.splitlines() if line and not line.startswith("#")]
        place = {name: index for index, (name, *_) in enumerate(rows)}
        parents = {name: parents for name, _, parents, _ in rows}
        defined = [
            (1 << place[name], sum(1 << place[one] for one in held), name)
            for name, whole, held, _ in rows
            if whole and held
        ]
        above = _closed([sum(1 << place[one] for one in parents[name]) for name, *_ in rows], defined, place)
        names = list(place)
        self._above = {name: frozenset(_names(above[place[name]], names)) for name in names}
        self._beneath: dict[str, frozenset[str]] = {
            name: frozenset(other for other in names if name in self._above[other]) | {name} for name in names
        }
        depth = {name: len(held) for name, held in self._above.items()}
        probes = self._beneath["PaNET00002"]
        self.nodes: dict[str, Node] = {}
        for name, _, stated, (label, *others) in rows:
            shown_beneath = max(stated, key=lambda one: (one not in probes, depth[one], one), default="")
            self.nodes[name] = Node(name, label, tuple(others), stated, shown_beneath)
        self._children: dict[str, list[str]] = {}
        for name, node in self.nodes.items():
            self._children.setdefault(node.place, []).append(name)
        self._named: dict[str, set[str]] = {}
        for node in self.nodes.values():
            for one in (node.label, *node.others):
                self._named.setdefault(_plain(one), set()).add(node.id)
        self._by_label = {_plain(node.label): node.id for node in self.nodes.values()}

    def find(self, text: str) -> Node | None:
        """The technique with this address, id or name ("SAXS"), a label before other names; None if PaNET has none."""
        plain = _plain(text)
        found = panet_id(text) or self._by_label.get(plain) or min(self._named.get(plain, ()), default="")
        return self.nodes.get(found)

    def named(self, text: str) -> frozenset[str]:
        """The ids of all techniques with this address, id or name."""
        if own := panet_id(text):
            return frozenset({own} & self.nodes.keys())
        return frozenset(self._named.get(_plain(text), ()))

    def label(self, text: str) -> str:
        """How people call it; the text itself if PaNET does not know it."""
        node = self.find(text)
        return node.label if node else text

    def beneath(self, wanted: Iterable[str]) -> frozenset[str]:
        """The ids of the techniques (addresses, ids or names), and of all beneath them."""
        found = [node.id for node in map(self.find, wanted) if node]
        return frozenset().union(*(self._beneath[one] for one in found))

    def addresses(self, wanted: Iterable[str]) -> tuple[str, ...]:
        """The addresses of the techniques and of all beneath them, for catalogues that take only such."""
        return tuple(ADDRESS + one for one in sorted(self.beneath(wanted)))

    def above(self, technique: str) -> frozenset[str]:
        """The ids of all techniques that one is a kind of, without itself."""
        node = self.find(technique)
        return self._above[node.id] - {node.id} if node else frozenset()

    def children(self, name: str = "PaNET00001") -> tuple[Node, ...]:
        """Those right beneath one in the tree that is shown, by label."""
        return tuple(sorted((self.nodes[one] for one in self._children.get(name, ())), key=lambda node: node.label))

    def path(self, name: str) -> tuple[Node, ...]:
        """Those above one in the tree that is shown, the first beneath the top first; without itself."""
        way: list[Node] = []
        node = self.nodes[name]
        while node.place and node.place != "PaNET00001":
            node = self.nodes[node.place]
            way.append(node)
        return tuple(reversed(way))

    def probe(self, names: Iterable[str]) -> str:
        """``"photon"`` or ``"neutron"`` if the techniques say so, else empty."""
        held = frozenset().union(*(self._above[one.id] | {one.id} for one in map(self.find, names) if one))
        if (_PHOTON in held) == (_NEUTRON in held):
            return ""
        return "photon" if _PHOTON in held else "neutron"


def _row(line: str) -> tuple[str, bool, tuple[str, ...], tuple[str, ...]]:
    number, kind, held, names = line.split("\t")
    return (
        f"PaNET{int(number):05d}",
        kind == "=",
        tuple(f"PaNET{int(one):05d}" for one in held.split()),
        tuple(names.split("|")),
    )


def _closed(above: list[int], defined: list[tuple[int, int, str]], place: dict[str, int]) -> list[int]:
    """For each technique, all above it: what is above those, and every one whose definition it meets. Bits are techniques."""
    changed = True
    while changed:
        changed = False
        for index, held in enumerate(above):
            more = held
            for other in _bits(held):
                more |= above[other]
            whole = more | 1 << index
            for bit, needs, _ in defined:
                if needs & ~whole == 0:
                    more |= bit
            more &= ~(1 << index)
            if more != held:
                above[index], changed = more, True
    return above


def _bits(held: int) -> Iterable[int]:
    while held:
        lowest = held & -held
        yield lowest.bit_length() - 1
        held ^= lowest


def _names(held: int, names: list[str]) -> Iterable[str]:
    return (names[one] for one in _bits(held))


def _plain(text: str) -> str:
    return " ".join(text.casefold().replace("-", " ").replace("_", " ").split())


@cache
def techniques() -> Techniques:
    """PaNET's techniques. Reading them takes a tenth of a second: whoever serves people does it when they start."""
    return Techniques(files("panosc_spawner.panet").joinpath("panet.tsv").read_text(encoding="utf-8"))
