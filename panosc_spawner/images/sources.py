"""Sources that an operator adds to an image: programs that no package registry has, by address and SHA-256."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from panosc_spawner.errors import ImageError
from panosc_spawner.images.folder import Given, Images

MOST_BYTES = 500_000_000
"""A source is text; whatever is larger is another file."""
SECONDS = 60.0
"""How long a server may be silent."""

_FORM = "write --with NAME=ADDRESS#SHA256, the SHA-256 as 64 hexadecimal digits (sha256sum FILE prints it)"


@dataclass(frozen=True)
class Source:
    """What an operator asks for."""

    name: str
    address: str
    sha256: str


def parse(text: str) -> Source:
    """Read ``NAME=ADDRESS#SHA256``.

    Raises:
        ImageError: if it has another form, or no SHA-256: what is compiled into an image has to be known.
    """
    name, equals, rest = text.partition("=")
    address, sharp, digest = rest.rpartition("#")
    if not equals or not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
        raise ImageError(f"--with {text[:80]!r} has no name; {_FORM}")
    if not sharp or not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
        raise ImageError(f"--with {name}: the SHA-256 is missing or is none; {_FORM}")
    if urlsplit(address).scheme not in ("https", "http", "file") or not address.isprintable():
        raise ImageError(f"--with {name}: the address begins with https://, http:// or file://; {_FORM}")
    if urlsplit(address).username is not None or urlsplit(address).password is not None:
        raise ImageError(
            f"--with {name}: the image says where its source is from, so the address must not hold a password"
        )
    return Source(name, address, digest.lower())


def with_sources(
    images: Images, names: Sequence[str], wanted: Sequence[Source], cache: Path, say: Callable[[str], None]
) -> Images:
    """The same images, with the sources that an operator gives to those that can use them.

    Args:
        images: all images.
        names: those that are built.
        wanted: what is given.
        cache: where downloaded sources are kept, by their SHA-256.
        say: told what is downloaded.

    Raises:
        ImageError: if none of the images takes a source of that name, or it is not what its SHA-256 says.
    """
    folders = dict(images.folders)
    built = [folder.name for folder in images.with_parents(names)]
    for source in wanted:
        takers = [name for name in built if source.name in folders[name].image.sources]
        if not takers:
            raise ImageError(_nobody(source.name, images))
        file = fetch(source, cache, say)
        for name in takers:
            given = Given(source.address, source.sha256, file)
            folders[name] = replace(folders[name], given={**folders[name].given, source.name: given})
    return Images(images.root, folders)


def _nobody(name: str, images: Images) -> str:
    known = {source: folder.name for folder in images.folders.values() for source in folder.image.sources}
    close = difflib.get_close_matches(name, known, n=1)
    hint = (
        f"did you mean {close[0]}?"
        if close
        else "; ".join(f"{image} takes {source}" for source, image in known.items())
    )
    return f"--with {name}: none of the images that are built takes it; {hint or 'no image takes any'}"


def fetch(source: Source, cache: Path, say: Callable[[str], None]) -> Path:
    """The file, downloaded once.

    Raises:
        ImageError: in words; a file of another SHA-256 is not kept.
    """
    target = cache / source.sha256
    if target.is_file() and _sha256(target) == source.sha256:
        return target
    say(f"{source.name}: downloading {source.address}")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        part = Path(scratch) / "part"
        _download(source, part)
        found = _sha256(part)
        if found != source.sha256:
            raise ImageError(
                f"{source.name}: {source.address} is another file than asked for: its SHA-256 is {found},"
                f" wanted is {source.sha256}. It is not used"
            )
        part.replace(target)
    return target


def _download(source: Source, target: Path) -> None:
    bundle = os.environ.get("SSL_CERT_FILE") or os.environ.get("PIP_CERT")
    trust = ssl.create_default_context(cafile=bundle) if bundle else ssl.create_default_context()
    # The address is the operator's own, given on the command line, and of a scheme that `parse` has looked at.
    request = urllib.request.Request(source.address, headers={"User-Agent": "panosc-hub"})  # noqa: S310
    size = 0
    try:
        with urllib.request.urlopen(request, timeout=SECONDS, context=trust) as answer, target.open("wb") as file:  # noqa: S310
            while block := answer.read(1 << 20):
                size += len(block)
                if size > MOST_BYTES:
                    raise ImageError(f"{source.name}: {source.address} has more than {MOST_BYTES // 1_000_000} MB")
                file.write(block)
    except (OSError, ValueError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        raise ImageError(f"{source.name}: {source.address} cannot be downloaded: {reason}") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
