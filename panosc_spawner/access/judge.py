"""Deciding about running servers again and again, with a memory of how long nobody could say how it stands."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from panosc_spawner.access.decisions import Decision, Standing, decide
from panosc_spawner.access.held import Held
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.site import Site
from panosc_spawner.outages import FORGET, Silences
from panosc_spawner.proposals.model import GrantReport

_Question = tuple[str, str, datetime, ProposalRef]
"""How it stands with a proposal in a person's server of this name that was decided about then."""


class Judge:
    """Decides as :func:`~panosc_spawner.access.decisions.decide` does, for one run of the hub.

    Args:
        site: the site.
        speakers: for each source's name, the facilities for which its word counts.
        between: the most that lies between two looks at the same server.
        clock: seconds, for tests.
    """

    def __init__(
        self,
        site: Site,
        speakers: Mapping[str, frozenset[str]],
        between: timedelta = FORGET,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._site, self._speakers = site, speakers
        self._silences = Silences[_Question](clock, max(FORGET, between))

    def decide(self, person: str, name: str, held: Held, report: GrantReport, now: datetime) -> Decision:
        """Decide about a server now.

        Args:
            person: whose it is.
            name: of the server.
            held: what it holds.
            report: what the sources say about its owner now.
            now: the time, with zone.
        """
        keys = {ref: (person, name, held.decided_at, ref) for ref in held.proposals}
        silence = {ref: self._silences.lasted(key) for ref, key in keys.items()}
        decision = decide(held, report, self._site, self._speakers, now, silence)
        for verdict in decision.verdicts:
            if verdict.standing in (Standing.UNKNOWN, Standing.UNCONFIRMED):
                self._silences.failed(keys[verdict.ref])
            elif verdict.ref in keys:
                self._silences.answered(keys[verdict.ref])
        return decision

    def tidy(self) -> None:
        """Forget servers that nobody looks at any more."""
        self._silences.tidy()
