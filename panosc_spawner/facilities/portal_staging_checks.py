"""What only a whole site can get wrong about staging: areas and catalogues that are not there.

Facilities and tokens are looked at by ``moving_checks``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.catalogues import site_catalogues
from panosc_spawner.facilities.portal_staging_rules import Remote
from panosc_spawner.facilities.site import Site


def staging_mistakes(site: Site, file: Path) -> Iterator[ConfigurationError]:
    """All that is wrong with ``[portal.staging]``; ``file`` is ``site.toml``."""
    for number, remote in enumerate(site.config.portal.staging.remotes, 1):
        for key, reason, suggestion in _mistakes(site, remote):
            yield ConfigurationError(file, f"portal.staging.remotes[{number}].{key}", reason, suggestion)


def _mistakes(site: Site, remote: Remote) -> Iterator[tuple[str, str, str]]:
    facility = site.facilities.get(remote.facility)
    if facility is None:
        return
    for area in remote.areas:
        if area not in facility.areas:
            known = ", ".join(facility.areas)
            yield "areas", f"{facility.short_name} has no {area} area, so nothing says where its data go", known
    known_catalogues = site_catalogues(site)
    if remote.catalogue and remote.catalogue not in known_catalogues:
        yield "catalogue", f"no catalogue is called {remote.catalogue!r}", _one_of(remote.catalogue, known_catalogues)


def _one_of(word: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"one of {', '.join(names)}" if names else "there is none yet"
