"""``check``: what of a file is not as NeXus wants it, in words.

Structure, defaults, NXdata, dates, units, classes, links; and what the application definition that an entry names asks for,
where NeXus' definitions are installed.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import h5py

from panosc_hdf5.core import application, definitions
from panosc_hdf5.core.context import Context
from panosc_hdf5.core.errors import HDF5Error
from panosc_hdf5.core.links import components, join
from panosc_hdf5.core.nxdata import is_nxdata, plot_of_group
from panosc_hdf5.core.query import Query
from panosc_hdf5.core.session import Session, basename
from panosc_hdf5.core.tree import page_of
from panosc_hdf5.core.wire import Reply

MAX_GROUPS = 2000
MAX_CHILDREN = 1000
MAX_FINDINGS = 500
MANUAL = "NeXus manual"
_DATES = re.compile(r"(start_time|end_time|date|time_stamp|file_time|file_update_time|last_.*time)")
_CLASS = re.compile(r"(NX|SAS)[A-Za-z0-9_]+")
_VALID_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.]*[A-Za-z0-9_])?")


@dataclass
class Findings:
    """Gathers findings; the first few hundred.

    Attributes:
        found: ``IFinding``.
        truncated: whether there were more.
    """

    found: list[dict[str, Any]] = field(default_factory=list)
    truncated: bool = False

    def add(self, level: str, h5path: str, message: str, source: str = "") -> None:
        """One finding; ``level`` is ``error``, ``warning`` or ``note``."""
        entry = {"level": level, "h5path": h5path, "message": message} | ({"source": source} if source else {})
        if len(self.found) >= MAX_FINDINGS:
            self.truncated = True
        elif entry not in self.found:
            self.found.append(entry)


def check(query: Query, context: Context) -> Reply:
    """``{h5path, findings: IFinding[], groups, definitions, applications, truncated}``.

    ``definitions`` is the version of NeXus' definitions, or empty: then there is a note how to get them.
    """
    h5path = "/" + "/".join(components(query.text("h5path", "/")))
    with Session(context.services.files, query.text("path"), context.check) as session:
        located = session.at(h5path)
        located.group()
        findings = Findings()
        walk = _Walk(session, context, findings)
        if h5path == "/":
            _root(session, findings)
        walk.from_group(h5path)
        for entry, name in walk.applications:
            application.check_entry(session, entry, name, findings)
        if not definitions.version():
            findings.add(
                "note",
                h5path,
                "NeXus' definitions are not installed here: classes, units and application definitions were not checked. "
                "The package nexusformat brings them.",
            )
        order = {"error": 0, "warning": 1, "note": 2}
        header = {
            "h5path": h5path,
            "findings": sorted(findings.found, key=lambda found: order[found["level"]]),
            "groups": walk.groups,
            "definitions": definitions.version(),
            "applications": sorted({name for _, name in walk.applications}),
            "truncated": findings.truncated or walk.truncated,
        }
        return Reply(header, depends=session.stamps_beside(located.origin.path))


def _root(session: Session, findings: Findings) -> None:
    entries = session.of_class("/", "NXentry", MAX_CHILDREN)
    if not entries:
        findings.add("error", "/", "There is no NXentry: this is HDF5, but not NeXus.", f"{MANUAL}, NXroot")
        return
    if session.nx_class("/") != "NXroot":
        findings.add("note", "/", "The root has no NX_class NXroot.", f"{MANUAL}, NXroot")
    if session.attribute("/", "default") is None:
        findings.add(
            "note", "/", "Nothing says which entry is shown first (@default).", f"{MANUAL}, find the default plot"
        )


class _Walk:
    def __init__(self, session: Session, context: Context, findings: Findings) -> None:
        self._session = session
        self._context = context
        self._findings = findings
        self._seen: set[tuple[str, int]] = set()
        self.applications: list[tuple[str, str]] = []
        self.groups = 0
        self.truncated = False

    def from_group(self, start: str) -> None:
        pending: deque[str] = deque([start])
        while pending:
            self._context.check()
            path = pending.popleft()
            located = self._session.get(path)
            if located is None or not isinstance(located.object, h5py.Group):
                continue
            key = (located.file.path, int(h5py.h5o.get_info(located.object.id).addr))
            if key in self._seen:
                continue
            self._seen.add(key)
            if self.groups >= MAX_GROUPS:
                self.truncated = True
                return
            self.groups += 1
            pending.extend(self._group(path))

    def _group(self, path: str) -> list[str]:
        """Check one group; its own groups."""
        try:
            page = page_of(self._session.at(path), self._context, 0, MAX_CHILDREN, h5path=path)
        except HDF5Error as error:
            self._findings.add("error", path, error.message)
            return []
        if page["total"] > MAX_CHILDREN:
            self.truncated = True
        kind = self._session.nx_class(path)
        self._class(path, kind)
        self._default(path, kind)
        if is_nxdata(self._session, path):
            self._nxdata(path)
        known = definitions.definition(kind) if kind else None
        for child in page["children"]:
            self._child(child, known)
        return [c["h5path"] for c in page["children"] if c["kind"] == "group" and c["link"]["type"] == "hard"]

    def _class(self, path: str, kind: str) -> None:
        if not kind:
            if path != "/":
                self._findings.add(
                    "note", path, "The group has no NX_class; NeXus readers pass over it.", f"{MANUAL}, groups"
                )
            return
        if not _CLASS.fullmatch(kind):
            self._findings.add("warning", path, f"{kind[:80]!r} is no name of a NeXus class.", f"{MANUAL}, classes")
        elif definitions.version() and kind.startswith("NX") and definitions.definition(kind) is None:
            self._findings.add(
                "warning", path, f"NeXus has no class {kind}.", f"NeXus definitions {definitions.version()}"
            )
        if kind in ("NXentry", "NXsubentry"):
            name = self._session.string(join(path, "definition"))
            if name:
                self.applications.append((path, name.strip()))

    def _default(self, path: str, kind: str) -> None:
        default = self._session.attribute(path, "default")
        if default is None:
            if kind == "NXentry" and not self._session.of_class(path, "NXdata"):
                self._findings.add(
                    "warning",
                    path,
                    "The entry has no NXdata group, and no @default: nothing is shown first.",
                    f"{MANUAL}, NXentry",
                )
            return
        target = default if default.startswith("/") else join(path, default)
        if self._session.get(target) is None:
            self._findings.add(
                "error", path, f"@default names {default!r}, which is not there.", f"{MANUAL}, find the default plot"
            )

    def _nxdata(self, path: str) -> None:
        plot = plot_of_group(self._session, path)
        if plot is None:
            self._findings.add("error", path, "The group has nothing that could be plotted.", f"{MANUAL}, NXdata")
            return
        for problem in plot["problems"]:
            level = "error" if problem["code"] == "no_signal" else "warning"
            self._findings.add(level, path, problem["message"], f"{MANUAL}, NXdata")

    def _child(self, child: dict[str, Any], known: definitions.Definition | None) -> None:
        path = child["h5path"]
        if child["kind"] == "error":
            self._findings.add("error", path, child["error"]["message"])
            return
        if not _VALID_NAME.fullmatch(child["name"]):
            self._findings.add("note", path, "The name holds letters that NeXus does not allow.", f"{MANUAL}, names")
        if child["kind"] == "dataset":
            if _DATES.fullmatch(child["name"]) and child["type"]["class"] == "string":
                self._date(path)
            self._units(child, known)

    def _date(self, path: str) -> None:
        value = self._session.string(path)
        if value is None or not value.strip():
            self._findings.add("warning", path, "The date is empty.", f"{MANUAL}, dates and times (ISO 8601)")
            return
        try:
            found = datetime.fromisoformat(value.strip())
        except ValueError:
            self._findings.add(
                "warning", path, f"{value[:60]!r} is no ISO 8601 date.", f"{MANUAL}, dates and times (ISO 8601)"
            )
            return
        if found.tzinfo is None:
            self._findings.add(
                "note", path, "The date does not say its time zone.", f"{MANUAL}, dates and times (ISO 8601)"
            )

    def _units(self, child: dict[str, Any], known: definitions.Definition | None) -> None:
        kind = known.units.get(basename(child["h5path"])) if known is not None else None
        if known is None or kind is None or child["type"]["class"] not in ("integer", "float"):
            return
        if self._session.attribute(child["h5path"], "units") is None:
            words = kind.removeprefix("NX_").lower().replace("_", " ") if kind.startswith("NX_") else f"such as {kind}"
            self._findings.add(
                "warning", child["h5path"], f"The field has no @units; a unit of {words} is due.", known.name
            )
