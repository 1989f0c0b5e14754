"""What holds for every page: headers, errors in words, limits, the common look."""

from __future__ import annotations

import asyncio
import re

import pytest
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from panosc_portal import app as app_module
from panosc_portal import guard
from panosc_portal.guard import security_headers
from support import BASE, FakeHub, make_portal, make_site, serve


@pytest.fixture(autouse=True)
def a_part(monkeypatch):
    class Part:
        @staticmethod
        def router(portal):
            router = APIRouter()

            @router.get("/breaks")
            async def breaks() -> None:
                raise RuntimeError("the password is 'swordfish'")

            @router.get("/api/breaks")
            async def api_breaks() -> None:
                raise RuntimeError("the password is 'swordfish'")

            @router.get("/typed/{number}")
            async def typed(number: int) -> str:
                return str(number)

            @router.post("/takes")
            async def takes(request: Request) -> dict[str, int]:
                return {"bytes": len(await request.body())}

            @router.post("/form")
            async def form(request: Request) -> dict[str, int]:
                return {"fields": len(await request.form())}

            @router.get("/streams")
            async def streams() -> StreamingResponse:
                async def lines():
                    yield b"one\n"
                    raise RuntimeError("broke off")

                return StreamingResponse(lines())

            return router

    monkeypatch.setattr(app_module, "_module", lambda name: Part)


@pytest.fixture
def parts():
    return ("the.part",)


async def test_every_answer_has_the_security_headers(portal_client):
    for page in ("health", "login", "nothing", "breaks", "static/0/portal.css"):
        answer = await portal_client.client.get(page)
        for name, value in security_headers(portal_client.portal).items():
            assert answer.headers[name] == value, (page, name)


async def test_an_error_shows_a_number_and_nothing_of_itself(portal_client, caplog):
    answer = await portal_client.client.get("breaks")
    assert answer.status_code == 500
    assert "swordfish" not in answer.text
    assert "Traceback" not in answer.text
    number = re.search(r"number <code>(\w+)</code>", answer.text)[1]
    assert f"Error {number}" in caplog.text
    assert "swordfish" in caplog.text  # the operator finds all of it by that number


async def test_programs_get_errors_as_json(portal_client):
    broken = await portal_client.client.get("api/breaks")
    assert broken.status_code == 500
    assert broken.json()["error"]["statusCode"] == 500
    missing = await portal_client.client.get("nothing", headers={"Accept": "application/json"})
    assert missing.json() == {
        "error": {
            "statusCode": 404,
            "name": "Error",
            "message": "The address may be mistyped, what was there is gone, or it is somebody else’s.",
        }
    }


async def test_what_is_not_understood_is_told(portal_client):
    answer = await portal_client.client.get("typed/seven")
    assert answer.status_code == 400
    assert "number" in answer.text
    assert "correct it" in answer.text


async def test_an_answer_that_breaks_off_is_not_finished_with_a_page(portal_client):
    with pytest.raises(RuntimeError, match="broke off"):
        await portal_client.client.get("streams")


async def test_more_than_a_form_can_be_is_not_read(portal_client):
    fits = await portal_client.client.post("takes", content=b"x" * guard.MAX_BODY)
    assert fits.json() == {"bytes": guard.MAX_BODY}
    for page in ("takes", "form"):
        too_much = await portal_client.client.post(
            page,
            content=b"x" * (guard.MAX_BODY + 1),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert too_much.status_code == 413
        assert "More was sent" in too_much.text


async def test_a_body_without_a_length_is_counted_too(portal_client):
    async def endless():
        for _ in range(40):
            yield b"x" * 64 * 1024

    assert (await portal_client.client.post("takes", content=endless())).status_code == 413


async def test_an_endless_address_is_refused(portal_client):
    assert (await portal_client.client.get("health", params={"q": "x" * 40_000})).status_code == 414


async def test_static_files_are_kept_for_as_long_as_their_name_fits(portal_client):
    page = (await portal_client.client.get("nothing")).text
    sheets = re.findall(r'(?:href|src)="(/services/portal/static/[^"]+)"', page)
    assert {sheet.rpartition("/")[2] for sheet in sheets} >= {"hub.css", "pages.css", "portal.css", "darkmode.js"}
    for sheet in sheets:
        answer = await portal_client.client.get(f"http://127.0.0.1:8000{sheet}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        assert "@import" not in answer.text
    old = await portal_client.client.get("static/0123/portal.css")
    assert old.headers["Cache-Control"] == "no-cache"
    for name in ("look.py", "..%2flook.py", "%2e%2e/app.py"):
        assert (await portal_client.client.get(f"static/0123/{name}")).status_code == 404


async def test_the_first_page_is_the_search(portal_client):
    answer = await portal_client.client.get("")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{BASE}search")


async def test_the_head_knows_who_is_logged_in(portal_client):
    nobody = (await portal_client.client.get("nothing")).text
    assert f"{BASE}login?next=" in nobody
    assert "Transfers" not in nobody


async def test_with_another_host_for_the_hub_forms_may_lead_there(tmp_path):
    portal = make_portal(make_site(tmp_path), FakeHub())
    portal.hub_base = "https://hub.example.org/hub/"
    policy = security_headers(portal)["Content-Security-Policy"]
    assert "form-action 'self' https://hub.example.org https://*.hub.example.org" in policy


async def test_the_hub_is_let_go_at_the_end(portal, hub, parts):
    async with serve(portal, hub, parts):
        assert not hub.closed
    await asyncio.sleep(0)
    assert hub.closed
