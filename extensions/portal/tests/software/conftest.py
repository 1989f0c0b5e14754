"""A catalogue whose images are what a test says, without Docker."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from docker.errors import DockerException, ImageNotFound, NotFound

ABOUT = {
    "notebook": "start-here.ipynb",
    "software": [
        {"name": "pyFAI", "version": "2026.9.0", "purpose": "Integrate rings", "licence": "MIT", "url": "https://pyfai.example.org", "cite": "https://doi.org/10.1107/S1600576724011038"},
    ],
}  # fmt: skip
BILL = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "components": [
        {"name": "numpy", "version": "2.4.0", "purl": "pkg:pypi/numpy@2.4.0"},
        {"name": "libc6", "version": "2.41-12", "purl": "pkg:deb/debian/libc6@2.41-12"},
    ],
}
DIGEST = "sha256:" + "ab" * 32


class FakeDocker:
    """What the catalogue needs of a Docker client: images by name, and their files."""

    def __init__(self) -> None:
        self.images: dict[str, dict[str, Any]] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.down = False
        self.made: list[str] = []
        self.left: set[str] = set()

    def have(self, image: str, digest: str = DIGEST, about: object = ABOUT, bill: object = BILL) -> None:
        """An image that is here."""
        self.images[image] = {
            "Id": digest,
            "RepoDigests": [f"{image.partition(':')[0]}@sha256:{'cd' * 32}"],
            "Created": "2026-11-26T01:42:38.843673292Z",
            "Size": 716_000_000,
            "Architecture": "amd64",
            "Config": {"Labels": {"org.opencontainers.image.base.name": "panosc/base:2026.11"}},
        }
        raw = {"image.json": about, "sbom.cdx.json": bill}
        self.files[digest] = {
            f"/opt/panosc/{name}": value if isinstance(value, bytes) else json.dumps(value).encode()
            for name, value in raw.items()
            if value is not None
        }

    def inspect_image(self, image: str) -> Mapping[str, Any]:
        if self.down:
            raise DockerException("no daemon")
        if image not in self.images:
            raise ImageNotFound("no such image")
        return self.images[image]

    def create_container(self, image: str, **options: object) -> dict[str, str]:
        self.made.append(image)
        self.left.add(image)
        return {"Id": image}

    def get_archive(self, container: str, path: str) -> tuple[Iterator[bytes], dict[str, object]]:
        if path not in self.files[container]:
            raise NotFound("no such file")
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            data = self.files[container][path]
            member = tarfile.TarInfo(path.rpartition("/")[2])
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        return iter([buffer.getvalue()]), {}

    def remove_container(self, container: str, force: bool) -> None:
        self.left.discard(container)

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def docker() -> FakeDocker:
    """A daemon with no image."""
    return FakeDocker()
