"""What an operator, or a test, can ask of the running login service: ``POST /control/<what>`` with its control token.

As a command, for the demo that runs here::

    .venv/bin/python deploy/demo/provider_control.py logout ada      # all of Ada's logins end, and the hub is told
    .venv/bin/python deploy/demo/provider_control.py revoke ada      # the same, but the hub is not told
    .venv/bin/python deploy/demo/provider_control.py roll-over       # a new signing key; the old one stays published
    .venv/bin/python deploy/demo/provider_control.py withdraw        # a new signing key; the old one is withdrawn
    .venv/bin/python deploy/demo/provider_control.py clock 300       # its clock is 300 s fast
"""

from __future__ import annotations

import hmac
import json
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from provider_logout import log_out
from provider_web import Handler


class Control(Handler):
    """The operator's requests. Without a control token there are none."""

    def check_xsrf_cookie(self) -> None:
        """Nothing: whoever has the token is no browser."""

    async def post(self, what: str) -> None:
        """Do it, and say what was done."""
        expected = self.provider.control_token
        if not expected or not hmac.compare_digest(self.bearer().encode(), expected.encode()):
            self.refuse(401, "invalid_token")
            return
        value = self.get_argument("value", "")
        if what in ("roll-over", "withdraw"):
            self.write({"kid": self.provider.keys.roll_over(withdraw=what == "withdraw")})
        elif what in ("logout", "revoke"):
            subject = self._subject(value)
            quietly = what == "revoke"
            ended = self.provider.revoke(subject=subject) if quietly else await log_out(self.provider, subject=subject)
            self.write({"ended": ended})
        elif what == "clock" and re.fullmatch(r"-?[0-9]{1,9}", value, re.ASCII):
            self.provider.clock_offset = float(value)
            self.write({"offset": self.provider.clock_offset})
        else:
            self.refuse(404, "unknown")

    def _subject(self, persona: str) -> str:
        """The identity of somebody, who may be suspended: then it is that of their logins."""
        person = self.provider.personas().get(persona)
        if person is not None:
            return str(person["id"])
        known = (login.session for login in self.provider.logins.values())
        return next((session.subject for session in known if session.persona == persona), "nobody")


def ask(issuer: str, token: str, what: str, value: str = "") -> dict[str, object]:
    """Ask the service at ``issuer``.

    Raises:
        OSError: if it does not answer, or refuses.
    """
    request = urllib.request.Request(
        f"{issuer}/control/{what}",
        data=urllib.parse.urlencode({"value": value}).encode(),
        headers={"Authorization": f"Bearer {token}"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return dict(json.load(answer))


def main(arguments: list[str]) -> int:
    """``provider_control.py WHAT [VALUE]`` for the demo beneath ``.demo``."""
    if not arguments:
        print(__doc__)
        return 2
    folder = Path(os.environ.get("PANOSC_DEMO_FOLDER") or Path(__file__).resolve().parents[2] / ".demo")
    try:
        port = json.loads((folder / "ports.json").read_text())["provider"]
        token = (folder / "secrets" / "control-token").read_text().strip()
        print(json.dumps(ask(f"http://127.0.0.1:{port}", token, *arguments[:2])))
    except (OSError, ValueError, KeyError) as error:
        print(f"The demo's login service did not do that: {error}. Does the demo run?", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
