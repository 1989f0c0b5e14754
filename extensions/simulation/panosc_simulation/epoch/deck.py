"""EPOCH's input decks, checked before a run: in words, and all that is wrong at once.

EPOCH itself goes on where a key is misspelt ("behaviour is undefined") and leaves out blocks that it does not know; and no
code says that a grid is too coarse for its plasma. A run of hours deserves to be told in a second.
"""

from __future__ import annotations

import ast
import difflib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import SimulationError
from .words import BLOCKS, BOUNDARIES, KEYS

MOST_BYTES = 1_000_000
"""A deck is written by hand; what is larger is another file."""

_BLOCK = re.compile(r"^\s*(begin|end)\s*:\s*([\w-]+)\s*$", re.IGNORECASE)
_TIMES = "\0"  # between a key and how often it was there before: no deck has it
_IMPORT = re.compile(r"^\s*import\s*[:=]", re.IGNORECASE)


class DeckError(SimulationError):
    """A deck that EPOCH would not run as it is meant."""


@dataclass(frozen=True)
class Problem:
    """One thing about a deck: an ``error`` stops a run, a ``warning`` is for the person to judge."""

    severity: Literal["error", "warning"]
    where: str
    words: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.words}"


@dataclass(frozen=True)
class Block:
    """One block: its kind, the line where it begins, and its keys with their values evaluated where that is possible."""

    kind: str
    line: int
    values: Mapping[str, Any]

    @property
    def title(self) -> str:
        """How it is called in words."""
        name = self.values.get("name")
        return f"{self.kind} {name} (line {self.line})" if name else f"{self.kind} (line {self.line})"


def read(text: str) -> list[Block]:
    """The blocks of a deck, in order; expressions are evaluated with the deck's own constants (by epydeck).

    Raises:
        DeckError: if it is not a deck; the words name the line.
    """
    import epydeck

    if len(text) > MOST_BYTES or "\0" in text:
        raise DeckError("This is not an input deck: it has no end of lines, or more than a megabyte.")
    found = list(_split(text))
    raw: dict[str, dict[str, Any]] = {}
    for kind, line, body in found:
        try:
            parsed: dict[str, Any] = next(iter(epydeck.loads(f"begin:{kind}\n{body}end:{kind}\n").values()), {})
        except (ValueError, RecursionError, StopIteration):
            raise DeckError(
                f"line {line}: in the block {kind} a line is not `key = value`{_odd_line(body, line)}."
            ) from None
        if len(parsed) == 1 and isinstance(named := next(iter(parsed.values())), dict):
            parsed = named
        raw[f"{kind}:{line}"] = _one_by_one(parsed)
    # 9^9^9 as a whole number would take for ever; EPOCH's numbers are floating point, too.
    epydeck.maths_parser._EVALUATOR.operators[ast.Pow] = lambda base, exponent: float(base) ** float(exponent)
    evaluated = epydeck.maths_parser.evaluate(raw)
    return [Block(kind, line, _together(evaluated[f"{kind}:{line}"])) for kind, line, _ in found]


def _one_by_one(values: Mapping[str, Any]) -> dict[str, Any]:
    """A key that is given several times as so many keys: epydeck evaluates no lists."""
    single = {key: value for key, value in values.items() if not isinstance(value, list)}
    return single | {
        f"{key}{_TIMES}{i}": one
        for key, value in values.items()
        if isinstance(value, list)
        for i, one in enumerate(value)
    }


def _together(values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        key, several, _ = name.partition(_TIMES)
        found[key] = [*found.get(key, []), value] if several else value
    return found


def _split(text: str) -> Iterator[tuple[str, int, str]]:
    kind, start, body = "", 0, ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.partition("#")[0]
        match = _BLOCK.match(line)
        if match is None:
            if kind:
                body += line + "\n"
            elif line.strip() and not _IMPORT.match(line):
                raise DeckError(
                    f"line {number}: {line.strip()[:60]!r} stands outside of a block (begin:control … end:control)."
                )
            continue
        word, name = match[1].lower(), match[2].lower()
        if word == "begin":
            if kind:
                raise DeckError(f"line {number}: begin:{name}, but the block {kind} of line {start} has no end:{kind}.")
            kind, start, body = name, number, ""
        elif name != kind:
            raise DeckError(
                f"line {number}: end:{name} ends {f'the block {kind} of line {start}' if kind else 'no block'}."
            )
        else:
            yield kind, start, body
            kind = ""
    if kind:
        raise DeckError(f"The block {kind} of line {start} has no end:{kind}.")


def _odd_line(body: str, first: int) -> str:
    for number, line in enumerate(body.splitlines(), first + 1):
        if line.strip() and len(re.split(r"=|(?<=include_species)\s*:|(?<=identify)\s*:", line.strip())) != 2:
            return f" (line {number}: {line.strip()[:60]!r})"
    return ""


def check(deck: str | Path) -> list[Problem]:
    """What is wrong with a deck, errors first.

    Args:
        deck: its text, or the path of its file.

    Raises:
        DeckError: if it cannot be read at all.
    """
    from .plasma import resolution

    text = deck.read_text(errors="replace") if isinstance(deck, Path) else deck
    blocks = read(text)
    problems = [*_words(blocks), *_needs(blocks), *_values(blocks), *resolution(blocks)]
    return sorted(problems, key=lambda one: one.severity)


def require(deck: str | Path) -> list[Problem]:
    """The warnings about a deck.

    Raises:
        DeckError: with all errors in its words, if there are any.
    """
    problems = check(deck)
    errors = [one for one in problems if one.severity == "error"]
    if errors:
        raise DeckError(
            "EPOCH would not run this deck as it is meant:\n"
            + "\n".join(f"  {one.where}: {one.words}" for one in errors)
        )
    return problems


def _near(word: str, known: frozenset[str]) -> str:
    close = difflib.get_close_matches(word.lower(), sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else "."


def _words(blocks: list[Block]) -> Iterator[Problem]:
    for block in blocks:
        if block.kind not in BLOCKS:
            yield Problem("error", block.title, f"EPOCH knows no block {block.kind}{_near(block.kind, BLOCKS)}")
            continue
        known = KEYS.get(block.kind)
        for key in block.values if known else ():
            if known and key.lower() not in known:
                yield Problem("error", block.title, f"EPOCH knows no key {key} here{_near(key, known)}")


def _needs(blocks: list[Block]) -> Iterator[Problem]:
    kinds = [block.kind for block in blocks]
    for kind in ("control", "boundaries"):
        if kinds.count(kind) != 1:
            yield Problem(
                "error", "deck", f"one block {kind} is needed, there {'is none' if kind not in kinds else 'are more'}."
            )
    if "output" not in kinds:
        yield Problem("warning", "deck", "there is no block output: the run would leave no results.")
    control = next((block for block in blocks if block.kind == "control"), None)
    if control:
        missing = [key for key in ("nx", "x_min", "x_max") if key not in control.values]
        if missing:
            yield Problem("error", control.title, f"missing: {', '.join(missing)}.")
        if "t_end" not in control.values and "nsteps" not in control.values:
            yield Problem("error", control.title, "t_end or nsteps is needed: the run would have no end.")
    for block in blocks:
        if block.kind == "species":
            for key in ("name", "mass", "charge"):
                if key not in block.values and not ("identify" in block.values and key != "name"):
                    yield Problem("error", block.title, f"{key} is missing{_UNITS.get(key, '')}.")
        if block.kind == "laser":
            for one, others in (
                ("boundary", {"direction"}),
                ("lambda", {"omega", "freq", "frequency"}),
                ("amp", _INTENSITIES),
            ):
                if one not in block.values and not others & set(block.values):
                    yield Problem("error", block.title, f"{one} is missing.")


_UNITS = {"mass": " (in electron masses)", "charge": " (in elementary charges)"}
_INTENSITIES = {"intensity", "irradiance", "intensity_w_cm2", "irradiance_w_cm2"}
_FREE = re.compile(
    r"\b(?:x|y|z|ix|iy|iz|time|t|r_xy|r_yz|r_xz|if|interpolate|density|number_density|temp\w*|e[xyz]|b[xyz])\b",
    re.IGNORECASE,
)


def _values(blocks: list[Block]) -> Iterator[Problem]:
    for block in blocks:
        for key, value in block.values.items():
            if block.kind == "boundaries" and key.startswith("bc_") and str(value).lower() not in BOUNDARIES:
                yield Problem(
                    "error", block.title, f"{key} = {str(value)[:40]} is no boundary{_near(str(value), BOUNDARIES)}"
                )
            elif _is_number(block.kind, key) and not isinstance(value, (int, float)):
                yield Problem(
                    "error", block.title, f"{key} = {str(value)[:60]} gives no number{_unknown(str(value), blocks)}."
                )
    control = next((block.values for block in blocks if block.kind == "control"), {})
    for axis in "xyz":
        low, high = control.get(f"{axis}_min"), control.get(f"{axis}_max")
        if isinstance(low, (int, float)) and isinstance(high, (int, float)) and not low < high:
            yield Problem("error", "control", f"{axis}_min = {low:g} is not smaller than {axis}_max = {high:g}.")
        cells = control.get(f"n{axis}")
        if isinstance(cells, (int, float)) and (cells < 4 or cells != math.floor(cells)):
            yield Problem("error", "control", f"n{axis} = {cells:g} must be a whole number of cells, at least 4.")


def _is_number(kind: str, key: str) -> bool:
    if kind == "control":
        return key in {
            "nx",
            "ny",
            "nz",
            "x_min",
            "x_max",
            "y_min",
            "y_max",
            "z_min",
            "z_max",
            "t_end",
            "nsteps",
            "npart",
            "dt_multiplier",
        }
    if kind == "laser":
        return key in {"lambda", "omega", "freq", "frequency", "amp", "t_start", "t_end", *_INTENSITIES}
    return kind == "species" and key in {"mass", "charge", "frac", "fraction", "npart_per_cell", "nparticles_per_cell"}


def _unknown(expression: str, blocks: list[Block]) -> str:
    """The names in an expression that neither EPOCH nor the deck defines."""
    from epydeck.maths_parser import _FUNCTIONS, CONSTANTS

    own = {key for block in blocks if block.kind in ("constant", "deck_constant") for key in block.values}
    names = dict.fromkeys(
        re.findall(r"[A-Za-z_]\w*", re.sub(r"\b\d[\d.]*e[+-]?\d+", "", expression, flags=re.IGNORECASE))
    )
    missing = [
        name
        for name in names
        if name not in own and name not in CONSTANTS and name not in _FUNCTIONS and not _FREE.fullmatch(name)
    ]
    return (
        f": {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not defined in a block constant"
        if missing
        else ""
    )
