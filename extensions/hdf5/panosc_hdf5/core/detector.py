"""What is known of the detector behind a data set: which pixels count, which raw values mean nothing, and where it stood.

Looked for where NeXus, Dectris and BLISS put it: in the NXdetector that holds the data, or in the one of the same entry's
instrument that fits the data.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from panosc_hdf5.core.fields import attribute_value, first_integer
from panosc_hdf5.core.links import join
from panosc_hdf5.core.session import Session, basename, parent
from panosc_hdf5.core.units import angstrom_of_energy, electronvolts, is_pixels, metres
from panosc_hdf5.core.wire import Depends

if TYPE_CHECKING:
    from panosc_hdf5.core.files import Located

MAX_DETECTORS = 40
_PHOTON_COUNTING = re.compile("dectris|eiger|pilatus|mythen", re.IGNORECASE)
_DECTRIS_MARKS = 2  # 2^N-1: no value; 2^N-2: a pixel that is known to be bad
_PICTURE = 8


@dataclass(frozen=True)
class Detector:
    """What is known of a detector.

    Attributes:
        group: path of its NXdetector, as seen in the file that was asked for; None if there is none.
        mask: path of its pixel mask; there, 0 is a good pixel.
        sentinels: raw values that mean "no value".
        geometry: ``IGeometry``.
        depends: further files that say so.
    """

    group: str | None = None
    mask: str | None = None
    sentinels: tuple[int, ...] = ()
    geometry: dict[str, Any] | None = None
    depends: tuple[Depends, ...] = ()


def describe(located: Located) -> Detector:
    """The detector behind a data set; what depends on the data set depends on its files, too.

    Never raises for what a file lacks.
    """
    key, origin = ("detector", located.asked), located.origin
    found: Detector | None = origin.memo.get(key)
    if found is None or not all(origin.remote or Depends.now(stamp.path) == stamp for stamp in found.depends):
        with Session(located.cache, origin.path) as session:
            found = _describe(session, located)
            found = replace(found, depends=session.stamps_beside(origin.path))
        origin.memo[key] = found
    located.depend_on(found.depends)
    return found


def _describe(session: Session, located: Located) -> Detector:
    data = session.dataset(located.asked)
    if data is None or data.shape is None or len(data.shape) < 2 or data.dtype.kind not in "iuf":
        return Detector()
    frame = tuple(int(n) for n in data.shape[-2:])
    group = _detector_of(session, located, frame)
    mask = _named_mask(session, located.asked, frame)
    if mask is None and group is not None:
        mask = _mask(session, group, frame, located.asked)
    sentinels = _sentinels(session, group, data.dtype, frame)
    filled = _fill_values(data)
    if mask is not None and group is not None and sentinels and _is_applied(session, group):
        mask = None
    geometry = _geometry(session, group, located.asked) if group else None
    return Detector(group, mask, tuple(dict.fromkeys((*sentinels, *filled))), geometry)


# --- which detector -------------------------------------------------------------------------------------------------------


def _detector_of(session: Session, located: Located, frame: tuple[int, ...]) -> str | None:
    """The NXdetector that holds the data, else the one of the entry that fits them best."""
    for path in (located.asked, located.name if located.file is located.origin else ""):
        for ancestor in _ancestors(path):
            if session.nx_class(ancestor) == "NXdetector":
                return ancestor
    best, best_rank = None, 0
    for candidate in _candidates(session, located.asked):
        rank = _rank(session, candidate, located, frame)
        if best is None or rank > best_rank:
            best, best_rank = candidate, rank
    return best


def _ancestors(path: str) -> list[str]:
    found = []
    while path.strip("/"):
        path = parent(path)
        found.append(path)
    return found


def _candidates(session: Session, asked: str) -> list[str]:
    entries = [path for path in _ancestors(asked) if session.nx_class(path) in ("NXentry", "NXsubentry")]
    found: list[str] = []
    for entry in entries or ["/"]:
        for instrument in session.of_class(entry, "NXinstrument"):
            found += session.of_class(instrument, "NXdetector")
            for group in session.of_class(instrument, "NXdetector_group")[:4]:
                found += session.of_class(group, "NXdetector")
    return list(dict.fromkeys(found))[:MAX_DETECTORS]


def _rank(session: Session, candidate: str, located: Located, frame: tuple[int, ...]) -> int:
    """4: holds the same data; 3: its data have the same frame; 2: its mask has; 1: its name is the data's."""
    for name in ("data", "detector_data", "frames"):
        other = session.get(join(candidate, name))
        if other is None or session.dataset(join(candidate, name)) is None:
            continue
        if other.object == located.object:
            return 4
        if tuple(other.object.shape or ())[-2:] == frame:
            return 3
    if _mask(session, candidate, frame, ""):
        return 2
    return 1 if basename(candidate) in located.asked else 0


# --- mask and values ------------------------------------------------------------------------------------------------------


def _mask(session: Session, detector: str, frame: tuple[int, ...], asked: str) -> str | None:
    for name in ("pixel_mask", "detectorSpecific/pixel_mask", "detector_specific/pixel_mask", "pixel_mask_1", "mask"):
        path = join(detector, name)
        mask = session.dataset(path)
        if mask is not None and mask.shape == frame and mask.dtype.kind in "iub" and path != asked:
            return path
    return None


def _named_mask(session: Session, asked: str, frame: tuple[int, ...]) -> str | None:
    """The mask that the data's own group names, as canSAS does."""
    name = session.attribute(parent(asked), "mask")
    mask = session.dataset(join(parent(asked), name)) if name else None
    fits = mask is not None and mask.shape == frame and mask.dtype.kind in "iub"
    return join(parent(asked), name) if fits and name else None


def _is_applied(session: Session, detector: str) -> bool:
    """Whether the detector itself has put its "no value" into masked pixels."""
    for name in ("pixel_mask_applied", "detectorSpecific/pixel_mask_applied"):
        if session.number(join(detector, name)):
            return True
    return False


def _sentinels(session: Session, detector: str | None, dtype: np.dtype[Any], frame: tuple[int, ...]) -> tuple[int, ...]:
    if dtype.kind == "f" or min(frame) < _PICTURE:
        return ()
    dectris = detector is not None and _is_photon_counting(session, detector)
    if dtype.kind == "i":
        return (-1, -2) if dectris else ()
    # 255 is white in a photograph; only a detector means "no value" by it.
    if dtype.itemsize == 1 and detector is None:
        return ()
    top = 2 ** (8 * dtype.itemsize)
    found = [top - 1 - n for n in range(_DECTRIS_MARKS if dectris else 1)]
    depth = session.number(join(detector, "bit_depth_image")) if detector else None
    if depth and 4 <= depth < 8 * dtype.itemsize:  # 16 bit counters in 32 bit images keep their own top value
        found.append(2 ** int(depth) - 1)
    return tuple(found)


def _is_photon_counting(session: Session, detector: str) -> bool:
    if session.group(join(detector, "detectorSpecific")) is not None:
        return True
    words = [session.string(join(detector, name)) or "" for name in ("description", "type", "local_name", "model")]
    return any(_PHOTON_COUNTING.search(word) for word in (*words, basename(detector)))


def _fill_values(data: Any) -> Iterator[int]:
    """What the data set itself calls "no value"."""
    for name in ("_FillValue", "missing_value"):
        value = attribute_value(data, name)
        if data.dtype.kind in "iu" and (found := first_integer(value)) is not None:
            yield found


# --- geometry -------------------------------------------------------------------------------------------------------------


def _length(session: Session, paths: list[str], default: str) -> float | None:
    for path in paths:
        found = metres(session.number(path), session.attribute(path, "units"), default)
        if found is not None and 0 < found < math.inf:
            return found
    return None


def _geometry(session: Session, detector: str, asked: str) -> dict[str, Any] | None:
    pixel_x = _length(session, [join(detector, name) for name in ("x_pixel_size", "pixel_size_x")], "m")
    pixel_y = _length(session, [join(detector, name) for name in ("y_pixel_size", "pixel_size_y")], "m")
    distance = _length(session, [join(detector, n) for n in ("distance", "detector_distance", "SDD")], "m")
    if pixel_x is None or pixel_y is None or distance is None:
        return None
    beam_x = _beam(session, detector, ("beam_center_x", "beam_centre_x"), pixel_x)
    beam_y = _beam(session, detector, ("beam_center_y", "beam_centre_y"), pixel_y)
    if beam_x is None or beam_y is None or not (math.isfinite(beam_x) and math.isfinite(beam_y)):
        return None
    found = {
        "beam_x": beam_x,
        "beam_y": beam_y,
        "distance": distance,
        "pixel_x": pixel_x,
        "pixel_y": pixel_y,
        "source": detector,
    }
    wavelength = _wavelength(session, detector, asked)
    return found if wavelength is None else found | {"wavelength": wavelength}


def _beam(session: Session, detector: str, names: tuple[str, ...], pixel: float) -> float | None:
    """Where the beam meets the detector, in pixels; files say it in pixels or as a length."""
    for name in names:
        path = join(detector, name)
        value, units = session.number(path), session.attribute(path, "units")
        if value is None or not np.isfinite(value):
            continue
        if is_pixels(units):
            return value
        length = metres(value, units, "m")
        if length is not None:
            return length / pixel
    return None


def _wavelength(session: Session, detector: str, asked: str) -> float | None:
    """In angstrom: from the beam, the monochromator, or the photons' energy."""
    instrument = parent(detector)
    entry = parent(instrument)
    groups = [join(instrument, "beam"), join(entry, "sample/beam"), join(detector, "detectorSpecific"), detector]
    groups += [path for kind in ("NXbeam", "NXmonochromator") for path in session.of_class(instrument, kind)]
    for sample in session.of_class(entry, "NXsample"):
        groups += session.of_class(sample, "NXbeam")
    groups.append(join(instrument, "monochromator"))
    for group in dict.fromkeys(groups):
        if session.group(group) is None:
            continue
        for name in ("incident_wavelength", "wavelength"):
            path = join(group, name)
            found = metres(session.number(path), session.attribute(path, "units"), "angstrom")
            if found is not None and 0 < found * 1e10 < math.inf:
                return float(round(found * 1e10, 9))
        for name in ("photon_energy", "incident_energy", "energy"):
            path = join(group, name)
            default = "kev" if name == "energy" else "ev"
            energy = electronvolts(session.number(path), session.attribute(path, "units"), default)
            if energy is not None and energy > 0 and math.isfinite(angstrom_of_energy(energy)):
                return float(round(angstrom_of_energy(energy), 9))
    return None
