"""An environment as the catalogue has it. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from panosc_spawner.facilities.model import Environment


@dataclass(frozen=True)
class Program:
    """A program that people come for. ``cite`` is a DOI's address, or words."""

    name: str
    version: str = ""
    purpose: str = ""
    licence: str = ""
    url: str = ""
    cite: str = ""


@dataclass(frozen=True)
class Package:
    """Anything that is installed, as the bill of materials names it; ``purl`` is its package address."""

    name: str
    version: str
    purl: str


@dataclass(frozen=True)
class Content:
    """What an image says of itself: read from the image, so it is what is installed and not what was planned.

    Attributes:
        digest: ``sha256:…`` of the image's configuration; the same on every machine that has this very image.
        manifest: ``sha256:…`` by which a registry has it; empty for an image that was built here.
        created: when it was built.
        revision: the commit that it was built from.
        base: the image beneath it.
        architecture: ``amd64``.
        size: bytes on disk.
        programs: what people come for.
        packages: all of it.
        notebook: the first thing that a person sees.
        bill: the CycloneDX document itself, JSON; empty if the image has none.
    """

    digest: str
    manifest: str = ""
    created: datetime | None = None
    revision: str = ""
    base: str = ""
    architecture: str = ""
    size: int = 0
    programs: tuple[Program, ...] = ()
    packages: tuple[Package, ...] = ()
    notebook: str = ""
    bill: str = ""


@dataclass(frozen=True)
class Entry:
    """An environment in the catalogue.

    Attributes:
        id: ``<facility>/<key>`` of the first facility that offers it; its address in the catalogue.
        environment: as that facility's file describes it.
        offered_by: all facilities that offer the image: (facility, key).
        content: what the image says; None where it is not on this machine.
        absent: why there is no content, in words; empty where there is.
    """

    id: str
    environment: Environment
    offered_by: tuple[tuple[str, str], ...]
    content: Content | None = None
    absent: str = ""

    @property
    def facilities(self) -> tuple[str, ...]:
        """The facilities that offer it."""
        return tuple(dict.fromkeys(facility for facility, _ in self.offered_by))

    @property
    def digest(self) -> str:
        """The digest that names it: the one that it is pinned by, else that of what is here; empty where neither is known."""
        return self.environment.digest or (self.content.digest if self.content else "")

    @property
    def programs(self) -> tuple[Program, ...]:
        """What people come for: as the image says, else as the facility's file does."""
        if self.content and self.content.programs:
            return self.content.programs
        return tuple(_program(words) for words in self.environment.packages)

    @property
    def words(self) -> str:
        """All that a search looks through, in lower case."""
        environment = self.environment
        texts = [self.id, environment.title, environment.description, environment.image, environment.licence]
        texts += [*environment.techniques, *environment.formats, *environment.kernels, *self.facilities]
        texts += [f"{program.name} {program.version} {program.purpose}" for program in self.programs]
        texts += [f"{package.name} {package.version}" for package in (self.content.packages if self.content else ())]
        return " ".join(texts).lower()


def _program(words: str) -> Program:
    """``pyFAI 2026.9.0`` as a facility's file writes it. A name may have blanks; a version begins with a digit."""
    name, _, version = words.rpartition(" ")
    return Program(name, version) if name and version[:1].isdigit() else Program(words)
