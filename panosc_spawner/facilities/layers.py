"""TOML files laid over each other, remembering which file said what."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from panosc_spawner.errors import ConfigurationError

Table = dict[str, Any]

_REPLACED_WHOLE = {"account", "access"}


@dataclass(frozen=True)
class Layer:
    """One TOML file's content."""

    file: Path
    data: Table

    def has(self, key: tuple[str | int, ...]) -> bool:
        """Whether the file itself says something about a key."""
        return self.depth(key) == len(key)

    def depth(self, key: tuple[str | int, ...]) -> int:
        """How many parts of a key the file has, from the left."""
        value: Any = self.data
        for count, part in enumerate(key):
            try:
                value = step_into(value, part)
            except LookupError:
                return count
        return len(key)


def step_into(value: Any, part: str | int) -> Any:
    """What a table or a list holds under one part of a key.

    Raises:
        LookupError: if it holds nothing there.
    """
    if isinstance(value, dict):
        return value[part]
    if isinstance(value, list) and isinstance(part, int):
        return value[part]
    raise LookupError(part)


def read_layer(file: Path) -> Layer:
    """Read a TOML file.

    Raises:
        ConfigurationError: if it is not there, cannot be read, or is not TOML (the reason then names the line).
    """
    try:
        return Layer(file, tomllib.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ConfigurationError(file, "", "there is no such file") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            file, "", f"not TOML: {error}", "text needs quotes; a table starts with [name]"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(file, "", "not UTF-8 text", "save it as UTF-8") from error
    except OSError as error:
        raise ConfigurationError(file, "", f"cannot be read: {error.strerror}") from error


def merge(layers: Iterable[Layer]) -> Table:
    """One table of all layers, later ones over earlier ones."""
    merged: Table = {}
    for layer in layers:
        _lay_over(merged, layer.data)
    return merged


def blame(layers: Sequence[Layer], key: tuple[str | int, ...]) -> Path:
    """The file that holds a key, or the deepest table of it; of several, the one that was laid last."""
    return max(enumerate(layers), key=lambda item: (item[1].depth(key), item[0]))[1].file


def _lay_over(below: Table, above: Table) -> None:
    for key, value in above.items():
        known = below.get(key)
        if isinstance(value, dict) and isinstance(known, dict) and key not in _REPLACED_WHOLE:
            _lay_over(known, value)
        else:
            below[key] = deepcopy(value)
