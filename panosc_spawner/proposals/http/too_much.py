"""Answers that are longer than they may be: about one person's list, that is no failure of the source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from panosc_spawner.errors import PersonalSourceError, SourceError


class TooMuchError(SourceError):
    """The answer is what was asked for, but beyond ``max_items`` or ``max_answer``."""


@contextmanager
def about_one_person() -> Iterator[None]:
    """What is asked within this is one person's own list: where it is too long, others' are not.

    Raises:
        PersonalSourceError: instead of :class:`TooMuchError`.
    """
    try:
        yield
    except TooMuchError as error:
        raise PersonalSourceError(error.source, error.reason) from error
