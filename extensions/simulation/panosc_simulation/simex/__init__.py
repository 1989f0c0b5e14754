"""A photon experiment from the source to the detector: libpyvinyl calculators that work with SimEx-Lite's.

`GaussianSource` and `Focus` compute the light with SRW, SimEx-Lite's ``SimpleScatteringPMICalculator`` what it meets,
`KinematicDiffraction` what it scatters, SimEx-Lite's ``GaussianNoiseCalculator`` what a detector makes of it. `Experiment`
puts them together, and writes the result as NeXus.
"""

from . import _quiet  # noqa: F401
from .diffraction import KinematicDiffraction
from .experiment import Experiment
from .optics import Focus, GaussianSource

__all__ = ["Experiment", "Focus", "GaussianSource", "KinematicDiffraction"]
