"""Write a run as the European XFEL's data acquisition and calibration do: a gold film, heated by a laser, on AGIPD-1M.

    python make_run.py FOLDER

The files' structure is made by EXtra-data's own `mockdata`, which its tests use in place of real runs; the numbers in them are
simulated here. Every second X-ray pulse of a train comes 10 ps after an optical laser pulse, which heats the film: its lattice
grows by 0.5 %, and its Debye-Waller factor weakens the outer rings. Counts are photons, Poisson-distributed.

The same call always writes the same photons.
"""

import re
import sys
from itertools import product
from pathlib import Path

import h5py
import numpy as np
from extra_data.tests.mockdata import write_file
from extra_data.tests.mockdata.detectors import AGIPDModule
from extra_data.tests.mockdata.xgm import XGM
from extra_geom import AGIPD_1MGeometry

ENERGY = 18.0  # keV
DISTANCE = 0.25  # m, sample to detector
LATTICE = 4.0782  # angstrom: gold at room temperature
EXPANSION = 0.005  # of the heated lattice
HEATING = 350.0  # K: what that expansion needs, at 14.2e-6 /K
TRAINS, PULSES, FIRST = 8, 6, 1_020_304_000
PHOTONS = 10_000  # on the detector in a pulse of mean energy
NO_BEAM = 6  # this train has none
LOST = {3: 4}  # module 3 missed train 4
QUADRANTS = [(-525, 625), (-550, -10), (520, -160), (542.5, 475)]  # pixels
SOURCE, CHANNEL = "MID_DET_AGIPD1M-1/CORR/{}CH0", "output"
MONITOR = "SA2_XTD1_XGM/XGM/DOOCS"


def wavelength():
    """In angstrom: hc/E."""
    return 12.39842 / ENERGY


def expected(geometry, heated):
    """Photons a pixel in a pulse of mean energy, (16, 512, 128)."""
    x, y, _ = np.moveaxis(geometry.get_pixel_positions(), -1, 0)
    radius = np.hypot(x, y)
    angle = np.arctan(radius / DISTANCE)
    lattice = LATTICE * (1 + EXPANSION * heated)
    image = 0.35 * np.exp(-radius / 0.06)
    families = {
        a * a + b * b + c * c: (a, b, c) for a, b, c in product(range(5), repeat=3) if len({a % 2, b % 2, c % 2}) == 1
    }
    for squared in sorted(families)[1:8]:
        indices = {tuple(np.roll(p, s) * np.array(sign)) for p in (families[squared], families[squared][::-1])
                   for s in range(3) for sign in product((1, -1), repeat=3)}  # fmt: skip
        sine = wavelength() * np.sqrt(squared) / (2 * lattice)
        ring = 2 * np.arcsin(sine)
        # Lorentz factor of a powder, gold's falling form factor, and the Debye-Waller factor (B = 0.62 angstrom^2 at 300 K).
        temperature = 0.62 * (300 + HEATING * heated) / 300
        strength = (
            len(indices) / (sine**2 * np.cos(ring / 2)) * np.exp(-(2 * temperature + 6) * (sine / wavelength()) ** 2)
        )
        width = 0.0003 / DISTANCE * np.cos(ring) ** 2
        image += 0.0022 * strength * np.exp(-0.5 * ((angle - ring) / width) ** 2)
    # Horizontally polarised, as an undulator's beam; and each pixel's solid angle.
    polarisation = 1 - (np.sin(angle) * x / np.maximum(radius, 1e-9)) ** 2
    return image * polarisation * np.cos(angle) ** 3


def write_monitor(folder, energies):
    """The gas monitor's file: each pulse's energy in µJ, and the wavelength."""
    file = folder / "CORR-R0042-DA01-S00000.h5"
    write_file(file, [XGM(MONITOR)], ntrains=TRAINS, firsttrain=FIRST, chunksize=1, format_version="1.2")
    with h5py.File(file, "r+") as h5:
        h5[f"CONTROL/{MONITOR}/pulseEnergy/wavelengthUsed/value"][:] = wavelength() / 10  # nm
        data = h5[f"INSTRUMENT/{MONITOR}:output/data"]
        del data["intensityAUXTD"], data["intensitySigma"]
        name = "intensityTD"
        attributes = dict(data[name].attrs)
        del data[name]
        padded = np.ones((TRAINS, 1000), "f4")  # the device sends 1000 numbers, and 1 where there was no pulse
        padded[:, :PULSES] = energies
        data.create_dataset(name, data=padded, compression="gzip", shuffle=True, maxshape=(None, 1000)).attrs.update(
            attributes
        )


def write_module(folder, module, photons):
    """One module's file; `photons` is (frames, 512, 128)."""
    file = folder / f"CORR-R0042-AGIPD{module:02}-S00000.h5"
    frames = np.full(TRAINS, PULSES, "u8")
    if module in LOST:
        frames[LOST[module]] = 0
        photons = np.delete(photons, np.s_[LOST[module] * PULSES : (LOST[module] + 1) * PULSES], axis=0)
    device = AGIPDModule(SOURCE.format(module), raw=False, frames_per_train=frames, channel_name=CHANNEL)
    device.output_parts = ["image"]
    write_file(file, [device], ntrains=TRAINS, firsttrain=FIRST, chunksize=1, format_version="1.2")
    with h5py.File(file, "r+") as h5:
        source = h5[f"INSTRUMENT/{SOURCE.format(module)}:{CHANNEL}"]
        for name in [name for name in source if name != "image"]:
            del source[name]
        image = source["image"]
        for name, values in (
            ("data", photons.astype("f4")),
            ("mask", np.zeros(photons.shape, "u4")),
            ("gain", np.zeros(photons.shape, "u1")),
        ):
            del image[name]
            image.create_dataset(
                name, data=values, chunks=(PULSES, 64, 128), compression="gzip", compression_opts=9, shuffle=True
            )
        image["length"][:], image["status"][:] = 512 * 128 * 4, 0


def repack(file):
    """Write a file again without the room that replaced datasets left in it."""
    packed = file.with_suffix(".packed")
    with h5py.File(file) as old, h5py.File(packed, "w") as new:
        for name in old:
            old.copy(name, new)
    packed.replace(file)


def main(folder):
    folder.mkdir(parents=True)
    random = np.random.default_rng(42)
    geometry = AGIPD_1MGeometry.from_quad_positions(QUADRANTS)
    geometry.write_crystfel_geom(
        str(folder.parent / "agipd-1m.geom"), data_path="/entry_1/instrument_1/detector_1/data",
        dims=("frame", "modno", "ss", "fs"), adu_per_ev=1 / (ENERGY * 1e3), clen=DISTANCE, photon_energy=ENERGY * 1e3,
    )  # fmt: skip
    energies = np.clip(random.normal(900, 180, (TRAINS, PULSES)), 200, None)
    energies[NO_BEAM] = random.uniform(0, 4, PULSES)
    cold, hot = (expected(geometry, heated) for heated in (False, True))
    scale = PHOTONS / cold.sum()
    for module in range(16):
        frames = [
            random.poisson(scale * energies[t, p] / 900 * (hot if p % 2 else cold)[module])
            for t in range(TRAINS)
            for p in range(PULSES)
        ]
        write_module(folder, module, np.array(frames))
    write_monitor(folder, energies)
    for file in folder.glob("*.h5"):
        assert re.fullmatch(r"CORR-R0042-(AGIPD\d\d|DA01)-S00000\.h5", file.name)
        repack(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
