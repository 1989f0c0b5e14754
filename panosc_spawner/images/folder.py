"""The ``images`` folder: finding images, reading them, and the order in which they are built."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from panosc_spawner.errors import ConfigurationError, ImageError
from panosc_spawner.facilities.layers import read_layer
from panosc_spawner.facilities.problems import in_words
from panosc_spawner.images import VERSION
from panosc_spawner.images.model import NAME, Image

DESCRIPTION = "image.toml"
_PARTS = ("files", "kernels", "notebooks", "setup", "setup-files", "verify")


@dataclass(frozen=True)
class Given:
    """A source that an operator has given to a build."""

    address: str
    sha256: str
    file: Path


@dataclass(frozen=True)
class Folder:
    """One image's folder, what its ``image.toml`` says, and what an operator gives to its build."""

    path: Path
    image: Image
    given: Mapping[str, Given] = field(default_factory=dict)
    candidate: bool = False
    """Whether the image that was built last is meant, which is still to be proven."""

    @property
    def name(self) -> str:
        """The image's name."""
        return self.path.name

    @property
    def tag(self) -> str:
        """What the image is called when it is built and can be proven."""
        return f"panosc/{self.name}:{VERSION}"

    @property
    def lock(self) -> Path:
        """Exact versions of its Python packages."""
        return self.path / "requirements.lock"

    def kernel_lock(self, kernel: str) -> Path:
        """Exact versions of a second Python's packages."""
        return self.path / "kernels" / f"{kernel}.lock"

    def notebooks(self) -> list[Path]:
        """What the person gets."""
        return sorted((self.path / "notebooks").glob("*.ipynb"))

    def proofs(self) -> list[Path]:
        """The scripts that prove that it works."""
        return sorted((self.path / "verify").glob("*.py"))


@dataclass(frozen=True)
class Images:
    """All images of a folder, each after its parent."""

    root: Path
    folders: Mapping[str, Folder]

    def __getitem__(self, name: str) -> Folder:
        """An image's folder.

        Raises:
            ImageError: if there is none of this name.
        """
        if name not in self.folders:
            close = difflib.get_close_matches(name, self.folders, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(self.folders)}"
            raise ImageError(f"There is no image {name!r}; {hint}")
        return self.folders[name]

    def chain(self, name: str) -> list[Folder]:
        """An image and all it stands on, the bottom one first."""
        chain = [self[name]]
        while parent := chain[0].image.from_:
            chain.insert(0, self.folders[parent])
        return chain

    def with_parents(self, names: Iterable[str]) -> list[Folder]:
        """Images in the order in which they are built, each once, and all that they stand on."""
        wanted = {folder.name for name in names for folder in self.chain(name)}
        return [folder for name, folder in self.folders.items() if name in wanted]


def find_root(start: Path) -> Path:
    """The ``images`` folder of a directory or of one above it.

    Raises:
        ImageError: if there is none.
    """
    for directory in (start, *start.parents):
        if (directory / "images" / "base" / DESCRIPTION).is_file():
            return directory / "images"
    raise ImageError(f"There is no images folder in {start} or above it; name it with --images DIR")


def read_images(root: Path) -> Images:
    """Read all images of a folder.

    Raises:
        ConfigurationError: the first mistake in one of the files, or in how they stand on each other.
    """
    found = {file.parent.name: read_folder(file.parent) for file in sorted(root.glob(f"*/{DESCRIPTION}"))}
    ordered: dict[str, Folder] = {}
    for name in found:
        for folder in reversed(_chain(name, found)):
            ordered.setdefault(folder.name, folder)
    return Images(root, ordered)


def read_folder(path: Path) -> Folder:
    """Read one image's folder.

    Raises:
        ConfigurationError: the first mistake.
    """
    file = path / DESCRIPTION
    layer = read_layer(file)
    if not re.fullmatch(NAME, path.name):
        reason = "an image's name is small letters, digits and single hyphens, and begins with a letter"
        raise ConfigurationError(file, "", f"{path.name!r} cannot be an image's name: {reason}")
    for part in _PARTS:
        if (path / part).is_symlink():
            raise ConfigurationError(path / part, "", "is a link; only files of the image's own folder go into it")
    try:
        image = Image.model_validate(layer.data)
    except ValidationError as error:
        raise in_words(error, Image, layer.data, [layer])[0] from error
    return Folder(path, image)


def _chain(name: str, found: Mapping[str, Folder]) -> list[Folder]:
    """An image, its parent, and so on down to the one that stands on Debian."""
    chain = [found[name]]
    while parent := chain[-1].image.from_:
        file = chain[-1].path / DESCRIPTION
        if parent not in found:
            raise ConfigurationError(file, "from", f"there is no image {parent!r}", f"known: {', '.join(found)}")
        if any(folder.name == parent for folder in chain):
            circle = " → ".join([*(folder.name for folder in chain), parent])
            raise ConfigurationError(file, "from", f"images stand on each other in a circle: {circle}")
        chain.append(found[parent])
    return chain
