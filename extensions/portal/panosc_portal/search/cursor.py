"""Where a further page of a search begins: an opaque name in its address, which only fits the person and the question it was made for.

What it stands for is kept here: how far each catalogue was read, and what was shown, so that nothing is shown twice and nothing is
left out. The name is signed (HMAC-SHA256), so names cannot be tried out, and one of another search or person is told from one that
is too old.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from panosc_portal.catalogues.model import Query
from panosc_portal.errors import PortalError

_NAME, _TIME, _SIGN = 12, 5, 16
LIFETIME = 3600.0
"""Seconds for which a further page can be asked for."""
_MOST = 5000


class CursorError(PortalError):
    """The address of a further page is of no use, in words."""


@dataclass(frozen=True)
class Position:
    """How far one catalogue was read.

    Attributes:
        skip: where its last answer began.
        used: how many of that answer's data sets were looked at.
        over: nothing is left.
    """

    skip: int = 0
    used: int = 0
    over: bool = False


@dataclass(frozen=True)
class Place:
    """Between two pages of one search.

    Attributes:
        positions: by source; one that is not in it was not read yet.
        page: the number of the page that begins here, from 1.
    """

    positions: Mapping[str, Position] = field(default_factory=dict)
    page: int = 1
    before: Place | None = None
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # shown on the page before this place

    def shown(self) -> Shown:
        """What was shown before this place."""
        return Shown(self)

    def after(self, positions: Mapping[str, Position], names: Iterable[tuple[str, str]], *, page: int) -> Place:
        """The place behind a page that began here."""
        collected: dict[str, tuple[str, ...]] = {}
        for name, source in names:
            collected[name] = (*collected.get(name, ()), source)
        return Place(positions, page, self, collected)


class Shown(Mapping[str, Collection[str]]):
    """Names of what was shown before a place, and in which sources: the pages' own, one behind the other."""

    def __init__(self, place: Place) -> None:
        self._pages: list[Mapping[str, tuple[str, ...]]] = []
        now: Place | None = place
        while now is not None:
            if now.names:
                self._pages.append(now.names)
            now = now.before

    def __getitem__(self, name: str) -> Collection[str]:
        found = [source for page in self._pages for source in page.get(name, ())]
        if not found:
            raise KeyError(name)
        return found

    def __contains__(self, name: object) -> bool:
        return any(name in page for page in self._pages)

    def __bool__(self) -> bool:
        return bool(self._pages)

    def __iter__(self) -> Iterator[str]:
        return iter({name for page in self._pages for name in page})

    def __len__(self) -> int:
        return len({name for page in self._pages for name in page})


class Cursors:
    """The places of all searches, the oldest forgotten first.

    Args:
        now: a clock in seconds, for tests.
        most: places that are kept.
    """

    def __init__(self, now: Callable[[], float] = time.time, most: int = _MOST) -> None:
        self._secret = secrets.token_bytes(32)
        self._now, self._most = now, most
        self._places: OrderedDict[bytes, Place] = OrderedDict()

    def keep(self, place: Place, query: Query, person: str) -> str:
        """A name for a place, to put into an address."""
        name = secrets.token_bytes(_NAME)
        self._places[name] = place
        while len(self._places) > self._most:
            self._places.popitem(last=False)
        body = name + int(self._now()).to_bytes(_TIME, "big")
        return base64.urlsafe_b64encode(body + self._sign(body, query, person)).decode()

    def place(self, text: str, query: Query, person: str) -> Place:
        """The place of that name; the beginning for an empty one.

        Raises:
            CursorError: in words, if the name is not of ours, of another search or person, or too old.
        """
        if not text:
            return Place()
        try:
            raw = base64.b64decode(text, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        body, sign = raw[: _NAME + _TIME], raw[_NAME + _TIME :]
        if len(raw) != _NAME + _TIME + _SIGN or not hmac.compare_digest(sign, self._sign(body, query, person)):
            raise CursorError(
                "This address of a further page was made for another search, for somebody else, or is incomplete."
            )
        place = self._places.get(body[:_NAME])
        if place is None or self._now() - int.from_bytes(body[_NAME:], "big") > LIFETIME:
            raise CursorError("This further page is too old: what catalogues have may have changed meanwhile.")
        self._places.move_to_end(body[:_NAME])
        return place

    def __len__(self) -> int:
        return len(self._places)

    def _sign(self, body: bytes, query: Query, person: str) -> bytes:
        # repr of the frozen dataclass: every field, and no two queries alike
        said = b"\0".join((body, repr(query).encode(), person.encode()))
        return hmac.new(self._secret, said, hashlib.sha256).digest()[:_SIGN]
