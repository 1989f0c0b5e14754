"""Conditions tried on what came back: units, photons, techniques, names, and descriptions that say nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from panosc_portal.catalogues.model import (
    Availability,
    Dataset,
    Instrument,
    Kind,
    Parameter,
    ParameterCondition,
    Query,
    Sample,
    Technique,
)
from panosc_portal.search.checks import Conditions, Said, parameter_said, plain_doi, plain_pid
from panosc_portal.search.photons import photon_value
from search_fakes import dataset

SAXS, SANS = Technique("SAXS"), Technique("", "http://purl.org/pan-science/PaNET/PaNET01189")
NAMES = {
    "esrf": frozenset({"esrf", "european synchrotron radiation facility"}),
    "ill": frozenset({"ill", "institut laue-langevin"}),
}


def having(
    value: float | str, unit: str, name: str = "incident_wavelength", technique: Technique | None = None
) -> Dataset:
    return dataset("a", 1, parameters=(Parameter(name, value, unit),), techniques=(technique,) if technique else ())


def between(low: float | None, high: float | None, unit: str, name: str = "incident_wavelength") -> ParameterCondition:
    return ParameterCondition(name, low, high, unit)


@pytest.mark.parametrize(
    ("condition", "held", "said"),
    [
        (between(5, 5, "Å"), having(0.5, "nm"), Said.YES),
        (between(5, 5, "angstrom"), having(0.5, "nm"), Said.YES),
        (between(0.5, 0.5, "nm"), having(5, "A"), Said.YES),
        (between(0.5, 0.5, "nm"), having("5.0", "Å"), Said.YES),
        (between(5, 5, "Å"), having(0.5001, "nm"), Said.NO),
        (between(None, 4.9, "Å"), having(0.5, "nm"), Said.NO),
        (between(4.9, None, "Å"), having(0.5, "nm"), Said.YES),
        (between(5, 5, "Å"), having(0.5, "K"), Said.NOTHING),
        (between(5, 5, "Å"), having(0.5, ""), Said.NOTHING),
        (between(5, 5, "Å"), having(0.5, "m**9**9**9"), Said.NOTHING),
        (between(5, 5, "Å"), having("about five", "Å"), Said.NOTHING),
        (between(5, 5, "Å"), having("nan", "Å"), Said.NOTHING),
        (between(5, 5, "Å"), dataset("a", 1), Said.NOTHING),
        (between(5, 5, "Å"), having(0.5, "nm", "Incident Wavelength"), Said.YES),
        # degrees: an offset, and never a difference
        (between(293.15, 293.15, "K", "sample_temperature"), having(20, "°C", "sample_temperature"), Said.YES),
        (between(293.15, 293.15, "K", "sample_temperature"), having(20, "celsius", "sample_temperature"), Said.YES),
        (between(19, 21, "K", "sample_temperature"), having(20, "°C", "sample_temperature"), Said.NO),
        (between(19, 21, "°C", "sample_temperature"), having(293.15, "K", "sample_temperature"), Said.YES),
        (between(1, 1, "bar", "sample_pressure"), having(100, "kPa", "sample_pressure"), Said.YES),
        # photons: energy and wavelength are one thing; for neutrons they are another, and for a data set that does not say, none
        (between(12.3, 12.5, "keV", "incident_photon_energy"), having(0.1, "nm", technique=SAXS), Said.YES),
        (between(12.5, 13, "keV", "incident_photon_energy"), having(0.1, "nm", technique=SAXS), Said.NO),
        (between(12.3, 12.5, "keV", "incident_photon_energy"), having(0.1, "nm", technique=SANS), Said.NOTHING),
        (between(12.3, 12.5, "keV", "incident_photon_energy"), having(0.1, "nm"), Said.NOTHING),
        (between(0.99, 1.01, "Å"), having(12.39842, "keV", "incident_photon_energy"), Said.YES),
        (between(1.1, 1.2, "Å"), having(12.39842, "keV", "incident_photon_energy"), Said.NO),
        (between(0.99, 1.01, "Å"), having(12.39842, "keV", technique=SAXS), Said.YES),
        (between(0.99, 1.01, "Å"), having(12.39842, "keV"), Said.NOTHING),
        (between(2_470_000, 2_490_000, "Å"), having(5, "meV", technique=SANS), Said.NOTHING),
        (
            ParameterCondition("sample_chemical_formula", text="fe3o4"),
            having("Fe3O4", "", "sample_chemical_formula"),
            Said.YES,
        ),
        (
            ParameterCondition("sample_chemical_formula", text="Fe2O3"),
            having("Fe3O4", "", "sample_chemical_formula"),
            Said.NO,
        ),
    ],
)
def test_a_parameter(condition: ParameterCondition, held: Dataset, said: Said) -> None:
    assert parameter_said(condition, held) is said


LENGTHS = {"Å": 1e-10, "nm": 1e-9, "pm": 1e-12, "µm": 1e-6}


@given(st.floats(1e-3, 1e3), st.sampled_from(sorted(LENGTHS)), st.sampled_from(sorted(LENGTHS)), st.floats(0.5, 2))
def test_limits_hold_in_any_unit(value: float, written: str, asked: str, factor: float) -> None:
    limit = value * LENGTHS[written] / LENGTHS[asked]
    assert parameter_said(between(limit, limit, asked), having(value, written)) is Said.YES
    within = parameter_said(between(limit * factor, None, asked), having(value, written))
    if abs(factor - 1) > 1e-6:
        assert within is (Said.YES if factor < 1 else Said.NO)


@given(st.floats(-200, 2000))
def test_celsius_and_kelvin_agree(celsius: float) -> None:
    held = having(celsius, "°C", "sample_temperature")
    assert parameter_said(between(celsius + 273.15, celsius + 273.15, "K", "sample_temperature"), held) is Said.YES
    assert parameter_said(between(celsius + 274.15, None, "K", "sample_temperature"), held) is Said.NO


@given(st.floats(1e-3, 1e3))
def test_photons_go_there_and_back(kev: float) -> None:
    metres = photon_value(kev, "keV", "nm")
    assert metres is not None and metres == pytest.approx(1.239841984e-9 / kev, rel=1e-8)
    joules = photon_value(metres, "m", "keV")
    assert joules == pytest.approx(kev * 1.602176634e-16, rel=1e-9)


@given(st.text(max_size=60), st.text(max_size=20), st.floats(allow_nan=True, allow_infinity=True))
def test_no_unit_and_no_value_from_outside_breaks_a_search(written: str, name: str, value: float) -> None:
    for condition in (between(1, 2, "Å", name or "x"), between(1, 2, written, "incident_wavelength")):
        assert parameter_said(condition, having(value, written, name)) in Said
        assert parameter_said(condition, having(written, "nm", "incident_photon_energy")) in Said


def test_it() -> None:
    assert photon_value(0.0, "nm", "keV") is None and photon_value(1.0, "K", "keV") is None


FULL = dataset(
    "a",
    1,
    title="Magnetite in oil",
    doi="10.1000/abc",
    facility="esrf",
    created=datetime(2022, 6, 1, tzinfo=UTC),
    instrument=Instrument("ID-02", "ESRF"),
    techniques=(SAXS,),
    samples=(Sample("Ferrofluid", "10 vol-%"),),
    availability=Availability.OPEN,
)


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        (Query(techniques=("PaNET01124",)), True),  # a kind of it
        (Query(techniques=("http://purl.org/pan-science/PaNET/PaNET01184",)), True),  # by definition
        (Query(techniques=("PaNET01189",)), False),
        (Query(techniques=("PaNET01189", "PaNET01188")), True),
        (Query(facilities=("esrf",)), True),
        (Query(facilities=("ill",)), False),
        (Query(instruments=("id02",)), True),
        (Query(instruments=("ID31",)), False),
        (Query(years=(2022, 2022)), True),
        (Query(years=(None, 2021)), False),
        (Query(years=(2023, None)), False),
        (Query(sample="ferrofluid oil"), True),
        (Query(sample="silica"), False),
        (Query(pid="https://doi.org/10.1000/ABC"), True),
        (Query(pid="10.1000/abcd"), False),
        (Query(text="magnetite saxs"), True),
        (Query(text="magnetite neutron"), False),
        (Query(availability=(Availability.OPEN,)), True),
        (Query(availability=(Availability.OWN, Availability.EMBARGOED)), False),
    ],
)
def test_each_kind_of_condition(query: Query, holds: bool) -> None:
    assert (Conditions(query, NAMES).unchecked(FULL) == ()) is holds
    assert (Conditions(query, NAMES).unchecked(FULL) is None) is not holds


def test_what_a_description_does_not_say_is_told_unless_the_catalogue_checked_it() -> None:
    silent = dataset("a", 1, availability=Availability.UNKNOWN)
    query = Query(
        techniques=("PaNET01188",),
        facilities=("esrf",),
        instruments=("ID02",),
        years=(2020, None),
        sample="oil",
        parameters=(between(1, 2, "nm"),),
        availability=(Availability.OPEN,),
    )
    conditions = Conditions(query, NAMES)
    assert set(conditions.unchecked(silent) or ()) == query.kinds()
    assert conditions.unchecked(silent, frozenset({Kind.TECHNIQUE, Kind.YEARS})) == tuple(
        sorted(query.kinds() - {Kind.TECHNIQUE, Kind.YEARS})
    )
    assert conditions.unchecked(replace(silent, techniques=(SANS,)), frozenset(Kind)) is None, "it says otherwise"


def test_words_that_a_catalogue_looked_for_itself_are_not_looked_for_again() -> None:
    """It may find them in what it does not tell."""
    conditions = Conditions(Query(text="skyrmion"), NAMES)
    assert conditions.unchecked(FULL) is None and conditions.unchecked(FULL, frozenset({Kind.TEXT})) == ()


def test_a_facility_is_known_by_its_names_where_a_catalogue_of_many_writes_them() -> None:
    foreign = dataset("a", 1, instrument=Instrument("D33", "Institut Laue-Langevin"))
    assert Conditions(Query(facilities=("ill",)), NAMES).unchecked(foreign) == ()
    assert Conditions(Query(facilities=("esrf",)), NAMES).unchecked(foreign) is None


def test_dois_are_one_however_they_are_written() -> None:
    for text in (
        "10.15151/ESRF-ES-1",
        "doi:10.15151/esrf-es-1",
        "https://doi.org/10.15151/ESRF-ES-1",
        "http://dx.doi.org/10.15151/esrf-es-1",
    ):
        assert plain_doi(text) == "10.15151/esrf-es-1" == plain_pid(text)
    assert plain_doi("20.500.12269/abc") == "" == plain_doi("10.1/x") == plain_doi("a 10.15151/x")
