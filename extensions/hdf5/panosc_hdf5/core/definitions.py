"""NeXus' own definitions (NXDL), as the package nexusformat brings them; they are read offline, and only if it is there.

Only its XML is read: importing nexusformat itself takes seconds, and its validator answers in a log.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

_NAME = re.compile(r"NX[A-Za-z0-9_]{1,80}")
_SPACE = "{http://definition.nexusformat.org/nxdl/3.1}"
_FOLDERS = ("base_classes", "applications", "contributed_definitions")
_UNITLESS = {"", "NX_UNITLESS", "NX_DIMENSIONLESS", "NX_ANY", "NX_COUNT", "NX_PULSES", "NX_TRANSFORMATION"}


@dataclass(frozen=True)
class Item:
    """A group, field, link or choice of a definition.

    Attributes:
        tag: ``group``, ``field``, ``link`` or ``choice``.
        name: how it must be called; empty if any name will do.
        type: NX class of a group, or NeXus type of a field.
        units: NeXus' kind of unit; empty where none is needed.
        required: whether the definition asks for it.
        recommended: whether it should be there.
        values: the only values that a field may have.
        items: of a group, or the alternatives of a choice.
    """

    tag: str
    name: str
    type: str
    units: str
    required: bool
    recommended: bool
    values: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()


@dataclass(frozen=True)
class Definition:
    """One NeXus class."""

    name: str
    category: str
    extends: str
    items: tuple[Item, ...]
    units: dict[str, str] = field(default_factory=dict)
    """Fields that need a unit, and which kind."""


@lru_cache(maxsize=1)
def folder() -> Path | None:
    """Where the definitions are; None if nexusformat is not installed, or brings none."""
    spec = find_spec("nexusformat")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        found = Path(place) / "definitions"
        if (found / "base_classes").is_dir():
            return found
    return None


@lru_cache(maxsize=1)
def version() -> str:
    """Of the definitions; empty if there are none."""
    place = folder()
    try:
        return (place / "NXDL_VERSION").read_text().strip() if place else ""
    except OSError:
        return ""


@lru_cache(maxsize=256)
def definition(name: str) -> Definition | None:
    """A class; None if NeXus knows none of that name."""
    place = folder()
    if place is None or not _NAME.fullmatch(name):
        return None
    for category in _FOLDERS:
        path = place / category / f"{name}.nxdl.xml"
        if path.is_file():
            # The package's own file, not one from outside.
            root = ElementTree.parse(path).getroot()  # noqa: S314
            application = root.get("category") == "application"
            items = _items(root, application)
            units = {i.name: i.units for i in items if i.tag == "field" and i.name and i.units not in _UNITLESS}
            return Definition(name, root.get("category", ""), root.get("extends", ""), items, units)
    return None


def _items(element: ElementTree.Element, application: bool) -> tuple[Item, ...]:
    found = []
    for child in element:
        tag = child.tag.removeprefix(_SPACE)
        if tag in ("group", "field", "link", "choice"):
            found.append(_item(child, tag, application))
    return tuple(found)


def _item(element: ElementTree.Element, tag: str, application: bool) -> Item:
    named = element.get("nameType", "specified" if element.get("name") else "any")
    recommended = element.get("recommended") == "true"
    optional = element.get("optional") == "true" or element.get("minOccurs") == "0" or recommended
    enumeration = element.find(f"{_SPACE}enumeration")
    values = (
        ()
        if enumeration is None or enumeration.get("open") == "true"
        else tuple(item.get("value", "") for item in enumeration.iter(f"{_SPACE}item"))
    )
    return Item(
        tag=tag,
        name=(element.get("name") or "") if named == "specified" else "",
        type=element.get("type") or ("NX_CHAR" if tag == "field" else ""),
        units=element.get("units", ""),
        required=application and not optional,
        recommended=recommended,
        values=values,
        items=_items(element, application),
    )


def lineage(name: str) -> list[Definition]:
    """An application definition and those that it extends, itself first."""
    found: list[Definition] = []
    while (known := definition(name)) is not None and known not in found and len(found) < 8:
        found.append(known)
        name = known.extends
    return found
