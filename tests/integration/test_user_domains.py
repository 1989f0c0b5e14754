"""Names of their own for people's servers, at a real hub with a real JupyterLab: to a browser another site than the hub."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks.access_stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]


class Names(httpx.HTTPTransport):
    """Every name is this machine, as a wildcard in DNS says."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        here = request.url.copy_with(host="127.0.0.1")
        sent = httpx.Request(request.method, here, headers=request.headers, stream=request.stream)
        sent.extensions = request.extensions
        return super().handle_request(sent)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Stack]:
    # As hub.user_domains does, which wants a name: there is no wildcard here.
    stack = Stack(tmp_path, config="c.JupyterHub.subdomain_host = c.JupyterHub.public_url")
    stack.data("ma1001")
    stack.grant({"ma1001": ["ada"]})
    try:
        yield stack.start()
    finally:
        stack.stop()


def test_a_server_is_at_its_own_name_only_and_opens_for_its_owner_only(hub: Stack) -> None:
    ada, bea = hub.session("ada"), hub.session("bea")
    for somebody in (ada, bea):
        somebody.http._transport.close()
        somebody.http._transport = Names()
    ada.api("POST", f"users/{ada.user}/servers/p-ma1001", json={"proposals": ["esrf/ma1001"]})
    path = f"/user/{ada.user}/p-ma1001"
    own = hub.url.replace("//", f"//{ada.user}.") + path
    deadline = time.monotonic() + 90
    while "version" not in ada.http.get(f"{own}/api").text and time.monotonic() < deadline:
        time.sleep(0.5)
    page = ada.http.get(f"{own}/lab", headers={"Sec-Fetch-Mode": "navigate"})
    assert (page.status_code, str(page.url).partition("?")[0]) == (200, f"{own}/lab"), page.text[:500]
    assert "content" in ada.http.get(f"{own}/api/contents").json()
    there = ada.http.get(f"{hub.url}{path}/api/contents", follow_redirects=False)
    assert "content" not in there.text and "/hub/user/" in there.headers["location"], (
        "the hub's name is the hub's alone"
    )
    assert f'href="{own}' in ada.http.get(f"{hub.url}/hub/home").text
    # The hub's login does not go to where somebody's programs answer (its number of the session, which opens nothing, does),
    # and nobody else gets in there.
    hubs = bea.http.build_request("GET", f"{hub.url}/hub/home").headers["cookie"]
    assert "jupyterhub-hub-login=" in hubs and "login" not in bea.http.build_request("GET", own).headers["cookie"]
    assert bea.http.get(f"{own}/lab", headers={"Sec-Fetch-Mode": "navigate"}).status_code in (403, 404)
    for somebody in (ada, bea):
        somebody.close()
