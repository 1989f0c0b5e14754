"""The output of one cell, put together from a kernel's messages as a notebook keeps it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_BYTES = 8 * 1024**2
"""Of one cell. What comes after is left out, and that is said."""

_LEFT_OUT = "\n[The output was longer; the rest was left out, since nobody had the notebook open.]\n"


@dataclass
class Outputs:
    """What a cell has put out so far."""

    items: list[dict[str, Any]] = field(default_factory=list)
    count: int | None = None
    done: bool = False
    changed: bool = False
    _size: int = 0
    _clear_next: bool = False
    _displays: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def take(self, kind: str, content: Mapping[str, Any]) -> None:
        """Take in one message of the kernel's (Jupyter's messaging protocol, IOPub)."""
        if kind == "status":
            self.done = self.done or content.get("execution_state") == "idle"
        elif kind == "execute_input":
            self.count = content.get("execution_count")
            self.changed = True
        elif kind == "clear_output":
            self._clear_next = True
            if not content.get("wait"):
                self._clear()
        elif kind == "update_display_data":
            for item in self._displays.get(str((content.get("transient") or {}).get("display_id")), ()):
                item |= {"data": content.get("data") or {}, "metadata": content.get("metadata") or {}}
                self.changed = True
        elif kind == "stream":
            self._stream(str(content.get("name")), str(content.get("text")))
        elif kind in ("display_data", "execute_result", "error"):
            self._add(kind, content)

    def _clear(self) -> None:
        if self._clear_next:
            self.items.clear()
            self._displays.clear()
            self._size, self._clear_next, self.changed = 0, False, True

    def _stream(self, name: str, text: str) -> None:
        self._clear()
        if not self._has_room(len(text)):
            return
        last = self.items[-1] if self.items else {}
        if last.get("output_type") == "stream" and last.get("name") == name:
            last["text"] = _overwritten(last["text"] + text)
        else:
            self.items.append({"output_type": "stream", "name": name, "text": _overwritten(text)})

    def _add(self, kind: str, content: Mapping[str, Any]) -> None:
        self._clear()
        if not self._has_room(len(str(content.get("data") or content.get("traceback") or ""))):
            return
        if kind == "error":
            item = {key: content.get(key) for key in ("ename", "evalue", "traceback")}
        else:
            item = {"data": content.get("data") or {}, "metadata": content.get("metadata") or {}}
        if kind == "execute_result":
            item["execution_count"] = content.get("execution_count")
        item = {"output_type": kind} | item
        self.items.append(item)
        if display := (content.get("transient") or {}).get("display_id"):
            self._displays.setdefault(str(display), []).append(item)

    def _has_room(self, size: int) -> bool:
        full = self._size > MOST_BYTES
        self._size += size
        self.changed = True
        if self._size > MOST_BYTES and not full:
            self.items.append({"output_type": "stream", "name": "stderr", "text": _LEFT_OUT})
        return self._size <= MOST_BYTES


def _overwritten(text: str) -> str:
    """As a terminal shows it: a progress bar that went back to the beginning of its line is one line."""
    if "\r" not in text:
        return text
    lines = text.replace("\r\n", "\n").split("\n")
    # What follows a carriage return is still to come in the last line; it is kept until something does.
    shown = [line.rstrip("\r").rpartition("\r")[2] for line in lines[:-1]]
    last = lines[-1]
    end = "\r" if last.endswith("\r") else ""
    return "\n".join([*shown, last.rstrip("\r").rpartition("\r")[2] + end])
