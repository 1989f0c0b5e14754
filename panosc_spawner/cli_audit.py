"""``panosc-hub audit SITE``: what the hub has written down, for people and for programs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from panosc_spawner.audit import FILE, Entry, Event, Filter, follow, oldest
from panosc_spawner.audit.words import in_words
from panosc_spawner.cli_persons import usernames_of
from panosc_spawner.errors import ConfigurationError, IdError
from panosc_spawner.facilities.load import load_site
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.units import parse_duration
from panosc_spawner.launch.selection import parse_ref


def add_parser(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser("audit", help="read the audit log: who got access to what, when, why")
    parser.add_argument("site", type=Path, metavar="SITE", help="the folder with site.toml")
    parser.add_argument("--person", metavar="P", help="a hub user name, or an identity (voperson_id or sub)")
    parser.add_argument("--proposal", metavar="F/ID", help="a proposal, for example esrf/ma1234")
    parser.add_argument(
        "--event", metavar="E", action="append", default=[], choices=[event.value for event in Event],
        help="only this kind of line; may be given several times: " + ", ".join(Event),
    )  # fmt: skip
    parser.add_argument(
        "--since", metavar="WHEN", type=_moment, help="a duration (2d, 12h) or a date (2026-11-25, 2026-11-25T10:00)"
    )
    parser.add_argument(
        "--follow", action="store_true", help="and go on with what is written from now on, until Ctrl-C"
    )
    parser.add_argument("--json", action="store_true", help="the lines as they stand in the file: one object a line")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the lines, the oldest first. 1 if nothing was found or the log cannot be read."""
    try:
        site = load_site(arguments.site)
        wanted = _filter(arguments, site)
    except (ConfigurationError, IdError) as error:
        print(error, file=sys.stderr)
        return 1
    file = site.config.hub.state_dir / FILE
    found = False
    try:
        for entry in _entries(file, wanted, following=arguments.follow):
            found = True
            print(json.dumps(entry.to_json()) if arguments.json else in_words(entry), flush=arguments.follow)
    except KeyboardInterrupt:
        return 0
    except FileNotFoundError:  # before the hub's first start there is not even the directory
        print(f"there is no {file} yet; the hub makes it", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{file} cannot be read: {error.strerror or error}", file=sys.stderr)
        return 1
    if not found:
        words = "nothing of the kind was written down" if file.exists() else f"there is no {file} yet"
        print(words, file=sys.stderr)
    return int(not found)


def _entries(file: Path, wanted: Filter, *, following: bool) -> Iterator[Entry]:
    return follow(file, wanted, history=True) if following else oldest(file, wanted)


def _filter(arguments: argparse.Namespace, site: Site) -> Filter:
    people = usernames_of(site, arguments.person) if arguments.person else frozenset()
    proposals = frozenset({str(parse_ref(arguments.proposal, site))}) if arguments.proposal else frozenset()
    return Filter(people, proposals, frozenset(arguments.event), arguments.since)


def _moment(text: str) -> datetime:
    try:
        return datetime.now(UTC) - parse_duration(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a duration (2d, 12h) nor a date (2026-11-25)") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
