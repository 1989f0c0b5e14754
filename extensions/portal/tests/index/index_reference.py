"""The filter language read off its specification, slowly and in plain Python: what the index's SQL has to agree with.

Nothing of the index is used here. Units are a table by hand, LIKE is a regular expression, joins are loops.
"""

from __future__ import annotations

import re
from typing import Any

from index_graph import DIFFRACTION, SANS, SAS, SAXS

UNITS = {
    "angstrom": ("length", 1e-10, 0.0),
    "nm": ("length", 1e-9, 0.0),
    "m": ("length", 1.0, 0.0),
    "K": ("temperature", 1.0, 0.0),
    "celsius": ("temperature", 1.0, 273.15),
    "keV": ("energy", 1.602176634e-16, 0.0),
    "eV": ("energy", 1.602176634e-19, 0.0),
}
# PaNET states that small angle neutron scattering is a neutron diffraction, and of X-rays it does not.
BENEATH = {SAS: {SAS, SAXS, SANS}, SAXS: {SAXS}, SANS: {SANS}, DIFFRACTION: {DIFFRACTION, SANS}}
NAMED = {
    "small angle scattering": SAS,
    "small angle x-ray scattering": SAXS,
    "small angle neutron scattering": SANS,
    "diffraction": DIFFRACTION,
}
TEXTS = {
    "Dataset": ["title"],
    "Document": ["title", "summary"],
    "File": ["name"],
    "Instrument": ["name", "facility"],
    "Sample": ["name", "description"],
    "Technique": ["name"],
}
RELATIONS = {
    "Dataset": {
        "documents": "Document",
        "techniques": "Technique",
        "samples": "Sample",
        "instrument": "Instrument",
        "files": "File",
        "parameters": "Parameter",
    },
    "Document": {"datasets": "Dataset"},
    "Instrument": {"datasets": "Dataset"},
}


class Reference:
    """Answers filters over facts, for somebody."""

    def __init__(self, facts: list[dict[str, Any]], refs: frozenset[str]) -> None:
        self.facts, self.refs = facts, refs
        documents = {}
        self.refs_of: dict[str, str] = {}
        for fact in facts:
            for document in fact["documents"]:
                documents.setdefault(document["pid"], document)
                self.refs_of.setdefault(document["pid"], fact["ref"])
        self.documents = list(documents.values())

    def find(self, model: str, filter: dict[str, Any]) -> list[dict[str, Any]]:
        every = {"Dataset": self.facts, "Document": self.documents, "Instrument": self._instruments()}[model]
        kept = [one for one in every if self._fits(model, one, filter)]
        for name, down in reversed([_direction(one) for one in filter.get("order", [])]):
            missing = [one for one in kept if one.get(name) is None]
            there = sorted((one for one in kept if one.get(name) is not None), key=lambda one: one[name], reverse=down)
            if down:  # equal ones stay in their first order
                there = _stable_descending(there, name, kept)
            kept = there + missing if down else missing + there
        kept = kept[filter.get("skip", 0) :]
        return [self._shown(model, one, filter) for one in kept[: filter.get("limit") or 1000]]

    def _instruments(self) -> list[dict[str, Any]]:
        found = {fact["instrument"]["pid"]: fact["instrument"] for fact in self.facts if fact["instrument"]}
        return list(found.values())

    def _visible(self, model: str, one: dict[str, Any]) -> bool:
        if model == "Dataset":
            return bool(one["isPublic"]) or one["ref"] in self.refs - {""}
        if model == "Document":
            return bool(one["isPublic"]) or self.refs_of[one["pid"]] in self.refs - {""}
        if model == "Instrument":
            return any(self._visible("Dataset", fact) for fact in self.facts if fact["instrument"] == one)
        return True

    def _fits(self, model: str, one: dict[str, Any], scope: dict[str, Any]) -> bool:
        if not self._visible(model, one) or not self._holds(model, one, scope.get("where", {}), None):
            return False
        return all(self._joins(model, one, include) for include in scope.get("include", []))

    def _joins(self, model: str, one: dict[str, Any], include: dict[str, Any]) -> bool:
        scope = include.get("scope", {})
        if not _chooses(scope):
            return True
        target = RELATIONS[model][include["relation"]]
        return any(self._fits(target, child, scope) for child in self._children(model, one, include["relation"]))

    def _children(self, model: str, one: dict[str, Any], relation: str) -> list[dict[str, Any]]:
        if relation == "datasets" and model == "Document":
            return [fact for fact in self.facts if any(doc["pid"] == one["pid"] for doc in fact["documents"])]
        if relation == "datasets":
            return [fact for fact in self.facts if fact["instrument"] == one]
        found = one[relation]
        return [] if found is None else found if isinstance(found, list) else [found]

    def _shown(self, model: str, one: dict[str, Any], scope: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"key": one.get("pid") or one["name"]}
        for include in scope.get("include", []):
            relation, inner = include["relation"], include.get("scope", {})
            target = RELATIONS[model][relation]
            children = [self._shown(target, child, inner) for child in self._children(model, one, relation) if self._fits(target, child, inner)]  # fmt: skip
            found.setdefault(relation, set()).update(child["key"] for child in children)
        return found

    # --- where ------------------------------------------------------------------------------------------------------

    def _holds(self, model: str, one: dict[str, Any], where: dict[str, Any], unit: str | None) -> bool:
        if model == "Parameter":
            unit = _unit_in(where) or unit
        return all(self._part(model, one, name, value, unit) for name, value in where.items())

    def _part(self, model: str, one: dict[str, Any], name: str, value: Any, unit: str | None) -> bool:
        if name == "and":
            return all(self._holds(model, one, each, unit) for each in value)
        if name == "or":
            return any(self._holds(model, one, each, unit) for each in value)
        if name == "text":
            return any(value.casefold() in (one.get(field) or "").casefold() for field in TEXTS[model])
        tests = value if isinstance(value, dict) else {"eq": value}
        return all(_test(model, one, name, operator, operand, unit) for operator, operand in tests.items())


def _direction(text: str) -> tuple[str, bool]:
    name, _, direction = text.partition(" ")
    return name, direction == "DESC"


def _stable_descending(there: list[Any], name: str, before: list[Any]) -> list[Any]:
    place = {id(one): number for number, one in enumerate(before)}
    values = sorted({one[name] for one in there}, reverse=True)
    return [
        one for value in values for one in sorted((o for o in there if o[name] == value), key=lambda o: place[id(o)])
    ]


def _chooses(scope: dict[str, Any]) -> bool:
    return bool(scope.get("where")) or any(_chooses(one.get("scope", {})) for one in scope.get("include", []))


def _unit_in(where: dict[str, Any]) -> str | None:
    """The unit that must hold together with everything in this where."""
    for name, value in where.items():
        if name == "unit" and not isinstance(value, dict):
            return str(value) or None
        if name == "unit" and "eq" in value:
            return str(value["eq"]) or None
        if name == "and":
            for each in value:
                if found := _unit_in(each):
                    return found
    return None


NEGATIONS = {"neq": "eq", "nin": "inq", "nlike": "like", "nilike": "ilike"}


def _test(model: str, one: dict[str, Any], name: str, operator: str, operand: Any, unit: str | None) -> bool:
    if operator in NEGATIONS:
        return not _test(model, one, name, NEGATIONS[operator], operand, unit)
    if operator == "inq":
        return any(_test(model, one, name, "eq", each, unit) for each in operand)
    value = one.get(name)
    if model == "Technique" and operator == "eq":
        meant = BENEATH.get(NAMED.get(operand, operand) if name == "name" else operand, set())
        return value == operand or one["panetId"] in meant
    if model == "Parameter" and name == "unit" and operator == "eq":
        return one["unit"] == operand or (
            one["unit"] in UNITS and operand in UNITS and UNITS[one["unit"]][0] == UNITS[operand][0]
        )
    if model == "Parameter" and name == "value":
        return _value(one, operator, operand, unit)
    return _compare(value, operator, operand)


def _value(one: dict[str, Any], operator: str, operand: Any, unit: str | None) -> bool:
    value = one["value"]
    texts = operator in {"like", "ilike", "regexp"} or any(isinstance(each, str) for each in _listed(operand))
    if isinstance(value, str) or texts:
        return isinstance(value, str) and texts and _compare(value, operator, operand)
    if unit in UNITS:
        if one["unit"] not in UNITS or UNITS[one["unit"]][0] != UNITS[unit][0]:
            return False
        value = value * UNITS[one["unit"]][1] + UNITS[one["unit"]][2]
        operand = [each * UNITS[unit][1] + UNITS[unit][2] for each in _listed(operand)]
        operand = operand if operator == "between" else operand[0]
    return _near(value, operator, operand)


def _near(value: float, operator: str, operand: Any) -> bool:
    def same(other: float) -> bool:
        return abs(value - other) <= abs(other) * 1.0000001e-9

    if operator == "between":
        return (value > operand[0] or same(operand[0])) and (value < operand[1] or same(operand[1]))
    if operator == "eq":
        return same(operand)
    above = {"gt": value > operand and not same(operand), "gte": value > operand or same(operand)}
    below = {"lt": value < operand and not same(operand), "lte": value < operand or same(operand)}
    return {**above, **below}[operator]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _compare(value: Any, operator: str, operand: Any) -> bool:
    if operator == "eq":
        return bool(value == operand)
    if value is None:
        return False
    if operator == "like":
        return _like(operand).fullmatch(value) is not None
    if operator == "ilike":
        return _like(operand.casefold()).fullmatch(value.casefold()) is not None
    if operator == "regexp":
        text, flags = re.fullmatch(r"/(.*)/(i?)", operand).groups() if operand.startswith("/") else (operand, "")
        return re.search(text, value, re.IGNORECASE if flags else 0) is not None
    if operator == "between":
        return bool(operand[0] <= value <= operand[1])
    return bool(
        {"gt": value > operand, "gte": value >= operand, "lt": value < operand, "lte": value <= operand}[operator]
    )


def _like(pattern: str) -> re.Pattern[str]:
    tokens = re.findall(r"\\.|.", pattern, re.DOTALL)
    made = [{"%": ".*", "_": "."}.get(one) or re.escape(one[1:] if len(one) == 2 else one) for one in tokens]
    inner = "".join(made)
    return re.compile(inner if "%" in tokens else f".*{inner}.*", re.DOTALL)
