"""Proposal ids: one canonical form, one harmless path component, whatever the text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panosc_spawner.errors import IdError
from panosc_spawner.facilities.ids import IdRule
from panosc_spawner.facilities.load import load_facility, shipped_facilities

RULES = {name: rule for name in shipped_facilities() if (rule := load_facility(name).proposals)}

hostile = st.one_of(
    st.text(max_size=80),
    st.sampled_from(
        [
            "",
            "..",
            "../ma1234",
            "ma1234/..",
            "ma1234\n",
            "\nma1234",
            "ma1234\0",
            "ma%2F1234",
            "ma%001234",
            "{id}",
            "{}",
            "ma{number}",
            "-ma1234",
            ".ma1234",
            "ma1234 ",
            "mа1234",  # a Cyrillic a
            "ｍａ1234",
            "ma１２３４",
            "maK1234",
            "ſs1234",
            "m" * 10_000,
            "9" * 10_000,
            "p0" + "0" * 10_000,
            "8-04-923\n",
            "a" * 60 + "!",
        ]
    ),
    st.from_regex(r"[a-zA-Z]{1,6}-?[0-9]{1,8}[./\n\x00%{}]?", fullmatch=True),
)


@pytest.mark.parametrize(
    ("facility", "written", "canonical"),
    [
        ("esrf", "MA-1234", "ma1234"),
        ("esrf", "ma1234", "ma1234"),
        ("esrf", "IHMA123", "ihma123"),
        ("esrf", "ma0123", "ma0123"),  # nobody says that it is ma123
        ("esrf", "ma123", "ma123"),
        ("ill", "8-04-923", "8-04-923"),
        ("ill", "test-3519", "TEST-3519"),
        ("euxfel", "2145", "p002145"),
        ("euxfel", "p2145", "p002145"),
        ("euxfel", "P002145", "p002145"),
        ("euxfel", "p900091", "p900091"),
        ("ess", "616254", "616254"),
        ("demo", "DEMO-1", "demo-001"),
    ],
)
def test_written_forms_are_one_proposal(facility: str, written: str, canonical: str) -> None:
    assert RULES[facility].normalise(written) == canonical


@pytest.mark.parametrize(
    ("facility", "text"),
    [
        ("esrf", "1234"),
        ("esrf", "ma-1234567"),
        ("esrf", "ma--1234"),
        ("esrf", "ma1234\n"),
        ("euxfel", "p000000"),
        ("euxfel", "p1234567"),
        ("ill", "8-4-923"),
        ("ess", "61625"),
        ("demo", "demo-1000"),
    ],
)
def test_what_is_no_id_is_refused_with_an_example(facility: str, text: str) -> None:
    with pytest.raises(IdError, match="looks like"):
        RULES[facility].normalise(text)


@pytest.mark.parametrize("facility", RULES)
@settings(deadline=None)
@given(text=hostile)
def test_any_text_is_a_harmless_component_or_refused(facility: str, text: str) -> None:
    rule = RULES[facility]
    try:
        once = rule.normalise(text)
    except IdError as error:
        assert len(str(error)) < 300
        return
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", once)
    assert ".." not in once
    assert rule.normalise(once) == once


@settings(deadline=None)
@given(text=hostile)
def test_a_careless_rule_lets_nothing_harmful_through(text: str) -> None:
    rule = IdRule(written=r"(?P<id>[\s\S]*)", examples=("a",))
    try:
        once = rule.normalise(text)
    except IdError:
        return
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", once)
    assert ".." not in once


def test_a_template_that_does_not_fit_one_id_refuses_that_id() -> None:
    rule = IdRule(written=r"(?P<code>[a-z]+)(?P<number>\d*)", canonical="{code}{number:03d}", examples=("ma001",))
    with pytest.raises(IdError):
        rule.normalise("ma")


def test_a_canonical_form_that_has_another_one_is_refused() -> None:
    rule = IdRule(written=r"x?(?P<id>x?\d+)", examples=("12",))
    assert rule.normalise("x12") == "12"
    with pytest.raises(IdError):
        rule.normalise("xx12")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"written": "(", "examples": ["a"]}, "written: not a regular expression"),
        ({"written": "[a-z]+", "examples": ["a"]}, "named group"),
        ({"written": "(?P<id>[a-z]+)", "examples": ["1"]}, "refused by the file's own rule"),
        ({"written": "(?P<id>[a-z]+)", "canonical": "{nr}", "examples": ["a"]}, "refused by the file's own rule"),
        ({"written": "(?P<id>[a-z]+)", "canonical": "../{id}", "examples": ["a"]}, "refused by the file's own rule"),
        ({"written": "(?P<id>(a+)+)", "examples": ["a"]}, "takes too long"),
        ({"written": r"(?P<id>(\d\d?)+)", "examples": ["a"]}, "takes too long"),
        ({"written": "(?P<id>[a-z]+)", "examples": []}, "at least 1 item"),
    ],
)
def test_a_bad_rule_is_refused_when_it_is_read(table: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        IdRule.model_validate(table)


@pytest.mark.parametrize("value", [None, 12, b"ma1234", ["ma1234"]])
def test_what_is_no_text_is_no_id(value: object) -> None:
    with pytest.raises(IdError):
        RULES["esrf"].normalise(value)  # type: ignore[arg-type]
