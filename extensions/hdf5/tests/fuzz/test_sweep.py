"""Each corpus and each real file: every operation on every object answers as declared, or refuses in words.

``PANOSC_HDF5_FUZZ=slow`` asks of many more objects.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from corpus import Made, names, real_files

SWEEP = Path(__file__).with_name("sweep.py")
SLOW = os.environ.get("PANOSC_HDF5_FUZZ") == "slow"
OBJECTS = 2000 if SLOW else 25
PEAK_MB = 1200
SECONDS = 3600 if SLOW else 300


def swept(path: Path, root: Path, objects: int = OBJECTS) -> dict[str, Any]:
    """What :mod:`sweep` says. A process that dies is a failure that names the question."""
    command = [
        sys.executable,
        str(SWEEP),
        str(path),
        str(root),
        "--objects",
        str(objects),
        "--hidden",
        str(root.parent),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    asked = done.stderr.strip().splitlines()[-1:]
    assert done.returncode == 0, f"the process ended with {done.returncode} at: {asked}\n{done.stderr[-2000:]}"
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(path.name, found["outcomes"], found["slowest"], found["peak_mb"])
    return found


def judge(found: dict[str, Any]) -> None:
    assert not found["problems"], "\n".join(found["problems"][:40])
    assert found["slowest"][0] < 30, found["slowest"]
    assert found["peak_mb"] < PEAK_MB, found["slowest"]


@pytest.mark.parametrize("name", names(big=False))
def test_small_file(name: str, corpus: Callable[[str], Made]) -> None:
    made = corpus(name)
    judge(swept(made.main, made.root, max(OBJECTS, 60)))


@pytest.mark.slow
@pytest.mark.parametrize("name", names(big=True))
def test_big_file(name: str, corpus: Callable[[str], Made]) -> None:
    made = corpus(name)
    judge(swept(made.main, made.root, OBJECTS if SLOW else 12))


@pytest.mark.parametrize("path", real_files(), ids=lambda path: path.name)
def test_real_file(path: Path) -> None:
    found = swept(path, path.parent)
    judge(found)
    assert found["outcomes"]["open: answer"] > 0
