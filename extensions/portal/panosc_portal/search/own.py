"""Which data sets are of the person's own proposals: by the hub's list, never by what a catalogue says of itself."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from panosc_portal.catalogues.model import Availability, Dataset
from panosc_portal.errors import HubError
from panosc_portal.hub import Hub, Login
from panosc_spawner.errors import IdError
from panosc_spawner.facilities.model import Facility
from panosc_spawner.facilities.site import Site

_FRESH = 60.0
_WAIT = 1.0
_MOST = 2000


@dataclass(frozen=True)
class Refs:
    """One person's, as ``esrf/ma1234``."""

    refs: frozenset[str] = frozenset()
    facilities: Mapping[str, Facility] = field(default_factory=dict)

    def mark(self, dataset: Dataset) -> Dataset:
        """The data set, marked as the person's own if it is of one of their proposals."""
        ref = self._ref(dataset)
        if ref in self.refs:
            return replace(dataset, availability=Availability.OWN)
        return dataset

    def _ref(self, dataset: Dataset) -> str:
        facility = self.facilities.get(dataset.facility)
        if not self.refs or facility is None or facility.proposals is None or not dataset.proposal:
            return ""
        try:
            return f"{dataset.facility}/{facility.proposals.normalise(dataset.proposal)}"
        except IdError:
            return ""


class OwnProposals:
    """The proposals of people, as the hub told them within the last minute.

    Args:
        site: how its facilities write proposals' ids.
        hub: it is asked.
        now: a clock in seconds, for tests.
    """

    def __init__(self, site: Site, hub: Hub, now: Callable[[], float] = time.monotonic) -> None:
        self._site, self._hub, self._now = site, hub, now
        self._kept: OrderedDict[str, tuple[float, Refs]] = OrderedDict()

    async def of(self, login: Login | None) -> Refs:
        """A person's; none for nobody, and none if the hub does not answer in time: then nothing is marked."""
        if login is None:
            return Refs()
        kept = self._kept.get(login.username)
        if kept is not None and self._now() - kept[0] < _FRESH:
            return kept[1]
        try:
            async with asyncio.timeout(_WAIT):
                report = await self._hub.person(login)
        except (TimeoutError, HubError):
            return kept[1] if kept is not None and self._now() - kept[0] < 5 * _FRESH else Refs()
        found = Refs(frozenset(one.ref for one in report.proposals), self._site.facilities)
        self._kept[login.username] = (self._now(), found)
        self._kept.move_to_end(login.username)
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return found
