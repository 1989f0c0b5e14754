"""Write what is in an image into it: ``image.json``, ``codemeta.json`` and the bill of materials ``sbom.cdx.json``.

Runs while the image is built, with the image's own Python and the tools' cyclonedx library::

    describe.py /about /opt/panosc
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

ENVIRONMENTS = ("/opt/venv", "/opt/kernels/*")


def python_packages() -> Iterator[tuple[str, str, str]]:
    """Name, version and environment of every Python package."""
    for pattern in ENVIRONMENTS:
        for environment in sorted(Path("/").glob(pattern.lstrip("/"))):
            folders = [str(path) for path in environment.glob("lib/python3.*/site-packages")]
            for package in metadata.distributions(path=folders):
                if package.metadata["Name"]:
                    yield package.metadata["Name"], package.version, str(environment)


def debian_packages() -> Iterator[tuple[str, str, str]]:
    """Name, version and architecture of every installed Debian package."""
    shown = "${Package}\t${Version}\t${Architecture}\t${db:Status-Abbrev}\t${Section}\n"
    listed = subprocess.run(["dpkg-query", "-W", "-f", shown], check=True, capture_output=True, text=True)
    for line in listed.stdout.splitlines():
        name, version, architecture, status, section = line.split("\t")
        if status.startswith("ii") and section != "empty":  # see apt-install
            yield name, version, architecture


def bill_of_materials(about: dict[str, Any]) -> str:
    """The image's CycloneDX document, as JSON."""
    subject = Component(name=about["tag"].partition(":")[0], version=about["version"], type=ComponentType.CONTAINER)
    bom = Bom()
    bom.metadata.component = subject
    parts = []
    for name, version, environment in python_packages():
        purl = PackageURL("pypi", None, canonical(name), version, {"environment": environment})
        parts.append(Component(name=name, version=version, type=ComponentType.LIBRARY, purl=purl, bom_ref=str(purl)))
    for name, version, architecture in debian_packages():
        purl = PackageURL("deb", "debian", name, version, {"arch": architecture})
        parts.append(Component(name=name, version=version, type=ComponentType.LIBRARY, purl=purl, bom_ref=str(purl)))
    for part in parts:
        bom.components.add(part)
    bom.register_dependency(subject, parts)
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)


def versions() -> dict[str, str]:
    """The version of every package by its name: the image's own Python first, then a further one's, then Debian's."""
    python: dict[str, str] = {}
    for name, version, _ in python_packages():
        python.setdefault(canonical(name), version)
    debian = {name: version.partition("-")[0].rpartition(":")[2] for name, version, _ in debian_packages()}
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
    """Write the three files."""
    about = with_versions(json.loads((source / "image.json").read_text("utf-8")))
    target.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("image.json", json.dumps(about, indent=1, ensure_ascii=False)),
        ("codemeta.json", json.dumps(codemeta(about), indent=1, ensure_ascii=False)),
        ("sbom.cdx.json", bill_of_materials(about)),
    ):
        (target / name).write_text(text + "\n", "utf-8")
        (target / name).chmod(0o644)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
