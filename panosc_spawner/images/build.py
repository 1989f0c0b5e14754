"""Build images: each after its parent, each only when something that it is made of has changed."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from panosc_spawner.errors import ImageError
from panosc_spawner.images import VERSION, client, context, debian, locks, wheels
from panosc_spawner.images.cached import cached_work
from panosc_spawner.images.folder import Folder, Images

MADE_OF = "eu.panosc.image.made-of"
"""The label with the digest of all that an image is made of."""


@dataclass(frozen=True)
class Built:
    """An image that is here now."""

    name: str
    tag: str
    size: int
    adds: int
    """Bytes over its parent; its whole size if it stands on Debian."""
    seconds: float
    fresh: bool
    """Whether it had to be built."""
    whole: bool
    """Whether Docker's cache saved nothing of that: only then do the seconds say what a build takes."""


def build_images(
    images: Images,
    names: Sequence[str],
    *,
    logs: Path,
    say: Callable[[str], None],
    unproven: bool = False,
    again: bool = False,
    parents: bool = True,
    candidates: bool = False,
) -> list[Built]:
    """Build images and all that they stand on.

    Args:
        images: the folder's.
        names: what is wanted.
        logs: a directory for Docker's output.
        say: told what is done.
        unproven: build what has no proofs yet, too; its tag then ends in ``:unproven``.
        again: also what has not changed, without Docker's cache, on today's Debian.
        parents: False if what they stand on has just been built.
        candidates: leave the names to what has them, and call what is built ``:unproven``; :func:`keep` gives it its name.

    Raises:
        ImageError: in words; what was built before it stays.
    """
    built: list[Built] = []
    for folder in images.with_parents(names) if parents else [images[name] for name in names]:
        say(f"{folder.name}: building")
        made = _build(replace(folder, candidate=candidates), images, logs, unproven=unproven, again=again)
        say(f"{folder.name}: {made.tag} {made.size / 1e6:.0f} MB, " + _told(made))
        built.append(made)
    return built


def tag_of(folder: Folder) -> str:
    """What an image is called: what has no proofs, or is still to be proven, has no version."""
    proven = folder.proofs() and folder.notebooks() and not folder.candidate
    return folder.tag if proven else f"panosc/{folder.name}:unproven"


def keep(folder: Folder) -> None:
    """Give the candidate, which is proven now, the image's name; what had it has none any more.

    Raises:
        ImageError: if the candidate is not here any more.
    """
    candidate = replace(folder, candidate=True)
    named = client.run("tag", tag_of(candidate), folder.tag)
    if named.code:
        raise ImageError(f"{tag_of(candidate)} could not be called {folder.tag}: {named.words}")
    forget(candidate)


def forget(folder: Folder) -> None:
    """Take an image's name away; its layers stay in Docker's cache."""
    client.run("image", "rm", "--no-prune", tag_of(folder))


def secrets() -> dict[str, str]:
    """What builds may read and images must not keep: a certificate bundle, a pip configuration, a list of apt sources.

    Raises:
        ImageError: if the environment names a file that is not there.
    """
    named = {
        "ca": os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE"),
        "pip": os.environ.get("BUILD_PIP_CONF"),
        "apt": os.environ.get("BUILD_APT_SOURCES"),
    }
    for file in filter(None, named.values()):
        if not Path(file).is_file():
            raise ImageError(f"The environment names {file}, which is not a file")
    return {name: file for name, file in named.items() if file}


def _told(made: Built) -> str:
    if not made.fresh:
        return "is up to date"
    return f"built in {made.seconds:.0f} s" + ("" if made.whole else ", with what Docker's cache had")


def _build(folder: Folder, images: Images, logs: Path, *, unproven: bool, again: bool) -> Built:
    started = time.monotonic()
    tag = tag_of(folder)
    if not (folder.proofs() and folder.notebooks()) and not unproven:
        lacking = "verify/*.py" if not folder.proofs() else "notebooks/*.ipynb"
        raise ImageError(
            f"{folder.name} has no {lacking}: an image is only made with what proves that it works "
            f"(--unproven builds it as {tag})"
        )
    locks.check_against_parents(folder, images)
    locks.check_against_description(folder, images)
    log = logs / f"{folder.name}.log"
    with tempfile.TemporaryDirectory(prefix=f"panosc-{folder.name}-") as scratch:
        made = wheels.make(folder.image.pip.wheels, images.root.parent, Path(scratch) / "wheels")
        parts = [_Part(folder, images, Path(scratch), kernel) for kernel in (*folder.image.kernels, None)]
        for part in parts:
            part.write(made)
        bottom, parent = _parent(folder, images, again=again)
        of_parent = _id(bottom if parent == "floor" else parent)
        digest = _digest(
            [part.context for part in parts], (bottom, parent, of_parent, *_package_sources(folder, bottom))
        )
        fresh = again or not _is_here(folder, digest)
        if fresh:
            log.unlink(missing_ok=True)
            labels = _labels(folder, images, parent, digest)
            with _between() as between:
                for part in parts:
                    parent = part.build(tag, bottom, parent, labels, log, between, again=again)
    if tag == folder.tag:  # what was built before there were proofs
        client.run("image", "rm", "--no-prune", f"panosc/{folder.name}:unproven")
    size = _size(tag)
    under = images[folder.image.from_] if folder.image.from_ else None
    adds = size - _size(tag_of(under)) if under else size
    whole = fresh and all(part.whole for part in parts)
    return Built(folder.name, tag, size, adds, time.monotonic() - started, fresh, whole)


class _Part:
    """One ``docker build`` of an image: of one of its further Pythons, or of the image itself."""

    def __init__(self, folder: Folder, images: Images, scratch: Path, kernel: str | None) -> None:
        self._folder, self._images, self._kernel = folder, images, kernel
        self.context = scratch / (kernel or "layer") / "context"
        self.context.mkdir(parents=True)
        self.whole = False
        """Whether it was built, and nothing of its own was taken from Docker's cache."""

    def write(self, made: Sequence[Path]) -> None:
        if self._kernel:
            context.write_kernel(self.context, self._folder, self._images, self._kernel)
        else:
            context.write_layer(self.context, self._folder, self._images, made)

    def build(
        self,
        tag: str,
        bottom: str,
        parent: str,
        labels: Mapping[str, str],
        log: Path,
        between: list[str],
        *,
        again: bool,
    ) -> str:
        """Build it on a parent; returns what the next one stands on."""
        given = secrets()
        arguments = ["--build-arg", f"DEBIAN={bottom}", "--build-arg", f"PARENT={parent}"]
        if self._kernel:
            suite = self._folder.image.kernels[self._kernel].debian
            image, given = debian.for_kernel(suite, bottom, given, again=again)
            tag = f"panosc/between:{self._folder.name}-{self._kernel}"
            between.append(tag)
            arguments += ["--build-arg", f"KERNEL_DEBIAN={image}", "--target", "kernel"]
        else:
            arguments += [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
            arguments += ["--target", "layer"]
        output = client.build([*arguments, "--tag", tag], self.context, given, log, again=again)
        self.whole = not cached_work(output, self.context)
        return tag


@contextmanager
def _between() -> Iterator[list[str]]:
    """Tags that are needed only while an image is built."""
    tags: list[str] = []
    try:
        yield tags
    finally:
        for tag in tags:
            client.run("image", "rm", "--no-prune", tag)


def _parent(folder: Folder, images: Images, *, again: bool) -> tuple[str, str]:
    """The Debian image at the bottom, and what the Dockerfile begins the image with.

    Only what stands on Debian itself asks for today's: what is built after it has the same.
    """
    bottom = images.chain(folder.name)[0].image.debian or ""
    debian.ensure(bottom, secrets(), again=again and folder.image.from_ is None)
    if folder.image.from_ is None:
        return bottom, "floor"
    return bottom, tag_of(images[folder.image.from_])


def _is_here(folder: Folder, digest: str) -> bool:
    """Whether the image is made of the same already; a candidate may then be what was proven before."""
    tag = tag_of(folder)
    for here in (tag, folder.tag) if folder.candidate else (tag,):
        found = client.inspect_image(here)
        if found and (found["Config"].get("Labels") or {}).get(MADE_OF) == digest:
            return here == tag or client.run("tag", here, tag).code == 0
    return False


def _package_sources(folder: Folder, bottom: str) -> list[str]:
    """The lists of apt sources that are given: another snapshot of Debian makes another image.

    Passwords are left out, as the digest is a label that everybody may read.
    """
    given = secrets()
    of_kernels = [debian.sources_of(kernel.debian, bottom, given) for kernel in folder.image.kernels.values()]
    texts = [Path(file).read_text("utf-8", "replace") for file in (given.get("apt"), *of_kernels) if file]
    return [re.sub(r"://[^/\s@]*@", "://", text) for text in texts]


def _id(image: str) -> str:
    found = client.inspect_image(image)
    if found is None:
        raise ImageError(f"{image} is not here any more")
    return str(found["Id"])


def _size(tag: str) -> int:
    found = client.inspect_image(tag)
    if found is None:
        raise ImageError(f"{tag} is not here any more")
    return int(found["Size"])


def _digest(contexts: Sequence[Path], words: Sequence[str]) -> str:
    digest = hashlib.sha256("\0".join(words).encode())
    for folder in contexts:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                mode = b"x" if path.stat().st_mode & 0o100 else b"-"
                digest.update(str(path.relative_to(folder)).encode() + b"\0" + mode + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _labels(folder: Folder, images: Images, parent: str, digest: str) -> dict[str, str]:
    """The labels of the OCI image specification, and what the image is made of."""
    prefix = "org.opencontainers.image."
    bottom = folder.image.debian
    base_digest = debian.digest(bottom if bottom else parent)
    inherited = ((client.inspect_image(parent) or {}).get("Config", {}).get("Labels") or {}) if not bottom else {}
    of_base = f"{prefix}base.digest"
    # A parent's labels are inherited: without a digest of its own, an image must not show its parent's.
    known = {of_base: base_digest or ""} if base_digest or inherited.get(of_base) else {}
    return {
        f"{prefix}created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        f"{prefix}revision": revision(images.root, folder.image.pip.wheels),
        f"{prefix}version": VERSION,
        f"{prefix}title": folder.image.title,
        f"{prefix}description": folder.image.description,
        f"{prefix}licenses": folder.image.licence,
        f"{prefix}base.name": bottom or parent,
        **known,
        MADE_OF: digest,
    }


def revision(root: Path, wheels: Sequence[str] = ()) -> str:
    """The commit that an image is built from, with ``-changed`` where its files are not what was committed.

    Args:
        root: the folder of images.
        wheels: folders of the repository that are installed in the image, too.
    """
    git = ["git", "-C", str(root)]
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if commit.returncode:
        return "unknown"
    made_of = [".", *(str(root.parent / wheel) for wheel in wheels)]
    changes = subprocess.run(
        [*git, "status", "--porcelain", "--", *made_of], capture_output=True, text=True, check=False
    )
    return commit.stdout.strip() + ("-changed" if changes.stdout.strip() else "")
