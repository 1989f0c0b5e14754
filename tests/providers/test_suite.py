"""One suite for three real providers: what each must do for this hub, and what this hub must do with it.

Where providers differ, :class:`idp.Behaviour` says so, and the suite holds each to what it says: a provider that begins to
rotate its refresh tokens, or to tell of a suspension, makes a test fail, and the table is corrected.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hub_process import Pair, Visitor
from idp import ARCHIVE, CLIENT_ID, MEMBERS, MFA, SCOPE, Member

pytestmark = pytest.mark.slow


@pytest.fixture
def visitor(pair: Pair) -> Iterator[Visitor]:
    with pair.visitor() as visitor:
        yield visitor


@pytest.fixture
def changed(pair: Pair) -> Iterator[dict[str, Member]]:
    """The people, to change; afterwards they are as before."""
    before = {
        key: (member.name, list(member.entitlements), member.suspended) for key, member in pair.provider.people.items()
    }
    yield pair.provider.people
    for key, (name, entitlements, suspended) in before.items():
        member = pair.provider.people[key]
        member.name, member.entitlements, member.suspended = name, entitlements, suspended
    pair.provider.write()


def claims_of(token: str) -> dict[str, object]:
    """What a token says; unverified, for looking at."""
    part = token.split(".")[1]
    claims: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


class Client:
    """The hub's client at a provider, used by hand: what the provider itself does."""

    verifier = "v" * 43
    challenge = "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"  # S256 of it

    def __init__(self, pair: Pair) -> None:
        self.pair, self.document = pair, pair.provider.discovery()

    def code(self, who: str, **changes: str | None) -> dict[str, str]:
        """What comes back after the provider's pages: code, state, iss, or an error."""
        asked = {
            "client_id": CLIENT_ID,
            "redirect_uri": self.pair.provider.callback,
            "response_type": "code",
            "scope": "openid profile email voperson_id eduperson_entitlement offline_access",
            "prompt": "consent",
            "state": "state-of-this-test",
            "nonce": "nonce-of-this-test",
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
        } | changes
        wanted = {name: value for name, value in asked.items() if value is not None}
        with self.pair.visitor() as browser:
            page = browser.get(str(self.document["authorization_endpoint"]), params=wanted)
            landed = page if page.url.path.startswith("/hub/") else self.pair.provider.choose(browser, page, who)
            callback = next(one for one in [*landed.history, landed] if one.url.path == "/hub/oauth_callback")
            return {name: values[0] for name, values in parse_qs(callback.url.query.decode()).items()}

    def token(self, **form: str) -> httpx.Response:
        """Ask the token endpoint."""
        with self.pair.provider.client() as client:
            return client.post(
                str(self.document["token_endpoint"]), data=form, auth=(CLIENT_ID, self.pair.provider.secret)
            )

    def exchange_code(self, code: str, verifier: str | None = None) -> httpx.Response:
        """Exchange a code."""
        given = self.verifier if verifier is None else verifier
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.pair.provider.callback}
        return self.token(**form, code_verifier=given)

    def userinfo(self, token: str) -> httpx.Response:
        """Ask who a token is about."""
        with self.pair.provider.client() as client:
            return client.get(str(self.document["userinfo_endpoint"]), headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def client(pair: Pair) -> Client:
    return Client(pair)


class TestTheProviderItself:
    """What the table says of it is so."""

    def test_discovery_says_what_it_does(self, pair: Pair, client: Client) -> None:
        does, document = pair.provider.behaviour, client.document
        assert document["issuer"] == pair.provider.issuer
        assert ("end_session_endpoint" in document) is does.logs_out
        assert (document.get("backchannel_logout_supported") is True) is does.backchannel
        assert (document.get("authorization_response_iss_parameter_supported") is True) is does.names_issuer

    def test_code_flow_with_nonce_and_pkce(self, pair: Pair, client: Client) -> None:
        back = client.code("bob")
        assert back["state"] == "state-of-this-test"
        assert ("iss" in back) is pair.provider.behaviour.names_issuer
        tokens = client.exchange_code(back["code"]).json()
        claims = claims_of(tokens["id_token"])
        assert (claims["iss"], claims["nonce"]) == (pair.provider.issuer, "nonce-of-this-test")
        assert claims["aud"] in (CLIENT_ID, [CLIENT_ID])
        assert (
            claims["sub"]
            == client.userinfo(tokens["access_token"]).json()["sub"]
            == pair.provider.people["bob"].subject
        )

    def test_a_wrong_verifier_is_refused(self, client: Client) -> None:
        assert client.exchange_code(client.code("bob")["code"], "w" * 43).status_code == 400

    def test_pkce_is_required_where_the_table_says_so(self, pair: Pair, client: Client) -> None:
        back = client.code("bob", code_challenge=None, code_challenge_method=None)
        assert ("code" not in back) is pair.provider.behaviour.requires_pkce

    def test_a_code_is_good_once(self, client: Client) -> None:
        code = client.code("bob")["code"]
        assert client.exchange_code(code).status_code == 200
        assert client.exchange_code(code).status_code in (400, 401)

    def test_single_claims_come_as_the_table_says(self, pair: Pair, client: Client) -> None:
        tokens = client.exchange_code(client.code("bob")["code"]).json()
        claims = client.userinfo(tokens["access_token"]).json()
        subject = pair.provider.people["bob"].subject
        assert claims["voperson_id"] == ([subject] if pair.provider.behaviour.sends_lists else subject)
        assert claims["eduperson_entitlement"] == pair.provider.people["bob"].entitlements

    def test_refresh_tokens_rotate_as_the_table_says(self, pair: Pair, client: Client) -> None:
        first = client.exchange_code(client.code("bob")["code"]).json()["refresh_token"]
        again = client.token(grant_type="refresh_token", refresh_token=first)
        assert again.status_code == 200
        newer = again.json().get("refresh_token", first)
        assert (newer != first) is pair.provider.behaviour.rotates
        spent = client.token(grant_type="refresh_token", refresh_token=first)
        assert (spent.status_code == 400) is pair.provider.behaviour.rotates
        if pair.provider.behaviour.rotates:  # somebody else had it: the whole family is over
            assert client.token(grant_type="refresh_token", refresh_token=newer).status_code == 400

    def test_acr_as_the_table_says(self, pair: Pair, client: Client) -> None:
        asked = json.dumps({"id_token": {"acr": {"essential": True, "values": [MFA]}}})
        back = client.code("ada", claims=asked)
        claims = claims_of(client.exchange_code(back["code"]).json()["id_token"])
        assert (claims.get("acr") == MFA) is pair.provider.behaviour.tells_acr
        weak = client.code("bob", claims=asked)
        assert ("code" not in weak) is pair.provider.behaviour.tells_acr

    def test_exchange_for_one_audience_as_the_table_says(self, pair: Pair, client: Client) -> None:
        token = client.exchange_code(client.code("bob")["code"]).json()["access_token"]
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": token,
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        }
        given = client.token(**form, audience=ARCHIVE)
        assert (given.status_code == 200) is pair.provider.behaviour.exchanges
        if pair.provider.behaviour.exchanges:
            assert given.json()["access_token"] != token
            assert client.token(**form, audience="https://elsewhere.example").json()["error"] == "invalid_target"
            assert client.token(**(form | {"subject_token": "made-up"}), audience=ARCHIVE).status_code == 400


class TestLoggingIn:
    def test_somebody_is_who_they_are(self, pair: Pair, visitor: Visitor) -> None:
        answer = visitor.log_in("ada")
        assert answer.status_code == 200, answer.text[:2000] + pair.hub.log()[-3000:]
        who = answer.json()
        assert re.fullmatch(r"p-[a-z2-7]{20}", who["name"])
        assert who["person"]["subject"] == pair.provider.people["ada"].subject
        assert who["person"]["issuer"] == pair.provider.issuer
        assert who["shown"]["name"] == "Ada Lovelace"
        assert who["admin"] is False
        assert who["person"]["entitlements"] == [f"{MEMBERS}#{SCOPE}"]

    def test_the_same_person_is_the_same_and_a_double_of_theirs_is_not(self, pair: Pair) -> None:
        names = {}
        for who in ("ada", "imposter", "lookalike", "ada"):
            with pair.visitor() as browser:
                name = browser.log_in(who).json()["name"]
                assert names.setdefault(who, name) == name
        assert len(set(names.values())) == 3

    def test_nonce_state_and_challenge_are_new_each_time(self, pair: Pair) -> None:
        asked = []
        for _ in range(2):
            with pair.visitor() as browser:
                page = browser.begin()
                start = next(one for one in page.history if one.url.path == "/hub/oauth_login")
                asked.append(parse_qs(urlsplit(start.headers["location"]).query))
        for name in ("state", "nonce", "code_challenge"):
            assert asked[0][name] != asked[1][name]
            assert len(asked[0][name][0]) >= 43
        assert asked[0]["code_challenge_method"] == ["S256"]
        assert asked[0]["response_type"] == ["code"]

    def test_cancelling_is_told_in_words_and_logs_nobody_in(self, pair: Pair, visitor: Visitor) -> None:
        page = visitor.begin()
        if (
            pair.provider.behaviour.refuses_strangers
        ):  # no button to cancel there: as its proxy does, with the hub's own state
            start = next(one for one in page.history if one.url.path == "/hub/oauth_login")
            asked = parse_qs(urlsplit(start.headers["location"]).query)
            back = {"error": "access_denied", "error_description": "<b>hello</b>", "state": asked["state"][0]}
            answer = visitor.get(pair.provider.callback, params=back)
        else:
            answer = pair.provider.choose(visitor, page, "")
        assert answer.status_code == 400
        assert "cancelled" in answer.text
        assert "<b>hello" not in answer.text
        assert visitor.who() is None

    def test_whoever_is_no_member_stays_outside(self, pair: Pair, visitor: Visitor) -> None:
        answer = visitor.log_in("stranger")
        assert visitor.who() is None
        if not pair.provider.behaviour.refuses_strangers:
            assert answer.status_code == 403
            assert "members of its group" in answer.text
        else:
            assert "hub/test/who" not in str(answer.url)

    def test_groups_that_an_institute_makes_up_do_not_count(self, pair: Pair, visitor: Visitor) -> None:
        who = visitor.log_in("eve").json()
        assert who["person"]["entitlements"] == [f"{MEMBERS}#{SCOPE}"]
        if pair.provider.behaviour.drops_claimed:
            assert pair.provider.people["eve"].claimed[0] not in json.dumps(who)

    def test_no_secret_is_in_the_hub_s_log(self, pair: Pair, visitor: Visitor) -> None:
        visitor.log_in("bob")
        log = pair.hub.log()
        assert pair.provider.secret not in log
        assert not re.search(r"[?&](code|state)=(?!\[)\w", log)
        assert not re.search(r"eyJ[\w-]{20}", log)


class TestStayingLoggedIn:
    def test_tokens_run_out_and_are_renewed(self, pair: Pair, visitor: Visitor) -> None:
        name = visitor.log_in("bob").json()["name"]
        seen: list[str] = []
        spent = 0
        deadline = time.monotonic() + 12 * pair.provider.access_token_seconds
        while spent < 2:  # each time the access token has run out: with rotation, a refresh token is spent
            assert time.monotonic() < deadline, f"{spent} of 2 refresh tokens spent\n{pair.hub.log()[-3000:]}"
            # The watch asks, too: what it heard a moment ago is not asked again for a request, so that one round may spend none.
            time.sleep(pair.provider.access_token_seconds + 0.3)
            who = visitor.who()
            assert who is not None, pair.hub.log()[-3000:]
            assert who["name"] == name
            assert who["tokens"]["refresh_token"]
            seen.append(who["person"]["seen_at"])
            spent = who["exchanged"] or 0
        assert seen == sorted(seen)

    def test_many_requests_at_once_spend_one_refresh_token(self, pair: Pair, visitor: Visitor) -> None:
        visitor.log_in("erin")
        for _ in range(3):
            time.sleep(pair.provider.access_token_seconds + 0.3)
            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda _: visitor.who(), range(8)))
            assert all(answers), pair.hub.log()[-3000:]

    def test_changed_claims_are_seen_where_the_provider_tells(
        self, pair: Pair, visitor: Visitor, changed: dict[str, Member]
    ) -> None:
        visitor.log_in("carl")
        changed["carl"].name = "Carl von Linné"
        changed["carl"].entitlements = [f"{MEMBERS}#{SCOPE}", f"{MEMBERS}:ill:proposals:8-04-923#{SCOPE}"]
        pair.provider.write()
        time.sleep(pair.provider.access_token_seconds + 1.5)
        who = visitor.who()
        assert who is not None
        told = (who["shown"]["name"], len(who["person"]["entitlements"]))
        if pair.provider.behaviour.live:
            assert told == ("Carl von Linné", 2)
        else:  # a snapshot of the login: only a new one tells
            assert told[1] == 1
            with pair.visitor() as another:
                assert len(another.log_in("carl").json()["person"]["entitlements"]) == 2

    def test_a_suspension_ends_the_login_where_the_provider_tells(
        self, pair: Pair, visitor: Visitor, changed: dict[str, Member]
    ) -> None:
        visitor.log_in("dora")
        changed["dora"].suspended = True
        pair.provider.write()
        if pair.provider.behaviour.live:
            assert visitor.until_logged_out() < 45
        else:
            time.sleep(pair.provider.access_token_seconds + 1.5)
            assert visitor.who() is not None  # therefore access.max_session_age, which is tried below
        with pair.visitor() as another:
            another.log_in("dora")
            assert another.who() is None

    def test_leaving_the_required_group_ends_the_login_where_the_provider_tells(
        self, pair: Pair, visitor: Visitor, changed: dict[str, Member]
    ) -> None:
        visitor.log_in("dora")
        changed["dora"].entitlements = [f"{MEMBERS}-of-another#{SCOPE}"]
        pair.provider.write()
        if pair.provider.behaviour.live:
            assert visitor.until_logged_out() < 45


class TestLoggingOut:
    def test_at_the_hub_and_at_the_provider(self, pair: Pair, visitor: Visitor) -> None:
        visitor.log_in("bob")
        page = visitor.get(f"{pair.hub.url}/hub/logout")
        went_to_provider = any(str(one.url).startswith(pair.provider.issuer) for one in [*page.history, page])
        assert went_to_provider is pair.provider.behaviour.logs_out
        assert visitor.who() is None

    def test_one_that_begins_at_the_provider_reaches_the_hub(self, pair: Pair, visitor: Visitor) -> None:
        visitor.log_in("erin")
        if not pair.provider.behaviour.backchannel:
            assert visitor.who() is not None
            return
        # The person opens the provider's logout page by themselves; the hub hears of it on the back channel alone.
        page = visitor.get(str(pair.provider.discovery()["end_session_endpoint"]))
        if "yes" in page.text:
            visitor.submit(page, ("logout", "yes"))
        assert visitor.until_logged_out() < 45
        ended = [line for line in pair.hub.audit() if line.get("reason") == "backchannel"]
        assert ended


@pytest.fixture
def restarted(pair: Pair) -> Iterator[Pair]:
    """A pair whose provider may be restarted; afterwards its clock is right again."""
    yield pair
    pair.provider.restart()


class TestAnotherKeyAnotherClock:
    """Restarts of the provider: last, since it forgets everybody."""

    def test_a_new_key_is_fetched_once_when_a_token_needs_it(self, restarted: Pair) -> None:
        with restarted.visitor() as browser:
            browser.log_in("bob")
        before = published_keys(restarted)
        restarted.provider.restart()
        assert not published_keys(restarted) & before
        with restarted.visitor() as browser:
            assert browser.log_in("bob").status_code == 200, restarted.hub.log()[-3000:]
            assert browser.who() is not None

    @pytest.mark.parametrize("offset", [-40, 40])
    def test_a_clock_within_the_leeway_is_right_enough(self, restarted: Pair, offset: float) -> None:
        restarted.provider.restart(offset)
        with restarted.visitor() as browser:
            assert browser.log_in("bob").status_code == 200, restarted.hub.log()[-3000:]

    @pytest.mark.parametrize("offset", [-2 * 3600, 600])
    def test_a_clock_beyond_it_is_refused_in_words(self, restarted: Pair, offset: float) -> None:
        restarted.provider.restart(offset)
        with restarted.visitor() as browser:
            answer = browser.log_in("bob")
            assert answer.status_code == 502, restarted.hub.log()[-3000:]
            assert "cannot verify" in answer.text
            assert browser.who() is None


class TestASessionHasAnEnd:
    def test_what_a_snapshot_does_not_tell_ends_with_the_session(self, pair: Pair, changed: dict[str, Member]) -> None:
        """``access.max_session_age``: the one bound for a provider that does not tell of a suspension."""
        pair.hub.stop()
        pair.hub.start({"CommunitiesAuthenticator": {"max_session_age": 15.0}})
        try:
            with pair.visitor() as browser:
                assert browser.log_in("erin").status_code == 200
                changed["erin"].suspended = True
                pair.provider.write()
                assert browser.until_logged_out(90) < 60
                browser.cookies.clear()
                browser.log_in("erin")
                assert browser.who() is None
        finally:
            pair.hub.stop()
            pair.hub.start()


def published_keys(pair: Pair) -> set[str]:
    """The provider's keys: their moduli."""
    with pair.provider.client() as client:
        document = client.get(str(pair.provider.discovery()["jwks_uri"])).json()
    return {key["n"] for key in document["keys"] if key["kty"] == "RSA"}
