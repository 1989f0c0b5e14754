"""Lists of entries: one that is wrong is left out, with a note; the others are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, core_schema

from panosc_portal.errors import CatalogueError, Outcome

MAX_RELATED = 5000
"""Related entries of one entry that are read."""
MAX_ALL_RELATED = 10_000
"""Related entries of one answer that are read: reading more would hold up everybody else."""
M = TypeVar("M", bound=BaseModel)
_GONE = object()


class Notes:
    """What was left out of one answer, counted by the reason."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._said: list[str] = []
        self._room = MAX_ALL_RELATED

    def dropped(self, reason: str) -> None:
        """One more entry that is left out."""
        if reason in self._counts or len(self._counts) < 20:
            self._counts[reason] = self._counts.get(reason, 0) + 1

    def room_for(self, entries: int) -> int:
        """How many of so many related entries may still be read."""
        granted = min(entries, MAX_RELATED, self._room)
        self._room -= granted
        if granted < entries:
            self.say("it tells more about its data sets than is shown here")
        return granted

    def say(self, words: str) -> None:
        """Words for people, once."""
        if words not in self._said:
            self._said.append(words)

    def words(self) -> tuple[str, ...]:
        """All of it, for people."""
        left_out = (
            f"{count} {'entry was' if count == 1 else 'entries were'} left out: {reason}"
            for reason, count in self._counts.items()
        )
        return (*self._said, *left_out)


class Kept:
    """For a field ``Annotated[tuple[Model, ...], Kept()]``: entries that are wrong are left out, one object counts as a list.

    ``null`` and ``{}`` are an empty list, as implementations write them for a relation without anything in it.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        entry = core_schema.with_info_wrap_validator_function(_one, handler.generate_schema(get_args(source)[0]))
        many = core_schema.with_info_before_validator_function(_as_list, core_schema.list_schema(entry))
        return core_schema.no_info_after_validator_function(_without_gone, many)


def read_entries(
    model: type[M], answer: Any, source: str, notes: Notes, *, most: int, key: Callable[[M], str] | None = None
) -> list[M]:
    """The entries of an answer that must be a list.

    Args:
        model: of one entry.
        answer: parsed JSON.
        source: the catalogue's name.
        notes: what is left out is noted there.
        most: more entries than these are left out.
        key: what tells entries apart; a second one of the same key is left out.

    Raises:
        CatalogueError: if it is no list, or none of its entries is an object.
    """
    if not isinstance(answer, list):
        raise CatalogueError(source, Outcome.GARBLED, "its answer is not a list, though its protocol says so")
    if answer and not any(isinstance(item, dict) for item in answer):
        raise CatalogueError(source, Outcome.GARBLED, "its answer is a list, but not of what was asked for")
    if len(answer) > most:
        notes.say(f"it gave more than was asked for; only the first {most} are shown")
    found: list[M] = []
    seen: set[str] = set()
    for item in answer[:most]:
        try:
            entry = model.model_validate(item, context=notes)
        except ValidationError as error:
            notes.dropped(_first(error))
            continue
        if key is not None and (name := key(entry)) in seen:
            notes.dropped("the same is there twice")
            continue
        if key is not None:
            seen.add(name)
        found.append(entry)
    return found


def read_entry(model: type[M], answer: Any, source: str, notes: Notes | None = None) -> M:
    """One entry that was asked for by name.

    Raises:
        CatalogueError: naming the first field that is not as expected, and not its value.
    """
    try:
        return model.model_validate(answer, context=notes)
    except ValidationError as error:
        raise CatalogueError(source, Outcome.GARBLED, f"its answer is not as expected ({_first(error)})") from None


def _one(value: Any, handler: Callable[[Any], Any], info: core_schema.ValidationInfo) -> Any:
    try:
        return handler(value)
    except ValidationError as error:
        if isinstance(info.context, Notes):
            info.context.dropped(_first(error))
        return _GONE


def _as_list(value: Any, info: core_schema.ValidationInfo) -> Any:
    if value is None or value == {}:
        return []
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        return value
    return value[: info.context.room_for(len(value)) if isinstance(info.context, Notes) else MAX_RELATED]


def _without_gone(values: list[Any]) -> tuple[Any, ...]:
    return tuple(value for value in values if value is not _GONE)


def _first(error: ValidationError) -> str:
    detail = error.errors(include_url=False, include_context=False, include_input=False)[0]
    # Names of fields are ours or short; what stands in the answer is not repeated.
    where = ".".join(str(part)[:40] for part in detail["loc"] if isinstance(part, int) or str(part).isidentifier())
    words = detail["msg"].removeprefix("Value error, ")
    return f"{where}: {words}" if where else words
