"""``images/sizes.toml``: what was measured when images were last built and verified, for the table in the docs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.images.build import Built

FILE = "sizes.toml"
_HEADER = "# Measured by: panosc-hub images build all --verify --record\n"


@dataclass(frozen=True)
class Measured:
    """One image: megabytes (of a million bytes), and whole seconds."""

    size: int
    adds: int
    build: int
    verify: int
    date: str


_Table = TypeAdapter(dict[str, Measured])


def measured(built: Built, verify: float, known: Measured | None) -> Measured:
    """What is written down of an image that was built and proven just now.

    An image that was up to date keeps the time that its last build took.
    """
    build = round(built.seconds) if built.fresh or known is None else known.build
    size, adds = round(built.size / 1e6), round(built.adds / 1e6)
    return Measured(size, adds, build, round(verify), datetime.now(UTC).date().isoformat())


def read(root: Path) -> dict[str, Measured]:
    """What was measured, by the image's name; nothing before the first time.

    Raises:
        ConfigurationError: if the file is not what this writes.
    """
    file = root / FILE
    try:
        return _Table.validate_python(tomllib.loads(file.read_text("utf-8")), extra="forbid")
    except FileNotFoundError:
        return {}
    except (ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(file, "", "not what was measured; remove it and measure again") from error


def write(root: Path, measured: Mapping[str, Measured]) -> None:
    """Write what was measured, over what was known of the same images."""
    known = {**read(root), **measured}
    tables = [
        f"[{name}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in asdict(known[name]).items())
        for name in sorted(known)
        if (root / name).is_dir()
    ]
    (root / FILE).write_text(_HEADER + "\n" + "\n".join(tables), "utf-8")


def _toml(value: int | str) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
