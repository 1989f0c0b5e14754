"""Who may ask, and what else is served."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth import Authorizer
from panosc_hdf5.server.extension import Extension
from panosc_hdf5.server.settings import PanoscHDF5
from server_helpers import Ask, words
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPResponse
from traitlets import TraitError
from traitlets.config import Config


@pytest.mark.parametrize("path", ["echo?path=data.h5", "status", "openapi.yaml", "live?path=data.h5", "nothing"])
async def test_without_a_token_there_is_nothing(
    http_server_client: AsyncHTTPClient, jp_base_url: str, extension: Extension, file: Path, path: str
) -> None:
    with pytest.raises(HTTPClientError) as caught:
        await http_server_client.fetch(jp_base_url + "panosc-hdf5/" + path)
    assert caught.value.code == 403
    assert not extension.pool.workers


class ReadsNothing(Authorizer):
    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        assert (action, resource) == ("read", "contents")
        return False


async def test_whose_files_may_not_be_read(
    jp_serverapp: Any, ask: Ask, jp_ws_fetch: Any, jp_fetch: Any, extension: Extension
) -> None:
    jp_serverapp.web_app.settings["authorizer"] = ReadsNothing(parent=jp_serverapp)
    response = await ask("echo")
    assert response.code == 403
    assert words(response)["code"] == "forbidden"
    for name in ("status", "openapi.yaml"):
        with pytest.raises(HTTPClientError, match="403"):
            await jp_fetch("panosc-hdf5", name)
    with pytest.raises(HTTPClientError, match="403"):
        await jp_ws_fetch("panosc-hdf5", "live", params={"path": "data.h5"})
    assert not extension.pool.workers


async def test_other_origins(
    ask: Ask, http_server_client: AsyncHTTPClient, jp_base_url: str, jp_serverapp: Any
) -> None:
    """A page elsewhere cannot read with somebody's cookie."""
    jp_serverapp.identity_provider.token = ""  # no authentication: what a logged-in browser is
    with pytest.raises(HTTPClientError, match="404"):
        await http_server_client.fetch(
            jp_base_url + "panosc-hdf5/echo?path=data.h5", headers={"Origin": "https://evil.example"}
        )


async def test_sockets_of_other_origins(ask: Ask, jp_ws_fetch: Any, jp_serverapp: Any, extension: Extension) -> None:
    jp_serverapp.identity_provider.token = ""
    with pytest.raises(HTTPClientError, match="403"):
        await jp_ws_fetch("panosc-hdf5", "live", params={"path": "data.h5"}, headers={"Origin": "https://evil.example"})
    assert extension.live.followed == 0


async def test_status(jp_fetch: Any, extension: Extension) -> None:
    found = json.loads((await jp_fetch("panosc-hdf5", "status")).body)
    assert found["version"]
    assert "gzip" in found["codecs"]
    assert found["workers"][0]["resident_bytes"] > 1e7
    assert found["workers"][0]["shared_bytes"] == 0
    assert [worker["pid"] for worker in found["workers"]] == [worker.pid for worker in extension.pool.workers]


@pytest.mark.parametrize("hdf5_settings", [{"preload": ["h5py", "hdf5plugin"]}])
async def test_status_knows_the_filters(jp_fetch: Any, extension: Extension) -> None:
    assert {"bshuf", "blosc2", "zstd"} <= set(json.loads((await jp_fetch("panosc-hdf5", "status")).body)["codecs"])


async def test_what_is_asked_wrongly(ask: Ask, jp_fetch: Any) -> None:
    response = await ask("nothing")
    assert response.code == 404
    assert "echo" in words(response)["remedy"]
    response = await ask("echo", txet="a")
    assert response.code == 400
    assert "txet" in words(response)["message"]
    with pytest.raises(HTTPClientError) as caught:
        await jp_fetch("panosc-hdf5", "echo", method="POST", body="{}")
    assert caught.value.code in (403, 405)
    assert (await ask("echo", **{"1700000000000": ""})).code == 200  # Jupyter's way around caches


async def test_a_parameter_twice(
    http_server_client: AsyncHTTPClient, jp_base_url: str, jp_auth_header: Any, ask: Ask
) -> None:
    for query in ("path=data.h5&path=other.h5", "path=%FF"):
        with pytest.raises(HTTPClientError) as caught:
            await http_server_client.fetch(jp_base_url + "panosc-hdf5/echo?" + query, headers=jp_auth_header)
        assert caught.value.code == 400
        assert caught.value.response is not None
        assert words(caught.value.response)


def test_the_server_never_imports_h5py() -> None:
    code = """
import sys
from panosc_hdf5.server import extension, handlers
assert "h5py" not in sys.modules and "hdf5plugin" not in sys.modules, "h5py is in the server"
assert "ipywidgets" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


async def longest_status(jp_fetch: Any, during: asyncio.Future[HTTPResponse]) -> float:
    """The longest time without an answer, in seconds."""
    longest, before = 0.0, time.perf_counter()
    while not during.done():
        await jp_fetch("api", "status")
        longest, before = max(longest, time.perf_counter() - before), time.perf_counter()
        await asyncio.sleep(0.005)
    return max(longest, time.perf_counter() - before)


@pytest.mark.parametrize("operation", ["sleepy", "deaf"])
async def test_the_server_answers_others_meanwhile(ask: Ask, jp_fetch: Any, operation: str) -> None:
    await ask("echo")
    await jp_fetch("api", "status")
    longest = []
    for _ in range(3):  # a machine that does much else may pause once
        begun = time.perf_counter()
        longest.append(await longest_status(jp_fetch, asyncio.ensure_future(ask(operation, seconds=0.9))))
        assert time.perf_counter() - begun > 0.8
        if longest[-1] < 0.5:  # 30 ms on a machine that does nothing else
            break
    assert min(longest) < 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"workers": 0}, "workers"),
        ({"extra_roots": ["relative"]}, "absolute"),
        ({"url_prefixes": ["ftp://x/"]}, "http"),
        ({"cache_dir": "relative"}, "absolute"),
        ({"shared_mib": 64, "reply_mib": 64}, "twice"),
    ],
)
def test_a_wrong_setting_is_said_at_the_start(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(TraitError, match=message):
        PanoscHDF5(config=Config({"PanoscHDF5": settings}))


def test_every_setting_is_explained() -> None:
    for name, trait in PanoscHDF5.class_own_traits(config=True).items():
        assert len(trait.help) > 30, name
    assert {"workers", "memory_mib", "extra_roots", "url_prefixes"} <= set(PanoscHDF5.class_own_traits(config=True))


async def test_an_oversize_question_is_refused_at_once(ask: Ask, extension: Extension) -> None:
    await ask("refused")
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        response = await ask("refused")
        times.append(time.perf_counter() - begin)
        assert response.code == 413
    assert min(times) < 0.5
    assert (await extension.pool.workers[0].measure())["shared_bytes"] == 0
