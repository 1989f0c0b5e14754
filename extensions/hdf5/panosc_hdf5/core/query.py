"""The parameters of a request: strings from outside, hostile until parsed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from panosc_hdf5.core.errors import BadRequest

MAX_TEXT = 4096
MAX_INTEGER = 2**63 - 1


class Query:
    """Typed access to parameters. Every parser raises ``BadRequest`` that names the parameter."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = dict(parameters)

    def __contains__(self, name: str) -> bool:
        return name in self._parameters

    @property
    def parameters(self) -> dict[str, str]:
        """As they came."""
        return dict(self._parameters)

    def refuse_unknown(self, allowed: Sequence[str]) -> None:
        """Raise for a parameter that nobody reads: a misspelt one would be silently ignored."""
        if unknown := sorted(set(self._parameters) - set(allowed)):
            raise BadRequest(
                f"Unknown parameter {', '.join(unknown)[:200]}.", f"Known here: {', '.join(sorted(allowed))}."
            )

    def text(self, name: str, default: str | None = None, *, longest: int = MAX_TEXT) -> str:
        """A string without NUL; required where there is no default."""
        value = self._parameters.get(name, default)
        if value is None:
            raise BadRequest(f"The parameter {name} is missing.")
        if len(value) > longest or "\0" in value:
            raise BadRequest(f"The parameter {name} is too long, or holds a NUL character.")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise BadRequest(f"The parameter {name} is not valid text.") from error
        return value

    def integer(self, name: str, default: int | None = None, *, low: int = 0, high: int = MAX_INTEGER) -> int:
        """A whole number within bounds."""
        if name not in self._parameters and default is not None:
            return default
        return _integer(name, self.text(name, longest=40), low, high)

    def number(self, name: str, default: float | None = None) -> float:
        """A finite number."""
        if name not in self._parameters and default is not None:
            return default
        return _number(name, self.text(name, longest=40))

    def choice(self, name: str, choices: Sequence[str], default: str | None = None) -> str:
        """One of a few words."""
        value = self.text(name, default, longest=200)
        if value not in choices:
            raise BadRequest(f"The parameter {name} must be one of {', '.join(choices)}.")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """``1`` or ``true``, ``0`` or ``false``."""
        value = self.choice(name, ("1", "0", "true", "false"), "1" if default else "0")
        return value in ("1", "true")

    def integers(
        self, name: str, count: int | None = None, *, low: int = 0, high: int = MAX_INTEGER
    ) -> tuple[int, ...] | None:
        """Whole numbers separated by commas; None if the parameter is not there."""
        if name not in self._parameters:
            return None
        parts = self.text(name, longest=1000).split(",")
        if count is not None and len(parts) != count:
            raise BadRequest(f"The parameter {name} must be {count} whole numbers separated by commas.")
        return tuple(_integer(name, part, low, high) for part in parts)

    def numbers(self, name: str, count: int | None = None) -> tuple[float, ...] | None:
        """Finite numbers separated by commas; None if the parameter is not there."""
        if name not in self._parameters:
            return None
        parts = self.text(name, longest=1000).split(",")
        if count is not None and len(parts) != count:
            raise BadRequest(f"The parameter {name} must be {count} numbers separated by commas.")
        return tuple(_number(name, part) for part in parts)


def _integer(name: str, text: str, low: int, high: int) -> int:
    digits = text.strip()
    if not (digits.removeprefix("-").isascii() and digits.removeprefix("-").isdigit()) or len(digits) > 20:
        raise BadRequest(f"The parameter {name} must be a whole number.")
    value = int(digits)
    if not low <= value <= high:
        raise BadRequest(f"The parameter {name} must be between {low} and {high}.")
    return value


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise BadRequest(f"The parameter {name} must be a number.") from error
    if not math.isfinite(value):
        raise BadRequest(f"The parameter {name} must be a finite number.")
    return value
