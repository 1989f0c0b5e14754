"""A tomography scan as NXtomo, read by nxtomo: Nabu's flat field and its centre of rotation, and Paganin's phase retrieval, against what is known."""

import os

import matplotlib

matplotlib.use("Agg")
import numpy as np
import pint
from matplotlib import pyplot as plt
from nabu.estimation.cor import CenterOfRotation
from nabu.preproc.flatfield import FlatField
from nabu.preproc.phase import PaganinPhaseRetrieval
from nxtomo.application.nxtomo import NXtomo
from nxtomo.nxobject.nxdetector import ImageKey

HEIGHT, WIDTH, AXIS = 48, 320, 171.3  # pixels
PIXEL, ENERGY, DISTANCE, DELTA_BETA = 2e-6, 25.0, 0.05, 300.0  # m, keV, m
angles = np.linspace(0, 180, 61)
random = np.random.default_rng(6)

column = np.arange(WIDTH) - AXIS
transmission = np.ones((angles.size, HEIGHT, WIDTH))
for radius, x, y, mu in ((90, 0, 0, 0.004), (18, 45, 20, 0.02), (12, -50, 10, 0.015)):  # pixels, pixels, 1/pixel
    middle = x * np.cos(np.deg2rad(angles)) - y * np.sin(np.deg2rad(angles))
    chord = 2 * np.sqrt(np.maximum(radius**2 - (column - middle[:, None]) ** 2, 0))
    transmission *= np.exp(-mu * chord)[:, None, :]
beam = 20000 * np.exp(-(((np.arange(WIDTH) - 140) / 400) ** 2)) * np.linspace(0.8, 1.2, HEIGHT)[:, None]
dark = np.full((1, HEIGHT, WIDTH), 100.0)
flat = random.poisson(np.repeat(beam[None], 10, 0)).mean(axis=0)[None] + 100
frames = np.concatenate([dark, flat, random.poisson(beam * transmission) + 100]).astype("float32")

unit = pint.get_application_registry()
scan = NXtomo()
scan.instrument.detector.data = frames
scan.instrument.detector.image_key_control = [
    ImageKey.DARK_FIELD,
    ImageKey.FLAT_FIELD,
    *[ImageKey.PROJECTION] * angles.size,
]
scan.instrument.detector.x_pixel_size = scan.instrument.detector.y_pixel_size = PIXEL * unit.meter
scan.instrument.detector.distance = DISTANCE * unit.meter
scan.sample.rotation_angle = np.r_[0, 0, angles] * unit.degree
scan.instrument.beam.incident_energy = ENERGY * unit.keV
scan.save("scan.nx", data_path="entry0000")

read = NXtomo().load("scan.nx", data_path="entry0000", detector_data_as="as_numpy_array")
keys = np.array([key.value for key in read.instrument.detector.image_key_control])
energy = read.instrument.beam.incident_energy.to("keV").magnitude
assert abs(energy - ENERGY) < 1e-6, f"{energy} keV"
measured = np.array(read.instrument.detector.data, dtype="float32")
projections = measured[keys == ImageKey.PROJECTION.value]
assert projections.shape == (angles.size, HEIGHT, WIDTH), projections.shape

correct = FlatField(
    projections.shape,
    {0: measured[keys == ImageKey.FLAT_FIELD.value][0]},
    {0: measured[keys == ImageKey.DARK_FIELD.value][0]},
    radios_indices=np.arange(angles.size),
)
correct.normalize_radios(projections)
error = float(np.sqrt(np.mean((projections - transmission) ** 2)))
print(f"result: error of the transmission = {error:.4f}")
assert error < 0.012, f"the flat field leaves {error}, more than counting noise"

shift = CenterOfRotation().find_shift(projections[0], np.fliplr(projections[-1]), return_relative_to_middle=True)
centre = (WIDTH - 1) / 2 + shift
print(f"result: centre of rotation = {centre:.2f} pixel (truth {AXIS})")
assert abs(centre - AXIS) < 0.25, f"{centre} and not {AXIS}"

# Paganin: a uniform absorber stays what it is, an edge is smoothed; the filter's value at zero frequency is 1.
paganin = PaganinPhaseRetrieval(
    (HEIGHT, WIDTH), distance=DISTANCE, energy=energy, delta_beta=DELTA_BETA, pixel_size=PIXEL, padding="edge"
)
uniform = paganin.apply_filter(np.full((HEIGHT, WIDTH), 0.7, dtype="float32"))
assert np.allclose(uniform, 0.7, atol=1e-4), uniform.mean()
filtered = paganin.apply_filter(projections[0])
noise = projections[0][:, 5:60].std() / filtered[:, 5:60].std()
print(f"result: noise reduced by Paganin's filter = {noise:.1f} times")
assert noise > 3, "the filter changes nothing"

figure, axes = plt.subplots(1, 3, figsize=(12, 3.2), layout="constrained")
pictures = {"raw counts": measured[2], "transmission": projections[0], "Paganin's filter": filtered}
for axis, (words, picture) in zip(axes, pictures.items(), strict=True):
    figure.colorbar(axis.imshow(picture, cmap="gray", aspect="auto"), ax=axis)
    axis.axvline(centre, color="C1", lw=1)
    axis.set(title=words, xlabel="detector column")
figure.savefig(os.environ["PANOSC_PICTURE"])
