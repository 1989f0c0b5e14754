"""The output of one cell, put together from a kernel's messages as a notebook keeps it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

MOST_BYTES = 8 * 1024**2
"""Of one cell. What comes after is left out, and that is said."""

ALLOWANCE = 256 * 1024
"""Beyond that, for what a cell ends with: its result, or its error."""

_LEFT_OUT = "\n[The output was longer; some of the rest was left out, since nobody had the notebook open.]\n"
_MOST_PARTS = 500


@dataclass
class Outputs:
    """What a cell has put out so far."""

    count: int | None = None
    done: bool = False
    changed: bool = False
    size: int = 0
    """Of what is kept, in characters."""
    _items: list[dict[str, Any]] = field(default_factory=list)
    """As a notebook's, but for the text of streams: that is in parts, the last one its unfinished line."""
    _told: bool = False
    _clear_next: bool = False
    _displays: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def items(self) -> list[dict[str, Any]]:
        """A notebook's outputs; a copy."""
        return [
            item | {"text": "".join(item["text"])} if item["output_type"] == "stream" else deepcopy(item)
            for item in self._items
        ]

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
            self._update(content)
        elif kind == "stream":
            self._stream(str(content.get("name")), str(content.get("text")))
        elif kind in ("display_data", "execute_result", "error"):
            self._add(kind, content)

    def _clear(self) -> None:
        if self._clear_next:
            self._items.clear()
            self._displays.clear()
            self.size, self._told, self._clear_next, self.changed = 0, False, False, True

    def _update(self, content: Mapping[str, Any]) -> None:
        data, metadata = content.get("data") or {}, content.get("metadata") or {}
        for item in self._displays.get(str((content.get("transient") or {}).get("display_id")), ()):
            if self._has_room(_length(data) - _length(item["data"])):
                item |= {"data": data, "metadata": metadata}

    def _stream(self, name: str, text: str) -> None:
        self._clear()
        last = self._items[-1] if self._items else {}
        joins = last.get("output_type") == "stream" and last.get("name") == name
        # A progress bar writes its line anew, again and again: no more than that line is looked at, and counted once.
        line = last["text"][-1] if joins else ""
        tail = _overwritten(line + text)
        if not self._has_room(len(tail) - len(line)):
            return
        if not joins:
            last = {"output_type": "stream", "name": name, "text": [""]}
            self._items.append(last)
        lines, newline, rest = tail.rpartition("\n")
        parts = last["text"]
        parts[-1:] = [lines + newline, rest]
        if len(parts) > _MOST_PARTS:
            parts[:-1] = ["".join(parts[:-1])]

    def _add(self, kind: str, content: Mapping[str, Any]) -> None:
        self._clear()
        last = kind in ("execute_result", "error")
        if not self._has_room(_length(content.get("data") or content.get("traceback") or ""), ALLOWANCE if last else 0):
            return
        if kind == "error":
            item = {key: content.get(key) for key in ("ename", "evalue", "traceback")}
        else:
            item = {"data": content.get("data") or {}, "metadata": content.get("metadata") or {}}
        if kind == "execute_result":
            item["execution_count"] = content.get("execution_count")
        item = {"output_type": kind} | item
        self._items.append(item)
        if display := (content.get("transient") or {}).get("display_id"):
            self._displays.setdefault(str(display), []).append(item)

    def _has_room(self, more: int, allowance: int = 0) -> bool:
        """Whether so much more is kept; it is counted then. That something is not is said once."""
        self.changed = True
        if more <= 0 or self.size + more <= MOST_BYTES + allowance:
            self.size += more
            return True
        if not self._told:
            self._items.append({"output_type": "stream", "name": "stderr", "text": [_LEFT_OUT, ""]})
            self._told = True
        return False


def _length(value: object) -> int:
    return len(str(value))


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
