"""What an application definition asks of an entry, and what of it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from panosc_hdf5.core import definitions
from panosc_hdf5.core.definitions import Item
from panosc_hdf5.core.links import join
from panosc_hdf5.core.session import Session, basename

if TYPE_CHECKING:
    from panosc_hdf5.core.check import Findings

MAX_SAME = 20
_KINDS: dict[str, tuple[str, ...]] = {
    "NX_FLOAT": ("float",),
    "NX_INT": ("integer",),
    "NX_UINT": ("integer",),
    "NX_POSINT": ("integer",),
    "NX_NUMBER": ("integer", "float"),
    "NX_CHAR": ("string",),
    "NX_DATE_TIME": ("string",),
    "NX_BOOLEAN": ("boolean", "integer", "enum"),
    "NX_CHAR_OR_NUMBER": ("string", "integer", "float"),
}


def check_entry(session: Session, entry: str, name: str, findings: Findings) -> None:
    """Compare one NXentry or NXsubentry with the definition that it names."""
    if not definitions.version():
        return
    known = definitions.lineage(name)
    if not known or known[0].category != "application":
        findings.add(
            "warning",
            join(entry, "definition"),
            f"NeXus has no application definition {name[:80]!r}.",
            "NeXus definitions",
        )
        return
    for one in known:
        if one.category != "application":
            continue
        for item in one.items:
            if item.tag == "group" and item.type in ("NXentry", "NXsubentry"):
                _items(session, entry, item.items, one.name, findings)


def _items(session: Session, group: str, items: tuple[Item, ...], source: str, findings: Findings) -> None:
    needed = {item.type for item in items if item.tag == "group" and item.required}
    for item in items:
        session.check()
        if item.tag == "group" and not item.required and not item.name and item.type in needed:
            continue  # nothing tells such a group from the one that must be there
        if item.tag == "choice":
            _choice(session, group, item, source, findings)
        elif item.tag == "group":
            _group(session, group, item, source, findings)
        elif item.tag == "field":
            _field(session, group, item, source, findings)
        elif item.required and item.name and session.get(join(group, item.name)) is None:
            findings.add("error", group, f"{source} asks for a link {item.name!r}.", source)


def _matching(session: Session, group: str, item: Item) -> list[str]:
    """The children that a group of a definition may mean: by name and class, or by class alone."""
    if item.name:
        path = join(group, item.name)
        return [path] if session.group(path) is not None else []
    return session.of_class(group, item.type, 200)[:MAX_SAME]


def _group(session: Session, group: str, item: Item, source: str, findings: Findings) -> None:
    found = _matching(session, group, item)
    if not found:
        words = f"a group {item.name!r} of class {item.type}" if item.name else f"a group of class {item.type}"
        if item.required:
            findings.add("error", group, f"{source} asks for {words}.", source)
        elif item.recommended:
            findings.add("note", group, f"{source} recommends {words}.", source)
        return
    for path in found:
        if item.name and item.type and (kind := session.nx_class(path)) != item.type:
            findings.add(
                "error", path, f"{source} asks for class {item.type}; this is {kind or 'of no class'}.", source
            )
    # Of several groups of one class it is enough that one is complete: the best one is told about.
    best: Findings | None = None
    for path in found:
        own = type(findings)()
        _items(session, path, item.items, source, own)
        if best is None or _weight(own) < _weight(best):
            best = own
    for finding in best.found if best is not None else ():
        findings.add(**_arguments(finding))


def _weight(findings: Findings) -> tuple[int, int]:
    errors = sum(1 for found in findings.found if found["level"] == "error")
    return errors, len(findings.found)


def _arguments(finding: dict[str, Any]) -> dict[str, str]:
    return {**finding, "source": finding.get("source", "")}


def _field(session: Session, group: str, item: Item, source: str, findings: Findings) -> None:
    if not item.name:
        return
    path = join(group, item.name)
    dataset = session.dataset(path)
    if dataset is None:
        if item.required:
            findings.add("error", group, f"{source} asks for a field {item.name!r}.", source)
        elif item.recommended:
            findings.add("note", group, f"{source} recommends a field {item.name!r}.", source)
        return
    kind = session.kind(path)["class"]
    wanted = _KINDS.get(item.type)
    if wanted and kind not in wanted:
        findings.add("warning", path, f"{source} asks for {item.type}; this is {kind}.", source)
    if item.values and kind == "string":
        value = session.string(path)
        if value is not None and value.strip() not in item.values:
            choices = ", ".join(item.values[:12])
            findings.add(
                "warning", path, f"{value[:60]!r} is none of the values that {source} knows: {choices}.", source
            )


def _choice(session: Session, group: str, item: Item, source: str, findings: Findings) -> None:
    there = [option for option in item.items if session.get(join(group, option.name or item.name)) is not None]
    if not there:
        if item.required:
            findings.add("error", group, f"{source} asks for one of several forms of {basename(item.name)!r}.", source)
        return
    _items(session, group, tuple(there[:1]), source, findings)
