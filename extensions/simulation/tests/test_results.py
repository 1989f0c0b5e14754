"""Monitors as McStas writes them, NeXus files of them, and the comparison with measured curves."""

from __future__ import annotations

import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import panosc_simulation as ps
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nexusformat.nexus import NXdata, NXentry, NXfield, NXroot, nxload
from panosc_hdf5.core.files import FileCache
from panosc_hdf5.core.nexus import default_path, plot_of
from panosc_hdf5.core.session import Session
from panosc_simulation import monitors, units
from panosc_simulation.comparison import Curve, from_file

SIM = """begin data
  type: array_0d
  component: beam
  position: 0 0 5.3
  title: Single monitor beam
  filename: beam.dat
  values: 685.5 6.6 10895
end data
begin data
  type: array_1d(3)
  component: detector
  position: 0 0 5
  title: Longitude [deg] monitor
  filename: det.dat
  xvar: th
  yvar: (I,I_err)
  xlabel: Longitude [deg]
  ylabel: Intensity [n/s/bin]
  xlimits: 10 150
  variables: th I I_err N
end data
begin data
  type: array_2d(3, 2)
  component: screen
  position: 0 0 6
  title: PSD
  filename: psd.dat
  xvar: x
  yvar: y
  xlabel: X [cm]
  ylabel: Y [cm]
  xylimits: -3 3 0 4
end data
begin data
  type: array_2d(3, 2)
  component: events
  position: 0 0 6
  title: list
  filename: list.dat
  xvar: Li
  yvar: p
  xlabel: List of neutron events
  ylabel: p x y
  xylimits: 1 2 1 3
  variables: p x y
end data
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What McStas 3.5.19 leaves, in small."""
    made = tmp_path / "out"
    made.mkdir()
    (made / "mccode.sim").write_text(SIM)
    (made / "beam.dat").write_text("# x\n685.5 6.6 10895\n")
    (made / "det.dat").write_text("# x\n20 1 0.1 5\n80 4 0.2 20\n140 2 0.15 9\n")
    (made / "psd.dat").write_text("# Data\n1 2 3\n4 5 6\n# Errors\n.1 .2 .3\n.4 .5 .6\n# Events\n10 20 30\n40 50 60\n")
    (made / "list.dat").write_text("# Data\n0.5 1 2\n0.25 3 4\n")
    return made


def result(read: dict[str, ps.Monitor], scan: tuple[ps.Axis, ...] = (), **other: Any) -> ps.Result:
    """A result with these monitors."""
    about: dict[str, Any] = {
        "instrument": "small",
        "code": "McStas",
        "version": "3.5.19",
        "source": "DEFINE INSTRUMENT small()\n// Ångström",
        "parameters": {"wavelength": 2.36, "file": "a.laz", "count": 3},
        "units": {"wavelength": "angstrom"},
        "scan": scan,
        "ncount": 1000,
        "seed": 5,
        "gravity": True,
        "probe": "neutron",
        "started": "2026-11-26T01:00:00+00:00",
        "ended": "2026-11-26T01:00:01+00:00",
        "monitors": read,
    }
    return ps.Result(**{**about, **other})


def test_every_kind_of_monitor_is_read(folder: Path) -> None:
    read = monitors.read(folder)
    assert list(read) == ["beam", "detector", "screen", "events"]
    assert (float(read["beam"].intensity), float(read["beam"].rays)) == (685.5, 10895)
    axis = read["detector"].axes[0]
    assert (axis.name, axis.unit, axis.label, axis.values.tolist()) == ("th", "deg", "Longitude", [20, 80, 140])
    assert read["detector"].total == 7 and read["detector"].total_error == pytest.approx(np.sqrt(0.0725))
    y, x = read["screen"].axes
    assert (x.values.tolist(), y.values.tolist(), y.unit) == ([-2, 0, 2], [1, 3], "cm")
    assert read["screen"].intensity.tolist() == [[1, 2, 3], [4, 5, 6]] and read["screen"].rays[1, 2] == 60
    assert read["events"].columns == ("p", "x", "y") and read["events"].intensity.tolist() == [
        [0.5, 1, 2],
        [0.25, 3, 4],
    ]


@pytest.mark.parametrize("file", ["mccode.sim", "det.dat", "psd.dat", "list.dat"])
@pytest.mark.parametrize("how", ["missing", "cut", "cut in a row", "binary"])
def test_a_full_disk_is_never_a_wrong_result(folder: Path, file: str, how: str) -> None:
    text = (folder / file).read_text()
    if how == "missing":
        (folder / file).unlink()
    elif how == "binary":
        (folder / file).write_bytes(b"begin data\n" + bytes(range(256)))
    else:
        lines = text.splitlines(keepends=True)
        (folder / file).write_text("".join(lines[:-1]) if how == "cut" else text.rstrip()[:-2].rstrip())
    try:
        read = monitors.read(folder)
    except ps.RunError as error:
        assert "disk" in str(error) or "cannot be read" in str(error)
    else:  # a list has as many rows as there were events
        assert file == "list.dat" and how == "cut" and len(read["events"].intensity) == 1


def test_a_result_is_the_same_after_a_file(folder: Path, tmp_path: Path) -> None:
    one = result(monitors.read(folder))
    read = ps.Result.load(one.save(tmp_path / "deep" / "r.nxs"))
    assert replace(read, monitors={}) == replace(one, monitors={})
    assert list(read) == list(one)
    for name, monitor in one.items():
        other = read[name]
        for part in ("intensity", "error", "rays"):
            assert np.array_equal(getattr(monitor, part), getattr(other, part)), (name, part)
        assert [axis.name for axis in monitor.axes] == [axis.name for axis in other.axes]
        assert (monitor.columns, monitor.position, monitor.title) == (other.columns, other.position, other.title)
    assert "detector: 3" in repr(read) and "list of p x y" in repr(read)
    with pytest.raises(KeyError, match="there are beam, detector"):
        read["nothing"]


def opened(path: Path) -> tuple[str | None, dict[str, Any] | None]:
    """What the HDF5 viewer opens, and plots of it."""
    files = FileCache()
    try:
        with Session(files, str(path)) as session:
            shown = default_path(session)
            return shown, plot_of(session, shown) if shown else None
    finally:
        files.close()


def test_the_viewer_and_nexusformat_find_the_plot(folder: Path, tmp_path: Path) -> None:
    path = result(monitors.read(folder)).save(tmp_path / "r.nxs")
    shown, plot = opened(path)
    assert shown == "/entry/screen" and plot and plot["signal"] == "/entry/screen/intensity"
    data = nxload(str(path)).plottable_data
    assert data.nxpath == "/entry/screen" and data.nxerrors is not None
    with h5py.File(path) as file:
        assert file["entry/simulation/instrument_source/data"][()].decode().endswith("Ångström")
        assert file["entry/instrument/parameters/wavelength"].attrs["units"] == "angstrom"


def test_a_scan_is_one_file_with_its_axes(folder: Path, tmp_path: Path) -> None:
    axes = (
        ps.Axis("wavelength", np.array([1.0, 2.0]), "angstrom", "wavelength"),
        ps.Axis("th", np.array([1.0, 2.0, 3.0])),
    )
    stacked = monitors.stack([monitors.read(folder)] * 6, axes)
    assert stacked["detector"].intensity.shape == (2, 3, 3) and "events" not in stacked
    assert [axis.name for axis in stacked["detector"].axes] == ["wavelength", "th", "th_bins"]
    path = result(stacked, axes).save(tmp_path / "s.nxs")
    read = ps.Result.load(path)
    assert [axis.name for axis in read.scan] == ["wavelength", "th"]
    assert read["detector"].total.shape == (2, 3) and read["beam"].total.shape == (2, 3)
    assert read["detector"].at(1, 2).axes[0].name == "th_bins"
    with pytest.raises(IndexError, match="2 scanned"):
        read["detector"].at(1)
    with h5py.File(path) as file:
        assert file["entry/detector_total/intensity"].shape == (2, 3)
        assert list(file["entry/detector"].attrs["axes"]) == ["wavelength", "th", "th_bins"]
    assert opened(path)[0] == "/entry/screen"


def test_files_are_what_nexus_defines(folder: Path, tmp_path: Path) -> None:
    axes = (ps.Axis("wavelength", np.array([1.0, 2.0]), "angstrom", "wavelength"),)
    one = result(monitors.read(folder)).save(tmp_path / "one.nxs")
    scan = result(monitors.stack([monitors.read(folder)] * 2, axes), axes).save(tmp_path / "scan.nxs")
    for path in (one, scan):
        checker = [sys.executable, "-m", "nexusformat.scripts.nxcheck", "--warning", str(path)]
        said = subprocess.run(checker, capture_output=True, text=True, check=False)
        assert "Total number of warnings: 0" in said.stdout + said.stderr, said.stdout + said.stderr
        assert "Total number of errors: 0" in said.stdout + said.stderr


def test_monitors_of_other_bins_are_not_mixed(folder: Path) -> None:
    one, other = monitors.read(folder), monitors.read(folder)
    detector = other["detector"]
    other["detector"] = replace(detector, intensity=detector.intensity[:2])
    with pytest.raises(ps.RunError, match="not the same bins"):
        monitors.stack([one, other], (ps.Axis("a", np.array([1.0, 2.0])),))


def test_names_that_the_file_needs_itself(folder: Path, tmp_path: Path) -> None:
    read = monitors.read(folder)
    read["instrument"] = replace(read["detector"], name="instrument")
    loaded = ps.Result.load(result(read).save(tmp_path / "r.nxs"))
    assert loaded["instrument"].intensity.tolist() == [1, 4, 2]


def test_a_file_that_cannot_be_written_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = result(monitors.read(folder))
    one.save(tmp_path / "r.nxs")
    before = (tmp_path / "r.nxs").read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("panosc_simulation.nexus._write", full)
    with pytest.raises(ps.SimulationError, match="No space left"):
        one.save(tmp_path / "r.nxs")
    assert (tmp_path / "r.nxs").read_bytes() == before and not list(tmp_path.glob(".*"))


def test_a_full_disk_is_said_and_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    one = result(monitors.read(folder))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))  # no file may become larger: as a disk that fills up
    try:
        with pytest.raises(ps.SimulationError, match="could not be written: File too large"):
            one.save(tmp_path / "r.nxs")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    assert ps.Result.load(one.save(tmp_path / "r.nxs")).seed == 5


def test_other_files_are_not_results(tmp_path: Path) -> None:
    (tmp_path / "text.nxs").write_text("hello")
    with h5py.File(tmp_path / "empty.nxs", "w"):
        pass
    with h5py.File(tmp_path / "half.nxs", "w") as file:
        file.attrs["creator"] = "panosc_simulation 1"
    for name in ("text", "empty", "half", "missing"):
        with pytest.raises(ps.SimulationError):
            ps.Result.load(tmp_path / f"{name}.nxs")


def measured(path: Path, x: Any, counts: Any, unit: str = "deg") -> Path:
    """A NeXus file as an instrument writes it."""
    NXroot(NXentry(NXdata(NXfield(counts, name="counts"), NXfield(x, name="two_theta", units=unit)))).save(
        str(path), "w"
    )
    return path


def peak(x: Any, centre: float = 80.0) -> Any:
    """A curve."""
    return np.exp(-(((np.asarray(x) - centre) / 6) ** 2))


def curve(unit: str = "deg", factor: float = 1.0) -> Curve:
    """The same, simulated."""
    x = np.linspace(0, 160, 641)
    return Curve(ps.Axis("th", x * factor, unit, "angle"), peak(x), np.full(x.shape, 1e-3), "simulated")


@pytest.mark.parametrize("unit", ["deg", "degree", "degrees", "rad", "mrad"])
def test_units_are_converted_and_the_scale_is_found(tmp_path: Path, unit: str) -> None:
    factor = units.factor("deg", unit)
    assert factor
    x = np.linspace(60, 100, 81)
    path = measured(tmp_path / "m.nxs", x * factor, 500 * peak(x) + 20, unit)
    found = ps.compare(path, curve(), background=True)
    assert found.scale == pytest.approx(500, rel=1e-3) and found.background == pytest.approx(20, abs=0.2)
    assert found.chi2 < 0.01 and found.axis.unit == unit
    assert ps.compare(path, curve(), normalise="maximum").scale == pytest.approx(520, rel=1e-3)


@pytest.mark.parametrize(
    ("x", "counts", "unit", "words"),
    [
        (np.linspace(1, 3, 50), np.ones(50), "angstrom", "is a length, the simulated one .* is an angle"),
        (np.linspace(1, 3, 50), np.ones(50), "furlong", "furlong"),
        (np.linspace(200, 300, 50), np.ones(50), "deg", "do not overlap"),
        (np.arange(3.0), np.ones((4, 3)), "deg", "not a curve"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path: Path, x: Any, counts: Any, unit: str, words: str) -> None:
    if np.ndim(counts) == 2:
        path = tmp_path / "m.nxs"
        NXroot(
            NXentry(NXdata(NXfield(counts, name="c"), (NXfield(np.arange(4.0), name="y"), NXfield(x, name="x"))))
        ).save(str(path), "w")
    else:
        path = measured(tmp_path / "m.nxs", x, counts, unit)
    with pytest.raises(ps.ComparisonError, match=words):
        ps.compare(path, curve())


def test_other_refusals(tmp_path: Path, folder: Path) -> None:
    x = np.linspace(60, 100, 81)
    path = measured(tmp_path / "m.nxs", x, peak(x))
    with pytest.raises(ps.ComparisonError, match="only be fitted together"):
        ps.compare(path, curve(), normalise="area", background=True)
    with pytest.raises(ps.ComparisonError, match="zero wherever"):
        ps.compare(path, replace(curve(), values=np.zeros(641)))
    with pytest.raises(ps.ComparisonError, match="not a curve"):
        ps.compare(path, result(monitors.read(folder)))  # its default is an image
    with pytest.raises(ps.ComparisonError, match="cannot be read"):
        from_file(tmp_path / "missing.nxs")
    with pytest.raises(ps.ComparisonError, match="cannot be read"):
        from_file(path, "entry/nothing")


def test_edges_of_bins_and_poisson_errors(tmp_path: Path) -> None:
    edges, counts = np.linspace(0, 10, 11), np.arange(10.0)
    read = from_file(measured(tmp_path / "m.nxs", edges, counts))
    assert read.axis.values.tolist() == list(np.arange(0.5, 10))
    assert read.errors.tolist() == pytest.approx(np.sqrt(counts).tolist())


def test_pictures(folder: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    one = result(monitors.read(folder))
    assert one.plot().get_xlabel() == "X (cm)"
    assert one.plot("detector", log=True).get_ylabel() == "intensity (1/s per bin)"
    with pytest.raises(ps.SimulationError, match="not a curve or an image"):
        one.plot("beam")
    x = np.linspace(60, 100, 81)
    above, below = ps.compare(Curve(ps.Axis("th", x, "deg"), peak(x), np.ones(81), "m"), curve()).plot()
    assert below.get_xlabel() == "th (deg)" and len(above.get_legend().get_texts()) == 2
    plt.close("all")


KNOWN = sorted(units._UNITS)


@given(st.sampled_from(KNOWN), st.sampled_from(KNOWN))
def test_units_convert_both_ways_or_not_at_all(one: str, other: str) -> None:
    there, back = units.factor(one, other), units.factor(other, one)
    assert (there is None) == (back is None) == (units.kind(one) != units.kind(other))
    if there is not None and back is not None:
        assert there * back == pytest.approx(1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Å^-1", "1/angstrom"),
        ("1/AA", "angstrom^-1"),
        ("nm-1", "1/nm"),
        ("MeV", "meV"),
        ("µm", "um"),
        ("Degrees", "deg"),
    ],
)
def test_spellings(one: str, other: str) -> None:
    assert units.canonical(one) == units.canonical(other)


@given(st.text(max_size=20))
def test_any_unit_is_taken(text: str) -> None:
    assert units.factor(text, text) == 1
