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


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One image: megabytes (of a million bytes), and whole seconds; None where nobody has measured them yet."""

    size: int
    adds: int
    build: int | None = None
    verify: int | None = None
    date: str


_Table = TypeAdapter(dict[str, Measured])


def measured(built: Built, verify: float | None, known: Measured | None) -> Measured:
    """What is written down of an image that is here now.

    An image that was up to date, or of which Docker's cache had a part, keeps the time that its last whole build took; one
    that was not proven now keeps the time of its last proof.

    Args:
        built: what came of its build.
        verify: the seconds that its proof took; None if it was not proven.
        known: what was written down before.
    """
    last_build, last_proof = (known.build, known.verify) if known else (None, None)
    return Measured(
        size=round(built.size / 1e6),
        adds=round(built.adds / 1e6),
        build=round(built.seconds) if built.whole else last_build,
        verify=round(verify) if verify is not None else last_proof,
        date=datetime.now(UTC).date().isoformat(),
    )


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
        f"[{name}]\n"
        + "".join(f"{key} = {_toml(value)}\n" for key, value in asdict(known[name]).items() if value is not None)
        for name in sorted(known)
        if (root / name).is_dir()
    ]
    (root / FILE).write_text(_HEADER + "\n" + "\n".join(tables), "utf-8")


def _toml(value: int | str) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
