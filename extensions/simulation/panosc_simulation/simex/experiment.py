"""The chain in one object: build it, change parameters of any step, run it, save it."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from libpyvinyl import Instrument
from libpyvinyl.BaseData import DataCollection
from numpy.typing import NDArray
from SimExLite.DetectorCalculators import GaussianNoiseCalculator
from SimExLite.PMICalculators import SimpleScatteringPMICalculator
from SimExLite.SampleData import ASEFormat, SampleData

from ..bar import Clock, bar
from ..errors import Cancelled, SimulationError
from ..monitors import Axis
from ..nexus import group, write_data, write_whole
from .diffraction import KinematicDiffraction
from .optics import Focus, GaussianSource
from .parameters import listed
from .wavefront import Wavefront

_MOST_ATOMS = 50_000


class Experiment:
    """Source, focus, sample, interaction, diffraction and detector of single-particle imaging.

    `instrument` is a libpyvinyl Instrument; its calculators are `source`, `focus`, `interaction`, `diffraction` and `detector`,
    and each has `parameters`.
    """

    def __init__(self, sample: Any, folder: str | Path | None = None) -> None:
        """Build the chain.

        Args:
            sample: a file of atoms that ASE reads (xyz, pdb, cif …), or ASE's ``Atoms``.
            folder: where the steps' own files go; a temporary folder if not given.

        Raises:
            SimulationError: if the sample cannot be read, or has no atoms or far too many.
        """
        self._scratch = tempfile.TemporaryDirectory(prefix="panosc-simex-") if folder is None else None
        self.folder = Path(self._scratch.name if self._scratch else str(folder))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.atoms = _atoms(sample)
        file = self.folder / "sample.xyz"
        self.atoms.write(str(file), format="extxyz")
        self.source = GaussianSource("source")
        self.focus = Focus("focus", self.source.output["source"])
        particle = SampleData.from_file(str(file), ASEFormat, "sample")
        interaction_input = DataCollection(particle, self.focus.output["focus"])
        self.interaction = SimpleScatteringPMICalculator(
            "interaction", interaction_input, calculator_base_dir="interaction"
        )
        self.diffraction = KinematicDiffraction("diffraction", self.interaction.output["PMI"])
        self.detector = GaussianNoiseCalculator(
            "detector", self.diffraction.output["diffraction"], calculator_base_dir="detector"
        )
        self.detector.parameters["copy_input"] = True
        steps = [self.source, self.focus, self.interaction, self.diffraction, self.detector]
        self.instrument = Instrument("single_particle_imaging", steps, instrument_base_dir=str(self.folder))
        self.started = self.ended = ""
        self._ran_with: dict[str, str] = {}

    @property
    def steps(self) -> dict[str, Any]:
        """The calculators by name, in the order of the beam."""
        return dict(self.instrument.calculators)

    def run(self, progress: bool = True) -> Experiment:
        """Run all steps.

        Args:
            progress: whether to show a bar; *Cancel* acts between two steps.

        Raises:
            SimulationError: which step failed, and why.
        """
        shown, clock = bar("SIMEX", progress), Clock()
        self.ended = ""  # what an earlier run gave is overwritten step by step
        self.started = datetime.now(UTC).isoformat(timespec="seconds")
        for number, (name, step) in enumerate(self.steps.items()):
            try:
                shown.check()
                shown.update(number / len(self.steps), name)
                before = _values(name, step)
                _quietly(step)
                self._ran_with |= before
            except (Cancelled, KeyboardInterrupt):
                shown.close("cancelled", False)
                raise
            except SimulationError:
                shown.close(f"{name} failed", False)
                raise
            except Exception as error:
                shown.close(f"{name} failed", False)
                raise SimulationError(f"The step {name} failed: {error}") from error
        self.ended = datetime.now(UTC).isoformat(timespec="seconds")
        shown.close(f"done in {clock.took()}", True)
        return self

    def wavefront(self, step: str = "focus") -> Wavefront:
        """The pulse after ``source`` or ``focus``."""
        self._must_have_run()
        return Wavefront.read(Path(self.steps[step].output_file_paths[0]))

    def patterns(self) -> NDArray[np.float64]:
        """Photons that the detector counted, by (shot, y, x)."""
        self._must_have_run()
        return np.asarray(self.detector.output.to_list()[0].get_data()["img_array"], dtype=np.float64)

    def photons(self) -> NDArray[np.float64]:
        """Photons that arrived at the detector, by (shot, y, x)."""
        self._must_have_run()
        return np.asarray(self.diffraction.output.to_list()[0].get_data()["img_array"], dtype=np.float64)

    def _must_have_run(self) -> None:
        if not self.ended:
            raise SimulationError("The experiment has not run yet: call run().")

    def save(self, path: str | Path) -> Path:
        """Write a NeXus file that opens on the pattern.

        Raises:
            SimulationError: if it did not run yet, parameters were changed since, or the file cannot be written.
        """
        self._must_have_run()
        now = {key: value for name, step in self.steps.items() for key, value in _values(name, step).items()}
        if changed := sorted(key for key, value in now.items() if self._ran_with.get(key) != value):
            raise SimulationError(f"Parameters were changed after the run ({', '.join(changed)}): call run() again.")
        return write_whole(Path(path), self._write)

    def _write(self, file: Any) -> None:
        file.attrs.update({"NX_class": "NXroot", "default": "entry", "creator": "panosc_simulation.simex"})
        entry = group(file, "entry", "NXentry")
        entry.attrs["default"] = "pattern"
        entry["title"] = f"Single-particle imaging of {self.atoms.get_chemical_formula()}, simulated"
        entry["start_time"], entry["end_time"] = self.started, self.ended
        patterns, edge = self.patterns(), self.diffraction.axis() * 1e3
        axes = (Axis("y", edge, "mm", "y"), Axis("x", edge, "mm", "x"))
        shots = Axis("shot", np.arange(len(patterns), dtype=np.float64), "", "shot")
        shown = ((shots, *axes), patterns) if len(patterns) > 1 else (axes, patterns[0])
        write_data(entry, "pattern", shown[0], shown[1], None, "photons", "photons counted a pixel")
        write_data(
            entry, "expected", axes, self.diffraction.pattern, None, "photons", "photons expected a pixel and pulse"
        )
        self._write_focus(entry)
        self._write_instrument(entry)
        sample = group(entry, "sample", "NXsample")
        sample["name"] = sample["chemical_formula"] = self.atoms.get_chemical_formula()
        atoms = group(sample, "atoms", "NXcollection")
        atoms["positions"], atoms["atomic_numbers"] = self.atoms.get_positions(), self.atoms.get_atomic_numbers()
        atoms["positions"].attrs["units"] = "angstrom"

    def _write_focus(self, entry: Any) -> None:
        focus = self.wavefront()
        axes = (Axis("y", focus.y * 1e6, "um", "y"), Axis("x", focus.x * 1e6, "um", "x"))
        write_data(entry, "focus", axes, focus.fluence(), None, "J/m^2", "fluence in the focus")

    def _write_instrument(self, entry: Any) -> None:
        from .. import __version__

        instrument = group(entry, "instrument", "NXinstrument")
        instrument["name"] = self.instrument.name
        source = group(instrument, "source", "NXsource")
        source["name"], source["type"], source["probe"] = "SRW Gaussian beam", "Free-Electron Laser", "x-ray"
        beam, focus = group(instrument, "beam", "NXbeam"), self.wavefront()
        beam["incident_energy"] = focus.photon_energy
        beam["incident_energy"].attrs["units"] = "eV"
        beam["extent"] = focus.width()
        beam["extent"].attrs["units"] = "m"
        detector = group(instrument, "detector", "NXdetector")
        for name, source_name in (
            ("distance", "distance"),
            ("x_pixel_size", "pixel_size"),
            ("y_pixel_size", "pixel_size"),
        ):
            detector[name] = float(self.diffraction.parameters[source_name].value)
            detector[name].attrs["units"] = "m"
        for number, (name, step) in enumerate(self.steps.items(), 1):
            process = group(entry, f"step_{number}_{name}", "NXprocess")
            process["program"], process["sequence_index"] = type(step).__name__, number
            process["version"] = version("simex-lite") if type(step).__module__.startswith("SimExLite") else __version__
            kept = group(process, "parameters", "NXcollection")
            for key, value, unit, comment in listed(step.parameters):
                kept[key] = value
                kept[key].attrs.update({"long_name": comment, **({"units": unit} if unit else {})})


def _atoms(sample: Any) -> Any:
    from ase import Atoms
    from ase.io import read

    try:
        atoms = sample if isinstance(sample, Atoms) else read(str(sample))
    except Exception as error:  # ASE's readers raise whatever they meet
        raise SimulationError(f"The sample {sample} cannot be read: {error}") from error
    if not 0 < len(atoms) <= _MOST_ATOMS:
        raise SimulationError(f"The sample has {len(atoms)} atoms; 1 to {_MOST_ATOMS} can be computed here.")
    centred = atoms.copy()
    centred.positions -= centred.positions.mean(axis=0)
    return centred


def _values(name: str, step: Any) -> dict[str, str]:
    """A step's parameters as they are now, as text: what they hold may be changed in place."""
    return {f"{name}.{key}": f"{value!r} {unit}" for key, value, unit, _ in listed(step.parameters)}


def _quietly(step: Any) -> None:
    """Run a step without the lines that it prints for its authors; they are told if it fails."""
    said = io.StringIO()
    before = logging.root.manager.disable
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.INFO)
        try:
            step.backengine()
        finally:
            logging.disable(before)
