"""Write two event NeXus files as the ESS does: spheres on a small-angle instrument like LoKI, and its empty beam.

    python make_runs.py FOLDER

The layout (names, units, chains of transformations, events by pulse) is that of LoKI's files; the neutrons are simulated
here, one by one: emitted during the 2.86 ms of a proton pulse, let through by a bandwidth chopper, scattered by polydisperse
spheres or not, and detected with the time that the clock shows, which begins anew with every pulse.

The same call always writes the same neutrons.
"""

import sys
from pathlib import Path

import h5py
import numpy as np

RADIUS, SPREAD, FLAT = 80.0, 0.08, 0.004  # angstrom; of the radius; background, of I(0)
TRANSMISSION = (0.95, 0.02)  # of the sample: at no wavelength, and lost with each angstrom
SOURCE, CHOPPER, MONITORS, DETECTOR = -23.6, -14.6, {"m1": -2.0, "m3": 0.4}, 5.0  # m from the sample, along the beam
PULSE, PERIOD, PULSES = 2.86e-3, 1 / 14, 200  # s; number
OPEN, CLOSED = 4.0e-3, 24.5e-3  # s after the pulse: when the chopper lets neutrons through
LAYERS, TUBES, STRAWS, PIXELS = 4, 56, 7, 64  # LoKI's rear bank, with fewer pixels along a straw
STRAW_RADIUS, STRAW_LENGTH = 0.004, 1.0  # m
BEAM_STOP = 0.035  # m
EVENTS = 250_000
SECONDS_PER_ANGSTROM = 2.5277788e-4  # and metre of path: m_n / h
START = "2026-11-20T08:00:00.000000000"


def flux(wavelength):
    """A cold moderator's spectrum, by shape."""
    thermal = np.exp(-((3.2 / wavelength) ** 2)) / wavelength**5
    return 60 * thermal + 0.02 * np.exp(-wavelength / 4)


def spheres(q):
    """I(Q) / I(0) of spheres with a Gaussian spread of radii."""
    radii = RADIUS * (1 + SPREAD * np.linspace(-3, 3, 61))
    number = np.exp(-0.5 * np.linspace(-3, 3, 61) ** 2)
    x = np.atleast_1d(q)[..., None] * radii
    amplitude = radii**3 * 3 * (np.sin(x) - x * np.cos(x)) / x**3
    return (number * amplitude**2).sum(axis=-1) / (number * radii**6).sum() + FLAT


def pixel_positions():
    """Where the pixels are, relative to the bank (m): (layer, tube, straw, pixel), x along the straws."""
    layer, tube, straw, pixel = np.indices((LAYERS, TUBES, STRAWS, PIXELS)).reshape(4, -1)
    around = np.pi / 3 * (straw - 1)
    x = (pixel + 0.5) * STRAW_LENGTH / PIXELS - STRAW_LENGTH / 2
    y = (tube - (TUBES - 1) / 2) * 0.018 + 0.009 * (layer % 2) + np.where(straw > 0, 0.008 * np.sin(around), 0)
    z = layer * 0.026 + np.where(straw > 0, 0.008 * np.cos(around), 0)
    return x, y, z


def through_chopper(random, wavelength, path=CHOPPER - SOURCE, window=(OPEN, CLOSED)):
    """When each neutron was emitted, and whether it passed the chopper."""
    emitted = random.uniform(0, PULSE, wavelength.size)
    at_chopper = emitted + SECONDS_PER_ANGSTROM * wavelength * path
    return emitted, (at_chopper > window[0]) & (at_chopper < window[1])


def detector_events(random):
    """Pixel numbers and arrival times (s after the pulse) of scattered neutrons."""
    x, y, z = pixel_positions()
    path = np.sqrt(x**2 + y**2 + (DETECTOR + z) ** 2)
    angle = np.arctan2(np.hypot(x, y), DETECTOR + z)
    solid = 2 * STRAW_RADIUS * STRAW_LENGTH / PIXELS * np.sqrt(1 - (x / path) ** 2) / path**2
    seen = np.hypot(x, y) > BEAM_STOP
    edges = np.arange(1.5, 11.5, 0.1)
    middles = (edges[1:] + edges[:-1]) / 2
    table_q = np.geomspace(1e-4, 1.0, 4000)
    table = spheres(table_q)

    def rate(wavelength):
        transmitted = TRANSMISSION[0] - TRANSMISSION[1] * wavelength
        q = 4 * np.pi / wavelength * np.sin(angle / 2)
        return flux(wavelength) * transmitted * solid * seen * np.interp(q, table_q, table)

    scale = EVENTS / sum(rate(w).sum() for w in middles)
    pixels, wavelengths = [], []
    for low, wavelength in zip(edges[:-1], middles, strict=True):
        counts = random.poisson(scale * rate(wavelength))
        pixels.append(np.repeat(np.arange(x.size), counts))
        wavelengths.append(low + 0.1 * random.uniform(size=counts.sum()))
    pixel, wavelength = np.concatenate(pixels), np.concatenate(wavelengths)
    emitted, passed = through_chopper(random, wavelength)
    arrival = emitted + SECONDS_PER_ANGSTROM * wavelength * (path[pixel] - SOURCE)
    return pixel[passed] + 1, arrival[passed]


def monitor_events(random, distance, number, transmitted):
    """Arrival times (s after the pulse) of neutrons at a monitor; `transmitted` gives the fraction by wavelength."""
    grid = np.linspace(1.5, 11.5, 2001)
    weight = flux(grid)
    wavelength = random.choice(grid, size=random.poisson(number), p=weight / weight.sum())
    wavelength = wavelength[random.uniform(size=wavelength.size) < transmitted(wavelength)]
    emitted, passed = through_chopper(random, wavelength)
    return (emitted + SECONDS_PER_ANGSTROM * wavelength * (distance - SOURCE))[passed]


def group(parent, name, nx_class):
    made = parent.create_group(name)
    made.attrs["NX_class"] = nx_class
    return made


def field(parent, name, values, unit=None, packed=False):
    options = {"compression": "gzip", "compression_opts": 9, "shuffle": True} if packed else {}
    made = parent.create_dataset(name, data=values, **options)
    if unit:
        made.attrs["units"] = unit
    return made


def place(component, z):
    """A component's position: z metres from the sample, along the beam."""
    transformations = group(component, "transformations", "NXtransformations")
    along = field(transformations, "translation", float(z), "m")
    along.attrs.update({"transformation_type": "translation", "vector": [0.0, 0.0, 1.0], "depends_on": "."})
    component["depends_on"] = f"{transformations.name}/translation"


def write_events(random, component, arrival, identity=None, pulses=PULSES):
    """Events by pulse. The clock begins anew with each: an arrival later than a period is one of a later pulse."""
    late = (arrival // PERIOD).astype(int)
    pulse = random.integers(0, pulses - 2, arrival.size) + late
    order = np.argsort(pulse, kind="stable")
    events = group(component, component.name.rpartition("/")[2] + "_events", "NXevent_data")
    offset = np.round(arrival % PERIOD * 1e6).astype("i4")  # one microsecond is the clock's step here
    field(events, "event_time_offset", offset[order], "us", packed=True)
    field(
        events,
        "event_id",
        np.ones(offset.size, "i4") if identity is None else identity[order].astype("i4"),
        packed=True,
    )
    zero = field(events, "event_time_zero", np.round(np.arange(pulses) * PERIOD * 1e9).astype("i8"), "ns")
    zero.attrs["start"] = START
    field(events, "event_index", np.searchsorted(pulse[order], np.arange(pulses)).astype("i8"))


def write_detector(random, instrument, events):
    detector = group(instrument, "loki_detector_0", "NXdetector")
    place(detector, DETECTOR)
    x, y, z = pixel_positions()
    field(detector, "detector_number", np.arange(1, x.size + 1, dtype="i4"), packed=True)
    for name, values in (("x", x), ("y", y), ("z", z)):
        field(detector, f"{name}_pixel_offset", np.round(values, 6).astype("f4"), "m", packed=True)
    shape = group(detector, "pixel_shape", "NXcylindrical_geometry")
    half = STRAW_LENGTH / PIXELS / 2
    field(shape, "vertices", [[-half, 0, 0], [-half, STRAW_RADIUS, 0], [half, 0, 0]], "m")
    field(shape, "cylinders", np.array([[0, 1, 2]], "i4"))
    write_events(random, detector, events[1], events[0])


def write_chopper(instrument, position=CHOPPER, window=(OPEN, CLOSED)):
    chopper = group(instrument, "bandwidth_chopper", "NXdisk_chopper")
    place(chopper, position)
    field(chopper, "rotation_speed", 14.0, "Hz")
    field(chopper, "rotation_speed_setpoint", 14.0, "Hz")
    field(chopper, "phase", 360 / PERIOD * window[1], "deg")  # the slit's edge at 0 deg passes last
    field(chopper, "beam_position", 0.0, "deg")
    field(chopper, "slit_edges", [0.0, 360 / PERIOD * (window[1] - window[0])], "deg")
    field(chopper, "slits", 1)
    field(chopper, "radius", 0.35, "m")


def write_run(file, title, number, monitor_counts, transmitted, detector):
    random = np.random.default_rng(number)
    with h5py.File(file, "w") as h5:
        entry = group(h5, "entry", "NXentry")
        entry["title"], entry["definition"], entry["start_time"] = title, "NXsans", START
        field(entry, "entry_identifier", str(number))
        instrument = group(entry, "instrument", "NXinstrument")
        instrument["name"] = "LoKI (simulated)"
        source = group(instrument, "source", "NXsource")
        source["name"], source["type"] = "European Spallation Source", "Spallation Neutron Source"
        field(source, "frequency", 14.0, "Hz")
        place(source, SOURCE)
        sample = group(entry, "sample", "NXsample")
        sample["name"] = title
        place(sample, 0.0)
        write_chopper(instrument)
        for name, distance in MONITORS.items():
            monitor = group(instrument, f"beam_monitor_{name}", "NXmonitor")
            place(monitor, distance)
            fraction = transmitted if distance > 0 else np.ones_like
            write_events(random, monitor, monitor_events(random, distance, monitor_counts, fraction))
        write_detector(random, instrument, detector_events(random) if detector else (np.empty(0, int), np.empty(0)))


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    sample = TRANSMISSION
    write_run(folder / "spheres.nxs", "Spheres in D2O", 1, 150_000, lambda w: sample[0] - sample[1] * w, detector=True)
    write_run(folder / "empty-beam.nxs", "Empty beam", 2, 150_000, np.ones_like, detector=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
