"""One path template, such as ``{cycle}/{instrument}/exp_{proposal}/rawdata``, and the values its fields may have."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from functools import lru_cache
from pathlib import PurePosixPath

from panosc_spawner.errors import PathError
from panosc_spawner.facilities.ids import MAX_ID_LENGTH, is_safe_component, refuse_slow
from panosc_spawner.facilities.model import Paths

_DEFAULT_RULES = {
    "instrument": r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}",
    "date": r"\d{8}",
    "year": r"\d{4}",
    "cycle": r"\d{3,6}",
}
_DEFAULT_EXAMPLES = {"instrument": "id31", "date": "20230915", "year": "2023", "cycle": "231"}
_PROPOSAL = rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_ID_LENGTH - 1}}}"
_LITERAL = re.compile(r"[A-Za-z0-9._@+=-]+", re.ASCII)


class TemplateError(PathError):
    """A template, or a field's expression, that cannot work.

    Args:
        key: dotted key in the facility's file.
        reason: what is wrong with it.
        suggestion: what to write instead.
    """

    def __init__(self, key: str, reason: str, suggestion: str = "") -> None:
        self.key = key
        self.reason = reason
        self.suggestion = suggestion
        super().__init__(f"{key}: {reason}" + (f" ({suggestion})" if suggestion else ""))


class FieldRules:
    """What the fields of a facility's templates may be (``paths.fields``, ``.examples``, ``.case``).

    Raises:
        TemplateError: if an expression is none, is slow, or an example does not match its field's expression.
    """

    def __init__(self, paths: Paths) -> None:
        self._case = paths.case
        self._examples = _DEFAULT_EXAMPLES | paths.examples
        expressions = _DEFAULT_RULES | paths.fields
        if "proposal" in paths.fields:
            raise TemplateError(
                "paths.fields.proposal", "the proposal id has its own table", "write [proposals] written"
            )
        self._patterns = {name: _compiled(name, text) for name, text in expressions.items()}
        self.expressions = {name: f"(?:{text})" for name, text in expressions.items()} | {"proposal": _PROPOSAL}
        for table, names in (("examples", paths.examples), ("case", paths.case)):
            for name in names:
                if name not in expressions:
                    raise TemplateError(f"paths.{table}.{name}", "no such field", self.choices())
        for name in paths.examples:
            self.sample(name)

    def choices(self) -> str:
        """The fields that a template may use, in words."""
        return "fields are " + ", ".join(f"{{{name}}}" for name in self.expressions)

    def accept(self, name: str, value: str) -> str:
        """A field's value as it is on disk.

        Raises:
            PathError: if it is not a value that this field may have.
        """
        folded = {"lower": str.lower, "upper": str.upper}.get(self._case.get(name, "keep"), str)(value)
        # Whatever the operator's expression lets through, a value is part of one harmless path component.
        if not value.isascii() or not is_safe_component(folded) or not self._patterns[name].fullmatch(folded):
            raise PathError(f"{value[:60]!r} is not a value of {{{name}}} in a path")
        return folded

    def sample(self, name: str) -> str:
        """The field's example as it is on disk.

        Raises:
            TemplateError: if there is none that matches the field's expression.
        """
        key = f"paths.examples.{name}"
        if name not in self._examples:
            raise TemplateError(key, "a field with an expression of its own needs an example", f'write {name} = "…"')
        try:
            return self.accept(name, self._examples[name])
        except PathError as error:
            raise TemplateError(
                key, f"{self._examples[name]!r} does not match paths.fields.{name}", "give an example that does"
            ) from error


class Template:
    """A compiled path template. Fields are matched within one path component, never across ``/``.

    Args:
        key: dotted key of the template in its file, for errors.
        text: the template.
        rules: the fields it may use.

    Raises:
        TemplateError: if it cannot work.
    """

    def __init__(self, key: str, text: str, rules: FieldRules) -> None:
        self.key = key
        self.text = text
        self._rules = rules
        parts = text.split("/")
        if text.startswith("/"):
            raise TemplateError(key, "must be relative to the root", "remove the leading '/', or set the area's root")
        if any(part in {"", ".", ".."} for part in parts):
            raise TemplateError(
                key, "must not hold '..', '.' or an empty component", "write the directories' names only"
            )
        pieces = [self._pieces(part) for part in parts]
        names = [name for component in pieces for _, name in component if name]
        if "proposal" not in names:
            raise TemplateError(key, "needs {proposal}: a path must lead back to its proposal", "add {proposal}")
        self.fields = tuple(dict.fromkeys(name for name in names if name != "proposal"))
        self.depth = len(parts)
        self._components = [self._compile(component) for component in pieces]

    def render(self, values: Mapping[str, str]) -> PurePosixPath:
        """The path for values that :class:`FieldRules` accepted, relative to the root."""
        return PurePosixPath(self.text.format_map(values))

    def read(self, parts: tuple[str, ...]) -> dict[str, str] | None:
        """The values of as many path components as the template has, or None if they are not its."""
        values: dict[str, str] = {}
        for pattern, part in zip(self._components, parts, strict=True):
            match = pattern.fullmatch(part) if len(part) <= 255 else None
            if match is None:
                return None
            for name, value in match.groupdict().items():
                # The same field twice in a template is one value.
                if not is_safe_component(value) or values.setdefault(name, value) != value:
                    return None
        try:
            on_disk = {name: self._rules.accept(name, values[name]) for name in self.fields}
        except PathError:
            return None
        return values if all(values[name] == value for name, value in on_disk.items()) else None

    def _pieces(self, part: str) -> list[tuple[str, str | None]]:
        """(literal, field) pairs of one component."""
        try:
            parsed = list(string.Formatter().parse(part))
        except ValueError as error:
            raise TemplateError(self.key, f"not a template: {error}", "write fields as {proposal}") from error
        pieces: list[tuple[str, str | None]] = []
        for literal, name, spec, conversion in parsed:
            if literal and not _LITERAL.fullmatch(literal):
                raise TemplateError(self.key, f"{literal!r} cannot be part of a directory's name here", "")
            if name is not None and (spec or conversion):
                raise TemplateError(self.key, f"{{{name}}} must not have a format", f"write {{{name}}} only")
            if name is not None and name not in self._rules.expressions:
                raise TemplateError(self.key, f"unknown field {{{name}}}", self._rules.choices())
            if pieces and not literal and name and pieces[-1][1]:
                raise TemplateError(
                    self.key,
                    f"{{{pieces[-1][1]}}}{{{name}}}: nothing says where one ends",
                    "put '-', '_' or '/' between",
                )
            pieces.append((literal, name))
        return pieces

    def _compile(self, pieces: list[tuple[str, str | None]]) -> re.Pattern[str]:
        text = ""
        for literal, name in pieces:
            text += re.escape(literal)
            if name:
                # A name can be there twice in one component; the second must repeat the first.
                text += f"(?P={name})" if f"(?P<{name}>" in text else f"(?P<{name}>{self._rules.expressions[name]})"
        try:
            return re.compile(text, re.ASCII)
        except re.error as error:
            raise TemplateError(self.key, f"the expressions of its fields do not work together: {error}") from error


@lru_cache(maxsize=256)  # a plan compiles its facilities' templates anew, and the probe takes a moment
def _compiled(name: str, text: str) -> re.Pattern[str]:
    key = f"paths.fields.{name}"
    if not name.isidentifier() or not name.isascii():
        raise TemplateError(key, "a field's name is letters, digits and '_'")
    try:
        pattern = re.compile(text, re.ASCII)
        if pattern.groupindex:
            raise TemplateError(key, "must not hold named groups", "write (?:…) or no group")
        refuse_slow(pattern, key)
    except re.error as error:
        raise TemplateError(key, f"not a regular expression: {error}") from error
    except ValueError as error:
        raise TemplateError(key, str(error).partition(": ")[2]) from error
    return pattern
