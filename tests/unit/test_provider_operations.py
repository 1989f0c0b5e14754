"""What goes on around a login at the demo's login service: acr, single sign-on, logout from its side, keys, exchanges."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import provider_logout
import pytest
from provider_logout import watch
from provider_support import CALLBACK, DEMO, demo, demo_provider, serving
from tornado import web

MFA, SFA = "https://refeds.org/profile/mfa", "https://refeds.org/profile/sfa"
ADA = "6bc5d8aa6fed3425228bd8a4f1957b57@demo.panosc.example"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"


async def logged_in(provider, client, persona="ada", **changes):
    return (await provider.exchange(client, (await provider.choose(client, persona, **changes))["code"])).json()


async def key_of(client, token):
    kid = jwt.get_unverified_header(token)["kid"]
    keys = (await client.get("/jwks")).json()["keys"]
    return next((jwt.PyJWK(key) for key in keys if key["kid"] == kid), None)


async def claims_of(client, token, audience="panosc-hub", algorithm="RS256"):
    key = await key_of(client, token)
    return jwt.decode(token, key, [algorithm], audience=audience, options={"verify_exp": False, "verify_iat": False})


def acr(**wanted):
    return json.dumps({"id_token": {"acr": wanted}})


@pytest.mark.parametrize(
    ("persona", "asked", "told"),
    [
        ("ada", {}, None),  # only when asked, as panva's does
        ("ada", {"acr_values": MFA}, SFA),  # a wish; the hub has to look at what comes back
        ("marie", {"acr_values": f"{MFA} {SFA}"}, MFA),
        ("noor", {"acr_values": MFA}, None),
        ("marie", {"claims": acr(essential=True, values=[MFA])}, MFA),
        ("marie", {"claims": acr(essential=True, value=MFA)}, MFA),
        ("ada", {"claims": acr(essential=False, value=MFA)}, SFA),
        ("ada", {"claims": '{"id_token": {"acr": null}}'}, SFA),
        ("ada", {"claims": '{"userinfo": {"email": null}}', "acr_values": SFA}, SFA),
    ],
)
async def test_acr_is_told_when_asked_for(tmp_path, persona, asked, told):
    async with demo(tmp_path) as (provider, client):
        tokens = await logged_in(provider, client, persona, **asked)
        assert (await claims_of(client, tokens["id_token"])).get("acr") == told


@pytest.mark.parametrize(("persona", "wanted"), [("ada", {"values": [MFA]}), ("ada", {"value": MFA}), ("noor", {})])
async def test_an_essential_acr_that_is_not_met_is_a_failed_login(tmp_path, persona, wanted):
    async with demo(tmp_path) as (provider, client):
        back = await provider.choose(client, persona, claims=acr(essential=True, **wanted))
        assert back["error"] == "unmet_authentication_requirements"
        assert "code" not in back


@pytest.mark.parametrize(
    "asked",
    [
        {"claims": "{"},
        {"claims": "[]"},
        {"claims": '{"id_token": {"acr": []}}'},
        {"claims": '{"id_token": {"acr": {"values": "x"}}}'},
        {"claims": '{"id_token": {"acr": {"value": 5}}}'},
        {"claims": "[" * 20000},
        {"max_age": "soon"},
        {"max_age": "-1"},
    ],
)
async def test_a_request_that_cannot_be_read_goes_back(tmp_path, asked):
    async with demo(tmp_path) as (provider, client):
        answer = await client.get("/authorize", params=provider.asked(**asked))
        assert "error=invalid_request" in answer.headers["location"]


async def test_an_id_token_of_a_refresh_has_no_nonce_and_the_same_auth_time(tmp_path):
    async with demo(tmp_path) as (provider, client):
        tokens = await logged_in(provider, client, nonce="n1")
        first = await claims_of(client, tokens["id_token"])
        provider.state.clock_offset = 500
        again = await claims_of(client, (await provider.refresh(client, tokens["refresh_token"])).json()["id_token"])
        assert (first["nonce"], again.get("nonce")) == ("n1", None)
        assert (again["auth_time"], again["sid"]) == (first["auth_time"], first["sid"])
        assert again["iat"] >= first["iat"] + 500


def back_to_hub(answer):
    return {name: value[0] for name, value in parse_qs(urlsplit(answer.headers["location"]).query).items()}


async def test_with_single_sign_on_a_browser_is_remembered_until_asked_anew(tmp_path):
    async with demo(tmp_path, "--single-sign-on") as (provider, client):
        answer = await client.get("/authorize", params=provider.asked(prompt="none"))
        assert "error=login_required" in answer.headers["location"]
        first = await claims_of(client, (await logged_in(provider, client))["id_token"])
        provider.state.clock_offset = 500
        straight = back_to_hub(await client.get("/authorize", params=provider.asked(prompt="none")))
        again = await claims_of(client, (await provider.exchange(client, straight["code"])).json()["id_token"])
        assert (again["auth_time"], again["sid"]) == (first["auth_time"], first["sid"])
        for anew in ({"prompt": "login"}, {"max_age": "499"}):
            assert "Who do you want to be?" in (await client.get("/authorize", params=provider.asked(**anew))).text
        assert (await client.get("/authorize", params=provider.asked(max_age="501"))).status_code == 303
        fresh = await logged_in(provider, client, prompt="login")
        assert (await claims_of(client, fresh["id_token"]))["auth_time"] >= first["auth_time"] + 500


async def test_single_sign_on_ends_with_the_session_and_with_suspension(tmp_path):
    async with demo(tmp_path, "--single-sign-on") as (provider, client):
        tokens = await logged_in(provider, client)
        provider.edit("[ada]\n", "[ada]\nenabled = false\n")
        assert (
            "error=login_required"
            in (await client.get("/authorize", params=provider.asked(prompt="none"))).headers["location"]
        )
        provider.edit("[ada]\nenabled = false\n", "[ada]\n")
        assert "code=" in (await client.get("/authorize", params=provider.asked(prompt="none"))).headers["location"]
        await client.get("/end_session", params={"id_token_hint": tokens["id_token"]})
        assert (
            "error=login_required"
            in (await client.get("/authorize", params=provider.asked(prompt="none"))).headers["location"]
        )


class Hub:
    """Where logout tokens go; answers the statuses of ``answers``, then 200."""

    def __init__(self):
        self.answers, self.tokens, self.told = [], [], asyncio.Event()

    def app(self, port):
        hub = self

        class Logout(web.RequestHandler):
            def check_xsrf_cookie(self):
                pass

            def post(self):
                self.set_status(hub.answers.pop(0) if hub.answers else 200)
                hub.tokens.append(self.get_body_argument("logout_token"))
                hub.told.set()

        return web.Application([("/hub/backchannel-logout", Logout)], log_function=lambda handler: None)


@asynccontextmanager
async def with_hub(tmp_path, *options):
    hub = Hub()
    async with serving(hub.app) as url:
        uri = f"{url}/hub/backchannel-logout"
        async with demo(tmp_path, "--backchannel-logout-uri", uri, *options) as (provider, client):
            yield hub, provider, client


async def test_a_logout_is_told_to_the_hub_for_that_session_alone(tmp_path):
    async with with_hub(tmp_path) as (hub, provider, client):
        tokens, other = await logged_in(provider, client), await logged_in(provider, client)
        await client.get("/end_session", params={"id_token_hint": tokens["id_token"]})
        await asyncio.wait_for(hub.told.wait(), 5)
        told = await claims_of(client, hub.tokens[0])
        ended = await claims_of(client, tokens["id_token"])
        assert jwt.get_unverified_header(hub.tokens[0])["typ"] == "logout+jwt"
        assert told["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
        assert (told["sub"], told["sid"], told["iss"]) == (ended["sub"], ended["sid"], provider.state.issuer)
        assert "nonce" not in told
        assert told["exp"] > told["iat"]
        assert (await provider.refresh(client, other["refresh_token"])).status_code == 200
        assert len(hub.tokens) == 1


async def test_a_suspended_persons_logins_end_and_the_hub_is_told_once(tmp_path):
    async with with_hub(tmp_path) as (hub, provider, client):
        await logged_in(provider, client), await logged_in(provider, client)
        watching = asyncio.create_task(watch(provider.state))
        try:
            provider.edit("[ada]\n", "[ada]\nenabled = false\n")
            await asyncio.wait_for(hub.told.wait(), 5)
            await asyncio.sleep(2.5 * provider_logout.LOOK_SECONDS)
        finally:
            watching.cancel()
        told = [await claims_of(client, token) for token in hub.tokens]
        assert [(one["sub"], "sid" in one) for one in told] == [(ADA, False)]


async def test_a_file_of_people_that_cannot_be_read_ends_nobodys_login(tmp_path, capsys):
    async with with_hub(tmp_path) as (hub, provider, client):
        await logged_in(provider, client)
        watching = asyncio.create_task(watch(provider.state))
        try:
            provider.edit("[ada]\n", "[ada\n")
            await asyncio.sleep(2.5 * provider_logout.LOOK_SECONDS)
            provider.edit("[ada\n", "[ada]\n")
        finally:
            watching.cancel()
        assert not hub.tokens
        assert "cannot be read" in capsys.readouterr().out


async def test_a_hub_that_does_not_answer_is_told_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(provider_logout, "PAUSE_SECONDS", 0.01)
    async with with_hub(tmp_path) as (hub, provider, client):
        hub.answers = [503, 500]
        await logged_in(provider, client)
        await provider_logout.tell(provider.state, subject=ADA, sid="")
        assert len(hub.tokens) == 3
        assert len({(await claims_of(client, token))["jti"] for token in hub.tokens}) == 3
        hub.answers = [400]
        await provider_logout.tell(provider.state, subject=ADA, sid="")
        assert len(hub.tokens) == 4  # a refusal is an answer
    assert "logout token" in (said := capsys.readouterr().out)
    assert "eyJ" not in said


async def test_keys_roll_over_and_the_old_one_stays_published_once(tmp_path):
    async with demo(tmp_path) as (provider, client):
        old = (await logged_in(provider, client))["id_token"]
        provider.state.keys.roll_over()
        assert (await claims_of(client, old))["sub"] == ADA
        new = (await logged_in(provider, client))["id_token"]
        assert jwt.get_unverified_header(new)["kid"] != jwt.get_unverified_header(old)["kid"]
        assert (await claims_of(client, new))["sub"] == ADA
        provider.state.keys.roll_over(withdraw=True)
        assert await key_of(client, old) is await key_of(client, new) is None
        answer = await client.get("/end_session", params={"id_token_hint": new})
        assert answer.status_code == 200  # a hint that nobody can check ends nothing, and is no error


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256"])
async def test_it_signs_with_the_algorithm_it_announces(tmp_path, algorithm):
    async with demo(tmp_path, "--algorithm", algorithm) as (provider, client):
        assert provider.state.discovery()["id_token_signing_alg_values_supported"] == [algorithm]
        token = (await logged_in(provider, client))["id_token"]
        assert (await claims_of(client, token, algorithm=algorithm))["sub"] == ADA


async def test_a_token_is_exchanged_for_an_allowed_audience_alone(tmp_path):
    async with demo(tmp_path, "--exchange-audience", "icat", "--exchange-seconds", "60") as (provider, client):
        tokens = await logged_in(provider, client)
        auth = ("panosc-hub", provider.state.client_secret)
        form = {
            "grant_type": EXCHANGE,
            "subject_token": tokens["access_token"],
            "subject_token_type": ACCESS,
            "audience": "icat",
            "scope": "read",
        }
        given = (await client.post("/token", data=form, auth=auth)).json()
        claims = await claims_of(client, given["access_token"], audience="icat")
        assert (claims["sub"], claims["client_id"], claims["scope"]) == (ADA, "panosc-hub", "read")
        assert claims["exp"] - claims["iat"] == given["expires_in"] == 60
        assert jwt.get_unverified_header(given["access_token"])["typ"] == "at+jwt"
        bearer = {"Authorization": f"Bearer {given['access_token']}"}
        assert (await client.get("/userinfo", headers=bearer)).status_code == 401
        for change, error in (
            ({"audience": "other"}, "invalid_target"),
            ({"subject_token": "made-up"}, "invalid_request"),
            ({"subject_token": given["access_token"]}, "invalid_request"),
            ({"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}, "invalid_request"),
        ):
            answer = await client.post("/token", data=form | change, auth=auth)
            assert (answer.status_code, answer.json()) == (400, {"error": error})
        assert (await client.post("/token", data=form)).status_code == 401
        provider.edit("[ada]\n", "[ada]\nenabled = false\n")
        assert (await client.post("/token", data=form, auth=auth)).json() == {"error": "invalid_request"}


async def test_without_audiences_there_is_no_exchange(tmp_path):
    async with demo(tmp_path) as (provider, client):
        answer = await client.post(
            "/token", data={"grant_type": EXCHANGE}, auth=("panosc-hub", provider.state.client_secret)
        )
        assert answer.json() == {"error": "unsupported_grant_type"}
        assert EXCHANGE not in provider.state.discovery()["grant_types_supported"]


async def test_the_operator_asks_with_the_control_token(tmp_path):
    file = tmp_path / "control"
    async with with_hub(tmp_path, "--control-token-file", str(file)) as (hub, provider, client):
        bearer = {"Authorization": f"Bearer {file.read_text().strip()}"}
        tokens = await logged_in(provider, client)
        kids = [key.kid for key in provider.state.keys.keys]
        kids.append((await client.post("/control/roll-over", headers=bearer)).json()["kid"])
        assert [key.kid for key in provider.state.keys.keys] == kids[::-1]
        kids.append((await client.post("/control/withdraw", headers=bearer)).json()["kid"])
        assert [key.kid for key in provider.state.keys.keys] == [kids[2]]
        assert len(set(kids)) == 3
        assert (await client.post("/control/clock", headers=bearer, data={"value": "-300"})).json() == {
            "offset": -300.0
        }
        assert (await client.post("/control/clock", headers=bearer, data={"value": "soon"})).status_code == 404
        assert (await client.post("/control/else", headers=bearer)).status_code == 404
        assert (await client.post("/control/logout", headers=bearer, data={"value": "ada"})).json() == {"ended": 1}
        await asyncio.wait_for(hub.told.wait(), 5)
        assert (await provider.refresh(client, tokens["refresh_token"])).status_code == 400
        await logged_in(provider, client)
        assert (await client.post("/control/revoke", headers=bearer, data={"value": "ada"})).json() == {"ended": 1}
        assert (await client.post("/control/logout", headers=bearer, data={"value": "ada"})).json() == {"ended": 0}
        await asyncio.sleep(0.1)
        assert len(hub.tokens) == 1


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer"}, {"Authorization": "Bearer wrong"}])
async def test_nobody_else_does(tmp_path, header):
    async with demo(tmp_path, "--control-token-file", str(tmp_path / "control")) as (_, client):
        assert (await client.post("/control/roll-over", headers=header)).status_code == 401


async def test_without_a_control_token_nobody_does(tmp_path):
    async with demo(tmp_path) as (_, client):
        assert (await client.post("/control/roll-over", headers={"Authorization": "Bearer"})).status_code == 401


def test_logouts_are_told_on_loopback_only(capsys):
    with pytest.raises(SystemExit):
        demo_provider.parse_options(
            [
                *("--port", "1", "--client-secret-file", "x", "--redirect-uri", CALLBACK),
                *("--backchannel-logout-uri", "https://hub.example/hub/backchannel-logout"),
            ]
        )
    assert "loopback" in capsys.readouterr().err


def test_a_hangup_changes_the_key(tmp_path):
    command = [sys.executable, str(DEMO / "provider.py"), "--port", "0", "--redirect-uri", CALLBACK]
    command += ["--client-secret-file", str(tmp_path / "secret")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        assert re.fullmatch(r"signing with [\w-]{16}\n", process.stdout.readline())
        process.terminate()
        assert process.wait(5) == 0


async def test_the_title_is_on_the_pages(tmp_path):
    async with demo(tmp_path, "--title", "Example <University>") as (provider, client):
        page = (await client.get(f"/authorize?{urlencode(provider.asked())}")).text
        assert re.search(r"<strong>Example &lt;University&gt;:</strong>", page)
