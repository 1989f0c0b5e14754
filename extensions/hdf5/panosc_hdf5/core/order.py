"""The orders of a group's children. Names are read once for each state of a file."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from h5py import h5, h5g, h5l, h5p

from panosc_hdf5.core.fields import field_text
from panosc_hdf5.core.links import open_object, text

if TYPE_CHECKING:
    from panosc_hdf5.core.open_file import OpenFile

SORTS = ("natural", "name", "creation", "start_time", "native")
MAX_SORTED = 1_000_000
MAX_START_TIMES = 20_000
_DIGITS = re.compile(r"(\d+)")
_PREFIX = re.compile(rb"\D*")
_SCANS = re.compile(rb"(?:\d{1,9}\.\d{1,9}\n)*\d{1,9}\.\d{1,9}")


def natural_key(name: str) -> list[Any]:
    """Numbers in a name count as numbers: ``2.1`` before ``10.1``."""
    return [int(part) if index % 2 else part.casefold() for index, part in enumerate(_DIGITS.split(name))]


def natural(names: list[bytes]) -> list[bytes]:
    """Names in natural order.

    Args:
        names: in the order of their bytes, as HDF5 gives them.
    """
    if len(names) < 2:
        return list(names)
    if _numbered(names):
        return sorted(names, key=len)
    joined = b"\n".join(names)
    if joined.count(b"\n") == len(names) - 1 and _SCANS.fullmatch(joined):
        return sorted(names, key=_scan_key)
    return sorted(names, key=lambda name: (natural_key(text(name)[:1024]), name))


def _numbered(names: list[bytes]) -> bool:
    """Whether all are one word with a number behind, of one length or without leading zeros: a longer name is a greater number."""
    match = _PREFIX.match(names[0])
    prefix = match.group() if match else b""
    if not names[-1].startswith(prefix):
        return False
    joined = b"".join(names)
    digits = joined.replace(prefix, b"") if prefix else joined
    zero = prefix + b"0"
    padded = names[1].startswith(zero) or (names[0].startswith(zero) and names[0] != zero)
    padded = padded and len(set(map(len, names))) > 1
    return digits.isdigit() and len(joined) - len(digits) == len(prefix) * len(names) and not padded


def _scan_key(name: bytes) -> tuple[int, int]:
    scan, _, part = name.partition(b".")
    return int(scan), int(part)


class Names:
    """The names of one group, in every order that was asked for.

    Args:
        group: low-level.
    """

    def __init__(self, group: Any) -> None:
        native: list[bytes] = []
        group.links.iterate(native.append)
        self.native = native
        self._orders: dict[tuple[str, bool], list[bytes]] = {("native", False): native}

    def ordered(self, group: Any, sort: str, descending: bool, check: Callable[[], None]) -> tuple[list[bytes], str]:
        """The names, and the order that they really are in: one that the group does not keep becomes another.

        Args:
            group: the low-level group again.
            sort: one of :data:`SORTS`.
            descending: the other way round.
            check: raises when nobody waits any more.
        """
        sort = self._possible(group, sort)
        key = (sort, descending)
        if key not in self._orders:
            forward = self._orders.get((sort, False)) or self._sorted(group, sort, check)
            self._orders[sort, False] = forward
            self._orders[key] = forward[::-1] if descending else forward
        return self._orders[key], sort

    def _possible(self, group: Any, sort: str) -> str:
        if sort in ("natural", "name", "start_time") and len(self.native) > MAX_SORTED:
            return "native"
        if sort == "start_time" and len(self.native) > MAX_START_TIMES:
            return "natural"
        if sort == "creation" and not tracks_creation(group):
            return "native"
        return sort

    def _sorted(self, group: Any, sort: str, check: Callable[[], None]) -> list[bytes]:
        if sort == "name":
            return sorted(self.native)
        if sort == "natural":
            return natural(self.native)
        if sort == "creation":
            found: list[bytes] = []
            group.links.iterate(found.append, idx_type=h5.INDEX_CRT_ORDER)
            return found
        return self._by_start_time(group, check)

    def _by_start_time(self, group: Any, check: Callable[[], None]) -> list[bytes]:
        times: dict[bytes, float] = {}
        for count, name in enumerate(self.native):
            if count % 64 == 0:
                check()
            times[name] = start_time(group, name)
        return sorted(natural(self.native), key=times.__getitem__)


def tracks_creation(group: Any) -> bool:
    """Whether the group knows the order in which its links were made."""
    try:
        return bool(group.get_create_plist().get_link_creation_order() & h5p.CRT_ORDER_TRACKED)
    except Exception:
        return False


def start_time(group: Any, name: bytes) -> float:
    """When a scan began, in seconds since 1970; infinity where nothing says it, so that it comes last."""
    try:
        if group.links.get_info(name).type != h5l.TYPE_HARD:
            return float("inf")
        child = open_object(group, name)
    except Exception:
        return float("inf")
    found = field_text(child, b"start_time") if isinstance(child, h5g.GroupID) else None
    return seconds(found) if found else float("inf")


def seconds(iso: str) -> float:
    """ISO 8601 as seconds since 1970, in UTC where no zone is said; infinity if it is none."""
    try:
        found = datetime.fromisoformat(iso.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return float("inf")


def names_of(group: Any, address: int | str, file: OpenFile) -> Names:
    """A group's names, read once for each state of the file."""
    key = ("names", address)
    found: Names | None = file.memo.get(key)
    if found is None:
        found = file.memo[key] = Names(group)
    return found
