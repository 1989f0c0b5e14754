"""Parameters from outside, whatever they are: an answer or a refusal in words, quickly, and never an array beyond the limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from corpus import Made
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from panosc_hdf5.core.context import Context, Services, Ticket
from panosc_hdf5.core.errors import HDF5Error
from panosc_hdf5.core.operations import TABLE, run

FILES = ("eiger-small", "nxdata", "layouts", "huge", "compounds", "spaces")
PATHS = {
    "eiger-small": ("/entry/data", "/entry/data/data", "/entry/instrument/detector/data"),
    "nxdata": ("/", "/entry", "/entry/image", "/entry/curve", "/entry/scatter", "/entry/rgb/picture"),
    "layouts": ("/contiguous", "/tiles", "/line", "/sparse", "/filter_mask"),
    "huge": ("/contiguous", "/chunked", "/image", "/line", "/big_chunks", "/astronomical", "/mostly_empty", "/strings"),
    "compounds": ("/nested", "/enumeration_2d", "/vlen_numbers"),
    "spaces": ("/null", "/empty_2d", "/rank_32", "/scalar", "/row"),
}
NUMBERS = st.one_of(
    st.integers(-3, 400).map(str),
    st.sampled_from(
        ("0", "-0", "1e3", "nan", "inf", "9223372036854775807", "9223372036854775808", "0x10", "1_0", "٣", "", " 1")
    ),
    st.floats(-10, 500, allow_nan=False).map(str),
)
LISTS = st.lists(NUMBERS, min_size=1, max_size=5).map(",".join)
ENTRIES = st.one_of(
    st.sampled_from((":", "...", "::2", "::-1", "1:", ":-1", "None", "5:2", "a", "")),
    NUMBERS,
    st.builds("{}:{}:{}".format, NUMBERS, NUMBERS, NUMBERS),
)
SLICES = st.lists(ENTRIES, max_size=5).map(",".join)
WORDS = st.sampled_from(
    (
        "max",
        "mean",
        "min",
        "first",
        "natural",
        "start_time",
        "1",
        "true",
        "csv",
        "npy",
        "tiff",
        "q",
        "2theta",
        "r",
        "glob",
        "/",
    )
)
ANYTHING = st.one_of(NUMBERS, LISTS, SLICES, WORDS, st.text(max_size=30))


@cache
def context(root: Path) -> Context:
    return Context(Services(roots=(root,)))


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, str, dict[str, str]]:
    name = draw(st.sampled_from(FILES))
    operation = draw(st.sampled_from(sorted(TABLE)))
    parameters = {}
    for known in TABLE[operation].parameters:
        if known in ("path", "h5path") or not draw(st.booleans()):
            continue
        parameters[known] = draw(SLICES if known == "slice" else ANYTHING)
    parameters["h5path"] = draw(
        st.one_of(st.sampled_from(PATHS[name]), st.sampled_from(PATHS[name]), st.text(max_size=20))
    )
    return name, operation, parameters


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(question=questions())
def test_an_answer_or_a_refusal_in_words(
    question: tuple[str, str, dict[str, str]], corpus: Callable[[str], Made]
) -> None:
    name, operation, parameters = question
    made = corpus(name)
    asked = context(made.root)
    asked.ticket = Ticket(20)
    begin = time.monotonic()
    nbytes = 0
    try:
        for reply in run(operation, {"path": str(made.main), **parameters}, asked):
            nbytes = sum(getattr(array, "nbytes", 0) for array in reply.arrays.values()) + len(reply.body or b"")
            assert nbytes <= 2 * asked.services.limits.reply_bytes
    except HDF5Error as error:
        assert len(error.message) > 11
    assert time.monotonic() - begin < 25


@pytest.mark.parametrize("operation", sorted(TABLE))
@pytest.mark.parametrize("h5path", PATHS["huge"])
def test_200_gigabytes_are_refused_or_reduced_before_they_are_read(
    operation: str, h5path: str, corpus: Callable[[str], Made]
) -> None:
    made = corpus("huge")
    required = {
        "search": {"q": "x"},
        "tile": {"level": "0", "x": "0", "y": "0"},
        "trace": {"point": "0,0"},
        "roi": {"window": "0,10,0,10"},
        "profile": {"start": "0,0", "end": "9,9"},
        "export": {"format": "npy"},
    }
    asked = Context(Services(roots=(made.root,)), Ticket(20))
    begin = time.monotonic()
    try:
        for reply in run(operation, {"path": str(made.main), "h5path": h5path, **required.get(operation, {})}, asked):
            assert (
                sum(getattr(array, "nbytes", 0) for array in reply.arrays.values()) <= asked.services.limits.reply_bytes
            )
    except HDF5Error as error:
        assert len(error.message) > 11
    assert time.monotonic() - begin < 25
