"""What truthful access costs: logins and refreshes, a right taken away, and many people's rights asked for again.

Takes about fifteen minutes; parts can be chosen. ``revocation`` needs Docker, root and the base image for its containers::

    .venv/bin/python -m benchmarks.access [--json] [--part login] [--part revocation] [--part load]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.report import Row, report

PARTS = ("login", "revocation", "load")


def measure(arguments: argparse.Namespace, folder: Path) -> list[Row]:
    """The rows of the parts that are wanted."""
    rows: list[Row] = []
    wanted = arguments.part or PARTS
    if "login" in wanted:
        from benchmarks import access_login

        rows += access_login.measure(folder / "login", arguments.logins, arguments.refreshes)
    if "revocation" in wanted:
        from benchmarks import access_revocation

        rows += access_revocation.measure(
            folder / "revocation", arguments.rounds, arguments.spawner or ("local", "docker")
        )
    if "load" in wanted:
        from benchmarks import access_load

        rows += access_load.measure(folder / "load", arguments.persons, arguments.grants, arguments.seconds)
    return rows


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this; may be given more than once")
    parser.add_argument("--logins", type=int, default=40, help="logins at each hub")
    parser.add_argument("--refreshes", type=int, default=20, help="rounds of refreshes, of five people at each hub")
    parser.add_argument("--rounds", type=int, default=20, help="rights that are taken away, for each kind of server")
    parser.add_argument(
        "--spawner", action="append", choices=("local", "docker"), help="kind of server; both if not given"
    )
    parser.add_argument("--persons", type=int, default=5000, help="people whose rights are asked for again and again")
    parser.add_argument("--grants", type=int, default=200, help="rights that each of them has")
    parser.add_argument("--seconds", type=int, default=180, help="how long the hub's answers are timed")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="panosc-access-") as folder:
        report(measure(arguments, Path(folder)), as_json=arguments.json)


if __name__ == "__main__":
    main()
