"""The recipes by name, and how one is made once."""

from __future__ import annotations

import hashlib
import inspect
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

MODULES = ("types", "layouts", "filters", "links", "nexus", "hostile", "broken", "many", "detector", "big")


@dataclass(frozen=True)
class Recipe:
    """How the files of one name are made.

    Attributes:
        name: also the folder's.
        write: writes the files into the folder it is given.
        main: the file to open, relative to the folder.
        root: what may be read, relative to the folder.
        big: takes more than a second, or more than 50 MB.
        opens: whether ``main`` is a file that HDF5 opens.
    """

    name: str
    write: Callable[[Path], None]
    main: str
    root: str
    big: bool
    opens: bool

    @property
    def about(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.write) or "").partition("\n")[0]

    @property
    def stamp(self) -> str:
        """Changes with the code that writes the files."""
        module = inspect.getsource(inspect.getmodule(self.write) or self.write)
        return hashlib.sha256(module.encode()).hexdigest()


@dataclass(frozen=True)
class Made:
    """The files of a recipe, there to be read."""

    recipe: Recipe
    folder: Path

    @property
    def main(self) -> Path:
        """The file to open."""
        return self.folder / self.recipe.main

    @property
    def root(self) -> Path:
        """What may be read."""
        return (self.folder / self.recipe.root).resolve()


_REGISTERED: dict[str, Recipe] = {}


def recipe(
    main: str, *, root: str = ".", big: bool = False, opens: bool = True
) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    """Register the function under its name."""

    def register(write: Callable[[Path], None]) -> Callable[[Path], None]:
        name = write.__name__.strip("_").replace("_", "-")
        _REGISTERED[name] = Recipe(name, write, main, root, big, opens)
        return write

    return register


@cache
def recipes() -> dict[str, Recipe]:
    """All, in the order of the modules."""
    for module in MODULES:
        import_module(f"corpus.{module}")
    return dict(_REGISTERED)


def names(*, big: bool | None = None) -> list[str]:
    """The names of all, or of the big or small ones."""
    return [name for name, item in recipes().items() if big is None or item.big == big]


def make(directory: Path, name: str) -> Made:
    """Make the files of a name beneath the directory, unless they are there and as this code makes them."""
    item = recipes()[name]
    folder = directory / name
    stamp = folder / ".stamp"
    if not (stamp.is_file() and stamp.read_text() == item.stamp):
        directory.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=directory))
        try:
            item.write(fresh)
            (fresh / ".stamp").write_text(item.stamp)
            shutil.rmtree(folder, ignore_errors=True)
            fresh.chmod(0o755)
            os.rename(fresh, folder)  # noqa: PTH104 - fails where somebody else was quicker
        except OSError:
            if not stamp.is_file():
                raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return Made(item, folder)
