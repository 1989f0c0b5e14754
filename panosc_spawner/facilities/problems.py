"""pydantic's errors as an operator reads them: file, dotted key, reason, and what to write instead."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.layers import Layer, Table, blame, step_into

Key = tuple[str | int, ...]

_NAMED_IN_TEXT = re.compile(r"([a-z_]+(?:\.[a-z_]+)*): (.+)", re.DOTALL)


def in_words(
    error: ValidationError, model: type[BaseModel], data: Table, layers: Sequence[Layer]
) -> list[ConfigurationError]:
    """One ConfigurationError for each of pydantic's; unknown keys first, as a misspelt one explains a missing one."""
    ordered = sorted(error.errors(), key=lambda details: details["type"] != "extra_forbidden")
    told = [details for details in ordered if not _follows(details, ordered)]
    return [_one_in_words(details, model, data, layers) for details in told]


def _follows(details: ErrorDetails, others: Sequence[ErrorDetails]) -> bool:
    """Whether a list is too short only because what stands in it is wrong, which is told by itself."""
    loc = details["loc"]
    return details["type"] == "too_short" and any(
        len(other["loc"]) > len(loc) and other["loc"][: len(loc)] == loc for other in others
    )


def _one_in_words(
    details: ErrorDetails, model: type[BaseModel], data: Table, layers: Sequence[Layer]
) -> ConfigurationError:
    key = _key_in_file(details["loc"], data, missing=details["type"] == "missing")
    reason, suggestion = details["msg"].replace("Input should be", "must be"), ""
    if details["type"] == "extra_forbidden":
        reason, suggestion = "unknown key", _nearest(str(key[-1]), _fields_at(model, details["loc"][:-1]))
    elif details["type"] == "missing":
        reason, suggestion = "is missing", _description(model, details["loc"])
    elif details["type"] == "value_error":
        reason = str(details["ctx"]["error"])
        # A check of a whole table says itself which of its keys is wrong.
        if named := _NAMED_IN_TEXT.fullmatch(reason):
            key, reason = (*key, *named[1].split(".")), named[2]
    elif details["type"] in {"literal_error", "enum"}:
        suggestion = _nearest(str(details["input"]), re.findall(r"'([^']+)'", details["ctx"]["expected"]))
        reason = f"{str(details['input'])[:60]!r} is not one of {details['ctx']['expected']}"
    elif details["type"] in {"union_tag_not_found", "union_tag_invalid"}:
        tag = details["ctx"]["discriminator"].strip("'")
        expected = details["ctx"].get("expected_tags", "")
        key, reason = (
            (*key, tag),
            f"must be one of {expected}" if expected else "is missing: it says which rule this is",
        )
    return ConfigurationError(blame(layers, key), _dotted(key), reason, suggestion)


def _key_in_file(loc: Key, data: Table, missing: bool) -> Key:
    """Pydantic's location without its own words (``[key]``, names of union members), which no file holds."""
    key: list[str | int] = []
    value: Any = data
    for index, part in enumerate(loc):
        try:
            value = step_into(value, part)
        except LookupError:
            if not (missing and index == len(loc) - 1):
                continue
        key.append(part)
    return tuple(key)


def _dotted(key: Key) -> str:
    text = ""
    for part in key:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that a value of this type may be or hold: ``dict[str, Environment] | None`` holds Environment."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in typing.get_args(annotation) for model in _models_in(argument)]


def _models_at(model: type[BaseModel], loc: Key) -> list[type[BaseModel]]:
    models = [model]
    for part in loc:
        fields = [found.model_fields[part] for found in models if part in found.model_fields]
        if fields:
            models = [inner for field in fields for inner in _models_in(field.annotation)]
        else:
            # A union's tag ('file', 'nss') leaves only the member it names.
            models = [found for found in models if _is_tagged(found, part)] or models
    return models


def _is_tagged(model: type[BaseModel], tag: str | int) -> bool:
    return any(
        tag in typing.get_args(field.annotation)
        for name, field in model.model_fields.items()
        if name in {"kind", "type"}
    )


def _fields_at(model: type[BaseModel], loc: Key) -> list[str]:
    return sorted(
        {field.alias or name for found in _models_at(model, loc) for name, field in found.model_fields.items()}
    )


def _description(model: type[BaseModel], loc: Key) -> str:
    """The field's own help text: the model is the manual."""
    for found in _models_at(model, loc[:-1]):
        if isinstance(loc[-1], str) and (field := found.model_fields.get(loc[-1])) and field.description:
            return field.description
    return ""


def _nearest(word: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
