"""What a login service may report behind the browser's back, and what comes of it."""

import asyncio
import time

import httpx
import pytest
from login_support import make_hub
from provider_support import Scripted, serving
from token_support import ISSUER, RsaKey, id_claims, logout_claims, sign
from tornado import web

from panosc_spawner.identity.backchannel import BackchannelLogoutHandler, seen_logouts
from panosc_spawner.identity.community import Community
from panosc_spawner.identity.logins import ProvenLogin
from panosc_spawner.identity.renewal import Ending

COMMUNITY = Community(id="demo", title="Demo people", description="", issuer=ISSUER)


@pytest.fixture
async def provider():
    script = Scripted()
    async with serving(script.app):
        yield script


@pytest.fixture
async def hub(provider):
    hub = make_hub(COMMUNITY, provider.url)
    hub.told = []

    async def hook(name, ending, details):
        hub.told.append((name, ending))

    hub.ended_hooks.append(hook)
    settings = {"hub": hub, "login": hub.first, "seen": seen_logouts()}

    def app(port):
        route = ("/backchannel-logout", BackchannelLogoutHandler, settings)
        return web.Application([route], xsrf_cookies=True, log_function=lambda handler: None)

    async with serving(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        hub.client = client
        yield hub


async def report(hub, token):
    return await hub.client.post("/backchannel-logout", data={"logout_token": token})


def begin(hub, sid, subject="x", name="p-x"):
    login = ProvenLogin.begin(subject, sid, "n", "")
    hub.context.logins.begin(login, ISSUER, name)
    time.sleep(0.002)  # the next one is newer
    return login


async def test_a_session_ends(hub):
    login = begin(hub, "s1")
    begin(hub, "s2", "y", "p-y")
    answer = await report(hub, sign(logout_claims(sid="s1"), typ="logout+jwt"))
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert "set-cookie" not in answer.headers
    assert hub.told == [("p-x", Ending.LOGGED_OUT)]
    assert hub.context.logins.ended(login.id) is Ending.LOGGED_OUT


async def test_of_two_browsers_the_older_ones_logout_ends_no_servers(hub):
    older, newer = begin(hub, "s1"), begin(hub, "s2")
    await report(hub, sign(logout_claims(sid="s1", sub=None)))
    assert hub.told == [("p-x", Ending.NO_LOGIN)]
    assert hub.context.logins.ended(older.id) is Ending.NO_LOGIN
    assert hub.context.logins.ended(newer.id) is None


async def test_a_subject_without_a_session_means_all_of_them(hub):
    for sid in ("s1", "s2", "s3"):
        begin(hub, sid)
    await report(hub, sign(logout_claims()))
    assert [ending for _, ending in hub.told] == [Ending.NO_LOGIN, Ending.NO_LOGIN, Ending.LOGGED_OUT]


async def test_a_session_of_another_subject_does_not_end(hub):
    begin(hub, "s1")
    assert (await report(hub, sign(logout_claims(sid="s1", sub="eve")))).status_code == 200
    assert hub.told == []


async def test_a_report_counts_once(hub):
    begin(hub, "s1")
    token = sign(logout_claims())
    assert (await report(hub, token)).status_code == 200
    again = await report(hub, token)
    assert (again.status_code, again.json()["error_description"]) == (400, "replay")
    assert len(hub.told) == 1
    assert (await report(hub, sign(logout_claims(jti="j2")))).status_code == 200
    assert len(hub.told) == 1  # it was over


async def test_what_was_not_verified_is_not_remembered(hub):
    begin(hub, "s1")
    for _ in range(3):
        assert (await report(hub, sign(logout_claims(), RsaKey("one")))).status_code == 400
    assert (await report(hub, sign(logout_claims(iss="https://evil.example")))).status_code == 400
    assert hub.told == []
    assert (await report(hub, sign(logout_claims()))).status_code == 200  # the same jti, this time the provider's
    assert len(hub.told) == 1


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        sign(id_claims()),
        sign(logout_claims(nonce="n")),
        sign(logout_claims(aud="x")),
        "x" * 65_000,
        "x" * 65_537,
    ],
)
async def test_what_is_no_report_is_refused(hub, token):
    begin(hub, "s1")
    answer = await report(hub, token)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"
    assert hub.told == []


async def test_a_body_that_is_too_long_is_not_read(hub):
    try:
        answer = await report(hub, "x" * 1_000_000)
        assert answer.status_code == 400
    except httpx.TransportError:
        pass  # closed while it was sent
    begin(hub, "s1")
    assert (await report(hub, sign(logout_claims()))).status_code == 200


async def test_where_the_keys_cannot_be_had_it_is_to_be_tried_again(hub, provider):
    provider.jwks = (503, "")
    begin(hub, "s1")
    assert (await report(hub, sign(logout_claims()))).status_code == 503
    provider.jwks = (200, {"keys": [RsaKey("two").jwk()]})
    assert (await report(hub, sign(logout_claims()))).status_code == 400
    assert hub.told == []


async def test_many_reports_of_one_logout_at_a_time_end_it_once(hub):
    begin(hub, "s1")
    answers = await asyncio.gather(*(report(hub, sign(logout_claims(jti=f"j{number}"))) for number in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(hub.told) == 1
