"""The Debian under all images: a registry's, or one made here from Debian's packages."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping

from panosc_spawner.errors import ImageError
from panosc_spawner.images import client
from panosc_spawner.images.model import Suite

_PULL_SECONDS = 120


def image_of(suite: Suite) -> str:
    """The name of a Debian release's small image."""
    return f"debian:{suite}-slim"


def ensure(image: str, secrets: Mapping[str, str]) -> str | None:
    """Have a Debian image here: the local one, else a registry's, else one made from Debian's packages.

    Args:
        image: ``debian:trixie-slim``, or with a digest, or a name in a registry of one's own.
        secrets: of the build; a list of package sources is used here, too.

    Returns:
        The registry's digest of the image, if it has one.

    Raises:
        ImageError: in words, if it is nowhere to be had.
    """
    if client.inspect_image(image) is None:
        pulled = client.run("pull", "--quiet", image, seconds=_PULL_SECONDS)
        if pulled.code:
            _make(image, pulled.words, secrets)
    return digest(image)


def digest(image: str) -> str | None:
    """The registry's digest of a local image: None if it was made here."""
    found = client.inspect_image(image)
    digests = (found or {}).get("RepoDigests") or []
    return str(digests[0]).partition("@")[2] if digests else None


def _make(image: str, refusal: str, secrets: Mapping[str, str]) -> None:
    suite = image.removeprefix("debian:").removesuffix("-slim")
    if image != f"debian:{suite}-slim":
        raise ImageError(f"{image} is not here and cannot be pulled:\n{refusal}")
    if not shutil.which("mmdebstrap"):
        raise ImageError(f"{image} cannot be pulled; install mmdebstrap to make it from Debian's packages:\n{refusal}")
    sources = [secrets["apt"]] if "apt" in secrets else []
    bootstrap = [
        "mmdebstrap", "--quiet", "--variant=minbase", '--aptopt=Acquire::Retries "3"',
        # As the registries' image has it: a layer is kept only if its step succeeds, so dpkg need not wait for the disk.
        "--dpkgopt=force-unsafe-io",
        "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        "--include=ca-certificates", suite, "-", *sources,
    ]  # fmt: skip
    into = ["docker", "import", "-c", 'CMD ["bash"]', "-c", "ENV LANG=C.UTF-8", "-", image]
    with subprocess.Popen(bootstrap, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as making:
        made = subprocess.run(into, stdin=making.stdout, capture_output=True, text=True, check=False)
        words = making.stderr.read().decode(errors="replace") if making.stderr else ""
    if making.returncode or made.returncode:
        client.run("image", "rm", image)
        raise ImageError(f"mmdebstrap could not make {image}:\n{words[-2000:]}{made.stderr}")
