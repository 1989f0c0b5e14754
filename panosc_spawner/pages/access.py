"""Who opened data of my proposals, and what happened to my account."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from tornado import web

from panosc_spawner.audit import Entry, Filter, newest
from panosc_spawner.facilities.model import Role
from panosc_spawner.pages.handler import PageHandler
from panosc_spawner.pages.opened import happenings, openings
from panosc_spawner.pages.words import shown_name
from panosc_spawner.proposals.model import Grant

MAX_BYTES = 64 * 1024**2
"""How much of the log is looked at, from its end: some 200,000 lines, in less than a second."""

_PROPOSAL = re.compile(rb'"proposal": "([^"]*)"')
_KEPT_SECONDS = 20.0
_KEPT = 200


@dataclass(frozen=True)
class Looked:
    """What was found in the log, the newest first, and how far back it was looked."""

    entries: tuple[Entry, ...]
    since: datetime | None
    complete: bool


@dataclass
class _Looks:
    """One look at the log at a time, and the last ones for some seconds: a reload costs nothing."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    kept: OrderedDict[tuple[str, frozenset[str]], tuple[float, Looked]] = field(default_factory=OrderedDict)

    async def look(self, file: Path, own: str, proposals: frozenset[str]) -> Looked:
        async with self.turn:
            key = (own, proposals)
            at, looked = self.kept.get(key, (0.0, None))
            if looked is None or time.monotonic() - at > _KEPT_SECONDS:
                looked = await asyncio.to_thread(look_at_log, file, own, proposals)
                self.kept[key] = (time.monotonic(), looked)
                self.kept.move_to_end(key)
                while len(self.kept) > _KEPT:
                    self.kept.popitem(last=False)
            return looked


def look_at_log(file: Path, own: str, proposals: frozenset[str], max_bytes: int = MAX_BYTES) -> Looked:
    """Lines about a person and about proposals, from the last ``max_bytes`` of the log.

    Args:
        file: the log's newest file.
        own: the hub's user name whose lines are wanted.
        proposals: whose lines are wanted, whomever they are about.
        max_bytes: where to stop.
    """
    mine = f'"person": "{own}"'.encode()
    refs = {ref.encode() for ref in proposals}

    def worth(block: bytes) -> bool:
        return mine in block or not refs.isdisjoint(_PROPOSAL.findall(block))

    tail = newest(file, Filter(), max_bytes=max_bytes, candidate=worth, worth=worth)
    entries = tuple(entry for entry in tail.entries if entry.get("person") == own or entry.get("proposal") in proposals)
    return Looked(entries, tail.reached, tail.complete)


def led_by(grants: tuple[Grant, ...], now: datetime) -> dict[str, str]:
    """The proposals whose main proposer somebody is, confirmed now, with their titles; ended ones count, future ones do not."""
    return {
        str(grant.ref): grant.proposal.title
        for grant in grants
        if grant.role is Role.PI and grant.confirmed and (not grant.not_before or grant.not_before <= now)
    }


class AccessHandler(PageHandler):
    """``/access``: for the person at the browser, about their own proposals and their own account."""

    looks = _Looks()

    @web.authenticated
    async def get(self) -> None:
        """The page."""
        self.require("read:servers")
        person = await self.person()
        report = await self.report(person)
        led = led_by(report.grants, datetime.now(UTC))
        looked = Looked((), None, True)
        trouble = ""
        file = self.pages.context.audit.file
        if file is not None:
            try:
                looked = await self.looks.look(file, person.username, frozenset(led))
            except OSError as error:
                self.log.error("The audit log cannot be read: %s", error)
                trouble = "What was written down cannot be read just now. Try again in a few minutes."
        await self.show(
            "access.html",
            led=led,
            openings=openings(looked.entries, frozenset(led), person.username, cache(self._name_of)),
            happenings=happenings(looked.entries, person.username),
            looked=looked,
            trouble=trouble,
            outcomes=report.outcomes,
            facilities={key: facility.short_name for key, facility in self.pages.context.site.facilities.items()},
        )

    def _name_of(self, username: str) -> str:
        user = self.find_user(username)
        return shown_name(user) if user else ""
