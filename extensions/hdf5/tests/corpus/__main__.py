"""``python -m corpus DIRECTORY [NAME ...]``: make the files of some names, or of all."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from corpus.catalogue import make, names, recipes


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="corpus", description=__doc__)
    parser.add_argument("directory", type=Path, nargs="?")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--small", action="store_true", help="only what is made within a second each")
    arguments = parser.parse_args()
    if arguments.directory is None:
        for name, item in recipes().items():
            print(f"{name:<20} {'big' if item.big else '   '}  {item.about}")
        return
    for name in arguments.names or names(big=False if arguments.small else None):
        begin = time.perf_counter()
        made = make(arguments.directory, name)
        size = sum(path.stat().st_size for path in made.folder.rglob("*") if path.is_file())
        print(f"{name:<20} {size / 1e6:9.1f} MB {time.perf_counter() - begin:6.1f} s")


if __name__ == "__main__":
    main()
