"""One answer for equal questions that are asked at the same time, and none for questions that a newer one replaces."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from panosc_hdf5.core.errors import Cancelled, HDF5Error
from panosc_hdf5.server.parts import Part, Question
from panosc_hdf5.server.pool import Pool, Run


class Superseded(Cancelled):
    """A newer question of the same slot took this one's place."""

    status = 409
    default_code = "superseded"


class Flight:
    """An answer on its way, for all who asked for it. A part is released when everybody has sent it.

    Args:
        landed: called once when nobody can join any more.
    """

    def __init__(self, landed: Callable[[], object]) -> None:
        self.run: Run | None = None
        self.trailing = b""
        self._landed: Callable[[], object] | None = landed
        self._parts: list[Part] = []
        self._released = 0
        self._ended = False
        self._error: HDF5Error | None = None
        self._readers: set[Reader] = set()

    def join(self) -> Reader:
        """One more who wants the answer, from its first part."""
        reader = Reader(self)
        self._readers.add(reader)
        return reader

    @property
    def readers(self) -> int:
        """How many want it."""
        return len(self._readers)

    # Sink

    def part(self, part: Part) -> None:
        """The next part came."""
        if not self._readers:
            part.release()
            return
        self._parts.append(part)
        self._ended = self._ended or part.last
        self._wake()

    def end(self, trailing: bytes) -> None:
        """The last part has come."""
        self.trailing = trailing
        self._ended = True
        self._wake()

    def fail(self, error: HDF5Error, last_words: bytes = b"") -> None:
        """No more will come."""
        self._error = error
        self.trailing = last_words
        self._ended = True
        self._close()
        self._wake()

    # for its readers

    def have(self, index: int) -> bool:
        """Whether a reader need not wait."""
        return index < len(self._parts) or self._ended

    def get(self, index: int) -> Part | None:
        """A part; None after the last one.

        Raises:
            HDF5Error: it failed.
        """
        if index < len(self._parts):
            return self._parts[index]
        if self._error is not None:
            raise self._error
        return None

    def moved(self) -> None:
        """A reader went on: release what all have sent."""
        if not self._readers:
            return
        low = min(reader.sent for reader in self._readers)
        while self._released < low:
            self._close()
            self._parts[self._released].release()
            self._released += 1

    def left(self, reader: Reader, pool: Pool) -> None:
        """A reader does not want more. Without any, the work is cancelled."""
        self._readers.discard(reader)
        if self._readers:
            self.moved()
            return
        self._close()
        for part in self._parts[self._released :]:
            part.release()
        self._released = len(self._parts)
        if self.run is not None:
            pool.cancel(self.run)

    def _close(self) -> None:
        if self._landed is not None:
            landed, self._landed = self._landed, None
            landed()

    def _wake(self) -> None:
        for reader in self._readers:
            reader.wake()


class Reader:
    """One who reads an answer. Made by :meth:`Flight.join`."""

    def __init__(self, flight: Flight) -> None:
        self.flight = flight
        self.sent = 0
        self._given = 0
        self._aborted: HDF5Error | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def next(self) -> Part | None:
        """The next part; the one before is not needed any more. None after the last one.

        Raises:
            HDF5Error: the answer failed, or this reader was aborted.
        """
        self.sent = self._given
        self.flight.moved()
        while self._aborted is None and not self.flight.have(self._given):
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._aborted is not None:
            raise self._aborted
        part = self.flight.get(self._given)
        if part is not None:
            self._given += 1
        return part

    def abort(self, error: HDF5Error) -> None:
        """Make :meth:`next` raise, now."""
        self._aborted = self._aborted or error
        self.wake()

    def wake(self) -> None:
        """Something has changed."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Desk:
    """Takes questions, and asks the pool what nobody asks already."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.asked = 0
        self.joined = 0
        self._flights: dict[tuple[object, ...], Flight] = {}

    def ask(self, question: Question) -> Reader:
        """A reader of the answer; to be given back by :meth:`leave`.

        Raises:
            Unreadable: the question is in quarantine.
        """
        key = question.key
        flight = self._flights.get(key)
        if flight is not None:
            self.joined += 1
            return flight.join()
        flight = Flight(lambda: self._flights.pop(key, None))
        reader = flight.join()
        flight.run = self.pool.ask(question, flight)
        self._flights[key] = flight
        self.asked += 1
        return reader

    def leave(self, reader: Reader) -> None:
        """The reader has all, or does not want more."""
        reader.flight.left(reader, self.pool)


class Slots:
    """Who is the latest in each slot: of a slider's questions only the last one matters."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], Callable[[HDF5Error], None]] = {}

    def take(self, slot: tuple[str, str], abort: Callable[[HDF5Error], None]) -> None:
        """Be the latest: who was is aborted now."""
        before = self._held.get(slot)
        self._held[slot] = abort
        if before is not None:
            before(Superseded("A newer request took the place of this one."))

    def leave(self, slot: tuple[str, str], abort: Callable[[HDF5Error], None]) -> None:
        """It is over."""
        if self._held.get(slot) == abort:
            del self._held[slot]
