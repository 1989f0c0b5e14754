"""Groups and accounts of a real slapd: what they give, what cannot be injected, and every way for the server to fail."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ldap_support import BIND_DN, PASSWORD, Slapd
from pydantic import ValidationError

from panosc_spawner.errors import ConfigurationError, SourceError
from panosc_spawner.facilities.account_rules import LdapAccount, NssAccount, TableAccount
from panosc_spawner.facilities.directory_rules import LdapServer
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.load import load_facility
from panosc_spawner.facilities.login_rules import Login
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.person_keys import LdapKey
from panosc_spawner.facilities.site import Hub, Site, SiteFile
from panosc_spawner.facilities.source_rules import FileSource
from panosc_spawner.facilities.table_source_rules import LdapSource
from panosc_spawner.identity import ldap_directory
from panosc_spawner.identity.accounts import resolve_account
from panosc_spawner.identity.ldap_directory import LdapDirectory, escaped, filled
from panosc_spawner.identity.person import Account, NoAccount, Person
from panosc_spawner.identity.person_keys import NoKey, person_key
from panosc_spawner.proposals.book import GrantBook
from panosc_spawner.proposals.ldap_source import LdapProposals
from panosc_spawner.proposals.model import Proposal, Visit

ISSUER = "https://idp.example"
PEOPLE, GROUPS = "ou=people,dc=example,dc=org", "ou=groups,dc=example,dc=org"
MEMBER = "(&(objectClass=groupOfNames)(member={dn}))"


@pytest.fixture(scope="module")
def slapd() -> Iterator[Slapd]:
    server = Slapd()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _connections_are_closed() -> Iterator[None]:
    yield
    for directory in ldap_directory._open.values():
        directory.close()
    ldap_directory._open.clear()


@pytest.fixture
def folder(tmp_path: Path, slapd: Slapd) -> Path:
    (tmp_path / "ldap-password").write_text(PASSWORD + "\n")
    (tmp_path / "ldap-password").chmod(0o600)
    (tmp_path / "ca.pem").write_bytes((slapd.folder / "ca.pem").read_bytes())
    return tmp_path


def person(subject: str = "ada") -> Person:
    return Person(ISSUER, subject, "p-ada", "Ada", "demo", datetime.now(UTC))


def site(folder: Path) -> Site:
    config = SiteFile(
        hub=Hub(id="t", facilities=("ess",)),
        login=Login(community="demo", issuer=ISSUER, client_id="hub"),
        sources=(FileSource(type="file", path="x.toml"),),
    )
    return Site(folder, config, {"ess": load_facility("ess")})


def server(*urls: str, **keys: object) -> dict[str, object]:
    return {"urls": urls, "bind_dn": BIND_DN, "password_file": "ldap-password", "timeout": "10s"} | keys


def rule(address: dict[str, object], **keys: object) -> LdapSource:
    groups = [{"group": "ess_proposal_{proposal}"}, {"group": "ess_proposal_{proposal}_pi", "role": "pi"}]
    values = {
        "type": "ldap",
        "name": "Directory",
        "facility": "ess",
        "server": address,
        "groups_base": GROUPS,
        "groups": groups,
    }
    return LdapSource.model_validate(values | keys)


def source(folder: Path, address: dict[str, object], **keys: object) -> LdapProposals:
    return LdapProposals(rule(address, **keys), site(folder))


def rights(grants):
    return sorted((str(grant.ref), str(grant.role)) for grant in grants)


class TestGroups:
    async def test_posix_groups(self, slapd: Slapd, folder: Path) -> None:
        [grant] = await source(folder, server(slapd.url)).grants(person())
        assert rights([grant]) == [("ess/616254", "member")]
        assert (grant.source, grant.evidence) == ("Directory", "you are in the group ess_proposal_616254")

    async def test_groups_that_name_an_entry(self, slapd: Slapd, folder: Path) -> None:
        asked = source(folder, server(slapd.url), people={"base": PEOPLE}, groups_filter=MEMBER)
        assert rights(await asked.grants(person())) == [("ess/700001", "pi")]
        assert await asked.grants(person("ben")) == []
        assert await asked.grants(person("nobody")) == []

    async def test_people_known_by_an_attribute(self, slapd: Slapd, folder: Path) -> None:
        people = {"base": PEOPLE, "filter": "(employeeNumber={key})"}
        asked = source(folder, server(slapd.url), people=people, groups_filter="(memberUid={uid})")
        assert rights(await asked.grants(person("f00d@eduteams.org"))) == [("ess/616254", "member")]
        assert await asked.grants(person("ada")) == []

    @pytest.mark.parametrize(
        ("people", "whose", "words"),
        [
            ({"filter": "(|(uid={key})(gidNumber={key}))"}, "20000", "the directory has several entries of yours"),
            ({"uid": "employeeNumber"}, "ben", "your entry in the directory has no one 'employeeNumber'"),
        ],
    )
    async def test_one_persons_entry_keeps_nobody_else_from_being_asked(
        self, slapd: Slapd, folder: Path, people: dict[str, str], whose: str, words: str
    ) -> None:
        member = "(|(memberUid=ada)(memberUid={uid}))"
        asked = source(folder, server(slapd.url), people={"base": PEOPLE, **people}, groups_filter=member)
        book = GrantBook(site(folder), sources=[asked])
        for _ in range(4):
            assert [outcome.error for outcome in (await book.report(person(whose))).outcomes] == [words]
        assert not book.resting
        assert rights((await book.report(person())).grants) == [("ess/616254", "member")]

    async def test_a_change_is_seen_at_once(self, slapd: Slapd, folder: Path) -> None:
        asked = source(folder, server(slapd.url))
        group = "dn: cn=ess_proposal_616254,ou=groups,dc=example,dc=org\nchangetype: modify\n"
        assert len(await asked.grants(person("ben"))) == 1
        slapd.change(f"{group}delete: memberUid\nmemberUid: ben\n")
        try:
            assert await asked.grants(person("ben")) == []
        finally:
            slapd.change(f"{group}add: memberUid\nmemberUid: ben\n")

    async def test_instrument_groups_of_staff(self, slapd: Slapd, folder: Path) -> None:
        here = Proposal(ProposalRef("ess", "616254"), "T", (Visit("LOKI"), Visit("DREAM")))
        other = Proposal(ProposalRef("ess", "616255"), "T", (Visit("DREAM"),))

        class Knows:
            async def at_instruments(self, facility, instruments):
                assert (facility, set(instruments)) == ("ess", {"loki"})
                return [here, other]

        groups = [{"group": "{instrument}_staff", "role": "local-contact"}]
        made = rule(server(slapd.url), groups=groups, instruments_from="office")
        [grant] = await LdapProposals(made, site(folder), lambda: Knows()).grants(person("ben"))
        assert (str(grant.ref), grant.role, grant.proposal.instruments) == ("ess/616254", Role.LOCAL_CONTACT, ("LOKI",))
        assert grant.evidence == "you are in the group loki_staff"
        with pytest.raises(SourceError, match="no source says"):
            await LdapProposals(made, site(folder)).grants(person("ben"))

    async def test_many_pages(self, folder: Path) -> None:
        """10^4 entries, 500 a page, on a server that gives no more than 500 at a time."""
        big = Slapd(sizelimit="size=500 size.prtotal=unlimited")
        try:
            big.stop()
            big.load("".join(
                f"dn: cn=g{n},{GROUPS}\nobjectClass: posixGroup\ncn: g{n}\ngidNumber: {n}\nmemberUid: carl\n\n" for n in range(40000, 50000)
            ))  # fmt: skip
            big.start()
            directory = LdapDirectory(LdapServer.model_validate(server(big.url, timeout="10s", page_size=500)), folder)
            found = await directory.search(GROUPS, "(memberUid=carl)", ["cn"])
            assert len({entry.one("cn") for entry in found}) == 10000
            directory.close()
        finally:
            big.close()

    async def test_entries_that_are_cut_off_are_no_answer(self, folder: Path) -> None:
        small = Slapd(sizelimit="2")
        try:
            with pytest.raises(SourceError, match="fewer entries than there are"):
                await source(folder, server(small.url)).grants(person())
        finally:
            small.close()

    async def test_what_the_directory_takes_for_equal_is_not(self, slapd: Slapd, folder: Path) -> None:
        """uid ignores case and invisible characters: one provider's 'ADA' would be another person's 'ada'."""
        people = {"base": PEOPLE}
        for key in ("ADA", "Ada", "a\u00adda", "ada ", " ada", "ａｄａ"):
            assert (
                await source(folder, server(slapd.url), people=people, groups_filter=MEMBER).grants(person(key)) == []
            )
        scoped = {"base": PEOPLE, "filter": "(employeeNumber={key})"}  # but a voperson_id is one in any case
        asked = source(folder, server(slapd.url), people=scoped, groups_filter=MEMBER)
        assert rights(await asked.grants(person("F00D@eduTEAMS.org"))) == [("ess/700001", "pi")]

    async def test_check_says_what_is_there(self, slapd: Slapd, folder: Path) -> None:
        assert await source(folder, server(slapd.url)).check() == "5 groups, 2 of them of proposals or instruments"
        with pytest.raises(SourceError, match="none of its 5 groups fits"):
            await source(folder, server(slapd.url), groups=[{"group": "prop-{proposal}"}]).check()


INJECTIONS = [
    "*", "a*", "ada)(uid=*", "*)(objectClass=*", "ada))(|(cn=*", "\\2a", "ada\0", "a\\da", "(", ")", "", "ada,ou=people",
    "ada)(&", "|(uid=*)", "ada\n", "аda", "{dn}", "{uid}", "%2a", "ada;x", "ADA*", "!(cn=x)", "a\u0000*", "<=", "~=x",
]  # fmt: skip


class TestInjection:
    @pytest.mark.parametrize("key", INJECTIONS)
    async def test_no_key_widens_a_filter(self, slapd: Slapd, folder: Path, key: str) -> None:
        for keys in ({}, {"people": {"base": PEOPLE}, "groups_filter": MEMBER}):
            assert await source(folder, server(slapd.url), **keys).grants(person(key)) == []

    @given(st.text(max_size=40))
    @settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_whatever_is_filled_in_is_one_value(self, value: str) -> None:
        """Undone by RFC 4515's own rule, it is what was filled in; and no sign of a filter is left in it."""
        made = escaped(value)
        assert not set(made) & set("*()\0\n=&|!<>~,")
        undone = bytearray()
        at = 0
        while at < len(made):
            if made[at] == "\\":
                undone.append(int(made[at + 1 : at + 3], 16))
                at += 3
            else:
                undone += made[at].encode()
                at += 1
        assert bytes(undone) == value.encode("utf-8", "surrogatepass")
        assert filled("(&(a={key})(b={uid}))", key=value, uid="{key}") == f"(&(a={made})(b=\\7bkey\\7d))"


class TestGroupNames:
    @pytest.mark.parametrize(
        ("name", "means"),
        [
            ("ess_proposal_616254", "616254"),
            ("ess_proposal_616254_pi", "616254"),
            ("ESS_proposal_616254", None),
            ("ess_proposal_0616254", None),
            ("ess_proposal_٦١٦٢٥٤", None),
            ("ess_proposal_", None),
            ("ess_proposal__pi", None),
            ("xess_proposal_616254", None),
            ("ess_proposal_616254 ", None),
            ("ess_proposal_../616254", None),
            ("ess_proposal_616254\n", None),
        ],
    )
    def test_exactly_the_pattern(self, slapd: Slapd, folder: Path, name: str, means: str | None) -> None:
        meaning = source(folder, server(slapd.url))._rights.names.meaning(name)
        assert (str(meaning.proposal.id) if meaning else None) == means

    @pytest.mark.parametrize(
        ("case", "name", "means"),
        [("keep", "ma1234", "ma1234"), ("keep", "MA1234", None), ("keep", "ma-1234", None), ("upper", "MA1234", "ma1234"), ("upper", "MA-1234", None), ("upper", "ma1234", None)],
    )  # fmt: skip
    def test_one_group_a_proposal(self, case: str, name: str, means: str | None) -> None:
        """ma-1234 is ma1234 in the user office; as a group it is another one, that somebody else might have made."""
        from panosc_spawner.facilities.table_source_rules import GroupRule
        from panosc_spawner.proposals.group_names import GroupNames

        names = GroupNames([GroupRule(group="{proposal}", case=case)], load_facility("esrf"))
        meaning = names.meaning(name)
        assert (meaning.proposal.id if meaning and meaning.proposal else None) == means


class TestRules:
    @pytest.mark.parametrize(
        ("address", "words"),
        [
            (server("ldap://ldap.example.org"), "is not protected"),
            (server("ldaps://ldap.example.org", start_tls=True), "start_tls"),
            (server("http://ldap.example.org"), "must be ldaps"),
            (server("ldaps://cn=x:secret@ldap.example.org"), "no account and no password"),
            (server("ldaps://ldap.example.org/dc=x"), "must be ldaps"),
            (server("ldaps://ldap.example.org:x"), "is not an address"),
            (server("ldaps://ldap.example.org", password_file=None), "go together"),
        ],
    )
    def test_addresses(self, address: dict[str, object], words: str) -> None:
        with pytest.raises(ValidationError, match=words) as caught:
            rule(address)
        assert "secret" not in str(
            caught.value.errors(include_input=False, include_context=False, include_url=False)[0]["msg"]
        )

    @pytest.mark.parametrize(
        ("keys", "words"),
        [
            ({"groups_filter": "(objectClass=posixGroup)"}, "about everybody"),
            ({"groups_filter": "memberUid={key}"}, "not an LDAP filter"),
            ({"groups_filter": "(member={dn})"}, "people"),
            ({"groups_filter": "(member={name})"}, "use {key}"),
            ({"groups_filter": "(a={key.__class__})"}, "unknown field"),
            ({"groups": [{"group": "all"}]}, "must hold {proposal}"),
            ({"groups": [{"group": "{proposal}{proposal}"}]}, "must hold {proposal}"),
            ({"groups": [{"group": "{instrument}"}]}, "instruments_from"),
            ({"groups": []}, "at least 1"),
            ({"group_name": "cn)(x"}, "not a name of an LDAP attribute"),
        ],
    )
    def test_mistakes(self, keys: dict[str, object], words: str) -> None:
        with pytest.raises(ValidationError, match=words):
            rule(server("ldaps://ldap.example.org"), **keys)


class TestTls:
    @pytest.mark.parametrize("start_tls", [False, True])
    async def test_with_the_right_authority(self, slapd: Slapd, folder: Path, start_tls: bool) -> None:
        address = server(slapd.url if start_tls else slapd.ldaps, start_tls=start_tls, ca_file="ca.pem")
        assert len(await source(folder, address).grants(person())) == 1

    @pytest.mark.parametrize("start_tls", [False, True])
    async def test_a_certificate_nobody_vouches_for(self, slapd: Slapd, folder: Path, start_tls: bool) -> None:
        address = server(slapd.url if start_tls else slapd.ldaps, start_tls=start_tls)
        with pytest.raises(SourceError, match="certificate is not trusted"):
            await source(folder, address).grants(person())

    async def test_a_certificate_for_another_name(self, slapd: Slapd, folder: Path) -> None:
        address = server(f"ldaps://127.0.0.2:{slapd.tls_port}", ca_file="ca.pem")
        with pytest.raises(SourceError):  # nobody listens there, or the name is wrong: never an answer
            await source(folder, address).grants(person())
        address = server(slapd.ldaps.replace("127.0.0.1", "ip6-localhost"), ca_file="ca.pem")
        with pytest.raises(SourceError):
            await source(folder, address).grants(person())

    def test_authorities_that_are_none(self, folder: Path, slapd: Slapd) -> None:
        (folder / "ca.pem").write_text("nonsense")
        with pytest.raises(ConfigurationError, match="holds no certificates"):
            source(folder, server(slapd.ldaps, ca_file="ca.pem"))


class TestFailures:
    async def test_a_wrong_password(self, slapd: Slapd, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        (folder / "ldap-password").write_text("not-the-password")
        with pytest.raises(SourceError, match="refuses this hub's account") as shown:
            await source(folder, server(slapd.url)).check()
        assert "not-the-password" not in f"{shown.value}{caplog.text}"

    def test_a_password_others_may_read(self, slapd: Slapd, folder: Path) -> None:
        (folder / "ldap-password").chmod(0o640)
        with pytest.raises(ConfigurationError, match="can be read by others"):
            source(folder, server(slapd.url))

    async def test_nobody_may_search_there(self, slapd: Slapd, folder: Path) -> None:
        """An anonymous login finds nothing in this directory; that is an error, not people without groups."""
        anonymous = server(slapd.url, bind_dn="", password_file=None)
        with pytest.raises(SourceError, match=r"no such place|may not search"):
            await source(folder, anonymous).grants(person())

    async def test_a_place_that_is_not_there(self, slapd: Slapd, folder: Path) -> None:
        with pytest.raises(SourceError, match="no such place"):
            await source(folder, server(slapd.url), groups_base="ou=gruops,dc=example,dc=org").grants(person())

    async def test_a_referral_is_not_followed(self, slapd: Slapd, folder: Path) -> None:
        """It may name any server, and the hub's password would go there."""
        elsewhere = socket.socket()
        elsewhere.bind(("127.0.0.1", 0))
        elsewhere.listen()
        elsewhere.settimeout(1.5)
        url = f"ldap://127.0.0.1:{elsewhere.getsockname()[1]}"
        slapd.stop()
        slapd.load(
            f"dn: ou=away,dc=example,dc=org\nobjectClass: referral\nobjectClass: extensibleObject\nou: away\nref: {url}/dc=x\n"
        )
        slapd.start()
        with pytest.raises(SourceError, match="not followed"):
            await source(folder, server(slapd.url), groups_base="ou=away,dc=example,dc=org").grants(person())
        below = source(folder, server(slapd.url), groups_base="dc=example,dc=org")  # with a reference among the entries
        assert rights(await below.grants(person())) == [("ess/616254", "member")]
        with pytest.raises(TimeoutError):
            elsewhere.accept()
        elsewhere.close()

    async def test_a_restart_in_between_is_not_noticed(self, slapd: Slapd, folder: Path) -> None:
        asked = source(folder, server(slapd.url))
        assert len(await asked.grants(person())) == 1
        slapd.stop()
        with pytest.raises(SourceError, match="cannot be reached"):
            await asked.grants(person())
        slapd.start()
        assert len(await asked.grants(person())) == 1
        slapd.stop()
        slapd.start()
        assert len(await asked.grants(person())) == 1  # its old connection is dead; a fresh one is tried at once

    async def test_the_next_server_answers_for_one_that_is_down(self, slapd: Slapd, folder: Path) -> None:
        asked = source(folder, server("ldap://127.0.0.1:1", slapd.url))
        assert len(await asked.grants(person())) == 1

    async def test_a_server_that_hangs_holds_nobody(self, slapd: Slapd, folder: Path) -> None:
        address = server(slapd.url, connections=2, timeout="2s")
        asked, alone = source(folder, address), LdapDirectory(LdapServer.model_validate(address), folder)
        assert len(await asked.grants(person())) == 1
        slapd.signal(signal.SIGSTOP)
        try:
            begun = time.monotonic()
            for _ in range(2):
                with pytest.raises(SourceError, match=r"cannot be reached|took too long"):
                    await asked.grants(person())
            assert time.monotonic() - begun < 30
            threads = asked._directory._threads
            idle = [asyncio.to_thread(threads.submit(lambda: None).result, 20) for _ in range(2)]
            await asyncio.wait_for(asyncio.gather(*idle), 25)
        finally:
            slapd.signal(signal.SIGCONT)
        assert len(await asked.grants(person())) == 1
        alone.close()

    async def test_a_server_that_talks_nonsense(self, folder: Path) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
            writer.close()

        web = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = web.sockets[0].getsockname()[1]
        with pytest.raises(SourceError):
            await source(folder, server(f"ldap://127.0.0.1:{port}")).grants(person())
        web.close()
        await web.wait_closed()


class TestAccounts:
    def account(self, slapd: Slapd, **keys: object) -> LdapAccount:
        values = {
            "kind": "ldap",
            "server": server(slapd.url),
            "base": PEOPLE,
            "filter": "(uid={key})",
            "groups_base": GROUPS,
        }
        return LdapAccount.model_validate(values | keys)

    async def test_numbers_and_groups(self, slapd: Slapd, folder: Path) -> None:
        found = await resolve_account(self.account(slapd), person(), site(folder))
        assert found == Account("ada", 20001, 20000, (30001, 30002, 30003))
        assert await resolve_account(self.account(slapd, groups_base=""), person("ben"), site(folder)) == Account(
            "ben", 20002, 20000
        )

    async def test_by_a_key_of_its_own(self, slapd: Slapd, folder: Path) -> None:
        linked = self.account(slapd, filter="(employeeNumber={key})", groups_base="")
        assert await resolve_account(linked, person("f00d@eduteams.org"), site(folder)) == Account("ada", 20001, 20000)

    @pytest.mark.parametrize("key", INJECTIONS)
    async def test_nobody_else_is_found(self, slapd: Slapd, folder: Path, key: str) -> None:
        found = await resolve_account(self.account(slapd), person(key), site(folder))
        assert isinstance(found, NoAccount)
        assert not found.failed

    async def test_several_entries_are_none(self, slapd: Slapd, folder: Path) -> None:
        found = await resolve_account(self.account(slapd, filter="(gidNumber={key})"), person("20000"), site(folder))
        assert found == NoAccount("the directory has several entries of yours")

    @pytest.mark.parametrize("attribute", [{"uid": "sn"}, {"gid": "homeDirectory"}, {"uid": "employeeType"}, {"name": "homeDirectory"}, {"group_gid": "cn"}])  # fmt: skip
    async def test_what_is_no_number_or_name_is_no_account(
        self, slapd: Slapd, folder: Path, attribute: dict[str, str]
    ) -> None:
        assert isinstance(await resolve_account(self.account(slapd, **attribute), person(), site(folder)), NoAccount)

    async def test_a_directory_that_is_down_says_so(self, folder: Path, slapd: Slapd) -> None:
        found = await resolve_account(self.account(slapd, server=server("ldap://127.0.0.1:1")), person(), site(folder))
        assert isinstance(found, NoAccount)
        assert found.failed

    async def test_the_name_of_another_accounts_rule_by_ldap(self, slapd: Slapd, folder: Path) -> None:
        key = {"by": "ldap", "server": server(slapd.url), "base": PEOPLE, "filter": "(employeeNumber={key})"}
        assert await person_key(LdapKey.model_validate(key), person("f00d@eduteams.org"), site(folder)) == "ada"
        missing = await person_key(LdapKey.model_validate(key), person("beef@eduteams.org"), site(folder))
        assert missing == NoKey("your identity is not linked to anybody there")
        down = LdapKey.model_validate(key | {"server": server("ldap://127.0.0.1:1")})
        failed = await person_key(down, person("f00d@eduteams.org"), site(folder))
        assert isinstance(failed, NoKey)
        assert failed.failed
        table = TableAccount.model_validate(
            {"kind": "table", "person": key, "people": {"ada": {"name": "ada", "uid": 5000, "gid": 5000}}}
        )
        assert await resolve_account(table, person("f00d@eduteams.org"), site(folder)) == Account("ada", 5000, 5000)
        nss = NssAccount.model_validate({"kind": "nss", "person": key | {"attribute": "homeDirectory"}})
        assert await resolve_account(nss, person("f00d@eduteams.org"), site(folder)) == NoAccount(
            "the account name in its list is not one"
        )
