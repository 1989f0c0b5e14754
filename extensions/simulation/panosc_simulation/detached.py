"""Runs that outlive the notebook: each a process of its own and a folder in ``~/simulations``.

    ~/simulations/<run>/request.json   what was asked
                        instrument/    its source, and the files beside it that it is made of
                        status.json    how far it is; replaced by rename every few seconds while it runs
                        points/        what is done, a file each
                        result.nxs     when all is done
                        lock           locked while a process works on the run
                        log.txt        what that process printed

A browser that is closed or a kernel that restarts changes nothing. What was done before a crash is kept; `resume` goes on.
"""

from __future__ import annotations

import fcntl
import html
import json
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from .bar import bar, duration
from .errors import SimulationError
from .instrument import Instrument, Value
from .result import Result
from .simulate import plan

_START_SECONDS = 20.0
_SILENT_SECONDS = 60.0
ENDED = ("done", "failed", "cancelled", "stopped")


def folder() -> Path:
    """Where runs are: ``PANOSC_SIMULATIONS``, else ``~/simulations``."""
    return Path(os.environ.get("PANOSC_SIMULATIONS") or Path.home() / "simulations")


@dataclass(frozen=True)
class Run:
    """One run, as it is when asked about."""

    id: str
    path: Path

    @property
    def status(self) -> dict[str, Any]:
        """What it last said; ``state`` is waiting, running, done, failed, cancelled, or stopped (its process is gone)."""
        said: dict[str, Any] = {"state": "waiting", "fraction": 0.0, "words": "", "started": 0.0, "heartbeat": 0.0}
        try:
            told = json.loads((self.path / "status.json").read_text())
            kinds = {key: (int, float) if isinstance(value, float) else (str,) for key, value in said.items()}
            said |= {key: value for key, value in told.items() if isinstance(value, kinds.get(key, (object,)))}
        except (OSError, ValueError, AttributeError):
            pass
        begun = said["state"] == "running" or time.time() - said["started"] > _START_SECONDS
        if said["state"] in ("waiting", "running") and begun and not is_held(self.path):
            said = {**said, "state": "stopped", "words": "its process is gone; resume goes on where it was"}
        return said

    @property
    def state(self) -> str:
        """The state alone."""
        return str(self.status["state"])

    def result(self) -> Result:
        """What it gave.

        Raises:
            SimulationError: if it is not done.
        """
        said = self.status
        if said["state"] != "done":
            raise SimulationError(f"The run {self.id} has no result: {said['state']}. {said['words']}")
        return Result.load(self.path / "result.nxs")

    def log(self) -> str:
        """What its process printed, at most the last 100 kB."""
        try:
            return (self.path / "log.txt").read_text(errors="replace")[-100_000:]
        except OSError:
            return ""

    def __repr__(self) -> str:
        said = self.status
        return f"{self.id}: {said['state']} {said['fraction'] * 100:.0f} %  {said['words']}"


class Runs(list[Run]):
    """All runs, newest first; a table in a notebook."""

    def __repr__(self) -> str:
        return "\n".join(map(repr, self)) or f"There are no runs in {folder()}."

    def _repr_html_(self) -> str:
        if not self:
            return f"<p>There are no runs in {html.escape(str(folder()))}.</p>"
        head = "<tr><th>run</th><th>state</th><th>done</th><th>for</th><th></th></tr>"
        return f"<table><thead>{head}</thead><tbody>{''.join(map(_row, self))}</tbody></table>"


def _row(one: Run) -> str:
    said = one.status
    last = time.time() if said["state"] == "running" else said["heartbeat"]
    cells = (one.id, said["state"], f"{said['fraction'] * 100:.0f} %", duration(last - said["started"]), said["words"])
    return "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>"


def runs() -> Runs:
    """All runs in the person's home, newest first."""
    found = [path.parent for path in folder().glob("*/request.json")]
    found.sort(key=lambda path: (path / "request.json").stat().st_mtime, reverse=True)
    return Runs(Run(path.name, path) for path in found)


def get(run: str | Run) -> Run:
    """A run by its name, or by a beginning that only one has.

    Raises:
        SimulationError: if there is none, or more than one.
    """
    if isinstance(run, Run):
        return run
    found = [one for one in runs() if one.id == run] or [one for one in runs() if one.id.startswith(run)]
    if len(found) != 1:
        names = ", ".join(one.id for one in (found or runs())[:5]) or "none"
        raise SimulationError(
            f"{len(found) or 'No'} run{'s' if len(found) > 1 else ''} of that name: {run}. There are: {names}."
        )
    return found[0]


def submit(
    instrument: Any,
    over: Mapping[str, ArrayLike] | None = None,
    parameters: Mapping[str, Value] | None = None,
    *,
    ncount: float | None = None,
    seed: int | None = None,
    gravity: bool | None = None,
    name: str | None = None,
) -> Run:
    """Start a run or a scan that goes on when the notebook is closed or its kernel restarts.

    Args:
        instrument: as in `run`; its source and the components and parts that it is made of are copied, data files are read where they are.
        over: what to scan, as in `scan`; a single run if not given.
        parameters: as in `run`.
        ncount: as in `run`.
        seed: as in `run`.
        gravity: as in `run`.
        name: how its folder begins; the instrument's name if not given.

    Returns:
        The run. `attach` shows how far it is and waits; `cancel` stops it.

    Raises:
        SimulationError: if it makes no sense, cannot be kept, or needs files that are neither beside the instrument nor in a folder there.
    """
    asked = plan(instrument, over, parameters, ncount, seed, gravity)
    if statement := asked.instrument.elsewhere():
        raise SimulationError(
            "A run that goes on by itself takes the files that its instrument is made of along, and finds only those beside it,"
            f" or in a folder there that SEARCH names: {statement} leads elsewhere. Put these files into"
            f" {asked.instrument.home()}, and name them without a folder; or use run or scan."
        )
    request = {
        "kind": "mccode",
        "name": asked.instrument.name,
        "flavour": asked.instrument.flavour,
        "data": str(asked.instrument.folder),
        "units": dict(asked.instrument.units),
        "over": {axis.name: axis.values.tolist() for axis in asked.scan} if over is not None else None,
        "values": asked.values,
        "ncount": asked.ncount,
        "seed": asked.seed,
        "gravity": asked.gravity,
    }
    return _create(name or asked.instrument.name, request, asked.instrument)


def submit_command(command: Sequence[str], name: str) -> Run:
    """Start any program as such a run: it works in the run's folder, what it prints is in ``output.txt``.

    Args:
        command: the program and its arguments; not a shell's line.
        name: how the run's folder begins.
    """
    if isinstance(command, str) or not command:
        raise SimulationError('A command is a list: ["program", "argument", …].')
    return _create(name, {"kind": "command", "name": name, "command": [str(part) for part in command]}, None)


def _create(name: str, request: Mapping[str, Any], instrument: Instrument | None) -> Run:
    safe = re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-.")[:60] or "run"
    path = folder() / f"{safe}-{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:4]}"
    try:
        (path / "instrument").mkdir(parents=True)
        if instrument:
            for file in instrument.local_files():
                kept = path / "instrument" / file.relative_to(instrument.home())
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, kept)
            (path / "instrument" / f"{instrument.name}.instr").write_text(instrument.source)
        (path / "request.json").write_text(json.dumps(request))
    except BaseException as error:
        shutil.rmtree(path, ignore_errors=True)
        if isinstance(error, OSError):
            raise SimulationError(f"The run cannot be kept in {path}: {error.strerror}.") from error
        raise
    made = Run(path.name, path)
    _start(made)
    return made


def _start(one: Run) -> None:
    """Start its process: in a session of its own, and no child of this kernel."""
    write_status(
        one.path,
        {"state": "waiting", "started": time.time(), "heartbeat": time.time(), "fraction": 0.0, "words": "starting"},
    )
    (one.path / "cancel").unlink(missing_ok=True)
    with (one.path / "log.txt").open("ab") as log:
        started = subprocess.run(
            [sys.executable, "-P", "-m", "panosc_simulation.runner", str(one.path)],
            cwd=one.path,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            check=False,
        )
    if started.returncode != 0:
        raise SimulationError(f"The run {one.id} could not be started: {one.log().strip()[-500:]}")


def write_status(path: Path, status: Mapping[str, Any]) -> None:
    """Replace a run's status.json: whoever reads it sees the old one or the new one."""
    part = path / f".status.{os.getpid()}"
    part.write_text(json.dumps(status))
    part.replace(path / "status.json")


def is_held(path: Path) -> bool:
    """Whether a process works on the run. On a file system without locks: whether it said in the last minute that it runs."""
    try:
        with (path / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        try:
            said = json.loads((path / "status.json").read_text())
            return said["state"] == "running" and time.time() - float(said["heartbeat"]) < _SILENT_SECONDS
        except (OSError, ValueError, KeyError, TypeError):
            return False
    return False


def resume(run: str | Run) -> Run:
    """Go on with a run that was killed, cancelled or failed: points that were done stay done."""
    one = get(run)
    if is_held(one.path):
        return one
    result = one.path / "result.nxs"
    if result.exists() or one.state == "done":
        raise SimulationError(f"The run {one.id} is done: its result is in {result if result.exists() else one.path}.")
    _start(one)
    return one


def cancel(run: str | Run, wait: float = 10.0) -> Run:
    """Stop a run; the points that it has done stay in its folder.

    Args:
        run: which.
        wait: seconds to wait until it has stopped.
    """
    one = get(run)
    if one.state in ENDED:
        return one
    (one.path / "cancel").touch()
    end = time.monotonic() + wait
    while is_held(one.path) and time.monotonic() < end:
        time.sleep(0.05)
    return one


def attach(run: str | Run, progress: bool = True) -> Result | Run:
    """Show how far a run is, wait for it, and return its result; for another program's run, the run.

    Interrupting the kernel ends the waiting, not the run; so does the button.

    Raises:
        SimulationError: if the run failed, was cancelled, or its process is gone.
    """
    one = get(run)
    shown = bar(one.id, progress, "Stop waiting", f"Not waiting any more; the run goes on: attach({one.id!r}).")
    while (said := one.status)["state"] not in ENDED:
        shown.check()
        shown.update(said["fraction"], said["words"])
        time.sleep(0.2)
    shown.close(said["words"] or said["state"], said["state"] == "done")
    if said["state"] != "done":
        raise SimulationError(f"The run {one.id} {_ENDINGS[said['state']]}. {said['words']}")
    return one.result() if (one.path / "result.nxs").exists() else one


_ENDINGS = {"failed": "failed", "cancelled": "was cancelled", "stopped": "was stopped"}
