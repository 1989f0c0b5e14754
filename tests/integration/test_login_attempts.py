"""What comes back from a login service is believed once, in the browser that asked, and in the right order."""

import re
import time
from urllib.parse import urlencode, urlsplit

import pytest
from login_hub import Running, query, words


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("attempts"))
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture
def browser(running):
    with running.browser() as browser:
        yield browser


def nobody(running, browser):
    """Whether nobody is logged in in this browser."""
    return "/hub/login" in str(browser.get(f"{running.hub}/hub/who").url)


def changed(address, **changes):
    """The callback with other parameters; None leaves one out."""
    parameters = query(address) | changes
    kept = {name: value for name, value in parameters.items() if value is not None}
    return address.partition("?")[0] + "?" + urlencode(kept, doseq=True)


def refusal(running, browser, address, code, status=400):
    answer = browser.get(address)
    assert answer.status_code == status, answer.text
    assert running.audit("login-refused")[-1]["reason"] == code
    assert nobody(running, browser)
    return words(answer)


def test_an_attempt_asks_as_it_should(running, browser):
    first, second = (query(running.begin(browser)) for _ in range(2))
    assert first["code_challenge_method"] == "S256"
    assert first["response_type"] == "code"
    assert first["redirect_uri"] == f"{running.hub}/hub/oauth_callback"
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) == 43
        assert first[name] != second[name]
    assert "code_verifier" not in first


def test_the_cookie_of_an_attempt_is_for_this_browser_and_the_hub_alone(running, browser):
    answer = browser.get(f"{running.hub}/hub/oauth_login?community=demo", follow_redirects=False)
    cookie = next(line for line in answer.headers.get_list("set-cookie") if line.startswith("panosc-login-"))
    for part in ("HttpOnly", "SameSite=Lax", "Path=/hub/", "Max-Age=900"):
        assert part in cookie
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


def test_several_tabs_log_in_at_once(running, browser):
    addresses = [
        running.callback(browser, persona, target=f"/hub/who?tab={persona}") for persona in ("ada", "ada", "lars")
    ]
    names = [browser.get(address).json()["name"] for address in reversed(addresses)]
    assert names[0] != names[1] == names[2]


def test_open_attempts_are_bounded(running, browser):
    for _ in range(20):
        last = running.begin(browser)
    open_ones = [cookie.name for cookie in browser.cookies.jar if cookie.name.startswith("panosc-login-")]
    assert len(open_ones) == 8
    page = browser.get(last)
    choice = re.search(r'name="choice" value="([^"]+)"', page.text)[1]
    assert browser.post(f"{running.issuer}/authorize", data={"choice": choice, "persona": "ada"}).status_code == 200


def test_an_answer_is_good_once(running, browser):
    address = running.callback(browser, "ada")
    kept = dict(browser.cookies)
    assert browser.get(address).status_code == 200
    with running.browser() as thief:  # has everything that the browser had
        thief.cookies.update({name: value for name, value in kept.items() if name.startswith("panosc-login-")})
        assert "used already" in refusal(running, thief, address, "replay")


def test_an_answer_in_another_browser_is_refused(running, browser):
    address = running.callback(browser, "ada")
    with running.browser() as other:
        assert "not begun in this browser" in refusal(running, other, address, "state")
        running.begin(other)  # one of its own does not help
        refusal(running, other, address, "state")
    assert browser.get(address).status_code == 200  # and it was not used up


@pytest.mark.parametrize("state", [None, "", "x", "x" * 43, "x" * 5000, "../../x", "é", "x\r\nSet-Cookie: a=b"])
def test_a_made_up_state_is_refused(running, browser, state):
    address = running.callback(browser, "ada")
    refusal(running, browser, changed(address, state=state), "state")


def test_a_cookie_that_was_changed_is_none(running, browser):
    address = running.callback(browser, "ada")
    name = next(name for name in browser.cookies if name.startswith("panosc-login-"))
    value = browser.cookies[name]
    browser.cookies.clear()
    browser.cookies.set(name, value[:-2] + ("00" if value[-2:] != "00" else "11"))
    refusal(running, browser, address, "state")


def test_the_cookie_of_one_attempt_does_not_stand_for_another(running, browser):
    first, second = running.callback(browser, "ada"), running.callback(browser, "lars")
    one, other = (name for name in browser.cookies if name.startswith("panosc-login-"))
    swapped = {one: browser.cookies[other], other: browser.cookies[one]}
    browser.cookies.clear()
    for name, value in swapped.items():
        browser.cookies.set(name, value)
    refusal(running, browser, first, "state")
    refusal(running, browser, second, "state")


def test_a_code_of_another_attempt_is_refused(running, browser):
    """Code injection: somebody else's code, put into one's own answer, does not fit one's verifier."""
    with running.browser() as victim:
        stolen = query(running.callback(victim, "olga"))["code"]
    address = changed(running.callback(browser, "ada"), code=stolen)
    answer = browser.get(address)
    assert answer.status_code == 403
    assert running.audit("login-refused")[-1]["reason"] == "provider-refused"
    assert nobody(running, browser)


@pytest.mark.parametrize("code", [None, "", "x" * 5000, "a\x00b", "é"])
def test_an_answer_without_a_code_is_refused(running, browser, code):
    refusal(running, browser, changed(running.callback(browser, "ada"), code=code), "no-code")


@pytest.mark.parametrize("name", ["state", "code", "iss", "error"])
def test_a_parameter_that_stands_twice_is_refused(running, browser, name):
    address = running.callback(browser, "ada")
    value = query(address).get(name, "access_denied")
    doubled = changed(address, **{name: [value, value]})
    refusal(running, browser, doubled, "parameters")


# -- RFC 9207 and mix-up ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("iss", [None, "https://evil.example", "slash", "é"])
def test_an_answer_of_another_issuer_is_refused(running, browser, iss):
    address = running.callback(browser, "ada")
    iss = f"{running.issuer}/" if iss == "slash" else iss
    refusal(running, browser, changed(address, iss=iss), "issuer")


def test_an_error_of_another_issuer_is_refused_as_such(running, browser):
    address = running.callback(browser, "")
    refusal(running, browser, changed(address, iss="https://evil.example"), "issuer")


def test_an_answer_at_another_communitys_callback_is_refused(running, browser):
    address = running.callback(browser, "marie", "other")
    assert urlsplit(address).path == "/hub/oauth_callback/other"
    mixed_up = address.replace("/oauth_callback/other", "/oauth_callback")
    refusal(running, browser, mixed_up, "state")
    mixed_up = running.callback(browser, "ada").replace("/oauth_callback?", "/oauth_callback/other?")
    refusal(running, browser, mixed_up, "state")


def test_a_callback_of_no_community_is_none(running, browser):
    assert browser.get(f"{running.hub}/hub/oauth_callback/nobody?code=x&state=y").status_code == 404


# -- errors of the provider ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "said", "text"),
    [
        ("access_denied", "access_denied", "was cancelled"),
        ("temporarily_unavailable", "temporarily_unavailable", "not available right now"),
        ("unmet_authentication_requirements", "unmet_authentication_requirements", "second factor"),
        ("<b>my error</b>", "other", "did not log you in"),
        ("%s%d{title}", "other", "did not log you in"),
    ],
)
def test_an_error_of_the_provider_is_told_in_our_words(running, browser, error, said, text):
    address = running.callback(browser, "")
    hostile = "Call 0900-EVIL <script>alert(1)</script>"
    changes = {"error": error, "error_description": hostile, "error_uri": "https://evil.example"}
    answer = refusal(running, browser, changed(address, **changes), f"provider-said-{said}")
    assert text in answer
    assert "EVIL" not in answer
    assert "my error" not in answer
    assert "evil.example" not in answer


def test_an_error_is_not_believed_before_the_state(running, browser):
    address = f"{running.hub}/hub/oauth_callback?error=access_denied&error_description=EVIL&state=x"
    answer = refusal(running, browser, address, "state")
    assert "cancelled" not in answer
    assert "EVIL" not in answer


def test_there_are_no_passwords(running, browser):
    page = browser.get(f"{running.hub}/hub/login")
    xsrf = browser.cookies["_xsrf"]
    form = {"username": "ada", "password": "x", "_xsrf": xsrf}
    assert browser.post(f"{running.hub}/hub/login", data=form).status_code == 405
    assert 'type="password"' not in page.text


# -- where to go afterwards ------------------------------------------------------------------------------------------------

ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "////evil.example",
    "\\\\evil.example",
    "/\\evil.example",
    "/\\/evil.example",
    "\\/evil.example",
    "https:evil.example",
    "https:/evil.example",
    "http://127.0.0.1:1@evil.example/",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "/\t/evil.example",
    "\t//evil.example",
    "/\n/evil.example",
    "//evil.example%2f..",
    "evil.example",
    " //evil.example",
    "x" * 3000,
]


@pytest.mark.parametrize("target", ELSEWHERE)
def test_nobody_is_sent_elsewhere(running, browser, target):
    address = running.callback(browser, "noor", target=target)
    answer = browser.get(address, follow_redirects=False)
    assert answer.status_code == 302, answer.text
    location = answer.headers["location"]
    assert location.startswith("/")
    assert not re.match(r"[/\\\t\n\r ]{2,}", location)
    assert urlsplit(location).netloc == ""
    assert urlsplit(location).scheme == ""


@pytest.mark.parametrize("target", ["https://evil.example/", "/hub/token", "//evil.example"])
def test_a_next_in_the_answer_counts_for_nothing(running, browser, target):
    address = changed(running.callback(browser, "noor", target="/hub/who"), next=target)
    assert browser.get(address, follow_redirects=False).headers["location"] == "/hub/who"


@pytest.mark.parametrize("target", ["", "https://evil.example/"])
def test_nothing_of_the_answer_stays_in_the_address(running, browser, target):
    """Where no page was wanted, JupyterHub would append code and state to the address of its own."""
    address = running.callback(browser, "noor", target=target)
    assert browser.get(address, follow_redirects=False).headers["location"] == "/hub/home"


def test_people_come_to_the_page_they_wanted(running, browser):
    address = running.callback(browser, "noor", target="/hub/who?proposal=ma1234&x=%2F")
    assert browser.get(address, follow_redirects=False).headers["location"] == "/hub/who?proposal=ma1234&x=%2F"


# -- linking ---------------------------------------------------------------------------------------------------------------


def test_linking_needs_a_login(running, browser):
    answer = browser.get(f"{running.hub}/hub/oauth_login?community=other&link=1", follow_redirects=False)
    assert answer.status_code == 403


def test_linking_asks_for_a_fresh_login(running, browser):
    running.choose(browser, "ada")
    answer = browser.get(f"{running.hub}/hub/oauth_login?community=other&link=1", follow_redirects=False)
    asked = query(answer.headers["location"])
    assert asked["max_age"] == "0"
    assert asked["prompt"].split()[0] == "login"


def test_linking_ends_when_somebody_else_is_logged_in_meanwhile(running, browser):
    running.choose(browser, "ada")
    answer = browser.get(f"{running.hub}/hub/oauth_login?community=other&link=1", follow_redirects=False)
    page = browser.get(answer.headers["location"])
    choice = re.search(r'name="choice" value="([^"]+)"', page.text)[1]
    back = browser.post(
        f"{running.issuers['other']}/authorize", data={"choice": choice, "persona": "marie"}, follow_redirects=False
    )
    running.choose(browser, "lars")
    answer = browser.get(back.headers["location"])
    assert answer.status_code == 400
    assert "somebody else" in words(answer)


def test_an_attempt_ends_by_itself(running, browser):
    """The signed cookie holds the time; a hub whose clock is later refuses it. Here the cookie's own end is looked at."""
    running.begin(browser)
    ends = [cookie.expires for cookie in browser.cookies.jar if cookie.name.startswith("panosc-login-")]
    assert all(end - time.time() <= 901 for end in ends)
