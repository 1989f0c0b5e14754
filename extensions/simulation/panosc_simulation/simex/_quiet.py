"""SimEx-Lite without its own progress bars, one for each shot, and without the warning that they give when imported in a notebook."""

from __future__ import annotations

import sys
import warnings

from tqdm.std import tqdm

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="Using `tqdm.autonotebook.tqdm`")
    import SimExLite.DetectorCalculators
    import SimExLite.DiffractionData  # noqa: F401

for _name in ("DetectorCalculators.GaussianNoiseCalculator", "DiffractionData.DiffractionData"):
    vars(sys.modules[f"SimExLite.{_name}"])["tqdm"] = tqdm  # writes to stderr, which a run keeps to itself
