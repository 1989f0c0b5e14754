"""The checklist's hub: as operators run it, with two communities, two facilities and people who should not meet."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from browser_steps import Browser
from hub_process import Hub
from idp import free_port
from support_op import CLIENT_ID, ControlledProvider

SECRET_WAIT = 60.0
PROPOSALS = """
[[proposal]]
facility = "esrf"
proposal = "ma1234"
title = "Ada's alone"
[[proposal.visit]]
instrument = "ID31"
start = 2026-03-04
[[proposal.team]]
person = "{ada}"
role = "pi"
[[proposal]]
facility = "ill"
proposal = "8-04-923"
title = "By groups alone"
[[proposal.visit]]
instrument = "D22"
start = 2026-05-30
cycle = "261"
"""
GROUPS = """
[[sources]]
type = "entitlements"
name = "Groups"
facility = "ill"
issuer = "{issuer}"
namespace = "{namespace}"
group = ["hub", "ill", "proposals"]
"""
ALSO = """
admins = ["{olga}"]
[[login.also]]
community = "{id}"
issuer = "{issuer}"
client_id = "{client_id}"
client_secret_file = "{secret_file}"
"""
DIRECTORIES = (
    *(f"esrf/ma1234/id31/20260304/{area}" for area in ("RAW_DATA", "PROCESSED_DATA", "NOBACKUP", "SCRIPTS")),
    *(f"ill/261/d22/exp_8-04-923/{area}" for area in ("rawdata", "processed")),
)


class Person(Browser):
    """Somebody's browser at the hub."""

    def __init__(self, bench: Bench, **options: Any) -> None:
        super().__init__(**options)
        self.bench, self.url = bench, bench.hub.url

    def log_in(self, subject: str, op: ControlledProvider | None = None, next: str = "/hub/test/who") -> httpx.Response:
        """Log in as this subject; where that ends."""
        op = op or self.bench.op
        op.person = subject
        return self.get(f"{self.url}/hub/oauth_login", params={"community": op.id, "next": next})

    def intercepted(self, subject: str, op: ControlledProvider | None = None, **arguments: str) -> str:
        """Log in, but stop where the provider sends the browser back: that address, which the hub has not seen."""
        op = op or self.bench.op
        op.person = subject
        begun = self.get(
            f"{self.url}/hub/oauth_login", params={"community": op.id, **arguments}, follow_redirects=False
        )
        back = self.get(begun.headers["location"], follow_redirects=False)
        return back.headers["location"]

    def who(self) -> dict[str, Any] | None:
        """Who the hub thinks this is; None: nobody."""
        answer = self.get(f"{self.url}/hub/test/who", follow_redirects=False)
        if answer.status_code != 200:
            assert answer.status_code in (302, 303), (answer.status_code, answer.text[:300])
            return None
        known: dict[str, Any] = answer.json()
        return known

    def xsrf(self) -> str:
        """The token that the hub's forms hold."""
        found = re.search(r'xsrf_token: "([^"]+)"', self.get(f"{self.url}/hub/home").text)
        assert found
        return found[1]

    def api(self, method: str, path: str, token: str = "", **options: Any) -> httpx.Response:
        """Ask the hub's API: as its own pages do, or with a token."""
        headers = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
        headers |= {"Authorization": f"token {token}"} if token else {"X-XSRFToken": self.xsrf()}
        return self.request(method, f"{self.url}/hub/api/{path}", headers=headers, **options)

    def open(self, proposals: str, **fields: str) -> httpx.Response:
        """Start a server as the page does."""
        return self.post(f"{self.url}/hub/open", data={"_xsrf": self.xsrf(), "proposals": proposals, **fields})


@dataclass
class Bench:
    """The hub and its providers."""

    folder: Path
    hub: Hub
    op: ControlledProvider
    other: ControlledProvider

    @contextmanager
    def person(self, key: str = "", **claims: Any) -> Iterator[Person]:
        """A new browser; logged in, if it is somebody's."""
        with Person(self) as browser:
            if key:
                answer = browser.log_in(self.op.add(key, **claims))
                assert answer.status_code == 200, answer.text[:1000] + self.hub.log()[-3000:]
            yield browser

    def stop(self) -> None:
        self.hub.stop()
        self.op.stop()
        self.other.stop()


def start_bench(folder: Path, **settings: Any) -> Bench:
    """Start all of it. ``settings`` are :meth:`Hub.write_site`'s."""
    hub = Hub(folder, free_port())
    op, other = ControlledProvider("op", folder), ControlledProvider("other", folder)
    bench = Bench(folder, hub, op, other)
    for directory in DIRECTORIES:
        (folder / "data" / directory).mkdir(parents=True)
    try:
        write_site(bench, **settings)
        hub.start()
    except BaseException:
        bench.stop()
        raise
    return bench


def write_site(bench: Bench, *, admins: bool = True, **settings: Any) -> None:
    """The hub's site."""
    op, other = bench.op, bench.other
    also = ALSO.format(
        olga=op.add("olga"), id=other.id, issuer=other.issuer, client_id=CLIENT_ID, secret_file=other.secret_file
    )
    bench.hub.write_site(
        op,  # type: ignore[arg-type]
        proposals=PROPOSALS.format(ada=op.add("ada")),
        login=also if admins else also.replace("admins", "# admins"),
        more=GROUPS.format(issuer=op.issuer, namespace=op.namespace),
        **settings,
    )
    file = bench.hub.folder / "site" / "communities" / f"{other.id}.toml"
    file.write_text(other.community(), encoding="utf-8")


def start_server(person: Person, proposals: str = "esrf/ma1234", seconds: float = SECRET_WAIT) -> str:
    """Start a server and wait until it is up; its name."""
    page = person.open(proposals)
    assert page.status_code == 200, page.text[:2000]
    me = person.who()
    assert me is not None
    deadline = time.monotonic() + seconds
    while True:
        servers = person.api("GET", f"users/{me['name']}").json()["servers"]
        ready = [name for name, server in servers.items() if server["ready"]]
        if ready:
            return ready[0]
        assert time.monotonic() < deadline, person.bench.hub.log()[-4000:]
        time.sleep(0.3)


def stop_servers(person: Person) -> None:
    """Leave nothing running."""
    me = person.who()
    assert me is not None
    for name in person.api("GET", f"users/{me['name']}").json()["servers"]:
        person.api("DELETE", f"users/{me['name']}/servers/{name}")


def is_here(location: str, hub: str) -> bool:
    """Whether a browser that is sent to this address, as browsers read addresses, stays at the hub."""
    address = re.sub(r"[\t\n\r]", "", location).replace("\\", "/").strip("".join(map(chr, range(33))))
    if re.match(r"[a-z][a-z0-9+.-]*:", address, re.I) or address.startswith("//"):
        return urlsplit(address)[:2] == urlsplit(hub)[:2]
    return True


def processes_with(environment: bytes) -> list[int]:
    """The processes whose environment holds this."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if environment in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def as_json(value: object) -> str:
    """For looking for a text in something."""
    return json.dumps(value, ensure_ascii=False)
