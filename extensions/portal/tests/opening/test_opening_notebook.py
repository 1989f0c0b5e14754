"""The notebook runs as it stands on real and generated files, and says nothing that a hostile file or title put into it."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

import h5py
import matplotlib as mpl
import nbformat
import nexusformat
import numpy as np
import pytest
import sasdata
from opening.conftest import UID
from panosc_portal.hub import AreaDirectory, ProposalData
from panosc_portal.moving.as_person import Identity, ReadError
from panosc_portal.moving.citing import Citing
from panosc_portal.opening.notebook import Subject, notebook, notebook_name
from panosc_portal.opening.plots import Look, Plots

SANS = Path(sasdata.__file__).parent / "example_data/1d_data/33837rear_1D_1.75_16.5_NXcanSAS.h5"
CHOPPER = Path(nexusformat.__file__).parent / "examples/chopper.nxs"
HOSTILE = "'''\n\"\"\"; import os; os.system('x') # `![x](javascript:1)` <script>"


def identity(file: Path) -> Identity:
    state = file.stat()
    return Identity(state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


async def looked(place: Path, name: str) -> Look:
    (place / name).chmod(0o644)
    data = ProposalData("esrf/ma1234", (AreaDirectory("raw", place, place),), UID, UID)
    return await Plots().look("ada", data, place, name, identity(place / name))


def stack(file: Path) -> None:
    with h5py.File(file, "w") as h5:
        h5.attrs["default"] = "entry"
        entry = h5.create_group("entry")
        entry.attrs.update(NX_class="NXentry", default="frames")
        group = entry.create_group("frames")
        group.attrs.update(NX_class="NXdata", signal="data")
        group.create_dataset(
            "data", data=np.random.default_rng(1).poisson(4, (5, 60, 80)).astype("u4"), chunks=(1, 60, 80)
        )
        group["data"][2, :, :10] = 2**32 - 1


def hostile(file: Path) -> None:
    with h5py.File(file, "w") as h5:
        name = HOSTILE.replace("/", "")
        group = h5.create_group(name)
        group.attrs.update(NX_class="NXdata", signal="it's\n`data`", axes=['x"y'])
        group["it's\n`data`"] = np.arange(5.0)
        group['x"y'] = np.arange(5.0)
        group['x"y'].attrs["units"] = HOSTILE


def run(document: bytes, home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the cells but the last, which wants a browser, as a kernel would."""
    mpl.use("Agg")
    monkeypatch.setattr(Path, "home", lambda: home)
    nb = nbformat.reads(document.decode(), as_version=4)
    nbformat.validate(nb)
    code = [cell.source for cell in nb.cells if cell.cell_type == "code"]
    assert code[-1] == "import panosc_hdf5\n\npanosc_hdf5.view(path)"
    names: dict[str, Any] = {}
    for cell in code[:-1]:
        exec(compile(cell, "cell", "exec"), names)
    return names


def made(look: Look, name: str) -> bytes:
    return notebook(
        Subject(PurePosixPath("proposals/esrf/ma1234/raw") / name, "Title", "https://hub.example.org/x", look)
    )


async def in_place(place: Path, source: Path, name: str) -> tuple[Path, Look]:
    folder = place / "proposals/esrf/ma1234/raw"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(source.read_bytes())
    return folder, await looked(folder, name)


async def test_a_measured_sans_curve(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, look = await in_place(place, SANS, "sans.h5")
    names = run(made(look, "sans.h5"), place, monkeypatch)
    assert names["x"].shape == names["y"].shape == names["dy"].shape == (66,)
    assert 0.33 < names["y"].min() < names["y"].max() < 28.2
    assert names["ax"].get_xscale() == names["ax"].get_yscale() == "log"
    assert names["ax"].get_xlabel() == "Q (1/A)"
    assert look.picture
    assert b"<path" in look.picture.content


async def test_a_measured_time_of_flight_spectrum(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, look = await in_place(place, CHOPPER, "chopper.nxs")
    names = run(made(look, "chopper.nxs"), place, monkeypatch)
    assert names["image"].shape == (148, 750)
    assert "time" in names["ax"].get_xlabel().lower()
    assert look.picture
    assert look.picture.content.startswith(b"\x89PNG")


async def test_a_detectors_stack_shows_its_middle_without_marked_pixels(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack(place / "stack.h5")
    _, look = await in_place(place, place / "stack.h5", "s.h5")
    names = run(made(look, "s.h5"), place, monkeypatch)
    assert names["image"].shape == (60, 80)
    assert np.isnan(names["image"][:, :10]).all()
    assert np.nanmax(names["image"]) < 30


async def test_hostile_names_stay_names(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile(place / "h.h5")
    _, look = await in_place(place, place / "h.h5", "h.h5")
    document = notebook(
        Subject(PurePosixPath("proposals/esrf/ma1234/raw/h.h5"), HOSTILE, "https://hub.example.org/x)](y", look,
                Citing(HOSTILE, HOSTILE, HOSTILE, "10.1/a)](b", (), "ESRF", ""))
    )  # fmt: skip
    monkeypatch.setattr("os.system", lambda command: pytest.fail(command))
    run(document, place, monkeypatch)
    for cell in json.loads(document)["cells"]:
        if cell["cell_type"] == "markdown":
            text = re.sub(r"`[^`]*`", "", "".join(cell["source"]))  # what stands in code is shown as it is
            assert "<script>" not in text
            assert "](javascript" not in text


async def test_a_file_without_a_plot_is_listed(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with h5py.File(place / "plain.h5", "w") as h5:
        h5["notes/text"] = "hello"
    _, look = await in_place(place, place / "plain.h5", "plain.h5")
    assert look.plot is None
    run(made(look, "plain.h5"), place, monkeypatch)
    assert "notes/text" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n" + b"\xff" * 4096])
async def test_what_is_no_hdf5_file_is_said_in_words(place: Path, content: bytes) -> None:
    (place / "broken.h5").write_bytes(content)
    look = await looked(place, "broken.h5")
    assert look.plot is None
    assert look.error


async def test_a_link_in_a_file_leads_nowhere_else(place: Path) -> None:
    other = place / "other"
    inside = place / "area"
    for folder in (other, inside):
        folder.mkdir(mode=0o755)
    with h5py.File(other / "secret.h5", "w") as h5:
        h5["data"] = np.arange(7.0)
    (other / "secret.h5").chmod(0o644)
    with h5py.File(inside / "a.h5", "w") as h5:
        group = h5.create_group("entry")
        group.attrs.update(NX_class="NXdata", signal="data")
        group["data"] = h5py.ExternalLink(str(other / "secret.h5"), "/data")
        h5.attrs["default"] = "entry"
    look = await looked(inside, "a.h5")
    assert look.picture is None
    assert look.plot is None or look.plot.shape != (7,)


async def test_it_reads_as_the_person_and_never_as_root(place: Path) -> None:
    stack(place / "s.h5")
    (place / "s.h5").chmod(0o600)
    data = ProposalData("esrf/ma1234", (), UID, UID)
    look = await Plots().look("ada", data, place, "s.h5", identity(place / "s.h5"))
    if UID == 7000:
        assert look.plot is None
    with pytest.raises(ReadError):
        await Plots().look("ada", ProposalData("esrf/ma1234", (), 0, 0), place, "s.h5", identity(place / "s.h5"))


async def test_a_file_is_looked_into_once_while_it_stays_the_same(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack(place / "s.h5")
    (place / "s.h5").chmod(0o644)
    plots, data = Plots(), ProposalData("esrf/ma1234", (), UID, UID)
    first = await plots.look("ada", data, place, "s.h5", identity(place / "s.h5"))
    monkeypatch.setattr("panosc_portal.opening.plots.sys.executable", "/no/such/python")
    assert await plots.look("ada", data, place, "s.h5", identity(place / "s.h5")) is first
    with pytest.raises(OSError, match="no/such"):
        await plots.look("ada", ProposalData("esrf/ma1234", (), UID, UID + 1), place, "s.h5", identity(place / "s.h5"))


async def test_slow_files_of_one_person_keep_nobody_else_waiting(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def asked(data: ProposalData, root: Path, path: str) -> Look:
        await asyncio.sleep(30 if path.startswith("slow") else 0)
        return Look()

    monkeypatch.setattr("panosc_portal.opening.plots._asked", asked)
    plots, data = Plots(), ProposalData("esrf/ma1234", (), UID, UID)
    slow = [
        asyncio.create_task(plots.look("emil", data, place, f"slow{n}.h5", Identity(1, n, 1, 1, 1))) for n in range(60)
    ]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(15):
        found = await plots.look("ada", data, place, "quick.h5", Identity(1, 99, 1, 1, 1))
    assert not found.error
    late = await plots.look("emil", data, place, "slow.h5", Identity(1, 98, 1, 1, 1), seconds=0.05)
    assert "too long" in late.error
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("raw/scan 1.h5", "opened/scan_1.ipynb"), ("raw/.._.h5", "opened/data.ipynb"), ("raw/ü§.h5", "opened/data.ipynb"), ("a/" + "x" * 200, "opened/" + "x" * 80 + ".ipynb")],
)  # fmt: skip
def test_its_name(path: str, expected: str) -> None:
    assert notebook_name(PurePosixPath(path)) == expected
