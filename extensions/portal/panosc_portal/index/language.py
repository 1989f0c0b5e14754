"""The filter language of the PaNOSC search API (LoopBack's, with ``text`` and ``query``): from JSON to a checked tree.

What is asked is hostile until it was here: sizes, depths, names and types are checked, and whatever does not fit is refused in
words that name the place. https://github.com/panosc-eu/search-api/blob/master/doc/query.md
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from panosc_portal.index.entities import ENTITIES, Entity, Field, Relation
from panosc_portal.index.values import (
    FilterError,
    limit_of,
    must_be_text,
    number_of,
    pattern_of,
    plain,
    regexp_of,
    shown,
    text_of,
    value_of,
)
from panosc_portal.quantities import is_length

MOST = 1000
"""Entries of one answer, whatever ``limit`` says."""
MAX_DEPTH = 4
"""Of includes in includes, and of ``and``/``or`` in each other."""
MAX_FILTER, MAX_CONDITIONS, MAX_VALUES = 32_000, 100, 1000
_MAX_SKIP = 10_000_000


@dataclass(frozen=True)
class All:
    """All of these hold; ``unit`` is the one in which values of parameters in it are meant, if any."""

    parts: tuple[Condition, ...]
    unit: str | None = None


@dataclass(frozen=True)
class Some:
    """One of these holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Test:
    """One field with one operator. ``value`` is of the field's type, or a list of such."""

    field: Field
    operator: str
    value: Any


@dataclass(frozen=True)
class Text:
    """The ``text`` operator: any of the entity's texts holds it, in whatever case."""

    text: str


Condition: TypeAlias = "All | Some | Test | Text"
NOTHING = All(())


@dataclass(frozen=True)
class Scope:
    """What is wanted of one entity.

    Attributes:
        limit: None for as many as may be.
        order: fields, each with whether it descends.
        fields: names of the fields shown; None for all.
        query: words to rank by: entries with any of them, or with every one.
    """

    entity: Entity
    where: Condition = NOTHING
    include: tuple[Include, ...] = ()
    limit: int | None = None
    skip: int = 0
    order: tuple[tuple[Field, bool], ...] = ()
    fields: frozenset[str] | None = None
    query: str = ""
    every_word: bool = False

    @property
    def chooses(self) -> bool:
        """Whether it lets only some through: then an include of it is an inner join."""
        return self.where != NOTHING or any(one.scope.chooses for one in self.include)


@dataclass(frozen=True)
class Include:
    """A relation that is wanted with each entry."""

    relation: Relation
    scope: Scope


@dataclass
class _Budget:
    """What one filter may still hold."""

    conditions: int = MAX_CONDITIONS
    includes: int = 20
    units: list[str] = field(default_factory=list)

    def condition(self) -> None:
        self.conditions -= 1
        if self.conditions < 0:
            raise FilterError(f"The filter has more than {MAX_CONDITIONS} conditions.")

    def one_include(self) -> None:
        self.includes -= 1
        if self.includes < 0:
            raise FilterError("The filter has more than 20 includes.")


def read_json(text: str, what: str) -> dict[str, Any]:
    """A JSON object of the address.

    Raises:
        FilterError: if it is none, or too long.
    """
    if len(text) > MAX_FILTER:
        raise FilterError(f"The {what} is longer than {MAX_FILTER} characters.")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = text
    if found is None or found == "":
        return {}
    if not isinstance(found, dict):
        raise FilterError(f'The {what} is not a JSON object, as in {{"where": {{"title": "…"}}}}.')
    return found


def read_filter(raw: dict[str, Any], entity: str) -> Scope:
    """A whole filter.

    Raises:
        FilterError: naming what is wrong with it.
    """
    return _scope(raw, ENTITIES[entity], "filter", _Budget(), 0)


def read_where(raw: dict[str, Any], entity: str) -> Condition:
    """A where alone.

    Raises:
        FilterError: naming what is wrong with it.
    """
    return _where(raw, ENTITIES[entity], "where", _Budget(), 0)


def both(one: Condition, other: Condition) -> Condition:
    """Two wheres that must both hold."""
    return one if other == NOTHING else other if one == NOTHING else All((one, other))


def _scope(raw: Any, entity: Entity, at: str, budget: _Budget, depth: int) -> Scope:
    if raw is None:
        return Scope(entity)
    if not isinstance(raw, dict):
        raise FilterError(f"{at}: must be an object.")
    known = {"where", "include", "limit", "skip", "offset", "order", "fields", "query"}
    if unknown := sorted(set(raw) - known):
        raise FilterError(
            f"{at}: {shown(unknown[0])} is not a part of a filter; these are: {', '.join(sorted(known))}."
        )
    if raw.get("query") and (depth or entity.name not in {"Dataset", "Document", "Instrument"}):
        raise FilterError(f"{at}.query: words can be asked for at the top of a filter only.")
    limit = _whole(raw.get("limit"), f"{at}.limit")
    skip = _whole(raw.get("skip", raw.get("offset")), f"{at}.skip") or 0
    return Scope(
        entity,
        _where(raw.get("where"), entity, f"{at}.where", budget, 0),
        _includes(raw.get("include"), entity, f"{at}.include", budget, depth),
        min(limit, MOST) if limit else None,
        skip,
        _order(raw.get("order"), entity, f"{at}.order"),
        _fields(raw.get("fields"), entity, f"{at}.fields"),
        text_of(raw.get("query") or "", f"{at}.query").strip(),
    )


# --- where --------------------------------------------------------------------------------------------------------------


def _where(raw: Any, entity: Entity, at: str, budget: _Budget, depth: int) -> Condition:
    if raw is None or raw == {}:
        return NOTHING
    if not isinstance(raw, dict):
        raise FilterError(f"{at}: must be an object.")
    if depth > MAX_DEPTH:
        raise FilterError(f"{at}: and/or lie deeper than {MAX_DEPTH} in each other.")
    parts = tuple(_part(name, value, entity, f"{at}.{plain(name)}", budget, depth) for name, value in raw.items())
    return _all(parts, entity)


def _part(name: str, value: Any, entity: Entity, at: str, budget: _Budget, depth: int) -> Condition:
    if name in {"and", "or"}:
        if not isinstance(value, list) or not value:
            raise FilterError(f"{at}: must be a list of conditions.")
        parts = tuple(_where(one, entity, f"{at}[{place}]", budget, depth + 1) for place, one in enumerate(value))
        return _all(parts, entity) if name == "and" else Some(parts)
    budget.condition()
    if name == "text":
        if not entity.text:
            raise FilterError(f"{at}: {entity.name} has no texts to look into.")
        return Text(text_of(value, at))
    if name not in entity.fields:
        raise FilterError(f"{at}: {entity.name} has no such field; it has {', '.join(entity.fields)}.")
    found = entity.fields[name]
    if isinstance(value, dict):
        if not value:
            raise FilterError(f"{at}: names no operator.")
        return _all(_operators(found, value, at, budget), entity)
    return _test(found, "eq", value, at)


def _operators(found: Field, value: dict[str, Any], at: str, budget: _Budget) -> tuple[Condition, ...]:
    if "options" in value and "regexp" in value:
        value = {"regexp": f"/{value['regexp']}/{value['options']}"}
    tests = []
    for operator, operand in value.items():
        budget.condition()
        tests.append(_test(found, operator, operand, f"{at}.{plain(operator)}"))
    return tuple(tests)


def _all(parts: tuple[Condition, ...], entity: Entity) -> Condition:
    """A conjunction, flat, so that a unit beside a value is seen wherever the client put it."""
    flat: list[Condition] = []
    for part in parts:
        flat += part.parts if isinstance(part, All) else (part,)
    if entity.name != "Parameter":
        return flat[0] if len(flat) == 1 else All(tuple(flat))
    flat = _meant(flat)
    units = [one.value for one in flat if isinstance(one, Test) and one.field.name == "unit" and one.operator == "eq"]
    if len(set(units)) > 1:
        raise FilterError("A parameter has one unit, and the filter names two that must both be it.")
    unit = units[0] if units and units[0] else None
    return flat[0] if len(flat) == 1 else All(tuple(flat), unit)


def _meant(parts: list[Condition]) -> list[Condition]:
    """``A`` beside the name of a length is ångström."""
    tests = [one for one in parts if isinstance(one, Test) and one.operator == "eq"]
    names = [one.value for one in tests if one.field.name == "name" and isinstance(one.value, str)]
    if not any(is_length(name) for name in names):
        return parts
    return [
        Test(one.field, "eq", "angstrom") if one in tests and one.field.name == "unit" and one.value == "A" else one
        for one in parts
    ]


_LISTS = {"inq", "nin"}
_PATTERNS = {"like", "nlike", "ilike", "nilike"}
_ORDERED = {"gt", "gte", "lt", "lte", "between"}
_OPERATORS = {"eq", "neq", "regexp"} | _LISTS | _PATTERNS | _ORDERED


def _test(found: Field, operator: str, value: Any, at: str) -> Test:
    if operator not in _OPERATORS:
        raise FilterError(f"{at}: is not an operator; these are: {', '.join(sorted(_OPERATORS))}.")
    if operator in _PATTERNS:
        must_be_text(found, at)
        return Test(found, operator, pattern_of(text_of(value, at), at))
    if operator == "regexp":
        must_be_text(found, at)
        return Test(found, operator, regexp_of(value, at))
    if operator in _LISTS:
        if not isinstance(value, list) or len(value) > MAX_VALUES:
            raise FilterError(f"{at}: must be a list of at most {MAX_VALUES} values.")
        return Test(found, operator, tuple(dict.fromkeys(value_of(found, one, at) for one in value)))
    if operator == "between":
        if not isinstance(value, list) or len(value) != 2:
            raise FilterError(f"{at}: must be a list of two values.")
        bounds = tuple(limit_of(found, one, at) for one in value)
        if isinstance(bounds[0], str) != isinstance(bounds[1], str):
            raise FilterError(f"{at}: the two values are of different types.")
        return Test(found, operator, bounds)
    if operator in _ORDERED:
        return Test(found, operator, limit_of(found, value, at))
    return Test(found, operator, value_of(found, value, at))


# --- The rest -----------------------------------------------------------------------------------------------------------


def _includes(raw: Any, entity: Entity, at: str, budget: _Budget, depth: int) -> tuple[Include, ...]:
    wanted = _listed(raw, at)
    if not wanted:
        return ()
    if depth >= MAX_DEPTH:
        raise FilterError(f"{at}: includes lie deeper than {MAX_DEPTH} in each other.")
    found = []
    for name, scope in wanted:
        budget.one_include()
        relation = entity.relations.get(name)
        if relation is None:
            having = ", ".join(entity.relations) or "none"
            raise FilterError(f"{at}: {entity.name} has no relation {shown(name)}; it has {having}.")
        inner = _scope(scope, ENTITIES[relation.target], f"{at}.{name}", budget, depth + 1)
        found.append(Include(relation, inner))
    return tuple(found)


def _listed(raw: Any, at: str) -> list[tuple[str, Any]]:
    """All ways in which LoopBack's clients write includes: a name, an object, names by nested includes, lists of those."""
    if raw is None or raw == "":
        return []
    if isinstance(raw, str):
        return [(raw, None)]
    if isinstance(raw, dict):
        if "relation" not in raw:
            return [(name, {"include": inner}) for name, inner in raw.items()]
        if unknown := sorted(set(raw) - {"relation", "scope"}):
            raise FilterError(f"{at}: {shown(unknown[0])} is not a part of an include; these are: relation, scope.")
        if not isinstance(raw["relation"], str):
            raise FilterError(f"{at}: relation must be a name.")
        return [(raw["relation"], raw.get("scope"))]
    if isinstance(raw, list) and len(raw) <= 20 and all(isinstance(one, str | dict) for one in raw):
        return [pair for one in raw for pair in _listed(one, at)]
    raise FilterError(f"{at}: must be a list of at most 20 relations.")


def _order(raw: Any, entity: Entity, at: str) -> tuple[tuple[Field, bool], ...]:
    wanted = [raw] if isinstance(raw, str) else raw or []
    if not isinstance(wanted, list) or len(wanted) > 5 or not all(isinstance(one, str) for one in wanted):
        raise FilterError(f'{at}: must be a list of at most 5 texts, as "title ASC".')
    found = []
    for one in (text for text in wanted if text.strip()):
        name, _, direction = one.strip().partition(" ")
        if name not in entity.fields or direction.strip().upper() not in {"", "ASC", "DESC"}:
            raise FilterError(f'{at}: {shown(one)} is none; write a field and ASC or DESC, as "title ASC".')
        found.append((entity.fields[name], direction.strip().upper() == "DESC"))
    return tuple(found)


def _fields(raw: Any, entity: Entity, at: str) -> frozenset[str] | None:
    if raw is None or raw == [] or raw == {}:
        return None
    names: Sequence[Any] = [raw] if isinstance(raw, str) else list(raw) if isinstance(raw, list | dict) else [None]
    known = {*entity.fields, "score"}
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise FilterError(f"{at}: {entity.name} has no field {shown(name)}; it has {', '.join(entity.fields)}.")
    if not isinstance(raw, dict):
        return frozenset(names)
    if not all(isinstance(value, bool) for value in raw.values()):
        raise FilterError(f"{at}: each must be true or false.")
    kept = frozenset(name for name, value in raw.items() if value)
    return kept or frozenset(known - set(raw))


def _whole(value: Any, at: str) -> int | None:
    if value is None:
        return None
    number = number_of(value, at)
    if number != int(number) or not 0 <= number <= _MAX_SKIP:
        raise FilterError(f"{at}: must be a whole number from 0 to {_MAX_SKIP}.")
    return int(number)
