"""Proposal ids: how a facility's id is written, and the one canonical form of it.

A proposal id reaches us from people, catalogues and claims; it ends in paths, labels and server names.
So it is text from outside until :meth:`IdRule.normalise` has accepted it.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from panosc_spawner.errors import IdError

MAX_ID_LENGTH = 64
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_SLOW = 0.02  # seconds for one match; a sound expression takes microseconds


@dataclass(frozen=True, order=True, slots=True)
class ProposalRef:
    """A proposal, named by the facility and the facility's own id in canonical form."""

    facility: str
    id: str

    def __str__(self) -> str:
        return f"{self.facility}/{self.id}"


class IdRule(BaseModel):
    """How one facility writes its proposal ids (the ``[proposals]`` table of its TOML file)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    written: str = Field(
        description="Regular expression, with named groups, that an id must match as a whole once its case is folded."
    )
    canonical: str = Field(
        default="{id}",
        description="The one form that is used in paths and names, from the groups of `written`: '{code}{number}', 'p{number:06d}'.",
    )
    case: Literal["lower", "upper", "keep"] = Field(default="keep", description="Folded before matching.")
    examples: tuple[str, ...] = Field(min_length=1, description="Written ids; each is tried when the file is loaded.")

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.written, re.ASCII)

    @model_validator(mode="after")
    def _examples_work(self) -> IdRule:
        try:
            pattern = re.compile(self.written, re.ASCII)
        except re.error as error:
            raise ValueError(f"written: not a regular expression: {error}") from error
        if not pattern.groupindex:
            raise ValueError("written: needs at least one named group, for example (?P<id>[0-9]{6})")
        refuse_slow(pattern, "written")
        for example in self.examples:
            try:
                once = self.normalise(example)
                again = self.normalise(once)
            except (IdError, KeyError, ValueError, IndexError) as error:
                raise ValueError(f"examples: {example!r} is refused by the file's own rule: {error}") from error
            if once != again:
                raise ValueError(f"canonical: {example!r} becomes {once!r}, but that becomes {again!r}")
        return self

    def normalise(self, text: str) -> str:
        """Return the canonical form of an id, so that ``MA-1234`` and ``ma1234`` are one proposal.

        Raises:
            IdError: if the text is not an id of this facility.
        """
        if not isinstance(text, str) or len(text) > MAX_ID_LENGTH or not text.isascii():
            raise IdError(f"{_shown(text)} is not a proposal id (at most {MAX_ID_LENGTH} plain characters)")
        canonical = self._canonical(text)
        # The canonical form must be its own canonical form, or one proposal would have two names on disk.
        if canonical is None or (canonical != text and self._canonical(canonical) != canonical):
            raise IdError(f"{_shown(text)} is not a proposal id of this facility (an id looks like {self.examples[0]})")
        # Whatever the operator's expression lets through, an id is one harmless path component.
        if not is_safe_component(canonical):
            raise IdError(f"{_shown(text)} cannot be used as a directory name")
        return canonical

    def _canonical(self, text: str) -> str | None:
        folded = {"lower": text.lower(), "upper": text.upper(), "keep": text}[self.case]
        match = self._pattern.fullmatch(folded)
        if match is None:
            return None
        try:
            return self.canonical.format(**_typed_groups(match))
        except (LookupError, ValueError, TypeError, AttributeError):
            # The template does not fit this id: {number:06d} of an id without a number, for example.
            return None


def is_safe_component(text: str) -> bool:
    """Whether text is one path component that means nothing to a shell, a URL, Docker or a format string."""
    return len(text) <= MAX_ID_LENGTH and _SAFE.fullmatch(text) is not None and ".." not in text


def refuse_slow(pattern: re.Pattern[str], key: str) -> None:
    """Refuse an expression such as ``(a+)+`` that takes exponentially long on text it does not match.

    Tried with texts that grow: an expression that is slow at all length limits is already slow on a short one.

    Raises:
        ValueError: naming ``key``, with what to write instead.
    """
    for length in range(8, MAX_ID_LENGTH + 1, 2):
        for unit in ("a", "A", "0", "a0", "-", "a-", "0-"):
            if _seconds(pattern, (unit * length)[:length] + "!") > _SLOW:
                raise ValueError(
                    f"{key}: takes too long on some texts; do not repeat a group that itself holds + or *, write {{1,20}}"
                )


def _seconds(pattern: re.Pattern[str], text: str) -> float:
    """Best time of up to three tries, so that a busy machine is not taken for a slow expression."""
    best = float("inf")
    for _ in range(3):
        begin = time.thread_time()
        pattern.fullmatch(text)
        best = min(best, time.thread_time() - begin)
        if best < _SLOW:
            break
    return best


def _typed_groups(match: re.Match[str]) -> dict[str, str | int]:
    """The named groups; ``number`` as an integer, so that a template may pad it (``{number:06d}``)."""
    groups: dict[str, str | int] = {}
    for name, value in match.groupdict(default="").items():
        groups[name] = int(value) if name == "number" and value.isdigit() else value
    return groups


def _shown(text: object) -> str:
    shown = repr(text)
    return shown if len(shown) <= 60 else shown[:56] + "…" + shown[-1]
