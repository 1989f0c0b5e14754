"""What noVNC does, in a few lines: a desktop's picture, and a person's pointer and keys (RFB 3.8, RFC 6143)."""

import struct
import time

import numpy as np
import websocket

BACKGROUND = (0x2B, 0x3A, 0x47)
ALT, ESCAPE, F9 = 0xFFE9, 0xFF1B, 0xFFC6


class Desktop:
    """A connection that takes raw pixels."""

    def __init__(self, url: str) -> None:
        self.socket = websocket.create_connection(url, timeout=20, suppress_origin=True)
        self.waiting = b""
        version = self.read(12)
        assert version == b"RFB 003.008\n", version
        self.send(version)
        kinds = self.read(self.read(1)[0])
        assert 1 in kinds, f"security types {list(kinds)}: None is missing"
        self.send(b"\x01")
        assert self.read(4) == bytes(4), "refused after the handshake"
        self.send(b"\x01")
        self.width, self.height = struct.unpack(">HH", self.read(4))
        self.read(16)
        self.name = self.read(struct.unpack(">I", self.read(4))[0]).decode()
        # 32 bits, little-endian, red in the third byte; only raw rectangles.
        self.send(struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
        self.send(struct.pack(">BxHi", 2, 1, 0))

    def send(self, data: bytes) -> None:
        """Bytes for the X server."""
        self.socket.send_binary(data)

    def read(self, count: int) -> bytes:
        """That many of the X server's bytes; the page's words between them are text messages."""
        while len(self.waiting) < count:
            message = self.socket.recv()
            if isinstance(message, bytes):
                self.waiting += message
        data, self.waiting = self.waiting[:count], self.waiting[count:]
        return data

    def picture(self) -> np.ndarray:
        """The whole screen: height x width x RGB."""
        self.send(struct.pack(">BBHHHH", 3, 0, 0, 0, self.width, self.height))
        screen = np.zeros((self.height, self.width, 4), dtype=np.uint8)
        while (kind := self.read(1)[0]) != 0:
            assert kind == 2, f"unexpected message {kind}"  # a bell
        rectangles = struct.unpack(">xH", self.read(3))[0]
        for _ in range(rectangles):
            x, y, width, height, encoding = struct.unpack(">HHHHi", self.read(12))
            assert encoding == 0, f"encoding {encoding}"
            pixels = np.frombuffer(self.read(width * height * 4), dtype=np.uint8)
            screen[y : y + height, x : x + width] = pixels.reshape(height, width, 4)
        return screen[:, :, 2::-1]

    def double_click(self, x: int, y: int) -> None:
        """With the left button."""
        for pressed in (0, 1, 0, 1, 0):
            self.send(struct.pack(">BBHH", 5, pressed, x, y))
            time.sleep(0.05)

    def press(self, *keysyms: int) -> None:
        """Keys held together."""
        for down, keys in ((1, keysyms), (0, keysyms[::-1])):
            for key in keys:
                self.send(struct.pack(">BBxxI", 4, down, key))

    def wait_until_drawn(self, seconds: float = 20) -> None:
        """Until the panel is there."""
        began = time.monotonic()
        while not is_drawn(self.picture()):
            assert time.monotonic() - began < seconds, "the screen stays empty"
            time.sleep(0.05)


def is_drawn(picture: np.ndarray) -> bool:
    """Whether the panel is there: blue, at the bottom."""
    row = picture[-6].astype(int)
    return float(np.mean(row[:, 2] - row[:, 0] > 45)) > 0.5


def colours(picture: np.ndarray) -> int:
    """How many different ones."""
    red, green, blue = (picture[:, :, channel].astype(np.uint32) for channel in range(3))
    return len(np.unique(red << 16 | green << 8 | blue))


def icons(picture: np.ndarray) -> list[tuple[int, int]]:
    """Where they are on the desktop, from the top: blocks at the left that no letter is as solid as."""
    column = np.any(np.abs(picture[:, :120].astype(int) - BACKGROUND) > 40, axis=2)
    solid = [max((len(run) for run in bytes(row).split(b"\0")), default=0) >= 20 for row in column[:-40]]
    edges = np.flatnonzero(np.diff([0, *solid, 0]))
    blocks = [(top, end) for top, end in zip(edges[::2], edges[1::2], strict=True) if end - top >= 12]
    return [(int(np.flatnonzero(column[(top + end) // 2]).mean()), int(top + end) // 2) for top, end in blocks]
