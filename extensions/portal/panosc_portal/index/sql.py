# ruff: noqa: S608 - names in SQL are our own (entities, schema); every value is bound
"""From a checked filter to SQL. Every value is bound; names come from :mod:`panosc_portal.index.entities` alone.

Who asks is a condition like the others, put wherever a data set or a document can come into view, so that neither an answer nor a
count nor a join tells of what is not theirs.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field

from panosc_portal.index.entities import ENTITIES, Entity, Relation, Type
from panosc_portal.index.language import All, Condition, Include, Scope, Some, Test, Text
from panosc_portal.index.values import holding
from panosc_portal.quantities import nearly, unit
from panosc_spawner import panet

FEW, MANY = 10_000, 300_000
"""A condition on related entries that so few parents meet is found first; others are tried on each candidate. To count, all are."""
_WORDS = re.compile(r"\w+")
_MAX_WORDS = 16
ENOUGH, ENOUGH_TO_READ = 2000, 10_000
"""So few candidates are looked at one by one, rather than all that a further join lets through (or, rather than whole tables)."""


@dataclass(frozen=True)
class Sql:
    """A piece of SQL with its values."""

    text: str
    values: tuple[object, ...] = ()


TRUE, FALSE = Sql("1"), Sql("0")


def joined(parts: Iterable[Sql], word: str) -> Sql:
    """Pieces with AND or OR between them."""
    found = list(parts)
    if not found:
        return TRUE if word == "AND" else FALSE
    if len(found) == 1:
        return found[0]
    return Sql("(" + f" {word} ".join(one.text for one in found) + ")", tuple(v for one in found for v in one.values))


@dataclass
class Compiler:
    """Makes SQL for one question.

    Args:
        reader: finds what joins let through, if that is little.
        refs: proposals of who asks.
        few: how much is little.
    """

    reader: sqlite3.Connection
    refs: frozenset[str] = frozenset()
    few: int = FEW
    _aliases: int = field(default=0)

    def alias(self) -> str:
        """A name for a table that no other has."""
        self._aliases += 1
        return f"t{self._aliases}"

    def visible(self, entity: Entity, at: str) -> Sql:
        """What who asks may see of an entity."""
        if entity.guarded:
            if not self.refs:
                return Sql(f"{at}.is_public = 1")
            refs = json.dumps(sorted(self.refs - {""}))
            return Sql(f"({at}.is_public = 1 OR {at}.proposal IN (SELECT value FROM json_each(?)))", (refs,))
        if entity.needs:
            relation = entity.relations[entity.needs]
            child = self.alias()
            seen = self.visible(ENTITIES[relation.target], child)
            return Sql(
                f"EXISTS (SELECT 1 FROM {ENTITIES[relation.target].table} {child} "
                f"WHERE {child}.{relation.child_key} = {at}.{relation.parent_key} AND {seen.text})",
                seen.values,
            )
        return TRUE

    def scope(self, scope: Scope, at: str) -> Sql:
        """All that a scope asks of its entity's rows: what may be seen, its conditions, and its inner joins.

        A join that lets few through is answered first, and what all such joins let through is looked at; others are tried on each
        of these. The rows are the same either way.
        """
        parts = [self.visible(scope.entity, at), self.condition(scope.where, scope.entity, at, None)]
        few: set[int] | None = None
        for one in sorted(
            (one for one in scope.include if one.scope.chooses), key=lambda one: _looks_through(one.scope)
        ):
            most = ENOUGH_TO_READ if _looks_through(one.scope) else ENOUGH
            enough = few is not None and len(few) <= most
            found = None if enough else self._parents(scope.entity, one)
            if found is None:
                parts.append(self._exists(one, at))
            else:
                few = found if few is None else few & found
        if few is not None:
            parts.append(Sql(f"{at}.id IN (SELECT value FROM json_each(?))", (json.dumps(sorted(few)),)))
        return joined((part for part in parts if part != TRUE), "AND")

    def _parents(self, entity: Entity, include: Include) -> set[int] | None:
        """The ids of those who have something in the include's scope; None if they are more than a few."""
        parent, child = self.alias(), self.alias()
        relation, target = include.relation, include.scope.entity
        inner = self.scope(include.scope, child)
        if relation.link:
            table, key, other = relation.link
            link = self.alias()
            chosen = f"SELECT {link}.{key} FROM {table} {link} JOIN {target.table} {child} ON {child}.id = {link}.{other} WHERE "
        elif relation.parent_key == "id":
            key = f"{child}.{relation.child_key}"
            chosen = f"SELECT {key} FROM {target.table} {child} WHERE {key} IS NOT NULL AND "
        else:
            on = f"{parent}.{relation.parent_key} = {child}.{relation.child_key}"
            chosen = f"SELECT {parent}.id FROM {target.table} {child} JOIN {entity.table} {parent} ON {on} WHERE "
        found = self.reader.execute(f"{chosen}{inner.text} LIMIT {self.few + 1}", inner.values).fetchall()
        return {row for (row,) in found} if len(found) <= self.few else None

    def _exists(self, include: Include, at: str) -> Sql:
        relation, entity, child = include.relation, include.scope.entity, self.alias()
        inner = self.scope(include.scope, child)
        source, link = related(relation, entity, at, child, self.alias())
        return Sql(f"EXISTS (SELECT 1 FROM {source} WHERE {link} AND {inner.text})", inner.values)

    # --- Conditions -----------------------------------------------------------------------------------------------------

    def condition(self, condition: Condition, entity: Entity, at: str, unit: str | None) -> Sql:
        """A where's condition. ``unit`` is the one that stands beside it, for values of parameters."""
        if isinstance(condition, All):
            inner = condition.unit or unit
            return joined((self.condition(part, entity, at, inner) for part in condition.parts), "AND")
        if isinstance(condition, Some):
            return joined((self.condition(part, entity, at, unit) for part in condition.parts), "OR")
        if isinstance(condition, Text):
            return joined((self._holds(entity, name, condition.text, at) for name in entity.text), "OR")
        return self._test(condition, entity, at, unit)

    def _holds(self, entity: Entity, name: str, text: str, at: str) -> Sql:
        found = entity.fields[name]
        column = f"{at}.{found.folded}" if found.folded else f"fold({at}.{found.column})"
        return Sql(f"{column} GLOB ?", (holding(text.casefold()),))

    def _test(self, test: Test, entity: Entity, at: str, unit: str | None) -> Sql:
        opposite = {"neq": "eq", "nin": "inq", "nlike": "like", "nilike": "ilike"}.get(test.operator)
        if opposite:
            inner = self._positive(Test(test.field, opposite, test.value), entity, at, unit)
            return Sql(f"NOT ifnull({inner.text}, 0)", inner.values)
        return self._positive(test, entity, at, unit)

    def _positive(self, test: Test, entity: Entity, at: str, unit: str | None) -> Sql:
        """A test that holds for no missing value, but ``eq`` null."""
        if test.operator == "inq":
            return joined((self._positive(Test(test.field, "eq", one), entity, at, unit) for one in test.value), "OR")
        if entity.name == "Parameter" and test.field.name == "unit" and test.operator == "eq":
            return _same_kind(test.value, at)
        if entity.name == "Technique" and test.operator == "eq" and isinstance(test.value, str):
            return _technique(test, at)
        if test.field.type is Type.ANY:
            return _any(test, at, unit)
        if test.operator == "ilike" and test.field.folded:
            return Sql(f"{at}.{test.field.folded} GLOB ?", (test.value.casefold(),))
        return _compare(f"{at}.{test.field.column}", test)


def _looks_through(scope: Scope) -> bool:
    """Whether a scope has to look at each of its entries: no index helps with parts of texts, or with what is not."""
    return _is_slow(scope.where) or any(_looks_through(one.scope) for one in scope.include)


def _is_slow(condition: Condition) -> bool:
    if isinstance(condition, All):
        return all(map(_is_slow, condition.parts)) and condition.parts != ()
    if isinstance(condition, Some):
        return any(map(_is_slow, condition.parts))
    return isinstance(condition, Text) or condition.operator in {
        "like",
        "ilike",
        "regexp",
        "neq",
        "nin",
        "nlike",
        "nilike",
    }


def related(relation: Relation, entity: Entity, at: str, child: str, link: str) -> tuple[str, str]:
    """What to put after FROM, and the condition that binds children to the parent ``at``."""
    if relation.link:
        table, parent, other = relation.link
        return (
            f"{table} {link} JOIN {entity.table} {child} ON {child}.id = {link}.{other}",
            f"{link}.{parent} = {at}.{relation.parent_key}",
        )
    return f"{entity.table} {child}", f"{child}.{relation.child_key} = {at}.{relation.parent_key}"


_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def _compare(column: str, test: Test) -> Sql:
    operator, value = test.operator, test.value
    if operator == "eq":
        return Sql(f"{column} IS NULL") if value is None else Sql(f"{column} IS ?", (value,))
    if operator == "between":
        return Sql(f"{column} BETWEEN ? AND ?", tuple(value))
    if operator in _SIGNS:
        return Sql(f"{column} {_SIGNS[operator]} ?", (value,))
    if operator == "regexp":
        return Sql(f"matches(?, ?, {column})", (*value,))
    if operator == "ilike":
        return Sql(f"fold({column}) GLOB ?", (value.casefold(),))
    return Sql(f"{column} GLOB ?", (value,))


def _any(test: Test, at: str, text: str | None) -> Sql:
    """A parameter's value: a text, or a number, compared in SI where the filter names a unit that is one."""
    values = test.value if isinstance(test.value, tuple) else (test.value,)
    if test.value is None:
        return Sql(f"({at}.number IS NULL AND {at}.text IS NULL)")
    if test.operator in {"like", "ilike", "regexp"} or any(isinstance(one, str) for one in values):
        return _compare(f"{at}.text", test)
    asked = unit(text) if text else None
    if asked is None:
        return _near(f"{at}.number", test.operator, values)
    inner = _near(f"{at}.si", test.operator, tuple(map(asked.to_si, values)))
    return Sql(f"({at}.dimension IS ? AND {inner.text})", (asked.dimension, *inner.values))


def _near(column: str, operator: str, numbers: tuple[float, ...]) -> Sql:
    """Comparison of numbers for which nearly equal is equal (``quantities.TOLERANCE``)."""
    low, high = nearly(numbers[0])
    if operator in {"eq", "between"}:
        return Sql(f"{column} BETWEEN ? AND ?", (low, nearly(numbers[-1])[1]))
    bound = {"gt": high, "gte": low, "lt": low, "lte": high}[operator]
    return Sql(f"{column} {_SIGNS[operator]} ?", (bound,))


def _same_kind(text: str | None, at: str) -> Sql:
    """Whether a parameter's unit is this one, or one that can be converted to it."""
    asked = unit(text) if text else None
    if asked is None:
        return Sql(f"{at}.unit IS ?", (text,))
    return Sql(f"{at}.dimension IS ?", (asked.dimension,))


def _technique(test: Test, at: str) -> Sql:
    """A technique as it is named, and all that PaNET has beneath it."""
    ids = panet.ids_named(test.value) if test.field.name == "name" else frozenset({panet.panet_id(test.value)}) - {""}
    beneath = json.dumps(sorted(map(panet.purl, panet.beneath(ids)))) if ids else "[]"
    literal = _compare(f"{at}.{test.field.column}", test)
    if not ids:
        return literal
    return Sql(f"({literal.text} OR {at}.panet IN (SELECT value FROM json_each(?)))", (*literal.values, beneath))


def words_of(query: str) -> list[str]:
    """The words of a query, each as FTS5 takes it."""
    return [f'"{word}"' for word in list(dict.fromkeys(_WORDS.findall(query.casefold())))[:_MAX_WORDS]]


def ranked(query: str, entity: Entity, refs: frozenset[str], *, every: bool = False) -> Sql | None:
    """Rows ``(id, rank)`` for any of the words, or for every one; better ones more negative; None if there are no words."""
    words = words_of(query)
    if not words:
        return None
    wanted = (" AND " if every else " OR ").join(words)
    table = f"{entity.table}_public_words"
    found = Sql(f"SELECT rowid AS id, bm25({table}, 4.0, 1.0) AS rank FROM {table} WHERE {table} MATCH ?", (wanted,))
    if not (refs and entity.guarded):
        return found
    closed = _ranked_by_itself(words, wanted, f"{entity.table}_closed_words")
    return Sql(f"{found.text} UNION ALL {closed.text}", (*found.values, *closed.values))


def _ranked_by_itself(words: list[str], wanted: str, table: str) -> Sql:
    """Ranks by what each row holds, and nothing else: bm25 would tell from one's own rows how many others' hold a word."""
    one = f"SELECT rowid AS id, {{weight}} AS weight FROM {table} WHERE {table} MATCH ?"
    parts = [Sql(one.format(weight=0.5), (word,)) for word in words]
    parts += [Sql(one.format(weight=1.5), (f"title : {word}",)) for word in words]
    held = " UNION ALL ".join(part.text for part in parts)
    text = f"SELECT id, -sum(weight) AS rank FROM ({held}) WHERE id IN (SELECT rowid FROM {table} WHERE {table} MATCH ?) GROUP BY id"
    return Sql(text, (*(value for part in parts for value in part.values), wanted))
