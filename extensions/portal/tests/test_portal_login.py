"""Logging in, staying logged in, and what happens when the hub says that it is over."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse
from panosc_portal import app as app_module
from panosc_portal import login as login_module
from panosc_portal.hub import Login, PersonReport
from panosc_portal.login import HUB_SESSION, Logins, form_checked, maybe_signed_in, own_path, signed_in
from support import BASE, FakeHub, PortalUnderTest, make_portal, serve


@pytest.fixture(autouse=True)
def a_part(monkeypatch):
    """A part with a page for each way in which a page can know who asks."""

    class Part:
        @staticmethod
        def router(portal):
            router = APIRouter()

            @router.get("/mine")
            async def mine(login: Annotated[Login, Depends(signed_in)]) -> PlainTextResponse:
                return PlainTextResponse(login.username)

            @router.get("/anybody")
            async def anybody(login: Annotated[Login | None, Depends(maybe_signed_in)]) -> PlainTextResponse:
                return PlainTextResponse(login.username if login else "nobody")

            @router.post("/change")
            async def change(request: Request, login: Annotated[Login, Depends(form_checked)]) -> PlainTextResponse:
                return PlainTextResponse(f"changed by {login.username}")

            return router

    monkeypatch.setattr(app_module, "_module", lambda name: Part)


@pytest.fixture
def parts():
    return ("the.part",)


async def the_way_to_the_hub(at: PortalUnderTest, page: str = "mine?x=1") -> dict[str, str]:
    answer = await at.client.get(page)
    assert answer.status_code == 303
    there = urlsplit(answer.headers["Location"])
    assert there.path == "/hub/api/oauth2/authorize"
    return {key: values[0] for key, values in parse_qs(there.query).items()}


async def test_a_browser_logs_in_and_lands_where_it_wanted_to_go(portal_client, hub):
    hub.people["ada"] = PersonReport()
    asked = await the_way_to_the_hub(portal_client)
    assert asked["client_id"] == "service-portal"
    assert asked["code_challenge_method"] == "S256"

    back = await portal_client.client.get("oauth_callback", params={"code": "code-ada", "state": asked["state"]})

    assert (back.status_code, back.headers["Location"]) == (303, f"{BASE}mine?x=1")
    (exchange,) = [question for question in hub.asked if question[0] == "exchange"]
    digest = hashlib.sha256(exchange[2].encode()).digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == asked["code_challenge"]
    assert (await portal_client.client.get("mine")).text == "ada"


async def test_a_login_that_another_browser_began_is_refused(portal_client, hub):
    """Else somebody could log a victim's browser in as themselves, and see what the victim does."""
    hub.people["eve"] = PersonReport()
    asked = await the_way_to_the_hub(portal_client)
    portal_client.log_out()

    back = await portal_client.client.get("oauth_callback", params={"code": "code-eve", "state": asked["state"]})

    assert back.status_code == 400
    assert "was not begun in this browser" in back.text
    assert not [question for question in hub.asked if question[0] == "exchange"]


@pytest.mark.parametrize("params", [{}, {"code": "code-ada"}, {"state": "x"}, {"code": "code-ada", "state": "é"}])
async def test_a_callback_that_is_none_is_refused(portal_client, hub, params):
    hub.people["ada"] = PersonReport()
    await the_way_to_the_hub(portal_client)
    assert (await portal_client.client.get("oauth_callback", params=params)).status_code == 400


async def test_a_finished_login_cannot_be_finished_again(portal_client, hub):
    hub.people["ada"] = PersonReport()
    asked = await the_way_to_the_hub(portal_client)
    params = {"code": "code-ada", "state": asked["state"]}
    await portal_client.client.get("oauth_callback", params=params)
    assert (await portal_client.client.get("oauth_callback", params=params)).status_code == 400


async def test_two_tabs_log_in_at_a_time(portal_client, hub):
    hub.people["ada"] = PersonReport()
    first = await the_way_to_the_hub(portal_client, "mine?tab=1")
    second = await the_way_to_the_hub(portal_client, "mine?tab=2")
    for asked, tab in ((first, 1), (second, 2)):
        back = await portal_client.client.get("oauth_callback", params={"code": "code-ada", "state": asked["state"]})
        assert back.headers["Location"] == f"{BASE}mine?tab={tab}"


async def test_attempts_do_not_pile_up_in_a_browser(portal_client):
    for _ in range(20):
        await portal_client.client.get("mine")
    assert len(portal_client.client.cookies) <= login_module._MOST_ATTEMPTS + 1


async def test_the_token_is_not_readable_in_the_cookie(portal_client, hub):
    portal_client.log_in("ada")
    assert "token-ada" not in " ".join(portal_client.client.cookies.values())
    response = PlainTextResponse("")
    portal_client.portal.part(Logins).set_cookie(response, login_module.SecretStr("token-ada"), "s")
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert f"path={BASE}" in cookie


async def test_the_hub_is_asked_once_a_minute_whether_a_token_still_counts(portal_client, hub, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(login_module.time, "monotonic", lambda: now[0])
    portal_client.log_in("ada")
    for _ in range(5):
        assert (await portal_client.client.get("mine")).text == "ada"
    assert len([question for question in hub.asked if question[0] == "who"]) == 1

    del hub.people["ada"]  # the hub ended her login
    now[0] += 59
    assert (await portal_client.client.get("mine")).status_code == 200
    now[0] += 2
    assert (await portal_client.client.get("mine")).status_code == 303
    assert (await portal_client.client.get("anybody")).text == "nobody"


async def test_logging_out_at_the_hub_ends_it_here_at_once(portal_client, hub):
    portal_client.log_in("ada")
    assert (await portal_client.client.get("mine")).status_code == 200
    portal_client.client.cookies.delete("jupyterhub-session-id")
    assert (await portal_client.client.get("mine")).status_code == 303
    portal_client.client.cookies.set("jupyterhub-session-id", "another session")
    assert (await portal_client.client.get("mine")).status_code == 303


async def test_logging_out_here_leads_to_the_hub(portal_client, hub):
    portal_client.log_in("ada")
    answer = await portal_client.client.get("logout")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/hub/logout")
    assert "max-age=0" in answer.headers["set-cookie"].lower()


async def test_what_else_is_kept_for_a_person_goes_when_the_hub_ends_their_login(portal_client, hub, monkeypatch):
    now, ended = [1000.0], []
    monkeypatch.setattr(login_module.time, "monotonic", lambda: now[0])
    portal_client.portal.part(Logins).at_logout.append(ended.append)
    portal_client.log_in("ada")
    assert (await portal_client.client.get("mine")).status_code == 200
    del hub.people["ada"]
    for _ in range(3):
        now[0] += 61
        assert (await portal_client.client.get("mine")).status_code == 303
    assert ended == ["ada"]


async def test_while_the_hub_is_down_nobody_is_taken_for_logged_out(portal_client, hub):
    portal_client.log_in("ada")
    hub.down = True
    answer = await portal_client.client.get("mine")
    assert answer.status_code == 503
    assert "The hub does not answer" in answer.text
    hub.down = False
    assert (await portal_client.client.get("mine")).status_code == 200


async def test_a_program_comes_with_its_token(portal_client, hub):
    hub.people["ada"] = PersonReport()
    for scheme in ("token", "Bearer"):
        answer = await portal_client.client.get("mine", headers={"Authorization": f"{scheme} token-ada"})
        assert answer.text == "ada"
        request = Request({"type": "http", "headers": [(b"authorization", f"{scheme} token-ada".encode())]})
        login = await portal_client.portal.part(Logins).login_of(request)
        assert login is not None and login.own_token
    wrong = await portal_client.client.get("mine", headers={"Authorization": "Bearer token-nobody"})
    assert wrong.status_code == 401


async def test_a_wrong_token_does_not_fall_back_to_the_cookie(portal_client, hub):
    portal_client.log_in("ada")
    assert (await portal_client.client.get("anybody", headers={"Authorization": "Basic x"})).text == "nobody"


async def test_a_form_of_this_browser_is_taken(portal_client):
    portal_client.log_in("ada")
    answer = await portal_client.client.post("change", data={"_xsrf": portal_client.xsrf})
    assert answer.text == "changed by ada"
    answer = await portal_client.client.post("change", json={}, headers={"X-XSRFToken": portal_client.xsrf})
    assert answer.text == "changed by ada"


@pytest.mark.parametrize("given", ["", "wrong", "é", None])
async def test_a_form_without_this_browsers_token_is_refused(portal_client, given):
    portal_client.log_in("ada")
    answer = await portal_client.client.post("change", data={} if given is None else {"_xsrf": given})
    assert answer.status_code == 403
    assert "reload it" in answer.text


async def test_a_form_of_another_site_is_refused_whatever_it_carries(portal_client):
    portal_client.log_in("ada")
    for where in ("cross-site", "same-site"):
        answer = await portal_client.client.post(
            "change", data={"_xsrf": portal_client.xsrf}, headers={"Sec-Fetch-Site": where}
        )
        assert answer.status_code == 403


async def test_one_persons_form_token_is_of_no_use_to_another(portal_client):
    portal_client.log_in("eve")
    of_eve = portal_client.xsrf
    portal_client.log_in("ada")
    assert (await portal_client.client.post("change", data={"_xsrf": of_eve})).status_code == 403


async def test_nobody_logged_in_sends_no_form(portal_client):
    answer = await portal_client.client.post("change", data={"_xsrf": "x"})
    assert answer.status_code == 401
    assert "nothing was changed" in answer.text


async def test_a_cookie_of_another_purpose_or_portal_is_nobodys(portal_client, hub, site):
    portal_client.log_in("ada")
    logins = portal_client.portal.part(Logins)
    sealed = logins.seal({"token": "token-ada", "session": "hub-session", "nonce": "n", "for": "another cookie"})
    portal_client.client.cookies.set(logins.cookie, sealed)
    assert (await portal_client.client.get("anybody")).text == "nobody"

    other = make_portal(site, FakeHub())
    foreign = Logins(
        login_module.LoginSettings("service-portal", login_module.SecretStr("another"), "/a", "/b", BASE), hub
    )
    portal_client.client.cookies.set(logins.cookie, foreign.seal({"token": "token-ada", "for": logins.cookie}))
    assert (await portal_client.client.get("anybody")).text == "nobody"
    assert other.part(Logins) is not logins


@pytest.mark.parametrize(
    ("following", "lands"),
    [
        (f"{BASE}search?q=x", f"{BASE}search?q=x"),
        ("https://evil.example/", BASE),
        ("//evil.example/services/portal/", BASE),
        ("/hub/home", BASE),
        (f"{BASE}../../hub/logout", BASE),
        (f"{BASE}a\\b", BASE),
        (f"{BASE}a\nb", BASE),
        (f"{BASE}/evil.example", BASE),
        ("http://[", BASE),
        ("", BASE),
        (f"{BASE}data?pid=10.1%2F2&up=..", f"{BASE}data?pid=10.1%2F2&up=.."),
        (f"{BASE}%2e%2e/%2e%2e/hub/logout", BASE),
        (f"{BASE}%2E./.%2e/user/eve/files/x.html", BASE),
        (f"{BASE}x/..%2f..%2fhub", BASE),
        (f"{BASE}x%5c..%5chub", BASE),
        (f"{BASE}./search", BASE),
        (f"{BASE}..", BASE),
    ],
)
def test_where_somebody_goes_after_the_login_is_within_the_portal(following, lands):
    assert own_path(BASE, following) == lands


async def test_questions_about_one_token_at_a_time_are_one_question(portal, hub, parts):
    async with serve(portal, hub, parts) as at:
        at.log_in("ada")
        answers = await asyncio.gather(*(at.client.get("mine") for _ in range(20)))
        assert {answer.text for answer in answers} == {"ada"}
        assert len([question for question in hub.asked if question[0] == "who"]) == 1


async def test_with_https_cookies_are_secure_and_bound_to_the_host():
    settings = login_module.LoginSettings("c", login_module.SecretStr("s"), "/a", "/b", BASE, secure=True)
    assert Logins(settings, FakeHub()).cookie == "__Secure-panosc-portal"
    own = login_module.LoginSettings("c", login_module.SecretStr("s"), "/a", "/b", BASE, secure=True, own_host=True)
    logins = Logins(own, FakeHub())
    answer = PlainTextResponse("")
    logins.set_cookie(answer, login_module.SecretStr("t"), "s")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-panosc-portal=")
    assert "Path=/;" in cookie
    assert "Secure" in cookie


LOOKS = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


async def test_who_is_logged_in_at_the_hub_is_known_on_a_public_page_without_a_click(portal_client, hub):
    hub.people["ada"] = PersonReport()
    portal_client.client.cookies.set(HUB_SESSION, "hub-session")
    answer = await portal_client.client.get("anybody?q=a|b", headers=LOOKS)
    assert answer.status_code == 303
    there = urlsplit(answer.headers["Location"])
    assert there.path == "/hub/api/oauth2/authorize"
    back = {"code": "code-ada", "state": parse_qs(there.query)["state"][0]}
    landed = await portal_client.client.get("oauth_callback", params=back)
    assert urlsplit(landed.headers["Location"]).path == f"{BASE}anybody"
    assert (await portal_client.client.get("anybody", headers=LOOKS)).text == "ada"


async def test_where_the_hubs_login_is_over_a_public_page_is_shown_the_second_time(portal_client):
    portal_client.client.cookies.set(HUB_SESSION, "hub-session")
    assert (await portal_client.client.get("anybody", headers=LOOKS)).status_code == 303
    for _ in range(3):
        assert (await portal_client.client.get("anybody", headers=LOOKS)).text == "nobody"
    portal_client.client.cookies.set(HUB_SESSION, "the next session")
    assert (await portal_client.client.get("anybody", headers=LOOKS)).status_code == 303


@pytest.mark.parametrize(
    ("session", "headers"),
    [
        ("", LOOKS),  # nobody is logged in at the hub
        ("hub-session", {}),  # a program
        ("hub-session", {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}),
        ("hub-session", {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}),
        ("hub-session", {**LOOKS, "Authorization": "token nobodys"}),
    ],
)
async def test_nobody_else_is_sent_away_from_a_public_page(portal_client, session, headers):
    if session:
        portal_client.client.cookies.set(HUB_SESSION, session)
    assert (await portal_client.client.get("anybody", headers=headers)).text == "nobody"


async def test_a_login_comes_back_to_the_address_as_it_was_asked_for(portal_client, hub):
    """The path as the browser encoded it: what is encoded in it must not become something else on the way."""
    hub.people["ada"] = PersonReport()
    way = await the_way_to_the_hub(portal_client, "mine?q=%C3%BC%2Fx")
    answer = await portal_client.client.get("oauth_callback", params={"code": "code-ada", "state": way["state"]})
    assert answer.headers["Location"] == f"{BASE}mine?q=%C3%BC%2Fx"
