"""Typed errors of the portal. Each carries words for a person: what happened, why, and what to do."""

from __future__ import annotations

from enum import StrEnum

from panosc_spawner.errors import PanoscError


class Outcome(StrEnum):
    """How a catalogue's answer turned out."""

    OK = "ok"
    PARTIAL = "partial"  # it has more than it gave
    TIMEOUT = "timeout"
    DOWN = "down"
    RESTING = "resting"  # it failed several times, and is left alone for a while
    REFUSED = "refused"
    GARBLED = "garbled"  # its answer is not what its protocol says
    CANNOT = "cannot"  # it has no way to answer such a question


class PortalError(PanoscError):
    """Base of the portal's own errors."""


class CatalogueError(PortalError):
    """A catalogue gave no answer that can be used.

    Args:
        source: its name.
        outcome: which way it failed.
        reason: in words, without addresses and secrets.
        status: its HTTP status, where it answered with one.
    """

    def __init__(self, source: str, outcome: Outcome, reason: str, status: int = 0) -> None:
        super().__init__(f"{source}: {reason}")
        self.source, self.outcome, self.reason, self.status = source, outcome, reason, status


class HubError(PortalError):
    """The hub did not answer, or does not let the person do this.

    Args:
        status: an HTTP status to answer with: 401 (log in again), 403, 404, 409, 503.
        message: what happened and why.
        remedy: what the person can do.
    """

    def __init__(self, status: int, message: str, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.status, self.message, self.remedy = status, message, remedy
