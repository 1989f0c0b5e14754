"""A small facility for tests: the same facts as entries for the index, and as plain objects for the reference evaluator."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from panosc_portal.catalogues.model import Dataset, Document, File, Instrument, Member, Parameter, Sample, Technique
from panosc_portal.index.store import Store
from panosc_portal.index.write import Entry, put

PANET = "http://purl.org/pan-science/PaNET/"
SAS, SAXS, SANS, DIFFRACTION = (f"{PANET}{one}" for one in ("PaNET01124", "PaNET01188", "PaNET01189", "PaNET01022"))
NAMES = {
    SAS: "small angle scattering",
    SAXS: "small angle x-ray scattering",
    SANS: "small angle neutron scattering",
    DIFFRACTION: "diffraction",
}
A, B = "esrf/ma1234", "ill/8-04-923"


def facts() -> list[dict[str, Any]]:
    """Data sets: public ones, and ones of two proposals. Values are chosen to meet in all units, cases and edges."""
    d22 = {"pid": "ill:d22", "name": "D22", "facility": "ILL"}
    id31 = {"pid": "esrf:id31", "name": "ID31", "facility": "ESRF"}
    loki = {"pid": "ess:loki", "name": "LoKI", "facility": "ESS"}
    rows = [
        ("10.5/one", "Ferrofluid at 5 Å", True, "", "2020-05-05T15:01:02.341Z", 100, d22, [SANS]),
        ("10.5/two", "Iron oxide 50% in water", True, "", "2021-01-01T00:00:00.000Z", 2000, d22, [SAXS, DIFFRACTION]),
        ("10.5/three", "STRASSE", True, "", None, None, id31, []),
        ("10.5/four", "straße_x [a*b]?", False, A, "2022-03-03T00:00:00.000Z", 5, id31, [SAS]),
        ("10.5/five", "ferrofluid, closed", False, B, "2022-03-04T10:00:00.000Z", 7, loki, [SANS]),
        ("10.5/six", "Copper cylinder", True, A, "2019-12-31T23:59:59.999Z", 100, None, [DIFFRACTION]),
        ("10.5/seven", "Ünïcode 日本", False, "", "2022-01-01T00:00:00.000Z", 1, loki, [SAXS]),
        ("10.5/eight", "", True, "", "2023-06-01T12:00:00.000Z", 0, d22, [SANS]),
    ]
    parameters: list[list[tuple[str, float | str, str]]] = [
        [("incident_wavelength", 5.0, "angstrom"), ("sample_temperature", 20.0, "celsius")],
        [("incident_wavelength", 0.5, "nm"), ("sample_state", "solid", ""), ("chemical_formula", "Fe3O4", "")],
        [("incident_wavelength", 6e-10, "m"), ("sample_temperature", 293.15, "K")],
        [("photon_energy", 0.93, "keV"), ("incident_wavelength", 4.0, "angstrom")],
        [
            ("incident_wavelength", 5.0, "angstrom"),
            ("sample_temperature", -10.0, "celsius"),
            ("weight", 3.0, "bananas"),
        ],
        [("chemical_formula", "Cu", ""), ("sample_state", "solid", ""), ("number_of_scans", 12.0, "")],
        [("incident_wavelength", 1.0, "nm")],
        [],
    ]
    documents = [
        {
            "pid": "10.5/doc-1",
            "type": "publication",
            "title": "Magnetic fluids",
            "summary": "On iron.",
            "isPublic": True,
        },
        {"pid": "10.5/doc-2", "type": "proposal", "title": "Proposal two", "isPublic": True},
        {"pid": A, "type": "proposal", "title": "Hidden copper", "isPublic": False},
        {"pid": B, "type": "proposal", "title": "Hidden ferrofluid", "isPublic": False},
    ]
    of = [[0], [0, 1], [1], [2], [3], [1], [], [0]]
    samples = ["ferrofluid", "iron oxide", "", "steel", "ferrofluid", "solid copper cylinder", "x", ""]
    found = []
    for number, (pid, title, public, ref, created, size, instrument, techniques) in enumerate(rows):
        found.append(
            {
                "pid": pid,
                "title": title or pid,
                "isPublic": public,
                "ref": ref,
                "creationDate": created,
                "size": size,
                "instrument": instrument,
                "techniques": [{"pid": one, "panetId": one, "name": NAMES[one]} for one in techniques],
                "parameters": [{"name": name, "value": value, "unit": unit} for name, value, unit in parameters[number]],
                "samples": [{"pid": f"{pid}#{samples[number]}", "name": samples[number]}] if samples[number] else [],
                "documents": [documents[one] for one in of[number]],
                "files": [{"name": f"file{number}-{part}.nxs", "path": f"raw/file{number}-{part}.nxs", "size": 10 * part} for part in range(number % 3)],
            }
        )  # fmt: skip
    return found


def _entry(fact: dict[str, Any]) -> Entry:
    instrument = fact["instrument"]
    created = fact["creationDate"]
    dataset = Dataset(
        source="test",
        pid=fact["pid"],
        title=fact["title"],
        created=datetime.fromisoformat(created).astimezone(UTC) if created else None,
        size=fact["size"],
        instrument=Instrument(instrument["name"], instrument["facility"], instrument["pid"]) if instrument else None,
        techniques=tuple(Technique(one["name"], one["panetId"]) for one in fact["techniques"]),
        parameters=tuple(Parameter(one["name"], one["value"], one["unit"]) for one in fact["parameters"]),
        samples=tuple(Sample(one["name"]) for one in fact["samples"]),
        documents=tuple(
            Document(
                *(one["pid"], one["title"], one["type"], one.get("summary", "")),
                members=(
                    Member("James Chadwick", "principal investigator", "", "Cavendish"),
                    Member("John Smith", "owner"),
                ),
            )
            for one in fact["documents"]
        ),
    )
    files = [File(one["path"], one["size"]) for one in fact["files"]]
    return Entry(dataset, fact["isPublic"], fact["ref"], "test", files)


def fill(store: Store) -> Store:
    """Put all the facts into an index."""
    with store.writing() as writer:
        for fact in facts():
            put(writer, _entry(fact), 1)
    store.optimise()
    return store


def filled(folder: Path) -> Store:
    """An index with all the facts."""
    return fill(Store(folder / "index.sqlite"))
