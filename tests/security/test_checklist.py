"""The security checklist: a test for each class of mistake that hubs, login libraries and proxies were found to have.

Each test is named after its class; the numbers in its words are vulnerabilities of that class in others' software. What is
tried is a real hub over HTTP, with providers that lie as they are told.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from browser_steps import Browser
from hub_process import OVERLAY
from hypothesis import given
from hypothesis import strategies as st
from made_on_demand import ROOT
from support_checklist import (
    Bench,
    Person,
    as_json,
    is_here,
    processes_with,
    start_bench,
    start_server,
    stop_servers,
    write_site,
)
from support_corpus import (
    CLASSES,
    ELSEWHERE,
    FOREIGN_ISSUER,
    FORGED,
    LOGOUT_CHANGES,
    MEGABYTE,
    OPTIONS,
    RIGHTS,
    SEC_FETCH,
    TRICKS,
    Forgery,
)

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.load import load_site
from panosc_spawner.identity.attempts import cookie_name
from panosc_spawner.identity.seen import Seen
from panosc_spawner.launch.names import server_name

pytestmark = pytest.mark.slow
EVERY_FORGERY = [(kind, name) for kind, forgeries in CLASSES.items() for name in forgeries]


# -- tokens ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), EVERY_FORGERY, ids=lambda value: value.replace(" ", "-"))
def test_id_token_that_is_not_one(bench: Bench, kind: str, name: str) -> None:
    """Foreign, prefix, slashed or list ``iss``; ``none`` and HS; ``crit``; huge parts; audience; times; nonce; at_hash.

    CVE-2026-75509 (joserfc, list issuer), CVE-2024-53861 (PyJWT, partial issuer), CVE-2022-29217 (PyJWT), CVE-2024-37568
    (authlib, algorithm confusion), CVE-2025-59420 (authlib, crit), CVE-2025-61920 (authlib, huge parts), CVE-2023-25574
    (ltiauthenticator, signature not verified), PYSEC-2026-4358 (audience).
    """
    forgery: Forgery = CLASSES[kind][name]
    bench.op.lies.token = lambda claims: forgery(bench.op, claims)
    before = len(bench.hub.log())
    with bench.person() as browser:
        answer = browser.log_in(bench.op.add("victor"))
        assert answer.status_code in (403, 502, 503), answer.text[:300]
        assert "/hub/oauth_callback" in str(answer.url)
        assert browser.who() is None
    said = bench.hub.log()[before:]
    assert "Traceback" not in said
    assert len(said) < 20_000
    assert not re.search(r"eyJ[\w-]{20}|x{100}", said)


def test_the_truth_logs_in(bench: Bench) -> None:
    """Or the refusals above would prove nothing."""
    bench.op.lies.token = lambda claims: bench.op.sign(claims)
    with bench.person("victor") as browser:
        assert browser.who() is not None


def test_userinfo_of_somebody_else(bench: Bench) -> None:
    """Substitution of userinfo (OpenID Connect Core 5.3.2); not checked by oauthenticator."""
    ada = bench.op.add("ada")
    bench.op.lies.claims = lambda claims: {"sub": ada, **bench.op.people[ada]}
    with bench.person() as browser:
        assert browser.log_in(bench.op.add("mallory")).status_code == 403
        assert browser.who() is None


def test_replayed_nonce(bench: Bench) -> None:
    """An ID token of an earlier login, sent again."""
    kept: list[str] = []
    bench.op.lies.token = lambda claims: kept.append(bench.op.sign(claims)) or kept[0]
    with bench.person("victor"):
        pass
    with bench.person() as browser:
        assert browser.log_in(bench.op.add("victor")).status_code == 502
        assert browser.who() is None


@pytest.mark.parametrize("checks_pkce", [True, False])
def test_code_injection(bench: Bench, checks_pkce: bool) -> None:
    """A stolen code in one's own callback: PKCE stops it at the provider, the nonce here (RFC 9700, 4.5)."""
    bench.op.lies.checks_pkce = checks_pkce
    with bench.person() as victim, bench.person() as attacker:
        stolen = parse_qs(urlsplit(victim.intercepted(bench.op.add("ada"))).query)["code"][0]
        own = attacker.intercepted(bench.op.add("mallory"))
        answer = attacker.get(re.sub(r"code=[^&]+", f"code={stolen}", own))
        assert answer.status_code in (403, 502)
        assert attacker.who() is None


def test_state_reuse(bench: Bench) -> None:
    """A callback is good once, also for whoever copied the attempt's cookie."""
    with bench.person() as browser, bench.person() as again:
        back = browser.intercepted(bench.op.add("victor"), next="/hub/test/who")
        again.cookies.update(browser.cookies)
        assert browser.get(back).status_code == 200
        answer = again.get(back)
        assert answer.status_code == 400
        assert "used already" in answer.text
        assert again.who() is None


def test_login_csrf(bench: Bench) -> None:
    """State not bound to the browser: CVE-2025-68158, CVE-2026-41425 (authlib)."""
    with bench.person() as attacker, bench.person() as victim:
        back = attacker.intercepted(bench.op.add("mallory"))
        answer = victim.get(back)
        assert answer.status_code == 400
        assert victim.who() is None
        victim.intercepted(bench.op.add("ada"))  # with an attempt of their own open, neither
        assert victim.get(back).status_code == 400
        assert victim.who() is None


def test_state_is_not_a_path(bench: Bench) -> None:
    """Made-up states, also such as name cookies."""
    with bench.person() as browser:
        for state in ("", "x", "../x", "x" * 43, "jupyterhub-hub-login", MEGABYTE[:6000], "a;b", "\r\nSet-Cookie: x=y"):
            answer = browser.get(f"{browser.url}/hub/oauth_callback", params={"code": "c", "state": state})
            assert answer.status_code in (400, 414, 431)
        twice = browser.intercepted(bench.op.add("victor")) + "&state=another"
        assert browser.get(twice).status_code == 400


def test_mix_up_of_providers(bench: Bench) -> None:
    """RFC 9207: each community has its own callback, and the answer says who it is from."""
    op, other = bench.op, bench.other
    victor = op.add("victor")
    with bench.person() as browser:
        for issuer in (op.issuer, other.issuer):  # refused before the code goes to the other's token endpoint
            op.lies.back = lambda answer, issuer=issuer: answer | {"iss": issuer}  # type: ignore[misc]
            back = browser.intercepted(victor)
            at_the_other = back.replace("/hub/oauth_callback?", f"/hub/oauth_callback/{other.id}?")
            assert at_the_other != back
            assert browser.get(at_the_other).status_code == 400
        for lie in ({"iss": other.issuer}, {"iss": op.issuer + "/"}, {"iss": ""}):
            op.lies.back = lambda answer, lie=lie: answer | lie  # type: ignore[misc]
            assert browser.get(browser.intercepted(victor)).status_code == 400
        op.lies.back = lambda answer: {name: value for name, value in answer.items() if name != "iss"}
        assert browser.get(browser.intercepted(victor)).status_code == 400
        assert browser.who() is None


def test_one_provider_does_not_speak_for_another_s_people(bench: Bench) -> None:
    """CVE-2022-31027 (CILogon: an e-mail domain taken for the institute): the same identifier from another issuer."""
    ada = bench.op.add("ada")
    bench.other.people[ada] = dict(bench.op.people[ada])
    with bench.person() as browser:
        assert browser.log_in(ada, bench.other).status_code == 403  # its people end in @other.example
        assert browser.who() is None
    inside = bench.other.add("ada")
    with bench.person("ada") as right, bench.person() as browser:
        assert browser.log_in(inside, bench.other).status_code == 200
        assert browser.who()["name"] != right.who()["name"]  # type: ignore[index]


def test_error_before_state(bench: Bench) -> None:
    """Words of whoever made the link are not shown, and nothing is believed before the state is."""
    with bench.person() as browser:
        lie = {
            "error": "access_denied",
            "error_description": "<script>alert(1)</script>Call +1 555",
            "error_uri": "//evil.example",
        }
        answer = browser.get(f"{browser.url}/hub/oauth_callback", params=lie)
        assert answer.status_code == 400
        assert "cancelled" not in answer.text
        own = browser.intercepted(bench.op.add("victor"))
        state = parse_qs(urlsplit(own).query)["state"][0]
        answer = browser.get(f"{browser.url}/hub/oauth_callback", params=lie | {"state": state, "iss": bench.op.issuer})
        for text in ("alert(1)", "555", "evil.example"):
            assert text not in answer.text


# -- the browser ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ELSEWHERE, ids=ascii)
def test_open_redirect(bench: Bench, target: str) -> None:
    """CVE-2026-33709 (JupyterHub) and those before it: ``next`` never leads away, whichever page it is given to."""
    with bench.person() as browser:
        answers = [browser.get(browser.intercepted(bench.op.add("victor"), next=target), follow_redirects=False)]
        for path in (
            "login",
            "oauth_login?community=op",
            "oauth_login?community=op&link=1",
            "home",
            "logout",
            "account",
            "open",
        ):
            join = "&" if "?" in path else "?"
            params = str(Browser().build_request("GET", "http://x/", params={"next": target}).url.query.decode())
            answers.append(browser.get(f"{browser.url}/hub/{path}{join}{params}", follow_redirects=False))
        for answer in answers:
            location = answer.headers.get("location", "")
            begins = location.startswith(f"{bench.op.issuer}/authorize?")
            assert begins or is_here(location, browser.url), (str(answer.url), location)
            assert not answer.has_redirect_location or answer.status_code in (302, 303)


def test_xsrf_with_every_sec_fetch(bench: Bench) -> None:
    """CVE-2026-40864 (JupyterHub: ``no-cors`` taken for same-origin), CVE-2020-36191: posts without the token do nothing."""
    with bench.person("ada") as ada:
        name = ada.who()["name"]  # type: ignore[index]
        posts = {
            "open": {"proposals": "esrf/ma1234"},
            "spawn": {"proposals": "esrf/ma1234"},
            f"spawn/{name}/p-ma1234": {"proposals": "esrf/ma1234"},
            "panosc/stop/p-ma1234": {},
            "panosc/extend/p-ma1234": {},
            "panosc/dismiss/p-ma1234": {},
            "account/link": {"community": "other"},
            "account/unlink": {"identity": "0"},
            "account/confirm": {},
            "logout": {},
            f"api/users/{name}/servers/p-ma1234": {},
            f"api/users/{name}/tokens": {},
        }
        for path, form in posts.items():
            for headers in SEC_FETCH:
                if path.startswith("api/") and headers["Sec-Fetch-Mode"] == "websocket":
                    continue  # no browser posts so, and these are not pages of ours
                sent = {key: value for key, value in headers.items() if value} | {"Origin": "https://evil.example"}
                answer = ada.post(f"{ada.url}/hub/{path}", data=form, headers=sent, follow_redirects=False)
                assert answer.status_code in (403, 404, 405), (path, headers, answer.status_code)
        assert ada.who() is not None
        known = ada.api("GET", f"users/{name}").json()
        assert known["servers"] == {}


def test_nothing_happens_by_a_link(bench: Bench) -> None:
    """CSRF by GET: only a page is shown."""
    with bench.person("ada") as ada:
        name = ada.who()["name"]  # type: ignore[index]
        for path in (
            "open?proposals=esrf/ma1234",
            f"spawn/{name}/p-ma1234?proposals=esrf/ma1234",
            "panosc/stop/p-ma1234",
        ):
            ada.get(f"{ada.url}/hub/{path}")
        assert ada.api("GET", f"users/{name}").json()["servers"] == {}


def test_names_are_text_and_not_html(bench: Bench) -> None:
    """Script in a display name (and a name that reads from right to left) is shown as the letters that it is."""
    evil = "<script>alert(1)</script>\u202egnp.exe"
    with bench.person("evelyn", name=evil, given_name=evil) as browser:
        for path in ("home", "account", "token", "test/who"):
            page = browser.get(f"{browser.url}/hub/{path}")
            if "html" in page.headers["content-type"]:
                assert "<script>alert(1)" not in page.text
                assert "\u202e" not in page.text


# -- who is who -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claim", ["preferred_username", "email", "name", "orcid", "eduperson_principal_name", "eduperson_unique_id"]
)
def test_takeover_by_a_claim(bench: Bench, claim: str) -> None:
    """CVE-2026-33175 (oauthenticator: an unverified e-mail address as user name): no claim but the identifier names anybody."""
    same = {
        "preferred_username": "ada",
        "email": "ada@univ.example",
        "email_verified": True,
        "name": "Ada",
        "orcid": "https://orcid.org/0000-0002-1825-0097",
        "eduperson_principal_name": "ada@univ.example",
        "eduperson_unique_id": "1234@univ.example",
    }
    with (
        bench.person("ada", **same) as ada,
        bench.person("mallory", **{claim: same[claim], "email_verified": True}) as mallory,
    ):
        assert ada.who()["name"] != mallory.who()["name"]  # type: ignore[index]
        assert "ma1234" in ada.get(f"{ada.url}/hub/home").text
        assert "ma1234" not in mallory.get(f"{ada.url}/hub/home").text
        assert mallory.open("esrf/ma1234").status_code in (400, 403, 404, 409)


@pytest.mark.parametrize(
    "name", ["root", "admin", "hub", "jovyan", "аdа", "ada\u200b", "ADA", "../ada", "p-aaaaaaaaaaaaaaaaaaaa", ""]
)
def test_lookalike_and_reserved_names(bench: Bench, name: str) -> None:
    """CVE-2021-41194 (firstuseauthenticator: not normalised before it is looked up): user names are ours, not a claim's."""
    with bench.person(f"m{name.encode().hex()}", preferred_username=name, name=name) as browser:
        assert re.fullmatch(r"p-[a-z2-7]{20}", browser.who()["name"])  # type: ignore[index]


def test_one_identifier_in_other_letters(bench: Bench) -> None:
    """Case does not make another person; what only looks the same is nobody."""
    subject = bench.op.add("abcdef")
    known = dict(bench.op.people[subject])
    with bench.person("abcdef") as browser:
        name = browser.who()["name"]  # type: ignore[index]
    for other, expected in {
        subject.upper(): name,
        f" {subject}": None,
        subject.replace("6", "б"): None,
        f"{subject}\0": None,
    }.items():
        bench.op.lies.claims = lambda claims, other=other: claims | known | {"voperson_id": other}  # type: ignore[misc]
        with bench.person() as browser:
            browser.log_in(subject)
            who = browser.who()
            assert (who and who["name"]) == expected


@pytest.mark.parametrize(
    "scope",
    ["evil-op.example", "op.example.evil", "evilop.example", "OP.EXAMPLE.", "op.example@op.evil", "other.example"],
)
def test_scope_suffix(bench: Bench, scope: str) -> None:
    """CVE-2024-29033 (Google's hosted domain by suffix): the scope is compared whole."""
    bench.op.lies.claims = lambda claims: claims | {"voperson_id": f"1234567890@{scope}"}
    with bench.person() as browser:
        assert browser.log_in(bench.op.add("mallory")).status_code == 403
        assert browser.who() is None


@pytest.mark.parametrize("local", ["test", "TEST", "Test"])
def test_monitoring_accounts(bench: Bench, local: str) -> None:
    """``test@<scope>`` of eduTEAMS and others is for monitoring, and is not let in."""
    bench.op.lies.claims = lambda claims: claims | {"voperson_id": f"{local}@op.example"}
    with bench.person() as browser:
        answer = browser.log_in(bench.op.add("mallory"))
        assert answer.status_code == 403
        assert "monitoring" in answer.text


@pytest.mark.parametrize(
    ("value", "status"),
    [(lambda s: [s], 200), (lambda s: [s, "b@op.example"], 403), (lambda s: {s: 1}, 403), (lambda s: 7, 403), (lambda s: True, 403), (lambda s: None, 403), (lambda s: [], 403), (lambda s: [[s]], 403)],
    ids=["list of one", "list of two", "object", "number", "true", "null", "empty list", "list in a list"],
)  # fmt: skip
def test_list_for_string(bench: Bench, value: object, status: int) -> None:
    """SATOSA sends lists of one; whatever else is not one text is nobody, and no error of the hub."""
    subject = bench.op.add("lister")
    bench.op.lies.claims = lambda claims: claims | {"voperson_id": value(subject)}  # type: ignore[operator]
    with bench.person() as browser:
        assert browser.log_in(subject).status_code == status


def test_string_for_list(bench: Bench) -> None:
    """One group as text is one group, not its letters; anything else is refused in words."""
    group = f"{bench.op.namespace}:group:hub:ill:proposals:8-04-923"
    with bench.person("stringer", eduperson_entitlement=group) as browser:
        assert browser.who()["person"]["entitlements"] == [group]  # type: ignore[index]
    for odd in ({group: 1}, 7, [group, 7], [[group]]):
        with bench.person() as browser:
            assert browser.log_in(bench.op.add("odd", eduperson_entitlement=odd)).status_code == 403


@pytest.mark.parametrize("trick", TRICKS, ids=ascii)
def test_entitlement_that_nobody_gave(bench: Bench, trick: str) -> None:
    """CVE-2018-7206 (GitLab's groups), and every trick with authority, ``%`` and grafted namespaces of the reference."""
    text = trick.format(ns=bench.op.namespace)
    with bench.person("mallory", eduperson_entitlement=[text], entitlements=[text]) as browser:
        assert "8-04-923" not in browser.get(f"{browser.url}/hub/panosc/proposals").text
        answer = browser.open("ill/8-04-923")
        assert answer.status_code in (400, 403, 404, 409)
        assert browser.api("GET", f"users/{browser.who()['name']}").json()["servers"] == {}  # type: ignore[index]


@pytest.mark.parametrize("text", RIGHTS)
def test_entitlement_that_somebody_gave(bench: Bench, text: str) -> None:
    """Or the refusals above would prove nothing."""
    with bench.person("grantee", eduperson_entitlement=[text.format(ns=bench.op.namespace)]) as browser:
        assert "8-04-923" in browser.get(f"{browser.url}/hub/home").text


def test_entitlements_of_another_provider(bench: Bench) -> None:
    """A namespace counts from its own issuer alone."""
    group = f"{bench.op.namespace}:group:hub:ill:proposals:8-04-923"
    subject = bench.other.add("mallory", eduperson_entitlement=[group])
    with bench.person() as browser:
        assert browser.log_in(subject, bench.other).status_code == 200
        assert browser.who()["person"]["entitlements"] == []  # type: ignore[index]
        assert "8-04-923" not in browser.get(f"{browser.url}/hub/home").text


# -- what outlives a login --------------------------------------------------------------------------------------------------


def test_stale_api_token(bench: Bench) -> None:
    """``auth_refresh_strict``: the API token of somebody who was locked out neither asks nor starts anything."""
    with bench.person("leaver") as browser:
        name = browser.who()["name"]  # type: ignore[index]
        token = browser.api("POST", f"users/{name}/tokens", json={"note": "mine"}).json()["token"]
        with bench.person() as script:
            assert script.api("GET", "user", token).status_code == 200
            del bench.op.people[browser.who()["person"]["subject"]]  # type: ignore[index]
            time.sleep(1.5)
            assert script.api("POST", f"users/{name}/servers/p-ma1234", token, json={}).status_code in (401, 403)
            assert script.api("GET", "user", token).status_code in (401, 403)
        assert browser.who() is None


def test_refresh_that_comes_back_as_somebody_else(bench: Bench) -> None:
    """JupyterHub's refresh overwrites the name and asks nobody: the login ends instead."""
    ada = bench.op.add("ada")
    with bench.person("turner") as browser:
        assert browser.who() is not None
        bench.op.lies.claims = lambda claims: {**bench.op.people[ada], "sub": claims["sub"]}  # another voperson_id
        time.sleep(1.5)
        who = browser.who()
        assert who is None


def test_admin_by_claim(bench: Bench) -> None:
    """No claim makes an administrator."""
    lies = {
        "admin": True,
        "groups": ["admin"],
        "roles": ["admin"],
        "scope": "admin",
        "eduperson_entitlement": [f"{bench.op.namespace}:group:admin"],
    }
    with bench.person("mallory", **lies) as browser:
        assert browser.who()["person"]["admin"] is False  # type: ignore[index]
        assert browser.get(f"{browser.url}/hub/admin").status_code in (403, 404)
        assert browser.api("GET", "users").status_code == 403


def test_sticky_admin(tmp_path: Path) -> None:
    """``admin_users`` only ever grants: whoever is taken off the list is no administrator at the next refresh."""
    bench = start_bench(tmp_path)
    try:
        with bench.person("olga") as olga:
            assert olga.who()["person"]["admin"] is True  # type: ignore[index]
            assert olga.api("GET", "users").status_code == 200
            bench.hub.stop()
            write_site(bench, admins=False)
            bench.hub.start()
            who = olga.who()
            assert who is None or (who["person"]["admin"] is False and who["admin"] is False)
            assert olga.get(f"{olga.url}/hub/api/users").status_code in (401, 403)
            assert olga.get(f"{olga.url}/hub/admin").status_code in (403, 404)
    finally:
        bench.stop()


def test_back_channel_logout_that_is_none(bench: Bench) -> None:
    """Forged logout tokens end nobody's login, and fill no memory: CVE-2026-34052 (nonce kept before it was verified)."""
    with bench.person("stayer") as browser:
        me = browser.who()["person"]["subject"]  # type: ignore[index]
        login = next(login for login in reversed(bench.op.access.values()) if login.subject == me)
        address = f"{browser.url}/hub/backchannel-logout"
        right = bench.op.log_out_token(login)
        tokens = [
            bench.op.sign(bench.op.log_out_token(login, **changes), typ="logout+jwt")
            for changes in LOGOUT_CHANGES.values()
        ]
        tokens += [
            forgery(bench.op, right)
            for forgery in [*FORGED.values(), *FOREIGN_ISSUER.values()]
            if forgery is not FORGED["a logout token's type"]
        ]
        tokens += [bench.op.sign(bench.op.claims(login))]  # an ID token
        for token in tokens:
            if isinstance(token, str):
                assert browser.post(address, data={"logout_token": token}).status_code == 400, token
        # Refused before all of it is read, after which the connection is of no use: it must not be kept for the next question.
        too_big = browser.post(address, data={"logout_token": MEGABYTE}, headers={"Connection": "close"})
        assert too_big.status_code in (400, 413, 503)
        assert browser.post(address, json={"logout_token": bench.op.sign(right)}).status_code == 400
        wrong_place = f"{address}/{bench.other.id}"
        assert (
            browser.post(wrong_place, data={"logout_token": bench.op.sign(right, typ="logout+jwt")}).status_code == 400
        )
        assert browser.who() is not None
        good = bench.op.sign(right, typ="logout+jwt")
        assert browser.post(address, data={"logout_token": good}).status_code == 200
        assert browser.who() is None
        assert browser.post(address, data={"logout_token": good}).status_code == 400  # a replay


def test_bounded_memories() -> None:
    """CVE-2026-34052: what must be remembered against replay is bounded in number and in time."""
    now = [0.0]
    seen = Seen(timedelta(seconds=10), most=100, clock=lambda: now[0])
    for number in range(1000):
        assert seen.first_time(str(number))
        assert len(seen) <= 101
    assert not seen.first_time("999")
    now[0] = 11.0
    assert seen.first_time("999")
    assert len(seen) == 1


# -- servers ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", OPTIONS, ids=lambda value: as_json(value)[:60])
def test_image_allow_list_and_option_types(bench: Bench, options: object) -> None:
    """CVE-2023-48311 (dockerspawner: any image), GHSA-hfgr-h3vc-p6c2: whatever is not offered is refused in words, never a 500."""
    with bench.person("ada") as ada:
        name = ada.who()["name"]  # type: ignore[index]
        answer = ada.api("POST", f"users/{name}/servers/p-tried", json={"user_options": options, "display_name": "x"})
        assert 400 <= answer.status_code < 500, (answer.status_code, answer.text)
        assert "Traceback" not in answer.text
        assert not any(
            server["ready"] or server["pending"]
            for server in ada.api("GET", f"users/{name}").json()["servers"].values()
        )


_ids = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,12}", fullmatch=True)


@given(st.sets(st.builds(ProposalRef, st.sampled_from(["esrf", "ill"]), _ids), min_size=2, max_size=6))
def test_named_servers_are_injective(refs: set[ProposalRef]) -> None:
    """CVE-2020-15110 (kubespawner: user and server names that meet): one proposal's server is never another's."""
    names = {server_name((ref,), refs) for ref in refs}
    assert len(names) == len(refs)
    for name in names:  # a user name has no other hyphen than its second letter, so that user--server splits one way
        assert re.fullmatch(r"[a-z](-?[a-z0-9])*", name)
        assert "--" not in name


@pytest.fixture(scope="module")
def ada(running: Bench) -> Iterator[Owner]:
    """Ada with a server that runs."""
    running.op.reset()
    with running.person("ada") as browser:
        server = start_server(browser)
        yield Owner(browser, browser.who()["name"], server)  # type: ignore[index]
    with running.person("ada") as again:  # a logout ends the logins of all browsers
        stop_servers(again)


class TestARunningServer:
    """What somebody's running server gives away: nothing."""

    def test_secrets_are_nowhere(self, running: Bench, ada: Owner) -> None:
        """CVE-2020-26261 (systemdspawner: tokens where others read): environment, command lines, logs, audit, database."""
        secrets = [running.op.secret, running.other.secret, *running.op.given]
        state = running.hub.folder / "state"
        secrets += [(state / name).read_text().strip() for name in ("crypt-key", "proxy-token", "cookie-secret")]
        pids = processes_with(f"JUPYTERHUB_USER={ada.name}".encode())
        assert pids, "the server's processes were not found"
        places = {f"environment of {pid}": (Path("/proc") / str(pid) / "environ").read_bytes() for pid in pids}
        every = [folder for folder in Path("/proc").glob("[0-9]*") if (folder / "cmdline").exists()]
        places["command lines"] = b"\n".join((folder / "cmdline").read_bytes() for folder in every)
        places["hub.log"] = running.hub.log().encode()
        places["audit log"] = json.dumps(running.hub.audit()).encode()
        for file in (state / "hub.sqlite", state / "hub.sqlite-wal", state / "people.sqlite"):
            places[file.name] = file.read_bytes() if file.exists() else b""
        assert running.hub.audit()
        for place, content in places.items():
            for secret in secrets:
                assert len(secret) > 16
                assert secret.encode() not in content, place
            if not place.startswith("environment"):
                assert token_of(pids[0]) not in content, place
        assert b"access_token" not in places[f"environment of {pids[0]}"]

    def test_state_is_the_hub_s_alone(self, running: Bench, ada: Owner) -> None:
        """The same class: directories and files of secrets."""
        state = running.hub.folder / "state"
        assert state.stat().st_mode & 0o077 == 0
        for file in ("crypt-key", "proxy-token", "cookie-secret"):
            assert (state / file).stat().st_mode & 0o077 == 0

    def test_another_person_s_server(self, running: Bench, ada: Owner) -> None:
        """Nobody else's browser gets an answer of it; so nobody's server can set cookies for others (CVE-2024-28233)."""
        with running.person("mallory") as mallory:
            base = f"{ada.browser.url}/user/{ada.name}/{ada.server}"
            for path in ("/lab", "/api/status", "/api/contents", "/api/kernels"):
                answer = mallory.get(base + path)
                assert answer.status_code in (403, 404), (path, answer.status_code, str(answer.url))
            acts = (("GET", ""), ("DELETE", f"/servers/{ada.server}"), ("POST", "/tokens"), ("PATCH", ""))
            for method, path in acts:
                assert mallory.api(method, f"users/{ada.name}{path}", json={}).status_code in (403, 404)
            assert (
                mallory.post(
                    f"{ada.browser.url}/hub/panosc/stop/{ada.server}", data={"_xsrf": mallory.xsrf()}
                ).status_code
                == 404
            )

    def test_token_in_the_address(self, running: Bench, ada: Owner) -> None:
        """Addresses are in logs and histories: a token there is none."""
        token = ada.browser.api("POST", f"users/{ada.name}/tokens", json={}).json()["token"]
        with running.person() as nobody:
            assert nobody.get(f"{ada.browser.url}/hub/api/user?token={token}").status_code == 403
            answer = nobody.get(f"{ada.browser.url}/user/{ada.name}/{ada.server}/api/status?token={token}")
            assert answer.status_code in (302, 401, 403) or "/hub/" in str(answer.url)

    def test_unauthenticated_websocket(self, running: Bench, ada: Owner) -> None:
        """CVE-2024-28179, CVE-2022-21697 (jupyter-server-proxy): no session, no connection."""
        base = f"/user/{ada.name}/{ada.server}"
        with running.person("mallory") as mallory:
            cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in mallory.cookies.jar)
            for path in (
                "/api/kernels/00000000-0000-0000-0000-000000000000/channels",
                "/terminals/websocket/1",
                "/api/events/subscribe",
            ):
                for cookie in ("", cookies):
                    assert websocket_status(ada.browser.url, base + path, cookie) in (302, 401, 403, 404), path

    def test_sharing_is_off(self, running: Bench, ada: Owner) -> None:
        """GHSA-c4gm-pwx9-9w8j, GHSA-69wv-m5fw-2fhp: sharing a server would share its mounts."""
        with running.person("friend") as friend:
            name = friend.who()["name"]  # type: ignore[index]
            for path in (f"shares/{ada.name}/{ada.server}", f"share-codes/{ada.name}/{ada.server}"):
                answer = ada.browser.api("POST", path, json={"user": name} if path.startswith("shares") else {})
                assert answer.status_code in (400, 403, 404, 405), (path, answer.status_code, answer.text)
            assert friend.get(f"{ada.browser.url}/user/{ada.name}/{ada.server}/api/status").status_code in (403, 404)

    def test_logout_is_complete(self, running: Bench, ada: Owner) -> None:
        """CVE-2021-41247: after logout the old cookies open neither the hub nor a kernel's channel in an open tab."""
        with running.person("ada") as tab:
            base = f"/user/{ada.name}/{ada.server}"
            tab.get(tab.url + base + "/lab")
            assert tab.get(tab.url + base + "/api/status").status_code == 200
            cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in tab.cookies.jar)
            tab.get(f"{tab.url}/hub/logout")
            with running.person() as thief:
                headers = {"Cookie": cookies}
                assert thief.get(f"{tab.url}/hub/api/user", headers=headers).status_code in (401, 403)
                # A server asks the hub about a cookie it knows every half minute (HubOAuth.cache_max_age).
                deadline = time.monotonic() + 120
                while (
                    left := thief.get(f"{tab.url}{base}/api/status", headers=headers, follow_redirects=False)
                ).is_success:
                    assert time.monotonic() < deadline, left.text[:200]
                    time.sleep(1)
                assert left.status_code in (302, 401, 403)
            assert websocket_status(tab.url, base + "/api/events/subscribe", cookies) in (302, 401, 403)


def test_admin_users_is_given_to_nobody(bench: Bench) -> None:
    """CVE-2024-41942: ``admin:users`` is all of the hub. No role of ours holds it, and nobody has the role that does."""
    with bench.person("olga"):
        pass
    with sqlite3.connect(f"file:{bench.hub.folder / 'state' / 'hub.sqlite'}?mode=ro", uri=True) as database:
        roles = {name: json.loads(scopes) for name, scopes in database.execute("select name, scopes from roles")}
        holders = database.execute(
            "select users.name from users join user_role_map on users.id = user_id join roles on roles.id = role_id where roles.name = 'admin'"
        ).fetchall()
        services = database.execute(
            "select services.name from services join service_role_map on services.id = service_id join roles on roles.id = role_id where roles.name = 'admin'"
        ).fetchall()
    database.close()
    assert "user" in roles
    for name, scopes in roles.items():
        if name != "admin":
            assert not [
                scope
                for scope in scopes
                if scope.startswith(("admin:users", "admin:auth_state", "tokens", "admin:groups"))
            ], (name, scopes)
    assert services == []
    assert holders == []


# -- too much ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claim", ["name", "preferred_username", "email", "voperson_id", "eduperson_entitlement", "sub", "unknown"]
)
def test_a_megabyte_in_a_claim(bench: Bench, claim: str) -> None:
    """CVE-2026-54338 (JupyterHub: unbounded names logged): bounded, and short in the log."""
    before = len(bench.hub.log())
    bench.op.lies.claims = lambda claims: claims | {claim: MEGABYTE}
    with bench.person() as browser:
        answer = browser.log_in(bench.op.add("huge"))
        assert answer.status_code in (200, 403)
        who = browser.who()
        assert len(as_json(who)) < 20_000
        assert len(browser.get(f"{browser.url}/hub/home").content) < 300_000
    assert len(bench.hub.log()) - before < 20_000


@pytest.mark.parametrize(
    "claims",
    [{"eduperson_entitlement": [f"urn:geant:op.example:group:g{n}" for n in range(20_000)]}, {"padding": MEGABYTE * 5}],
    ids=["20,000 groups", "5 MB"],
)
def test_more_than_anybody_has(bench: Bench, claims: dict[str, object]) -> None:
    """The same class: many values, and an answer beyond all bounds."""
    before = len(bench.hub.log())
    bench.op.lies.claims = lambda said: said | claims
    with bench.person() as browser:
        assert browser.log_in(bench.op.add("huge")).status_code in (403, 502, 503)
        assert browser.who() is None
    assert len(bench.hub.log()) - before < 20_000


# -- settings ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("required_entitlement", "required_entitlements"),
        ("[access]", "[acess]"),
        ("recheck", "re_check"),
        ("[account]", "[accounts]"),
        ('kind = "shared"', 'kind = "anybody"'),
        ("client_id", "allow_all = true\nclient_id"),
        ("admins", "admin_users"),
        ('type = "entitlements"', 'type = "entitlement"'),
        ("[[sources]]", "[[source]]"),
        ("namespace", "namespaces"),
    ],
)  # fmt: skip
def test_mistyped_policy(bench: Bench, tmp_path: Path, old: str, new: str) -> None:
    """CVE-2020-26250 (oauthenticator: a renamed setting was ignored, and everybody let in): the hub does not start."""
    text = (bench.hub.folder / "site" / "site.toml").read_text()
    assert old in text
    (tmp_path / "site.toml").write_text(text.replace(old, new))
    (tmp_path / "proposals.toml").write_text("proposal = []\n")
    with pytest.raises(ConfigurationError, match=r"\w"):
        load_site(tmp_path)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("allow_all", True), ("allow_existing_users", True), ("allowed_users", ["ada"]), ("admin_users", ["ada"]), ("auth_refresh_strict", False), ("enable_auth_state", False), ("refresh_pre_spawn", False)],
)  # fmt: skip
def test_a_setting_that_would_let_people_in(bench: Bench, setting: str, value: object) -> None:
    """CVE-2020-26250: JupyterHub's own ways to let people in, beside the site's rules, keep the hub from starting."""
    environment = os.environ | {
        "PANOSC_SITE": str(bench.hub.folder / "site"),
        "PANOSC_TEST_SETTINGS": json.dumps({"CommunitiesAuthenticator": {setting: value}}),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "jupyterhub", "-f", str(OVERLAY), "--JupyterHub.db_url=sqlite://"]
    done = subprocess.run(command, cwd=bench.folder, env=environment, capture_output=True, text=True, timeout=60)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert f"{setting} cannot be" in said


def test_empty_policy_denies(bench: Bench) -> None:
    """CVE-2020-26250: with no right at all, nothing can be opened, and the person reads why."""
    with bench.person("nobody") as browser:
        answer = browser.open("esrf/ma1234")
        assert answer.status_code in (400, 403, 404, 409)
        assert "You are not on proposal ma1234" in answer.text


def test_cookie_tossing() -> None:
    """CVE-2024-28233: over https, a neighbouring host cannot set a login attempt for somebody."""
    assert cookie_name("s" * 43, host_only=True).startswith("__Host-")
    assert not cookie_name("s" * 43, host_only=False).startswith("__")


@dataclass
class Owner:
    """Whose server runs."""

    browser: Person
    name: str
    server: str


def token_of(pid: int) -> bytes:
    """The server's own API token: in its environment by JupyterHub's design, and nowhere else."""
    found = re.search(rb"JUPYTERHUB_API_TOKEN=([^\0]+)", (Path("/proc") / str(pid) / "environ").read_bytes())
    assert found
    return found[1]


def websocket_status(url: str, path: str, cookie: str) -> int:
    """The status of a websocket's handshake."""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Origin": url,
    }
    with Browser(follow_redirects=False) as browser:
        return browser.get(url + path, headers=headers | ({"Cookie": cookie} if cookie else {})).status_code
