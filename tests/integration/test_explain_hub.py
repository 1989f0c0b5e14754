"""On a real hub: why one proposal cannot be opened, who opened my data, what the hub has to tell; each only about oneself."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest
from hub_harness import HubUnderTest, proxy_command
from test_pages_hub import Browser

pytestmark = pytest.mark.skipif(
    not proxy_command(), reason="the hub's proxy (configurable-http-proxy) is not installed"
)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubUnderTest]:
    with HubUnderTest(tmp_path_factory.mktemp("words")) as running:
        yield running


@pytest.fixture(scope="module")
def ada(hub: HubUnderTest) -> Browser:
    return Browser(hub, "ada")


def words(text: str) -> str:
    body = re.sub(r"<(script|style|template)\b.*?</\1>|<noscript>.*?</noscript>", "", text, flags=re.S)
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", body).split()))


class TestExplain:
    def test_what_is_in_order(self, ada: Browser) -> None:
        page = ada.get("/hub/explain?proposal=esrf/MA-1001")
        assert page.status == 200
        text = words(page.text)
        assert "ESRF ma1001 : you can open it" in text
        assert text.count("In order") == 9
        assert 'href="/hub/open?proposals=esrf/ma1001"' in page.text

    def test_the_number_alone_is_enough(self, ada: Browser) -> None:
        assert "ma1001 : you can open it" in words(ada.get("/hub/explain?proposal=ma1001").text)

    def test_from_the_question_on_the_other_page(self, ada: Browser) -> None:
        page = ada.get("/hub/why").text
        assert 'action="/hub/explain"' in page
        assert "Which proposal do you miss?" in page

    def test_what_ended(self, ada: Browser) -> None:
        text = words(ada.get("/hub/explain?proposal=esrf/blc10").text)
        assert "you cannot open it" in text
        assert "Your right to it: Your access to blc10 (ESRF) ended on 02 January 2021" in text
        assert "Who can do this: the proposal’s main proposer or the user office." in text

    def test_data_that_are_not_there(self, ada: Browser) -> None:
        text = words(ada.get("/hub/explain?proposal=esrf/hg77").text)
        assert "Where the data are" in text
        assert "are not there" in text

    def test_no_oracle(self, ada: Browser) -> None:
        """A proposal of others and one that does not exist: the same page, but for the number."""
        theirs, nobodys = (ada.get(f"/hub/explain?proposal=esrf/ma{number}") for number in (1009, 9999))
        assert theirs.status == nobodys.status == 200

        def plain(text: str) -> str:
            return re.sub(r"\d+ (s|min)\b|less than a minute|_xsrf\S+|xsrf_token\S+ \S+|\d\d:\d\d\S*", "…", text)

        one, other = (plain(page.text).replace("ma1009", "ma9999") for page in (theirs, nobodys))
        assert one == other
        assert "You are not on proposal ma1009" in words(theirs.text)

    @pytest.mark.parametrize(
        "text",
        ["<script>alert(1)</script>", "esrf/../../etc", "x/y", "%00", "a" * 5000, "esrf/", "/", "../..", "\u202e"],
    )
    def test_hostile_numbers(self, ada: Browser, text: str) -> None:
        import urllib.parse

        page = ada.get("/hub/explain?" + urllib.parse.urlencode({"proposal": text}))
        assert page.status == 200
        assert "<script>alert" not in page.text
        assert "The proposal’s number" in words(page.text)

    def test_no_paths_and_no_words_of_machines(self, ada: Browser, hub: HubUnderTest) -> None:
        for proposal in ("esrf/ma1001", "esrf/ma1009", "esrf/hg77", "nonsense"):
            page = ada.get(f"/hub/explain?proposal={proposal}")
            assert str(hub.folder) not in page.text
            for word in ("spawn", "oauth", "mount", "named server", "jupyterhub", "traceback"):
                assert word not in words(page.text).lower()

    def test_only_for_who_is_logged_in(self, hub: HubUnderTest) -> None:
        page = Browser(hub).get("/hub/explain?proposal=esrf/ma1001", follow=False)
        assert page.status == 302


class TestAccess:
    def test_the_main_proposer_sees_the_team_and_the_team_does_not_see_each_other(self, hub: HubUnderTest) -> None:
        ada = Browser(hub, "ada")
        ada.post("/hub/open", proposals="esrf/ma1001")  # she leads it
        ada.post("/hub/open", proposals="esrf/ma1005")  # she is a member
        ada.until({"ma1001": "running", "ma1005": "running"}, 60)
        page = ada.get("/hub/access")
        text = words(page.text)
        led, own = text.split("Your own account", 1)
        assert "Ada Łovelace you Main proposer could read: raw data; could change: processed data" in led
        assert "ma1005" not in led
        assert "You opened ma1001." in own
        assert "You opened ma1005." in own
        assert "Shown since" in text

    def test_nobody_sees_anything_of_others(self, hub: HubUnderTest) -> None:
        text = words(Browser(hub, "dan").get("/hub/access").text)
        assert "ma1001" not in text
        assert "Ada" not in text
        assert "you are the main proposer of none" in text

    def test_a_program_with_a_token_may_not(self, hub: HubUnderTest) -> None:
        from test_audit_hub import token_of

        token = token_of(Browser(hub, "ada"), "ada")
        page = Browser(hub).get("/hub/access", Authorization=f"token {token}")
        assert page.url.endswith("/hub/login?next=%2Fhub%2Faccess")
        assert "ma1001" not in page.text


class TestTold:
    def test_a_notice_is_there_until_it_is_dismissed_and_only_for_its_person(self, hub: HubUnderTest) -> None:
        ada, dan = Browser(hub, "ada"), Browser(hub, "dan")
        ada.get("/hub/tell?kind=added&ref=esrf/ma1002&text=You+can+open+<b>ma1002</b>+now.")
        page = ada.get("/hub/home").text
        assert "You can open &lt;b&gt;ma1002&lt;/b&gt; now." in page
        number = re.search(r"/hub/panosc/notice/(\d+)", page)
        assert number
        assert "ma1002&lt;" not in dan.get("/hub/home").text
        dan.post(f"/hub/panosc/notice/{number[1]}")
        ada.get(f"/hub/panosc/notice/{number[1]}")  # a link changes nothing
        assert "You can open &lt;b&gt;" in ada.get("/hub/home").text
        ada.post(f"/hub/panosc/notice/{number[1]}")
        assert "You can open &lt;b&gt;" not in ada.get("/hub/home").text

    def test_dismissing_needs_the_forms_own_proof(self, hub: HubUnderTest) -> None:
        ada = Browser(hub, "ada")
        ada.get("/hub/tell?kind=removed&ref=esrf/ma1003&text=It+is+gone.")
        number = re.search(r"/hub/panosc/notice/(\d+)", ada.get("/hub/home").text)
        assert number
        assert ada.post(f"/hub/panosc/notice/{number[1]}", xsrf="wrong").status == 403
        page = ada.get("/hub/home").text
        assert "It is gone." in page
        assert 'href="/hub/explain?proposal=esrf/ma1003"' in page

    def test_an_outage_says_since_when_and_what_it_means(self, hub: HubUnderTest) -> None:
        ada = Browser(hub, "ada")
        ada.get("/hub/tell?login=test&source=User+office+list")
        text = words(ada.get("/hub/home").text)
        assert "Test community has not answered since" in text
        assert "You can go on until" in text
        assert "User office list has not answered since" in text
        ada.get("/hub/tell?up-login=test&up-source=User+office+list")
        assert "has not answered" not in words(ada.get("/hub/home").text)
