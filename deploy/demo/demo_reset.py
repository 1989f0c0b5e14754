"""``make demo-reset``: remove all that the demo keeps. Refuses while a demo runs."""

from __future__ import annotations

import sys
from pathlib import Path

from demo_process import RunFile
from sample_data import remove

if __name__ == "__main__":
    folder = Path(__file__).resolve().parents[2] / ".demo"
    if RunFile(folder / "run.json").read()[0]:
        sys.exit("A demo runs here; stop it first, with Ctrl-C where it was started.")
    if folder.exists():
        remove(folder)
    print("The demo's homes, data and database are gone.")
