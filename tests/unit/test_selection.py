"""Selections: whatever is asked for is read, or refused in words."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from launch_support import SITE, SP, decide, grant, site

from panosc_spawner.launch.model import Reason, Refusal, Selection
from panosc_spawner.launch.selection import parse_selection, selection_options

SELECTIONS = [
    ({"proposals": ["spallation/SP-7"]}, Selection((SP,))),
    ({"proposals": "spallation/sp7, spallation/sp7"}, Selection((SP,))),
    ({"proposals": ["spallation/sp7"], "environment": ["spallation/base"]}, Selection((SP,), "spallation/base")),
    (
        {"proposals": ["spallation/sp7"], "memory": ["2G"], "cpu": "1.5", "gpus": "0"},
        Selection((SP,), "", 2 * 1024**3, 1.5, 0),
    ),
    ({"proposals": ["spallation/sp7"], "memory": 1024, "cpu": 2}, Selection((SP,), "", 1024, 2.0)),
    ({}, Selection(())),
]


@pytest.mark.parametrize(("options", "expected"), SELECTIONS)
def test_selections_are_read(options: object, expected: Selection) -> None:
    selection = parse_selection(options, site())
    assert selection == expected
    assert parse_selection(selection_options(expected), site()) == expected


BAD_SELECTIONS: list[object] = [
    None,
    [],
    "esrf/ma1234",
    {"image": ["a"]},
    {"image": "evil:latest"},
    {"proposals": 7},
    {"proposals": [7]},
    {"proposals": [["spallation/sp7"]]},
    {"proposals": b"spallation/sp7"},
    {"proposals": ["sp7"]},
    {"proposals": ["moon/sp7"]},
    {"proposals": ["spallation/../../etc"]},
    {"proposals": ["spallation/sp7\n"]},
    {"proposals": ["spallation/" + "9" * 10_000]},
    {"proposals": [f"spallation/sp{n}" for n in range(21)]},
    {"proposals": ["spallation/sp7"], "environment": ["a", "b"]},
    {"proposals": ["spallation/sp7"], "environment": {"a": 1}},
    {"proposals": ["spallation/sp7"], "memory": "lots"},
    {"proposals": ["spallation/sp7"], "memory": "-1"},
    {"proposals": ["spallation/sp7"], "cpu": "nan"},
    {"proposals": ["spallation/sp7"], "cpu": "inf"},
    {"proposals": ["spallation/sp7"], "gpus": "1.5"},
    {"proposals": ["spallation/sp7"], "gpus": "٣"},
]


@pytest.mark.parametrize("options", BAD_SELECTIONS, ids=lambda options: str(options)[:50])
def test_bad_selections_are_refused_in_words(options: object) -> None:
    refusal = parse_selection(options, site())
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.BAD_REQUEST
    assert len(refusal.message) < 300


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=12), children, max_size=4),
)


@given(st.dictionaries(st.sampled_from(["proposals", "environment", "memory", "cpu", "gpus", "image"]), _json) | _json)
@example({"memory": 10**400})
@example({"memory": -(10**400)})
@example({"proposals": ["x\n[E] root logged in"]})
@example({"image\x1b[2J": "any"})
def test_any_options_give_a_selection_or_words(options: object) -> None:
    answer = parse_selection(options, SITE)
    assert isinstance(answer, Selection | Refusal)
    assert isinstance(answer, Selection) or answer.message.isprintable()  # it ends in the hub's log


@pytest.mark.parametrize("wanted", ["x\n[E] root logged in", "\x1b[2J", "\u202egpj.exe"])
def test_words_that_repeat_what_was_asked_for_are_one_harmless_line(wanted: str) -> None:
    selection = parse_selection({"proposals": [str(SP)], "environment": wanted}, SITE)
    refusal = selection if isinstance(selection, Refusal) else decide(grant(), ask=selection)
    assert isinstance(refusal, Refusal)
    assert refusal.message.isprintable()
