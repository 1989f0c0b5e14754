"""The catalogues that the portal asks. What speaks with them is the portal's: it is asked by its command."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator

from panosc_spawner.check.finding import Finding, Level, error, ok, warning
from panosc_spawner.facilities.catalogues import catalogues_of
from panosc_spawner.facilities.site import Site

_PACKAGE = "panosc_portal"
_WAIT = 60.0  # seconds: each catalogue has fifteen, side by side


def check_catalogues(site: Site) -> Iterator[Finding]:
    """Each catalogue of a site with a portal answers as its table says."""
    if not site.config.portal.enabled:
        return
    if importlib.util.find_spec(_PACKAGE) is None:
        yield error(
            "portal", f"the package {_PACKAGE} is not installed", "pip install extensions/portal, or enabled = false"
        )
        return
    if not catalogues_of(site):
        yield ok("catalogues", "none: the search finds what the site's own index has")
        return
    command = [sys.executable, "-m", _PACKAGE, "check", "--json", str(site.folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_WAIT, check=False)
        findings = json.loads(done.stdout)["findings"]
        yield from [Finding(Level(one["level"]), one["subject"], one["message"], one["remedy"]) for one in findings]
    except subprocess.TimeoutExpired:
        yield warning("catalogues", f"not all of them were tried within {_WAIT:g} s", f"run: {' '.join(command)}")
    except (OSError, ValueError, KeyError, TypeError):
        yield error("catalogues", "the portal could not try them", f"run: {' '.join(command)}")
