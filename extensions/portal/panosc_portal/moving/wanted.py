"""What somebody came for, whose data are not here yet: carried in the addresses of the pages that bring them, then opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query

_Text = Annotated[str, Query(max_length=2000)]


@dataclass(frozen=True)
class Wanted:
    """A data set as ``/open`` takes it; empty: nothing but the proposal.

    Attributes:
        pid: its DOI, PID or path.
        source: the catalogue that ``pid`` is of, or empty.
    """

    pid: str = ""
    source: str = ""

    @property
    def query(self) -> str:
        """For the end of an address; empty if nothing is wanted."""
        if not self.pid:
            return ""
        return "?" + urlencode({"pid": self.pid} | ({"source": self.source} if self.source else {}))


def wanted(pid: _Text = "", source: _Text = "") -> Wanted:
    """Of a request's address (a FastAPI dependency)."""
    return Wanted(pid.strip(), source.strip())
