"""Accounts: strict reading of claims, tables and what the machine says."""

import asyncio
import os
import pwd
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from panosc_spawner.facilities.login_rules import Login
from panosc_spawner.facilities.model import AccountRow, ClaimAccount, NssAccount, SharedAccount, TableAccount
from panosc_spawner.facilities.person_keys import ClaimKey, TableKey
from panosc_spawner.facilities.site import Hub, Site, SiteFile
from panosc_spawner.facilities.source_rules import FileSource
from panosc_spawner.identity import accounts
from panosc_spawner.identity.accounts import resolve_account
from panosc_spawner.identity.person import Account, Identity, NoAccount, Person


def person(**claims):
    return Person("https://idp.example", "ada@x.example", "p-ada", "Ada", "demo", datetime.now(UTC), claims=claims)


@pytest.mark.parametrize(
    ("rule", "claims", "account"),
    [
        (SharedAccount(kind="shared"), {}, Account("scientist", 1000, 1000)),
        (ClaimAccount(kind="claim"), {"uidNumber": 4711, "gidNumber": "100"}, Account("p-ada", 4711, 100)),
        (ClaimAccount(kind="claim"), {"uidNumber": ["4711"], "gidNumber": [100]}, Account("p-ada", 4711, 100)),
        (
            ClaimAccount(kind="claim", name="login", gids="groups"),
            {"uidNumber": 4711, "gidNumber": 100, "login": ["ada"], "groups": ["7", 8, 7]},
            Account("ada", 4711, 100, (7, 8)),
        ),
        (ClaimAccount(kind="claim", gids="groups"), {"uidNumber": 4711, "gidNumber": 100}, Account("p-ada", 4711, 100)),
        (
            TableAccount(kind="table", people={"ada@x.example": AccountRow(name="ada", uid=5, gid=6, gids=(7,))}),
            {},
            Account("ada", 5, 6, (7,)),
        ),
    ],
)
async def test_accounts(rule, claims, account):
    assert await resolve_account(rule, person(**claims)) == account


@pytest.mark.parametrize(
    "uid", [None, "", [], "-1", "0x10", "12 ", "1e3", "٣", 1.0, True, [1, 2], {}, -1, 2**32, "9" * 30]
)
async def test_what_is_not_a_number_gives_no_account(uid):
    account = await resolve_account(ClaimAccount(kind="claim"), person(uidNumber=uid, gidNumber=100))
    assert isinstance(account, NoAccount)
    assert "'uidNumber'" in account.reason


@pytest.mark.parametrize("groups", ["1,2", [1, "x"], [[1, 2]], "abc"])
async def test_wrong_groups_give_no_account_rather_than_fewer_groups(groups):
    rule = ClaimAccount(kind="claim", gids="groups")
    account = await resolve_account(rule, person(uidNumber=1, gidNumber=1, groups=groups))
    assert isinstance(account, NoAccount)


async def test_a_table_is_by_identity_and_nothing_else():
    rule = TableAccount(kind="table", people={"p-ada": AccountRow(name="ada", uid=5, gid=6)})
    assert await resolve_account(rule, person(preferred_username="p-ada")) == NoAccount(
        "your identity is not in its list"
    )


async def test_the_machine_knows_its_own_accounts():
    name = pwd.getpwuid(os.getuid()).pw_name
    account = await resolve_account(NssAccount(kind="nss"), person(preferred_username=name))
    assert isinstance(account, Account)
    assert (account.name, account.uid) == (name, os.getuid())
    assert account.gid not in account.gids
    assert await resolve_account(NssAccount(kind="nss", table={"ada@x.example": name}), person()) == account


@pytest.mark.parametrize(
    "name",
    ["-h", "--help", "0", "1000", "a b", "a:b", "a/b", "../x", "a\n", "a\0", "Root", "é", "", "a" * 33, ["a", "b"], 7],
)
async def test_a_hostile_name_is_never_asked_for(name, monkeypatch):
    monkeypatch.setattr(accounts, "run_command", None)
    assert isinstance(await resolve_account(NssAccount(kind="nss"), person(preferred_username=name)), NoAccount)
    if name and isinstance(name, str):
        rule = NssAccount(kind="nss", table={"ada@x.example": name})
        assert isinstance(await resolve_account(rule, person()), NoAccount)


async def test_an_unknown_account_is_said_to_be_unknown():
    account = await resolve_account(NssAccount(kind="nss"), person(preferred_username="nobody-has-this-name"))
    assert account == NoAccount("this system has no account 'nobody-has-this-name'")
    table = NssAccount(kind="nss", table={"eve@x.example": "eve"})
    assert await resolve_account(table, person()) == NoAccount("your identity is not in its list")


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A directory of the test's own ``getent`` and ``id``."""
    monkeypatch.setattr(accounts, "_ENVIRONMENT", {"PATH": f"{tmp_path}:/usr/bin:/bin"})

    def write(getent, id_="echo 100 7 8"):
        for name, script in (("getent", getent), ("id", id_)):
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
            (tmp_path / name).chmod(0o755)

    # The search for a program is by the caller's PATH where the platform spawns.
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return write


@pytest.mark.parametrize(
    ("getent", "id_", "expected"),
    [
        ("echo ada:x:4711:100:Ada:/home/ada:/bin/sh", "echo 100 7 8", Account("ada", 4711, 100, (7, 8))),
        ("echo eve:x:4711:100:Ada:/home/ada:/bin/sh", "echo 100", "not understood"),
        ("echo ada:x:many:100:Ada:/home/ada:/bin/sh", "echo 100", "not understood"),
        ("echo ada:x:4711", "echo 100", "not understood"),
        ("echo", "echo 100", "not understood"),
        ("echo ada:x:4711:100:Ada:/home/ada:/bin/sh", "echo staff", "not understood"),
        ("exit 2", "", "no account 'ada'"),
        ("exit 3", "echo 100", "did not answer"),
        ("echo ada:x:4711:100:Ada:/home/ada:/bin/sh", "exit 1", "did not answer"),
    ],
)
async def test_what_the_machine_says_is_read_strictly(tools, getent, id_, expected):
    tools(getent, id_)
    account = await resolve_account(NssAccount(kind="nss"), person(preferred_username="ada"))
    if isinstance(expected, str):
        assert isinstance(account, NoAccount)
        assert expected in account.reason
    else:
        assert account == expected


async def test_a_directory_that_hangs_is_given_up_and_left_behind_by_no_process(tools):
    tools("exec sleep 30")
    start = time.perf_counter()
    account = await resolve_account(
        NssAccount(kind="nss"), person(preferred_username="ada"), timeout=timedelta(seconds=0.2)
    )
    assert time.perf_counter() - start < 5
    assert isinstance(account, NoAccount)
    assert "did not answer" in account.reason
    await asyncio.sleep(0)


class TestSeveralLogins:
    """Accounts come from the login that the rule is about; another one's claims and names are somebody else's."""

    FIRST, SECOND = "https://first.example", "https://second.example"

    @pytest.fixture
    def site(self, tmp_path):
        config = SiteFile(
            hub=Hub(id="t", facilities=("esrf",)),
            login=Login(
                community="demo",
                issuer=self.FIRST,
                client_id="hub",
                also=(Login(community="other", issuer=self.SECOND, client_id="hub"),),
            ),
            sources=(FileSource(type="file", path="x.toml"),),
        )
        return Site(tmp_path, config, {})

    def someone(self, issuer, subject="ada@x", linked=(), **claims):
        return replace(person(**claims), issuer=issuer, subject=subject, linked=linked)

    @pytest.mark.parametrize(
        "rule",
        [
            ClaimAccount(kind="claim"),
            NssAccount(kind="nss", claim="account"),
            NssAccount(kind="nss", person=ClaimKey(by="claim", claim="account")),
        ],
    )
    async def test_claims_of_the_other_login_name_no_account(self, site, rule):
        claims = {"uidNumber": 5000, "gidNumber": 5000, "account": "root"}
        mine = await resolve_account(rule, self.someone(self.FIRST, **claims), site)
        assert isinstance(mine, Account)
        others = await resolve_account(rule, self.someone(self.SECOND, **claims), site)
        assert isinstance(others, NoAccount)
        assert "another login" in others.reason

    @pytest.mark.parametrize("kind", ["table", "nss"])
    async def test_tables_are_about_one_logins_identities(self, site, kind):
        rule = (
            TableAccount(kind="table", people={"ada@x": AccountRow(name="root", uid=5000, gid=5000)})
            if kind == "table"
            else NssAccount(kind="nss", table={"ada@x": "root"})
        )
        assert isinstance(await resolve_account(rule, self.someone(self.FIRST), site), Account)
        assert isinstance(await resolve_account(rule, self.someone(self.SECOND), site), NoAccount)
        linked = self.someone(self.SECOND, "other@y", linked=(Identity(self.FIRST, "ada@x"),))
        assert isinstance(await resolve_account(rule, linked, site), Account)

    async def test_two_identities_with_two_accounts_are_none(self, site):
        rows = {name: AccountRow(name="a", uid=uid, gid=100) for name, uid in (("ada@x", 5000), ("ada2@x", 5001))}
        both = self.someone(self.FIRST, linked=(Identity(self.FIRST, "ada2@x"),))
        found = await resolve_account(TableAccount(kind="table", people=rows), both, site)
        assert found == NoAccount("your linked identities have more than one account there")

    async def test_a_list_that_cannot_be_read_is_not_a_person_without_account(self, site):
        rule = NssAccount(kind="nss", person=TableKey(by="table", path="accounts.csv"))
        found = await resolve_account(rule, self.someone(self.FIRST), site)
        assert isinstance(found, NoAccount)
        assert found.failed
        (site.folder / "accounts.csv").write_text("person,key\nada@x,root\n")
        assert isinstance(await resolve_account(rule, self.someone(self.FIRST), site), Account)
        assert isinstance(await resolve_account(rule, self.someone(self.FIRST, "ben@x"), site), NoAccount)

    def test_one_way_to_find_a_name(self):
        with pytest.raises(ValueError, match="instead of claim and table"):
            NssAccount(kind="nss", claim="account", person=TableKey(by="table", path="x"))
