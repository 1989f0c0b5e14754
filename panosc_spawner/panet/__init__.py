"""PaNET, the ontology of photon and neutron techniques (CC-BY-4.0): names, addresses, and what is a kind of what.

The table is ``panet.tsv``; its head names the source. Nothing is read before the first question; :func:`terms` does it ahead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from panosc_spawner.panet.ontology import ADDRESS, Node, Techniques, panet_id, techniques

__all__ = [
    "ADDRESS",
    "Node",
    "Techniques",
    "beneath",
    "ids_named",
    "label",
    "panet_id",
    "parents",
    "purl",
    "techniques",
    "terms",
]


def terms() -> Mapping[str, Node]:
    """All techniques by id (``PaNET01188``)."""
    return techniques().nodes


def label(technique: str) -> str:
    """How people call a technique (id, address or name); the text itself if PaNET does not know it."""
    return techniques().label(technique)


def ids_named(text: str) -> frozenset[str]:
    """The ids of the techniques with this name, id or address: "SAXS" is one; "inelastic SAS" might be several."""
    return techniques().named(text)


def beneath(ids: Iterable[str]) -> frozenset[str]:
    """The ids of techniques, and of all that are kinds of them."""
    return techniques().beneath(ids)


def parents(technique: str) -> tuple[str, ...]:
    """The ids right above a technique, as PaNET states them."""
    node = techniques().find(technique)
    return node.parents if node else ()


def purl(technique: str) -> str:
    """The address of a technique in PaNET; empty if it is none."""
    node = techniques().find(technique)
    return node.address if node else ""
