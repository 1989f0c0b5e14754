"""Answers in parts."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from typing import Any

import pytest
from panosc_hdf5.core.wire import read_envelope
from panosc_hdf5.server.extension import Extension
from server_helpers import Ask, words


def envelopes(data: bytes) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    found = []
    while data:
        header, arrays, size = read_envelope(data)
        found.append((header, arrays))
        data = data[size:]
    return found


async def test_lines(ask: Ask) -> None:
    response = await ask("lines", n=3)
    assert response.headers["Content-Type"] == "application/x-ndjson"
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert [json.loads(line)["index"] for line in response.body.splitlines()] == [0, 1, 2]


async def test_no_lines(ask: Ask) -> None:
    response = await ask("lines", n=0)
    assert (response.code, response.body) == (200, b"")


async def test_lines_come_as_they_are_found(jp_fetch: Any, extension: Extension, file: Any) -> None:
    pieces: list[tuple[float, bytes]] = []
    await jp_fetch("panosc-hdf5", "echo", params={"path": "data.h5"})
    begin = time.monotonic()
    await jp_fetch(
        "panosc-hdf5",
        "lines",
        params={"path": "data.h5", "n": 4, "wait": 0.5},
        streaming_callback=lambda data: pieces.append((time.monotonic() - begin, data)),
    )
    assert len(pieces) == 4
    assert pieces[-1][0] - pieces[0][0] > 0.5, "they came together at the end"


@pytest.mark.parametrize("encoding", ["", "gzip"])
async def test_envelopes_in_one_array_that_changes(ask: Ask, encoding: str) -> None:
    response = await ask("arrays", n=4, headers={"Accept-Encoding": encoding})
    assert response.headers.get("Content-Encoding", "") == encoding
    body = gzip.decompress(response.body) if encoding else response.body
    found = envelopes(body)
    assert [header["index"] for header, _ in found] == [0, 1, 2, 3]
    for header, arrays in found:
        assert (arrays["data"] == header["index"]).all()


async def test_a_failure_in_the_middle_of_lines(ask: Ask) -> None:
    for encoding in ("", "gzip"):
        response = await ask("lines", n=2, fail=1, headers={"Accept-Encoding": encoding})
        assert response.code == 200
        body = gzip.decompress(response.body) if encoding else response.body
        *before, last = [json.loads(line) for line in body.splitlines()]
        assert len(before) == 2
        assert last["error"]["code"] == "unreadable"
        assert last["error"]["status"] == 422


async def test_a_failure_in_the_middle_of_envelopes(ask: Ask) -> None:
    for encoding in ("", "gzip"):
        response = await ask("arrays", n=2, fail=1, headers={"Accept-Encoding": encoding})
        body = gzip.decompress(response.body) if encoding else response.body
        *before, (last, arrays) = envelopes(body)
        assert len(before) == 2
        assert not arrays
        assert last["error"]["code"] == "forbidden"


async def test_a_failure_before_the_first_part_is_a_status(ask: Ask) -> None:
    response = await ask("lines", n=0, fail=1)
    assert response.code == 422
    assert words(response)["message"] == "The rest is damaged."


async def test_a_worker_that_ends_in_the_middle_is_no_end(ask: Ask, extension: Extension) -> None:
    request = asyncio.ensure_future(ask("lines", n=100, wait=0.05, headers={"Accept-Encoding": ""}))
    while not (extension.pool.workers and any(run.answered for run in extension.pool.workers[0].runs.values())):
        await asyncio.sleep(0.01)
    extension.pool.workers[0].kill()
    response = await request
    assert "error" in json.loads(response.body.splitlines()[-1])


async def test_progressive_only_where_asked(ask: Ask) -> None:
    whole = await ask("maybe")
    assert [header["index"] for header, _ in envelopes(whole.body)] == [2]
    assert "Content-Length" in whole.headers
    parts = await ask("maybe", progressive=1)
    assert [header["index"] for header, _ in envelopes(parts.body)] == [0, 1, 2]


async def test_equal_streams_are_one(ask: Ask, extension: Extension) -> None:
    await ask("echo")
    first, second = await asyncio.gather(ask("arrays", n=3), ask("arrays", n=3))
    assert first.body == second.body
    assert len(envelopes(first.body)) == 3
