"""Every snippet runs, in every flavour, on every data set of the corpus, and gives what h5py gives."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from corpus import Made
from nexusformat.nexus import nxload
from panosc_hdf5.core.context import Context, Services
from panosc_hdf5.core.operations import run
from snippets import write_snippets

FLAVOURS = ("h5py", "silx", "nexusformat", "xarray", "scipp")
FILES = (
    "numbers",
    "strings",
    "compounds",
    "references",
    "spaces",
    "layouts",
    "filters",
    "virtual",
    "hostile-names",
    "nxdata",
    "scan",
)


def children(path: Path) -> Iterator[dict[str, Any]]:
    """Every object of a file, as the tree gets it."""
    context = Context(Services())
    groups = ["/"]
    while groups:
        parameters = {"path": str(path), "h5path": groups.pop(), "limit": "1000"}
        for child in next(run("children", parameters, context)).header["children"]:
            yield child
            if child["kind"] == "group" and child["link"]["type"] == "hard":
                groups.append(child["h5path"])


def slices(shape: list[int] | None) -> list[str | None]:
    """Slices worth a try."""
    if not shape or 0 in shape or len(shape) > 8:
        return [None]
    found = [None, "0", "-1, ...", ", ".join(":" for _ in shape)]
    if shape[-1] > 1:
        found.append("..., 0:2")
    return found


def index(text: str | None) -> Any:
    """The slice as Python's own parser sees it."""
    return eval(f"np.s_[{text}]", {"np": np}) if text else ()


def expected(path: Path, child: dict[str, Any], text: str | None) -> Any:
    with h5py.File(path) as h5:
        dataset = named(h5, child["h5path"])
        kind = child["type"]["class"]
        if kind in ("time", "unknown"):
            return None
        if child["shape"] is None:
            return dataset[()]
        values = (dataset.asstr(errors="replace") if kind == "string" else dataset)[index(text)]
        if kind == "reference":
            return np.vectorize(lambda reference: name_of(h5, reference), otypes=[object])(values)
        return values


def named(h5: h5py.File, h5path: str) -> Any:
    """By the name that the tree shows: bytes that are no UTF-8 have become replacement characters there."""
    parent, _, shown = h5path.rpartition("/")
    group = h5[parent or "/"]
    names = {name.decode(errors="replace") if isinstance(name, bytes) else name: name for name in group}
    return group[names[shown]]


def name_of(h5: h5py.File, reference: Any) -> str:
    if not reference:
        return ""
    try:
        return str(h5[reference].name)
    except KeyError:  # what it refers to was deleted
        return ""


def plain(value: Any) -> Any:
    """What the flavours wrap."""
    for name in ("nxvalue", "values", "value"):
        if type(value).__module__.split(".")[0] in ("nexusformat", "xarray", "scipp") and hasattr(value, name):
            return getattr(value, name)
    return value


def equal(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, h5py.Empty):
        return found is None or found == wanted
    a, b = np.asarray(found), np.asarray(wanted)
    if a.dtype.kind in "OSU" or b.dtype.kind in "OSU":
        return a.shape == b.shape and all(_same(x, y) for x, y in zip(a.flat, b.flat, strict=True))
    if a.dtype.names or b.dtype.kind == "V":
        return a.shape == b.shape and a.tolist().__repr__() == b.tolist().__repr__()
    return bool(np.array_equal(a, b, equal_nan=b.dtype.kind in "fc"))


def _same(x: Any, y: Any) -> bool:
    x, y = (v.decode(errors="replace") if isinstance(v, bytes) else v for v in (x, y))
    return equal(x, y) if isinstance(y, np.ndarray) else x == y or repr(x) == repr(y)


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    return lambda folder: monkeypatch.chdir(folder)


@pytest.mark.parametrize("name", FILES)
def test_each_snippet_runs_and_gives_what_h5py_gives(
    name: str, corpus: Callable[[str], Made], inside: Callable[[Path], None]
) -> None:
    path = corpus(name).main
    inside(path.parent)
    flavours = [flavour for flavour in FLAVOURS if flavour != "nexusformat" or nexusformat_loads(path)]
    cases = [
        (child, text, flavour)
        for child in different(children(path), by_name="hostile" in name)
        if readable(path, child)
        for text in slices(child.get("shape"))
        for flavour in flavours
    ]
    asked = [
        {"flavour": flavour, "subject": {**child, "path": os.path.relpath(path), "slice": text or ""}}
        for child, text, flavour in cases
    ]
    wrong: list[str] = []
    for (child, text, flavour), answer in zip(cases, write_snippets(asked), strict=True):
        if problem := trouble(path, child, text, flavour, answer):
            wrong.append(
                f"{flavour} {child['h5path']!r} {child.get('dtype')} [{text}]: {problem}\n{answer.get('code')}"
            )
    assert cases
    assert not wrong, f"{len(wrong)} of {len(cases)}\n" + "\n\n".join(wrong[:12])


def different(found: Iterator[dict[str, Any]], *, by_name: bool) -> list[dict[str, Any]]:
    """One data set of each kind that a snippet may see."""
    kinds: dict[str, dict[str, Any]] = {}
    for child in found:
        if child["kind"] == "dataset":
            storage = child["storage"]
            filters = [item["id"] for item in storage["filters"]]
            facts = (child["type"], child["shape"], storage["layout"], filters, by_name and child["name"])
            kinds.setdefault(json.dumps(facts), child)
    return list(kinds.values())


def crashes(item: Any) -> bool:
    """Reading a virtual data set that is its own source ends the process, whoever reads it."""
    virtual = isinstance(item, h5py.Dataset) and item.is_virtual
    return virtual and any(source.dset_name == item.name.strip("/") for source in item.virtual_sources())


def nexusformat_loads(path: Path) -> bool:
    """nexusformat reads the head of every object first, and gives the whole file up if it does not know one of them."""
    with h5py.File(path) as file:
        if any(crashes(file[name]) for name in file):
            return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nxload(path)
    except Exception:
        return False
    return True


def readable(path: Path, child: dict[str, Any]) -> bool:
    """Whether h5py can read it at all: the corpus has missing filters and sources on purpose."""
    with h5py.File(path) as file:
        if crashes(file.get(child["h5path"])):
            return False
    try:
        if child["type"]["class"] not in ("time", "unknown"):
            expected(path, child, None)
    except OSError:
        return False
    return True


def trouble(path: Path, child: dict[str, Any], text: str | None, flavour: str, answer: dict[str, str]) -> str:
    if "error" in answer:
        return answer["error"]
    variables: dict[str, Any] = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other libraries'
            exec(compile(answer["code"], "snippet", "exec"), variables)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    wanted = expected(path, child, text)
    found = plain(variables[answer["variable"]])
    if flavour == "nexusformat" and isinstance(wanted, np.ndarray) and wanted.size == 1:
        found = np.reshape(found, wanted.shape)  # it gives one value as a scalar
    if flavour == "nexusformat" and child["type"]["class"] == "string":
        if "\ufffd" in str(wanted):
            return ""  # it guesses the encoding of what is no UTF-8
        wanted = np.char.strip(np.asarray(wanted, str))  # and takes blanks off
    if flavour == "scipp" and np.asarray(wanted).dtype.kind == "u":
        wanted = np.asarray(wanted).astype(np.asarray(found).dtype)
    if wanted is None:
        return "" if np.asarray(found).dtype.kind == "V" else f"not bytes: {found!r}"
    return "" if equal(found, wanted) else f"{found!r} instead of {wanted!r}"[:400]
