"""The bill of materials and the description that are in an image: valid, and complete against what is installed."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from panosc_spawner.images.build import tag_of
from panosc_spawner.images.folder import Folder
from panosc_spawner.images.verify.container import Hardened, words
from panosc_spawner.images.verify.report import CheckFailed


def bill_of_materials(hardened: Hardened) -> str:
    """CycloneDX by its schema, and nothing that is installed is missing.

    It is compared with what Python and dpkg say when asked anew, with what steps have noted of parts that these do not know
    (``parts.tsv``), and with the image's Debian; a Python that was copied here must be one of the parts.
    """
    text = hardened.run("cat", "/opt/panosc/sbom.cdx.json")
    _validate(text)
    listed = {_row(part) for part in json.loads(text)["components"]}
    found = [tuple(row) for row in json.loads(hardened.run("python3", "/inside/installed.py"))]
    pythons = [name for kind, name, _ in found if kind == "python"]
    installed = {row for row in found if row[0] != "python"}
    missing = sorted(f"{name} {version}".strip() for _, name, version in installed - listed)
    # Debian has the interpreter python3.11 in the package python3.11-minimal.
    missing += [name for name in pythons if not any(row[:2] == ("deb", f"{name}-minimal") for row in listed)]
    gone = sorted(f"{name} {version}".strip() for _, name, version in listed - installed)
    if missing or gone:
        raise CheckFailed(f"installed and not listed: {words(missing)}; listed and not installed: {words(gone)}")
    counted = Counter(kind for kind, _, _ in listed)
    others = sum(counted.values()) - counted["pypi"] - counted["deb"] - counted["os"]
    return f"{counted['pypi']} Python packages, {counted['deb']} of Debian, {others} others"


def _row(part: dict[str, Any]) -> tuple[str, str, str]:
    """Kind, name and version of a component; the operating system has no package address."""
    kind = kind_of(part["purl"]) if "purl" in part else {"operating-system": "os"}.get(part["type"], part["type"])
    name = f"{part['group']}/{part['name']}" if part.get("group") else part["name"]
    return kind, name.lower(), part.get("version", "")


def description(hardened: Hardened, folder: Folder) -> str:
    """``image.json`` and ``codemeta.json`` say what ``image.toml`` says, with versions."""
    about = _read(hardened, "image.json")
    codemeta = _read(hardened, "codemeta.json")
    if (about["name"], about["tag"], about["notebook"]) != (folder.name, folder.tag, folder.image.notebook):
        raise CheckFailed(f"image.json is of {about['name']}: {tag_of(folder)} was built from another image.toml")
    if not str(codemeta.get("@context", "")).startswith("https://w3id.org/codemeta/"):
        raise CheckFailed("codemeta.json is not codemeta")
    nameless = [program["name"] for program in about["software"] if not program.get("version")]
    if nameless:
        raise CheckFailed(f"without a version: {words(nameless)}")
    return "\n".join(f"{program['name']} {program['version']}" for program in about["software"])


def kind_of(purl: str) -> str:
    """``pypi``, ``deb``, …: the type in a package address (github.com/package-url/purl-spec)."""
    return purl.removeprefix("pkg:").partition("/")[0]


def _validate(text: str) -> None:
    try:
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator
    except ImportError:
        raise CheckFailed("the schema cannot be checked: pip install 'panosc-hub[images]'") from None
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        raise CheckFailed(f"not CycloneDX 1.6: {str(error)[:500]}")


def _read(hardened: Hardened, name: str) -> dict[str, Any]:
    try:
        found = json.loads(hardened.run("cat", f"/opt/panosc/{name}"))
    except ValueError:
        raise CheckFailed(f"{name} is not JSON") from None
    if not isinstance(found, dict):
        raise CheckFailed(f"{name} is not an object")
    return found
