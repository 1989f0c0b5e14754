"""Run EPOCH on a checked deck, and open what it wrote."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from ..detached import Run, submit_command
from ..errors import InstallationError, RunError, SimulationError
from .deck import read, require


def find(dimensions: int) -> Path:
    """EPOCH for 1, 2 or 3 dimensions.

    Raises:
        InstallationError: if it is not here, with what to do.
    """
    name = f"epoch{dimensions}d"
    found = os.environ.get(f"PANOSC_{name.upper()}") or shutil.which(name) or shutil.which(name, path="/opt/epoch/bin")
    if not found:
        raise InstallationError(
            f"EPOCH ({name}) is not in this image: it cannot be had as a package. The operator of the hub builds it with its"
            " source: panosc-hub images build --with epoch=ADDRESS#SHA256 simulation."
        )
    return Path(found)


def run(deck: str | Path, name: str = "epoch") -> Run:
    """Check a deck and start EPOCH on it, as a run that outlives the notebook: `attach` waits, `cancel` stops.

    Args:
        deck: its text, or the path of its file; the number of dimensions is that of its grid.
        name: how the run's folder begins.

    Raises:
        DeckError: if the deck is not right.
        InstallationError: if there is no EPOCH.
    """
    text = deck.read_text(errors="replace") if isinstance(deck, Path) else deck
    require(text)
    control = next(block.values for block in read(text) if block.kind == "control")
    program = find(1 + ("ny" in control) + ("nz" in control))
    # EPOCH asks where its deck is on standard input; the run's folder is where the shell starts. No pipe: EPOCH would be a child
    # of the shell, and only the shell itself ends with the process of its run.
    start = "printf '.\\n' > .deck-folder && exec \"$0\" < .deck-folder"
    script = 'cat > input.deck <<"PANOSC_END_OF_DECK"\n' + text.rstrip("\n") + "\nPANOSC_END_OF_DECK\n" + start
    if "PANOSC_END_OF_DECK" in text:
        raise SimulationError("The deck has a line that is used to end it: PANOSC_END_OF_DECK.")
    return submit_command(["/bin/sh", "-c", script, str(program)], name)


def snapshots(folder: str | Path) -> Any:
    """All SDF snapshots of a run as one xarray dataset, over time.

    Raises:
        RunError: if there are none, or they cannot be read.
    """
    import sdf_xarray

    files = sorted(Path(folder).glob("[0-9]*.sdf"))
    if not files:
        raise RunError(f"There are no SDF files in {folder}: look at output.txt and epoch1d.dat there.")
    try:
        return sdf_xarray.open_mfdataset([str(file) for file in files])
    except (OSError, ValueError, RuntimeError) as error:
        raise RunError(f"The SDF files in {folder} cannot be read: {str(error)[:300]}") from error
