"""Which environment a data set is opened in, as a table."""

from __future__ import annotations

import pytest
from panosc_portal.catalogues.model import Dataset, Instrument, Technique
from panosc_portal.opening.environment import choose_environment

from panosc_spawner.facilities.load import load_facility
from panosc_spawner.facilities.model import Environment, Facility

SAXS = "http://purl.org/pan-science/PaNET/PaNET01188"


def environment(image: str, **more: object) -> Environment:
    return Environment.model_validate({"title": image, "image": f"x/{image}:1", **more})


FACILITY: Facility = load_facility("esrf").model_copy(
    update={
        "environments": {
            "base": environment("base"),
            "powder": environment("powder", instruments=("ID31", "ID22"), techniques=("x-ray powder diffraction",)),
            "sas": environment("sas", techniques=("small angle scattering",)),
            "id02": environment("id02", instruments=("ID02",)),
            "id02sas": environment("id02sas", instruments=("ID02",), techniques=("small angle x-ray scattering",)),
            "desk": environment("desk", desktop=True, instruments=("ID31",), techniques=("x-ray powder diffraction",)),
            "old": environment("old", status="deprecated", instruments=("BM01",)),
        }
    }
)


@pytest.mark.parametrize(
    ("instrument", "techniques", "absent", "expected"),
    [
        ("ID31", (), (), "powder"),
        ("id31", (), (), "powder"),
        ("ID02", (Technique("", SAXS),), (), "id02sas"),
        ("ID02", (Technique("x-ray tomography"),), (), "id02sas"),
        ("ID02", (Technique("SAXS"),), ("x/id02sas:1",), "id02"),
        ("ID99", (Technique("small angle x-ray scattering"),), ("x/id02sas:1",), "sas"),
        ("", (Technique("", SAXS),), ("x/id02sas:1", "x/sas:1"), ""),
        ("BM01", (), (), ""),
        ("", (), (), ""),
        ("ID99", (Technique("no such thing"),), (), ""),
        ("ID99", (Technique("diffraction"),), (), "powder"),
    ],
)
def test_the_choice(instrument: str, techniques: tuple[Technique, ...], absent: tuple[str, ...], expected: str) -> None:
    found = Dataset("esrf", "1", "x", instrument=Instrument(instrument), techniques=techniques)
    assert choose_environment(FACILITY, found, absent) == expected


def test_of_a_path_alone_the_hub_chooses() -> None:
    assert choose_environment(FACILITY, None, ()) == ""
