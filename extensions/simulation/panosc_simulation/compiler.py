"""From an instrument to a program: McStas' generator, then the C compiler, unless the cache has it."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from functools import cache as once
from importlib.resources import files
from pathlib import Path

from . import cache, messages
from .errors import InstrumentError
from .instrument import Instrument
from .mccode import FLAGS, McCode
from .process import Process

Check = Callable[[], None]
_LOOP = "particleN._uid = pidx;"
_COUNT = "{ extern volatile unsigned long long panosc_ray; panosc_ray = pidx; } "


def program(instrument: Instrument, mccode: McCode, check: Check = lambda: None) -> Path:
    """The instrument's program, compiled if the cache does not have it.

    Args:
        instrument: what to compile.
        mccode: with what.
        check: called some twenty times a second while this waits; what it raises stops the compiler at once.

    Raises:
        InstrumentError: the line or the component that is wrong, in words.
    """
    helper = files(__package__).joinpath("progress.c").read_text()
    depends = (
        mccode.flavour,
        mccode.version,
        str(mccode.resources),
        " ".join(FLAGS),
        _compiler(mccode.compiler),
        helper,
    )
    key = instrument.key(*depends, secrets.token_hex() if mccode.own else "")
    return cache.build(cache.folder(), key, lambda work: _make(instrument, mccode, helper, work, check), check)


@once
def _compiler(path: Path) -> str:
    """What tells two compilers apart without starting one: where it is, and its own size and time."""
    status = path.resolve().stat()
    return hashlib.sha256(f"{path.resolve()} {status.st_size} {status.st_mtime_ns}".encode()).hexdigest()


def _make(instrument: Instrument, mccode: McCode, helper: str, work: Path, check: Check) -> Path:
    source, code, made = work / f"{instrument.name}.instr", work / f"{instrument.name}.c", work / "program"
    source.write_text(instrument.source)
    (work / "progress.c").write_text(helper)
    beside = str(instrument.home())
    # In the instrument's folder, as by hand: from there a relative SEARCH leads, and a SHELL command starts.
    translate = [str(mccode.generator), "-t", "-o", str(code), "-I", beside, str(source)]
    status, output = _finish(translate, work, mccode, check, instrument.home())
    if status != 0 or not code.exists():
        known = sorted(path.stem for path in mccode.resources.rglob("*.comp"))
        raise InstrumentError(
            f"{instrument.name} is not right. {messages.translation(output, instrument.source, known)}"
        )
    text = code.read_text(errors="replace").replace(str(source), source.name)
    if text.count(_LOOP) == 1:  # another version's loop: no progress, but everything else
        text = text.replace(_LOOP, _COUNT + _LOOP)
    code.write_text(text)
    command = [str(mccode.compiler), *FLAGS, "-I", beside, "-o", made.name, code.name, "progress.c"]
    status, output = _finish([*command, *mccode.link_flags(text), "-lm", "-lpthread"], work, mccode, check)
    if status != 0:
        why = messages.compilation(output, code.read_text(errors="replace"), instrument.source)
        raise InstrumentError(f"{instrument.name} does not compile. {why}")
    return made


def _finish(
    command: list[str], work: Path, mccode: McCode, check: Check, folder: Path | None = None
) -> tuple[int, str]:
    process = Process(command, folder or work, work, {**mccode.environment(), "TMPDIR": str(work)})
    try:
        while (status := process.poll()) is None:
            check()
            time.sleep(0.05)
        return status, process.output()
    except BaseException:
        process.kill()
        raise
