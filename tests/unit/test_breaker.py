"""The circuit breaker around a proposal source."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panosc_spawner.errors import PersonalSourceError, SourceError
from panosc_spawner.proposals.breaker import Breaker, State


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


class Bench:
    """A breaker of 3 failures, 2 s at first and 10 s at most, and a source that answers or fails as told."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.breaker = Breaker(
            "Office",
            failures=3,
            first_pause=timedelta(seconds=2),
            longest_pause=timedelta(seconds=10),
            now=self.clock,
        )
        self.asked = 0

    def ask(self, error: BaseException | None = None) -> None:
        with self.breaker.asking():
            self.asked += 1
            if error:
                raise error

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            with pytest.raises(SourceError, match="down"):
                self.ask(SourceError("Office", "down"))


def test_it_opens_after_failures_in_a_row_only() -> None:
    bench = Bench()
    bench.fail(2)
    bench.ask()
    bench.fail(2)
    assert bench.breaker.state is State.CLOSED
    bench.fail()
    assert bench.breaker.state is State.OPEN
    asked = bench.asked
    with pytest.raises(SourceError) as refused:
        bench.ask()
    assert refused.value.reason == "not asked again for 2 s after 3 failures in a row (down)"
    assert bench.asked == asked


def test_pauses_double_up_to_the_longest_and_an_answer_ends_them() -> None:
    bench = Bench()
    bench.fail(3)
    for pause in (2, 4, 8, 10, 10):
        bench.clock.time += pause - 0.1
        with pytest.raises(SourceError, match="not asked again"):
            bench.ask()
        bench.clock.time += 0.1
        assert bench.breaker.state is State.HALF_OPEN
        bench.fail()
    bench.clock.time += 10
    bench.ask()
    assert bench.breaker.state is State.CLOSED
    bench.fail(2)
    assert bench.breaker.state is State.CLOSED


def test_one_question_at_a_time_tries_a_half_open_one() -> None:
    bench = Bench()
    bench.fail(3)
    bench.clock.time += 2
    with bench.breaker.asking(), pytest.raises(SourceError, match="not asked again for 1 s after 3 failures"):
        bench.ask()
    assert bench.breaker.state is State.CLOSED
    bench.ask()


@pytest.mark.parametrize(
    "error", [PersonalSourceError("Office", "no token"), asyncio.CancelledError(), KeyboardInterrupt()]
)
def test_what_says_nothing_about_the_source_changes_nothing(error: BaseException) -> None:
    bench = Bench()
    for _ in range(10):
        with pytest.raises(type(error)):
            bench.ask(error)
    assert bench.breaker.state is State.CLOSED
    bench.fail(3)
    bench.clock.time += 2
    with pytest.raises(type(error)):
        bench.ask(error)
    assert bench.breaker.state is State.HALF_OPEN  # and the next question may try
    bench.ask()
    assert bench.breaker.state is State.CLOSED


@pytest.mark.parametrize("error", [TimeoutError(), ValueError("a mistake"), SourceError("Office", "500")])
def test_whatever_else_goes_wrong_counts(error: Exception) -> None:
    bench = Bench()
    for _ in range(3):
        with pytest.raises(type(error)):
            bench.ask(error)
    assert bench.breaker.state is State.OPEN


async def test_many_questions_that_fail_together_are_one_opening() -> None:
    bench = Bench()
    go = asyncio.Event()

    async def ask() -> None:
        with bench.breaker.asking():
            await go.wait()
            raise SourceError("Office", "down")

    asking = [asyncio.create_task(ask()) for _ in range(50)]
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(*asking, return_exceptions=True)
    bench.clock.time += 2
    assert bench.breaker.state is State.HALF_OPEN


def test_senseless_settings_are_refused() -> None:
    for wrong in (
        {"failures": 0},
        {"first_pause": timedelta()},
        {"first_pause": timedelta(seconds=9), "longest_pause": timedelta(seconds=8)},
    ):
        with pytest.raises(ValueError, match="a breaker needs"):
            Breaker("Office", **wrong)  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.sampled_from(["ok", "fail", "person"]), st.floats(0, 20)), max_size=60))
def test_a_source_is_asked_again_within_the_longest_pause_and_not_more_than_allowed(
    steps: Sequence[tuple[str, float]],
) -> None:
    bench = Bench()
    refused_since = None
    for what, wait in steps:
        bench.clock.time += wait
        before = bench.asked
        errors = {
            "ok": None,
            "fail": SourceError("Office", "down"),
            "person": PersonalSourceError("Office", "no token"),
        }
        with contextlib.suppress(SourceError):
            bench.ask(errors[what])
        if bench.asked > before:
            refused_since = None
        else:
            refused_since = refused_since or bench.clock.time
            assert bench.clock.time - refused_since < 10
