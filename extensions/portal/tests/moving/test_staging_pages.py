"""The pages of staging and of jobs: without scripts, with events, and for nobody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from dav_peer import DavPeer, dav_peer
from panosc_portal.hub import Login, PersonReport
from panosc_portal.login import Logins
from panosc_portal.moving.job_pages import STREAMS
from panosc_portal.moving.runner import Runner
from pydantic import SecretStr
from running import Running, running
from staging_support import REF, VISIT, data_of, remote, tree_of, with_remotes, write_tree
from support import BASE, FakeHub, make_portal, make_site

PARTS = ("moving.staging_pages", "moving.job_pages")


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[DavPeer]:
    """The storage elsewhere, with data."""
    write_tree(tmp_path / "elsewhere" / VISIT, files=30)
    with dav_peer(tmp_path / "elsewhere", {"token-for-elsewhere": ("/", False)}) as made:
        yield made


@pytest.fixture
async def browser(tmp_path: Path, peer: DavPeer, root: Path) -> AsyncIterator[Running]:
    """A portal with staging, and ada's browser at it."""
    site = with_remotes(make_site(tmp_path / "made"), root, remote(peer.url))
    hub = FakeHub(people={"ada": PersonReport(), "ben": PersonReport()})
    hub.directories = {("ada", REF): data_of(root)}
    hub.tokens = {("ada", "elsewhere"): "token-for-elsewhere"}
    async with running(make_portal(site, hub), hub, PARTS) as made:
        made.log_in("ada")
        yield made


async def _begin(browser: Running) -> str:
    answer = await browser.client.post(f"stage/{REF}", data={"remote": "elsewhere", "_xsrf": browser.xsrf})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["Location"]).removeprefix(BASE)


async def test_from_the_button_to_the_data(browser: Running, root: Path) -> None:
    page = await browser.client.get(f"stage/{REF}")
    assert "Bring the data here" in page.text
    assert not root.joinpath("ma1234").exists()  # a link that is followed starts nothing
    job = await _begin(browser)
    seen = []
    async with browser.client.stream("GET", f"{job}/events") as events:
        assert events.headers["Content-Type"].startswith("text/event-stream")
        async for line in events.aiter_lines():
            if line.startswith("data: "):
                seen.append(json.loads(line[6:]))
    assert seen[-1]["state"] == "done"
    assert [one["over"] for one in seen] == [False] * (len(seen) - 1) + [True]
    assert len(tree_of(root / VISIT)) == 34
    page = await browser.client.get(job)
    assert "34 of 34 files" in page.text
    assert "/hub/open?proposals=esrf/ma1234" in page.text
    assert "Bring them anew" in (await browser.client.get(f"stage/{REF}")).text
    assert "ma1234 from Storage elsewhere" in (await browser.client.get("jobs")).text


async def test_what_somebody_came_for_is_carried_along(browser: Running, root: Path) -> None:
    wanted = "?pid=10.5072%2Fa+%26b&source=esrf"
    page = await browser.client.get(f"stage/{REF}{wanted}")
    assert "Bring the data here, then open" in page.text
    answer = await browser.client.post(f"stage/{REF}{wanted}", data={"remote": "elsewhere", "_xsrf": browser.xsrf})
    job = str(answer.headers["Location"]).removeprefix(BASE)
    assert job.endswith(wanted)
    address, _, _ = job.partition("?")
    answer = await browser.client.post(f"{address}/cancel{wanted}", data={"_xsrf": browser.xsrf})
    assert str(answer.headers["Location"]).endswith(wanted)
    answer = await browser.client.post(f"{address}/again{wanted}", data={"_xsrf": browser.xsrf})
    assert str(answer.headers["Location"]).endswith(wanted)
    async with asyncio.timeout(20):
        while "Open in JupyterLab" not in (page := await browser.client.get(job)).text:
            await asyncio.sleep(0.05)
    assert 'name="pid" value="10.5072/a &amp;b"' in page.text and 'name="source" value="esrf"' in page.text
    page = await browser.client.get(f"stage/{REF}{wanted}")
    assert f'href="{BASE}open?pid=10.5072%2Fa+%26b&amp;source=esrf"' in page.text


async def test_without_scripts_the_page_moves_on_and_cancels(browser: Running, peer: DavPeer, root: Path) -> None:
    peer.guard.slow = 0.3
    job = await _begin(browser)
    page = await browser.client.get(job)
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in page.text
    assert "<button" in page.text and f'action="{BASE}{job}/cancel"' in page.text
    assert (await browser.client.post(f"{job}/cancel", data={"_xsrf": "another"})).status_code == 403
    while peer.count("GET") < 4:
        await asyncio.sleep(0.02)
    answer = await browser.client.post(f"{job}/cancel", data={"_xsrf": browser.xsrf})
    assert answer.status_code == 303
    page = await browser.client.get(job)
    assert "cancelled" in page.text and "Try again" in page.text
    assert "It begins anew" in page.text and "34 files" not in page.text  # nothing of it is here any more
    assert list((root / ".panosc-staging").iterdir()) == []
    peer.guard.slow = 0.0
    await browser.client.post(f"{job}/again", data={"_xsrf": browser.xsrf})
    async with asyncio.timeout(20):
        while not (root / VISIT).exists():
            await asyncio.sleep(0.05)


async def test_others_see_and_stop_nothing(browser: Running, peer: DavPeer) -> None:
    peer.guard.slow = 0.3
    job = await _begin(browser)
    browser.log_in("ben")
    for method, address in (
        ("GET", job),
        ("GET", f"{job}/events"),
        ("POST", f"{job}/cancel"),
        ("POST", f"{job}/again"),
    ):
        answer = await browser.client.request(
            method, address, data={"_xsrf": browser.xsrf} if method == "POST" else None
        )
        assert answer.status_code == 404, address
    assert "Nothing is under way" in (await browser.client.get("jobs")).text
    for answer in (
        await browser.client.get(f"stage/{REF}"),
        await browser.client.post(f"stage/{REF}", data={"remote": "elsewhere", "_xsrf": browser.xsrf}),
    ):
        assert answer.status_code == 403
        assert "You are not on proposal" in answer.text


async def test_what_is_no_proposal_or_no_remote_is_told(browser: Running) -> None:
    assert (await browser.client.get("stage/nowhere/1")).status_code == 404
    assert (await browser.client.get("stage/esrf/not%20one")).status_code == 404
    answer = await browser.client.post(f"stage/{REF}", data={"remote": "another", "_xsrf": browser.xsrf})
    assert answer.status_code == 409
    assert "do not come from there" in answer.text
    assert "Bring the data here" in (await browser.client.get("stage/esrf/MA-1234")).text  # as people write it


async def test_a_page_that_follows_a_job_ends_with_the_login(
    browser: Running, peer: DavPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panosc_portal.moving.job_pages.LOOK_EVERY", 0.2)
    peer.guard.slow = 0.5
    job = await _begin(browser)
    async with asyncio.timeout(20), browser.client.stream("GET", f"{job}/events") as events:
        lines = events.aiter_lines()
        assert (await anext(lines)).startswith("data: ")
        del browser.hub.people["ada"]  # the hub has ended the login
        browser.portal.part(Logins)._known.clear()
        rest = [line async for line in lines if line]
    assert not any(json.loads(line[6:])["over"] for line in rest)


async def test_one_person_follows_few_jobs_at_a_time(browser: Running, peer: DavPeer) -> None:
    peer.guard.slow = 0.5
    job = await _begin(browser)
    followed: list[AsyncIterator[bytes]] = []
    async with AsyncExitStack() as stack:
        for _ in range(STREAMS):
            events = await stack.enter_async_context(browser.client.stream("GET", f"{job}/events"))
            followed.append(events.aiter_raw())  # kept: what nobody holds is closed
            await anext(followed[-1])
        answer = await browser.client.get(f"{job}/events")
        assert answer.status_code == 429
        assert "Close one of them" in answer.text
    async with asyncio.timeout(10):
        while (await _status_of(browser, f"{job}/events")) != 200:
            await asyncio.sleep(0.1)


async def test_a_persons_own_token_looks_but_is_no_login_of_their_jobs(browser: Running, peer: DavPeer) -> None:
    peer.guard.slow = 0.3
    job = await _begin(browser)
    runner = browser.portal.part(Runner)
    own = {"Authorization": "token token-ben"}
    browser.hub.who = _own_token_of_ada  # type: ignore[method-assign]
    async with httpx.AsyncClient(base_url=browser.address, headers=own, trust_env=False) as program:
        for address, status in (
            ("jobs", 200),
            (job, 200),
            (f"stage/{REF}", 401),
        ):  # the hub does not say where data lie
            assert (await program.get(address)).status_code == status, address
        assert (await program.post(f"stage/{REF}", data={"remote": "elsewhere"})).status_code == 401
        for kept in (runner.login("ada"), runner._seal.open(runner.store.sealed(job.removeprefix("jobs/")))):
            assert kept is not None and kept.token.get_secret_value() == "token-ada"
        await program.post(f"{job}/cancel")
        refused = await program.post(f"{job}/again")
        assert refused.status_code == 403
        assert "not by a token of your own" in refused.text


async def _own_token_of_ada(token: SecretStr) -> Login:
    """As the hub says it of any token of hers."""
    return Login("ada", token)


async def _status_of(browser: Running, address: str) -> int:
    async with browser.client.stream("GET", address) as answer:
        return answer.status_code
