"""An instrument, wherever it comes from: a McStasScript object or an ``.instr`` file."""

from __future__ import annotations

import hashlib
import re
import secrets
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import InstrumentError

Value = float | int | str
_NAME = re.compile(r"DEFINE\s+INSTRUMENT\s+(\w+)\s*\(", re.IGNORECASE)
_WRITTEN = re.compile(r"^\* Date: .*$", re.MULTILINE)  # McStasScript writes the time into the source
_COMPONENT, _C = (".comp", ".cmp", ".com"), (".h", ".c")
_COMMENT = re.compile(r'("(?:\\.|[^"\\\n])*")|/\*.*?\*/|//[^\n]*', re.DOTALL)  # or a string, which has none
_INCLUDE = re.compile(r'[%#][ \t]*include[ \t]*(["<])([^">\n]+)[">]')
_STRING = re.compile(r'"(?:\\.|[^"\\\n])*"')
_SEARCH = re.compile(r'\bSEARCH\s+(?:SHELL\s*)?""', re.IGNORECASE)  # strings are emptied before
_SHELL = re.compile(r'\bSHELL\s*""', re.IGNORECASE)  # a command that may write anything


@dataclass(frozen=True)
class Instrument:
    """What is compiled and run."""

    name: str
    source: str
    folder: Path  # its data files are looked for here, and its own components
    flavour: str = "mcstas"
    values: Mapping[str, Value] = field(default_factory=dict)  # set in McStasScript
    units: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)  # McStasScript's own: ncount, seed, gravity
    components: Path | None = None  # where its own components are, if not in `folder`

    @classmethod
    def of(cls, thing: Any) -> Instrument:
        """From a McStasScript instrument, a path of an ``.instr`` file, or an `Instrument`.

        Raises:
            InstrumentError: if it is none of these, or McStasScript finds it wrong.
        """
        if isinstance(thing, Instrument):
            return thing
        if isinstance(thing, str | Path):
            return cls._from_file(Path(thing))
        if hasattr(thing, "write_full_instrument"):
            return cls._from_mcstasscript(thing)
        raise InstrumentError(
            f"An instrument is a McStasScript instrument (ms.McStas_instr) or the path of an .instr file, not {type(thing).__name__}."
        )

    @classmethod
    def _from_file(cls, path: Path) -> Instrument:
        try:
            source = path.read_text(errors="replace")
        except OSError as error:
            raise InstrumentError(f"The instrument file {path} cannot be read: {error.strerror}.") from error
        found = _NAME.search(source)
        if not found:
            raise InstrumentError(f"{path} is not an instrument: it has no “DEFINE INSTRUMENT name(…)”.")
        flavour = "mcxtrace" if re.search(r"mcxtrace", source, re.IGNORECASE) else "mcstas"
        return cls(found[1], source, path.resolve().parent, flavour)

    @classmethod
    def _from_mcstasscript(cls, thing: Any) -> Instrument:
        flavour = "mcxtrace" if getattr(thing, "package_name", "McStas") == "McXtrace" else "mcstas"
        folder = Path(thing.input_path).resolve()
        with tempfile.TemporaryDirectory() as scratch:
            thing.input_path = scratch
            try:
                thing.write_full_instrument()
            except Exception as error:
                raise InstrumentError(f"McStasScript finds the instrument {thing.name} wrong: {error}") from error
            finally:
                thing.input_path = str(folder)
            source = (Path(scratch) / f"{thing.name}.instr").read_text()
        parameters = list(thing.parameters)
        values = {one.name: _plain(one.value) for one in parameters if one.value is not None}
        units = {one.name: str(getattr(one, "unit", "") or "") for one in parameters}
        settings = getattr(thing, "_run_settings", {})
        return cls(thing.name, _WRITTEN.sub("*", source), folder, flavour, values, units, settings)

    def key(self, *more: str) -> str:
        """A hash of all that its program depends on: its source, the files beside it, and what is given.

        Where it depends on files that are not known here, every key is another one, so that nothing old is ever run.
        """
        digest = hashlib.sha256()
        text = self._text(files := self.local_files())
        for part in (self.source, *more):
            digest.update(part.encode() + b"\0")
        for file in files:
            digest.update(file.name.encode() + b"\0" + hashlib.sha256(_bytes(file)).digest())
        if self._outside(text) or _SHELL.search(_STRING.sub('""', text)):
            digest.update(secrets.token_bytes())
        return digest.hexdigest()[:40]

    def local_files(self) -> list[Path]:
        """The files beside the instrument that it is made of: components, parts and C files that it names, and that those name."""
        waiting = sorted(path for path in self._beside().glob("*") if path.is_file())
        found: list[Path] = []
        new = self.source
        while new:
            included = {name for _, name in _INCLUDE.findall(new)}
            named = [path for path in waiting if self._names(path, new, included)]
            waiting = [path for path in waiting if path not in named]
            found += named
            new = "".join(map(_read, named))
        return sorted(found)

    def elsewhere(self) -> str:
        """The statement by which it takes what is neither in it nor beside it; empty if there is none."""
        return self._outside(self._text(self.local_files()))

    def _outside(self, text: str) -> str:
        if _SEARCH.search(_STRING.sub('""', text)):
            return "SEARCH"
        for quote, name in _INCLUDE.findall(text):
            if name.startswith("/") and quote == '"':
                return f'include "{name}"'
            if "/" in name and any((self._beside() / f"{name}{ending}").is_file() for ending in ("", *_C)):
                return f'include "{name}"'
        return ""

    def _beside(self) -> Path:
        return self.components or self.folder

    def _text(self, files: Iterable[Path]) -> str:
        """Its source and that of these files, without comments."""
        return "\n".join(_COMMENT.sub(lambda found: found[1] or " ", one) for one in (self.source, *map(_read, files)))

    def _names(self, path: Path, text: str, included: set[str]) -> bool:
        """Whether this text needs that file. Rather one too many: it costs one compilation."""
        name, stem, kind = path.name, path.stem, path.suffix
        if name in included or (kind in _C and stem in included):  # %include "lib" is lib.h and lib.c
            return True
        if kind in _C and stem.endswith("-lib"):  # McStas' own components include these, and take one that lies here
            return True
        said = re.search(rf"(?<!\w){re.escape(stem)}(?!\w)", text)
        return bool(said) and (kind in _COMPONENT or (kind in _C and stem != self.name))  # name.c is what it became

    def source_hash(self) -> str:
        """SHA-256 of the source, as kept in results."""
        return hashlib.sha256(self.source.encode()).hexdigest()


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InstrumentError(
            f"The file {file}, which the instrument names, cannot be read: {error.strerror}."
        ) from error


def _read(file: Path) -> str:
    return _bytes(file).decode(errors="replace")


def _plain(value: Any) -> Value:
    """A McStasScript value as McStas takes it on the command line: strings without their quotes."""
    value = getattr(value, "magnitude", value)
    if isinstance(value, str):
        return value.strip().strip('"')
    return int(value) if isinstance(value, bool | int) else float(value)
