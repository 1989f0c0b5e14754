"""What somebody names to open it: a DOI, a catalogue's PID, or a path; on disk, or as they see it in their server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from panosc_portal.errors import PortalError
from panosc_spawner.errors import IdError
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Area
from panosc_spawner.facilities.paths import Located, PathMap
from panosc_spawner.facilities.site import Site

MAX_NAME = 2000
_DOI = re.compile(r"(?:https?://(?:dx\.)?doi\.org/|doi:)?(10\.\d{4,9}/\S+)", re.IGNORECASE)
_INSIDE = re.compile(r"(?:~/|\./)?(?:proposals/)?([a-z][a-z0-9-]{0,19})/([^/]{1,100})(?:/(.*))?", re.DOTALL)


class UnknownNameError(PortalError):
    """Text that names nothing."""


@dataclass(frozen=True)
class Named:
    """What was named: a PID for the catalogues, or a place here.

    Attributes:
        text: as it was written.
        pid: of a data set; a DOI in lower case, without its address.
        located: a path on disk that belongs to a proposal.
        inside: a path as a person sees it in a server, split: proposal, and what is beneath it (``raw/scan1/a.h5``).
    """

    text: str
    pid: str = ""
    located: Located | None = None
    inside: tuple[ProposalRef, str] | None = None

    @property
    def ref(self) -> ProposalRef | None:
        """The proposal that a path belongs to."""
        return self.located.ref if self.located else self.inside[0] if self.inside else None


def path_maps(site: Site) -> dict[str, PathMap]:
    """The path maps of the facilities that have one."""
    return {key: PathMap(one) for key, one in site.facilities.items() if one.proposals and one.paths}


def read_name(text: str, site: Site, maps: dict[str, PathMap]) -> Named:
    """What a text names.

    Raises:
        UnknownNameError: in words, if it is empty, too long, or a path that is no proposal's.
    """
    plain = text.strip()
    if not plain or len(plain) > MAX_NAME or not plain.isprintable():
        raise UnknownNameError("Name a data set: by its DOI, its PID, or its path.")
    if match := _DOI.fullmatch(plain):
        return Named(plain, pid=match[1].lower())
    if plain.startswith("/"):
        return Named(plain, located=_located(plain, maps))
    if inside := _inside(plain, site):
        return Named(plain, inside=inside)
    return Named(plain, pid=plain)


def _located(path: str, maps: dict[str, PathMap]) -> Located:
    found = [hit for paths in maps.values() if (hit := paths.locate(path))]
    if len(found) != 1:
        raise UnknownNameError(
            "This path belongs to no proposal of a facility that this hub serves, by the facility's own convention."
        )
    return found[0]


def _inside(text: str, site: Site) -> tuple[ProposalRef, str] | None:
    """``proposals/esrf/ma1234/raw/a.h5``; a catalogue's PID such as ``20.500.12269/abc`` is none."""
    match = _INSIDE.fullmatch(text)
    facility = site.facilities.get(match[1]) if match else None
    if match is None or facility is None or facility.proposals is None:
        return None
    rest = PurePosixPath(match[3] or "")
    if ".." in rest.parts or rest.is_absolute() or (rest.parts and rest.parts[0] not in set(Area)):
        return None
    try:
        return ProposalRef(facility.id, facility.proposals.normalise(match[2])), "" if rest == PurePosixPath() else str(
            rest
        )
    except IdError:
        return None
