"""Catalogues without a network that are slow, fail, cut first, or forget what was asked: as a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from panosc_portal.catalogues.model import (
    Availability,
    Capabilities,
    Credentials,
    Dataset,
    Document,
    File,
    Found,
    Instrument,
    Kind,
    Parameter,
    Query,
    Sample,
    Technique,
)

from panosc_spawner.facilities.portal_search_rules import SearchRules

QUICK = SearchRules(wait=timedelta(seconds=0.2), wait_in_all=timedelta(seconds=0.5), results=6)
PATIENT = SearchRules(wait=timedelta(seconds=20), wait_in_all=timedelta(seconds=40), results=6)  # where none hangs
ALL_KINDS = frozenset(Kind)


def dataset(source: str, number: int, **more: object) -> Dataset:
    """One of many."""
    values: dict[str, object] = {"title": f"{source} data set {number}", "availability": Availability.OPEN, **more}
    return Dataset(source=source, pid=str(values.pop("pid", f"{source}-{number}")), **values)  # type: ignore[arg-type]


def rich(source: str, number: int, facility: str = "esrf") -> Dataset:
    """With all that a catalogue may tell."""
    techniques = (
        ("small angle x-ray scattering", "http://purl.org/pan-science/PaNET/PaNET01188"),
        ("x-ray powder diffraction", "http://purl.org/pan-science/PaNET/PaNET01101"),
        ("x-ray tomography", "http://purl.org/pan-science/PaNET/PaNET01207"),
    )
    availability = (Availability.OPEN, Availability.OPEN, Availability.EMBARGOED, Availability.UNKNOWN)[number % 4]
    return dataset(
        source,
        number,
        title=("Ferrofluid in a rotating field", "Silica spheres, dilution series", "Bone under load")[number % 3]
        + f", run {number}",
        facility=facility,
        availability=availability,
        created=datetime(2019 + number % 6, 3 + number % 8, 11, tzinfo=UTC),
        instrument=Instrument(("ID02", "ID31", "D33")[number % 3], facility.upper()),
        techniques=(Technique(*techniques[number % 3]),),
        parameters=(
            Parameter("incident_wavelength", 0.5 + 0.1 * (number % 5), "nm"),
            Parameter("sample_temperature", 20.0 + number % 7, "°C"),
        ),
        samples=(Sample(("magnetite in oil", "silica", "bone")[number % 3]),),
        documents=(Document(f"p-{number}", f"Proposal on run {number}", "proposal"),),
        proposal=f"ma{1000 + number % 5}",
        size=10 ** (6 + number % 6),
    )


@dataclass
class FakeCatalogue:
    """A catalogue over a list.

    Attributes:
        hold: keeps the data sets of its list that it gives for a query; None: all of them, whatever is asked.
        delay: seconds before it answers; infinite: never.
        failure: raised instead of an answer.
        asked: (query, skip, limit, person) of each question.
    """

    name: str
    datasets: Sequence[Dataset] = ()
    facilities: frozenset[str] = frozenset()
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(asks=ALL_KINDS, counts=True))
    applied: frozenset[Kind] = ALL_KINDS
    hold: Callable[[Query, Dataset], bool] | None = None
    delay: float = 0.0
    failure: Exception | None = None
    private: Sequence[Dataset] = ()
    token: str = ""
    asked: list[tuple[Query, int, int, str]] = field(default_factory=list)
    closed: bool = False
    title: str = ""

    async def search(self, query: Query, *, skip: int, limit: int, credentials: Credentials | None) -> Found:
        self.asked.append((query, skip, limit, credentials.person if credentials else ""))
        await self._wait()
        held = list(self.datasets)
        if credentials is not None and credentials.token.get_secret_value() == self.token:
            held = [*self.private, *held]
        if self.capabilities.limits_first:
            window = held[skip : skip + limit]
            given = [one for one in window if self.hold is None or self.hold(query, one)]
            return Found(tuple(given), None, self.applied, skip + limit if skip + limit < len(held) else None)
        held = [one for one in held if self.hold is None or self.hold(query, one)]
        given = held[skip : skip + limit]
        return Found(tuple(given), len(held), self.applied, skip + limit if skip + limit < len(held) else None)

    async def get(self, pid: str, credentials: Credentials | None) -> Dataset | None:
        await self._wait()
        return next((one for one in self.datasets if pid in (one.pid, one.doi)), None)

    async def _wait(self) -> None:
        if self.delay == float("inf"):
            await asyncio.Event().wait()
        await asyncio.sleep(self.delay)
        if self.failure is not None:
            raise self.failure

    async def files(self, dataset: Dataset, credentials: Credentials | None) -> AsyncIterator[File]:
        for one in ():
            yield one

    async def check(self) -> str:
        return "fine"

    async def aclose(self) -> None:
        self.closed = True
