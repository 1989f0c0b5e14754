"""One hub with people at work: what they do and see, and where an operator looks."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from faults import FaultyProxy

from benchmarks.access_stack import DAY, INSTRUMENT, Stack
from benchmarks.hubs import Session, free_ports


def until(condition: Callable[[], object], seconds: float = 20, what: str = "it") -> float:
    """Wait for something to become true; how long it took.

    Raises:
        AssertionError: if it does not.
    """
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"{what} did not happen within {seconds} s"
        time.sleep(0.2)
    return time.monotonic() - began


class World:
    """One hub with people at work."""

    clock: Path
    right_certificate: tuple[Path, Path]
    wrong_certificates: list[tuple[Path, Path]]

    def __init__(self, stack: Stack, proxy: FaultyProxy) -> None:
        self.stack, self.proxy = stack, proxy

    # -- people ---------------------------------------------------------------------------------------------------------

    def read(self, session: Session, proposal: str, server: str = "") -> int:
        """The status of reading a raw file of a proposal in a person's running server, as their browser would."""
        name = server or f"p-{proposal}"
        answer = self._get(
            session, f"/user/{session.user}/{name}/files/proposals/esrf/{proposal}/raw/{INSTRUMENT}-{DAY}/measured.txt"
        )
        if answer.status_code == 200 and f"{proposal} RAW_DATA" not in answer.text:
            return 404  # another page in its place
        return answer.status_code

    def write_in_home(self, session: Session, server: str, name: str, text: str) -> None:
        """Save a file in the home, as JupyterLab would."""
        base = f"{self.stack.url}/user/{session.user}/{server}/"
        session.http.get(f"{base}lab")
        xsrf = [cookie.value for cookie in session.http.cookies.jar if cookie.name == "_xsrf" and server in cookie.path]
        answer = session.http.put(
            f"{base}api/contents/{name}",
            json={"type": "file", "format": "text", "content": text},
            headers={"X-XSRFToken": str(xsrf[-1])},
        )
        assert answer.status_code == 201, answer.text

    def read_in_home(self, session: Session, server: str, name: str) -> str:
        """What that file holds."""
        return self._get(session, f"/user/{session.user}/{server}/files/{name}").text

    def start(self, session: Session, *proposals: str, server: str = "") -> None:
        """Open proposals, once an earlier server of that name is gone."""
        name = server or f"p-{proposals[0]}"
        until(lambda: not self.servers(session).get(name, {}).get("pending"), 60, "the end of what is under way")
        session.start(name, {"proposals": [f"esrf/{proposal}" for proposal in proposals]})

    def home(self, session: Session) -> httpx.Response:
        """The person's home page."""
        return self._get(session, "/hub/home")

    def is_logged_in(self, session: Session) -> bool:
        """Whether their browser still is."""
        page = self.home(session)
        return page.status_code == 200 and f'user: "{session.user}"' in page.text

    def servers(self, session: Session) -> dict[str, dict[str, object]]:
        """The person's servers, as the hub's API tells them."""
        found = session.api("GET", f"users/{session.user}").json()["servers"]
        return {str(name): server for name, server in found.items()}

    def try_to_log_in(self, person: str, *, warned: bool = True) -> str:
        """The page that somebody ends on who wants to log in; empty where their browser reaches nobody.

        With ``warned = False`` they click away whatever their browser says about certificates.
        """
        authorities = self.stack.authorities
        verify = ssl.create_default_context(cafile=authorities) if authorities and warned else warned
        with httpx.Client(follow_redirects=True, timeout=90, trust_env=False, verify=verify) as browser:
            try:
                page = browser.get(f"{self.stack.url}/hub/oauth_login?community=demo")
                if choice := re.search(r'name="choice" value="([^"]+)"', page.text):
                    form = {"choice": choice.group(1), "persona": person}
                    page = browser.post(f"{self.stack.issuer}/authorize", data=form)
            except httpx.TransportError:
                return ""
            return page.text

    def _get(self, session: Session, path: str) -> httpx.Response:
        """A page; where the login service cannot be reached by a browser that is sent there, nothing."""
        try:
            return session.http.get(f"{self.stack.url}{path}")
        except httpx.TransportError:
            return httpx.Response(599, text="")

    # -- operators ------------------------------------------------------------------------------------------------------

    def metric(self, line: str) -> bool:
        """Whether this line is in the metrics now. ``name{…} >0`` means any value above it."""
        if line.endswith(" >0"):
            found = re.search(rf"^{re.escape(line[:-3])} (\S+)$", self.stack.metrics(), re.MULTILINE)
            return found is not None and float(found.group(1)) > 0
        return line in self.stack.metrics().splitlines()

    def log(self) -> str:
        """The hub's log."""
        return self.stack.hub.log.read_text(errors="replace")

    def audited(self, event: str, **fields: str) -> bool:
        """Whether such a line is in the audit log."""
        return any(
            line["event"] == event and all(str(line.get(name)) == value for name, value in fields.items())
            for line in self.stack.audit()
        )

    def set_clock(self, shift: str) -> None:
        """Let the hub's clock go by so much more or less, such as ``+30m``."""
        self.clock.write_text(f"{shift}\n")

    @contextmanager
    def listener(self) -> Iterator[FaultyProxy]:
        """Somebody else's machine, which writes down what reaches it."""
        with FaultyProxy("http://127.0.0.1:9", free_ports(1)[0]) as other:
            other.set("500")
            yield other


MakeWorld = Callable[..., World]
