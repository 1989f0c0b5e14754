"""Catalogues for the search's benchmarks: the PaNOSC search API over HTTP on loopback, each with its own delay, one hung, one garbage.

A process of its own, so that what it costs is not measured as ours::

    python -m benchmarks.search_fakes 50 120 400 hung garbage

prints one line of JSON, ``{"ports": [...]}``, and serves until its input is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from urllib.parse import parse_qs, urlsplit

HELD = 120
"""Data sets that each catalogue has for every question."""


@contextlib.contextmanager
def fake_catalogues(kinds: Sequence[str]) -> Iterator[list[str]]:
    """Run them; their addresses, in order. A kind is a delay in milliseconds, ``hung`` or ``garbage``."""
    command = [sys.executable, "-m", "benchmarks.search_fakes", *kinds]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            ports = json.loads(process.stdout.readline())["ports"]
            yield [f"http://127.0.0.1:{port}/api" for port in ports]
        finally:
            process.stdin.close()
            process.wait(timeout=10)


def _dataset(source: int, number: int) -> dict[str, object]:
    technique = ("PaNET01188", "PaNET01101", "PaNET01207")[number % 3]
    return {
        "pid": f"20.500.{source}/{number:05d}",
        "title": f"Ferrofluid in a rotating field, run {number} at instrument {source}",
        "isPublic": True,
        "creationDate": f"20{15 + number % 10}-0{1 + number % 9}-11T09:30:00.000Z",
        "size": 1_000_000 * (1 + number),
        "score": 0,
        "instrument": {"pid": f"i{source}", "name": f"ID{source:02d}", "facility": f"Facility {source}"},
        "techniques": [
            {"pid": technique, "name": "technique", "panetId": f"http://purl.org/pan-science/PaNET/{technique}"}
        ],
        "parameters": [
            {"id": f"a{number}", "name": "incident_wavelength", "value": 0.1 + number % 7, "unit": "nm"},
            {"id": f"b{number}", "name": "sample_temperature", "value": 280 + number % 40, "unit": "K"},
        ],
        "samples": [{"pid": f"s{number}", "name": "magnetite in oil", "description": "10 vol-% in a capillary"}],
    }


class _Fake:
    def __init__(self, source: int, kind: str) -> None:
        self.kind = kind
        self.delay = int(kind) / 1000 if kind.isdigit() else 0.0
        self.entries = [json.dumps(_dataset(source, number)) for number in range(HELD)]
        self.random = random.Random(source)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if self.kind == "hung":
                    await reader.read()
                    break
                await asyncio.sleep(self.delay)
                body = self._answer(head.split(b" ", 2)[1].decode()).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
                )
                writer.write(body)
                await writer.drain()
        writer.close()

    def _answer(self, target: str) -> str:
        if self.kind == "garbage":
            return "[" * self.random.randint(
                1, 50
            ) + '{"pid": 1, "title": [], "isPublic": "perhaps"' * self.random.randint(0, 50)
        parts = urlsplit(target)
        if parts.path.endswith("/count"):
            return f'{{"count":{HELD}}}'
        asked = json.loads(parse_qs(parts.query).get("filter", ["{}"])[0])
        skip, limit = int(asked.get("skip") or 0), int(asked.get("limit") or HELD)
        return f"[{','.join(self.entries[skip : skip + limit])}]"


async def _main(kinds: Sequence[str]) -> None:
    servers = [
        await asyncio.start_server(_Fake(number, kind).serve, "127.0.0.1", 0, limit=256 * 1024, backlog=1024)
        for number, kind in enumerate(kinds)
    ]
    print(json.dumps({"ports": [server.sockets[0].getsockname()[1] for server in servers]}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)  # with all that hangs


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1:]))
