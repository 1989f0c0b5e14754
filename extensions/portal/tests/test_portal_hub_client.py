"""How the portal asks the hub: what goes where, and what is made of answers that are none."""

from __future__ import annotations

import asyncio
import json
import logging
from base64 import b64decode
from typing import Any

import httpx
import pytest
from panosc_portal import hub_lines
from panosc_portal.errors import HubError
from panosc_portal.hub import Login
from panosc_portal.hub_client import MAX_ANSWER, HubAddresses, HubClient, _parts, free_names
from pydantic import SecretStr

ADA = Login("p-ada", SecretStr("secret-token-of-ada"))
AT = HubAddresses(
    "http://127.0.0.1:8081/hub/api", "http://127.0.0.1:8000", "service-portal", SecretStr("portal-secret")
)
KEY = {"key": "opens-this-server-alone"}
SERVER = {"name": "p-ma1", "url": "/user/p-ada/p-ma1/", "ready": True, "proposals": ["esrf/ma1"], "environment": "e/b"}
REPORT = {
    "proposals": [
        {
            "ref": "esrf/ma1",
            "title": "Rust",
            "role": "pi",
            "source": "List",
            "instruments": ["ID22"],
            "start": "2026-03-04",
            "end": None,
            "access_ends": "2027-01-01T00:00:00+00:00",
            "more": "later versions say more",
        }
    ],
    "servers": [SERVER],
    "troubles": ["ILL did not answer."],
}
DATA = {
    "ref": "esrf/ma1",
    "areas": [{"area": "raw", "path": "/data/ma1/raw", "root": "/data", "label": "id22-1", "read_only": True}],
    "uid": 2001,
    "gid": 2001,
    "groups": [3],
    "warnings": [],
}


class TheHub:
    """Answers by path; remembers what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.asked = answers, []
        self.home: dict[str, bytes] = {}

    def client(self) -> HubClient:
        return HubClient(AT, httpx.MockTransport(self))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        answer = self.answer(request)
        if not answer.is_closed:
            return answer
        stream = httpx.ByteStream(answer.content)  # as it comes from a network: not read yet
        return httpx.Response(answer.status_code, headers=answer.headers, stream=stream)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if "/api/contents/" in request.url.path:
            return self.contents(request)
        answer = self.answers.get(request.url.path.rpartition("/")[2])
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return answer
        return httpx.Response(200, json=answer) if answer is not None else httpx.Response(404)

    def contents(self, request: httpx.Request) -> httpx.Response:
        """As jupyter_server: PUT writes over, PATCH refuses a name that is taken."""
        path = request.url.path.partition("/api/contents/")[2]
        said = json.loads(request.content) if request.content else {}
        if request.method == "PUT":
            if said["type"] == "file":
                self.home[path] = b64decode(said["content"])
            return httpx.Response(201, json={})
        if request.method == "PATCH":
            if said["path"] in self.home:
                return httpx.Response(409, json={"message": "File already exists"})
            self.home[said["path"]] = self.home.pop(path)
            return httpx.Response(200, json={})
        self.home.pop(path, None)
        return httpx.Response(204)


async def test_it_asks_with_the_persons_token_on_loopback() -> None:
    hub = TheHub(me={"username": "p-ada", "display_name": "Ada"}, person=REPORT, data=DATA, token={"token": "t"})
    client = hub.client()
    assert await client.who(ADA.token) == Login("p-ada", ADA.token, "Ada")
    report = await client.person(ADA)
    assert report.proposals[0].instruments == ("ID22",)
    assert report.proposals[0].access_ends is not None and report.proposals[0].access_ends.year == 2027
    assert report.servers[0].proposals == ("esrf/ma1",)
    assert report.troubles == ("ILL did not answer.",)
    data = await client.data(ADA, "esrf/ma1", "download")
    assert (str(data.areas[0].path), data.areas[0].label, data.uid, data.groups) == (
        "/data/ma1/raw",
        "id22-1",
        2001,
        (3,),
    )
    assert (await client.catalogue_token(ADA, "ill")).get_secret_value() == "t"
    assert [f"{request.method} {request.url}" for request in hub.asked] == [
        "GET http://127.0.0.1:8081/hub/panosc/portal/me",
        "GET http://127.0.0.1:8081/hub/panosc/portal/person",
        "POST http://127.0.0.1:8081/hub/panosc/portal/data",
        "POST http://127.0.0.1:8081/hub/panosc/portal/token",
    ]
    assert {request.headers["Authorization"] for request in hub.asked} == {"token secret-token-of-ada"}
    assert json.loads(hub.asked[2].content) == {"proposal": "esrf/ma1", "purpose": "download"}


async def test_a_token_that_does_not_count_is_nobodys() -> None:
    for status in (401, 403):
        hub = TheHub(me=httpx.Response(status, json={"message": "m", "remedy": "r", "reason": "login-expired"}))
        assert await hub.client().who(ADA.token) is None
    assert await TheHub().client().who(SecretStr("two words")) is None
    assert await TheHub().client().who(SecretStr("é")) is None


async def test_a_token_by_which_nobody_is_logged_in_says_nothing_of_rights() -> None:
    """403, since the token counts for other things: but who logs in again may have the data, and jobs wait for that."""
    said = {"message": "Only the portal may ask this.", "remedy": "Use its pages.", "reason": "login-expired"}
    with pytest.raises(HubError) as caught:
        await TheHub(data=httpx.Response(403, json=said)).client().data(ADA, "esrf/ma1", "stage")
    assert (caught.value.status, caught.value.message) == (401, said["message"])


async def test_the_hubs_words_of_refusal_are_kept() -> None:
    said = {"message": "You are not on it.", "remedy": "Ask its main proposer.", "reason": "not-granted"}
    with pytest.raises(HubError) as caught:
        await TheHub(data=httpx.Response(403, json=said)).client().data(ADA, "esrf/ma1", "download")
    assert (caught.value.status, caught.value.message, caught.value.remedy) == (403, said["message"], said["remedy"])


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("secret-token-of-ada"),
        httpx.ReadTimeout("slow"),
        httpx.Response(502, text="<html>"),
        httpx.Response(302, headers={"Location": "https://evil.example/"}),
        httpx.Response(200, text="not json"),
        httpx.Response(200, text="[" * 100_000),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"ref": "esrf/ma1"}),
        httpx.Response(200, json=DATA | {"uid": "0"}),
        httpx.Response(200, json=DATA | {"ref": "ill/1"}),
        httpx.Response(200, json=DATA | {"areas": [DATA["areas"][0] | {"path": "/etc"}]}),  # type: ignore[index,operator]
        httpx.Response(200, json=DATA | {"areas": [DATA["areas"][0] | {"path": "ma1"}]}),  # type: ignore[index,operator]
    ],
)
async def test_an_answer_that_is_none_gives_nothing(answer: object, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(HubError) as caught:
        await TheHub(data=answer).client().data(ADA, "esrf/ma1", "download")
    assert caught.value.status in (401, 503)
    assert "secret-token-of-ada" not in f"{caught.value!r} {caught.value.__cause__!r} {caplog.text}"
    assert caught.value.__cause__ is None


async def test_an_endless_answer_is_not_read() -> None:
    async def endless():  # type: ignore[no-untyped-def]
        while True:
            yield b" " * 1024 * 1024

    with pytest.raises(HubError):
        await TheHub(person=httpx.Response(200, content=endless())).client().person(ADA)
    assert MAX_ANSWER < 64 * 1024 * 1024


async def test_a_start_says_where_the_browser_goes() -> None:
    hub = TheHub(start={"address": "/hub/spawn-pending/p-ada/p-ma1?next=x"})
    assert (
        await hub.client().start(ADA, "esrf/ma1", "", "/services/portal/x") == "/hub/spawn-pending/p-ada/p-ma1?next=x"
    )
    asked = json.loads(hub.asked[0].content)
    assert asked == {"proposal": "esrf/ma1", "environment": "", "then": "/services/portal/x"}
    for wrong in ("javascript:alert(1)", "//evil.example", ""):
        with pytest.raises(HubError):
            await TheHub(start={"address": wrong}).client().start(ADA, "esrf/ma1", "", "/services/portal/x")


async def test_a_code_becomes_a_token_with_the_portals_own_secret() -> None:
    hub = TheHub(token={"access_token": "new", "token_type": "Bearer"})
    token = await hub.client().exchange("the-code", "the-verifier", "/services/portal/oauth_callback")
    assert token.get_secret_value() == "new"
    form = dict(httpx.QueryParams(hub.asked[0].content.decode()))
    assert (form["code"], form["code_verifier"], form["client_secret"]) == ("the-code", "the-verifier", "portal-secret")
    assert hub.asked[0].url.path == "/hub/api/oauth2/token"
    for wrong in (httpx.Response(400, json={"error": "invalid_grant"}), {"access_token": None}, httpx.Response(200)):
        with pytest.raises(HubError, match="did not finish"):
            await TheHub(token=wrong).client().exchange("c", "v", "/r")


async def test_a_file_is_put_beside_those_that_are_there_and_never_over_one() -> None:
    hub = TheHub(person=REPORT, key=KEY)
    hub.home["PaNOSC/plot.ipynb"] = b"mine"
    client = hub.client()
    assert await client.put_file(ADA, "p-ma1", "PaNOSC/plot.ipynb", b"one") == "PaNOSC/plot-2.ipynb"
    assert await client.put_file(ADA, "p-ma1", "PaNOSC/plot.ipynb", b"two") == "PaNOSC/plot-3.ipynb"
    assert hub.home == {
        "PaNOSC/plot.ipynb": b"mine",
        "PaNOSC/plot-2.ipynb": b"one",
        "PaNOSC/plot-3.ipynb": b"two",
    }
    through = [request for request in hub.asked if "/api/contents/" in request.url.path]
    assert {request.url.host for request in through} == {"127.0.0.1"}
    assert {request.url.port for request in through} == {8000}
    # The server sees what opens itself, and never what opens all that is hers.
    assert {request.headers["Authorization"] for request in through} == {f"token {KEY['key']}"}


async def test_with_hosts_for_people_the_proxy_is_told_which() -> None:
    at_host = {**SERVER, "url": "https://p-ada.hub.example.org/user/p-ada/p-ma1/"}
    hub = TheHub(person=REPORT | {"servers": [at_host]}, key=KEY)
    await hub.client().put_file(ADA, "p-ma1", "plot.ipynb", b"one")
    through = [request for request in hub.asked if "/api/contents/" in request.url.path]
    assert {request.headers["Host"] for request in through} == {"p-ada.hub.example.org"}
    assert {str(request.url.host) for request in through} == {"127.0.0.1"}


async def test_nothing_is_left_where_no_name_is_free() -> None:
    hub = TheHub(person=REPORT, key=KEY)
    hub.home |= dict.fromkeys(free_names("plot.ipynb"), b"mine")
    with pytest.raises(HubError, match="already 50"):
        await hub.client().put_file(ADA, "p-ma1", "plot.ipynb", b"one")
    assert set(hub.home.values()) == {b"mine"}


async def test_only_into_a_server_of_theirs_that_runs() -> None:
    starting = REPORT | {"servers": [{**SERVER, "ready": False}]}
    for report, server in ((REPORT, "p-other"), (starting, "p-ma1")):
        with pytest.raises(HubError) as caught:
            await TheHub(person=report, key=KEY).client().put_file(ADA, server, "plot.ipynb", b"")
        assert caught.value.status == 409


@pytest.mark.parametrize(
    "path", ["", "/etc/x", "../x", "a/../x", ".bashrc", "a/.ssh/x", "a//b", "a/", " a", "a\nb", "a\0"]
)
def test_a_path_that_leaves_the_home_or_hides_is_a_mistake(path: str) -> None:
    with pytest.raises(ValueError, match="not a path in a home"):
        _parts(path)


def test_names_that_are_tried() -> None:
    assert free_names("plot.ipynb")[:3] == ["plot.ipynb", "plot-2.ipynb", "plot-3.ipynb"]
    assert free_names("notes")[:2] == ["notes", "notes-2"]


class SleepingHub:
    """Answers who somebody is at once, and where data lie when it is let. Over real connections, as their number matters here."""

    def __init__(self) -> None:
        self.awake, self.waiting = asyncio.Event(), 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"/portal/data" in head.split(b"\r\n")[0]:
                self.waiting += 1
                await self.awake.wait()
                body = json.dumps(DATA).encode()
            else:
                body = json.dumps({"username": "p-bob"}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
        except (OSError, EOFError):
            return
        finally:
            writer.close()


async def test_one_persons_slow_questions_hold_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_lines, "TURN_SECONDS", 0.3)
    hub = SleepingHub()
    async with await asyncio.start_server(hub.answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = HubClient(HubAddresses(f"http://127.0.0.1:{port}/hub/api", "http://127.0.0.1:1", "c", SecretStr("s")))
        flood = [asyncio.create_task(client.data(ADA, "esrf/ma1", "download")) for _ in range(60)]
        bob = Login("p-bob", SecretStr("secret-token-of-bob"))
        async with asyncio.timeout(5):
            while hub.waiting < 8:
                await asyncio.sleep(0.01)
            assert await client.who(bob.token) == bob
            own = asyncio.create_task(client.data(bob, "esrf/ma1", "download"))
            refused = await asyncio.gather(*flood[8:], return_exceptions=True)
        assert {error.status for error in refused if isinstance(error, HubError)} == {429}
        assert len(refused) == 52
        assert hub.waiting == 9  # eight of hers, and his
        hub.awake.set()
        assert (await own).uid == 2001
        assert [(await one).uid for one in flood[:8]] == [2001] * 8
        assert (await client.data(ADA, "esrf/ma1", "download")).uid == 2001  # and her next is answered
        await client.aclose()


async def test_logins_have_connections_that_all_the_data_of_the_world_cannot_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub_lines, "CONNECTIONS", dict.fromkeys(hub_lines.Line, 4))
    hub = SleepingHub()
    async with await asyncio.start_server(hub.answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = HubClient(HubAddresses(f"http://127.0.0.1:{port}/hub/api", "http://127.0.0.1:1", "c", SecretStr("s")))
        people = [Login(f"p-{number}", SecretStr(f"token-{number}")) for number in range(20)]
        flood = [asyncio.create_task(client.data(one, "esrf/ma1", "download")) for one in people]
        async with asyncio.timeout(5):
            while hub.waiting < 4:
                await asyncio.sleep(0.01)
            assert (await client.who(SecretStr("secret-token-of-bob"))) is not None
        hub.awake.set()
        assert len(await asyncio.gather(*flood)) == 20
        await client.aclose()


async def test_a_question_that_is_given_up_leaves_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_lines, "TURN_SECONDS", 0.05)
    lines = hub_lines.HubLines()

    async def hold() -> None:
        async with lines.on(hub_lines.Line.SLOW, "p-ada"):
            await asyncio.sleep(60)

    held = [asyncio.create_task(hold()) for _ in range(9)]
    await asyncio.sleep(0)
    for one in held:
        one.cancel()
    await asyncio.gather(*held, return_exceptions=True)
    assert lines._turns.lanes == {}
    async with lines.on(hub_lines.Line.SLOW, "p-ada"):
        assert len(lines._turns.lanes) == 1
    await lines.aclose()


async def test_a_place_is_free_again_for_the_same_persons_next_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_lines, "TURN_SECONDS", 0.05)
    lines = hub_lines.HubLines()
    async with lines.on(hub_lines.Line.SLOW, "p-ada"):  # one goes on all the while
        for _ in range(20):
            async with lines.on(hub_lines.Line.SLOW, "p-ada"):
                pass
    await lines.aclose()
