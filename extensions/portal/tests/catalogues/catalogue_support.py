"""Catalogues for tests: one of an implementation, before a fake of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from panosc_portal.catalogues.model import Credentials, Dataset, Found, ParameterCondition, Query
from panosc_portal.catalogues.panosc import PanoscCatalogue
from pydantic import SecretStr

from panosc_spawner.facilities.catalogue_rules import PanoscCatalogue as Rule
from panosc_spawner.facilities.load import load_facility

WAVELENGTH = ParameterCondition("incident_wavelength", 4.0, 5.5, "angstrom")
ADA = Credentials("ada", SecretStr("token-of-ada"), "ill")


def panosc(url: str, implementation: str, facility: str | None = "ill", **keys: Any) -> PanoscCatalogue:
    """A PaNOSC search API at an address."""
    keys.setdefault("timeout", "5s")
    rule = Rule.model_validate(
        {"type": "panosc", "name": "ill", "url": f"{url}/api", "implementation": implementation, **keys}
    )
    return PanoscCatalogue(rule, load_facility(facility) if facility else None, Path("/nonexistent"))


async def ask(catalogue: Any, query: Query | None = None, *, skip: int = 0, limit: int = 50, who: Any = None) -> Found:
    """A question with what tests mostly want."""
    found: Found = await catalogue.search(query or Query(), skip=skip, limit=limit, credentials=who)
    return found


def numbers(found: Found) -> list[int]:
    """The data sets by their numbers in the fakes' world."""
    return [number_of(one) for one in found.datasets]


def number_of(dataset: Dataset) -> int:
    """Its number in the fakes' world."""
    return int(dataset.pid.rpartition("/")[2])
