"""``panosc-hub explain``: from the hub's database, from claims, from an identity alone; exit codes; nothing secret."""

from __future__ import annotations

import asyncio
import json
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from explain_support import ISSUER, SUBJECT, Words, person
from jupyterhub import orm
from jupyterhub.crypto import CryptKeeper

from panosc_spawner.cli import main
from panosc_spawner.identity.people import PeopleStore
from panosc_spawner.identity.person import Identity, Person
from panosc_spawner.identity.username import username_for

NAME = username_for(ISSUER, SUBJECT)
TOKEN = "s3cret-access-token"


@pytest.fixture
def words(tmp_path: Path) -> Words:
    return Words(tmp_path)


def stored(site: Path, who: Person | None, *, acr: str = "", running: tuple[str, ...] = (), key: str = "") -> None:
    """The hub's database after somebody's login, as JupyterHub writes it."""
    state = site / "state"
    key = key or secrets.token_hex(32)
    (state / "crypt-key").write_text(key)
    session = orm.new_session_factory(f"sqlite:///{state / 'hub.sqlite'}")()
    try:
        user = orm.User(name=NAME)
        if who:
            auth_state = {"person": who.to_state(), "login": {"acr": acr}, "access_token": TOKEN}
            keeper = CryptKeeper(keys=[bytes.fromhex(key)])
            user.encrypted_auth_state = asyncio.run(_encrypted(keeper, auth_state))
        session.add(user)
        if running:
            spawner = orm.Spawner(name="p-demo-001", user=user, state={"panosc": {"proposals": list(running)}})
            spawner.server = orm.Server()
            session.add_all(
                [spawner, orm.Spawner(name="p-old", user=user, state={"panosc": {"proposals": ["demo/x"]}})]
            )
        session.commit()
    finally:
        session.close()
        session.get_bind().dispose()


async def _encrypted(keeper: CryptKeeper, state: dict[str, Any]) -> bytes:
    return bytes(await keeper.encrypt(state))


def explained(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    code = main(["explain", *map(str, arguments), "--json"])
    output = capsys.readouterr()
    return code, json.loads(output.out) if output.out else {}, output.err


@pytest.mark.parametrize("who", [SUBJECT, SUBJECT.upper(), NAME])
def test_from_the_hubs_database(words: Words, capsys: pytest.CaptureFixture[str], who: str) -> None:
    site = words.write()
    stored(site, person(), running=("demo/demo-001",))
    PeopleStore(site / "state/people.sqlite").admit(Identity(ISSUER, SUBJECT))
    code, found, errors = explained(capsys, site, who, "demo/demo-1")
    assert (code, found["opens"], found["broken"], errors) == (0, True, None, "")
    assert found["person"] == NAME
    login = next(link for link in found["links"] if link["step"] == "login")
    assert login["state"] == "ok"
    assert "It is in the running server p-demo-001." in str(found)
    assert TOKEN not in str(found)


def test_without_a_database_the_identity_is_enough(words: Words, capsys: pytest.CaptureFixture[str]) -> None:
    code, found, _ = explained(capsys, words.write(), SUBJECT, "demo/demo-001")
    assert (code, found["opens"]) == (0, True)
    assert [link["state"] for link in found["links"] if link["step"] == "login"] == ["not known"]


def test_a_login_that_has_ended(words: Words, capsys: pytest.CaptureFixture[str]) -> None:
    site = words.write()
    stored(site, None)
    code, found, _ = explained(capsys, site, SUBJECT, "demo/demo-001")
    assert (code, found["broken"], found["code"]) == (1, "login", "login-ended")


def test_a_login_that_was_too_weak(words: Words, capsys: pytest.CaptureFixture[str]) -> None:
    words.login = 'acr = ["https://refeds.org/profile/mfa"]'
    site = words.write()
    stored(site, person(), acr="https://refeds.org/profile/sfa")
    assert explained(capsys, site, NAME, "demo/demo-001")[1]["code"] == "acr-too-weak"


def test_an_identity_that_is_shut_out(words: Words, capsys: pytest.CaptureFixture[str]) -> None:
    site = words.write()
    people = PeopleStore(site / "state/people.sqlite")
    people.admit(Identity(ISSUER, SUBJECT))
    people.remove(Identity(ISSUER, SUBJECT), by="root", reason="left")
    people.close()
    for who in (SUBJECT, NAME):
        code, found, _ = explained(capsys, site, who, "demo/demo-001")
        assert (code, found["broken"], found["code"]) == (1, "identity", "no-identity"), found


def test_somebody_who_was_never_here(words: Words, capsys: pytest.CaptureFixture[str]) -> None:
    site = words.write()
    for who in ("p-aaaaaaaaaaaaaaaaaaaa", "nobody", "ada@evil.example", "test@login.example", "\x1b[2J", "x" * 5000):
        code, found, _ = explained(capsys, site, who, "demo/demo-001")
        assert (code, found["broken"]) == (1, "identity")


def test_from_claims(words: Words, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words.account, site = 'kind = "claim"', tmp_path / "site"
    words.login = 'assurance = ["https://refeds.org/assurance/IAP/medium"]'
    words.write()
    claims: dict[str, Any] = {
        "voperson_id": [SUBJECT.upper()],
        "uidNumber": "4001",
        "gidNumber": 4000,
        "eduperson_assurance": ["https://refeds.org/assurance/profile/espresso"],
    }
    file = tmp_path / "claims.json"
    file.write_text(json.dumps(claims))
    assert explained(capsys, site, SUBJECT, "demo/demo-001", "--claims", file)[0] == 0
    assert explained(capsys, site, "-", "demo/demo-001", "--claims", file)[0] == 0
    code, _, errors = explained(capsys, site, "bea@login.example", "demo/demo-001", "--claims", file)
    assert code == 2
    assert "the claims are of ada@login.example" in errors
    for changed, step in (
        ({"voperson_id": ["a@login.example", "b@login.example"]}, "identity"),
        ({"voperson_id": "test@login.example"}, "identity"),
        ({"eduperson_assurance": "https://refeds.org/assurance/IAP/low"}, "login"),
        ({"uidNumber": "0"}, "account"),
        ({"uidNumber": "4001x"}, "account"),
    ):
        file.write_text(json.dumps(claims | changed))
        code, found, _ = explained(capsys, site, "-", "demo/demo-001", "--claims", file)
        assert (code, found["broken"]) == (1, step), found


@pytest.mark.parametrize("content", ["", "[]", "{", "\xff", "[" * 100_000])
def test_claims_that_cannot_be_read(
    words: Words, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    file = tmp_path / "claims.json"
    file.write_text(content, encoding="latin-1")
    site = words.write()
    assert explained(capsys, site, "-", "demo/demo-001", "--claims", file)[0] == 2
    assert explained(capsys, site, "-", "demo/demo-001", "--claims", tmp_path / "nothing")[0] == 2


def test_accounts_that_differ_in_one_server(words: Words, capsys: pytest.CaptureFixture[str]) -> None:
    words.ill = '[account]\nkind = "table"\n[account.people."ada@login.example"]\nname = "al"\nuid = 5001\ngid = 5000'
    site = words.write()
    _, found, _ = explained(capsys, site, SUBJECT, "demo/demo-001", "--together", "ill/8-04-923")
    assert found["code"] == "accounts-differ"
    assert explained(capsys, site, SUBJECT, "demo/demo-001", "--together", "nowhere/1")[0] == 2


def test_a_database_that_cannot_be_read_is_said(words: Words, capsys: pytest.CaptureFixture[str]) -> None:
    site = words.write()
    stored(site, person())
    (site / "state/crypt-key").write_text(secrets.token_hex(32))
    code, found, errors = explained(capsys, site, SUBJECT, "demo/demo-001")
    assert "does not open" in errors
    assert code == 0
    assert [link["state"] for link in found["links"] if link["step"] == "login"] == ["not known"]
    (site / "state/hub.sqlite").write_bytes(b"not a database" * 100)
    assert "cannot be read" in explained(capsys, site, SUBJECT, "demo/demo-001")[2]


def test_nobody_without_claims(words: Words, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(words.write()), "-", "demo/demo-001"]) == 2
    assert "give --claims" in capsys.readouterr().err


def test_it_writes_nothing(words: Words, capsys: pytest.CaptureFixture[str]) -> None:
    site = words.write()
    stored(site, person())
    before = {file: (file.stat().st_mtime_ns, file.stat().st_size) for file in site.rglob("*") if file.is_file()}
    explained(capsys, site, SUBJECT, "demo/demo-001")
    after = {file: (file.stat().st_mtime_ns, file.stat().st_size) for file in site.rglob("*") if file.is_file()}
    assert before == after


def test_the_text_for_people(words: Words, capsys: pytest.CaptureFixture[str]) -> None:
    site = words.write()
    assert main(["explain", str(site), SUBJECT, "demo/demo-001"]) == 0
    good = capsys.readouterr().out
    assert f"demo/demo-001 can be opened by {NAME}." in good.splitlines()[-1]
    assert main(["explain", str(site), SUBJECT, "demo/demo-002"]) == 1
    bad = capsys.readouterr().out
    assert "demo/demo-002 cannot be opened: the link 'grant' is broken [not-granted]." in " ".join(bad.split())
    assert "Who can: main proposer, user office." in " ".join(bad.split())


def test_an_old_session(words: Words, capsys: pytest.CaptureFixture[str]) -> None:
    site = words.write()
    long_ago = datetime.now(UTC) - timedelta(days=2)
    stored(site, person(seen_at=long_ago, logged_in_at=long_ago))
    _, found, _ = explained(capsys, site, SUBJECT, "demo/demo-001")
    assert found["code"] == "session-too-old"
