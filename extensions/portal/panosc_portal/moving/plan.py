"""What a download consists of: the files beneath the chosen folders, under the names that the person knows them by.

A proposal's data are shown as ``raw/<visit>/scan1/a.h5`` (area, visit where there are several, path), as in a person's server.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from panosc_portal.hub import AreaDirectory, ProposalData
from panosc_portal.moving.as_person import MOST_ENTRIES, Entry, Identity, Reader, ReadError, shown

_TOLD = 50
_FORMAT = b"panosc zip 1"
WHY = {
    "link": "a link; links are not followed",
    "other": "no file (a pipe or a device)",
    "locked": "the file system does not let you read it",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A file of a download: its area's directory, its path beneath it, what it is, and the name that people see."""

    area: AreaDirectory
    path: str
    name: str
    identity: Identity

    @property
    def size(self) -> int:
        """Bytes."""
        return self.identity.size


@dataclass
class Plan:
    """The files of a download.

    Attributes:
        ref: ``esrf/ma1234``.
        paths: what was chosen, as the person sees it; empty: all.
        files: by name.
        size: bytes of all files, also of those beyond ``complete``.
        count: files in all.
        complete: whether all files are in ``files``, or there are more than were wanted.
        left_out: names and reasons of what cannot be part of it, the first of them; ``left_out_count``: of how many.
    """

    ref: str
    paths: tuple[str, ...] = ()
    files: list[Chosen] = field(default_factory=list)
    size: int = 0
    count: int = 0
    complete: bool = True
    left_out: list[tuple[str, str]] = field(default_factory=list)
    left_out_count: int = 0

    @property
    def top(self) -> str:
        """The folder in which it all lies: ``esrf-ma1234``."""
        return self.ref.replace("/", "-")

    def tag(self) -> str:
        """Differs whenever the files, their names or their contents do (by size, time and inode)."""
        digest = hashlib.sha256(_FORMAT)
        for line in (self.about(), *(f"{f.name}\0{f.identity.as_list()[:4]}" for f in self.files)):
            digest.update(line.encode("utf-8", "surrogatepass") + b"\0")
        return digest.hexdigest()[:32]

    def about(self) -> str:
        """What stands in the download itself: the same for the same files."""
        chosen = ", ".join(shown(path) for path in self.paths) or "everything"
        lines = [
            f"Data of proposal {self.ref}: {chosen}.",
            f"{self.count} files, {self.size} bytes.",
            "",
            "Whoever uses these data cites them as the facility's data policy and the data set's page say.",
        ]
        if self.left_out_count:
            lines += ["", f"Not in it ({self.left_out_count}):", *(f"- {name}: {why}" for name, why in self.left_out)]
            if self.left_out_count > len(self.left_out):
                lines.append(f"- and {self.left_out_count - len(self.left_out)} more")
        return "\n".join(lines) + "\n"


class Names:
    """Names that were given. Of several that are shown alike, the first keeps its own, and the others get a number."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}

    def free(self, name: str) -> str:
        """This name, or ``name~2``, ``name~3``… if it was given before; in a moment, however many are alike."""
        given, number = name, self._next.get(name, 1)
        while given in self._next:
            number += 1
            given = f"{name}~{number}"
        self._next[name] = number
        self._next.setdefault(given, 1)
        return given


def seen(area: AreaDirectory) -> str:
    """An area's folder as the person sees it: ``raw`` or ``raw/id31-20250915``."""
    return f"{area.area}/{area.label}" if area.label else area.area


def located(data: ProposalData, path: str) -> list[tuple[AreaDirectory, str]]:
    """The areas, and the paths in them, that a path as the person sees it means; empty if it means nothing.

    ``""`` means all areas; ``raw`` may be several visits.
    """
    wanted = PurePosixPath(path.strip("/"))
    if ".." in wanted.parts:
        return []
    found = []
    for area in data.areas:
        here = PurePosixPath(seen(area))
        if here.is_relative_to(wanted) or path.strip("/") == "":
            found.append((area, ""))
        elif wanted.is_relative_to(here):
            found.append((area, str(wanted.relative_to(here))))
    return found


def chosen_once(paths: Sequence[str]) -> tuple[str, ...]:
    """The chosen paths in one form, without those that lie in another one of them; empty: all."""
    plain = {PurePosixPath(path.strip("/")) for path in paths}
    if PurePosixPath() in plain:
        return ()
    return tuple(sorted(str(path) for path in plain if not plain.intersection(path.parents)))


async def make_plan(reader: Reader, data: ProposalData, paths: Sequence[str], most: int, count_to: int = 0) -> Plan:
    """List what was chosen.

    Args:
        reader: the person's.
        data: where their data lie.
        paths: as the person sees them; none: all.
        most: files that are kept in the plan.
        count_to: how far the rest is still counted.

    Raises:
        ReadError: if a chosen path cannot be listed, or there are more than a million entries.
    """
    plan = Plan(data.ref, chosen_once(paths))
    names = Names()
    for path in plan.paths or ("",):
        places = located(data, path)
        if not places:
            raise ReadError("missing", path)
        for place in places:
            async for entry in _entries(reader, *place):
                if not _add(plan, place[0], entry, names, most) and plan.count >= count_to:
                    return plan
    return plan


async def _entries(reader: Reader, area: AreaDirectory, path: str) -> AsyncIterator[Entry]:
    try:
        async for entry in reader.walk(area.path, path, limit=MOST_ENTRIES):
            yield entry
    except ReadError as error:
        if error.code != "missing" or not path:
            raise
        identity, _ = await reader.sums(area.path, path, sums=(), end=0)  # a file, not a folder; or it is not there
        yield Entry(path, "file", identity)


def _add(plan: Plan, area: AreaDirectory, entry: Entry, names: Names, most: int) -> bool:
    """Take an entry into the plan; False if there is no room for it any more."""
    name = f"{seen(area)}/{shown(entry.path)}"
    if entry.kind == "dir":
        return True
    if entry.kind != "file":
        plan.left_out_count += 1
        if len(plan.left_out) < _TOLD:
            plan.left_out.append((name, WHY.get(entry.kind, entry.kind)))
        return True
    if len(plan.files) >= most:
        plan.complete = False
        plan.size, plan.count = plan.size + entry.size, plan.count + 1
        return False
    name = names.free(name)
    plan.files.append(Chosen(area, entry.path, name, entry.identity))
    plan.size, plan.count = plan.size + entry.size, plan.count + 1
    return True
