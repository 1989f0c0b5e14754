"""What cannot be neutrons is refused in words; that McStas reads them is proven where McStas is (images/simulation/verify)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from panosc_simulation import InstallationError, SimulationError, mcpl

GOOD: dict[str, Any] = {
    "energy": [25.0, 5.0],
    "position": np.zeros((2, 3)),
    "direction": [[0, 0, 2.0], [0, 3.0, 4.0]],
    "time": [0.0, 1e-5],
    "weight": [1.0, 0.0],
    "source": "test",
}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"energy": []}, "at least one"),
        ({"energy": 25.0}, "at least one"),
        ({"energy": [25.0, 0.0]}, "larger than zero"),
        ({"energy": [25.0, np.nan]}, "energy has values that are not numbers"),
        ({"weight": [1.0, -1.0]}, "not negative"),
        ({"time": [0.0]}, "time has the shape"),
        ({"position": np.zeros((3, 2))}, "position has the shape"),
        ({"direction": np.zeros((2, 3))}, "no length"),
    ],
)
def test_impossible_neutrons_are_refused(changed: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match=words):
        mcpl.write_neutrons(tmp_path / "n.mcpl", **{**GOOD, **changed})
    assert not list(tmp_path.iterdir())


def test_directions_become_unit_vectors() -> None:
    *_, ways, _times, _weights = mcpl._checked(**{key: GOOD[key] for key in GOOD if key != "source"})
    assert ways == pytest.approx(np.array([[0, 0, 1.0], [0, 0.6, 0.8]]))


def test_a_name_of_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match=r"ends with \.mcpl"):
        mcpl.write_neutrons(tmp_path / "n.dat", **GOOD)


def test_without_the_library_it_says_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mcpl, "_LIBRARIES", ("libno-such-library.so",))
    with pytest.raises(InstallationError, match="image Simulation"):
        mcpl.write_neutrons(tmp_path / "n.mcpl", **GOOD)


def test_a_folder_that_is_not_there_is_said_before_the_library_ends_the_kernel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Library:
        def mcpl_create_outfile(self, name: bytes) -> None:
            raise AssertionError("the library was asked")

    monkeypatch.setattr(mcpl, "_library", Library)
    with pytest.raises(SimulationError, match=r"n\.mcpl cannot be written: No such file or directory"):
        mcpl.write_neutrons(tmp_path / "missing" / "n.mcpl", **GOOD)
    with pytest.raises(AssertionError, match="was asked"):
        mcpl.write_neutrons(tmp_path / "n.mcpl", **GOOD)
