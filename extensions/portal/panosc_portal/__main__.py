"""``python -m panosc_portal serve|index|check …``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from panosc_spawner.errors import PanoscError

USAGE = """usage: python -m panosc_portal COMMAND …

  serve SITE        run the portal; the hub does this (see docs/portal.md)
  index SITE|DIR    look through NeXus files, and keep what is in them for the search
  check SITE        ask every catalogue of the site whether it answers as its table says
"""

# What runs a command, with the arguments after it: it parses them, says what it does, and returns an exit code.
_COMMANDS = {"index": "panosc_portal.index.command", "check": "panosc_portal.catalogues.command"}


def main(arguments: Sequence[str]) -> int:
    """Run a command.

    Args:
        arguments: without the program's name.
    """
    command, rest = (arguments[0], list(arguments[1:])) if arguments else ("", [])
    try:
        if command == "serve" and len(rest) == 1:
            from panosc_portal.serve import serve

            return serve(Path(rest[0]))
        if command in _COMMANDS:
            return int(importlib.import_module(_COMMANDS[command]).main(rest))
    except PanoscError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command speaks
        return 1
    asked_for = command in ("-h", "--help", "help")
    print(USAGE, file=sys.stdout if asked_for else sys.stderr, end="")
    return 0 if asked_for else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
