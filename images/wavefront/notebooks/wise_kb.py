"""The mirror of kb.py in WISE. Runs in the kernel WISE (Python 3.11) only."""

from __future__ import annotations

import contextlib
import io

import numpy as np
from kb import Mirror, write_focus
from numpy.typing import NDArray

with contextlib.redirect_stdout(io.StringIO()):  # wofrywiser speaks at its import, and WISE at each step
    from LibWiser import Foundation, Optics
    from wofry.propagator.propagator import PropagationManager, PropagationParameters
    from wofrywiser.beamline.beamline_elements import WiserBeamlineElement, WiserOpticalElement
    from wofrywiser.propagator.propagator1D.wise_propagator import WiserPropagationElements, WiserPropagator
    from wofrywiser.propagator.wavefront1D.wise_wavefront import WiserWavefront

PLANE = Optics.OPTICS_ORIENTATION.VERTICAL
manager = PropagationManager.Instance()
manager.add_propagator(WiserPropagator())


def element(name: str, optics: Optics.Optics, **where: object) -> WiserOpticalElement:
    """One element of the beamline, and where it stands."""
    return WiserOpticalElement(
        name=name,
        isSource=name == "source",
        native_CoreOptics=optics,
        native_PositioningDirectives=Foundation.PositioningDirectives(**where),
    )


def focus(
    mirror: Mirror,
    *,
    defocus: float = 0.0,
    height_error: NDArray[np.float64] | None = None,
    detector: float = 3e-6,
    samples: int = 6000,
    pixels: int = 1500,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Position (m) and intensity on a detector ``defocus`` metres behind the focus of a point source.

    Args:
        height_error: heights in m, at equal distances along the mirror.
        samples: points of the Huygens-Fresnel integral on the mirror.
    """
    source = Optics.SourceGaussian(Lambda=mirror.wavelength, Waist0=1e-6, Orientation=PLANE)
    ellipse = Optics.MirrorElliptic(
        f1=mirror.source_distance,
        f2=mirror.focal_distance,
        L=mirror.length,
        Alpha=mirror.grazing_angle,
        Orientation=PLANE,
    )
    screen = Optics.Detector(L=detector, AngleGrazing=np.pi / 2, Orientation=PLANE)
    centre = {"PlaceWhat": "centre", "PlaceWhere": "centre"}
    elements = [
        element("source", source, ReferTo="absolute", XYCentre=[0, 0], Angle=0.0),
        element("mirror", ellipse, ReferTo="source", Distance=mirror.source_distance, **centre),
        element("detector", screen, ReferTo="upstream", Distance=mirror.focal_distance + defocus, **centre),
    ]
    line = WiserPropagationElements()
    line.get_wise_propagation_elements().ComputationSettings.OrientationToCompute = [PLANE]
    for one, points in zip(elements, (None, samples, pixels)):
        line.add_beamline_element(WiserBeamlineElement(optical_element=one))
        if points:
            one.native_optical_element.ComputationSettings.UseCustomSampling = True
            one.native_optical_element.ComputationSettings.NSamples = points
    if height_error is not None:
        optics = elements[1].native_optical_element.CoreOptics
        optics.FigureErrorLoad(h=height_error, Step=mirror.length / len(height_error))
        optics.ComputationSettings.UseFigureError = True
    parameters = PropagationParameters(
        wavefront=WiserWavefront(wiser_computation_results=None), propagation_elements=line
    )
    parameters.set_additional_parameters("single_propagation", False)
    parameters.set_additional_parameters("NPools", 1)
    parameters.set_additional_parameters("is_full_propagator", True)
    with contextlib.redirect_stdout(io.StringIO()):
        line.refresh_wise_positions()
        manager.do_propagation(propagation_parameters=parameters, handler_name=WiserPropagator.HANDLER_NAME)
    result = elements[2].native_optical_element.ComputationData
    return np.asarray(result.S), np.abs(result.Field) ** 2 / samples  # WISE's sum grows with them


def height_errors(mirror: Mirror, rms: float, *, points: int = 400, seed: int = 3) -> NDArray[np.float64]:
    """Heights (m) along a mirror as polishing leaves them: a power spectrum that falls with the square of the frequency."""
    random = np.random.default_rng(seed)
    frequency = np.fft.rfftfreq(points, mirror.length / points)
    amplitude = np.zeros(len(frequency), complex)
    band = slice(3, points // 8)  # slower errors are aligned away, as tilt and defocus
    amplitude[band] = random.normal(size=len(frequency[band])) + 1j * random.normal(size=len(frequency[band]))
    amplitude[band] /= frequency[band]
    heights = np.fft.irfft(amplitude, points)
    heights -= heights.mean()
    return np.asarray(heights * rms / heights.std())


if __name__ == "__main__":
    write_focus("kb-focus-wise.nxs", "WISE", Mirror(), *focus(Mirror()))
