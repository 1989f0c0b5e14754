"""The Debian under all images: a registry's, or one made here from Debian's packages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from panosc_spawner.errors import ImageError
from panosc_spawner.images import client
from panosc_spawner.images.model import Suite

_PULL_SECONDS = 120
_WITHOUT_PASSWORDS = "find \"$1\"/etc/apt/sources.list* -type f -exec sed -E -i 's,://[^/[:space:]]*@,://,g' {} +"
"""A command for mmdebstrap's end: the list that it was given stays in the new root, ``$1``, and its passwords must not."""


def image_of(suite: Suite) -> str:
    """The name of a Debian release's small image."""
    return f"debian:{suite}-slim"


def ensure(image: str, secrets: Mapping[str, str], *, again: bool = False) -> str | None:
    """Have a Debian image here: the local one, else a registry's, else one made from Debian's packages.

    Args:
        image: ``debian:trixie-slim``, or with a digest, or a name in a registry of one's own.
        secrets: of the build; a list of package sources is used here, too.
        again: not the local one, but today's; one that is named by its digest is always the same.

    Returns:
        The registry's digest of the image, if it has one.

    Raises:
        ImageError: in words, if it is nowhere to be had.
    """
    if client.inspect_image(image) is None or (again and "@sha256:" not in image):
        pulled = client.run("pull", "--quiet", image, seconds=_PULL_SECONDS)
        if pulled.code:
            _make(image, pulled.words, secrets)
    return digest(image)


def for_kernel(
    suite: Suite, bottom: str, secrets: Mapping[str, str], *, again: bool = False
) -> tuple[str, dict[str, str]]:
    """Have the Debian image here that a further Python comes from.

    Args:
        suite: its release.
        bottom: the Debian image that images stand on.
        secrets: of the build.
        again: as in :func:`ensure`.

    Returns:
        The image's name, and the build's secrets with the release's own package sources as ``apt-kernel``, if it has any.

    Raises:
        ImageError: in words, if it is nowhere to be had, or has no package sources where others have.
    """
    image = image_of(suite)
    file = sources_of(suite, bottom, secrets)
    ensure(image, {"apt": file} if file else {}, again=again and image != bottom)
    return image, {**secrets, "apt-kernel": file} if file else dict(secrets)


def sources_of(suite: Suite, bottom: str, secrets: Mapping[str, str]) -> str | None:
    """The file with a release's package sources, if any are given.

    ``BUILD_APT_SOURCES_BOOKWORM`` names those of bookworm; ``BUILD_APT_SOURCES`` those of the release that images stand on.

    Raises:
        ImageError: if only another release's sources are given, or what is named is not a file.
    """
    variable = f"BUILD_APT_SOURCES_{suite.upper()}"
    file = os.environ.get(variable)
    if file:
        if not Path(file).is_file():
            raise ImageError(f"{variable} names {file}, which is not a file")
        return file
    if "apt" in secrets and not re.search(rf"\b{suite}\b", bottom):
        raise ImageError(
            f"A kernel has the Python of Debian {suite}, and BUILD_APT_SOURCES names the package sources for {bottom}:"
            f" name those of {suite} in {variable}"
        )
    return secrets.get("apt")


def digest(image: str) -> str | None:
    """The registry's digest of a local image: None if it was made here."""
    found = client.inspect_image(image)
    digests = (found or {}).get("RepoDigests") or []
    return str(digests[0]).partition("@")[2] if digests else None


def _make(image: str, refusal: str, secrets: Mapping[str, str]) -> None:
    suite = image.removeprefix("debian:").removesuffix("-slim")
    if image != f"debian:{suite}-slim":
        state = "is not here and cannot be pulled" if client.inspect_image(image) is None else "cannot be pulled anew"
        raise ImageError(f"{image} {state}:\n{refusal}")
    if not shutil.which("mmdebstrap"):
        raise ImageError(f"{image} cannot be pulled; install mmdebstrap to make it from Debian's packages:\n{refusal}")
    sources = [secrets["apt"]] if "apt" in secrets else []
    bootstrap = [
        "mmdebstrap", "--quiet", "--variant=minbase", '--aptopt=Acquire::Retries "3"',
        # As the registries' image has it: a layer is kept only if its step succeeds, so dpkg need not wait for the disk.
        "--dpkgopt=force-unsafe-io",
        "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        f"--customize-hook={_WITHOUT_PASSWORDS}",
        "--include=ca-certificates", suite, "-", *sources,
    ]  # fmt: skip
    made_as = f"panosc/between:debian-{suite}"  # one that is here keeps its name until there is a better one
    into = ["docker", "import", "-c", 'CMD ["bash"]', "-c", "ENV LANG=C.UTF-8", "-", made_as]
    with subprocess.Popen(bootstrap, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as making:
        made = subprocess.run(into, stdin=making.stdout, capture_output=True, text=True, check=False)
        words = making.stderr.read().decode(errors="replace") if making.stderr else ""
    good = not making.returncode and not made.returncode and client.run("tag", made_as, image).code == 0
    client.run("image", "rm", "--no-prune", made_as)
    if not good:
        raise ImageError(f"mmdebstrap could not make {image}:\n{words[-2000:]}{made.stderr}")
