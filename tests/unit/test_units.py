"""Sizes and durations as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panosc_spawner.facilities.units import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("512", 512), (512, 512), ("512M", 512 << 20), ("4G", 4 << 30), ("1.5 GB", 3 << 29), ("4GiB", 4 << 30)],
)
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "4 cows", "-1", -1, "1e9", True, None, 1.5, "1.5.5G", "٤G", "4G\n4G", "9" * 100])
def test_what_is_no_size(text: object) -> None:
    with pytest.raises(ValueError, match="512M"):
        parse_size(text)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("12h", 43_200), ("3 d", 259_200)])
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "12", 12, "1w", "-1h", "1.5h", None, "١h"])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="15m"):
        parse_duration(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_size, parse_duration):
        try:
            parse(text)
        except ValueError:
            continue


@given(st.integers(0, 1 << 52))
def test_a_size_in_words_is_near(size: int) -> None:
    text = format_size(size)
    read = parse_size(text.replace(" bytes", ""))
    assert abs(read - size) <= size * 0.06


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=5), "less than a minute"),
        (timedelta(minutes=5), "5 min"),
        (timedelta(hours=11, minutes=30), "11 h 30 min"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=3, hours=2), "3 days 2 h"),
        (timedelta(seconds=-5), "less than a minute"),
    ],
)
def test_durations_in_words(span: timedelta, text: str) -> None:
    assert format_duration(span) == text
