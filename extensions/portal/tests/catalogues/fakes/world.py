"""Data sets that all fakes hold: two on ferrofluids near 5 angstrom, one of them public only to its team, and others."""

from __future__ import annotations

import copy
from typing import Any

PANET = "http://purl.org/pan-science/PaNET/"
SANS, XRD = "PaNET01189", "PaNET01216"
Thing = dict[str, Any]


def parameter(name: str, value: float | str, unit: str = "") -> Thing:
    """A parameter."""
    return {"id": f"{name}-{value}", "name": name, "value": value, "unit": unit}


def dataset(
    number: int,
    title: str,
    *,
    public: bool = True,
    technique: str = SANS,
    parameters: tuple[Thing, ...] = (),
    instrument: str = "D22",
    year: int = 2021,
    sample: str = "",
    proposal: str = "8-04-923",
) -> Thing:
    """A data set with all that belongs to it. PIDs have a slash in them, as handles and DOIs do."""
    document = {
        "pid": f"10.5291/ILL-DATA.{proposal}",
        "isPublic": public,
        "type": "proposal",
        "title": f"Proposal {proposal}",
        "summary": "Magnetic liquids",
        "doi": f"10.5291/ILL-DATA.{proposal}",
        "startDate": f"{year}-03-01T00:00:00.000Z",
        "releaseDate": f"{year + 3}-03-01T00:00:00.000Z",
        "license": "CC-BY-4.0",
        "keywords": ["ferrofluid"],
        "members": [
            {
                "id": "m1",
                "role": "principal investigator",
                "person": {"id": "p1", "fullName": "Ada Lovelace", "orcid": "0000-0001"},
                "affiliation": {"id": "a1", "name": "ILL"},
            }
        ],
    }
    return {
        "pid": f"20.500.12269/BRIGHTNESS/{number:04d}",
        "title": title,
        "isPublic": public,
        "size": 1000 * number,
        "creationDate": f"{year}-03-{number % 28 + 1:02d}T10:00:00.000Z",
        "document": document,
        "techniques": [{"pid": PANET + technique, "name": technique, "panetId": PANET + technique}],
        "instrument": {"pid": f"i-{instrument}", "name": instrument, "facility": "ILL"},
        "parameters": [dict(one) for one in parameters],
        "samples": [{"pid": f"s{number}", "name": sample, "description": f"{sample} in water"}] if sample else [],
        "files": [
            {
                "id": f"f{number}-{index}",
                "name": f"{number:06d}.nxs",
                "path": f"/data/{proposal}/rawdata",
                "size": 10 + index,
            }
            for index in range(2)
        ],
    }


def nanometre(value: float) -> Thing:
    """A wavelength as it is kept."""
    return parameter("incident_wavelength", value, "nm")


def world() -> list[Thing]:
    """Eleven data sets; the ones with 5 angstrom stand neither first nor last."""
    filler = [
        dataset(number, f"Steel under load {number}", technique=XRD, instrument="D17", year=2010 + number)
        for number in range(1, 7)
    ]
    wanted = [
        dataset(
            7,
            "Ferrofluid in a field",
            parameters=(nanometre(0.5), parameter("sample_temperature", 293.15, "K")),
            sample="magnetite",
        ),
        dataset(8, "Ferrofluid, dried", parameters=(nanometre(0.6), parameter("sample_state", "solid")), year=2022),
        dataset(9, "Ferrofluid, own", public=False, parameters=(nanometre(0.5),), proposal="TEST-3519"),
        dataset(10, "Water", parameters=(nanometre(1.2),), instrument="FIGARO", year=2019),
        dataset(11, "Ferrofluid in heavy water", parameters=(nanometre(0.45),), sample="magnetite", year=2020),
    ]
    return copy.deepcopy(filler + wanted)
