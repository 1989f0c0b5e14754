"""Fields of services' answers as types, so that a model says what is expected and pydantic says what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, StrictBool, ValidationError

from panosc_spawner.errors import SourceError
from panosc_spawner.proposals.http.too_much import TooMuchError

MAX_TEXT = 300
M = TypeVar("M", bound=BaseModel)


class Item(BaseModel):
    """An entry of an answer. What we do not read may be anything: catalogues add fields."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def _clean(value: Any) -> str:
    """Text for people: no control characters, no invisible ones that turn the order of letters around, not endless."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError("must be text")
    return "".join(letter if letter.isprintable() else " " for letter in value[: 4 * MAX_TEXT]).strip()[:MAX_TEXT]


def _exact(value: Any) -> str:
    """Text that is compared with something: as it is, or none at all."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")
    return value


def _moment(value: Any) -> datetime | None:
    if value in (None, ""):
        return None
    if not isinstance(value, str) or len(value) > 40:
        raise ValueError("must be a time (ISO 8601)")
    try:
        return datetime.fromisoformat(value.strip())
    except ValueError as error:
        raise ValueError("must be a time (ISO 8601)") from error


def _words(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ValueError("must be a list of texts")
    return tuple(value)


Text = Annotated[str, BeforeValidator(_clean)]
Exact = Annotated[str, BeforeValidator(_exact)]
Number = Annotated[int, BeforeValidator(_number)]
Moment = Annotated[datetime | None, BeforeValidator(_moment)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Flag = StrictBool


def read(model: type[M], value: Any, source: str) -> M:
    """One entry.

    Raises:
        SourceError: naming the first field that is not as expected, and not its value.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise SourceError(source, f"its answer is not as expected: {_first(error)}") from None


def read_list(model: type[M], value: Any, source: str, limit: int) -> list[M]:
    """A list of entries; more than ``limit`` are an error.

    Raises:
        SourceError: also if it is not a list.
    """
    if not isinstance(value, list):
        raise SourceError(source, f"its answer is not as expected: {_kind(value)} instead of a list")
    if len(value) > limit:
        raise TooMuchError(source, f"it lists more than {limit} entries (max_items)")
    return [read(model, item, source) for item in value]


def day_of(moment: datetime | None, zone: ZoneInfo | None) -> date | None:
    """The day of a time, at the facility if its zone is known, else as it is written."""
    if moment is None:
        return None
    try:
        return (moment.astimezone(zone) if zone and moment.tzinfo else moment).date()
    except OverflowError:  # the first or last day of the calendar
        return moment.date()


def with_zone(moment: datetime | None, zone: ZoneInfo | None) -> datetime | None:
    """A time that can be compared: one without offset is the facility's, or else UTC."""
    if moment is None or moment.tzinfo:
        return moment
    return moment.replace(tzinfo=zone or UTC)


def _first(error: ValidationError) -> str:
    detail = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part)[:40] for part in detail["loc"])
    words = detail["msg"].removeprefix("Value error, ")
    return f"{where}: {words}" if where else words


def _kind(value: Any) -> str:
    return {type(None): "nothing", str: "text", Mapping: "an object", dict: "an object"}.get(type(value), "a value")
