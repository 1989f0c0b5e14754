"""A plasma oscillation in an SDF file, as EPOCH writes them, read by sdf-xarray: its frequency gives the density; and its deck by epydeck.

The file is written here byte by byte, by the format's description (https://github.com/epochpic/SDF_C: version 1.4), so that nothing of the reader
is used to make it.
"""

import os
import struct
from pathlib import Path

import epydeck
import matplotlib

matplotlib.use("Agg")
import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from scipy.constants import c, e, epsilon_0, m_e

DENSITY = 2.0e24  # 1/m³
CELLS, LENGTH, DUMPS = 256, 60e-6, 40
ID, STRING = 32, 64  # bytes of an id and of a name
PLAIN_MESH, PLAIN_VARIABLE, RUN_INFO, REAL8 = 1, 3, 7, 4


HEADER = 8 + 8 + ID + 8 + 4 + 4 + 4 + STRING + 4  # bytes of a block's header
FIRST = 112  # byte at which the first block starts


def block(name: str, label: str, kind: int, shape: tuple[int, int], metadata: bytes, data: bytes, at: int) -> bytes:
    """One block of the file, which starts at this byte: header, metadata, data; the shape is its data type and dimensions."""
    start = at + HEADER + len(metadata)
    places = struct.pack(f"<qq{ID}sq", start + len(data), start, label.encode(), len(data))
    return places + struct.pack(f"<iii{STRING}si", kind, *shape, name.encode(), len(metadata)) + metadata + data


def write(path: Path, step: int, time: float, edges: np.ndarray, field: np.ndarray) -> None:
    """One dump of EPOCH's: who wrote it, a grid, and the field Ex on it."""
    run = struct.pack(f"<ii{STRING}s{STRING}s{STRING}s{STRING}sqiiii", 4, 19, b"", b"", b"verify", b"", 0, 0, 0, 0, 0)
    mesh = struct.pack(f"<d{ID}s{ID}siddi", 1.0, b"X", b"m", 1, edges[0], edges[-1], edges.size)
    variable = struct.pack(f"<d{ID}s{ID}sii", 1.0, b"V/m", b"grid", field.size, 0)
    blocks = b""
    for name, label, kind, shape, metadata, data in (
        ("Run_info", "run_info", RUN_INFO, (0, 1), run, b""),
        ("Grid/Grid", "grid", PLAIN_MESH, (REAL8, 1), mesh, edges.astype("<f8").tobytes()),
        ("Electric Field/Ex", "ex", PLAIN_VARIABLE, (REAL8, 1), variable, field.astype("<f8").tobytes()),
    ):
        blocks += block(name, label, kind, shape, metadata, data, FIRST + len(blocks))
    header = struct.pack(f"<4siii{ID}s", b"SDF1", 16911887, 1, 4, b"Epoch1d")
    header += struct.pack("<qqiiii", FIRST, FIRST, 0, 3, HEADER, step)
    header += struct.pack("<diiiibb", time, 1, 1, STRING, 1, 0, 0)
    path.write_bytes(header.ljust(FIRST, b"\0") + blocks)


omega = np.sqrt(DENSITY * e**2 / (epsilon_0 * m_e))
edges = np.linspace(0, LENGTH, CELLS + 1)
centres = (edges[1:] + edges[:-1]) / 2
random = np.random.default_rng(3)
for step in range(DUMPS):
    time = step * 0.1 * 2 * np.pi / omega
    wave = 9e10 * np.cos(omega * (time - centres / c)) + random.normal(0, 5e9, CELLS)
    write(Path(f"{step:04d}.sdf"), step, time, edges, wave)

series = [xr.open_dataset(f"{step:04d}.sdf", engine="sdf_engine") for step in range(DUMPS)]
field = xr.concat([dump["Electric_Field_Ex"] for dump in series], "time").values
times = np.array([dump.attrs["time"] for dump in series])
assert np.allclose(np.diff(times), 0.1 * 2 * np.pi / omega), times
x = series[0]["X_Grid_mid"].values
assert series[0].attrs["code_name"] == "Epoch1d", series[0].attrs
assert series[0]["Electric_Field_Ex"].attrs["units"] == "V/m", series[0]["Electric_Field_Ex"].attrs
assert np.allclose(x, centres), "the grid is not where it was written"

spectrum = np.abs(np.fft.rfft(field * np.hanning(DUMPS)[:, None], 16 * DUMPS, axis=0)).mean(axis=1)
frequency = 2 * np.pi * np.fft.rfftfreq(16 * DUMPS, times[1] - times[0])
found = frequency[spectrum.argmax()] ** 2 * epsilon_0 * m_e / e**2
print(f"result: density from the plasma frequency = {found / 1e24:.3f} 10^18/cm^3")
assert abs(found / DENSITY - 1) < 0.03, f"{found} and not {DENSITY} per cubic metre"

deck = epydeck.loads(
    "begin:constant\n  wavelength = 0.8 * micron\nend:constant\nbegin:species\n  name = electron\n  number_density = 2.0e24\nend:species\n"
)
assert deck["species"]["electron"]["number_density"] == DENSITY, deck
print(f"result: density in the deck = {deck['species']['electron']['number_density'] / 1e24:.3f} 10^18/cm^3")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
shown = left.pcolormesh(x * 1e6, times * 1e15, field / 1e9, cmap="RdBu_r", rasterized=True)
left.set(xlabel="x (µm)", ylabel="time (fs)", title="Ex (GV/m)")
figure.colorbar(shown, ax=left)
right.plot(frequency / 1e12, spectrum / spectrum.max())
right.axvline(omega / 1e12, color="k", ls=":")
right.set(xlabel="angular frequency (rad/ps)", xlim=(0, 250), title="the plasma frequency")
figure.savefig(os.environ["PANOSC_PICTURE"])
