"""What was found about an image, for people and for programs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from panosc_spawner.errors import ImageError


class CheckFailed(ImageError):
    """A check's own words for what is wrong."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    what: str
    ok: bool
    words: str
    """What was found: results if it is right, the reason if not."""
    seconds: float

    def lines(self) -> str:
        """For a person: one line, and what was found beneath it."""
        first = f"{'ok   ' if self.ok else 'ERROR'} {self.what} ({self.seconds:.1f} s)"
        return "\n".join([first, *(f"      {line}" for line in self.words.splitlines())])


@dataclass
class Report:
    """All checks of one image.

    Args:
        image: its tag.
        say: told each check's lines when it has ended.
    """

    image: str
    say: Callable[[str], None]
    checks: list[Check] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything is right. An image that nothing was asked of is not."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    def check(self, what: str, function: Callable[[], str]) -> None:
        """Do one check.

        Args:
            what: in words.
            function: returns what was found; raises ImageError with the reason if something is wrong.
        """
        started = time.monotonic()
        try:
            ok, words = True, function()
        except ImageError as error:
            ok, words = False, str(error)
        self.checks.append(Check(what, ok, words, time.monotonic() - started))
        self.say(self.checks[-1].lines())

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {"image": self.image, "ok": self.ok, "checks": [asdict(check) for check in self.checks]}
