"""LoopBack's filters on plain objects, with what an implementation does differently as arguments."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Thing = dict[str, Any]

TEXT_FIELDS = {
    "dataset": ("title",),
    "document": ("title", "summary"),
    "files": ("name",),
    "instrument": ("name", "facility"),
    "samples": ("name", "description"),
    "techniques": ("name",),
}
FIELDS = {
    "dataset": {"pid", "title", "isPublic", "size", "creationDate"},
    "document": {
        "pid",
        "isPublic",
        "type",
        "title",
        "summary",
        "doi",
        "startDate",
        "endDate",
        "releaseDate",
        "license",
    },
    "files": {"id", "name", "path", "size"},
    "instrument": {"pid", "name", "facility"},
    "samples": {"pid", "name", "description"},
    "techniques": {"pid", "name", "panetId"},
    "parameters": {"id", "name", "value", "unit"},
    "members": {"id", "role"},
}


class WrongError(Exception):
    """A filter that an implementation refuses."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def parsed(text: str | None) -> dict[str, Any]:
    """A filter's JSON.

    Raises:
        WrongError: 400, as LoopBack 3 says it.
    """
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        raise WrongError(400, "Value is not an object.") from None
    if not isinstance(value, dict):
        raise WrongError(400, "Value is not an object.")
    return value


@dataclass
class Language:
    """How one implementation reads a ``where``.

    Attributes:
        unknown_field: called for a field that is none; its result is whether an entity matches.
        operators: those it knows on a plain field, and on a parameter's value; others match nothing, silently.
        falsy_is_unseen: LoopBack 4's converter at ILL: an operand that is falsy is not seen.
        first_key_only: only the first key of a condition is read.
    """

    unknown_field: Callable[[str], bool] = lambda name: False
    operators: frozenset[str] = frozenset(
        {"eq", "neq", "gt", "gte", "lt", "lte", "between", "inq", "nin", "like", "nlike", "ilike", "nilike", "regexp"}
    )
    parameter_operators: frozenset[str] = operators
    falsy_is_unseen: bool = False
    first_key_only: bool = False

    def matches(self, where: Thing, entity: Thing, kind: str) -> bool:
        """Whether an entity of a kind is meant."""
        items = list(where.items())[:1] if self.first_key_only else list(where.items())
        return all(self._holds(name, condition, entity, kind) for name, condition in items)

    def _holds(self, name: str, condition: Any, entity: Thing, kind: str) -> bool:
        if name == "and":
            return all(self.matches(one, entity, kind) for one in condition)
        if name == "or":
            return any(self.matches(one, entity, kind) for one in condition)
        if name == "text":
            fields = TEXT_FIELDS.get(kind, ())
            return any(condition.lower() in str(entity.get(field, "")).lower() for field in fields)
        if name not in FIELDS[kind]:
            return self.unknown_field(name)
        known = self.parameter_operators if (kind, name) == ("parameters", "value") else self.operators
        if not isinstance(condition, dict):
            return entity.get(name) == condition
        operator, operand = next(iter(condition.items()))
        if self.falsy_is_unseen and not operand:
            return False  # becomes "= [object Object]"
        return operator in known and _compare(operator, entity.get(name), operand)


def _compare(operator: str, value: Any, operand: Any) -> bool:
    if operator in ("eq", "neq"):
        return (value == operand) is (operator == "eq")
    if operator in ("inq", "nin"):
        return (value in operand) is (operator == "inq")
    if operator in ("like", "ilike", "nlike", "nilike"):
        flags = re.IGNORECASE if "ilike" in operator else 0
        found = re.search(re.escape(str(operand)).replace("%", ".*"), str(value), flags) is not None
        return found is not operator.startswith("n")
    if operator == "regexp":
        return re.search(operand, str(value)) is not None
    if value is None or isinstance(value, str) != isinstance(operand[0] if operator == "between" else operand, str):
        return False
    return {
        "gt": lambda: value > operand,
        "gte": lambda: value >= operand,
        "lt": lambda: value < operand,
        "lte": lambda: value <= operand,
        "between": lambda: operand[0] <= value <= operand[1],
    }[operator]()


def related(entity: Thing, relation: str) -> list[Thing]:
    """What an entity has in a relation, as a list."""
    found = entity.get(relation)
    return [] if not found else [found] if isinstance(found, dict) else list(found)


def scope_matches(language: Language, entity: Thing, include: Thing) -> list[Thing]:
    """What of a relation its scope lets through; nested scopes that find nothing take their parents away."""
    relation, scope = include["relation"], include.get("scope") or {}
    found = related(entity, relation)
    kind = {"documents": "document", "datasets": "dataset"}.get(relation, relation)
    if "where" in scope:
        found = [one for one in found if language.matches(scope["where"], one, kind)]
    for inner in scope.get("include", []):
        if (inner.get("scope") or {}).get("where"):
            found = [one for one in found if scope_matches(language, one, inner)]
    return found


def is_join(include: Thing) -> bool:
    """Whether an include takes away what has nothing in it."""
    scope = include.get("scope") or {}
    return bool(scope.get("where")) or any(is_join(inner) for inner in scope.get("include", []))


def shown(entity: Thing, language: Language, includes: Iterable[Thing], base: Iterable[str]) -> Thing:
    """The entity with its own fields, and the relations that were asked for, as their scopes filter them."""
    result = {key: entity[key] for key in base if key in entity}
    for include in includes:
        relation = include["relation"]
        found = scope_matches(language, entity, include)
        inner = (include.get("scope") or {}).get("include", [])
        plain = [_with_inner(one, inner, language) for one in found]
        result[relation] = plain if isinstance(entity.get(relation), list) else (plain[0] if plain else None)
    return result


def _with_inner(entity: Thing, inner: list[Thing], language: Language) -> Thing:
    own = {key: value for key, value in entity.items() if not isinstance(value, dict | list) or key == "keywords"}
    for include in inner:
        relation = include["relation"]
        if relation in entity:
            deeper = (include.get("scope") or {}).get("include", [])
            found = [_with_inner(one, deeper, language) for one in related(entity, relation)]
            own[relation] = found if isinstance(entity[relation], list) else (found[0] if found else None)
    return own


def error(status: int, message: str, name: str = "Error", code: str = "") -> Thing:
    """LoopBack's body of an error."""
    return {"error": {"statusCode": status, "name": name, "message": message, **({"code": code} if code else {})}}
