"""The pages on a real hub: nothing starts by a link, nobody acts for another, and every action does what it says."""

from __future__ import annotations

import gzip
import http.cookiejar
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

import pytest
from hub_harness import HubUnderTest, proxy_command

pytestmark = pytest.mark.skipif(
    not proxy_command(), reason="the hub's proxy (configurable-http-proxy) is not installed"
)


@dataclass
class Page:
    status: int
    url: str
    text: str
    headers: Message


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


class Browser:
    """Somebody's browser without JavaScript: cookies, redirects, forms."""

    def __init__(self, hub: HubUnderTest, person: str = "") -> None:
        self.hub = hub
        self.jar = http.cookiejar.CookieJar()
        cookies = urllib.request.HTTPCookieProcessor(self.jar)
        self._follow = urllib.request.build_opener(cookies)
        self._stay = urllib.request.build_opener(cookies, _Stay)
        if person:
            self.get(f"/hub/who?person={person}&next=/hub/home")

    def get(self, path: str, follow: bool = True, **headers: str) -> Page:
        return self._send(path, None, follow, headers)

    def post(self, path: str, follow: bool = True, xsrf: str | None = None, **fields: str) -> Page:
        fields["_xsrf"] = self.xsrf() if xsrf is None else xsrf
        return self._send(path, urllib.parse.urlencode(fields).encode(), follow, {})

    def xsrf(self) -> str:
        found = re.search(r'xsrf_token: "([^"]+)"', self.get("/hub/why").text)
        assert found
        return found[1]

    def _send(self, path: str, body: bytes | None, follow: bool, headers: dict[str, str]) -> Page:
        modes = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        request = urllib.request.Request(self.hub.url + path, body, modes | named)
        try:
            answer = (self._follow if follow else self._stay).open(request, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            data = answer.read()
            if answer.headers.get("Content-Encoding") == "gzip":
                data = gzip.decompress(data)
            return Page(answer.status, answer.url, data.decode(), answer.headers)

    def servers(self) -> dict[str, str]:
        """The person's servers on their home page, and how they are."""
        home = self.get("/hub/home").text
        found = re.findall(r'<li class="server server-(\w+)">(.*?)</li>', home, re.S)
        return {re.search(r'class="ref">([^<]+)<', text)[1]: state for state, text in found}  # type: ignore[index]

    def until(self, states: dict[str, str], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while self.servers() != states:
            assert time.monotonic() < deadline, (self.servers(), states)
            time.sleep(0.2)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubUnderTest]:
    with HubUnderTest(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture
def ada(hub: HubUnderTest) -> Iterator[Browser]:
    browser = Browser(hub, "ada")
    yield browser
    for name in set(re.findall(r"/panosc/stop/([a-z0-9-]+)", browser.get("/hub/home").text)):
        browser.post(f"/hub/panosc/stop/{name}")
    for name in set(re.findall(r"/panosc/dismiss/([a-z0-9-]+)", browser.get("/hub/home").text)):
        browser.post(f"/hub/panosc/dismiss/{name}")
    browser.until({})


class TestNothingStartsByALink:
    @pytest.mark.parametrize(
        "path",
        [
            "/hub/spawn",
            "/hub/spawn?opt-proposals=esrf/ma1001",
            "/hub/spawn?proposals=esrf/ma1001",
            "/hub/spawn/ada",
            "/hub/spawn/ada/p-ma1001",
            "/hub/spawn/ada/p-ma1001?opt-proposals=esrf/ma1001",
            "/hub/open?proposals=esrf/ma1001",
            "/hub/user/ada/p-ma1001/",
        ],
    )
    def test_get(self, ada: Browser, path: str) -> None:
        assert ada.get(path).status in (200, 424)
        assert ada.servers() == {}

    def test_nor_by_the_hubs_own_form(self, ada: Browser) -> None:
        assert ada.post("/hub/spawn/ada/p-ma1001", proposals="esrf/ma1001").url.endswith("/hub/home")
        assert ada.servers() == {}

    def test_nor_from_another_site(self, ada: Browser) -> None:
        page = ada.post("/hub/open", xsrf="forged", proposals="esrf/ma1001")
        assert page.status == 403
        assert ada.servers() == {}

    def test_stop_and_extend_do_nothing_by_get(self, ada: Browser) -> None:
        ada.post("/hub/open", proposals="esrf/ma1001")
        for action in ("stop", "extend", "dismiss"):
            assert ada.get(f"/hub/panosc/{action}/p-ma1001").url.endswith("/hub/home")
        assert ada.servers() == {"ma1001": "running"}

    def test_stop_needs_the_forms_token(self, ada: Browser) -> None:
        ada.post("/hub/open", proposals="esrf/ma1001")
        assert ada.post("/hub/panosc/stop/p-ma1001", xsrf="").status == 403
        assert ada.servers() == {"ma1001": "running"}


class TestOnlyOnesOwn:
    @pytest.mark.parametrize("person", ["bea", "root"])
    def test_another_persons_server_is_not_there(self, ada: Browser, person: str) -> None:
        ada.post("/hub/open", proposals="esrf/ma1001")
        other = Browser(ada.hub, person)
        for action in ("stop", "extend", "dismiss"):
            assert other.post(f"/hub/panosc/{action}/p-ma1001").status == 404
        assert other.get("/hub/spawn/ada/p-ma1001").status == 404
        assert "p-ma1001" not in other.get("/hub/home").text
        assert ada.servers() == {"ma1001": "running"}

    def test_another_persons_proposals_are_not_there(self, hub: HubUnderTest) -> None:
        rows = json.loads(Browser(hub, "bea").get("/hub/panosc/proposals").text)["rows"]
        assert [row[0] for row in rows] == ["esrf/ma1009"]

    @pytest.mark.parametrize("path", ["/hub/home", "/hub/why", "/hub/open", "/hub/panosc/proposals", "/hub/spawn"])
    def test_nobody_is_sent_to_log_in(self, hub: HubUnderTest, path: str) -> None:
        page = Browser(hub).get(path)
        assert "/hub/login" in page.url or page.status == 403
        assert "esrf/" not in page.text

    def test_a_proposal_of_somebody_else_is_refused_in_words(self, ada: Browser) -> None:
        for page in (ada.get("/hub/open?proposals=esrf/ma1009"), ada.post("/hub/open", proposals="esrf/ma1009")):
            assert page.status == 403
            assert "You are not on proposal ma1009 (ESRF)" in page.text
            assert "Ask its main proposer" in page.text
        assert ada.servers() == {}


class TestOpen:
    def test_start_then_the_link_is_the_server(self, ada: Browser) -> None:
        page = ada.post("/hub/open", proposals="esrf/ma1001")
        assert "JupyterLab would be here" in page.text
        assert 'href="/user/ada/p-ma1001/"' in ada.get("/hub/open?proposals=esrf/ma1001").text
        assert ada.post("/hub/open", proposals="esrf/ma1001").url.endswith("/user/ada/p-ma1001/")
        page = ada.get("/hub/spawn/ada/p-ma1001", follow=False)
        assert page.headers.get("Location") == "/user/ada/p-ma1001/", page

    def test_what_was_chosen_comes_back(self, ada: Browser) -> None:
        ada.post("/hub/open", proposals="esrf/ma1001", environment="esrf/base", memory_gb="2", shown_memory_gb="4")
        ada.post("/hub/panosc/stop/p-ma1001")
        location = ada.get("/hub/spawn/ada/p-ma1001", follow=False).headers["Location"]
        assert location == f"/hub/open?proposals=esrf/ma1001&environment=esrf/base&memory={2 * 1024**3}"
        page = ada.get(location).text
        assert re.search(r'value="esrf/base"[^>]* checked', page)
        assert 'name="memory_gb" class="form-control" inputmode="decimal" value="2"' in page

    def test_what_was_typed_is_kept_and_refused_in_words(self, ada: Browser) -> None:
        for typed, words in (("much", "is not a size"), ("99", "may use 16 GB at most")):
            page = ada.post("/hub/open", proposals="esrf/ma1001", memory_gb=typed, shown_memory_gb="4")
            assert page.status in (400, 403)
            assert words in page.text
            assert f'value="{typed}"' in page.text
            assert "Pigments of the Isenheim altarpiece" in page.text
        assert ada.servers() == {}

    def test_a_look_at_more_proposals_is_a_link(self, ada: Browser) -> None:
        page = ada.post("/hub/open", proposals="esrf/ma1001,ill/8-04-923", look="1")
        assert page.url.endswith("/hub/open?proposals=esrf/ma1001,ill/8-04-923")
        assert "Open 2 proposals together" in page.text

    @pytest.mark.parametrize("proposals", ["", "esrf/../../etc", "x/y", "esrf/ma1001%00", "<script>", "a" * 5000])
    def test_hostile_selections_are_refused_without_an_error(self, ada: Browser, proposals: str) -> None:
        page = ada.get("/hub/open?" + urllib.parse.urlencode({"proposals": proposals}))
        assert page.status in (200, 400, 403)
        assert (
            "<script>" not in page.text.replace("<script ", "").replace("<script>\n", "") or "&lt;script" in page.text
        )

    def test_a_failing_start_says_why_and_the_home_page_keeps_it(self, ada: Browser) -> None:
        page = ada.post("/hub/open", proposals="esrf/ma1003")
        assert "/hub/spawn-pending/" in page.url
        ada.until({"ma1003": "ended"})
        for text in (ada.get("/hub/spawn-pending/ada/p-ma1003").text, ada.get("/hub/home").text):
            assert "JupyterLab was stopped because it used more than its 4 GB of memory." in text
            assert "Refused(" not in text
            assert "<img" not in text
            assert "&lt;img src=x" in text
        ada.post("/hub/panosc/dismiss/p-ma1003")
        assert ada.servers() == {}

    def test_a_server_that_ended_by_itself_says_so_until_it_is_dismissed(self, ada: Browser) -> None:
        ada.post("/hub/open", proposals="esrf/ma1007")
        ada.until({"ma1007": "ended"})
        page = ada.get("/hub/home").text
        assert "JupyterLab ended by itself (exit code 1)." in page
        assert "Try again" in page
        assert ada.post("/hub/panosc/dismiss/p-ma1007").status == 200
        assert ada.servers() == {}

    def test_only_so_many_at_a_time(self, ada: Browser) -> None:
        for number in (1001, 1004, 1005, 1006):
            ada.post("/hub/open", proposals=f"esrf/ma{number}")
        page = ada.post("/hub/open", proposals="esrf/ma1007")
        assert page.status == 403
        assert "You have 4 servers running, and may have 4 at a time." in page.text
        assert len(ada.servers()) == 4


class TestActions:
    def test_cancel_leaves_nothing(self, ada: Browser) -> None:
        page = ada.post("/hub/open", proposals="esrf/ma1002")
        assert "Cancel" in page.text
        page = ada.post("/hub/panosc/stop/p-ma1002")
        assert "nothing is left running" in page.text
        assert ada.servers() == {}
        time.sleep(1)
        assert ada.servers() == {}

    def test_cancelled_can_be_started_again(self, ada: Browser) -> None:
        for _ in range(2):
            assert "/hub/spawn-pending/" in ada.post("/hub/open", proposals="esrf/ma1002").url
            ada.post("/hub/panosc/stop/p-ma1002")
        assert ada.servers() == {}

    def test_stop(self, ada: Browser) -> None:
        ada.post("/hub/open", proposals="esrf/ma1001")
        assert "Your files are kept." in ada.post("/hub/panosc/stop/p-ma1001").text
        assert ada.servers() == {}

    def test_extend_gives_the_time_a_start_would(self, ada: Browser) -> None:
        ada.post("/hub/open", proposals="esrf/ma1004")
        assert re.search(r"\b(9|10) min left", ada.get("/hub/home").text)
        page = ada.post("/hub/panosc/extend/p-ma1004")
        assert "You have more time." in page.text
        assert re.search(r"1[12] h( 59 min)? left", page.text)

    def test_extend_twice_says_that_there_is_no_more(self, ada: Browser) -> None:
        ada.post("/hub/open", proposals="esrf/ma1001")
        page = ada.post("/hub/panosc/extend/p-ma1001")
        assert page.status == 409
        assert "already has all the time it can have" in page.text


class TestPages:
    def test_hostile_titles_are_text(self, ada: Browser) -> None:
        for path in ("/hub/home", "/hub/open?proposals=esrf/ma1006", "/hub/home?q=%3Cscript%3E%22"):
            page = ada.get(path)
            assert "<script>document" not in page.text
            assert "<b>bold" not in page.text
        assert "&lt;script&gt;document" in ada.get("/hub/home").text

    def test_search_without_javascript(self, ada: Browser) -> None:
        page = ada.get("/hub/home?q=ma-1005")
        assert "1 of 9 proposals" in page.text
        assert "Étude" in page.text
        assert "Pigments" not in page.text

    def test_the_list_is_sent_once(self, ada: Browser) -> None:
        first = ada.get("/hub/panosc/proposals", Accept_Encoding="gzip")
        assert first.headers["Content-Encoding"] == "gzip"
        assert len(json.loads(first.text)["rows"]) == 9
        assert "private" in first.headers["Cache-Control"]
        again = ada.get("/hub/panosc/proposals", If_None_Match=first.headers["ETag"])
        assert (again.status, again.text) == (304, "")

    def test_empty_says_who_was_asked_and_whom_to_ask(self, hub: HubUnderTest) -> None:
        page = Browser(hub, "dan").get("/hub/home").text
        assert "There is nothing here that you can open yet" in page
        assert "User office list" in page
        assert "ESRF User Office" in page
        assert 'href="/hub/why"' in page

    def test_why_tells_who_one_is_and_what_ended(self, ada: Browser) -> None:
        page = ada.get("/hub/why").text
        assert "ada@login.example" in page
        assert "Test community" in page
        assert "Your access ended with 1 Jan 2021." in page

    def test_names_not_user_names(self, ada: Browser) -> None:
        assert "<summary>Ada Łovelace</summary>" in ada.get("/hub/home").text

    def test_static_files_are_for_ever_and_only_those(self, ada: Browser) -> None:
        path = re.search(r'href="(/hub/panosc/static/[0-9a-f]+/)pages.css"', ada.get("/hub/login").text)
        assert path
        css = ada.get(path[1] + "pages.css")
        assert css.headers["Content-Type"] == "text/css; charset=utf-8"
        assert "immutable" in css.headers["Cache-Control"]
        assert css.headers["X-Content-Type-Options"] == "nosniff"
        assert ada.get("/hub/panosc/static/00/pages.css").headers["Cache-Control"] == "no-cache"
        for bad in ("nothing.css", "..%2f__init__.py", "../rows.py", "rows.py"):
            assert ada.get(path[1] + bad).status == 404

    def test_pages_load_nothing_from_elsewhere(self, ada: Browser) -> None:
        for path in ("/hub/home", "/hub/why", "/hub/open?proposals=esrf/ma1001", "/hub/login"):
            page = ada.get(path)
            assert not re.search(r'(src|<link[^>]+href)="(https?:)?//', page.text)
            if path != "/hub/login":  # that one is the hub's own handler
                assert "default-src 'self'" in page.headers["Content-Security-Policy"]

    @pytest.mark.parametrize(
        "path", ["/hub/home", "/hub/open?proposals=esrf/ma1001", "/hub/why", "/hub/nothing", "/hub/login"]
    )
    def test_no_words_of_machines(self, ada: Browser, path: str) -> None:
        page = re.sub(r"<(script|style)\b.*?</\1>|<noscript>.*?</noscript>", "", ada.get(path).text, flags=re.S)
        words = re.sub(r"<[^>]+>", " ", page).lower()
        for word in ("spawn", "server options", "oauth", "mount", "named server", "jupyterhub"):
            assert word not in words
