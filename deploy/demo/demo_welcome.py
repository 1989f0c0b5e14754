"""What the demo says when it is ready: who to be, what to click, and what to change while somebody works."""

from __future__ import annotations

from pathlib import Path

import demo_site
from demo_site import Folders, Ports

from panosc_spawner.spawners.bubblewrap import why_not

BIN = ".venv/bin"


def welcome(ports: Ports, folders: Folders) -> str:
    """Who to be and what to try."""
    lines = [
        "",
        f"Open http://127.0.0.1:{ports.public}/ and log in. You need no password: choose who to be.",
        "",
        *(f"  {person['sentence']}" for person in demo_site.personas().values()),
        "",
        "Try: be Ada, open proposal ma1234, and run its start page (Run > Run All Cells).",
        f"Find data: http://127.0.0.1:{ports.public}/services/portal/search?q=ferrofluid (two made-up catalogues, and your own files).",
        *access_hints(folders),
    ]
    if folders.spawner == "local":
        isolated = "Servers are isolated by bubblewrap: raw data are read-only, other proposals are not there."
        lines.append(f"Note: {reason}; servers are not isolated." if (reason := why_not()) else isolated)
    return "\n".join([*lines, f"Logs: {folders.logs}. Ctrl-C stops all of it.", ""])


def access_hints(folders: Folders) -> list[str]:
    """Changes at the user office and at the login services, and where one reads what came of them."""
    ada, site = demo_site.personas()["ada"]["id"], shown(folders.site)
    return [
        "",
        "While Ada's server runs, be the user office, her community, or the auditor:",
        f"  take ma1234 from her: delete her team entry in {shown(folders.site / 'proposals.toml')}; her server goes on without it",
        f"  suspend her: write enabled = false beneath [ada] in {shown(folders.personas)}",
        f"  end her logins there: {BIN}/python deploy/demo/provider_control.py logout ada",
        "  link two logins: log in by the University of Example as Ada, then open Account",
        f"  who got what, and why: {BIN}/panosc-hub audit {site}",
        f"  each link of one right: {BIN}/panosc-hub explain {site} {ada} esrf/ma1234",
        "",
    ]


def shown(path: Path) -> str:
    """As it is typed from the folder where the demo was started."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
