"""A notebook goes on with the browser closed, and its output is there afterwards.

The kernel goes on anyway; but JupyterLab alone puts its output into the notebook, and a browser that was closed does not.
So the server listens too. When the page from which a cell was run is closed, what the cell put out since the notebook was
last saved is written into the file: once a minute while it runs, and when it is done. While another page has the notebook
open (one that was reloaded, for example), it is written once, when the cell is done. A line that broke is given time to come
back, since the page then still waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jupyter_client.session import Session
from jupyter_core.utils import ensure_async
from tornado.ioloop import PeriodicCallback

from panosc_lab.outputs import Outputs

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

    from panosc_lab.connection import Execution

WRITE_SECONDS = 60.0
PATIENCE_SECONDS = 600.0
"""How long a line that broke may take to come back."""

MOST_CELLS = 300
"""Of one kernel, that are kept in mind; older ones have been saved or are lost to a page that was left open unsaved."""

MOST_BYTES = 64 * 1024**2
"""Of all cells together: the memory is that of the person's kernels. What is done and on somebody's page goes first."""

_NOTICED_SECONDS = 90.0
"""A line that broke is noticed so late, at most: two of the server's pings of 30 seconds were not answered."""

_ON_ITS_WAY_SECONDS = 2.0
"""What a page saves that soon after a cell's end may have been put together before."""


@dataclass
class Cell:
    """A cell that was run."""

    execution: Execution
    asker: str
    asked_at: float
    outputs: Outputs = field(default_factory=Outputs)
    done_at: float | None = None
    left_at: float | None = None
    """From when on nobody waits for it."""
    gone_at: float | None = None
    """From when on its page has received nothing more."""

    def is_saved(self, saved_at: float) -> bool:
        """Whether a notebook that was saved then, by a page, has this cell's output from the page that asked for it."""
        if self.done_at is None or (self.gone_at is not None and self.gone_at < self.done_at):
            return False
        return saved_at > self.done_at + _ON_ITS_WAY_SECONDS


class Afterwards:
    """Keeps what running cells put out, and writes it where nobody else does.

    Args:
        server_app: the server.
        clock: Unix time.
    """

    def __init__(self, server_app: ServerApp, clock: Callable[[], float] = time.time) -> None:
        self._app, self._clock = server_app, clock
        self._cells: dict[str, dict[str, Cell]] = {}
        self._streams: dict[str, Any] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._saves: dict[str, tuple[float, float]] = {}
        """Of each notebook: when it was last saved from here, and when by somebody else before."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._rounds = PeriodicCallback(self.round, WRITE_SECONDS * 1000)

    def begin(self) -> None:
        """Look after what is to be written, once a minute."""
        self._rounds.start()

    def came(self, kernel_id: str, asker: str) -> None:
        """A page connects to a kernel; if it is one whose line was broken, it takes over again."""
        self._listen(kernel_id)
        for cell in self._cells.get(kernel_id, {}).values():
            if cell.asker == asker:
                cell.left_at = cell.gone_at = None

    def asked(self, kernel_id: str, asker: str, execution: Execution) -> None:
        """Somebody runs a cell."""
        cells = self._cells.setdefault(kernel_id, {})
        before = [cell for cell in cells.values() if cell.execution.cell == execution.cell]
        for cell in before:
            if cell.done_at is not None:  # it is run again: what it put out then is over
                del cells[cell.execution.msg_id]
        cells[execution.msg_id] = Cell(execution, asker, self._clock())
        while len(cells) > MOST_CELLS:
            del cells[next(iter(cells))]

    def left(self, asker: str, said_goodbye: bool) -> None:
        """A page is gone: closed, or its line is broken."""
        now = self._clock()
        for kernel_id, cells in self._cells.items():
            mine = [cell for cell in cells.values() if cell.asker == asker]
            for cell in mine:
                cell.left_at = now if said_goodbye else now + PATIENCE_SECONDS
                cell.gone_at = now if said_goodbye else now - _NOTICED_SECONDS
            if mine and said_goodbye:
                self._soon(kernel_id)

    async def round(self) -> None:
        """Write what is to be written, and forget kernels that are gone."""
        for kernel_id in list(self._streams):
            if self._kernel(kernel_id) is None:
                self._streams.pop(kernel_id).close()
        for kernel_id in list(self._cells):
            await self._forget_saved(kernel_id)
            await self._write(kernel_id)
            if kernel_id not in self._streams:
                self._cells.pop(kernel_id, None)
                self._locks.pop(kernel_id, None)

    def _forget_most(self) -> None:
        """Keep no more than there is memory for, and the last cell that was done in any case."""
        size = sum(cell.outputs.size for cells in self._cells.values() for cell in cells.values())
        done = [(cells, cell) for cells in self._cells.values() for cell in cells.values() if cell.done_at is not None]
        done.sort(key=lambda found: (found[1].left_at is not None, found[1].done_at or 0.0))
        last = max((cell.done_at or 0.0 for _, cell in done), default=0.0)
        for cells, cell in done:
            if size <= MOST_BYTES:
                return
            if cell.done_at != last:
                size -= cell.outputs.size
                cells.pop(cell.execution.msg_id, None)

    async def _forget_saved(self, kernel_id: str) -> None:
        """What a page has saved by itself is not kept any longer."""
        cells = self._cells.get(kernel_id, {})
        on_page = [cell for cell in cells.values() if cell.done_at is not None and cell.gone_at is None]
        try:
            path = await self._notebook(kernel_id) if on_page else ""
            if not path:
                return
            manager: Any = self._app.contents_manager
            model = await ensure_async(manager.get(path, type="notebook", content=False))
        except Exception as error:  # a notebook that was deleted: its cells are kept, it may come back
            self._app.log.debug("The notebook of kernel %s cannot be found: %s", kernel_id, error)
            return
        saved_at = self._saved_by_others(path, _unix(model["last_modified"]))
        for cell in on_page:
            if cell.gone_at is None and cell.is_saved(saved_at):
                cells.pop(cell.execution.msg_id, None)

    def _kernel(self, kernel_id: str) -> Any:
        manager = self._app.kernel_manager
        return manager.get_kernel(kernel_id) if kernel_id in manager else None

    def _listen(self, kernel_id: str) -> None:
        kernel = self._kernel(kernel_id)
        if kernel is None or kernel_id in self._streams:
            return
        session = Session(config=kernel.session.config, key=kernel.session.key)
        stream = self._streams[kernel_id] = kernel.connect_iopub()
        stream.on_recv(lambda parts: self._hear(kernel_id, session, parts))

    def _hear(self, kernel_id: str, session: Session, parts: list[bytes]) -> None:
        cells = self._cells.get(kernel_id)
        if not cells:
            return
        try:
            _, rest = session.feed_identities(parts)
            brief = session.deserialize(rest, content=False)
            cell = cells.get(str((brief.get("parent_header") or {}).get("msg_id")))
            if cell is None:
                return
            cell.outputs.take(str(brief["header"]["msg_type"]), session.unpack(brief["content"]))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            self._app.log.debug("A message of kernel %s cannot be read: %s", kernel_id, error)
            return
        if cell.outputs.done and cell.done_at is None:
            cell.done_at = self._clock()
            self._forget_most()
            if self._is_alone(cell):
                self._soon(kernel_id)

    def _is_alone(self, cell: Cell) -> bool:
        return cell.left_at is not None and cell.left_at <= self._clock()

    def _is_open(self, kernel_id: str) -> bool:
        """Whether some page is connected to a kernel."""
        connections: dict[str, int] = getattr(self._app.kernel_manager, "_kernel_connections", {})
        return connections.get(kernel_id, 0) > 0

    def _soon(self, kernel_id: str) -> None:
        task = asyncio.ensure_future(self._write(kernel_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(self, kernel_id: str) -> None:
        """Write the outputs of cells that nobody waits for into their notebook."""
        async with self._locks.setdefault(kernel_id, asyncio.Lock()):
            cells = self._cells.get(kernel_id, {})
            waiting = [cell for cell in cells.values() if self._is_alone(cell)]
            # A file that changes every minute under an open page is asked about at each of its saves.
            held = self._is_open(kernel_id)
            changed = [cell for cell in waiting if cell.outputs.changed and (cell.done_at is not None or not held)]
            # What comes while the file is written is the next round's.
            done = [cell for cell in waiting if cell.done_at is not None]
            for cell in changed:
                cell.outputs.changed = False
            try:
                if changed:
                    await self._write_cells(kernel_id, changed)
            except Exception as error:  # a full home, a notebook that was deleted: the next round tries again
                self._app.log.warning("The output of a notebook that nobody has open could not be saved: %s", error)
                for cell in changed:
                    cell.outputs.changed = True
                return
            for cell in done:
                cells.pop(cell.execution.msg_id, None)

    async def _write_cells(self, kernel_id: str, changed: list[Cell]) -> None:
        path = await self._notebook(kernel_id)
        if not path:
            return
        manager: Any = self._app.contents_manager
        model = await ensure_async(manager.get(path, type="notebook", content=True))
        saved_at = self._saved_by_others(path, _unix(model["last_modified"]))
        cells = [cell for cell in model["content"]["cells"] if cell.get("cell_type") == "code"]
        put = [self._put(cells, cell, saved_at, path) for cell in changed]
        if any(put):
            saved = await ensure_async(
                manager.save({"type": "notebook", "format": "json", "content": model["content"]}, path)
            )
            self._saves[path] = (_unix(saved["last_modified"]), saved_at)
            self._app.log.info("Saved output in %s, which nobody has open", path)

    def _put(self, cells: list[dict[str, Any]], cell: Cell, saved_at: float, path: str) -> bool:
        """See :func:`_put`; what has no place is said once, at its end."""
        there = _place(cells, cell.execution)
        if there is None and cell.done_at is not None:
            self._app.log.warning("The output of a cell is lost: %s has no such cell (any more)", path)
        return there is not None and _put(there, cell, saved_at)

    def _saved_by_others(self, path: str, saved_at: float) -> float:
        """When somebody else than this saved a notebook last."""
        ours, others = self._saves.get(path, (0.0, 0.0))
        return others if saved_at == ours else saved_at

    async def _notebook(self, kernel_id: str) -> str:
        """The notebook that a kernel belongs to; empty if it belongs to none."""
        for session in await ensure_async(self._app.session_manager.list_sessions()):
            if session["kernel"]["id"] == kernel_id and session["type"] == "notebook":
                return str(session["path"])
        return ""


def _place(cells: Iterable[dict[str, Any]], execution: Execution) -> dict[str, Any] | None:
    """The notebook's cell that was run; None if it is not there.

    Notebooks of a format before 4.5 have no names for their cells: there, it is the only one with this code.
    """
    found = [cell for cell in cells if cell.get("id") == execution.cell]
    found = found or [cell for cell in cells if "id" not in cell and cell.get("source") == execution.code]
    return found[0] if len(found) == 1 else None


def _put(there: dict[str, Any], cell: Cell, saved_at: float) -> bool:
    """Put a cell's output into the notebook; whether that was to be done.

    A notebook that was saved after the cell had ended has it already, if by the page that asked for it, or with the number of
    this execution; a page that was opened meanwhile never got it. One that was saved with other code in the cell after this
    was run has been worked on: it is left alone.
    """
    numbered = cell.outputs.count is not None and there.get("execution_count") == cell.outputs.count
    if cell.is_saved(saved_at) or (cell.done_at is not None and saved_at > cell.done_at and numbered):
        return False
    if there.get("source") != cell.execution.code:
        if saved_at > cell.asked_at:
            return False
        there["source"] = cell.execution.code  # what was run was never saved, and would be lost
    there["outputs"] = cell.outputs.items
    there["execution_count"] = cell.outputs.count
    return True


def _unix(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
