"""Words for times, roles and sources, as a person reads them. Pure functions."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from panosc_spawner.facilities.units import format_duration
from panosc_spawner.identity.refusals import LoginRefused
from panosc_spawner.proposals.model import SourceOutcome


class ErrorWords(NamedTuple):
    """What an error page says. ``login`` is true where it was the login that went wrong."""

    title: str
    text: str
    login: bool = False


_ERROR_TITLES = {
    403: "You may not do this",
    404: "There is nothing here",
    405: "This did not work",
    429: "Too many at once",
    503: "Not available just now",
}
_STALE_PAGE = "The page you came from was open for too long. Go back, reload it, and try again."
_UNFORESEEN = "The hub did not foresee this. Nothing of yours is lost. Try again; if it happens again, tell the people who run this hub."
_NOTHING = "The address may be mistyped, what was there is gone, or it is somebody else’s."


def words_for_error(status: int, message: str | None, error: object = None) -> ErrorWords:
    """What to say of an error, in place of the hub's own words for machines. A refused login has words for people."""
    message = message or ""
    title = _ERROR_TITLES.get(status, "Something went wrong" if status >= 500 else "This did not work")
    if isinstance(error, LoginRefused):
        return ErrorWords(title if status >= 500 else "The login was not finished", error.words, login=True)
    if "_xsrf" in message or message.startswith("XSRF"):
        return ErrorWords("This did not work", _STALE_PAGE)
    if status == 404 and message in ("", "Not Found", "No access to resources or resources not found"):
        return ErrorWords(title, _NOTHING)
    if status == 405:
        return ErrorWords(title, "This address is not for looking at.")
    return ErrorWords(title, message or (_UNFORESEEN if status >= 500 else ""))


def exact(moment: datetime) -> str:
    """A moment in full, with its zone: ``Mon 23 November 2026, 14:05 UTC``. The browser turns it to local time."""
    return f"{moment.astimezone(UTC):%a %d %B %Y, %H:%M} UTC"


def day(moment: date) -> str:
    """A day: ``3 Nov 2026``."""
    return f"{moment.day} {moment:%b %Y}"


def last_day(end: datetime) -> str:
    """The last day on which something holds that ends at ``end`` (exclusive): midnight still belongs to the day before."""
    return day(end - timedelta(microseconds=1))


def clock(moment: datetime, now: datetime) -> str:
    """A time of day, with the day where that is not today: ``10:02 UTC``, ``10:02 UTC on 3 Nov 2026``."""
    moment = moment.astimezone(UTC)
    words = f"{moment:%H:%M} UTC"
    return words if moment.date() == now.astimezone(UTC).date() else f"{words} on {day(moment)}"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago: ``2 h ago``, ``just now``."""
    span = now - moment
    return "just now" if span < timedelta(minutes=1) else f"{_coarse(span)} ago"


def left(moment: datetime, now: datetime) -> str:
    """How long still: ``11 h 30 min left``, ``time is up``."""
    span = moment - now
    return f"{format_duration(span)} left" if span > timedelta(0) else "time is up"


def lasting(moment: datetime, now: datetime) -> str:
    """How long from now, to the nearest minute: ``12 h``."""
    return format_duration(moment - now + timedelta(seconds=30))


def date_range(first: date | None, last: date | None) -> str:
    """Days of an experiment: ``12–15 Sep 2023``, ``30 Sep – 2 Oct 2023``, ``12 Sep 2023``, or nothing."""
    if first is None or last is None or first == last:
        one = first or last
        return day(one) if one else ""
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{day(last)}"
    if first.year == last.year:
        return f"{first.day} {first:%b} – {day(last)}"
    return f"{day(first)} – {day(last)}"


def source_trouble(outcome: SourceOutcome, now: datetime) -> str:
    """What to say of a source that did not answer; empty if it did."""
    if not outcome.error:
        return ""
    said = f"{outcome.source} did not answer at {clock(outcome.asked_at, now)} ({outcome.error.rstrip('.')})."
    return f"{said} {what_is_shown(outcome, now)}"


def what_is_shown(outcome: SourceOutcome, now: datetime) -> str:
    """What a list holds of a source that did not answer."""
    if outcome.stale_since:
        return f"What it knows is shown as of {clock(outcome.stale_since, now)}."
    return "Proposals that only it knows are missing here."


def count(number: int, one: str, many: str = "") -> str:
    """``1 proposal``, ``10,000 proposals``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _coarse(span: timedelta) -> str:
    """One unit is enough for the past beyond an hour."""
    if span >= timedelta(days=1):
        return format_duration(timedelta(days=span.days))
    return format_duration(timedelta(hours=span.seconds // 3600) if span >= timedelta(hours=1) else span)


def shown_name(user: Any) -> str:
    """The person's name for the page's head, as the login gave it; never the hub's opaque user name if there is one."""
    if user is None:
        return ""
    info = getattr(user, "user_info", None) or {}
    return str(info.get("display_name") or info.get("name") or user.name)
