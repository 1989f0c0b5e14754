"""What the first button offers where a server ended: what will help, never what will be refused."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import ChoiceLoader, DictLoader, Environment, FileSystemLoader

import panosc_spawner.pages
from panosc_spawner.launch.model import Reason, Refusal
from panosc_spawner.pages import words
from panosc_spawner.pages.servers import server_view

TEMPLATES = Path(panosc_spawner.pages.__file__).parent / "templates"
BARE = "{% block content %}{% endblock %}"
FACILITIES = {"esrf": "ESRF"}
BOTH = ["esrf/ma1001", "esrf/ma1002"]


def rendered(template: str, **values: Any) -> list[tuple[str, str, str]]:
    """The links that look like buttons: how they look, where they lead, what they say."""
    loader = ChoiceLoader([DictLoader({"page.html": BARE}), FileSystemLoader(TEMPLATES)])
    text = Environment(loader=loader, autoescape=True).get_template(template).render(base_url="/hub/", **values)
    found = re.findall(r'<a (?:id="start" )?class="btn ([^"]*)"\s+href="([^"]*)">([^<]*)', text)
    return [("first" if "btn-primary" in look.split() else "other", href, said.strip()) for look, href, said in found]


def not_running(reason: str, message: str, *, refs: list[str] = BOTH, failed: bool = False) -> list[tuple[str, str]]:
    problem = {"reason": reason, "message": message, "remedy": "", "details": ""} if reason else None
    kept = SimpleNamespace(user_options={"proposals": refs}, state={"problem": problem} if problem else None)
    shown = SimpleNamespace(refusal=Refusal(Reason(reason), message, "")) if failed else None
    found = rendered(
        "not_running.html",
        user=SimpleNamespace(orm_spawners={"p": kept}),
        server_name="p",
        panosc=SimpleNamespace(facilities=FACILITIES),
        failed=failed,
        exception=shown,
        spawn_url="/hub/spawn/x",
    )
    assert sum(look == "first" for look, _, _ in found) == 1
    assert found[0][0] == "first"
    return [(href, said) for _, href, said in found]


@pytest.mark.parametrize("failed", [False, True])
@pytest.mark.parametrize("reason", ["access-removed", "grant-ended", "not-granted"])
def test_where_a_proposal_is_lost_the_page_first_offers_to_say_why(reason: str, failed: bool) -> None:
    [first, *others] = not_running(reason, "You are not on ma1002 (ESRF) any more.", failed=failed)
    assert first == ("/hub/explain?proposal=esrf/ma1002", "Why?"), "of the one that the words name"
    assert [said for _, said in others] == ["Back to my proposals", "Try again" if failed else "Open it again"]


def test_where_the_login_ended_the_page_first_leads_to_what_can_be_opened_now() -> None:
    [first, again] = not_running("login-ended", "Your login has ended.")
    assert first == ("/hub/home", "Back to my proposals")
    assert again == ("/hub/spawn/x", "Open it again")


@pytest.mark.parametrize("reason", ["", "server-failed", "out-of-memory", "grant-too-old", "source-down"])
def test_where_trying_again_may_help_it_is_the_first(reason: str) -> None:
    found = not_running(reason, "It ended.")
    assert found[0] == ("/hub/spawn/x", "Open it again")
    assert (("/hub/explain?proposal=esrf/ma1001", "Why?") in found) is (reason in ("grant-too-old", "source-down"))


def on_home(reason: Reason, mine: list[str]) -> list[tuple[str, str, str]]:
    ended = server_view("p", "ended", {}, {"proposals": BOTH}, Refusal(reason, "It ended.", ""))
    source, _, _ = TEMPLATES.joinpath("home.html").read_text(encoding="utf-8").partition("  {% if servers and listing")
    bare = {"ended.html": source + "{% endblock content %}", "page.html": BARE}
    page = Environment(loader=ChoiceLoader([DictLoader(bare), FileSystemLoader(TEMPLATES)]), autoescape=True)
    listing = SimpleNamespace(by_ref={ref: SimpleNamespace(title="") for ref in mine}, facilities=FACILITIES)
    text = page.get_template("ended.html").render(
        base_url="/hub/", servers=[ended], listing=listing, words=words, xsrf="x", outages=[], notices=[], done=""
    )
    found = re.findall(r'<a class="btn ([^"]*)" href="([^"]*)">([^<]*)', text)
    return [("first" if look == "btn-primary" else "other", href, said) for look, href, said in found]


@pytest.mark.parametrize("reason", [Reason.REVOKED, Reason.LOGIN_ENDED])
def test_at_home_what_is_not_the_persons_any_more_is_explained_first(reason: Reason) -> None:
    again = "/hub/open?proposals=esrf/ma1001,esrf/ma1002"
    assert on_home(reason, ["esrf/ma1001"]) == [
        ("first", "/hub/explain?proposal=esrf/ma1002", "Why?"),
        ("other", again, "Try again"),
    ]
    assert on_home(reason, BOTH) == [("first", again, "Try again")]


def test_at_home_what_failed_is_tried_again() -> None:
    assert [said for _, _, said in on_home(Reason.OUT_OF_MEMORY, [])] == ["Try again"]
