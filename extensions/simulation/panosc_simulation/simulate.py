"""Running compiled instruments: once, or at all points of a scan, as many at once as there are cores."""

from __future__ import annotations

import contextlib
import datetime
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from . import compiler, cores, messages, parameters
from .bar import Bar, Clock, bar
from .errors import Cancelled, InstrumentError, RunError
from .instrument import Instrument, Value
from .mccode import McCode, find
from .monitors import Axis, Monitor, read, stack
from .process import Process
from .result import Result

NCOUNT = 1_000_000
_PAUSE = 0.03
_SHOW = 0.2
_MOST_RAYS = 10**15


@dataclass(frozen=True)
class Plan:
    """All that a simulation is: what a result keeps and a detached run stores."""

    instrument: Instrument
    scan: tuple[Axis, ...]  # none: one run
    values: dict[str, Value]  # of the parameters that stay
    ncount: int
    seed: int
    gravity: bool

    def points(self) -> list[dict[str, Value]]:
        """The values of each point; one for a plain run."""
        return (
            [{**self.values, **point} for point in parameters.points(self.scan)] if self.scan else [dict(self.values)]
        )

    def seeds(self, count: int) -> list[int]:
        """The seed of each point."""
        return [parameters.seed_of(self.seed, index) for index in range(count)] if self.scan else [self.seed]


def plan(
    instrument: Any,
    over: Mapping[str, ArrayLike] | None,
    values: Mapping[str, Value] | None,
    ncount: float | None,
    seed: int | None,
    gravity: bool | None,
) -> Plan:
    """What the person asked for; what they left out is McStasScript's setting, else a default (a random seed).

    Raises:
        InstrumentError: in words, if it makes no sense.
    """
    made = Instrument.of(instrument)
    scan = parameters.axes(over, made.units) if over is not None else ()
    rays = ncount if ncount is not None else made.settings.get("ncount") or NCOUNT
    if not 1 <= rays <= _MOST_RAYS:
        raise InstrumentError(f"The number of rays must be between 1 and 10^15, and {rays} is not.")
    chosen = seed if seed is not None else made.settings.get("seed") or secrets.randbelow(2**31 - 1) + 1
    if int(chosen) != chosen or not 0 < chosen < 2**31:
        raise InstrumentError(f"The seed must be a whole number from 1 to 2^31 - 1, and {chosen} is not.")
    falls = made.settings.get("gravity", False) if gravity is None else gravity
    given = {**made.values, **{name: parameters.plain(name, value) for name, value in (values or {}).items()}}
    for axis in scan:
        if values and axis.name in values:
            raise InstrumentError(f"The parameter {axis.name} is both given and scanned.")
        given.pop(axis.name, None)
    return Plan(made, scan, given, int(rays), int(chosen), bool(falls))


def run(
    instrument: Any,
    parameters: Mapping[str, Value] | None = None,
    *,
    ncount: float | None = None,
    seed: int | None = None,
    gravity: bool | None = None,
    output: str | Path | None = None,
    progress: bool = True,
) -> Result:
    """Compile an instrument if it is new, run it once, and return what its monitors saw.

    Args:
        instrument: a McStasScript instrument, or the path of an ``.instr`` file.
        parameters: values of its parameters; others as set in McStasScript, else their defaults.
        ncount: how many rays; McStasScript's setting, else a million.
        seed: the same seed gives the same result; a random one is chosen, and kept in the result, if there is none.
        gravity: whether neutrons fall.
        output: a NeXus file to write; it appears when it is whole.
        progress: whether to show a bar. Its *Cancel*, or interrupting the kernel, ends the program at once.

    Raises:
        SimulationError: what is wrong with the instrument, its parameters or the run, in words; `Cancelled`.
    """
    return _simulate(plan(instrument, None, parameters, ncount, seed, gravity), output, progress, 1)


def scan(
    instrument: Any,
    over: Mapping[str, ArrayLike],
    parameters: Mapping[str, Value] | None = None,
    *,
    ncount: float | None = None,
    seed: int | None = None,
    gravity: bool | None = None,
    parallel: int | None = None,
    output: str | Path | None = None,
    progress: bool = True,
) -> Result:
    """The same at all points of a scan, several at once. Two parameters span a grid.

    Args:
        instrument: as in `run`.
        over: the values of each scanned parameter, e.g. ``{"wavelength": np.linspace(1, 3, 9)}``.
        parameters: values of the others.
        ncount: rays at each point.
        seed: of the scan; each point's is made from it.
        gravity: whether neutrons fall.
        parallel: points at once; as many as this container has cores if not given.
        output: as in `run`.
        progress: as in `run`.

    Raises:
        SimulationError: as in `run`.
    """
    return _simulate(
        plan(instrument, over, parameters, ncount, seed, gravity), output, progress, parallel or cores.available()
    )


def _simulate(asked: Plan, output: str | Path | None, progress: bool, parallel: int) -> Result:
    shown = bar(asked.instrument.name, progress)
    try:
        result = execute(asked, shown, parallel)
        if output is not None:
            result.save(output)
        return result
    except Cancelled:
        shown.close("cancelled", False)
        raise
    except KeyboardInterrupt:
        shown.close("interrupted", False)
        raise
    except Exception:
        shown.close("failed", False)
        raise


def execute(
    asked: Plan,
    shown: Bar,
    parallel: int,
    done: Mapping[int, dict[str, Monitor]] | None = None,
    keep: Callable[[int, dict[str, Monitor]], None] = lambda index, monitors: None,
) -> Result:
    """Compile, run what is not done yet, put it together.

    Args:
        asked: what.
        shown: told how far it is; its `check` may stop it.
        parallel: how many points at once.
        done: points that were done before.
        keep: called with each point that is done now.
    """
    clock, started = Clock(), datetime.datetime.now(datetime.UTC)
    mccode = find(asked.instrument.flavour)
    shown.update(None, "compiling, if it is new")
    program = compiler.program(asked.instrument, mccode, shown.check)
    known = parameters.declared(program, mccode.environment())
    points = asked.points()
    values = [parameters.complete(known, point) for point in points]
    collected = dict(done or {})
    todo = [index for index in range(len(points)) if index not in collected]
    scratch = _scratch()
    try:
        pool = _Pool(asked, mccode, program, scratch, shown, len(points))
        pool.work(todo, values, parallel, collected, keep)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    fixed = {name: value for name, value in values[0].items() if name not in {axis.name for axis in asked.scan}}
    ordered = [collected[index] for index in range(len(points))]
    result = Result(
        instrument=asked.instrument.name,
        code=mccode.title,
        version=mccode.version,
        source=asked.instrument.source,
        parameters=fixed,
        units={name: unit for name, unit in asked.instrument.units.items() if unit},
        scan=asked.scan,
        ncount=asked.ncount,
        seed=asked.seed,
        gravity=asked.gravity,
        probe=mccode.probe,
        started=started.isoformat(timespec="seconds"),
        ended=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        monitors=stack(ordered, asked.scan) if asked.scan else ordered[0],
    )
    shown.close(f"done in {clock.took()}", True)
    return result


_SCRATCH = "panosc-run-"


def _scratch() -> Path:
    """A folder for what programs write, named after this process; those of processes that were killed are removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*-*"):
        owner = left.name.removeprefix(_SCRATCH).split("-")[0]
        with contextlib.suppress(OSError):
            if owner.isdigit() and left.stat().st_uid == os.getuid() and not Path(f"/proc/{owner}").exists():
                shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_SCRATCH}{os.getpid()}-"))


class _Pool:
    """Programs that run at the same time, from one thread: so that whatever stops that thread stops them all."""

    def __init__(self, asked: Plan, mccode: McCode, program: Path, scratch: Path, shown: Bar, total: int) -> None:
        self._asked, self._mccode, self._program, self._scratch = asked, mccode, program, scratch
        self._shown, self._total = shown, total
        self._running: dict[int, Process] = {}
        self._clock, self._last = Clock(), 0.0

    def work(
        self,
        todo: Sequence[int],
        values: Sequence[Mapping[str, Value]],
        parallel: int,
        collected: dict[int, dict[str, Monitor]],
        keep: Callable[[int, dict[str, Monitor]], None],
    ) -> None:
        """Run the points `todo`, and add what their monitors saw to `collected`."""
        seeds, waiting, first = self._asked.seeds(self._total), list(todo), len(collected)
        try:
            while waiting or self._running:
                while waiting and len(self._running) < parallel:
                    index = waiting.pop(0)
                    self._running[index] = self._start(index, seeds[index], values[index])
                self._shown.check()
                for index in [index for index, process in self._running.items() if process.poll() is not None]:
                    collected[index] = self._finish(index)
                    keep(index, collected[index])
                self._tell(len(collected), first)
                time.sleep(_PAUSE)
        finally:
            for process in self._running.values():
                process.kill()

    def _start(self, index: int, seed: int, values: Mapping[str, Value]) -> Process:
        scratch = self._scratch / str(index)
        scratch.mkdir()
        options = [f"--ncount={self._asked.ncount}", f"--seed={seed}", f"--dir={scratch / 'out'}"]
        if self._asked.gravity:
            options.append("--gravitation")
        command = [str(self._program), *options, *parameters.arguments(values)]
        return Process(command, self._asked.instrument.folder, scratch, self._mccode.environment())

    def _finish(self, index: int) -> dict[str, Monitor]:
        process, scratch = self._running.pop(index), self._scratch / str(index)
        status = process.poll() or 0
        monitors = read(scratch / "out") if status == 0 and (scratch / "out").is_dir() else {}
        # Some components that find their parameters wrong end the program with status 0, before any monitor wrote.
        if not monitors and (status != 0 or messages.complains(process.output())):
            free = shutil.disk_usage(scratch).free
            raise RunError(f"{self._asked.instrument.name} did not run. {messages.run(process.output(), status, free)}")
        shutil.rmtree(scratch)
        return monitors

    def _tell(self, done: int, first: int) -> None:
        now = time.monotonic()
        if now - self._last < _SHOW:
            return
        self._last = now
        rays = sum(process.rays() for process in self._running.values()) / self._asked.ncount
        whole = (done + rays) / self._total
        part = (done - first + rays) / max(self._total - first, 1)  # what was done before tells nothing about time
        words = self._clock.words(part) if part else "running"
        if first:
            words = f"{whole * 100:.0f} %" + (f", {words.split(', ', 1)[1]}" if ", " in words else "")
        if self._total > 1:
            words = f"point {min(done + 1, self._total)} of {self._total}, {words}"
        self._shown.update(whole, words)
