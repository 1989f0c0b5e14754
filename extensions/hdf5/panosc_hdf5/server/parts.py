"""What travels between a worker and who sends its answer on: questions, parts of answers, and who takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from panosc_hdf5.core.errors import HDF5Error
from panosc_hdf5.core.wire import Depends


@dataclass(frozen=True)
class Question:
    """What a worker is asked.

    Attributes:
        operation: its name.
        parameters: as the operation takes them; ``path`` is real and confined, or a URL that is allowed.
        file: what decides which worker is asked, and what is quarantined: the file, as it is now.
        gzip: whether the asker understands it.
        seconds: how long it may take.
    """

    operation: str
    parameters: Mapping[str, str]
    file: tuple[object, ...]
    gzip: bool = False
    seconds: float = 30.0

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for questions that have one answer."""
        return (self.operation, self.file, tuple(sorted(self.parameters.items())), self.gzip)


@dataclass(eq=False)
class Part:
    """One part of an answer; its bytes lie in the memory shared with the worker until it is released."""

    views: list[memoryview]
    media_type: str
    gzip: bool
    last: bool
    filename: str = ""
    cacheable: bool = True
    depends: tuple[Depends, ...] = ()
    give_back: Callable[[], None] | None = field(default=None, repr=False)

    @property
    def nbytes(self) -> int:
        """How many bytes it has."""
        return sum(view.nbytes for view in self.views)

    def release(self) -> None:
        """The bytes were sent, or nobody wants them. Harmless the second time."""
        self.views = []
        if self.give_back is not None:
            give_back, self.give_back = self.give_back, None
            give_back()


class Sink(Protocol):
    """Who takes an answer: parts, then an end or a failure; called in the event loop."""

    def part(self, part: Part) -> None:
        """Another part; to be released."""

    def end(self, trailing: bytes) -> None:
        """No more parts; the last bytes of the stream."""

    def fail(self, error: HDF5Error, last_words: bytes = b"") -> None:
        """No more parts, and why; the words are what ends a stream that has begun."""
