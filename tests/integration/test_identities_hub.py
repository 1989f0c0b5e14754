"""Linked logins at a real hub with two login services: what is proven, what is asked, what is never done silently."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from identities_support import TwoLogins, Visitor

pytestmark = pytest.mark.slow

PEOPLE = ("olga", "ada", "bea", "cyd", "dan", "eva", "fay", "gil", "hal", "ida", "jon", "kim", "leo", "max", "noa")
SOON = 60.0
SECOND_SOURCE = """
[[sources]]
type = "file"
name = "Institute"
path = "institute.toml"
person = {{ by = "subject", issuer = "{issuer}" }}
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoLogins]:
    running = TwoLogins(tmp_path_factory.mktemp("identities"), PEOPLE)
    with (running.site / "site.toml").open("a") as file:
        file.write(SECOND_SOURCE.format(issuer=running.other_issuer))
    teams = {"ma1001": "ada", "ma1003": "hal", "ma1004": "kim"}
    running.data(*teams, "ma1002", "ma1005")
    running.grant({proposal: [person] for proposal, person in teams.items()})
    own = (running.site / "proposals.toml").read_text()
    running.grant({"ma1002": ["ada"], "ma1005": ["kim"]})
    theirs = (running.site / "proposals.toml").read_text().replace("@demo.panosc.example", "@institute.example")
    (running.site / "institute.toml").write_text(theirs)
    (running.site / "proposals.toml").write_text(own)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture
def visitor(hub: TwoLogins, request: pytest.FixtureRequest) -> Iterator[Callable[[], Visitor]]:
    made: list[Visitor] = []

    def make() -> Visitor:
        made.append(Visitor(hub))
        return made[-1]

    yield make
    for one in made:
        one.close()
    print((hub.folder / "hub.log").read_text()[-4000:])  # shown when the test fails


def soon(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SOON
    while not holds():
        assert time.monotonic() < end, f"not within {SOON} s: {what}"
        time.sleep(0.2)


def linked(person: str, make: Callable[[], Visitor]) -> tuple[Visitor, str]:
    """Somebody whose two logins are linked, logged in with the first."""
    one = make()
    name = one.log_in(person)
    one.link(person, person)
    one.submit("account/confirm", answer="yes")
    one.says("The login is linked.")
    return one, name


def test_the_same_name_at_two_login_services_is_two_people(visitor):
    """Name, preferred_username and all other claims but the identifier are the same at both."""
    one, other = visitor(), visitor()
    assert one.log_in("ada") != other.log_in("ada", "institute") != ""
    one.get("home")
    one.says("ma1001")
    assert "ma1002" not in one.page.text
    one.get("account")
    one.says(
        "My identities", "Demo people", "you are logged in with this one", "made this account with its first login"
    )
    assert "institute.example</code>" not in one.page.text
    assert "Unlink" not in one.page.text, "the only login of an account"


def test_both_sign_ins_then_the_question_then_one_person(hub, visitor):
    one, other = visitor(), visitor()
    name, before = one.log_in("ada"), other.log_in("ada", "institute")
    assert one.link("ada", "ada").url.path == "/hub/account/confirm"
    one.says("Link these two logins?", hub.identity("ada"), hub.identity_at_institute("ada"), name, before)
    one.says("The other login has an account of its own here", "Nothing of that account is deleted")
    assert other.name() == before, "nothing happens before the person says yes"
    one.submit("account/confirm", answer="yes")
    one.says("The login is linked.", hub.identity_at_institute("ada"), "was linked, by yourself")
    one.get("home")
    one.says("ma1001", "ma1002")
    soon(lambda: other.name() == "", "the other account's session ends")
    assert other.log_in("ada", "institute") == name
    other.get("home")
    other.says("ma1001", "ma1002")
    other.get("why")
    other.says("Linked with it", hub.identity("ada"))
    line = next(line for line in hub.audit() if line["event"] == "identity-linked" and line["person"] == name)
    assert (line["by"], line["account"]) == (name, before)
    for part in (hub.identity("ada"), hub.identity_at_institute("ada"), "in one browser"):
        assert part in str(line["evidence"])


def test_no_is_no(visitor):
    one, other = visitor(), visitor()
    name, before = one.log_in("bea"), other.log_in("bea", "institute")
    one.link("bea", "bea")
    one.submit("account/confirm", answer="no")
    one.says("Nothing was changed.")
    assert one.get("account/confirm").url.path == "/hub/account", "and what was proven is forgotten"
    assert (one.name(), other.name()) == (name, before)


def test_whoever_finds_an_open_browser_cannot_link_a_login_of_theirs(visitor):
    one = visitor()
    one.log_in("bea")
    one.get("account")
    one.submit("account/link", 'value="institute"')
    one.choose("cyd")  # not bea, whose account it is
    one.says("a login that does not belong to the account you are in", "Nothing was changed.")
    assert one.get("account/confirm").url.path == "/hub/account"


def test_the_same_login_twice_is_not_two(visitor):
    one = visitor()
    one.log_in("cyd")
    assert one.link("cyd", "cyd", "demo").status_code == 409
    one.says("belongs to this account already")


def test_a_forged_or_foreign_request_changes_nothing(hub, visitor):
    one = visitor()
    one.log_in("cyd")
    xsrf = next(c.value for c in one.http.cookies.jar if c.name == "_xsrf" and c.path == "/hub/")
    for path, data in (
        ("link", {"community": "institute"}),
        ("confirm", {"answer": "yes"}),
        ("unlink", {"issuer": "x", "subject": "y"}),
    ):
        for mode in ("navigate", "no-cors", "cors", "same-origin"):
            answer = one.http.post(
                f"{hub.url}/hub/account/{path}",
                data=data,
                headers={"Sec-Fetch-Mode": mode, "Sec-Fetch-Site": "cross-site"},
            )
            assert answer.status_code == 403, (path, mode)
    answer = one.http.post(f"{hub.url}/hub/account/link", data={"community": "nobody", "_xsrf": xsrf})
    assert answer.status_code == 409
    assert "no such community" in answer.text
    answer = one.http.post(f"{hub.url}/hub/account/confirm", data={"answer": "yes", "leaving": "", "_xsrf": xsrf})
    assert answer.url.path == "/hub/account", "nothing was proven"
    assert hub.command("history", one.name(), "--json").stdout.count("\n") == 1


def test_a_program_with_a_token_cannot_change_whose_login_it_is(hub, visitor):
    one = visitor()
    one.log_in("cyd")
    program = visitor()
    bearer = {"Authorization": f"token {one.token()}"}
    for path in ("link", "unlink", "confirm"):
        answer = program.http.post(f"{hub.url}/hub/account/{path}", headers=bearer, data={"community": "institute"})
        assert answer.status_code == 403, path


def test_what_one_browser_proved_is_of_no_use_in_anothers_nor_twice(hub, visitor):
    one, thief = visitor(), visitor()
    one.log_in("dan")
    thief.log_in("eva")
    one.link("dan", "dan")
    cookie = next(c for c in one.http.cookies.jar if c.name == "panosc-linking")
    thief.http.cookies.set("panosc-linking", cookie.value, domain=cookie.domain, path=cookie.path)
    assert thief.get("account/confirm").url.path == "/hub/account"
    assert hub.identity_at_institute("dan") not in thief.page.text
    one.submit("account/confirm", answer="yes")
    one.says("The login is linked.")
    one.get("account")
    again = visitor()
    again.log_in("dan")
    again.http.cookies.set("panosc-linking", cookie.value, domain=cookie.domain, path=cookie.path)
    again.get("account/confirm")
    again.says("belongs to this account already")


def test_a_sign_in_that_was_not_asked_for_here_links_nothing(hub, visitor):
    one = visitor()
    one.log_in("eva")
    one.get("oauth_login?community=institute&link=1")  # by hand, or by somebody else's link
    one.choose("fay")
    one.says("Linking took too long, or was begun in another browser.")
    assert one.get("account/confirm").url.path == "/hub/account"


def test_to_unlink_a_login_that_stays_is_shown_first_and_all_sessions_end(hub, visitor):
    other = visitor()
    before = other.log_in("fay", "institute")
    one, name = linked("fay", visitor)
    elsewhere = visitor()
    assert elsewhere.log_in("fay", "institute") == name
    program = {"Authorization": f"token {elsewhere.token()}"}
    assert elsewhere.http.get(f"{hub.url}/hub/api/user", headers=program).status_code == 200
    one.get("account")
    one.submit("account/unlink", hub.identity_at_institute("fay"))
    assert str(one.page.url).startswith(hub.issuer), "the login that stays"
    one.choose("gil")
    one.says("does not belong to the account you are in")
    one.get("account")
    one.submit("account/unlink", hub.identity_at_institute("fay"))
    one.choose("fay")
    one.says("Unlink this login?", before, "You are logged out everywhere")
    one.submit("account/confirm", answer="yes")
    one.says("The login is unlinked", "the one that it had before")
    assert one.name() == ""
    soon(lambda: elsewhere.name() == "", "what the unlinked login opened is closed")
    assert httpx.get(f"{hub.url}/hub/api/user", headers=program, trust_env=False, timeout=60).status_code == 403, (
        "and its tokens"
    )
    assert elsewhere.log_in("fay", "institute") == before
    assert one.log_in("fay") == name


def test_the_login_in_use_can_be_unlinked_too_and_is_then_refused_until_linked_again(hub, visitor):
    one, name = linked("gil", visitor)
    one.get("account")
    one.submit("account/unlink", hub.identity("gil"))
    assert str(one.page.url).startswith(hub.other_issuer)
    one.choose("gil")
    one.says("It cannot be used at this hub by itself")
    one.submit("account/confirm", answer="yes")
    other = visitor()
    assert other.log_in("gil") == ""
    other.says("This login was unlinked from an account of this hub", "Log in with the other login")
    assert other.log_in("gil", "institute") == name
    other.link("gil", "gil", "demo")
    other.says("Link these two logins?", hub.identity("gil"))
    other.submit("account/confirm", answer="yes")
    assert visitor().log_in("gil") == name


def test_running_servers_are_stopped_by_the_person_first(hub, visitor):
    """Neither does an account with servers lose its login, nor a server what it was started with."""
    session = hub.session("hal")
    session.start("p-ma1003", {"proposals": ["esrf/ma1003"]})
    one = visitor()
    one.log_in("hal", "institute")
    one.link("hal", "hal", "demo")
    assert one.page.status_code in (200, 409), one.page.text
    assert one.page.url.path == "/hub/account/confirm"
    one.says("The other login’s account has 1 server running, so they cannot be linked now.")
    assert 'value="yes"' not in one.page.text
    one.submit("account/confirm", answer="yes", leaving=session.user)  # all the same
    one.says("1 server running")
    refused = hub.command("link", hub.identity("hal"), "--to", one.name(), "--leaving", session.user, "--reason", "r")
    assert refused.returncode == 1
    assert "has 1 server running. Stop it first" in refused.stderr
    session.stop("p-ma1003")
    one.get("account/confirm")
    one.submit("account/confirm", answer="yes")
    one.says("The login is linked.")
    mine = hub.session("hal")
    assert mine.user == one.name()
    mine.start("p-ma1003", {"proposals": ["esrf/ma1003"]})
    one.get("account")
    one.submit("account/unlink", hub.identity("hal"))
    one.says("You have 1 server running.", "Stop them on your page")
    mine.stop("p-ma1003")


def test_an_account_that_is_not_what_the_question_said_is_not_moved(hub, visitor):
    one, other = visitor(), visitor()
    one.log_in("ida")
    one.link("ida", "ida")  # the institute's login has no account yet
    assert "account of its own here" not in one.page.text
    own = other.log_in("ida", "institute")
    one.submit("account/confirm", answer="yes")
    one.says("This login has an account of its own here.")
    assert other.name() == own


def test_the_administrator_links_and_unlinks_while_the_hub_runs(hub, visitor):
    one, other = visitor(), visitor()
    name, before = one.log_in("jon"), other.log_in("jon", "institute")
    identity = hub.identity_at_institute("jon")
    refused = hub.command("link", identity, "--to", name, "--reason", "ticket 17")
    assert refused.returncode == 1
    assert f"add --leaving {before}" in refused.stderr
    done = hub.command(
        "link", identity, "--to", name, "--leaving", before, "--reason", "ticket 17", "--proof", "passport seen"
    )
    assert done.returncode == 0, done.stderr
    soon(lambda: other.name() == "", "the hub notices")
    assert other.log_in("jon", "institute") == name
    assert "ticket 17" in other.get("account").text
    done = hub.command("unlink", identity, "--reason", "ticket 18")
    assert done.returncode == 0, done.stderr
    assert f"logs in as {before} again" in done.stdout
    soon(lambda: one.name() == other.name() == "", "all sessions of the account end")
    assert other.log_in("jon", "institute") == before
    history = [json.loads(line) for line in hub.command("history", identity, "--json").stdout.splitlines()]
    assert [line["act"] for line in history] == ["made", "left", "linked", "unlinked", "returned"]
    assert {line["reason"] for line in history[1:3]} == {"ticket 17"}
    assert all(line["by"].startswith("administrator ") for line in history[1:])
    assert {"identity-linked", "identity-unlinked"} <= {
        str(line["event"]) for line in hub.audit() if "ticket 1" in str(line.get("reason"))
    }


def test_who_is_shut_out_is_out_at_once_and_their_servers_too(hub, visitor):
    session = hub.session("kim")
    session.start("p-ma1004", {"proposals": ["esrf/ma1004"]})
    one = visitor()
    assert one.log_in("kim") == session.user
    assert hub.command("remove", hub.identity("kim"), "--reason", "left the institute").returncode == 0
    soon(lambda: one.name() == "", "the session ends")
    soon(
        lambda: (
            "stopped"
            in {
                str(line["event"]).removeprefix("server-") for line in hub.audit() if line.get("person") == session.user
            }
        ),
        "the server ends",
    )
    assert one.log_in("kim") == ""
    one.says("This login was shut out from this hub")
    assert hub.command("release", hub.identity("kim"), "--reason", "back").returncode == 0
    fresh = one.log_in("kim")
    assert fresh not in ("", session.user), "as somebody new"
    assert hub.command("show", hub.identity("kim")).stdout.startswith(fresh)


def test_what_is_unlinked_while_the_hub_is_down_is_followed_when_it_comes_back(hub, visitor):
    one, name = linked("leo", visitor)
    other = visitor()
    assert other.log_in("leo", "institute") == name
    hub.kill_hub()
    done = hub.command("unlink", hub.identity_at_institute("leo"), "--reason", "lost token")
    assert done.returncode == 0, done.stderr
    hub.start_hub()
    soon(lambda: one.name() == other.name() == "", "sessions from before the hub was killed end")
    assert other.log_in("leo", "institute") == ""
    assert one.log_in("leo") == name


def test_a_row_that_a_hostile_hand_wrote_opens_nothing_and_is_told_to_the_operator(hub, visitor):
    one = visitor()
    one.log_in("noa")
    with sqlite3.connect(hub.state / "people.sqlite", timeout=30) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute("UPDATE identity SET username = 'root' WHERE subject = ?", (hub.identity("noa"),))
    db.close()
    try:
        other = visitor()
        assert other.log_in("noa") == ""
        other.says("This hub cannot look up who you are right now.")
        assert "Traceback" not in other.page.text
        listed = hub.command("show", hub.identity("noa"))
        assert listed.returncode == 1
        assert "a user name that this hub did not make" in listed.stderr
        assert hub.identity("noa") in listed.stderr
        assert visitor().log_in("max"), "others are not touched"
    finally:
        name = hub.command("history", hub.identity("noa"), "--json").stdout
        with sqlite3.connect(hub.state / "people.sqlite", timeout=30) as db:
            db.execute(
                "UPDATE identity SET username = ? WHERE subject = ?",
                (json.loads(name)["username"], hub.identity("noa")),
            )
        db.close()
