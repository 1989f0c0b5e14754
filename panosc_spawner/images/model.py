"""``image.toml``: what an image is made of, and what it is for."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from panosc_spawner.facilities.base import Model
from panosc_spawner.facilities.units import ByteSize

NAME = r"[a-z][a-z0-9]{0,30}(?:-[a-z0-9]{1,30}){0,4}"
"""An image's name: its folder's, and a part of its tag."""

_APT = r"[a-z0-9][a-z0-9+.-]{1,100}(?:/[a-z][a-z0-9-]{1,40})?(?:=[A-Za-z0-9.+:~-]{1,100})?"
_DEBIAN = r"[a-z0-9][a-z0-9._/:-]{0,200}(?:@sha256:[0-9a-f]{64})?"
_DISK_SIZE = re.compile(r"(\d{1,6})(?:\.(\d{1,3}))?\s*([MG])B", re.ASCII)

Suite = Literal["bookworm", "trixie"]
PYTHON_OF_SUITE: dict[Suite, str] = {"bookworm": "3.11", "trixie": "3.13"}
"""The Python that each Debian release brings (packages.debian.org/python3)."""


def parse_disk_size(value: object) -> int:
    """Bytes of an image's size, in powers of 1000 as ``docker images`` prints it: ``720 MB``, ``1.1 GB``.

    Raises:
        ValueError: if it is not such a size.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    match = _DISK_SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{str(value)[:40]!r} is not an image's size; write for example 450 MB or 1.1 GB")
    whole, fraction, unit = match.groups()
    return round(float(f"{whole}.{fraction or 0}") * {"M": 1e6, "G": 1e9}[unit])


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be one line of words")
    return text.strip()


def _requirement(text: str) -> str:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        raise ValueError(f"{text[:60]!r} is not a requirement; write for example scipp>=26.9,<27") from None
    if requirement.url:
        raise ValueError(f"{requirement.name}: a requirement with an address cannot be locked; name versions instead")
    return text


def _licence(text: str) -> str:
    try:
        return canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        raise ValueError(
            f"{text[:80]!r} is not an SPDX expression; write for example BSD-3-Clause AND GPL-3.0-or-later"
        ) from None


def _relative(text: str) -> str:
    path = PurePosixPath(text)
    if not text or path.is_absolute() or ".." in path.parts or not text.isprintable() or " " in text:
        raise ValueError(
            f"{text[:60]!r} must be a path beneath the repository, without spaces, for example extensions/simulation"
        )
    return str(path)


def _environment_value(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line, without control characters")
    return text


Words = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_one_line)]
AptPackage = Annotated[str, StringConstraints(pattern=f"^{_APT}$")]
AptName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]{1,100}$")]
PackageName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,100}[A-Za-z0-9])?$")]
PipRequirement = Annotated[str, StringConstraints(max_length=300), AfterValidator(_requirement)]
RelativePath = Annotated[str, StringConstraints(max_length=300), AfterValidator(_relative)]
DiskSize = Annotated[int, BeforeValidator(parse_disk_size)]
Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s<>\"']{3,300}$")]


class _Table(Model):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_alias=True, validate_by_name=False)


class Apt(_Table):
    """Debian's packages, installed without what they recommend."""

    packages: tuple[AptPackage, ...] = ()
    without: tuple[AptName, ...] = Field(
        default=(), description="what they depend on and this image does without; an empty package takes its place"
    )


class Packages(_Table):
    """Python packages of one environment."""

    requirements: tuple[PipRequirement, ...] = Field(default=(), description="ranges; exact versions are in the lock")
    without: tuple[PackageName, ...] = Field(default=(), description="what others require and this image does without")
    build: tuple[PackageName, ...] = Field(default=(), description="packages that exist as source only")
    build_apt: tuple[AptPackage, ...] = Field(
        default=(), alias="build-apt", description="Debian's packages that build them"
    )
    keep: tuple[PackageName, ...] = Field(
        default=(), description="folders of site-packages that need their own tests, sources or headers to run"
    )
    remove: tuple[RelativePath, ...] = Field(
        default=(), description="what is never read, beneath site-packages or /opt/venv; * stands for a part of a name"
    )

    @model_validator(mode="after")
    def _builds_what_it_has(self) -> Self:
        if self.build_apt and not self.build:
            raise ValueError("build-apt: without build, nothing is built")
        if twice := {canonicalize_name(name) for name in self.build} & {canonicalize_name(n) for n in self.without}:
            raise ValueError(f"build: {', '.join(sorted(twice))} is also under without")
        return self


class Pip(Packages):
    """Packages of the image's own environment, ``/opt/venv``."""

    wheels: tuple[RelativePath, ...] = Field(default=(), description="folders of this repository to install")


class Kernel(Packages):
    """A second Python, offered as a kernel of its own."""

    title: Words
    debian: Suite = Field(default="trixie", description="the Debian release whose Python this is")


class Software(_Table):
    """A program that people come for."""

    name: Words
    version_from: PackageName | None = Field(
        default=None, alias="version-from", description="the pip or Debian package whose version it has"
    )
    version: Words | None = Field(default=None, description="where no package says it")
    purpose: Words
    licence: Annotated[str, AfterValidator(_licence)]
    url: Address
    cite: Words | None = Field(default=None, description="how to cite it: a DOI's address, or words")

    @model_validator(mode="after")
    def _has_a_version(self) -> Self:
        if (self.version is None) == (self.version_from is None):
            raise ValueError("version-from: name the package whose version it has, or write version = …")
        return self


class Source(_Table):
    """A program whose source an operator may add to a build: ``--with NAME=ADDRESS#SHA256``."""

    words: Words = Field(description="what it is, and where operators find it")
    licence: Annotated[str, AfterValidator(_licence)]
    url: Address
    adds: DiskSize | None = Field(default=None, description="the most that it may add to the image where it is given")


class Verify(_Table):
    """What ``panosc-hub images verify`` does besides the image's own scripts and notebooks."""

    imports: tuple[Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]{0,100}$")], ...] = ()
    memory: ByteSize = ByteSize(2 * 1024**3)
    seconds: int = Field(default=180, ge=10, le=1800, description="the longest that one script or notebook may take")


class Image(_Table):
    """One image."""

    title: Words
    description: Words
    from_: Annotated[str, StringConstraints(pattern=f"^{NAME}$")] | None = Field(default=None, alias="from")
    debian: Annotated[str, StringConstraints(pattern=f"^{_DEBIAN}$")] | None = Field(
        default=None, description="the Debian image under it, also with a digest"
    )
    adds: DiskSize | None = Field(default=None, description="the most that it may add to its parent")
    size: DiskSize | None = Field(default=None, description="the most that it may have in all")
    techniques: tuple[Words, ...] = Field(default=(), description="labels of the PaNET ontology")
    formats: tuple[Words, ...] = ()
    licence: Annotated[str, AfterValidator(_licence)]
    memory: ByteSize = Field(default=ByteSize(2 * 1024**3), description="the least that a server needs to work well")
    compiler: bool = False
    desktop: bool = False
    notebook: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w-]{0,80}\.ipynb$")]
    apt: Apt = Apt()
    pip: Pip = Pip()
    env: dict[
        Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]{0,80}$")],
        Annotated[str, StringConstraints(max_length=1000), AfterValidator(_environment_value)],
    ] = Field(default_factory=dict)
    kernels: dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}$")], Kernel] = Field(
        default_factory=dict
    )
    sources: dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}$")], Source] = Field(
        default_factory=dict,
        description="what an operator may add to a build from its source; setup finds it in sources/",
    )
    software: tuple[Software, ...] = ()
    verify: Verify = Verify()

    @model_validator(mode="after")
    def _stands_on_one_thing(self) -> Self:
        if (self.from_ is None) == (self.debian is None):
            raise ValueError('from: an image stands on another (from = "base"), or on Debian (debian = "debian:…")')
        if self.adds is None and self.size is None:
            raise ValueError('adds: a budget is needed: adds = "450 MB", or size = "720 MB" in all')
        return self

    @model_validator(mode="after")
    def _names_its_softwares_licences(self) -> Self:
        own = _licences_in(self.licence)
        for program in self.software:
            if missing := sorted(_licences_in(program.licence) - own):
                raise ValueError(f"licence: {program.name} is under {' and '.join(missing)}, which is not named here")
        return self


def _licences_in(expression: str) -> set[str]:
    """The licences and exceptions that an SPDX expression names."""
    return set(re.findall(r"[\w.+-]+", expression)) - {"AND", "OR", "WITH"}
