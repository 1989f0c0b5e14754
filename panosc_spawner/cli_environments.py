"""``panosc-hub environments``: the software catalogue on the command line."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from pathlib import Path
from typing import Any

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.portal_url import portal_url
from panosc_spawner.facilities.units import format_size
from panosc_spawner.software.model import Entry


def add_parser(commands: Any) -> None:
    """The command's arguments."""
    words = "list the environments: programs and versions, licences, techniques, digests"
    parser = commands.add_parser("environments", help=words, description=words)
    parser.add_argument("site", type=Path, metavar="SITE", help="the folder with site.toml")
    parser.add_argument("words", nargs="*", metavar="WORD", help="only those with all of these words in them")
    parser.add_argument("--json", action="store_true", help="as JSON-LD (codemeta), for programs and harvesters")
    parser.add_argument("--packages", action="store_true", help="with every installed package")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from panosc_spawner.facilities.load import load_site
    from panosc_spawner.software.collect import SoftwareCatalogue

    try:
        site = load_site(arguments.site)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 1
    wanted = [word.lower() for word in arguments.words]
    entries = [one for one in SoftwareCatalogue(site).look() if all(word in one.words for word in wanted)]
    if arguments.json:
        print(json.dumps(_document(entries, site, whole=arguments.packages), indent=1, ensure_ascii=False))
    elif not entries:
        print("No environment has these words." if wanted else "No facility of this site offers an environment.")
    for entry in () if arguments.json else entries:
        print("\n".join(_lines(entry, packages=arguments.packages)) + "\n")
    return 0 if entries else 1


def _document(entries: list[Entry], site: Any, *, whole: bool) -> dict[str, Any]:
    from panosc_spawner.panet import techniques
    from panosc_spawner.software.jsonld import as_jsonld, catalogue

    panet = techniques()

    def address_of(label: str) -> str:
        found = panet.find(label)
        return found.address if found else ""

    made = [as_jsonld(entry, site, address_of, lambda path: portal_url(site, path), whole=whole) for entry in entries]
    return catalogue(made, site.config.hub.title, portal_url(site, "software"))


def _lines(entry: Entry, *, packages: bool) -> list[str]:
    environment, content = entry.environment, entry.content
    head = f"{entry.id}  {environment.title} {environment.version}".rstrip()
    status = "" if environment.status == "current" else f"  [{environment.status}]"
    facts = [
        ("offered by", ", ".join(f"{facility}/{key}" for facility, key in entry.offered_by)),
        ("image", environment.image),
        ("digest", entry.digest),
        ("techniques", ", ".join(environment.techniques)),
        ("formats", ", ".join(environment.formats)),
        ("kernels", ", ".join(environment.kernels)),
        ("programs", ", ".join(f"{one.name} {one.version}".strip() for one in entry.programs)),
        ("licence", environment.licence),
        ("memory", format_size(environment.minimum_memory)),
        ("GPUs", str(environment.gpus) if environment.gpus else ""),
        ("packages", f"{len(content.packages)} installed" if content and content.packages else ""),
        ("note", " ".join(filter(None, (environment.status_note, entry.absent)))),
    ]
    lines = [head + status]
    for name, value in facts:
        if value:
            lines += textwrap.wrap(
                value, 110, initial_indent=f"  {name:<11}", subsequent_indent=" " * 13, break_long_words=False
            )
    if packages and content:
        lines += [f"    {package.name} {package.version}".rstrip() for package in content.packages]
    return lines
