"""Ranges and conditions of requests, as RFC 9110 has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from panosc_portal.moving.ranges import http_date, wanted

MODIFIED = 1_700_000_000
DATE = http_date(MODIFIED)
LATER = http_date(MODIFIED + 60)


@pytest.mark.parametrize(
    ("value", "status", "start", "end"),
    [
        ("bytes=0-0", 206, 0, 1),
        ("bytes=0-99", 206, 0, 100),
        ("bytes=10-", 206, 10, 100),
        ("bytes=-10", 206, 90, 100),
        ("bytes=-1000", 206, 0, 100),
        ("bytes=90-1000", 206, 90, 100),
        ("BYTES = 5 - 6 ", 206, 5, 7),
        ("bytes=100-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
        ("bytes=5-4", 200, 0, 100),
        ("bytes=0-1,5-6", 200, 0, 100),
        ("lines=0-1", 200, 0, 100),
        ("bytes=", 200, 0, 100),
        ("bytes=-", 200, 0, 100),
        ("bytes=a-b", 200, 0, 100),
        ("bytes=٣-٤", 200, 0, 100),
        ("bytes=0-" + "9" * 40, 200, 0, 100),
    ],
)
def test_ranges(value: str, status: int, start: int, end: int) -> None:
    answer = wanted({"range": value}, 100, "v1", MODIFIED)
    assert (answer.status, answer.start, answer.end) == (status, start, end)
    if status == 206:
        assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/100"
        assert answer.headers["Content-Length"] == str(end - start)
    if status == 416:
        assert answer.headers["Content-Range"] == "bytes */100"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-match": '"v1"'}, 200),
        ({"if-match": '"v0", "v1"'}, 200),
        ({"if-match": "*"}, 200),
        ({"if-match": '"v0"'}, 412),
        ({"if-match": 'W/"v1"'}, 412),
        ({"if-none-match": '"v1"'}, 304),
        ({"if-none-match": 'W/"v1"'}, 304),
        ({"if-none-match": '"v0"', "if-modified-since": LATER}, 200),
        ({"if-modified-since": DATE}, 304),
        ({"if-modified-since": http_date(MODIFIED - 1)}, 200),
        ({"if-unmodified-since": http_date(MODIFIED - 1)}, 412),
        ({"if-unmodified-since": DATE}, 200),
        ({"if-match": '"v1"', "if-unmodified-since": http_date(0)}, 200),
        ({"if-modified-since": "yesterday"}, 200),
        ({"range": "bytes=0-9", "if-range": '"v1"'}, 206),
        ({"range": "bytes=0-9", "if-range": '"v0"'}, 200),
        ({"range": "bytes=0-9", "if-range": 'W/"v1"'}, 200),
        ({"range": "bytes=0-9", "if-range": DATE}, 206),
        ({"range": "bytes=0-9", "if-range": LATER}, 200),
        ({"range": "bytes=0-9", "if-range": "nonsense"}, 200),
        ({"range": "bytes=500-", "if-range": '"v0"'}, 200),
    ],
)
def test_conditions(headers: dict[str, str], status: int) -> None:
    assert wanted(headers, 100, "v1", MODIFIED).status == status


@given(st.integers(0, 200), st.integers(0, 10**18), st.integers(0, 10**18))
def test_whatever_numbers_the_slice_lies_within(size: int, first: int, last: int) -> None:
    for value in (f"bytes={first}-{last}", f"bytes={first}-", f"bytes=-{last}"):
        answer = wanted({"range": value}, size, "v")
        assert 0 <= answer.start <= answer.end <= size
        assert answer.status in {200, 206, 416} and (answer.status != 206 or answer.start < answer.end)


@given(
    st.dictionaries(st.sampled_from(["range", "if-range", "if-match", "if-none-match", "if-modified-since"]), st.text())
)
def test_any_header_gets_an_answer(headers: dict[str, str]) -> None:
    assert wanted(headers, 100, "v1", MODIFIED).status in {200, 206, 304, 412, 416}
