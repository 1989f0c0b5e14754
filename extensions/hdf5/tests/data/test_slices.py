"""Slices agree with numpy, and whatever else comes is refused in words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from panosc_hdf5.core.errors import BadRequest, HDF5Error, TooLarge, Unsupported
from panosc_hdf5.core.selection import Selection, parse_slice, refuse_above

shapes = st.lists(st.integers(0, 7), min_size=0, max_size=4).map(tuple)
bound = st.one_of(st.just(""), st.integers(-9, 9).map(str))
step = st.one_of(st.just(""), st.integers(1, 4).map(lambda n: f":{n}"))
entry = st.one_of(
    st.integers(-8, 8).map(str),
    st.just(":"),
    st.just("..."),
    st.tuples(bound, bound, step).map(lambda t: f"{t[0]}:{t[1]}{t[2]}"),
)
texts = st.lists(entry, min_size=1, max_size=5).map(", ".join)


@given(shapes, texts)
def test_as_numpy(shape: tuple[int, ...], text: str) -> None:
    array = np.arange(int(np.prod(shape))).reshape(shape)
    try:
        expected = eval(f"array[{text},]", {"array": array})
    except IndexError:
        with pytest.raises(BadRequest):
            parse_slice(text, shape)
        return
    selection = parse_slice(text, shape)
    assert np.array_equal(array[selection.index], expected)
    assert selection.result_shape == expected.shape
    assert selection.nbytes(8) == expected.nbytes
    # The canonical text says the same, and is its own canonical text.
    again = parse_slice(selection.text, shape)
    assert again.items == selection.items
    assert again.text == selection.text


@given(shapes, texts, texts)
def test_equal_selections_have_equal_texts(shape: tuple[int, ...], one: str, other: str) -> None:
    try:
        a, b = parse_slice(one, shape), parse_slice(other, shape)
    except BadRequest:
        return
    assert (a.items == b.items) == (a.text == b.text)


@given(st.one_of(st.none(), shapes), st.text(max_size=40))
def test_hostile(shape: tuple[int, ...] | None, text: str) -> None:
    try:
        parse_slice(text, shape)
    except HDF5Error as error:
        assert error.message


@pytest.mark.parametrize(
    "text",
    [
        "0x1",
        "1_0",
        "1e3",
        "١",
        "a",
        "None",
        "True",
        "::",
        "1:2:3:4",
        "::-1",
        "::0",
        "9" * 21,
        ":" * 5000,
        "1,2,3,4",
        ",",
        "..., ...",
        "[0",
    ],
)
def test_refused(text: str) -> None:
    if text == "::":
        assert parse_slice(text, (3,)).text == ":"
        return
    with pytest.raises(BadRequest):
        parse_slice(text, (3, 4, 5))


def test_huge_numbers() -> None:
    assert parse_slice(f":{10**19}", (10,)).text == ":"
    assert parse_slice("1:", (2**62,)).size == 2**62 - 1
    with pytest.raises(Unsupported):
        parse_slice(None, (2**64 - 1,))


@pytest.mark.parametrize(
    ("text", "shape", "canonical"),
    [
        (None, (2, 3), ":, :"),
        ("", (), ""),
        ("...", (), ""),
        ("-1", (4, 5, 6), "3, :, :"),
        ("[1, ..., 2]", (4, 5, 6), "1, :, 2"),
        ("0:4:1, 2:4, ::3", (4, 5, 6), ":, 2:4, ::3"),
        ("3:1, 4:5, 5:6", (4, 5, 6), "0:0, 4:, 5:"),
        (":", (0,), ":"),
    ],
)
def test_canonical(text: str | None, shape: tuple[int, ...], canonical: str) -> None:
    assert parse_slice(text, shape).text == canonical


def test_shown_dimensions() -> None:
    filled = parse_slice(None, (4, 5, 6)).showing(2)
    assert (filled.text, filled.dimensions) == ("0, :, :", (1, 2))
    assert parse_slice(":, 2, :", (4, 5, 6)).showing(2).dimensions == (0, 2)
    with pytest.raises(BadRequest, match="keeps 3 dimensions"):
        parse_slice(":, :, 1:", (4, 5, 6)).showing(2)
    with pytest.raises(Unsupported, match="nothing to show"):
        parse_slice(None, (0, 5, 6)).showing(2)
    with pytest.raises(Unsupported, match="null"):
        parse_slice(None, None)


def test_part_of_a_part() -> None:
    selection = parse_slice("3, 10:30:2", (5, 100)).within(1, 2, 4)
    assert selection.items == (3, range(14, 18, 2))


def test_too_large_says_the_way_out() -> None:
    selection = parse_slice(None, (1000, 5000, 5000))
    with pytest.raises(TooLarge) as caught:
        refuse_above(selection.nbytes(8), 64 * 1024**2, selection)
    error = caught.value
    assert "200 GB" in error.message
    assert "0, :, :" in error.remedy
    stride = parse_slice(error.details["stride"], selection.shape)
    assert stride.nbytes(8) <= 64 * 1024**2
    refuse_above(10, 10, selection)
    assert isinstance(selection, Selection)
