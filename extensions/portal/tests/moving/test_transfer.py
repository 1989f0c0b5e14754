"""Globus, offline: links, transfers in the person's name, consent and identities in words, tokens in memory alone.

The answers are those of Globus's own fixtures (``globus_sdk.testing``).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from globus_sdk.testing import RegisteredResponse, get_response_set, load_response
from moving_places import open_dir, person_data
from panosc_portal.context import Portal
from panosc_portal.hub import PersonReport
from panosc_portal.moving.globus import Globus
from support import FakeHub, PortalUnderTest, make_portal, make_site, serve

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.portal_transfer_rules import GlobusClient, TransferRules

HERE, MINE = "6c54cade-bde5-45c1-bdea-f4bd71dba2cc", "31ce9ba0-176d-45a5-add3-f37d233ba47d"
COLLECTION = """
[[portal.transfer.globus]]
facility = "esrf"
title = "ESRF data"
collection = "{id}"
root = "{root}"
domain = "esrf.fr"
"""
CLIENT = '[portal.transfer.client]\nid = "00000000-1111-4222-8333-444444444444"\n'
PARTS = ("moving.transfer_pages",)


@pytest.fixture(autouse=True)
def offline() -> Iterator[None]:
    """Nothing leaves this machine: what Globus is asked for and is not among the answers fails."""
    with responses.mock:
        yield
    responses.reset()


@pytest.fixture
def folder(open_folder: Path) -> Path:
    return open_dir(open_folder / "ma1234" / "raw")


def site_toml(folder: Path, more: str = "") -> str:
    return COLLECTION.format(id=HERE, root=folder.parent.parent) + more


@pytest.fixture
async def at(tmp_path: Path, folder: Path) -> AsyncIterator[PortalUnderTest]:
    hub = FakeHub({"ada": PersonReport(), "eve": PersonReport()})
    hub.directories[("ada", "esrf/ma1234")] = person_data(folder)
    async with serve(portal_of(tmp_path, folder, hub, CLIENT), hub, PARTS) as running:
        running.log_in()
        yield running


def portal_of(tmp_path: Path, folder: Path, hub: FakeHub, more: str = "") -> Portal:
    return make_portal(make_site(tmp_path, site_toml(folder, more)), hub)


async def connect(at: PortalUnderTest) -> None:
    load_response("auth.oauth2_exchange_code_for_tokens")
    begun = await at.client.post("transfer/esrf/ma1234/connect", data={"_xsrf": at.xsrf, "q": "raw"})
    assert begun.status_code == 303
    state = parse_qs(urlsplit(begun.headers["Location"]).query)["state"][0]
    back = await at.client.get("transfer/globus/callback", params={"state": state, "code": "abc"})
    assert back.status_code == 303, back.text
    assert back.headers["Location"] == "/services/portal/transfer/esrf/ma1234?path=raw"


def order(at: PortalUnderTest, **more: str) -> dict[str, str]:
    return {"_xsrf": at.xsrf, "q": "raw/scan 1", "collection": HERE, "destination": MINE, "folder": "/~/x", **more}


def refuses(status: int, refusal: dict[str, object]) -> None:
    """Globus answers a transfer with this."""
    path = get_response_set("transfer.submit_transfer").lookup("default").path
    RegisteredResponse(service="transfer", path=path, method="POST", status=status, json=refusal).add()


async def submit(at: PortalUnderTest, **more: str) -> tuple[int, str]:
    load_response("transfer.get_submission_id")
    answer = await at.client.post("transfer/esrf/ma1234", data=order(at, **more))
    return answer.status_code, answer.text


async def test_without_a_client_there_is_a_link_with_the_folder(tmp_path: Path, folder: Path) -> None:
    hub = FakeHub({"ada": PersonReport()})
    hub.directories[("ada", "esrf/ma1234")] = person_data(folder)
    async with serve(portal_of(tmp_path, folder, hub), hub, PARTS) as at:
        at.log_in()
        page = await at.client.get("transfer/esrf/ma1234", params={"path": "raw/scan 1"})
        link = f"https://app.globus.org/file-manager?origin_id={HERE}&amp;origin_path=%2Fma1234%2Fraw%2Fscan+1%2F"
        assert link in page.text and "esrf.fr" in page.text and "<form method" not in page.text.split("<main")[1]
        assert "auth.globus.org" not in page.headers["Content-Security-Policy"]
        refused = await at.client.post("transfer/esrf/ma1234", data={"_xsrf": at.xsrf})
        assert refused.status_code == 404
        assert (await at.client.get("transfers")).headers["Location"].endswith("/jobs")


async def test_what_lies_outside_of_the_collection_has_no_link(tmp_path: Path, folder: Path) -> None:
    hub = FakeHub({"ada": PersonReport()})
    hub.directories[("ada", "esrf/ma1234")] = person_data(folder)
    more = COLLECTION.format(id=HERE, root="/somewhere/else")
    async with serve(make_portal(make_site(tmp_path, more), hub), hub, PARTS) as at:
        at.log_in()
        page = await at.client.get("transfer/esrf/ma1234")
        assert "app.globus.org" not in page.text and "in no Globus collection" in page.text


async def test_the_person_agrees_at_globus_to_data_access_beforehand(at: PortalUnderTest) -> None:
    page = await at.client.get("transfer/esrf/ma1234", params={"path": "raw"})
    assert "Log in at Globus" in page.text and "https://auth.globus.org" in page.headers["Content-Security-Policy"]
    begun = await at.client.post("transfer/esrf/ma1234/connect", data={"_xsrf": at.xsrf, "q": "raw"})
    asked = parse_qs(urlsplit(begun.headers["Location"]).query)
    assert begun.headers["Location"].startswith("https://auth.globus.org/v2/oauth2/authorize?")
    access = f"https://auth.globus.org/scopes/{HERE}/data_access"
    assert asked["scope"] == [f"urn:globus:auth:scope:transfer.api.globus.org:all[*{access}]"]
    assert asked["session_required_single_domain"] == ["esrf.fr"]
    assert asked["code_challenge_method"] == ["S256"] and asked["access_type"] == ["online"]  # no refresh token
    assert asked["redirect_uri"] == ["http://127.0.0.1:8000/services/portal/transfer/globus/callback"]


async def test_a_transfer_in_the_persons_name(at: PortalUnderTest) -> None:
    await connect(at)
    load_response("transfer.submit_transfer")
    status, text = await submit(at)
    task = get_response_set("transfer.submit_transfer").metadata["task_id"]
    assert status == 200 and f"https://app.globus.org/activity/{task}" in text
    sent = json.loads(responses.calls[-1].request.body)
    assert responses.calls[-1].request.headers["Authorization"] == "Bearer transfer_access_token"
    assert (sent["source_endpoint"], sent["destination_endpoint"]) == (HERE, MINE)
    (item,) = sent["DATA"]
    assert (item["source_path"], item["destination_path"]) == ("/ma1234/raw/scan 1/", "/~/x/raw/scan 1/")
    assert item["recursive"] and sent["verify_checksum"] and sent["sync_level"] == 3
    assert sent["submission_id"] == get_response_set("transfer.get_submission_id").metadata["submission_id"]


async def test_consent_that_is_missing_is_told_and_asked_for(at: PortalUnderTest) -> None:
    await connect(at)
    scope = f"urn:globus:auth:scope:transfer.api.globus.org:all[*https://auth.globus.org/scopes/{MINE}/data_access]"
    refusal = {"code": "ConsentRequired", "message": "Missing data_access", "required_scopes": [scope]}
    refuses(403, refusal)
    status, text = await submit(at)
    assert status == 409 and "consent to data_access" in text and "Go to Globus, and agree" in text
    assert MINE in text.split('id="consent"')[0]
    begun = await at.client.post("transfer/esrf/ma1234/connect", data={"_xsrf": at.xsrf, "q": "raw", "scope": scope})
    assert parse_qs(urlsplit(begun.headers["Location"]).query)["scope"] == [scope]


async def test_a_collection_for_identities_of_one_domain(at: PortalUnderTest) -> None:
    await connect(at)
    wanted = {"session_required_single_domain": ["esrf.fr"], "session_message": "<b>no</b>"}
    refusal = {"code": "PermissionDenied", "message": "x", "authorization_parameters": wanted}
    refuses(403, refusal)
    status, text = await submit(at)
    assert status == 409 and "with an identity of esrf.fr" in text and "<b>no" not in text


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (404, "EndpointNotFound", "no such destination"),
        (403, "PermissionDenied", "does not let you"),
        (502, "ExternalError", "does not answer"),
        (409, "Conflict", "did not take the transfer"),
        (401, "AuthenticationFailed", "Your login at Globus is over"),
    ],
)
async def test_what_globus_refuses_is_told(at: PortalUnderTest, status: int, code: str, words: str) -> None:
    await connect(at)
    refusal = {"code": code, "message": "secret details <script>"}
    refuses(status, refusal)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.sleep", lambda seconds: None)  # the SDK waits between its tries
        answer, text = await submit(at)
    assert answer in {403, 404, 409, 503} and words in text and "<script>" not in text.split("<main")[1]
    assert (code == "AuthenticationFailed") is not at.portal.part(Globus).connected("ada")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"destination": "mine"}, "not the id of a collection"),
        ({"folder": "../x"}, "not a folder"),
        ({"folder": "/~/../x"}, "not a folder"),
        ({"collection": MINE}, "no such collection"),
    ],
)
async def test_what_is_typed_is_looked_at(at: PortalUnderTest, more: dict[str, str], words: str) -> None:
    await connect(at)
    _, text = await submit(at, **more)
    assert words in text
    assert not [call for call in responses.calls if "/transfer" in call.request.url and call.request.method == "POST"]


async def test_a_return_that_was_not_begun_here_or_by_somebody_else_is_refused(at: PortalUnderTest) -> None:
    load_response("auth.oauth2_exchange_code_for_tokens")
    begun = await at.client.post("transfer/esrf/ma1234/connect", data={"_xsrf": at.xsrf})
    state = parse_qs(urlsplit(begun.headers["Location"]).query)["state"][0]
    for params in ({"state": "x", "code": "abc"}, {"state": state}, {}):
        assert (await at.client.get("transfer/globus/callback", params=params)).status_code == 400
    begun = await at.client.post("transfer/esrf/ma1234/connect", data={"_xsrf": at.xsrf})
    state = parse_qs(urlsplit(begun.headers["Location"]).query)["state"][0]
    at.log_in("eve")
    answer = await at.client.get("transfer/globus/callback", params={"state": state, "code": "abc"})
    assert answer.status_code == 400 and not at.portal.part(Globus)._tokens
    assert not [call for call in responses.calls if "token" in call.request.url]


async def test_the_token_is_in_memory_alone_and_can_be_forgotten(at: PortalUnderTest, tmp_path: Path) -> None:
    await connect(at)
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"transfer_access_token" not in kept
    assert (await at.client.post("transfer/globus/forget", data={"_xsrf": at.xsrf})).status_code == 303
    assert not at.portal.part(Globus).connected("ada")
    status, text = await submit(at)
    assert status == 409 and "does not know you" in text


async def test_without_the_right_there_is_no_transfer(at: PortalUnderTest) -> None:
    await connect(at)
    at.hub.directories.clear()
    status, text = await submit(at)
    assert status == 403 and "You are not on proposal" in text


def test_rules() -> None:
    with pytest.raises(ValueError, match="of no use without"):
        TransferRules(client=GlobusClient.model_validate({"id": HERE}))


def test_a_client_without_the_sdk_is_told_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "globus_sdk", None)
    with pytest.raises(ConfigurationError, match="globus-sdk"):
        Globus(GlobusClient.model_validate({"id": HERE}), tmp_path)


async def test_the_token_ends_with_the_login(at: PortalUnderTest) -> None:
    await connect(at)
    assert at.portal.part(Globus).connected("ada")
    at.log_in("eve")
    assert (await at.client.get("logout")).status_code == 303
    assert at.portal.part(Globus).connected("ada")
    at.log_in("ada")
    assert (await at.client.get("logout")).status_code == 303
    assert not at.portal.part(Globus).connected("ada")
