"""What is wrong with a site's ``[access]`` and ``[tokens]`` that one key alone does not show."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.site import Site

_SECOND, _MINUTE = timedelta(seconds=1), timedelta(minutes=1)

# Key: the least, the most (None: any), and why.
_BOUNDS: dict[str, tuple[timedelta, timedelta | None, str]] = {
    "source_timeout": (_SECOND, _MINUTE, "a person waits for it, and in no time no source can answer"),
    "recheck": (_SECOND, timedelta(hours=1), "a right that is taken away must be noticed"),
    "max_session_age": (_MINUTE, None, "people must get to work between two logins"),
    "clock_skew": (timedelta(), timedelta(minutes=10), "by so much a token counts after its end"),
}


def access_mistakes(site: Site, file: Path) -> Iterator[ConfigurationError]:
    """Times between which nobody could work or nothing would be noticed; ``file`` is the site's ``site.toml``."""
    access = site.config.access
    wrong = False
    for key, (least, most, reason) in _BOUNDS.items():
        value: timedelta = getattr(access, key)
        if value < least or (most is not None and value > most):
            wrong = True
            limits = f"{_text(least)} to {_text(most)}" if most is not None else f"{_text(least)} or more"
            yield ConfigurationError(file, f"access.{key}", f"{_text(value)} cannot be: {reason}", f"write {limits}")
    if wrong:
        return
    if access.max_session_age <= access.recheck:
        yield ConfigurationError(
            file,
            "access.max_session_age",
            f"{_text(access.max_session_age)} is over before the login service is asked again ({_text(access.recheck)})",
            "write more than access.recheck",
        )
    if access.max_grant_age < access.source_timeout:
        yield ConfigurationError(
            file,
            "access.max_grant_age",
            f"{_text(access.max_grant_age)} is less than a source may take to answer: nothing could ever be opened",
            "write more than access.source_timeout",
        )


def token_mistakes(site: Site, file: Path) -> Iterator[ConfigurationError]:
    """Tokens that nobody could ever get, since no server holds a proposal of their facilities."""
    served = site.config.hub.facilities
    for name, rule in site.config.tokens.items():
        for facility in rule.facilities:
            if facility not in served:
                yield ConfigurationError(
                    file,
                    f"tokens.{name}.facilities",
                    f"facility {facility!r} is not served by this hub",
                    f"one of {', '.join(served)}",
                )


def _text(span: timedelta) -> str:
    """A duration as it is written in TOML."""
    seconds = int(span.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
