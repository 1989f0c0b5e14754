"""Write what is in an image into it: ``image.json``, ``codemeta.json`` and the bill of materials ``sbom.cdx.json``.

Runs while the image is built, with the image's own Python and the tools' cyclonedx library::

    describe.py /about /opt/panosc
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

ENVIRONMENTS = ("/opt/venv", "/opt/kernels/*")


class Part(NamedTuple):
    """Something in the image that is not a Python package; a line of ``parts.tsv``."""

    kind: str
    """The type in a package address: deb, npm, generic (github.com/package-url/purl-spec)."""
    name: str
    version: str
    architecture: str
    distribution: str
    """``debian-13``; empty for what is of none."""
    source: str
    """The source package, or the address of what was built here."""
    source_version: str
    """Its version, or the SHA-256 of the file at that address."""


def python_packages() -> Iterator[tuple[str, str, str]]:
    """Name, version and environment of every Python package."""
    for pattern in ENVIRONMENTS:
        for environment in sorted(Path("/").glob(pattern.lstrip("/"))):
            folders = [str(path) for path in environment.glob("lib/python3.*/site-packages")]
            for package in metadata.distributions(path=folders):
                if package.metadata["Name"]:
                    yield package.metadata["Name"], package.version, str(environment)


def debian_packages() -> Iterator[Part]:
    """Every installed Debian package."""
    shown = ["Package", "Version", "Architecture", "source:Package", "source:Version", "db:Status-Abbrev", "Section"]
    form = "\t".join(f"${{{field}}}" for field in shown) + "\n"
    listed = subprocess.run(["dpkg-query", "-W", "-f", form], check=True, capture_output=True, text=True)
    for line in listed.stdout.splitlines():
        name, version, architecture, source, source_version, status, section = line.split("\t")
        if status.startswith("ii") and section != "empty":  # see apt-install
            yield Part("deb", name, version, architecture, distribution(), source, source_version)


def distribution() -> str:
    """The image's Debian as package addresses name it: ``debian-13``."""
    found = platform.freedesktop_os_release()
    return f"{found['ID']}-{found.get('VERSION_ID') or found['VERSION_CODENAME']}"


def note_parts(source: Path, about: dict[str, Any], file: Path) -> list[Part]:
    """All that came past dpkg and pip: what parents and steps have noted (see note-parts), and what the builder knows."""
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    if (source / "parts.tsv").exists():
        lines += (source / "parts.tsv").read_text("utf-8").splitlines()
    for name, given in about.get("sources", {}).items():
        lines.append("\t".join(("generic", name, "", "", "", given["address"], given["sha256"])))
    lines = sorted(set(filter(None, lines)))
    if lines:
        file.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        file.chmod(0o644)
    return [Part(*line.split("\t")) for line in lines]


def python_component(name: str, version: str, environment: str) -> Component:
    """A Python package."""
    purl = PackageURL("pypi", None, canonical(name), version, {"environment": environment})
    return Component(name=name, version=version, type=ComponentType.LIBRARY, purl=purl, bom_ref=str(purl))


def debian_component(part: Part) -> Component:
    """A Debian package. Advisories are about source packages: grype reads ``upstream``, trivy its own properties."""
    qualifiers = {"arch": part.architecture, "distro": part.distribution}
    if (part.source, part.source_version) != (part.name, part.version):
        qualifiers["upstream"] = f"{part.source}@{part.source_version}"
    purl = PackageURL("deb", part.distribution.partition("-")[0], part.name, part.version, qualifiers)
    return Component(
        name=part.name,
        version=part.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=str(purl),
        properties=[
            Property(name="aquasecurity:trivy:SrcName", value=part.source),
            Property(name="aquasecurity:trivy:SrcVersion", value=part.source_version),
        ],
    )


def other_component(part: Part) -> Component:
    """A package of JavaScript, or a source that an operator has given to the build, without a version."""
    if part.kind == "generic":
        given = {"download_url": part.source, "checksum": f"sha256:{part.source_version}"}
        purl = PackageURL("generic", None, part.name, None, given)
        return Component(
            name=part.name,
            type=ComponentType.APPLICATION,
            purl=purl,
            bom_ref=str(purl),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=part.source_version)],
            external_references=[ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(part.source))],
        )
    group, _, name = part.name.rpartition("/")
    purl = PackageURL(part.kind, group or None, name, part.version)
    return Component(
        group=group or None, name=name, version=part.version, type=ComponentType.LIBRARY, purl=purl, bom_ref=str(purl)
    )


def bill_of_materials(about: dict[str, Any], noted: Iterable[Part]) -> str:
    """The image's CycloneDX document, as JSON. Its Debian packages depend on its operating system, as scanners expect it."""
    subject = Component(name=about["tag"].partition(":")[0], version=about["version"], type=ComponentType.CONTAINER)
    bom = Bom()
    bom.metadata.component = subject
    name, _, version = distribution().partition("-")
    system = Component(name=name, version=version, type=ComponentType.OPERATING_SYSTEM, bom_ref="os")
    of_debian, others = [], [python_component(*package) for package in python_packages()]
    for part in (*debian_packages(), *noted):
        if part.kind == "deb":
            (of_debian if part.distribution == distribution() else others).append(debian_component(part))
        else:
            others.append(other_component(part))
    for component in (system, *of_debian, *others):
        bom.components.add(component)
    bom.register_dependency(subject, [system, *others])
    bom.register_dependency(system, of_debian)
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)


def versions() -> dict[str, str]:
    """The version of every package by its name: the image's own Python first, then a further one's, then Debian's."""
    python: dict[str, str] = {}
    for name, version, _ in python_packages():
        python.setdefault(canonical(name), version)
    debian = {part.name: part.version.partition("-")[0].rpartition(":")[2] for part in debian_packages()}
    return debian | python


def canonical(name: str) -> str:
    """A Python package's name as indexes compare it (PEP 503)."""
    return re.sub("[-_.]+", "-", name).lower()


def with_versions(about: dict[str, Any]) -> dict[str, Any]:
    """The description with the version of each program that people come for.

    Raises:
        SystemExit: if a package that ``version-from`` names is not installed.
    """
    known = versions()
    for program in about["software"]:
        source = program.pop("version_from", None)
        if source is not None:
            version = known.get(canonical(source)) or known.get(source)
            if not version:
                sys.exit(f"image.toml, software {program['name']}: version-from names {source}, which is not installed")
            program["version"] = version
    return about


def codemeta(about: dict[str, Any]) -> dict[str, Any]:
    """The image as codemeta (codemeta.github.io) describes software, with the programs in it as requirements."""
    return {
        "@context": "https://w3id.org/codemeta/3.0",
        "@type": "SoftwareSourceCode",
        "name": about["title"],
        "description": about["description"],
        "version": about["version"],
        "license": about["licence"],
        "keywords": [*about["techniques"], *about["formats"]],
        "softwareRequirements": [
            {
                "@type": "SoftwareApplication",
                "name": program["name"],
                "softwareVersion": program["version"],
                "description": program["purpose"],
                "license": program["licence"],
                "url": program["url"],
                **({"citation": program["cite"]} if program.get("cite") else {}),
            }
            for program in about["software"]
        ],
    }


def main(source: Path, target: Path) -> None:
    """Write the three files, and what is noted of further parts."""
    about = with_versions(json.loads((source / "image.json").read_text("utf-8")))
    target.mkdir(parents=True, exist_ok=True)
    noted = note_parts(source, about, target / "parts.tsv")
    for name, text in (
        ("image.json", json.dumps(about, indent=1, ensure_ascii=False)),
        ("codemeta.json", json.dumps(codemeta(about), indent=1, ensure_ascii=False)),
        ("sbom.cdx.json", bill_of_materials(about, noted)),
    ):
        (target / name).write_text(text + "\n", "utf-8")
        (target / name).chmod(0o644)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
