"""What an image says of itself, read out of it without running it.

Images of this repository have ``/opt/panosc/image.json`` and ``sbom.cdx.json`` (``images/steps/about``); others may have one,
both, or neither. They are files of an image that somebody else may have made: bounded, and parsed as hostile input.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound

from panosc_spawner.software.model import Content, Package, Program

PLACE = "/opt/panosc/"
MOST_BYTES = 16 * 1024**2
"""Of one file. A bill of materials of 2,000 packages has one megabyte."""
MOST_PACKAGES = 20_000
_LINE = 500
_BASE = "org.opencontainers.image.base.name"
_REVISION = "org.opencontainers.image.revision"


def content_of(client: APIClient, image: str) -> Content | None:
    """What an image says of itself; None if it is not on this machine.

    Raises:
        DockerException: if the daemon does not answer.
    """
    try:
        found: Mapping[str, Any] = client.inspect_image(image)  # type: ignore[no-untyped-call]
    except NotFound:
        return None
    files = _files(client, str(found["Id"]), ("image.json", "sbom.cdx.json"))
    return parsed(found, files.get("image.json", b""), files.get("sbom.cdx.json", b""))


def parsed(found: Mapping[str, Any], about: bytes, bill: bytes) -> Content:
    """The content from what Docker knows of the image, and from its two files; what cannot be read counts as not there."""
    labels = (found.get("Config") or {}).get("Labels") or {}
    described, materials = _table(about), _table(bill)
    return Content(
        digest=str(found["Id"]),
        manifest=_manifest(found.get("RepoDigests") or ()),
        created=_moment(found.get("Created")),
        revision=_text(labels.get(_REVISION)),
        base=_text(labels.get(_BASE)),
        architecture=_text(found.get("Architecture")),
        size=int(found.get("Size") or 0),
        programs=_programs(described.get("software")),
        packages=_packages(materials.get("components")),
        notebook=_text(described.get("notebook")),
        bill=bill.decode() if materials.get("bomFormat") == "CycloneDX" else "",
    )


def _files(client: APIClient, image: str, names: tuple[str, ...]) -> dict[str, bytes]:
    """The files that the image has, out of a container that is made and never started."""
    made = client.create_container(image, command=["nothing"], network_disabled=True, labels={"org.panosc.look": "1"})
    try:
        return {name: data for name in names if (data := _file(client, made["Id"], PLACE + name)) is not None}
    finally:
        client.remove_container(made["Id"], force=True)


def _file(client: APIClient, container: str, path: str) -> bytes | None:
    try:
        pieces, _ = client.get_archive(container, path)
    except NotFound:
        return None
    archive = bytearray()
    try:
        for piece in pieces:
            archive += piece
            if len(archive) > MOST_BYTES + 4096:
                return None
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            member = tar.next()
            data = tar.extractfile(member) if member is not None and member.isfile() else None
            return data.read(MOST_BYTES) if data else None
    except (tarfile.TarError, APIError):
        return None


def _table(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _programs(found: object) -> tuple[Program, ...]:
    programs = []
    for one in found[:200] if isinstance(found, list) else ():
        if isinstance(one, dict) and (name := _text(one.get("name"))):
            url, cite = _text(one.get("url")), _text(one.get("cite"))
            programs.append(
                Program(
                    name,
                    _text(one.get("version")),
                    _text(one.get("purpose")),
                    _text(one.get("licence")),
                    url if re.match(r"https?://", url) else "",
                    cite,
                )
            )
    return tuple(programs)


def _packages(found: object) -> tuple[Package, ...]:
    packages = {}
    for one in found[:MOST_PACKAGES] if isinstance(found, list) else ():
        if not isinstance(one, dict) or not (name := _text(one.get("name"))):
            continue
        purl = _text(one.get("purl"))
        package = Package(name, _text(one.get("version")), purl if purl.startswith("pkg:") else "")
        packages[package.name.lower(), package.version, package.purl] = package
    return tuple(packages[key] for key in sorted(packages))


def _text(value: object) -> str:
    return " ".join(value[:_LINE].split()) if isinstance(value, str) and value.isprintable() else ""


def _manifest(digests: object) -> str:
    first = next(iter(digests), "") if isinstance(digests, list | tuple) else ""
    return str(first).partition("@")[2]


def _moment(value: object) -> datetime | None:
    try:
        # Docker writes nanoseconds, of which Python reads six digits.
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", str(value)))
    except ValueError:
        return None
