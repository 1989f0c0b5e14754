"""Words for errors and numbers, as a person reads them."""

from __future__ import annotations

from typing import NamedTuple

_TITLES = {
    400: "This did not work",
    401: "Log in first",
    403: "You may not do this",
    404: "There is nothing here",
    405: "This did not work",
    409: "Not just now",
    413: "That is too much",
    414: "That is too much",
    429: "Too many at once",
    503: "Not available just now",
}
NOTHING = "The address may be mistyped, what was there is gone, or it is somebody else’s."
NOT_FOR_LOOKING = "This address is not for looking at. Go back, and use the button there."
STALE_FORM = "The page you came from was open for too long, or is another site’s. Go back, reload it, and try again."
UNFORESEEN = "The portal did not foresee this. Nothing was changed by it. Try again; if it happens again, tell the people who run this hub, with the number below."
LOG_IN = "Log in, then go back and try again; nothing was changed."


class Said(NamedTuple):
    """What an error page says."""

    title: str
    text: str
    remedy: str = ""


def error_words(status: int, text: str = "", remedy: str = "") -> Said:
    """What to say of an error: the given words, else those for its status."""
    title = _TITLES.get(status, "Something went wrong" if status >= 500 else "This did not work")
    plain = {404: NOTHING, 405: NOT_FOR_LOOKING, 401: LOG_IN}.get(status, UNFORESEEN if status >= 500 else "")
    return Said(title, text or plain, remedy)


def number(value: int | None) -> str:
    """``10,000``; empty for None."""
    return "" if value is None else f"{value:,}"
