"""What a check found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is. Only an error keeps the hub from doing its work."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was tried, what came of it, and what the operator can do."""

    level: Level
    subject: str
    message: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        """For ``--json``."""
        return {key: str(value) for key, value in asdict(self).items()}


def ok(subject: str, message: str) -> Finding:
    """It works."""
    return Finding(Level.OK, subject, message)


def warning(subject: str, message: str, remedy: str) -> Finding:
    """It works, but not as it should."""
    return Finding(Level.WARNING, subject, message, remedy)


def error(subject: str, message: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(Level.ERROR, subject, message, remedy)
