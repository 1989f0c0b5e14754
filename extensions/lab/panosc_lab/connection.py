"""The browser's connection to a kernel, which tells ``afterwards`` what was asked for, and when the browser is gone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

if TYPE_CHECKING:
    from panosc_lab.afterwards import Afterwards

KEY = "panosc_lab_afterwards"
_GONE = (1000, 1001, 1005)
"""Codes with which a browser says goodbye (RFC 6455, 7.4.1): the page was closed. A line that breaks says nothing."""


@dataclass(frozen=True)
class Execution:
    """A cell that somebody ran."""

    msg_id: str
    cell: str
    code: str


def read_execution(message: Any, subprotocol: str | None) -> Execution | None:
    """The cell in a message from the browser; None if it is another message, or one that cannot be read."""
    try:
        if subprotocol == "v1.kernel.websocket.jupyter.org":
            channel, parts = deserialize_msg_from_ws_v1(message)  # type: ignore[no-untyped-call]
            if channel != "shell" or b"execute_request" not in bytes(parts[0]):
                return None
            header, metadata, content = (json.loads(bytes(parts[place])) for place in (0, 2, 3))
        elif isinstance(message, str) and '"execute_request"' in message:
            found = json.loads(message)
            header, metadata, content = found["header"], found["metadata"], found["content"]
        else:
            return None
        cell, code = metadata.get("cellId"), content["code"]
        if header["msg_type"] != "execute_request" or not isinstance(cell, str) or not isinstance(code, str):
            return None
        return Execution(str(header["msg_id"]), cell, code)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None


class KeepingConnection(ZMQChannelsWebsocketConnection):
    """Jupyter's own, and a word to :class:`Afterwards`."""

    @property
    def _afterwards(self) -> Afterwards | None:
        found: Afterwards | None = self.websocket_handler.settings.get(KEY)
        return found

    def connect(self) -> Any:
        """Begin to listen to the kernel before anything is asked of it."""
        if keeper := self._afterwards:
            keeper.came(self.kernel_id, self.session_key)
        return super().connect()

    def handle_incoming_message(self, incoming_msg: str) -> None:
        """Remember which cell a request is from."""
        if (keeper := self._afterwards) and (asked := read_execution(incoming_msg, self.subprotocol)):
            keeper.asked(self.kernel_id, self.session_key, asked)
        super().handle_incoming_message(incoming_msg)

    def disconnect(self) -> Any:
        """Whoever waited for answers is gone, unless it is back already: a broken line may end after its successor began."""
        replaced = self._open_sessions.get(self.session_key) not in (None, self.websocket_handler)
        if (keeper := self._afterwards) and not replaced:
            keeper.left(self.session_key, said_goodbye=self.websocket_handler.close_code in _GONE)
        return super().disconnect()  # type: ignore[no-untyped-call]
