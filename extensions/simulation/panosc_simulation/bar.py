"""Progress with a *Cancel* button in a notebook, and as plain text where there is no front end."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any, Protocol, TextIO

from .errors import Cancelled


class Bar(Protocol):
    """What a run tells how far it is."""

    def update(self, fraction: float | None, words: str) -> None:
        """Show how far it is: 0 to 1, or None if that is not known."""

    def close(self, words: str, good: bool) -> None:
        """Show how it ended."""

    def check(self) -> None:
        """Raise `Cancelled` if the person does not want the result any more."""


class Silent:
    """Shows nothing."""

    def update(self, fraction: float | None, words: str) -> None:
        """Nothing."""

    def close(self, words: str, good: bool) -> None:
        """Nothing."""

    def check(self) -> None:
        """Nothing."""


class Text:
    """One line that is rewritten on a terminal; elsewhere a line each tenth."""

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        self._title, self._stream = title, stream or sys.stdout
        self._terminal, self._shown = self._stream.isatty(), ""

    def update(self, fraction: float | None, words: str) -> None:
        """Show it."""
        step = "" if fraction is None else f"{int(fraction * 10) * 10} %"
        if self._terminal:
            self._stream.write(f"\r\x1b[K{self._title}: {words}")
        elif step and step != self._shown:
            self._stream.write(f"{self._title}: {words}\n")
        self._shown = step or self._shown
        self._stream.flush()

    def close(self, words: str, good: bool) -> None:
        """Show how it ended."""
        self._stream.write(f"{chr(13) + chr(27) + '[K' if self._terminal else ''}{self._title}: {words}\n")
        self._stream.flush()

    def check(self) -> None:
        """A terminal has Ctrl-C."""


class Widget:
    """A bar of ipywidgets. Its button works while the cell runs: JupyterLab sends clicks to a thread of the kernel (JEP 91)."""

    def __init__(self, title: str, cancel: str, said: str) -> None:
        import ipywidgets as widgets
        from IPython.display import display

        self._cancelled, self._said = threading.Event(), said
        self._bar = widgets.FloatProgress(min=0, max=1, layout=widgets.Layout(width="16em"))
        self._words = widgets.Label("starting", layout=widgets.Layout(flex="1"))
        self._button = widgets.Button(description=cancel, icon="stop", tooltip=cancel)
        self._button.on_click(self._on_click)
        _heard_while_busy(self._button)
        display(widgets.HBox([widgets.Label(title), self._bar, self._button, self._words]))  # type: ignore[no-untyped-call]

    def _on_click(self, _: Any) -> None:
        self._cancelled.set()
        self._button.disabled = True
        self._words.value = "stopping"

    def update(self, fraction: float | None, words: str) -> None:
        """Show it."""
        if fraction is not None:
            self._bar.value = fraction
        self._words.value = words

    def close(self, words: str, good: bool) -> None:
        """Show how it ended."""
        self._bar.value = 1.0 if good else self._bar.value
        self._bar.bar_style = "success" if good else "danger"
        self._words.value = words
        self._button.layout.display = "none"

    def check(self) -> None:
        """Raise `Cancelled` if the button was pressed."""
        if self._cancelled.is_set():
            raise Cancelled(self._said)


def _heard_while_busy(widget: Any) -> None:
    """Let a widget's messages go to the thread that the front end chose, not behind the cell that made the widget.

    ipykernel 7.4 sends answers to where a comm spoke last (`BaseComm._reply_subshell_for`), which is the busy main thread. Older
    ones keep no such note.
    """
    if widget.comm is not None:
        vars(widget.comm).pop("_reply_subshell_id", None)


_STOPPED = "Stopped as you asked. Nothing of it was kept."


def bar(title: str, show: bool = True, cancel: str = "Cancel", said: str = _STOPPED) -> Bar:
    """The bar that fits where this runs.

    Args:
        title: what is computed.
        show: False for none.
        cancel: what its button says.
        said: what the exception says when it was pressed.
    """
    if not show:
        return Silent()
    return Widget(title, cancel, said) if _in_notebook() else Text(title)


def _in_notebook() -> bool:
    try:
        import ipywidgets  # noqa: F401
        from IPython import get_ipython
    except ImportError:
        return False
    return hasattr(get_ipython(), "kernel")


class Clock:
    """How long it took, and how long it takes yet."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def words(self, fraction: float) -> str:
        """E.g. “42 %, 10 s left”. The time left is told once it can be known: after a second and 2 %, or ten seconds."""
        elapsed = time.monotonic() - self._start
        percent = f"{min(fraction, 1) * 100:.0f} %"
        if elapsed < 1 or fraction <= 0 or (fraction < 0.02 and elapsed < 10):
            return percent
        return f"{percent}, {duration(elapsed / fraction - elapsed)} left"

    def took(self) -> str:
        """E.g. “1 min 5 s”."""
        return duration(time.monotonic() - self._start)


def duration(seconds: float) -> str:
    """A time in words: “0.4 s”, “12 s”, “3 min 5 s”, “2 h 10 min”."""
    if seconds < 9.5:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
