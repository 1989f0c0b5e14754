"""A question's way to a worker and back."""

from __future__ import annotations

import gzip
import json

import numpy as np
from panosc_hdf5.core.wire import read_envelope
from server_helpers import Ask, words


async def test_json(ask: Ask) -> None:
    response = await ask("echo", text="grün")
    assert response.code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert json.loads(response.body)["text"] == "grün"


async def test_arrays_in_shared_memory(ask: Ask) -> None:
    response = await ask("array", n=3_000_000)
    assert response.headers["Content-Type"] == "application/x-panosc-hdf5"
    assert int(response.headers["Content-Length"]) == len(response.body)
    header, arrays, size = read_envelope(response.body)
    assert header == {"n": 3_000_000}
    assert size == len(response.body)
    np.testing.assert_array_equal(arrays["data"], np.arange(3_000_000) * 2654435761 % 11)
    np.testing.assert_array_equal(arrays["small"], np.arange(3))


async def test_gzip_where_it_pays(ask: Ask) -> None:
    headers = {"Accept-Encoding": "deflate, gzip"}
    response = await ask("array", n=1_000_000, headers=headers)
    assert response.headers["Content-Encoding"] == "gzip"
    assert len(response.body) < 1_000_000
    _, arrays, _ = read_envelope(gzip.decompress(response.body))
    np.testing.assert_array_equal(arrays["data"], np.arange(1_000_000) * 2654435761 % 11)
    stored = await ask("array", n=1_000_000, kind="stored", headers=headers)
    assert "Content-Encoding" not in stored.headers
    refused = await ask("array", n=1_000_000, headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in refused.headers


async def test_a_refusal_keeps_its_words(ask: Ask) -> None:
    response = await ask("refused")
    assert response.code == 413
    assert words(response) == {
        "code": "too_large",
        "message": "Too much.",
        "remedy": "Take a slice.",
        "details": {"tile": [0, 0, 512, 512]},
    }


async def test_a_bug_shows_nothing_of_the_machine(ask: Ask) -> None:
    response = await ask("bug")
    assert response.code == 500
    assert words(response)["code"] == "internal"
    assert b"secret" not in response.body


async def test_download(ask: Ask) -> None:
    response = await ask("download")
    assert response.body == b"1,2,3\n" * 2
    assert response.headers["Content-Type"] == "text/csv"
    assert response.headers["Content-Disposition"] == "attachment; filename*=utf-8''na%C3%AFve%20data.csv"
