"""Typed errors. Each carries words for a person: what happened, why, and what to do.

::

    PanoscError
    ├── ConfigurationError   a file of the site is wrong; found when it is loaded
    ├── IdError              text that is not a proposal id of the facility
    ├── PathError            a path that cannot be rendered, or leaves its root
    ├── EntitlementError     text that is not an AARC entitlement
    ├── IdentityError        claims that do not say who somebody is
    ├── PeopleError          the book of people cannot be read or written
    ├── SourceError          a proposal source did not answer
    │   └── PersonalSourceError   about this person only; others' questions are answered
    ├── TokenError           no token can be had for somebody's code or a source
    └── ImageError           an image cannot be built, locked or verified
"""

from __future__ import annotations

from pathlib import Path


class PanoscError(Exception):
    """Base of all errors that this package raises on purpose."""


class ConfigurationError(PanoscError):
    """A site's configuration is wrong.

    Args:
        file: the file that holds the mistake.
        key: dotted key within the file (``areas.raw.path``), or an empty string for the whole file.
        reason: what is wrong with it.
        suggestion: what to write instead.
    """

    def __init__(self, file: Path | str, key: str, reason: str, suggestion: str = "") -> None:
        self.file = Path(file)
        self.key = key
        self.reason = reason
        self.suggestion = suggestion
        where = f"{file}: {key}" if key else str(file)
        super().__init__(f"{where}: {reason}" + (f" ({suggestion})" if suggestion else ""))


class IdError(PanoscError):
    """The text is not a proposal id of this facility."""


class PathError(PanoscError):
    """A path does not render from the facility's template, or does not stay beneath its root."""


class EntitlementError(PanoscError):
    """The text is not an entitlement as AARC-G002/G069 (groups) or AARC-G027 (capabilities) define it."""


class IdentityError(PanoscError):
    """The claims do not prove who somebody is, or name an account that may not log in."""


class PeopleError(PanoscError):
    """The book of people cannot be used. Says nothing about any person: try again, or ask the hub's operator."""


class SourceError(PanoscError):
    """A proposal source could not answer. Never raised for "this person has no proposals".

    Args:
        source: the source's name in ``site.toml``.
        reason: why it did not answer, in words that may be shown to the person.
    """

    def __init__(self, source: str, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(f"{source}: {reason}")


class PersonalSourceError(SourceError):
    """A source could not answer about one person, for a reason that is theirs alone.

    They have no token, their login is too old, their entry is not understood, their list is too long. It says nothing about
    whether the source works, so it does not count against it (``proposals/breaker.py``).
    """


class TokenError(PanoscError):
    """No token can be given now, in words that may be shown to the person."""


class ImageError(PanoscError):
    """An image cannot be built, locked or verified, in words for who builds it."""
