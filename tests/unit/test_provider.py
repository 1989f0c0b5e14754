"""The demo's login service behaves as a community's: PKCE, rotation, live claims; and lets nobody in from elsewhere."""

import re
import stat
import subprocess
import sys

import jwt
import pytest
from provider_support import CALLBACK, DEMO, VERIFIER, DemoProvider, demo, demo_provider

KEYS = ["ada", "marie", "lars", "olga", "tom", "noor", "emil"]


@pytest.fixture
async def running(tmp_path):
    async with demo(tmp_path) as provider_and_client:
        yield provider_and_client


async def test_discovery_names_itself(running):
    provider, client = running
    document = (await client.get("/.well-known/openid-configuration")).json()
    assert document["issuer"] == provider.state.issuer == str(client.base_url)
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert (await client.get("/jwks")).json()["keys"][0]["alg"] == "RS256"


async def test_the_page_shows_everybody_in_plain_accessible_html(running):
    provider, client = running
    answer = await client.get("/authorize", params=provider.asked())
    page = answer.text
    assert re.findall(r'name="persona" value="(\w+)"', page) == KEYS
    assert "Ada, visiting scientist, two proposals at ESRF and ILL" in page
    assert '<html lang="en">' in page
    assert "no passwords" in page
    assert "{{" not in page
    assert "unsafe-inline" not in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


async def test_a_whole_login(running):
    provider, client = running
    called_back = await provider.choose(client, "ada", nonce="n1")
    assert (called_back["state"], called_back["iss"]) == ("s1", provider.state.issuer)
    tokens = (await provider.exchange(client, called_back["code"])).json()
    key = jwt.PyJWK((await client.get("/jwks")).json()["keys"][0])
    claims = jwt.decode(tokens["id_token"], key, ["RS256"], audience="panosc-hub", issuer=provider.state.issuer)
    assert claims["nonce"] == "n1"
    userinfo = await client.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert userinfo.json()["sub"] == userinfo.json()["voperson_id"] == claims["sub"]
    assert userinfo.json()["name"] == "Ada Lovelace"
    assert "schac_home_organization" not in userinfo.json()  # its scope was not asked for


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"prompt": "none"}, "login_required"),
    ],
)
async def test_a_wrong_request_goes_back_with_its_error(running, changes, error):
    provider, client = running
    answer = await client.get("/authorize", params=provider.asked(**changes))
    assert answer.status_code == 303
    assert f"error={error}" in answer.headers["location"]
    assert "state=s1" in answer.headers["location"]


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "other"},
        {"client_id": None},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": CALLBACK + "?x=1"},
        {"redirect_uri": None},
    ],
)
async def test_a_strangers_request_goes_nowhere(running, changes):
    provider, client = running
    answer = await client.get("/authorize", params=provider.asked(**changes))
    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_a_choice_counts_once_and_cancelling_is_a_refusal(running):
    provider, client = running
    assert (await provider.choose(client, ""))["error"] == "access_denied"
    assert (await provider.choose(client, "nobody"))["error"] == "access_denied"
    answer = await client.post("/authorize", data={"choice": "made-up", "persona": "ada"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "w" * 43},
        {"code_verifier": None},
        {"redirect_uri": "http://127.0.0.1:8000/other"},
        {"redirect_uri": None},
        {"code": "made-up"},
        {"code": None},
    ],
)
async def test_a_code_alone_is_nothing(running, changes):
    provider, client = running
    code = (await provider.choose(client))["code"]
    answer = await provider.exchange(client, code, **changes)
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_grant"})


async def test_only_the_client_gets_tokens(running):
    provider, client = running
    code = (await provider.choose(client))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    for auth in (None, ("panosc-hub", "wrong"), ("other", provider.state.client_secret)):
        answer = await client.post("/token", data=form, **({"auth": auth} if auth else {}))
        assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})
    form |= {"client_id": "panosc-hub", "client_secret": provider.state.client_secret}
    assert (await client.post("/token", data=form)).status_code == 200
    assert (await client.post("/token", data=form | {"grant_type": "password"})).json()[
        "error"
    ] == "unsupported_grant_type"


async def test_a_second_use_of_a_code_or_refresh_token_ends_the_login(running):
    provider, client = running
    code = (await provider.choose(client))["code"]
    tokens = (await provider.exchange(client, code)).json()
    second = (await provider.refresh(client, tokens["refresh_token"])).json()
    assert second["refresh_token"] != tokens["refresh_token"]
    bearer = {"Authorization": f"Bearer {second['access_token']}"}
    assert (await client.get("/userinfo", headers=bearer)).status_code == 200
    assert (await provider.refresh(client, tokens["refresh_token"])).json() == {"error": "invalid_grant"}
    assert (await client.get("/userinfo", headers=bearer)).status_code == 401
    assert (await provider.refresh(client, second["refresh_token"])).status_code == 400


async def test_claims_are_as_of_now(running):
    provider, client = running
    tokens = (await provider.exchange(client, (await provider.choose(client))["code"])).json()
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert "8-04-923" in str((await client.get("/userinfo", headers=bearer)).json())
    provider.edit("8-04-923", "8-04-924")
    assert "8-04-924" in str((await client.get("/userinfo", headers=bearer)).json())
    provider.edit("[ada]\n", "[ada]\nenabled = false\n")
    assert (await client.get("/userinfo", headers=bearer)).status_code == 401
    assert (await provider.refresh(client, tokens["refresh_token"])).status_code == 400
    assert "Ada Lovelace" not in (await client.get("/authorize", params=provider.asked())).text


async def test_logging_out(running):
    provider, client = running
    tokens = (await provider.exchange(client, (await provider.choose(client))["code"])).json()
    query = {
        "id_token_hint": tokens["id_token"],
        "post_logout_redirect_uri": "http://127.0.0.1:8000/hub/",
        "state": "x",
    }
    answer = await client.get("/end_session", params=query)
    assert answer.headers["location"] == "http://127.0.0.1:8000/hub/?state=x"
    assert (await provider.refresh(client, tokens["refresh_token"])).status_code == 400
    answer = await client.get("/end_session", params={"post_logout_redirect_uri": "https://evil.example/"})
    assert answer.status_code == 200


async def test_another_host_name_is_refused(running):
    _, client = running
    answer = await client.get("/.well-known/openid-configuration", headers={"Host": "evil.example"})
    assert answer.status_code == 421


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.2", "::", "example.org", ""])
def test_it_listens_on_loopback_only(address, capsys):
    with pytest.raises(SystemExit):
        demo_provider.parse_options(
            ["--address", address, "--port", "1", "--client-secret-file", "x", "--redirect-uri", CALLBACK]
        )
    assert "loopback only" in capsys.readouterr().err


def test_the_secret_is_made_once_for_the_owner_alone(tmp_path):
    provider = DemoProvider(tmp_path)
    provider.app(1)
    first = provider.state.client_secret
    provider.app(1)
    assert provider.state.client_secret == first
    assert len(first) >= 32
    assert stat.S_IMODE(provider.secret_file.stat().st_mode) == 0o600


def test_it_runs_as_a_command_and_says_when_it_is_ready(tmp_path):
    command = [
        sys.executable,
        str(DEMO / "provider.py"),
        "--port",
        "0",
        "--client-secret-file",
        str(tmp_path / "secret"),
    ]
    with subprocess.Popen([*command, "--redirect-uri", CALLBACK], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "login service ready http://127.0.0.1:0\n"
        process.terminate()
        assert process.wait(5) == 0
