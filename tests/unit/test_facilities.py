"""The shipped facilities: complete or honest about what they lack, readable, and each with its evidence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import panosc_spawner.facilities
from panosc_spawner.facilities.load import lacking, load_facility, shipped_facilities
from panosc_spawner.facilities.model import Access, Area, Facility, Role

FOLDER = Path(panosc_spawner.facilities.__file__).parent
SHIPPED = {name: load_facility(name) for name in shipped_facilities()}
each = pytest.mark.parametrize("facility", SHIPPED.values(), ids=list(SHIPPED))


def test_who_is_there() -> None:
    assert set(SHIPPED) == {"esrf", "ill", "euxfel", "ess", "ceric", "eli", "demo"}


def test_what_is_not_public_is_to_fill_and_not_invented() -> None:
    assert {name: lacking(facility) for name, facility in SHIPPED.items() if facility.to_fill} == {
        "ess": ("areas.raw.path",),
        "ceric": ("proposals", "paths.root", "areas.raw.path"),
        "eli": ("proposals", "paths.root", "areas.raw.path"),
    }


@each
def test_its_tag_is_readable(facility: Facility) -> None:
    """WCAG AA: white text on the facility's colour has a contrast of at least 4.5."""
    channels = [int(facility.colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    assert 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) >= 4.5


@each
def test_it_says_who_it_is_and_whom_to_ask(facility: Facility) -> None:
    assert facility.name and facility.short_name and facility.user_office.name
    assert facility.url.startswith("https://")


@each
def test_it_offers_the_base_environment(facility: Facility) -> None:
    base = facility.environments[facility.default_environment]
    assert (base.title, base.image, base.pull) == ("Notebooks, HDF5 and NeXus", "panosc/base:2026.11", "never")


@each
def test_the_public_reads_raw_data_only(facility: Facility) -> None:
    for area, rule in facility.areas.items():
        expected = Access.READ if area is Area.RAW else Access.NONE
        assert rule.access_for(Role.PUBLIC) is expected
        assert area is not Area.RAW or set(rule.access.values()) <= {Access.READ, Access.NONE}


@pytest.mark.parametrize("name", ["esrf", "ill", "euxfel", "ess"])
def test_each_convention_names_its_source(name: str) -> None:
    text = (FOLDER / f"{name}.toml").read_text()
    for table in ("proposals", "paths"):
        assert re.search(rf"^\[{table}\]\n# Evidence: ", text, re.MULTILINE)
