"""An instrument, wherever it comes from: a McStasScript object or an ``.instr`` file."""

from __future__ import annotations

import hashlib
import os
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
# Or a string, so that no statement is seen in one.
_SEARCH = re.compile(
    r'\bSEARCH\s+(?P<shell>SHELL\s*)?"(?P<folder>(?:\\.|[^"\\\n])*)"|"(?:\\.|[^"\\\n])*"', re.IGNORECASE
)
_SHELL = re.compile(r'\bSHELL\s*""', re.IGNORECASE)  # a command that may write anything; strings are emptied before


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
        """A hash of all that its program depends on: its source, the files that it is made of, and what is given.

        Where it depends on files that are not known here, every key is another one, so that nothing old is ever run.
        """
        digest = hashlib.sha256()
        files, folders = self._made_of()
        for part in (self.source, *more):
            digest.update(part.encode() + b"\0")
        for file in files:
            digest.update(file.name.encode() + b"\0" + hashlib.sha256(_bytes(file)).digest())
        text = self._text(files)
        if self._unknown(text, folders) or _SHELL.search(_STRING.sub('""', text)):
            digest.update(secrets.token_bytes())
        return digest.hexdigest()[:40]

    def local_files(self) -> list[Path]:
        """The files that it is made of: components, parts and C files that it names, and that those name.

        They are looked for beside it, and in the folders that it names by ``SEARCH "folder"``, as McStas does.
        """
        return self._made_of()[0]

    def home(self) -> Path:
        """Where its own components are, and from where a relative ``SEARCH "folder"`` leads."""
        return self.components or self.folder

    def elsewhere(self) -> str:
        """The statement by which it takes what is neither in it, nor beside it, nor in a folder there; empty if there is none."""
        files, folders = self._made_of()
        text = self._text(files)
        away = next((name for name in _searched(text) if Path(name).is_absolute() or ".." in Path(name).parts), None)
        return self._unknown(text, folders) or (f'SEARCH "{away}"' if away is not None else "")

    def _made_of(self) -> tuple[list[Path], list[Path]]:
        """The files that it is made of, and the folders where they are looked for."""
        folders = [self.home()]
        waiting = _listing(folders[0])
        found: list[Path] = []
        new = text = self.source
        while new:
            named_folders = dict.fromkeys(self.home() / name for name in _searched(_plain_text(new)))
            more = [folder for folder in named_folders if folder not in folders]
            folders += more
            waiting += [path for folder in more for path in _listing(folder)]
            heard = text if more else new  # what was read before may name what lies in a folder that is new
            included = {name for _, name in _INCLUDE.findall(heard)}
            named = [path for path in waiting if self._names(path, heard, included)]
            waiting = [path for path in waiting if path not in named]
            found += named
            new = "\n".join(map(_read, named))
            text = f"{text}\n{new}"
        return sorted(found), folders

    def _unknown(self, text: str, folders: Iterable[Path]) -> str:
        """The statement that leads to files whose names are not known here; empty if there is none."""
        if any(found["shell"] for found in _SEARCH.finditer(text)):
            return "SEARCH SHELL"
        for folder in folders:  # what cannot be listed may all the same be opened by its name
            if os.access(folder, os.X_OK) and not os.access(folder, os.R_OK):
                return f'SEARCH "{folder}"'
        for quote, name in _INCLUDE.findall(text):
            if name.startswith("/") and quote == '"':
                return f'include "{name}"'
            tried = (folder / f"{name}{ending}" for folder in folders for ending in ("", *_C))
            if "/" in name and any(path.is_file() for path in tried):
                return f'include "{name}"'
        return ""

    def _text(self, files: Iterable[Path]) -> str:
        """Its source and that of these files, without comments."""
        return "\n".join(map(_plain_text, (self.source, *map(_read, files))))

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


def _plain_text(text: str) -> str:
    """A source without its comments."""
    return _COMMENT.sub(lambda found: found[1] or " ", text)


def _searched(text: str) -> list[str]:
    """The folders that a source without comments names by ``SEARCH "folder"``."""
    found = ((one["folder"], one["shell"]) for one in _SEARCH.finditer(text))
    return [folder for folder, shell in found if not shell and folder and "\0" not in folder]


def _listing(folder: Path) -> list[Path]:
    """The files in a folder; none if it is not there."""
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_file())
    except OSError:
        return []


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
