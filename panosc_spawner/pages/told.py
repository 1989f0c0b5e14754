"""What the hub has to tell somebody on their own page: outages, and how long what they have open goes on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from panosc_spawner.outages import Outage
from panosc_spawner.pages.words import clock


@dataclass(frozen=True)
class OutageView:
    """One service that is down: what, since when, and what it means for the person who reads it."""

    name: str
    since: datetime
    meaning: str


def outage_views(
    outages: Iterable[Outage],
    titles: Mapping[str, str],
    shown: Mapping[str, str],
    seen_at: datetime,
    grace: timedelta,
    now: datetime,
) -> list[OutageView]:
    """The outages as one person's page tells of them.

    Args:
        outages: what is down now.
        titles: of login services, by their ids.
        shown: of sources, by their names: what the page shows of them meanwhile, in words.
        seen_at: when the person's own login was last confirmed.
        grace: how long people at work go on (``access.outage_grace``).
        now: the time.
    """
    return [
        OutageView(
            titles.get(outage.name, outage.name),
            outage.since,
            f"{_meaning(outage, seen_at, grace, now)} {shown.get(outage.name, '')}".strip(),
        )
        for outage in outages
    ]


def _meaning(outage: Outage, seen_at: datetime, grace: timedelta, now: datetime) -> str:
    if outage.kind == "login":
        ends = seen_at + grace
        until = f"You can go on until {clock(ends, now)} even if it stays away" if ends > now else "Save your work"
        return f"{until}. Nobody can log in with it meanwhile, and nothing new becomes yours."
    ends = outage.since + grace
    until = f"go on until {clock(ends, now)}" if ends > now else "are closed; your files are kept"
    return f"Proposals that only it knows and that you have open {until}; nothing of them can be opened anew before it answers."
