# ruff: noqa: S608 - names in SQL are our own (entities, schema); every value is bound
"""Answers to filters: entries with what was included, as the PaNOSC search API writes them."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from typing import Any

from panosc_portal.index.entities import ENTITIES, Entity, Type
from panosc_portal.index.language import MOST, All, Include, Scope, Test, both
from panosc_portal.index.sql import MANY, Compiler, Sql, joined, ranked, related
from panosc_portal.index.store import SECONDS, Store
from panosc_portal.index.values import FilterError
from panosc_portal.quantities import Unit, unit

MAX_INCLUDED = 50_000
"""Entries that all includes of one answer bring, so that its size is bounded."""
NO_SCORE = 0.5
"""Of entries for which no words were asked: federations of this API drop what has none within (0, 1)."""


@dataclass
class _Room:
    left: int = MAX_INCLUDED

    def take(self, many: int) -> None:
        self.left -= many
        if self.left < 0:
            raise _too_much()


def _too_much() -> FilterError:
    return FilterError(
        f"The includes bring more than {MAX_INCLUDED} entries. Ask for fewer with limit, also in the include's scope."
    )


def _weigh(entries: list[dict[str, Any]]) -> None:
    """Refuse an answer that is large because the same entries stand in it again and again."""
    if sum(one.get("_weight", 1) for one in entries) > MAX_INCLUDED + MOST:
        raise _too_much()


@dataclass
class Asker:
    """Answers questions of one person, or of anybody.

    Args:
        store: the index.
        refs: the proposals whose data that are not public they may see.
        seconds: for one question.
    """

    store: Store
    refs: frozenset[str] = field(default_factory=frozenset)
    seconds: float = SECONDS

    def find(self, scope: Scope) -> list[dict[str, Any]]:
        """Entries for a filter, in its order.

        Raises:
            FilterError: if it brings too much.
            IndexFault: as :meth:`Store.reading`.
        """
        with self.store.reading(self.seconds) as reader:
            found = _entries(reader, scope, self.refs)
            _include(reader, scope, found, self.refs, _Room())
        _weigh(found)
        return [_shown(one, scope) for one in found]

    def one(self, scope: Scope, key: str) -> dict[str, Any] | None:
        """The entry with a PID, with what is included; None if there is none (for them)."""
        entity = scope.entity
        by_key = Test(entity.fields[entity.key], "eq", key)
        found = self.find(
            Scope(
                entity,
                both(by_key, scope.where),
                scope.include,
                1,
                order=scope.order,
                fields=scope.fields,
                query=scope.query,
            )
        )
        return found[0] if found else None

    def count(self, scope: Scope) -> int:
        """How many a filter lets through, whatever its limit."""
        with self.store.reading(self.seconds) as reader:
            compiler, source = Compiler(reader, self.refs, MANY), _source(scope, self.refs)
            if source is None:
                return 0
            wanted = compiler.scope(scope, "top")
            text = f"SELECT count(*) FROM {source.text} WHERE {wanted.text}"
            (many,) = reader.execute(text, (*source.values, *wanted.values)).fetchone()
            return int(many)

    def related(self, entity: str, key: str, relation: str, scope: Scope) -> list[dict[str, Any]] | None:
        """The related entries of one entry: files of a data set. None if there is no such entry (for them)."""
        with self.store.reading(self.seconds) as reader:
            parent = self._parent(reader, ENTITIES[entity], key)
            if parent is None:
                return None
            room, wanted = _Room(), ENTITIES[entity].relations[relation]
            limited = scope if scope.limit else _with_limit(scope, MOST)
            found = _children(reader, ENTITIES[entity], Include(wanted, limited), [parent], self.refs, room)
            children = found.get(parent, [])
            _include(reader, scope, children, self.refs, room)
        _weigh(children)
        return [_shown(one, scope) for one in children]

    def count_related(self, entity: str, key: str, relation: str, scope: Scope) -> int | None:
        """How many related entries there are. None if there is no such entry (for them)."""
        with self.store.reading(self.seconds) as reader:
            parent = self._parent(reader, ENTITIES[entity], key)
            if parent is None:
                return None
            source, link = related(ENTITIES[entity].relations[relation], scope.entity, "parent", "child", "link")
            wanted = Compiler(reader, self.refs).scope(scope, "child")
            text = (
                f"SELECT count(*) FROM {ENTITIES[entity].table} parent, {source} "
                f"WHERE parent.id = ? AND {link} AND {wanted.text}"
            )
            (many,) = reader.execute(text, (parent, *wanted.values)).fetchone()
            return int(many)

    def _parent(self, reader: sqlite3.Connection, entity: Entity, key: str) -> int | None:
        seen = Compiler(reader, self.refs).visible(entity, "top")
        text = f"SELECT id FROM {entity.table} top WHERE {entity.key} = ? AND {seen.text}"
        found = reader.execute(text, (key, *seen.values)).fetchone()
        return int(found[0]) if found else None


def _with_limit(scope: Scope, limit: int) -> Scope:
    return Scope(scope.entity, scope.where, scope.include, limit, scope.skip, scope.order, scope.fields)


def _source(scope: Scope, refs: frozenset[str]) -> Sql | None:
    table = f"{scope.entity.table} top"
    if not scope.query:
        return Sql(table)
    found = ranked(scope.query, scope.entity, refs, every=scope.every_word)
    return found and Sql(f"({found.text}) found JOIN {table} ON top.id = found.id", found.values)


def _entries(reader: sqlite3.Connection, scope: Scope, refs: frozenset[str]) -> list[dict[str, Any]]:
    """Rows of the top entity; joins come before the limit. Keys that begin with ``_`` are ours."""
    compiler, source = Compiler(reader, refs), _source(scope, refs)
    if source is None:
        return []
    wanted = compiler.scope(scope, "top")
    rank = "found.rank" if scope.query else "NULL"
    text = (
        f"SELECT {_columns(scope.entity, 'top')}, {rank} FROM {source.text} WHERE {wanted.text} "
        f"ORDER BY {'found.rank, ' if scope.query else ''}{_order(scope, 'top')} LIMIT ? OFFSET ?"
    )
    rows = reader.execute(text, (*source.values, *wanted.values, scope.limit or MOST, scope.skip))
    found = []
    for row in rows:
        entry = _entry(scope.entity, row)
        entry["score"] = _score(row[-1])
        found.append(entry)
    return found


def _score(rank: float | None) -> float:
    """Of (0, 1): better ranks are more negative, without a bound."""
    if rank is None:
        return NO_SCORE
    better = max(-rank, 1e-9)
    return min(max(round(better / (1 + better), 9), 1e-9), 1 - 1e-9)


def _order(scope: Scope, at: str) -> str:
    named = [f"{at}.{one.column} {'DESC' if down else 'ASC'}" for one, down in scope.order]
    return ", ".join([*named, f"{at}.id"])


def _columns(entity: Entity, at: str) -> str:
    names = [f"{at}.{one.column}" for one in entity.fields.values()]
    if entity.name == "Parameter":
        names += [f"{at}.text", f"{at}.si", f"{at}.dimension"]
    return ", ".join([f"{at}.id", *names])


def _entry(entity: Entity, row: tuple[Any, ...]) -> dict[str, Any]:
    entry: dict[str, Any] = {"_id": row[0]}
    for one, value in zip(entity.fields.values(), row[1:], strict=False):
        if value is None:
            continue
        if one.type is Type.BOOLEAN:
            value = bool(value)
        elif one.type is Type.LIST:
            value = json.loads(value)
        elif one.type is Type.ANY and float(value).is_integer() and abs(value) < 1e15:
            value = int(value)
        entry[one.name] = value
    if entity.name == "Parameter":
        text, entry["_si"], entry["_dimension"] = row[len(entity.fields) + 1 :][:3]
        if text is not None:
            entry["value"] = text
    return entry


def _shown(entry: dict[str, Any], scope: Scope) -> dict[str, Any]:
    included = {one.relation.name for one in scope.include}
    return {
        name: value
        for name, value in entry.items()
        if not name.startswith("_") and (scope.fields is None or name in scope.fields or name in included)
    }


# --- Includes -----------------------------------------------------------------------------------------------------------


def _include(
    reader: sqlite3.Connection, scope: Scope, parents: list[dict[str, Any]], refs: frozenset[str], room: _Room
) -> None:
    """Bring what is included to each parent. Of several includes of one relation, what any of them lets through."""
    by_id: dict[int, list[dict[str, Any]]] = {}
    for parent in parents:
        by_id.setdefault(parent["_id"], []).append(parent)
    for include in scope.include:
        found = _children(reader, scope.entity, include, list(by_id), refs, room)
        every = [child for children in found.values() for child in children]
        _include(reader, include.scope, every, refs, room)
        for key, held in by_id.items():
            shown = [(child["_id"], _shown(child, include.scope)) for child in found.get(key, [])]
            weight = sum(child.get("_weight", 1) for child in found.get(key, []))
            for parent in held:
                parent["_weight"] = parent.get("_weight", 1) + weight
                _put(parent, include, shown)


def _put(parent: dict[str, Any], include: Include, shown: list[tuple[int, dict[str, Any]]]) -> None:
    name = include.relation.name
    if not include.relation.many:
        if shown:
            parent.setdefault(name, shown[0][1])
        return
    held = parent.setdefault(f"_{name}", {})
    for key, child in shown:
        held.setdefault(key, child)
    parent[name] = [held[key] for key in (held if include.scope.order else sorted(held))]


def _children(
    reader: sqlite3.Connection,
    entity: Entity,
    include: Include,
    parents: list[int],
    refs: frozenset[str],
    room: _Room,
) -> dict[int, list[dict[str, Any]]]:
    """Children by their parents' ids."""
    scope = include.scope
    source, link = related(include.relation, scope.entity, "parent", "child", "link")
    wanted = joined((Compiler(reader, refs).scope(scope, "child"), Sql(link)), "AND")
    rows_of = (
        f"SELECT {_columns(scope.entity, 'child')}, parent.id AS parent_id, row_number() OVER "
        f"(PARTITION BY parent.id ORDER BY {_order(scope, 'child')}) AS place "
        f"FROM {entity.table} parent, {source} WHERE parent.id IN (SELECT value FROM json_each(?)) AND {wanted.text}"
    )
    first = scope.skip
    last = first + (scope.limit or MAX_INCLUDED + 1)
    text = f"SELECT * FROM ({rows_of}) WHERE place > ? AND place <= ? LIMIT ?"
    rows = reader.execute(text, (json.dumps(parents), *wanted.values, first, last, room.left + 1)).fetchall()
    room.take(len(rows))
    asked = _asked_unit(scope)
    found: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        child = _entry(scope.entity, row)
        if asked is not None:
            _convert(child, *asked)
        found.setdefault(row[-2], []).append(child)
    return found


def _asked_unit(scope: Scope) -> tuple[str, Unit] | None:
    """The unit in which parameters are wanted: that of the condition."""
    if scope.entity.name != "Parameter":
        return None
    text = scope.where.unit if isinstance(scope.where, All) else None
    if isinstance(scope.where, Test) and scope.where.field.name == "unit" and scope.where.operator == "eq":
        text = scope.where.value
    found = unit(text) if text else None
    return (text, found) if text and found else None


def _convert(parameter: dict[str, Any], text: str, asked: Unit) -> None:
    if parameter["_si"] is None or parameter["_dimension"] != asked.dimension or parameter.get("unit") == text:
        return
    parameter["value"] = float(f"{asked.from_si(parameter['_si']):.12g}")
    parameter["unit"] = text
