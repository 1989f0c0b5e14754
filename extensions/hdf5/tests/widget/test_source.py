"""What may be handed to ``view``: paths, data URLs as silx reads them, and objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nexusformat.nexus import NXfield, nxload
from panosc_hdf5.core.errors import BadRequest, HDF5Error, NotFound, Unreadable, Unsupported
from panosc_hdf5.notebook.source import Source, parse, parse_url, resolve, slice_text
from silx.io.url import DataUrl

names = st.text(st.characters(codec="utf-8", exclude_characters="\0?#;&%+=[]:/\n\r\t "), min_size=1, max_size=12)
items = st.one_of(
    st.integers(-5, 1000),
    st.just(Ellipsis),
    st.builds(slice, *[st.none() | st.integers(0, 99)] * 2, st.none() | st.integers(1, 9)),
)


@given(
    st.lists(names, min_size=1, max_size=3),
    st.lists(names, max_size=3),
    st.none() | st.lists(items, min_size=1, max_size=4),
)
def test_a_data_url_means_what_it_means_to_silx(
    folders: list[str], parts: list[str], slicing: list[Any] | None
) -> None:
    made = DataUrl(
        file_path="/" + "/".join(folders) + ".h5",
        data_path="/" + "/".join(parts),
        data_slice=tuple(slicing) if slicing else None,
        scheme="silx",
    )
    for given_url in (made, made.path()):
        found = parse(given_url)
        read = DataUrl(made.path())
        assert (found.path, found.h5path) == (read.file_path(), read.data_path())
        wanted = slice_text(read.data_slice()) if slicing else None
        assert (found.slice or "").replace(" ", "") == (wanted or "").replace(" ", "")


@given(st.text(max_size=60))
def test_any_text_is_a_source_or_refused_in_words(text: str) -> None:
    try:
        found = parse(text)
    except HDF5Error as error:
        assert error.message
    else:
        assert found.path


@pytest.mark.parametrize(
    ("text", "path", "h5path", "slicing"),
    [
        ("silx:///data/file.h5?path=/entry/data&slice=0", "/data/file.h5", "/entry/data", "0"),
        ("silx:///data/file.h5?/entry/data", "/data/file.h5", "/entry/data", None),
        ("/data/file.h5::/entry/data", "/data/file.h5", "/entry/data", None),
        ("silx:///data/file.h5", "/data/file.h5", "/", None),
        ("https://example.org/a.h5::/entry", "https://example.org/a.h5", "/entry", None),
        ("https://example.org/a.h5?token=x", "https://example.org/a.h5?token=x", "/", None),
    ],
)
def test_forms(text: str, path: str, h5path: str, slicing: str | None) -> None:
    assert parse(text) == Source(path, h5path, slicing)


def test_relative_paths_start_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse("silx:a.h5?path=/x").path == str(tmp_path / "a.h5")
    assert parse("a.h5::/x") == Source(str(tmp_path / "a.h5"), "/x")


def test_a_file_that_exists_is_a_file_whatever_its_name(tmp_path: Path) -> None:
    odd = tmp_path / "a::b?path=c.h5"
    odd.touch()
    assert parse(str(odd)) == Source(str(odd))
    assert parse(odd) == Source(str(odd))


@pytest.mark.parametrize("text", ["", "a\0b", "fabio:///a.edf", "ftp://x/y.h5", "?path=/x", "silx:a.h5?path=/x&slice="])
def test_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse(text)


@pytest.mark.parametrize("thing", [b"a.h5", 3, None, np.zeros(3), object()])
def test_other_things_are_refused(thing: Any) -> None:
    with pytest.raises(BadRequest):
        parse(thing)


def test_brackets_are_a_slice_unless_there_is_such_a_name(small: Path) -> None:
    found, shape = resolve(parse(f"{small}::/entry/data[1, ..., 2:4]"))
    assert (found.h5path, found.slice, shape) == ("/entry/data", "1, :, 2:4", (3, 4, 5))
    found, _ = resolve(parse(f"{small}::/entry/name[0]"))
    assert (found.h5path, found.slice) == ("/entry/name[0]", None)


def test_objects(small: Path) -> None:
    with h5py.File(small) as file:
        assert parse(file) == Source(str(small), "/", None, file)
        assert parse(file["entry/data"]) == Source(str(small), "/entry/data", None, file["entry/data"])
        closed = file["entry"]
    with pytest.raises(BadRequest, match="closed"):
        parse(closed)
    root = nxload(str(small))
    assert parse(root["entry/data"]) == Source(str(small), "/entry/data")
    with pytest.raises(BadRequest, match="memory"):
        parse(NXfield([1, 2]))
    with (
        h5py.File("memory.h5", "w", driver="core", backing_store=False) as file,
        pytest.raises(BadRequest, match="memory"),
    ):
        parse(file)


@pytest.mark.parametrize(
    ("given_slice", "text"),
    [
        (0, "0"),
        (np.int64(3), "3"),
        ((0, slice(None), slice(1, 5, 2)), "0, :, 1:5:2"),
        ((Ellipsis, slice(None, 3)), "..., :3"),
        ("3, :", "3, :"),
        (None, None),
        ((), None),
    ],
)
def test_slices(given_slice: Any, text: str | None) -> None:
    assert slice_text(given_slice) == text


@pytest.mark.parametrize("given_slice", [1.5, [[0]], {}, (slice(0.5),), np.zeros(2)])
def test_what_is_no_slice(given_slice: Any) -> None:
    with pytest.raises(BadRequest):
        slice_text(given_slice)


def test_words(small: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no file"):
        resolve(Source(str(tmp_path / "none.h5")))
    with pytest.raises(Unsupported, match="folder"):
        resolve(Source(str(tmp_path)))
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(Unsupported, match="not an HDF5 file"):
        resolve(Source(str(tmp_path / "text.h5")))
    with pytest.raises(NotFound) as refused:
        resolve(Source(str(small), "/entry/dat"))
    assert "'data'" in refused.value.remedy
    with pytest.raises(BadRequest):
        resolve(Source(str(small), "/entry/data", "7"))
    with pytest.raises(BadRequest, match="Only a data set"):
        resolve(Source(str(small), "/entry", "0"))
    with h5py.File(small, "a") as file:
        file["dangling"] = h5py.SoftLink("/nowhere")
    with pytest.raises(Unreadable, match="leads nowhere"):
        resolve(Source(str(small), "/dangling"))


def test_a_file_that_the_notebook_has_open_can_be_looked_at_and_stays_writable(small: Path) -> None:
    for mode in ("r", "a"):
        with h5py.File(small, mode):
            assert resolve(Source(str(small), "/entry/data"))[1] == (3, 4, 5)
    with h5py.File(small, "a") as file:
        file["entry/data"][0, 0, 0] = 7


def test_parse_url_is_not_confused_by_brackets_in_hosts() -> None:
    with pytest.raises(BadRequest):
        parse_url("silx://[::1/a.h5")
