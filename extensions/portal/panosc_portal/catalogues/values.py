"""Values of catalogues' answers as types. All of it is input: people's text, odd dates, absurd sizes, addresses that are none.

A field of the wrong *type* makes its entry unusable (``ValueError``); a value of the right type that makes no sense (a size
below zero, a day that is none) is as if it were not there, since catalogues are sparse anyway.
"""

from __future__ import annotations

import html
import math
import re
from datetime import UTC, date, datetime
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

MAX_LINE = 500
MAX_PROSE = 5000
MAX_PID = 500
MAX_BYTES = 1 << 62
_MARKUP = re.compile(
    r"</?(?:a|abbr|b|blockquote|body|br|center|cite|code|dd|div|dl|dt|em|embed|font|form|h[1-6]|head|hr|html|i|iframe|img|inf|input|"
    r"jats:[a-z]+|li|link|math|meta|mi|mn|mo|mrow|msub|msup|object|ol|p|pre|q|s|script|small|span|strike|strong|style|sub|sup|svg|"
    r"table|tbody|td|th|tr|tt|u|ul|video)"
    r"""(?:\s+[\w:-]{1,40}\s?=\s?(?:"[^"<>]{0,500}"|'[^'<>]{0,500}'|[^\s"'<>]{1,500})){0,20}\s?/?>|<!--[^<>]{0,1000}-->""",
    re.IGNORECASE,
)
_DOI = re.compile(r"10\.\d{4,9}/[!-~]{1,300}", re.ASCII)
_DOI_BEFORE = re.compile(r"^\s*(?:https?://(?:dx\.)?doi\.org/|doi:\s*|info:doi/)", re.IGNORECASE)
_PANET = re.compile(r"(?:.*[/#:])?(PaNET\d{5})", re.IGNORECASE)
PANET = "http://purl.org/pan-science/PaNET/"


class Entry(BaseModel):
    """An entry of an answer. What is not read may be anything: catalogues add fields."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _is_an_object(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError("must be an object")
        return value


def line(value: Any, most: int = MAX_LINE) -> str:
    """Text for people, on one line: no markup, no control characters, none that turn the order of letters around, not endless."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError("must be text")
    text = value[: 8 * most]
    if "<" in text:
        text = _MARKUP.sub(" " if "<p" in text or "<br" in text else "", text)
    if "&" in text:
        text = html.unescape(text)
    if not text.isprintable():  # plain text is by far the most, and a search reads thousands
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def prose(value: Any) -> str:
    """Longer text for people."""
    return line(value, MAX_PROSE)


def name(value: Any) -> str:
    """A word for people that may also be written as a number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = f"{value:g}" if isinstance(value, float) else str(value)
    return line(value)


def exact(value: Any) -> str:
    """A path or a file's name: as it is, or empty where it has characters that none has; never changed, never shortened."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value if len(value) <= 4000 and value.isprintable() else ""


def identifier(value: Any) -> str:
    """What names something: as it is, or an error. Never shortened, never empty."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError("must be text")
    text: str = value.strip()
    if not text or len(text) > MAX_PID or not text.isprintable():
        raise ValueError(f"must be 1 to {MAX_PID} printable characters")
    return text


def size(value: Any) -> int | None:
    """Bytes, or None. Some write numbers as text, because their databases do."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,20}", value, re.ASCII):
        value = int(value)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number of bytes")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return int(value) if 0 <= value < MAX_BYTES else None


def rank(value: Any) -> float | None:
    """A score above zero, or None: 0 is what implementations without ranking write."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    return float(value) if math.isfinite(value) and value > 0 else None


def moment(value: Any) -> datetime | None:
    """A time with an offset (UTC where none is written), or None where it is none."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError("must be a time (ISO 8601)")
    text = value.strip()
    if len(text) > 40:
        return None
    if re.fullmatch(r"\d{4}", text, re.ASCII):
        text += "-01-01"
    try:
        found = datetime.fromisoformat(text)
        found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return found if 1800 <= found.year <= 2999 else None


def day(value: Any) -> date | None:
    """A day, or None; of a time, the day in UTC."""
    found = moment(value)
    return found.date() if found else None


def quantity(value: Any) -> float | str:
    """A parameter's value: a number, or text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be a number or text")
    if isinstance(value, str):
        text = line(value)
        if not text:
            raise ValueError("is empty")
        return text
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("must be a number that is one")
    return number


def doi(value: Any) -> str:
    """A DOI without its address, lower case; empty if it is none."""
    if not isinstance(value, str):
        return ""
    text = _DOI_BEFORE.sub("", value).strip().lower()
    return text if _DOI.fullmatch(text) else ""


def panet(*candidates: Any) -> str:
    """The PaNET address in one of several texts, or empty."""
    for candidate in candidates:
        if isinstance(candidate, str) and (found := _PANET.fullmatch(candidate.strip()[:200])):
            return f"{PANET}PaNET{found[1][5:]}"
    return ""


def web_address(value: Any) -> str:
    """An address that a page may link to: https, a host, no user; empty for all else (``javascript:``, ``file:``, …)."""
    if not isinstance(value, str) or len(value) > 1000 or not value.isprintable() or re.search(r"[\s\\\"'<>]", value):
        return ""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return ""
    safe = parts.scheme == "https" and "." in host and parts.username is None and parts.password is None
    return value if safe else ""


def landing_of(template: str, pid: str, found_doi: str) -> str:
    """A data set's page: by the catalogue's template, else where its DOI leads; empty if neither is known."""
    if template:
        return template.replace("{pid}", quote(pid, safe=""))
    return f"https://doi.org/{quote(found_doi, safe='/')}" if found_doi else ""


def file_path(directory: str, filename: str) -> str:
    """A file's path from a directory and a name, where the directory may be the whole path already. Empty if it is none.

    ``..`` and control characters are refused: such an entry names no file of this data set.
    """
    text = directory.rstrip("/")
    if filename and text.rpartition("/")[2] != filename.rpartition("/")[2]:
        text = filename if filename.startswith("/") or not text else f"{text}/{filename}"
    text = text.removeprefix("./")
    parts = text.split("/")
    if not text or len(text) > 4000 or not text.isprintable() or ".." in parts or "\\" in text:
        return ""
    return text


def directory_of(path: str) -> str:
    """The directory of an absolute path, or empty."""
    return path.rpartition("/")[0] if path.startswith("/") else ""


Line = Annotated[str, BeforeValidator(line)]
Prose = Annotated[str, BeforeValidator(prose)]
Name = Annotated[str, BeforeValidator(name)]
Exact = Annotated[str, BeforeValidator(exact)]
Identifier = Annotated[str, BeforeValidator(identifier)]
Size = Annotated[int | None, BeforeValidator(size)]
Rank = Annotated[float | None, BeforeValidator(rank)]
When = Annotated[datetime | None, BeforeValidator(moment)]
Day = Annotated[date | None, BeforeValidator(day)]
Quantity = Annotated[float | str, BeforeValidator(quantity)]
Doi = Annotated[str, BeforeValidator(doi)]
