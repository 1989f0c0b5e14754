"""``azimuthal``: the mean over rings around the beam, by pyFAI where it is installed, else by numpy.

Both take each pixel as a whole (no splitting), divide by the solid angle, and estimate errors by counting statistics, so that
they agree within 0.1 % of the greatest intensity.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from panosc_hdf5.core.context import Context
from panosc_hdf5.core.detector import describe
from panosc_hdf5.core.errors import BadRequest, Unsupported
from panosc_hdf5.core.image import Image, Unit
from panosc_hdf5.core.numeric import Array
from panosc_hdf5.core.picture import picture_selection
from panosc_hdf5.core.query import Query
from panosc_hdf5.core.reading import Reader
from panosc_hdf5.core.selection import Selection, refuse_above
from panosc_hdf5.core.validity import validity_for
from panosc_hdf5.core.wire import Reply

if TYPE_CHECKING:
    from panosc_hdf5.core.files import Located

UNITS = {"q": "1/Å", "2theta": "deg", "r": "mm"}
_PYFAI = {"q": "q_A^-1", "2theta": "2th_deg", "r": "r_mm"}
MAX_PIXELS = 40_000_000
NAMES = ("beam_x", "beam_y", "distance", "pixel_x", "pixel_y", "wavelength")


@dataclass(frozen=True)
class Geometry:
    """Where the detector stood, perpendicular to the beam.

    Attributes:
        beam_x: where the beam meets it, in pixels from the outer corner of the first one.
        beam_y: the same, downwards.
        distance: from the sample, in metres.
        pixel_x: width of a pixel, in metres.
        pixel_y: its height.
        wavelength: in angstrom; None if unknown.
        source: where this is known from.
    """

    beam_x: float
    beam_y: float
    distance: float
    pixel_x: float
    pixel_y: float
    wavelength: float | None
    source: str

    def as_json(self) -> dict[str, Any]:
        """``IGeometry``."""
        found = {name: getattr(self, name) for name in (*NAMES, "source")}
        return {name: value for name, value in found.items() if value is not None}

    def shown(self, selection: Selection) -> Geometry:
        """For the pixels of a slice, which may begin elsewhere and skip some."""
        rows, columns = (selection.kept(d) for d in selection.dimensions)
        return Geometry(
            (self.beam_x - columns.start - 0.5) / columns.step + 0.5,
            (self.beam_y - rows.start - 0.5) / rows.step + 0.5,
            self.distance,
            self.pixel_x * columns.step,
            self.pixel_y * rows.step,
            self.wavelength,
            self.source,
        )


def azimuthal(query: Query, context: Context) -> Reply:
    """Azimuthal integration.

    Parameters: ``slice``, ``bins``, ``unit`` (``q``, ``2theta``, ``r``), ``mask``, and what of the geometry is not to be
    taken from the file: ``beam_x``, ``beam_y`` (pixels), ``distance``, ``pixel_x``, ``pixel_y`` (metres), ``wavelength``
    (angstrom).

    Returns:
        ``IAzimuthalHeader`` and the arrays ``radial``, ``intensity``, ``sigma``, ``count``; NaN in rings without a pixel.

    Raises:
        HDF5Error: in words.
    """
    unit = query.choice("unit", tuple(UNITS), "q")
    bins = query.integer("bins", 1000, low=2, high=20_000)
    with context.services.files.locate(query.text("path"), query.text("h5path")) as located:
        reader = Reader(located, context)
        selection = picture_selection(reader, query.text("slice", ""))
        refuse_above(selection.size, MAX_PIXELS, selection)
        geometry = _geometry(query, located, unit)
        validity = validity_for(query, located, context, selection)
        height, width = selection.result_shape
        image = Image(reader, selection, validity, (0, height, 0, width))
        block = image.read(Unit(0, height, 0, width, 0))
        context.check()
        invalid = validity.invalid(block)
        good = np.isfinite(block) if invalid is None else np.isfinite(block) & ~invalid
        values = np.where(good, block, 0).astype(np.float64)
        integrate, method = (with_pyfai, "pyFAI") if has_pyfai() else (with_numpy, "numpy")
        arrays = integrate(values, good, geometry.shown(selection), unit, bins)
        header = {
            "h5path": located.asked,
            "unit": unit,
            "units": UNITS[unit],
            "method": method,
            "geometry": geometry.as_json(),
        }
        return Reply(header, dict(arrays), located.depends)


def _geometry(query: Query, located: Located, unit: str) -> Geometry:
    known: dict[str, Any] = dict(describe(located).geometry or {})
    source = str(known.get("source", "")) or "given"
    given = [name for name in NAMES if name in query]
    for name in given:
        known[name] = query.number(name)
    needed = [name for name in NAMES if name != "wavelength" or unit == "q"]
    missing = [name for name in needed if name not in known]
    if missing:
        raise Unsupported(
            f"The file does not say where the detector stood: {', '.join(missing)} is missing.",
            "Give the missing numbers.",
            code="no_geometry",
            missing=missing,
        )
    for name in needed:
        if name not in ("beam_x", "beam_y") and not known[name] > 0:
            raise BadRequest(f"{name} must be above 0.")
    if any(abs(known[name]) > 1e7 for name in ("beam_x", "beam_y")):
        raise BadRequest("The beam is too far from the detector.")
    if given:
        source = f"{source}, changed" if source != "given" else source
    numbers: dict[str, Any] = {name: known.get(name) for name in NAMES}
    return Geometry(**numbers, source=source)


def has_pyfai() -> bool:
    """Whether pyFAI is installed."""
    return importlib.util.find_spec("pyFAI") is not None


def radial(shape: tuple[int, int], geometry: Geometry, unit: str) -> tuple[Array, Array]:
    """The radial coordinate of each pixel's middle in the unit, and the cosine of its 2 theta."""
    y = (np.arange(shape[0]) + 0.5 - geometry.beam_y) * geometry.pixel_y
    x = (np.arange(shape[1]) + 0.5 - geometry.beam_x) * geometry.pixel_x
    r = np.hypot(y[:, None], x[None, :])
    cosine = geometry.distance / np.hypot(r, geometry.distance)
    if unit == "r":
        return r * 1e3, cosine
    angle = np.arctan2(r, geometry.distance)
    if unit == "2theta":
        return np.degrees(angle), cosine
    return 4 * math.pi / (geometry.wavelength or 1.0) * np.sin(angle / 2), cosine


def with_numpy(values: Array, good: Array, geometry: Geometry, unit: str, bins: int) -> dict[str, Array]:
    """By numpy.

    Args:
        values: of the pixels; 0 where they do not count.
        good: which count.
        geometry: of the pixels.
        unit: of the radial axis.
        bins: how many rings, from the least to the greatest radius of all pixels.
    """
    where, cosine = radial((values.shape[0], values.shape[1]), geometry, unit)
    low, high = float(where.min()), _end(float(where.max()))
    index = np.minimum(((where - low) * (bins / (high - low))).astype(np.int64), bins - 1)[good]
    total = np.bincount(index, values[good], bins)
    norm = np.bincount(index, (cosine**3)[good], bins)
    count = np.bincount(index, minlength=bins)
    variance = np.bincount(index, np.maximum(values[good], 0), bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        intensity, sigma = total / norm, np.sqrt(variance) / norm
    middles = low + (np.arange(bins) + 0.5) * (high - low) / bins
    return {"radial": middles, "intensity": intensity, "sigma": sigma, "count": count.astype(np.float64)}


def with_pyfai(values: Array, good: Array, geometry: Geometry, unit: str, bins: int) -> dict[str, Array]:
    """By pyFAI; see :func:`with_numpy`."""
    from pyFAI.detectors import Detector
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    where, _ = radial((values.shape[0], values.shape[1]), geometry, unit)
    detector = Detector(geometry.pixel_y, geometry.pixel_x, max_shape=values.shape)
    integrator = AzimuthalIntegrator(
        dist=geometry.distance,
        poni1=geometry.beam_y * geometry.pixel_y,
        poni2=geometry.beam_x * geometry.pixel_x,
        detector=detector,
        wavelength=(geometry.wavelength or 1.0) * 1e-10,
    )
    found = integrator.integrate1d_ng(
        values,
        bins,
        error_model="poisson",
        mask=~good,
        radial_range=(float(where.min()), _end(float(where.max()))),
        unit=_PYFAI[unit],
        method=("no", "histogram", "cython"),
        dummy=np.nan,
    )
    empty = np.asarray(found.count) == 0
    return {
        "radial": np.asarray(found.radial, np.float64),
        "intensity": np.where(empty, np.nan, found.intensity).astype(np.float64),
        "sigma": np.where(empty, np.nan, found.sigma).astype(np.float64),
        "count": np.asarray(found.count, np.float64),
    }


def _end(high: float) -> float:
    """A little beyond the greatest radius, so that its pixel falls into the last ring."""
    return high * (1 + 1e-6) + 1e-12
