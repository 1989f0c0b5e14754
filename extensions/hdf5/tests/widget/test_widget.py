"""The widget's traits: what code sets, what it reads, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import panosc_hdf5
import pytest
from corpus import Made
from panosc_hdf5.core.errors import BadRequest, HDF5Error, NotFound, Unsupported
from panosc_hdf5.widget import HDF5View
from silx.io.url import DataUrl
from traitlets import TraitError


def test_a_view_of_a_data_set(small: Path) -> None:
    view = panosc_hdf5.view(small, "/entry/data", slice=1, range=(0, 3), roi=[0, 2, 1, 3], scale="log", height=300)
    assert (view.path, view.h5path, view.slice) == (str(small), "/entry/data", "1, :, :")
    assert (view.range, view.roi, view.scale, view.height) == ((0, 3), (0, 2, 1, 3), "log", 300)
    with h5py.File(small) as file:
        np.testing.assert_array_equal(view.data, file["entry/data"][1])


@pytest.mark.parametrize("form", ["text", "object", "h5py", "relative"])
def test_every_way_to_say_it(small: Path, form: str) -> None:
    with h5py.File(small) as file:
        source: Any = {
            "text": f"silx://{small}?path=/entry/data&slice=0",
            "object": DataUrl(file_path=str(small), data_path="/entry/data", data_slice=(0,), scheme="silx"),
            "h5py": file["entry"],
            "relative": f"{small}::/entry/data[0]",
        }[form]
        view = panosc_hdf5.view(source, "data", slice=0) if form == "h5py" else panosc_hdf5.view(source)
        assert (view.path, view.h5path, view.slice) == (str(small), "/entry/data", "0, :, :")


def test_the_first_image_of_a_stack_is_the_data_without_a_slice(small: Path) -> None:
    with h5py.File(small) as file:
        np.testing.assert_array_equal(panosc_hdf5.view(small, "/entry/data").data, file["entry/data"][0])
        np.testing.assert_array_equal(panosc_hdf5.view(small, "/entry/curve").data, file["entry/curve"][()])
    assert panosc_hdf5.view(small, "/entry/title").data == "µ-XRF"
    with pytest.raises(HDF5Error, match="group"):
        _ = panosc_hdf5.view(small, "/entry").data


def test_what_the_notebook_wrote_and_did_not_flush_is_seen_through_its_own_handle(small: Path) -> None:
    with h5py.File(small, "a") as file:
        view = panosc_hdf5.view(file["entry/data"], slice=0)
        file["entry/data"][0, 0, 0] = 99
        assert view.data[0, 0] == 99
    assert view.data[0, 0] == 99  # from the file, now that it is closed


@pytest.mark.parametrize(
    ("trait", "value"),
    [
        ("slice", "9"),
        ("slice", "a:b"),
        ("h5path", "/nope"),
        ("range", (3, 1)),
        ("range", (float("nan"), 1)),
        ("roi", (0, 0, 1, 2)),
        ("roi", (0.5, 1, 1, 2)),
        ("zoom", (1, 0, 0, 1)),
        ("profile", (0, 0, float("inf"), 1)),
        ("vis", "movie"),
        ("scale", "cubic"),
        ("height", 3),
        ("path", "/no/such.h5"),
        ("axes", [0, 1, 2]),
    ],
)
def test_what_can_not_be_is_refused_and_changes_nothing(small: Path, trait: str, value: Any) -> None:
    view = panosc_hdf5.view(small, "/entry/data", slice=0)
    before = getattr(view, trait)
    with pytest.raises(TraitError) as refused:
        setattr(view, trait, value)
    assert str(refused.value)
    assert getattr(view, trait) == before


def test_refused_at_construction(small: Path) -> None:
    with pytest.raises(NotFound):
        panosc_hdf5.view(small, "/nope")
    with pytest.raises(BadRequest, match="colour"):
        panosc_hdf5.view(small, "/entry/data", colour="red")
    with pytest.raises(TraitError):
        panosc_hdf5.view(small, "/entry/data", range=(1, 0))


def test_another_object_forgets_a_slice_that_does_not_fit(small: Path) -> None:
    view = panosc_hdf5.view(small, "/entry/data", slice="1, :, :")
    view.h5path = "/other/data"
    assert view.slice is None
    view.slice = "1"
    assert view.slice == "1, :"


def test_another_file_keeps_what_fits_and_forgets_the_rest(small: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["entry/data"] = np.zeros((3, 4, 5))
    empty = tmp_path / "empty.h5"
    h5py.File(empty, "w").close()
    view = panosc_hdf5.view(small, "/entry/data", slice=2)
    view.path = str(other)
    assert (view.h5path, view.slice) == ("/entry/data", "2, :, :")
    assert view._place["real"] == str(other.resolve())
    view.path = str(empty)
    assert (view.h5path, view.slice) == ("/", None)


def test_what_the_browser_sets_is_observed(small: Path) -> None:
    view = panosc_hdf5.view(small, "/entry/data", slice=0)
    seen: list[Any] = []
    view.observe(lambda change: seen.append((change.name, change.new)), ["slice", "roi"])
    view.set_state({"slice": "2, :, :", "roi": [1, 3, 0, 2], "h5path": "/entry/data"})
    assert sorted(seen) == [("roi", (1, 3, 0, 2)), ("slice", "2, :, :")]
    np.testing.assert_array_equal(view.data[slice(*view.roi[:2]), slice(*view.roi[2:])], [[45, 46], [50, 51]])


def test_object_and_slice_can_change_together(small: Path) -> None:
    view = panosc_hdf5.view(small, "/entry/data", slice="2, :, :")
    view.set_state({"h5path": "/entry/curve", "slice": "0:5"})
    assert (view.h5path, view.slice) == ("/entry/curve", ":5")


def test_text_where_there_is_no_viewer(small: Path) -> None:
    bundle = panosc_hdf5.view(small, "/entry/data", slice=0)._repr_mimebundle_()
    assert bundle["text/plain"] == "HDF5View(small.h5::/entry/data[0, :, :]): uint32 (3, 4, 5)"
    assert panosc_hdf5.view(small)._repr_mimebundle_()["text/plain"].endswith("group with 2 children")


def test_the_state_for_the_browser_is_json(small: Path) -> None:
    view = panosc_hdf5.view(small, "/entry/data", curves=[{"h5path": "/entry/curve"}])
    state = view.get_state()
    assert state["_model_module"] == "@panosc/jupyterlab-hdf5"
    assert state["_place"]["size"] == small.stat().st_size
    assert set(HDF5View.shown_traits()) >= {"path", "h5path", "slice", "roi", "follow", "height"}


def test_a_url_is_taken_as_it_is() -> None:
    view = panosc_hdf5.view("https://example.org/a.h5", "/entry/data", slice="0")
    assert (view.path, view.slice, view._place) == (
        "https://example.org/a.h5",
        "0",
        {"url": "https://example.org/a.h5"},
    )


def test_a_virtual_data_set_that_is_its_own_source_does_not_end_the_kernel(corpus: Callable[[str], Made]) -> None:
    made = corpus("virtual")
    with pytest.raises(Unsupported):
        _ = panosc_hdf5.view(made.main, "/itself").data
    with h5py.File(made.main) as file:
        np.testing.assert_array_equal(panosc_hdf5.view(made.main, "/tiled", slice=0).data, file["tiled"][0])


def test_what_can_not_be_decoded_is_said_in_words(corpus: Callable[[str], Made]) -> None:
    made = corpus("missing-filter")
    with h5py.File(made.main) as file:
        names = [name for name in file if isinstance(file[name], h5py.Dataset)]
    said = []
    for name in names:
        try:
            _ = panosc_hdf5.view(made.main, name).data
        except HDF5Error as error:
            said.append(error.code)
    assert "missing_filter" in said


def test_a_group_is_its_signal(corpus: Callable[[str], Made]) -> None:
    made = corpus("nxdata")
    with h5py.File(made.main) as file:
        stacks = [
            g
            for g in file["entry"].values()
            if isinstance(g, h5py.Group) and len(getattr(g.get(_signal(g)), "shape", ())) == 3
        ]
        group, signal = stacks[0].name, stacks[0][_signal(stacks[0])][1]
    view = panosc_hdf5.view(made.main, group)
    view.set_state({"slice": "1, :, :"})
    np.testing.assert_array_equal(view.data, signal)
    with pytest.raises(TraitError):
        view.slice = "1, 2, 3, 4"


def _signal(group: Any) -> str:
    return str(getattr(group, "attrs", {}).get("signal", "none")) if isinstance(group, h5py.Group) else "none"


def test_kernel_and_browser_name_the_same_version() -> None:
    extension = Path(panosc_hdf5.__file__).parents[1]
    version = panosc_hdf5.__version__
    assert json.loads((extension / "package.json").read_text())["version"] == version
    assert f"const VERSION = '{version}';" in (extension / "src/widget/index.ts").read_text()
