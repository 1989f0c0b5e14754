"""The demo's data: where they lie, what they are, and that nobody's work in them is lost."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pytest
from demo_support import demo_site, sample_data, sample_diffraction, sample_measured, sample_xfel

from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.load import load_site
from panosc_spawner.facilities.model import Area
from panosc_spawner.facilities.paths import PathMap
from panosc_spawner.facilities.site import Site
from panosc_spawner.proposals.file_source import FileProposals

QUICK = tuple(sample for sample in sample_data.SAMPLES if sample.notebook != "diffraction")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folders = demo_site.Folders(tmp_path_factory.mktemp("demo"), "local")
    return load_site(
        demo_site.write_site(
            folders, demo_site.Ports(8000, 8001, 8002, 8003, 8004, 8005, 8006, 8007), datetime.now(UTC)
        )
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    assert [sample for sample, _ in sample_data.make_all(data, QUICK)] == list(QUICK)
    return data


@pytest.mark.parametrize("sample", sample_data.SAMPLES, ids=lambda sample: sample.proposal)
async def test_each_lies_where_the_facility_puts_it(sample: sample_data.Sample, site: Site):
    source = FileProposals(site.config.sources[0], site)  # type: ignore[arg-type]
    ref = ProposalRef(sample.facility, sample.proposal)
    proposal = (await source.describe([ref]))[ref]
    paths = PathMap(site.facilities[sample.facility])
    [visit] = proposal.visits
    root = site.folder.parent / "data" / sample_data.ROOTS[sample.facility]
    assert Path(paths.render(ref, Area.RAW, visit.path_fields)) == root / sample.raw
    assert Path(paths.render(ref, Area.PROCESSED, visit.path_fields)) == root / sample.processed
    assert paths.label(visit.path_fields) == sample.label


def test_raw_is_read_only_by_mode_too(data: Path):
    for sample in QUICK:
        raw = data / sample_data.ROOTS[sample.facility] / sample.raw
        found = [raw, *raw.rglob("*")]
        assert len(found) > 1
        assert all(path.stat().st_mode & 0o222 == 0 for path in found)


def test_what_is_there_is_left_alone(data: Path):
    sample = QUICK[0]
    page = data / sample_data.ROOTS[sample.facility] / sample.processed / "start-here.ipynb"
    page.write_text("mine now")
    assert list(sample_data.make_all(data, QUICK)) == []
    assert page.read_text() == "mine now"


def test_a_proposal_that_was_not_finished_is_made_again(tmp_path: Path):
    def breaks(directory: Path) -> None:
        (directory / "half").touch()
        raise OSError("disk full")

    demo = next(sample for sample in QUICK if sample.facility == "demo")
    broken = sample_data.Sample(
        *(demo.facility, demo.proposal, demo.label, demo.raw, demo.processed, demo.others, demo.notebook, breaks)
    )
    with pytest.raises(OSError, match="disk full"):
        list(sample_data.make_all(tmp_path, (broken,)))
    assert not list(tmp_path.rglob("half"))
    assert len(list(sample_data.make_all(tmp_path, (demo,)))) == 1


def test_it_can_be_removed(tmp_path: Path):
    list(sample_data.make_all(tmp_path / "data", (QUICK[-1],)))
    sample_data.remove(tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def default_of(file: h5py.File) -> h5py.Group:
    group = file
    while "default" in group.attrs:
        group = group[group.attrs["default"]]
    return group


def test_the_detector_stack_is_what_a_beamline_writes(tmp_path: Path):
    scan = sample_diffraction.Scan("a scan", "CeO2", "2025-01-01T00:00:00Z", 1, 298.0, 298.0)
    sample_diffraction.write(tmp_path / "scan.h5", scan)
    with h5py.File(tmp_path / "scan.h5") as file:
        plot = default_of(file)
        assert plot.attrs["NX_class"] == "NXdata"
        frames = plot[plot.attrs["signal"]]
        assert frames.shape == (1, 2162, 2068) and frames.dtype == np.uint32
        assert frames.chunks == (1, 2162, 2068) and "32008" in frames._filters
        assert len(plot.attrs["axes"]) == frames.ndim
        mask = file["1.1/instrument/detector/pixel_mask"][()]
        frame = frames[0]
        assert (frame[mask != 0] == 2**32 - 1).all() and frame[mask == 0].max() < 10_000
        assert 0.05 < (mask != 0).mean() < 0.1
        # The first ring is where the lattice puts it.
        row, column = scan.centre
        profile = frame[int(row) + 60 : int(row) + 70, int(column) + 8 :].astype(float)
        profile[profile > 1e6] = 0
        ring = 8 + int(profile.mean(axis=0)[300:].argmax()) + 300
        angle = 2 * np.arcsin(scan.wavelength * np.sqrt(3) / (2 * scan.lattice))
        expected = np.sqrt((scan.distance * np.tan(angle) / sample_diffraction.PIXEL) ** 2 - 65**2)
        assert abs(ring - expected) < 6


def test_measured_files_say_what_to_plot_and_where_they_are_from(tmp_path: Path):
    for make in (
        sample_measured.chopper,
        sample_measured.saxs_image,
        sample_measured.sans_curve,
        sample_measured.sans_image,
    ):
        make(tmp_path)
    found = sorted(tmp_path.iterdir())
    assert len(found) == 4
    for name in found:
        with h5py.File(name) as file:
            data = default_of(file)
            assert data.attrs["NX_class"] in ("NXdata", b"NXdata")
            assert data[data.attrs["signal"]].size > 100
            entry = file[file.attrs["default"]]
            assert "example file" in entry["demo_note/description"].asstr()[()]


def test_the_run_is_in_the_facilitys_format(tmp_path: Path):
    sample_xfel.write(tmp_path, 2145)
    with h5py.File(tmp_path / "RAW-R0001-DA01-S00000.h5") as file:
        assert file["METADATA/proposalNumber"][0] == 2145
        for source in file["METADATA/dataSources/dataSourceId"].asstr()[()]:
            assert source in file
            assert file[f"INDEX/{source.partition('/')[2]}/count"][()].sum() == len(file["INDEX/trainId"])


@pytest.mark.parametrize("name", ["diffraction", "saxs", "sans", "chopper", "xfel"])
def test_a_start_page_is_a_notebook_with_no_absolute_path(name: str):
    book = sample_data.notebook(name, "esrf/ma1234/raw/id31-20250915")
    assert book.cells[0].cell_type == "markdown" and book.cells[0].source.startswith("# Start here")
    code = "\n".join(cell.source for cell in book.cells if cell.cell_type == "code")
    assert '"proposals/esrf/ma1234/raw/id31-20250915"' in code and "@RAW@" not in code
    compile(code, name, "exec")
    assert '"/home' not in code and '"/data' not in code
    assert len({cell.id for cell in book.cells}) == len(book.cells)
