"""How long the decision takes for a person with 10,000 grants. Floor: one pass over the list of grants."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from benchmarks.report import Row, report, row
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.load import load_facility
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.site import Site, SiteFile
from panosc_spawner.identity.person import Account, Person
from panosc_spawner.launch.model import LaunchPlan, Selection
from panosc_spawner.launch.plan import plan
from panosc_spawner.proposals.model import Grant, Proposal, Visit

GRANTS = 10_000
RUNS = 50
TARGET_MS = 5.0
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def measure() -> list[Row]:
    """Median of one decision, and of the floor, taken in turns."""
    site, grants = a_site(), many_grants()
    person = Person("https://idp.example", "ada@x", "p-ada", "Ada", "demo", NOW)
    accounts = {"esrf": Account("ada", 20001, 20000)}
    selection = Selection((grants[-1].ref,))
    ours, floor = [], []
    for _ in range(RUNS):
        ours.append(milliseconds(lambda: plan(person, grants, selection, site, accounts, NOW)))
        floor.append(milliseconds(lambda: [grant for grant in grants if grant.ref == selection.proposals[0]]))
    if not isinstance(plan(person, grants, selection, site, accounts, NOW), LaunchPlan):
        raise SystemExit("the benchmark's own plan was refused")
    name = f"plan() with {GRANTS} grants"
    floor_words = f"{statistics.median(floor):.2f} ms, one pass over the grants"
    return [row(name, statistics.median(ours), "ms", floor=floor_words, target=TARGET_MS)]


def a_site() -> Site:
    """A site with ESRF as shipped."""
    config = SiteFile.model_validate(
        {
            "hub": {"id": "bench", "facilities": ["esrf"]},
            "login": {"community": "eduteams", "client_id": "hub"},
            "sources": [{"type": "file", "path": "proposals.toml"}],
        }
    )
    return Site(Path(), config, {"esrf": load_facility("esrf", None)})


def many_grants() -> list[Grant]:
    """Grants to 10,000 different proposals."""
    return [
        Grant(
            Proposal(ProposalRef("esrf", f"ma{number}"), f"Experiment {number}", (Visit("id31", date(2025, 9, 15)),)),
            Role.MEMBER,
            "user office list",
            "listed",
            NOW,
        )
        for number in range(1, GRANTS + 1)
    ]


def milliseconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    report(measure(), as_json=parser.parse_args().json)


if __name__ == "__main__":
    main()
