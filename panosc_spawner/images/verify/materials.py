"""The bill of materials and the description that are in an image: valid, and complete against what is installed."""

from __future__ import annotations

import json
from typing import Any

from panosc_spawner.images.build import tag_of
from panosc_spawner.images.folder import Folder
from panosc_spawner.images.verify.container import Hardened, words
from panosc_spawner.images.verify.report import CheckFailed


def bill_of_materials(hardened: Hardened) -> str:
    """CycloneDX by its schema, and not one installed package is missing."""
    text = hardened.run("cat", "/opt/panosc/sbom.cdx.json")
    _validate(text)
    listed = {(kind_of(part["purl"]), part["name"].lower(), part["version"]) for part in json.loads(text)["components"]}
    installed = {tuple(row) for row in json.loads(hardened.run("python3", "/inside/installed.py"))}
    missing = sorted(f"{name} {version}" for _, name, version in installed - listed)
    gone = sorted(f"{name} {version}" for _, name, version in listed - installed)
    if missing or gone:
        raise CheckFailed(f"installed and not listed: {words(missing)}; listed and not installed: {words(gone)}")
    python = sum(kind == "pypi" for kind, _, _ in listed)
    return f"{python} Python packages and {len(listed) - python} of Debian"


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
    """``pypi`` or ``deb``: the type in a package address (github.com/package-url/purl-spec)."""
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
