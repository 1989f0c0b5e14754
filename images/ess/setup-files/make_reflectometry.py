"""Write three event NeXus files as ESTIA does: a reference supermirror, and a nickel film at a small and a larger angle.

    python make_reflectometry.py FOLDER

The layout (names, units, chains of transformations, events by pulse) is that of ESTIA's files; the neutrons are simulated
here. A focused, divergent beam over-illuminates a sample of 20 mm; how many neutrons it reflects is drawn from the exact
reflectivity of its layers (Parratt's recursion, with the roughness of Nevot and Croce). A neutron leaves the moderator at some
time of the 2.86 ms of a proton pulse, passes a bandwidth chopper or not, and is detected with the time that the clock
shows, which begins anew with every pulse. Not simulated: gravity, background, off-specular scattering, the detector's
efficiency.

The same call always writes the same neutrons.
"""

import sys
from pathlib import Path

import h5py
import numpy as np
from make_runs import (
    PERIOD,
    PULSE,
    SECONDS_PER_ANGSTROM,
    START,
    field,
    flux,
    group,
    place,
    through_chopper,
    write_chopper,
    write_events,
)

THICKNESS, ROUGHNESS = 420.0, (6.0, 4.0)  # angstrom: of the nickel; of its surface, and of its side to the silicon
NICKEL, SILICON = 9.4e-6, 2.07e-6  # scattering length densities, 1/angstrom^2
M_VALUE, EDGE, SLOPE = (
    5.0,
    0.022,
    0.25 / 0.088,
)  # of the supermirror: R = 1 - SLOPE (Q - EDGE) from EDGE to M_VALUE EDGE
SOURCE, MONITOR, CHOPPER, DETECTOR = -35.0, -28.0, -24.0, 4.0  # m from the sample, along the beam
WINDOW = (12.0e-3, 29.0e-3)  # s after the pulse: when the chopper lets neutrons through
BLADES, WIRES, STRIPS = 48, 32, 64  # of the detector
WIDTH, HEIGHT, BLUR = 0.50, 0.26, 2.5e-3  # m, of the detector; how well it knows the place (full width at half maximum)
DIVERGENCE, BEAM, SAMPLE = np.deg2rad(0.7), 4e-3, 20e-3  # half of it; m: height of the beam, length of the sample
RATE, MONITORED = 4.0e5, 1.0e-3  # neutrons a second before the chopper; the part of them that the monitor counts
RUNS = {  # file: title, angle of the sample (deg), seconds
    "reference.nxs": ("Supermirror, m = 5", 1.0, 300),
    "film-small-angle.nxs": ("Nickel on silicon", 1.0, 300),
    "film-large-angle.nxs": ("Nickel on silicon", 2.8, 3 * 3600),
}


def film(q):
    """The reflectivity of the nickel film on silicon."""
    air, nickel, silicon = (np.sqrt((q / 2) ** 2 - 4 * np.pi * density + 0j) for density in (0.0, NICKEL, SILICON))
    top = (air - nickel) / (air + nickel) * np.exp(-2 * air * nickel * ROUGHNESS[0] ** 2)
    bottom = (nickel - silicon) / (nickel + silicon) * np.exp(-2 * nickel * silicon * ROUGHNESS[1] ** 2)
    back = bottom * np.exp(2j * nickel * THICKNESS)
    return np.abs((top + back) / (1 + top * back)) ** 2


def supermirror(q):
    """The reflectivity of the reference."""
    return np.where(q < EDGE, 1.0, np.where(q < M_VALUE * EDGE, 1 - SLOPE * (q - EDGE), 0.0))


def spectrum():
    """Wavelengths (middles of narrow bins), the share of the beam in each, the bins' width."""
    edges = np.linspace(1.5, 12.5, 1101)
    middles = (edges[1:] + edges[:-1]) / 2
    weight = flux(middles)
    return middles, weight / weight.sum(), edges[1] - edges[0]


def reflected(random, reflectivity, angle, seconds):
    """Wavelength, and direction relative to the middle of the beam (rad), of each neutron that the sample reflects."""
    wavelengths, share, width = spectrum()
    edges = np.linspace(-DIVERGENCE, DIVERGENCE, 401)
    directions = (edges[1:] + edges[:-1]) / 2
    theta = angle + directions
    hit = np.minimum(SAMPLE * np.sin(theta) / BEAM, 1.0)  # the part of the beam that meets the sample
    q = 4 * np.pi * np.sin(theta) / wavelengths[:, np.newaxis]
    expected = RATE * seconds * share[:, np.newaxis] * hit / directions.size * reflectivity(q)
    counts = random.poisson(expected).ravel()
    which, where = (np.repeat(index.ravel(), counts) for index in np.indices(expected.shape))
    spread = random.uniform(-0.5, 0.5, (2, which.size))
    return wavelengths[which] + width * spread[0], directions[where] + (edges[1] - edges[0]) * spread[1]


def detector_events(random, reflectivity, angle, seconds):
    """Pixel numbers (from 1) and arrival times (s after the pulse) of what a sample at this angle (rad) reflects."""
    wavelength, direction = reflected(random, reflectivity, angle, seconds)
    emitted, passed = through_chopper(random, wavelength, CHOPPER - SOURCE, WINDOW)
    # It was reflected somewhere on the sample, which the detector sees as a shift to the side.
    shift = random.uniform(-0.5, 0.5, wavelength.size) * SAMPLE * np.sin(angle + direction)
    x = DETECTOR * np.tan(direction) + shift + random.normal(0, BLUR / 2.355, wavelength.size)
    y = random.normal(0, 0.01, wavelength.size)
    column = np.floor((x / WIDTH + 0.5) * BLADES * WIRES).astype(int)
    strip = np.floor((y / HEIGHT + 0.5) * STRIPS).astype(int)
    seen = passed & (column >= 0) & (column < BLADES * WIRES) & (strip >= 0) & (strip < STRIPS)
    arrival = emitted + SECONDS_PER_ANGSTROM * wavelength * (np.hypot(DETECTOR, np.hypot(x, y)) - SOURCE)
    return (strip * BLADES * WIRES + column + 1)[seen], arrival[seen]


def monitor_events(random, seconds):
    """Arrival times (s after the pulse) of the neutrons that the monitor counts, before the chopper."""
    wavelengths, share, width = spectrum()
    number = random.poisson(RATE * MONITORED * seconds)
    wavelength = random.choice(wavelengths, size=number, p=share) + width * random.uniform(-0.5, 0.5, number)
    return random.uniform(0, PULSE, number) + SECONDS_PER_ANGSTROM * wavelength * (MONITOR - SOURCE)


def log(parent, name, value, unit):
    """A value that was read once, at the run's start."""
    made = group(parent, name, "NXlog")
    field(made, "value", [float(value)], unit)
    field(made, "time", np.zeros(1, "i8"), "ns").attrs["start"] = START
    return made


def write_monitor(random, instrument, seconds):
    """A monitor that keeps no events: counts by the clock's reading."""
    monitor = group(instrument, "beam_monitor", "NXmonitor")
    place(monitor, MONITOR)
    edges = np.linspace(0, PERIOD * 1e6, 2001)
    counts = np.histogram(monitor_events(random, seconds) % PERIOD * 1e6, edges)[0]
    data = group(monitor, "histogram", "NXdata")
    data.attrs.update({"signal": "value", "axes": ["frame_time"]})
    field(data, "value", counts.astype("i4"), "counts", packed=True)
    field(data, "frame_time", edges, "us", packed=True)


def write_detector(random, instrument, reflectivity, angle, seconds):
    """The detector, turned about the sample by twice the sample's angle (deg), and its events."""
    detector = group(instrument, "multiblade_detector", "NXdetector")
    place(detector, DETECTOR)
    chain = detector["transformations"]
    rotation = log(chain, "detector_rotation", 2 * angle, "deg")
    rotation.attrs.update({"transformation_type": "rotation", "vector": [0.0, 1.0, 0.0], "depends_on": "."})
    chain["translation"].attrs["depends_on"] = rotation.name
    field(detector, "detector_number", np.arange(1, STRIPS * BLADES * WIRES + 1, dtype="i4"), packed=True)
    x = ((np.arange(BLADES * WIRES) + 0.5) / (BLADES * WIRES) - 0.5) * WIDTH
    y = ((np.arange(STRIPS) + 0.5) / STRIPS - 0.5) * HEIGHT
    field(detector, "x_pixel_offset", np.tile(x, STRIPS), "m", packed=True)
    field(detector, "y_pixel_offset", np.repeat(y, x.size), "m", packed=True)
    pixel, arrival = detector_events(random, reflectivity, np.deg2rad(angle), seconds)
    write_events(random, detector, arrival, pixel, round(seconds / PERIOD))


def write_run(file, number, title, angle, seconds, reflectivity):
    random = np.random.default_rng(number)
    with h5py.File(file, "w") as h5:
        entry = group(h5, "entry", "NXentry")
        entry["title"], entry["start_time"] = title, START
        entry["entry_identifier"], entry["experiment_identifier"] = str(number), "simulated"
        user = group(entry, "user", "NXuser")
        user["name"], user["email"] = "A. Scientist", "a.scientist@example.org"
        instrument = group(entry, "instrument", "NXinstrument")
        instrument["name"] = "ESTIA (simulated)"
        source = group(instrument, "source", "NXsource")
        source["name"], source["type"] = "European Spallation Source", "Spallation Neutron Source"
        field(source, "frequency", 14.0, "Hz")
        place(source, SOURCE)
        sample = group(entry, "sample", "NXsample")
        sample["name"] = title
        place(sample, 0.0)
        log(sample, "sample_rotation", angle, "deg")
        write_chopper(instrument, CHOPPER, WINDOW)
        write_monitor(random, instrument, seconds)
        write_detector(random, instrument, reflectivity, angle, seconds)


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for number, (file, (title, angle, seconds)) in enumerate(RUNS.items(), 11):
        reflectivity = supermirror if file == "reference.nxs" else film
        write_run(folder / file, number, title, angle, seconds, reflectivity)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
