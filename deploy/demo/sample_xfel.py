"""One small simulated run in European XFEL's file format: trains, pulses, a gas monitor."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

TRAINS = 600
PULSES = 120
_SOURCE = "SPB_XTD9_XGM/XGM/DOOCS"
_OUTPUT = f"{_SOURCE}:output"


def write(run: Path, proposal: int) -> None:
    """Write ``RAW-R0001-DA01-S00000.h5`` into the directory of a run."""
    rng = np.random.default_rng(2145)
    trains = 1_200_300_000 + np.arange(TRAINS, dtype=np.uint64)
    # Each pulse of self-amplified emission is the sum of a few modes: a gamma distribution.
    slow = 1 + 0.12 * np.sin(np.arange(TRAINS) / 60)
    energy = rng.gamma(12.0, 1.9e3 / 12.0, (TRAINS, PULSES)) * slow[:, None]
    with h5py.File(run / "RAW-R0001-DA01-S00000.h5", "w") as root:
        root["INDEX/trainId"] = trains
        root["INDEX/flag"] = np.ones(TRAINS, np.int32)
        for source in (_SOURCE, f"{_OUTPUT}/data"):
            root[f"INDEX/{source}/first"] = np.arange(TRAINS, dtype=np.uint64)
            root[f"INDEX/{source}/count"] = np.ones(TRAINS, np.uint64)
        root[f"CONTROL/{_SOURCE}/pulseEnergy/photonFlux/value"] = energy.mean(axis=1).astype(np.float32)
        root[f"CONTROL/{_SOURCE}/pulseEnergy/photonFlux/timestamp"] = trains
        root[f"INSTRUMENT/{_OUTPUT}/data/trainId"] = trains
        root[f"INSTRUMENT/{_OUTPUT}/data/intensityTD"] = energy.astype(np.float32)
        _metadata(root, proposal)


def _metadata(root: h5py.File, proposal: int) -> None:
    text = h5py.string_dtype()
    meta = root.create_group("METADATA")
    meta["dataFormatVersion"] = np.array(["1.2"], dtype=text)
    meta["proposalNumber"] = np.array([proposal], np.uint32)
    meta["runNumber"] = np.array([1], np.uint32)
    meta["creationDate"] = np.array(["20250611T081500Z"], dtype=text)
    sources = meta.create_group("dataSources")
    sources["root"] = np.array(["CONTROL", "INSTRUMENT"], dtype=text)
    sources["deviceId"] = np.array([_SOURCE, f"{_OUTPUT}/data"], dtype=text)
    sources["dataSourceId"] = np.array([f"CONTROL/{_SOURCE}", f"INSTRUMENT/{_OUTPUT}/data"], dtype=text)
