"""An instrument, wherever it comes from: a McStasScript object or an ``.instr`` file."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import InstrumentError

Value = float | int | str
_NAME = re.compile(r"DEFINE\s+INSTRUMENT\s+(\w+)\s*\(", re.IGNORECASE)
_WRITTEN = re.compile(r"^\* Date: .*$", re.MULTILINE)  # McStasScript writes the time into the source
_LOCAL = ("*.comp", "*.h", "*.c")


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
        """A hash of all that its program depends on: its source, the components and C files beside it, and what is given."""
        digest = hashlib.sha256()
        for part in (self.source, *more):
            digest.update(part.encode() + b"\0")
        for file in self.local_files():
            digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
        return digest.hexdigest()[:40]

    def local_files(self) -> list[Path]:
        """The components beside the instrument, and the C files whose names it or they say."""
        found = sorted(
            path for pattern in _LOCAL for path in (self.components or self.folder).glob(pattern) if path.is_file()
        )
        components = [
            path for path in found if path.suffix == ".comp" and re.search(rf"\b{re.escape(path.stem)}\b", self.source)
        ]
        text = self.source + "".join(path.read_text(errors="replace") for path in components)
        others = [path for path in found if path.suffix != ".comp" and path.stem in text and path.stem != self.name]
        return [*components, *others]

    def source_hash(self) -> str:
        """SHA-256 of the source, as kept in results."""
        return hashlib.sha256(self.source.encode()).hexdigest()


def _plain(value: Any) -> Value:
    """A McStasScript value as McStas takes it on the command line: strings without their quotes."""
    value = getattr(value, "magnitude", value)
    if isinstance(value, str):
        return value.strip().strip('"')
    return int(value) if isinstance(value, bool | int) else float(value)
