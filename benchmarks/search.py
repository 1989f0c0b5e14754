"""The portal, measured: search over all catalogues, 200 persons at once, the site's own index, and moving data.

Takes about ten minutes, all on loopback::

    .venv/bin/python -m benchmarks.search [--json] [--only federated load …]

Each part is a module ``benchmarks.search_<part>`` with ``measure() -> list[Row]``.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence

from benchmarks.report import Row, report

PARTS = ("federated", "load", "index", "move", "staging")


def measure(parts: Sequence[str] = PARTS) -> list[Row]:
    """All parts, one after the other."""
    return [found for part in parts for found in importlib.import_module(f"benchmarks.search_{part}").measure()]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts")
    arguments = parser.parse_args()
    report(measure(arguments.only), as_json=arguments.json)


if __name__ == "__main__":
    main()
