"""``python -m panosc_portal serve|index|check …``."""

from __future__ import annotations

import argparse
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
        if command == "serve":
            return _serve(rest)
        if command in _COMMANDS:
            return int(importlib.import_module(_COMMANDS[command]).main(rest))
    except PanoscError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command speaks
        return 1
    asked_for = command in ("-h", "--help", "help")
    print(USAGE, file=sys.stdout if asked_for else sys.stderr, end="")
    return 0 if asked_for else 2


def _serve(arguments: Sequence[str]) -> int:
    from panosc_portal.serve import serve  # the other commands need nothing of it

    parser = argparse.ArgumentParser("python -m panosc_portal serve", description="Run the portal. The hub does this.")
    parser.add_argument("site", type=Path, help="the site's folder")
    parser.add_argument("--socket", type=int, help="descriptor of a socket that listens already")
    parser.add_argument("--ready", type=int, help="descriptor that is told when the portal answers")
    parser.add_argument("--secret", type=int, help="descriptor that the portal's token at the hub is read from")
    given = parser.parse_args(arguments)
    return serve(given.site, given.socket, given.ready, given.secret)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
