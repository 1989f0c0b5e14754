"""``panosc-hub``: what an operator asks on the command line.

::

    panosc-hub check SITE        validate a site's folder and try what it names
    panosc-hub facilities [SITE] list the facilities, and what is still to fill
    panosc-hub show SITE [FACILITY]
                                 the configuration as the hub takes it: defaults, and the site's files over the shipped ones
    panosc-hub explain SITE PERSON PROPOSAL
                                 why somebody can, or cannot, open a proposal: which link is broken, and who can mend it
    panosc-hub audit SITE        read the audit log: who got access to what, when, why
    panosc-hub environments SITE [WORD…]
                                 the software catalogue: programs, versions, licences, techniques; --json for harvesters
    panosc-hub images WHAT       list, build, verify, lock and describe the images that servers run in
    panosc-hub people WHAT SITE  whose an identity is: list, show, history, link, unlink, remove, release
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from panosc_spawner import __version__, cli_audit, cli_environments, cli_explain, cli_images, cli_people
from panosc_spawner.errors import ConfigurationError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the process's exit code: 0, or 1 if something is wrong (2: wrong use, as argparse says)."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except BrokenPipeError:
        # The reader (head, less) has seen enough. Nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="panosc-hub", description="Check and describe a PaNOSC Hub.")
    parser.add_argument("--version", action="version", version=f"panosc-hub {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="validate a site's folder and try what it names")
    check.add_argument("site", type=Path, metavar="SITE", help="the folder with site.toml")
    check.add_argument("--json", action="store_true", help="for programs")
    check.set_defaults(run=_check)
    facilities = commands.add_parser("facilities", help="list the facilities, and what is still to fill")
    facilities.add_argument("site", type=Path, nargs="?", metavar="SITE", help="with this site's own and its overrides")
    facilities.add_argument("--json", action="store_true", help="for programs")
    facilities.set_defaults(run=_facilities)
    show = commands.add_parser("show", help="print a site, or one of its facilities, as the hub takes it (JSON)")
    show.add_argument("site", type=Path, metavar="SITE", help="the folder with site.toml")
    show.add_argument("facility", nargs="?", metavar="FACILITY", help="the shipped file with the site's over it")
    show.set_defaults(run=_show)
    cli_audit.add_parser(commands)
    cli_environments.add_parser(commands)
    cli_explain.add_parser(commands)
    cli_images.add_parser(commands)
    cli_people.add_parser(commands)
    return parser


def _check(arguments: argparse.Namespace) -> int:
    from panosc_spawner.check import Finding, Level, check_site
    from panosc_spawner.check.report import as_json, as_line, summary

    findings: list[Finding] = []
    colours, width = _on_a_terminal(), shutil.get_terminal_size((100, 24)).columns
    for finding in check_site(arguments.site):
        findings.append(finding)
        if not arguments.json:
            print(as_line(finding, colours, width), flush=True)
    print(as_json(findings) if arguments.json else f"\n{summary(findings)}")
    return int(any(finding.level is Level.ERROR for finding in findings))


def _facilities(arguments: argparse.Namespace) -> int:
    from panosc_spawner.facilities.load import known_facilities

    rows = [_facility_row(name, arguments.site) for name in known_facilities(arguments.site)]
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        wide = max(len(row["name"]) for row in rows)
        for row in rows:
            print(f"{row['id']:<20} {row['name']:<{wide}}  {row['state']}")
    return int(any(row["state"].startswith("wrong") for row in rows))


def _show(arguments: argparse.Namespace) -> int:
    from panosc_spawner.facilities.load import load_facility, load_site

    try:
        if arguments.facility:
            print(load_facility(arguments.facility, arguments.site).model_dump_json(indent=2, exclude_none=True))
        else:
            print(load_site(arguments.site).config.model_dump_json(indent=2, exclude_none=True))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _facility_row(name: str, site: Path | None) -> dict[str, str]:
    from panosc_spawner.facilities.load import lacking, load_facility

    try:
        facility = load_facility(name, site)
    except ConfigurationError as error:
        return {"id": name, "name": "", "state": f"wrong: {error}"}
    missing = lacking(facility)
    state = f"to fill: {', '.join(missing)}" if missing else "complete"
    return {"id": name, "name": facility.name, "state": state}


def _on_a_terminal() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


if __name__ == "__main__":
    sys.exit(main())
