"""Lay out the demo's data as the facilities do: their directories, their file formats, small and quick to make.

``python deploy/demo/sample_data.py DIRECTORY`` makes what is not there yet. A proposal appears whole or not at all, and
one that is there is left alone: people may have worked in it.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import sample_diffraction
import sample_measured
import sample_xfel

_NOTEBOOKS = Path(__file__).parent / "notebooks"

ROOTS = {
    "esrf": Path("esrf/data/visitor"),
    "ill": Path("ill/net4/serdon/illdata"),
    "euxfel": Path("euxfel/gpfs/exfel"),
    "demo": Path("demo/srv/panosc-demo"),
}
"""Where each facility's tree begins beneath the demo's data: its true root, one level down."""


@dataclass(frozen=True)
class Sample:
    """One visit of one proposal.

    Attributes:
        facility: whose conventions.
        proposal: its id in canonical form.
        label: the visit's directory as the person sees it; empty where data are mounted by proposal.
        raw: the raw area, beneath the facility's root.
        processed: the processed area, beneath the root.
        others: further areas, empty at first.
        notebook: which of ``notebooks/`` is its start page.
        make: writes the raw files into the raw area.
    """

    facility: str
    proposal: str
    label: str
    raw: str
    processed: str
    others: tuple[str, ...]
    notebook: str
    make: Callable[[Path], None]

    @property
    def shown(self) -> str:
        """The raw area beneath ``~/proposals``."""
        return "/".join(part for part in (self.facility, self.proposal, "raw", self.label) if part)


def _ceria(directory: Path) -> None:
    dataset = directory / "ceria" / "ceria_insitu"
    dataset.mkdir(parents=True)
    scan = sample_diffraction.Scan(
        "In situ heating of a ceria catalyst (simulated)", "CeO2", "2025-09-15T10:02:11+02:00", 16, 298.0, 1073.0
    )
    sample_diffraction.write(dataset / "ceria_insitu.h5", scan)


def _doped_ceria(directory: Path) -> None:
    dataset = directory / "gdc10" / "gdc10_ramp"
    dataset.mkdir(parents=True)
    scan = sample_diffraction.Scan(
        *("Gadolinium-doped ceria, quick ramp (simulated)", "Ce0.9Gd0.1O1.95", "2025-11-03T17:40:00+01:00"),
        *(4, 298.0, 873.0, 5.4180e-10, 12e-6),
    )
    sample_diffraction.write(dataset / "gdc10_ramp.h5", scan, seed=32)


def _iron(directory: Path) -> None:
    dataset = directory / "iron" / "iron_0001"
    dataset.mkdir(parents=True)
    sample_measured.saxs_image(dataset)


def _ferritin(directory: Path) -> None:
    sample_measured.sans_curve(directory)
    sample_measured.sans_image(directory)


def _xfel_run(directory: Path) -> None:
    run = directory / "r0001"
    run.mkdir()
    sample_xfel.write(run, 2145)


def _esrf(proposal: str, instrument: str, date: str, notebook: str, make: Callable[[Path], None]) -> Sample:
    visit = f"{proposal}/{instrument}/{date}"
    others = (f"{visit}/NOBACKUP", f"{visit}/SCRIPTS")
    label = f"{instrument}-{date}"
    return Sample("esrf", proposal, label, f"{visit}/RAW_DATA", f"{visit}/PROCESSED_DATA", others, notebook, make)


def _demo(proposal: str, notebook: str, make: Callable[[Path], None]) -> Sample:
    others = (f"{proposal}/scratch", f"{proposal}/shared")
    return Sample("demo", proposal, "", f"{proposal}/raw", f"{proposal}/processed", others, notebook, make)


_ILL = "232/d22/exp_8-04-923"
_XFEL = "exp/SPB/202501/p002145"
SAMPLES = (
    _esrf("ma1234", "id31", "20250915", "diffraction", _ceria),
    _esrf("hc4711", "id31", "20251103", "diffraction", _doped_ceria),
    _esrf("sc5678", "id02", "20250602", "saxs", _iron),
    Sample("ill", "8-04-923", "d22-232", f"{_ILL}/rawdata", f"{_ILL}/processed", (), "sans", _ferritin),
    Sample(
        *("euxfel", "p002145", "", f"{_XFEL}/raw", f"{_XFEL}/proc"),
        *((f"{_XFEL}/scratch", f"{_XFEL}/usr/Shared"), "xfel", _xfel_run),
    ),
    _demo("demo-001", "chopper", sample_measured.chopper),
    _demo("demo-002", "sans", _ferritin),
)


def make_all(data: Path, samples: tuple[Sample, ...] = SAMPLES) -> Iterator[tuple[Sample, float]]:
    """Make each sample that is not there yet; yields it with the seconds that it took."""
    for sample in samples:
        begin = time.monotonic()
        if _make(data, sample):
            yield sample, time.monotonic() - begin


def notebook(name: str, raw: str) -> nbformat.NotebookNode:
    """A start page from its source (``# %%`` marks a cell), for a proposal whose raw data are shown at ``raw``."""
    source = (_NOTEBOOKS / f"{name}.py").read_text().replace("@RAW@", raw)
    book = nbformat.v4.new_notebook()
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    for number, cell in enumerate(source.split("# %%")[1:]):
        kind, _, text = cell.partition("\n")
        text = text.strip()
        if "[markdown]" in kind:
            made = nbformat.v4.new_markdown_cell(
                "\n".join(line.removeprefix("#").removeprefix(" ") for line in text.splitlines())
            )
        else:
            made = nbformat.v4.new_code_cell(text)
        made.id = f"{name}-{number}"
        book.cells.append(made)
    return book


def _make(data: Path, sample: Sample) -> bool:
    root = data / ROOTS[sample.facility]
    raw = root / sample.raw
    if raw.exists():
        return False
    for area in (sample.processed, *sample.others):
        (root / area).mkdir(parents=True, exist_ok=True)
        _let_team_write(root / area)
    start_page = root / sample.processed / "start-here.ipynb"
    if not start_page.exists():
        nbformat.write(notebook(sample.notebook, sample.shown), start_page)
        _let_team_write(start_page)
    raw.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=root) as unfinished:
        made = Path(unfinished) / "raw"
        made.mkdir()
        sample.make(made)
        _protect(made)
        made.chmod(0o755)  # a directory that may not be written cannot be moved
        made.rename(raw)
        raw.chmod(0o555)
    return True


def _protect(directory: Path) -> None:
    """Raw data are read-only by their mode too, as facilities set it."""
    for path in sorted(directory.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


def _let_team_write(path: Path) -> None:
    # Containers run as each person's own number, and a demo has no groups to share by. The mounts decide who gets here.
    path.chmod(0o777 if path.is_dir() else 0o666)


def remove(directory: Path) -> None:
    """Remove a tree that holds read-only directories."""
    for path in sorted(directory.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(directory)


if __name__ == "__main__":
    for made, seconds in make_all(Path(sys.argv[1]).resolve()):
        print(f"  {made.facility}/{made.proposal} … {seconds:.1f} s", flush=True)
