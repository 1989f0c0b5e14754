"""A real hub, its login service's real token exchange, and a catalogue that checks the tokens it is given."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest
from fake_scicat import SciCat, proposal
from joserfc import jwt
from joserfc.jwk import KeySet
from service import Asked, Reply

from benchmarks.access_stack import Stack
from benchmarks.hubs import Session

SOURCE = """
[[sources]]
type = "scicat"
name = "SciCat"
facility = "esrf"
url = "{url}/api/v3"
audience = "scicat"
user = "oidc.{{key}}"
login_again = "1s"
timezone = "Europe/Paris"
"""
PERIOD = {"instrument": "ID22", "start": "2026-03-04T08:00:00Z", "end": "2026-03-08T08:00:00Z"}


class CheckingSciCat(SciCat):
    """Takes a token only if the login service signed it for SciCat, and hands out its own."""

    def __init__(self) -> None:
        super().__init__()
        self.provider = ""
        self.keys: KeySet | None = None
        self.refused: list[str] = []
        self.audiences: list[Any] = []
        self.members: dict[str, list[str]] = {}
        self.proposals = [
            proposal("ma1001", "ma1001", MeasurementPeriodList=[PERIOD]),
            proposal("ma1002", "ma1002", MeasurementPeriodList=[PERIOD]),
        ]

    async def answer(self, asked: Asked) -> Reply:
        if asked.path[-1] != "token":
            return await super().answer(asked)
        try:
            token = jwt.decode(asked.json["idToken"], self.keys, algorithms=["RS256", "ES256", "PS256"])
            claims = token.claims
            assert claims["iss"] == self.provider and claims["exp"] > time.time()
            self.audiences.append(claims["aud"])
            assert claims["aud"] in ("scicat", ["scicat"])
        except Exception as error:
            self.refused.append(repr(error))
            return Reply(401, {"message": "Invalid idToken"})
        who = str(claims["sub"]).partition("@")[0]
        self.accounts[who] = f"oidc.{claims['sub']}"
        self.groups[who] = self.members.get(str(claims["sub"]), [])
        return Reply(201, {"access_token": f"jwt-of-{who}-0", "userId": "1"})


async def home(session: Session) -> str:
    return (await asyncio.to_thread(session.http.get, f"{session.hub}/hub/home")).text


@pytest.mark.slow
async def test_people_see_theirs_with_their_own_exchanged_token_until_it_is_taken_away(serve, tmp_path) -> None:
    scicat = serve(CheckingSciCat())
    stack = Stack(
        tmp_path,
        sources=SOURCE.format(url=scicat.url),
        access={"recheck": "2s"},
        provider_options=["--exchange-audience", "scicat"],
    )
    stack.data("ma1001", "ma1002")
    scicat.provider = stack.issuer
    scicat.members = {stack.identity("ada"): ["ma1001"], stack.identity("bea"): ["ma1002"]}
    try:
        await asyncio.to_thread(stack.start)
        async with httpx.AsyncClient(trust_env=False) as client:
            known = (await client.get(f"{stack.issuer}/.well-known/openid-configuration")).json()
            scicat.keys = KeySet.import_key_set((await client.get(known["jwks_uri"])).json())
        for who, theirs, other in (("ada", "ma1001", "ma1002"), ("bea", "ma1002", "ma1001")):
            session = await asyncio.to_thread(stack.session, who)
            page = await home(session)
            assert f"open?proposals=esrf/{theirs}" in page
            assert other not in page
        assert scicat.refused == []
        assert set(map(str, scicat.audiences)) <= {"scicat", "['scicat']"}
        assert {asked.path[2:] for asked in scicat.asked} <= {
            ("auth", "oidc", "token"),
            ("auth", "whoami"),
            ("proposals",),
        }
        scicat.members[stack.identity("bea")] = []
        deadline = time.monotonic() + 60
        while "open?proposals=esrf/ma1002" in (page := await home(session)):
            assert time.monotonic() < deadline, page
            await asyncio.sleep(0.5)
        logs = (tmp_path / "hub.log").read_text()
        for asked in scicat.asked:
            for secret in (asked.headers.get("Authorization", "x" * 99), asked.body.decode() or "x" * 99):
                assert secret not in logs
    finally:
        await asyncio.to_thread(stack.stop)
