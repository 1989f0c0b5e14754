"""How long a silence was seen: by this process, by a clock that nobody sets."""

from __future__ import annotations

from datetime import timedelta

import pytest

from panosc_spawner.outages import FORGET, Silences, seen_enough

MINUTE = timedelta(minutes=1)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_silence_lasts_from_the_first_failure_after_the_last_answer() -> None:
    clock = Clock()
    silences: Silences[str] = Silences(clock)
    assert silences.lasted("one") == timedelta()
    assert silences.failed("one") == timedelta()
    clock.now += 60
    assert silences.lasted("one") == silences.failed("one") == MINUTE
    assert silences.lasted("other") == timedelta()
    silences.answered("one")
    clock.now += 1
    assert silences.lasted("one") == silences.failed("one") == timedelta()


def test_where_nobody_asked_in_between_nothing_was_seen() -> None:
    clock = Clock()
    silences: Silences[str] = Silences(clock)
    silences.failed("one")
    clock.now += FORGET.total_seconds() + 1
    assert silences.lasted("one") == silences.failed("one") == timedelta()


def test_who_is_not_asked_about_any_more_is_forgotten() -> None:
    clock = Clock()
    silences: Silences[str] = Silences(clock, gap=MINUTE)
    silences.failed("one")
    clock.now += 61
    silences.failed("two")
    silences.tidy()
    assert list(silences._seen) == ["two"]


@pytest.mark.parametrize(
    ("seconds", "grace", "enough"),
    [(0, 3600, False), (119, 3600, False), (120, 3600, True), (14, 15, False), (15, 15, True)],
)
def test_two_minutes_or_the_grace_are_enough(seconds: int, grace: int, enough: bool) -> None:
    assert seen_enough(timedelta(seconds=seconds), timedelta(seconds=grace)) is enough
