"""The contract's reader finds what is wrong, and only that."""

from __future__ import annotations

import math

import pytest
from contract import Contract, contract

SMALL = """
/** Words; with { braces } */
export type Kind = 'a' | 'b';
export interface IBase { name: string; kind?: Kind; }
export interface IMore extends IBase { shape: (number | null)[] | null; window: [number, number]; by: Record<string, number>;
  part: Pick<IBase, 'name'>; self?: IMore; what: IBase['kind']; one: | { x: number } | { y: string; inner: { z: boolean } } }
"""
RIGHT = {
    "name": "n",
    "shape": [1, None],
    "window": [0, 1],
    "by": {"1": 2.5},
    "part": {"name": "p"},
    "what": "b",
    "one": {"y": "", "inner": {"z": True}},
}


def test_a_right_value_has_no_problem() -> None:
    assert Contract(SMALL).problems("IMore", RIGHT | {"self": RIGHT, "shape": None}) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": 1}, "IMore.name: a string is declared, found 1"),
        ({"extra": 1}, "IMore: extra is not declared"),
        ({"kind": "c"}, "IMore.kind: 'a' is declared, found 'c'"),
        ({"window": [1]}, "IMore.window: 2 values are declared, found [1]"),
        ({"by": {"1": math.nan}}, "IMore.by['1']: a finite number is declared, found nan"),
        ({"by": {"1": True}}, "IMore.by['1']: a finite number is declared, found True"),
        ({"part": {}}, "IMore.part: name is missing"),
        ({"self": RIGHT | {"window": None}}, "IMore.self.window: 2 values are declared, found None"),
        ({"one": {"y": "", "inner": {"z": 1}}}, "IMore.one.inner.z: a Boolean is declared, found 1"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, object], problem: str) -> None:
    assert problem in Contract(SMALL).problems("IMore", RIGHT | change)


def test_the_front_ends_declarations_are_understood() -> None:
    assert contract().problems("IProblem", {"code": "x", "message": "words"}) == []
    assert contract().problems("IChild", {"name": "x"})
