"""Every condition, tried again here on what came back: catalogues differ in operators, units and words, and some ignore conditions.

A data set that does not meet a condition is dropped, whatever its catalogue says. One that does not say (catalogues are sparse)
stays; who looks at it is told "not checked", unless its catalogue declared that it took the condition into account itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, lru_cache

from panosc_portal.catalogues.model import (
    Availability,
    Dataset,
    Kind,
    Parameter,
    ParameterCondition,
    Query,
    Technique,
)
from panosc_portal.catalogues.words import words_of
from panosc_portal.quantities import TOLERANCE, unit
from panosc_portal.search.photons import photon_value
from panosc_spawner.panet import techniques

WAVELENGTH, ENERGY = "incident_wavelength", "incident_photon_energy"


class Said(Enum):
    """What a data set's description says of a condition."""

    YES = "it holds"
    NO = "it does not hold"
    NOTHING = "it is not told"


@dataclass(frozen=True)
class Conditions:
    """A query, ready to be tried on data sets.

    Args:
        query: what is looked for.
        names: of each of the site's facilities by its key, as catalogues may write them, lower case.
    """

    query: Query
    names: Mapping[str, frozenset[str]]

    def unchecked(self, dataset: Dataset, applied: frozenset[Kind] = frozenset()) -> tuple[Kind, ...] | None:
        """The kinds of conditions that nobody checked of a data set; None if it is not what is looked for.

        Args:
            dataset: what a catalogue gave.
            applied: the conditions that the catalogue took into account itself.
        """
        found: list[Kind] = []
        for kind in self._kinds:
            if kind is Kind.TEXT and kind in applied:
                continue  # it may know more words of a data set than it tells
            match _TESTS[kind](self, dataset):
                case Said.NO:
                    return None
                case Said.NOTHING if kind not in applied:
                    found.append(kind)
        return tuple(found)

    @cached_property
    def _kinds(self) -> tuple[Kind, ...]:
        return tuple(sorted(self.query.kinds()))

    @cached_property
    def _techniques(self) -> frozenset[str]:
        return techniques().beneath(self.query.techniques)

    @cached_property
    def _words(self) -> tuple[str, ...]:
        return tuple(word.casefold() for word in words_of(self.query.text))

    @cached_property
    def _instruments(self) -> frozenset[str]:
        return frozenset(map(_compact, self.query.instruments))

    def _text(self, dataset: Dataset) -> Said:
        told = " ".join(_texts(dataset)).casefold()
        return Said.YES if all(word in told for word in self._words) else Said.NO

    def _pid(self, dataset: Dataset) -> Said:
        names = {
            dataset.pid,
            dataset.doi,
            *(one.doi for one in dataset.documents),
            *(one.pid for one in dataset.documents),
        }
        return _yes(plain_pid(self.query.pid) in {plain_pid(name) for name in names if name})

    def _technique(self, dataset: Dataset) -> Said:
        if not dataset.techniques:
            return Said.NOTHING
        ids = [technique_id(one) for one in dataset.techniques]
        if self._techniques.intersection(ids):
            return Said.YES
        return Said.NOTHING if "" in ids else Said.NO

    def _facility(self, dataset: Dataset) -> Said:
        if dataset.facility:
            return _yes(dataset.facility in self.query.facilities)
        written = dataset.instrument.facility.casefold().strip() if dataset.instrument else ""
        if not written:
            return Said.NOTHING
        return _yes(any(written in self.names.get(key, ()) for key in self.query.facilities))

    def _instrument(self, dataset: Dataset) -> Said:
        if dataset.instrument is None or not dataset.instrument.name:
            return Said.NOTHING
        name = dataset.instrument.name
        return _yes(
            bool(self._instruments.intersection({_compact(name), *map(_compact, re.split(r"[\s/,()]+", name))}))
        )

    def _years(self, dataset: Dataset) -> Said:
        if dataset.created is None:
            return Said.NOTHING
        first, last = self.query.years
        return _yes((first is None or dataset.created.year >= first) and (last is None or dataset.created.year <= last))

    def _sample(self, dataset: Dataset) -> Said:
        formulas = [str(one.value) for one in dataset.parameters if plain_name(one.name) == "sample_chemical_formula"]
        told = [*(f"{one.name} {one.description}" for one in dataset.samples), *formulas]
        words = self.query.sample.casefold().split()
        whole = " ".join([*told, dataset.title]).casefold()
        if all(word in whole for word in words):
            return Said.YES
        return Said.NO if told else Said.NOTHING

    def _parameters(self, dataset: Dataset) -> Said:
        said = {parameter_said(condition, dataset) for condition in self.query.parameters}
        return next((one for one in (Said.NO, Said.NOTHING) if one in said), Said.YES)

    def _availability(self, dataset: Dataset) -> Said:
        if dataset.availability in self.query.availability:
            return Said.YES
        return Said.NOTHING if dataset.availability is Availability.UNKNOWN else Said.NO


_TESTS = {
    Kind.TEXT: Conditions._text,
    Kind.PID: Conditions._pid,
    Kind.TECHNIQUE: Conditions._technique,
    Kind.FACILITY: Conditions._facility,
    Kind.INSTRUMENT: Conditions._instrument,
    Kind.YEARS: Conditions._years,
    Kind.SAMPLE: Conditions._sample,
    Kind.PARAMETER: Conditions._parameters,
    Kind.AVAILABILITY: Conditions._availability,
}


@lru_cache(maxsize=4096)
def technique_id(technique: Technique) -> str:
    """Its id in PaNET, by its address or its name; empty if PaNET does not know it."""
    known = techniques()
    node = known.find(technique.panet) or known.find(technique.name)
    return node.id if node else ""


def parameter_said(condition: ParameterCondition, dataset: Dataset) -> Said:
    """Whether a data set has the parameter within the limits: in any unit, a photon's energy also told by its wavelength."""
    wanted = plain_name(condition.name)
    said = {_value_said(condition, one, photon=_is_photon(one, dataset)) for one in _named(dataset, wanted)}
    if not said or said == {Said.NOTHING}:
        other = {WAVELENGTH: ENERGY, ENERGY: WAVELENGTH}.get(wanted)
        if other and condition.unit and (other == ENERGY or _is_photons(dataset)):
            said |= {_value_said(condition, one, photon=True) for one in _named(dataset, other)}
    if Said.YES in said:
        return Said.YES
    return Said.NO if Said.NO in said else Said.NOTHING


def _named(dataset: Dataset, name: str) -> Iterable[Parameter]:
    return (one for one in dataset.parameters if plain_name(one.name) == name)


def _is_photons(dataset: Dataset) -> bool:
    return techniques().probe(one.panet or one.name for one in dataset.techniques) == "photon"


def _is_photon(parameter: Parameter, dataset: Dataset) -> bool:
    """Whether energy and wavelength may be converted into each other: never a neutron's, which is not told by its name alone."""
    name = plain_name(parameter.name)
    return name == ENERGY or (name == WAVELENGTH and _is_photons(dataset))


def _value_said(condition: ParameterCondition, parameter: Parameter, *, photon: bool) -> Said:
    if condition.text:
        return _yes(_formula(str(parameter.value)) == _formula(condition.text))
    value = _number(parameter.value)
    if value is None:
        return Said.NOTHING
    name = condition.name
    limit_unit, own_unit = unit(condition.unit, name), unit(parameter.unit, name)
    if limit_unit is None or own_unit is None:
        return Said.NOTHING
    converted: float | None
    if limit_unit.dimension == own_unit.dimension:
        converted = own_unit.to_si(value)
    else:
        converted = photon_value(value, parameter.unit, condition.unit, name) if photon else None
    if converted is None:
        return Said.NOTHING
    low = -float("inf") if condition.low is None else limit_unit.to_si(condition.low)
    high = float("inf") if condition.high is None else limit_unit.to_si(condition.high)
    slack = TOLERANCE * max(abs(converted), *(abs(one) for one in (low, high) if abs(one) != float("inf")), 0.0)
    return _yes(low - slack <= converted <= high + slack)


def _number(value: float | str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if abs(number) != float("inf") and number == number else None


def _yes(holds: bool) -> Said:
    return Said.YES if holds else Said.NO


def _texts(dataset: Dataset) -> Iterable[str]:
    yield dataset.title
    yield dataset.pid
    yield dataset.proposal
    if dataset.instrument:
        yield from (dataset.instrument.name, dataset.instrument.facility)
    for technique in dataset.techniques:
        yield technique.name
        if name := technique_id(technique):
            node = techniques().nodes[name]
            yield from (node.label, *node.others)
    for sample in dataset.samples:
        yield from (sample.name, sample.description)
    for document in dataset.documents:
        yield from (document.title, document.summary, document.pid, document.doi, *document.keywords)


def _compact(text: str) -> str:
    return re.sub(r"[\s_-]+", "", text.casefold())


def _formula(text: str) -> str:
    return re.sub(r"\s+", " ", text.strip()).casefold()


def plain_name(name: str) -> str:
    """A parameter's name without what its writers differ in: ``Incident Wavelength`` is ``incident_wavelength``."""
    return re.sub(r"[\s_-]+", "_", name.strip().casefold())


_BEFORE_DOI = re.compile(r"(?:https?://(?:dx\.)?doi\.org/|doi:\s*)", re.IGNORECASE)


def plain_pid(pid: str) -> str:
    """A PID or DOI without what its writers differ in."""
    text = pid.strip()
    return (text[found.end() :] if (found := _BEFORE_DOI.match(text)) else text).casefold()


@lru_cache(maxsize=8192)
def plain_doi(text: str) -> str:
    """The DOI in a text, lower case and without an address around it; empty if it is none."""
    plain = plain_pid(text)
    return plain if re.fullmatch(r"10\.\d{4,9}/\S{1,400}", plain) else ""
