"""What a site lets us index: directories, each with who may find what is in it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from panosc_spawner.errors import ConfigurationError, IdError
from panosc_spawner.facilities.model import Area, Facility
from panosc_spawner.facilities.paths import Located, PathMap
from panosc_spawner.facilities.portal_index_rules import SUFFIXES, IndexRules
from panosc_spawner.facilities.site import Site


@dataclass(frozen=True)
class Place:
    """A directory whose files are indexed.

    Attributes:
        name: of it in PIDs, and as the origin of what came from it.
        path: where it is.
        public: whether anybody may find what is in it.
        facility: whose proposals these are, if anybody's.
        paths: reads proposals from paths, where the facility has templates.
        located: only files that lie in a proposal's area.
    """

    name: str
    path: Path
    public: bool
    facility: Facility | None = None
    paths: PathMap | None = None
    licence: str = ""
    located: bool = False
    suffixes: tuple[str, ...] = SUFFIXES
    most: int = 100_000

    @property
    def stamp(self) -> str:
        """Changes when a file that did not change could now mean something else, or be for others."""
        facility = self.facility.model_dump_json() if self.facility else ""
        said = repr((str(self.path), self.public, facility, self.licence, self.located))
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def locate(self, path: Path) -> Located | None:
        """The proposal and area that a file lies in."""
        return self.paths.locate(str(path)) if self.paths else None

    def ref(self, path: Path, identifiers: tuple[str, ...]) -> str:
        """``esrf/ma1234``: by the path, else by what the file says; empty if neither names one.

        A file's word counts only where the path names nobody, and then shows the file's own description to that proposal's team.
        """
        if self.facility is None or self.facility.proposals is None:
            return ""
        if self.paths is not None:
            found = self.paths.locate(str(path))
            if found is not None:
                return str(found.ref)
            if self.located or _within_areas(self, path):
                return ""
        for text in identifiers[:10]:
            try:
                return f"{self.facility.id}/{self.facility.proposals.normalise(text.strip())}"
            except IdError:
                continue
        return ""


def _within_areas(place: Place, path: Path) -> bool:
    """Whether a path lies where the facility's templates rule, so that a file's word is not needed."""
    paths = place.facility.paths if place.facility else None
    return paths is not None and path.is_relative_to(paths.root)


def places_of(site: Site) -> list[Place]:
    """All directories of a site's ``[portal.index]``, the proposals' first.

    Raises:
        ConfigurationError: for a facility that the site does not have.
    """
    rules = site.config.portal.index
    found = _of_proposals(site, rules) if rules.proposals else []
    for number, one in enumerate(rules.directories):
        if one.facility is not None and one.facility not in site.facilities:
            raise ConfigurationError(
                *(site.folder / "site.toml", f"portal.index.directories.{number}.facility"),
                *(f"this hub has no facility {one.facility!r}", f"one of {', '.join(sorted(site.facilities))}"),
            )
        facility = site.facilities[one.facility] if one.facility else None
        found.append(
            Place(
                *(one.name, Path(one.path), one.public, facility, _map(facility), one.licence),
                suffixes=rules.suffixes,
                most=rules.most,
            )
        )
    names = [place.name for place in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(
            *(site.folder / "site.toml", "portal.index.directories"),
            *(f"{twice[0]!r} is the name of a facility's own directory", "choose another name"),
        )
    return found


def place_for(path: Path, site: Site | None = None) -> Place:
    """A directory that somebody names on the command line: public, of no facility."""
    name = "".join(sign if sign.isalnum() and sign.isascii() else "-" for sign in path.name.lower()).strip("-")[:20]
    return Place(name or "data", path, public=True)


def _of_proposals(site: Site, rules: IndexRules) -> list[Place]:
    found: dict[Path, Place] = {}
    for facility in site.facilities.values():
        paths = _map(facility)
        if paths is None:
            continue
        for area in (Area.RAW, Area.PROCESSED):
            if area not in facility.areas:
                continue
            root = Path(paths.root(area))
            name = (
                facility.id if not any(one.name == facility.id for one in found.values()) else f"{facility.id}-{area}"
            )
            found.setdefault(
                root,
                Place(name, root, False, facility, paths, located=True, suffixes=rules.suffixes, most=rules.most),
            )
    return list(found.values())


def _map(facility: Facility | None) -> PathMap | None:
    if facility is None or facility.proposals is None or facility.paths is None or not facility.areas:
        return None
    return PathMap(facility)
