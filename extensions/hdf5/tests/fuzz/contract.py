"""What an answer must look like, read from the front end's own declarations (``src/api/types.ts``): one contract for both sides.

Understands as much TypeScript as that file uses: interfaces with ``extends``, unions, literals, arrays, tuples, inline
objects, ``Record``, ``Pick`` and ``X['field']``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

TYPES = Path(__file__).resolve().parents[2] / "src" / "api" / "types.ts"
_TOKENS = re.compile(r"'[^']*'|\d+|\w+|[{}\[\]()<>|;:,?=]")

# A check says what is wrong with a value, with the place where; nothing if it is right.
Check = Callable[[Any, str], Iterator[str]]


@dataclass
class Fields:
    """An object: its fields, and which may be absent."""

    checks: dict[str, Check] = field(default_factory=dict)
    optional: set[str] = field(default_factory=set)

    def __call__(self, value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{at}: an object is declared, found {_short(value)}"
            return
        for name, check in self.checks.items():
            if name in value:
                yield from check(value[name], f"{at}.{name}")
            elif name not in self.optional:
                yield f"{at}: {name} is missing"
        for name in sorted(set(value) - set(self.checks)):
            yield f"{at}: {name} is not declared"


class Contract:
    """The declarations of a file, by name."""

    def __init__(self, text: str) -> None:
        text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
        self._tokens = _TOKENS.findall(text)
        self._at = 0
        self._declared: dict[str, Check] = {}
        while self._at < len(self._tokens):
            self._declaration()

    def problems(self, name: str, value: Any) -> list[str]:
        """What is wrong with a value that should be of the named type; empty if nothing is."""
        return list(self._declared[name](value, name))

    def _take(self, *expected: str) -> str:
        token = self._tokens[self._at]
        if expected and token not in expected:
            raise ValueError(f"{expected} expected, found {self._tokens[self._at - 3 : self._at + 3]}")
        self._at += 1
        return token

    def _next_is(self, token: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at] == token

    def _skip(self, token: str) -> bool:
        found = self._next_is(token)
        self._at += found
        return found

    def _declaration(self) -> None:
        self._take("export")
        kind, name = self._take("interface", "type"), self._take()
        if kind == "type":
            self._take("=")
            self._declared[name] = self._type()
            self._take(";")
            return
        base = self._take() if self._skip("extends") else None
        own = self._fields()
        if base is not None:
            inherited = self._declared[base]
            assert isinstance(inherited, Fields)
            own = Fields(inherited.checks | own.checks, inherited.optional | own.optional)
        self._declared[name] = own

    def _fields(self) -> Fields:
        found = Fields()
        self._take("{")
        while not self._skip("}"):
            name = self._take()
            if self._skip("?"):
                found.optional.add(name)
            self._take(":")
            found.checks[name] = self._type()
            if not self._next_is("}"):
                self._take(";", ",")
        return found

    def _type(self) -> Check:
        self._skip("|")
        choices = [self._postfix()]
        while self._skip("|"):
            choices.append(self._postfix())
        return choices[0] if len(choices) == 1 else _union(choices)

    def _postfix(self) -> Check:
        found = self._primary()
        while self._skip("["):
            if self._skip("]"):
                found = _array(found)
            else:
                member = self._take().strip("'")
                self._take("]")
                assert isinstance(found, Fields)
                found = found.checks[member]
        return found

    def _primary(self) -> Check:
        token = self._tokens[self._at]
        if token == "{":
            return self._fields()
        self._at += 1
        if token == "(":
            inner = self._type()
            self._take(")")
            return inner
        if token == "[":
            parts = [self._type()]
            while self._skip(","):
                parts.append(self._type())
            self._take("]")
            return _tuple(parts)
        if token.startswith("'"):
            return _literal(token.strip("'"))
        if token in ("Record", "Pick"):
            return self._generic(token)
        return _PRIMITIVES.get(token) or self._named(token)

    def _generic(self, token: str) -> Check:
        self._take("<")
        first = self._type()
        self._take(",")
        if token == "Record":
            values = self._type()
            self._take(">")
            return _record(values)
        chosen = [self._take().strip("'")]
        while self._skip("|"):
            chosen.append(self._take().strip("'"))
        self._take(">")
        source = self._resolve(first)
        return Fields({name: source.checks[name] for name in chosen}, source.optional & set(chosen))

    def _named(self, name: str) -> Check:
        if name in self._declared:
            return self._declared[name]

        def later(value: Any, at: str) -> Iterator[str]:
            yield from self._declared[name](value, at)

        return later

    @staticmethod
    def _resolve(check: Check) -> Fields:
        assert isinstance(check, Fields)
        return check


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else f"{text[:77]}…"


def _union(choices: list[Check]) -> Check:
    def check(value: Any, at: str) -> Iterator[str]:
        found = [list(choice(value, at)) for choice in choices]
        if all(found):  # the choice that goes wrong deepest is the one that was meant
            yield from max(
                found, key=lambda problems: max(problem.partition(":")[0].count(".") for problem in problems)
            )

    return check


def _array(inner: Check) -> Check:
    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, list | tuple):
            yield f"{at}: a list is declared, found {_short(value)}"
            return
        for index, item in enumerate(value):
            yield from inner(item, f"{at}[{index}]")

    return check


def _tuple(parts: list[Check]) -> Check:
    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, list | tuple) or len(value) != len(parts):
            yield f"{at}: {len(parts)} values are declared, found {_short(value)}"
            return
        for index, (part, item) in enumerate(zip(parts, value, strict=True)):
            yield from part(item, f"{at}[{index}]")

    return check


def _record(inner: Check) -> Check:
    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{at}: an object is declared, found {_short(value)}"
            return
        for key, item in value.items():
            yield from inner(item, f"{at}[{key!r}]")

    return check


def _literal(word: str) -> Check:
    def check(value: Any, at: str) -> Iterator[str]:
        if value != word:
            yield f"{at}: {word!r} is declared, found {_short(value)}"

    return check


def _of(name: str, right: Callable[[Any], bool]) -> Check:
    def check(value: Any, at: str) -> Iterator[str]:
        if not right(value):
            yield f"{at}: {name} is declared, found {_short(value)}"

    return check


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_PRIMITIVES: dict[str, Check] = {
    "string": _of("a string", lambda value: isinstance(value, str)),
    "number": _of("a finite number", _is_number),
    "boolean": _of("a Boolean", lambda value: isinstance(value, bool)),
    "null": _of("null", lambda value: value is None),
    "unknown": _of("anything", lambda _: True),
}


@cache
def contract() -> Contract:
    """The one of the front end."""
    return Contract(TYPES.read_text())
