"""How long a token is good for, whatever a token endpoint writes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from panosc_spawner.identity.lifetimes import RUNS_OUT, has_run_out, lifetime, runs_out_at


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (3600, 3600.0),
        (0.5, 0.5),
        ("3600", 3600.0),
        (10**400, 1e10),
        ("9" * 5000, 1e10),
        (0, None),
        (-1, None),
        (True, None),
        (None, None),
        ("soon", None),
        ("-5", None),
        ("\u0663", None),
        ([3600], None),
        (json.loads("NaN"), None),
        (json.loads("Infinity"), None),
    ],
)
def test_a_lifetime_is_a_number_of_seconds_or_not_known(value: Any, seconds: float | None) -> None:
    assert lifetime({"expires_in": value}) == seconds
    json.dumps(runs_out_at({"expires_in": value}, 1.0, 60.0), allow_nan=False)  # it is stored


def test_none_is_said() -> None:
    assert lifetime({}) is None
    assert runs_out_at({}, 1000.0, 60.0) is None


@pytest.mark.parametrize(("seconds", "skew", "moment"), [(3600, 60, 4540), (300, 60, 1270), (3600, 0, 4600)])
def test_clocks_differ_and_of_a_short_lifetime_only_a_tenth_is_given_up(
    seconds: int, skew: float, moment: float
) -> None:
    assert runs_out_at({"expires_in": seconds}, 1000.0, skew) == moment


@pytest.mark.parametrize(
    ("state", "over"),
    [
        ({RUNS_OUT: 99.0}, True),
        ({RUNS_OUT: 100}, True),
        ({RUNS_OUT: 101.0}, False),
        ({RUNS_OUT: None}, False),
        ({}, False),
    ],
)
def test_what_is_not_known_has_not_run_out(state: dict[str, Any], over: bool) -> None:
    assert has_run_out(state, 100.0) is over
