"""One fault at a time, for real, and the chain names the right link; without a fault it names none."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from explain_support import ISSUER, SUBJECT, Words, person

from panosc_spawner.errors import SourceError
from panosc_spawner.explain import Explanation, Helper, Question, Running, State, Step, explain
from panosc_spawner.explain.report import as_text
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.person import Identity, Person
from panosc_spawner.proposals.book import GrantBook
from panosc_spawner.proposals.model import Grant, Proposal

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can try a directory as somebody else")
DEMO = "demo/demo-001"


@dataclass
class Case:
    """A site, somebody, and a question; a fault changes one of them."""

    words: Words
    person: Person = field(default_factory=person)
    proposal: str = DEMO
    sources: Callable[[Site], Sequence[Any]] | None = None
    before: Callable[[GrantBook, Person], Any] | None = None
    spoil: Callable[[], None] = lambda: None
    more: dict[str, Any] = field(default_factory=dict)

    def explained(self) -> Explanation:
        site = self.words.site()
        self.spoil()
        return asyncio.run(self._explained(site))

    async def _explained(self, site: Site) -> Explanation:
        book = GrantBook(site, sources=self.sources(site) if self.sources else None)
        if self.before:
            await self.before(book, self.person)
        return await explain(Question(site, book, self.proposal, self.person, **self.more))


@dataclass
class Source:
    """A source that says what it is told to."""

    name: str
    says: Sequence[Grant] | SourceError | float
    facilities: frozenset[str] = frozenset({"demo", "ill"})

    async def grants(self, person: Person) -> Sequence[Grant]:
        if isinstance(self.says, SourceError):
            raise self.says
        if isinstance(self.says, float):
            await asyncio.sleep(self.says)
            return []
        return self.says

    async def check(self) -> str:
        return "ok"


def grant(**changes: Any) -> Grant:
    known: dict[str, Any] = {
        "proposal": Proposal(ProposalRef("demo", "demo-001")),
        "role": Role.MEMBER,
        "source": "Fake",
        "evidence": "on the team",
        "seen_at": datetime.now(UTC),
    }
    return Grant(**(known | changes))


Fault = Callable[[Case], None]
FAULTS: list[tuple[str, Step, str, Helper, Fault]] = []


def fault(step: Step, code: str, who: Helper) -> Callable[[Fault], Fault]:
    def note(make: Fault) -> Fault:
        FAULTS.append((make.__name__, step, code, who, make))
        return make

    return note


# -- who ---------------------------------------------------------------------------------------------------------------


@fault(Step.IDENTITY, "no-identity", Helper.OPERATOR)
def nobody_is_known(case: Case) -> None:
    case.more = {"trouble": "Test login did not say who you are: no 'voperson_id' came with your login."}


@fault(Step.IDENTITY, "not-canonical", Helper.OPERATOR)
def the_monitoring_account(case: Case) -> None:
    case.person = person(subject="test@login.example")


@fault(Step.IDENTITY, "not-canonical", Helper.OPERATOR)
def a_scope_of_somebody_else(case: Case) -> None:
    case.person = person(subject="ada@evil.example")


@fault(Step.IDENTITY, "not-canonical", Helper.OPERATOR)
def not_in_its_one_form(case: Case) -> None:
    case.person = person(subject="Ada@Login.Example")


@fault(Step.LOGIN, "not-this-community", Helper.PERSON)
def another_community(case: Case) -> None:
    case.person = person(community="eduteams", issuer="https://proxy.eduteams.org")


@fault(Step.LOGIN, "not-this-community", Helper.PERSON)
def another_issuer(case: Case) -> None:
    case.person = person(issuer="https://login.example/")


@fault(Step.LOGIN, "login-ended", Helper.PERSON)
def the_login_was_ended(case: Case) -> None:
    case.more = {"logged_in": False}


@fault(Step.LOGIN, "session-too-old", Helper.PERSON)
def too_long_ago(case: Case) -> None:
    case.person = person(logged_in_at=datetime.now(UTC) - timedelta(hours=13))


@fault(Step.LOGIN, "not-in-group", Helper.OPERATOR)
def not_in_the_group(case: Case) -> None:
    case.words.login = 'required_entitlement = "urn:geant:login.example:group:scientists"'
    case.person = person(entitlements=("urn:geant:login.example:group:scientists-of-old",))


@fault(Step.LOGIN, "acr-too-weak", Helper.PERSON)
def one_factor_only(case: Case) -> None:
    case.words.login = 'acr = ["https://refeds.org/profile/mfa"]'
    case.more = {"acr": "https://refeds.org/profile/sfa"}


@fault(Step.LOGIN, "assurance-too-low", Helper.PERSON)
def hardly_vetted(case: Case) -> None:
    case.words.login = 'assurance = ["https://refeds.org/assurance/IAP/medium"]'
    case.more = {"claims": {"eduperson_assurance": ["https://refeds.org/assurance/IAP/low"]}}


# -- which proposal, which right -----------------------------------------------------------------------------------------


@fault(Step.PROPOSAL, "not-an-id", Helper.PERSON)
def misspelt(case: Case) -> None:
    case.proposal = "demo/ma-1234"


@fault(Step.PROPOSAL, "unknown-facility", Helper.PERSON)
def a_facility_that_is_not_served(case: Case) -> None:
    case.proposal = "esrf/ma1234"


@fault(Step.SOURCE, "source-down", Helper.OPERATOR)
def the_user_office_is_down(case: Case) -> None:
    case.sources = lambda site: [Source("Fake", SourceError("Fake", "its database is away"))]


@fault(Step.SOURCE, "source-down", Helper.OPERATOR)
def the_user_office_hangs(case: Case) -> None:
    case.words.access = 'max_grant_age = "10m"'
    case.sources = lambda site: [Source("Fake", 30.0)]


@fault(Step.SOURCE, "source-down", Helper.OPERATOR)
def the_file_is_broken(case: Case) -> None:
    case.spoil = lambda: (case.words.folder / "site/proposals.toml").write_text("[[proposal]\n") and None


@fault(Step.SOURCE, "source-stale", Helper.OPERATOR)
def the_user_office_went_down(case: Case) -> None:
    source = Source("Fake", [grant()])
    case.sources = lambda site: [source]

    async def before(book: GrantBook, who: Person) -> None:
        await book.report(who)
        source.says = SourceError("Fake", "its database is away")

    case.before = before


@fault(Step.SOURCE, "source-does-not-count", Helper.OPERATOR)
def a_source_that_does_not_count(case: Case) -> None:
    case.words.demo = 'sources = ["User office"]'
    case.words.proposals = case.words.proposals.replace('person = "ada@', 'person = "eve@', 1)
    case.sources = lambda site: [Source("User office", []), Source("Groups", [grant(source="Groups")])]


@fault(Step.SOURCE, "no-source", Helper.OPERATOR)
def nobody_is_asked(case: Case) -> None:
    case.sources = lambda site: [Source("Fake", [], frozenset({"ill"}))]


@fault(Step.SOURCE, "no-person-key", Helper.USER_OFFICE)
def not_linked_at_the_user_office(case: Case) -> None:
    case.words.files = {"keys.csv": "person,key\nbea@login.example,4711\n", "empty.sqlite": ""}
    case.words.sources = (
        '[[sources]]\ntype = "sql"\nname = "DUO"\nfacility = "demo"\n'
        'database = { url = "sqlite:///empty.sqlite" }\nperson = { by = "table", path = "keys.csv" }'
    )
    case.sources = lambda site: [Source("DUO", [])]


@fault(Step.GRANT, "not-granted", Helper.MAIN_PROPOSER)
def not_on_the_team(case: Case) -> None:
    case.proposal = "demo/demo-002"


@fault(Step.GRANT, "not-granted", Helper.MAIN_PROPOSER)
def a_proposal_that_nobody_knows(case: Case) -> None:
    case.proposal = "demo/demo-999"


@fault(Step.GRANT, "grant-ended", Helper.USER_OFFICE)
def the_right_has_ended(case: Case) -> None:
    case.words.team = "ends = 2021-01-01"


@fault(Step.GRANT, "not-yet", Helper.USER_OFFICE)
def under_embargo(case: Case) -> None:
    begins = datetime.now(UTC) + timedelta(days=90)
    case.sources = lambda site: [Source("Fake", [grant(role=Role.PUBLIC, not_before=begins)])]


@fault(Step.GRANT, "grant-too-old", Helper.OPERATOR)
def seen_too_long_ago(case: Case) -> None:
    seen = datetime.now(UTC) - timedelta(hours=1)
    case.sources = lambda site: [Source("Fake", [grant(seen_at=seen)])]


@fault(Step.GRANT, "no-area", Helper.USER_OFFICE)
def a_role_that_opens_nothing(case: Case) -> None:
    none = "".join(f'[areas.{area}.access]\nstaff = "none"\n' for area in ("raw", "processed", "scratch", "shared"))
    case.words.demo = none
    case.sources = lambda site: [Source("Fake", [grant(role=Role.STAFF)])]


# -- where the data lie --------------------------------------------------------------------------------------------------


@fault(Step.PATH, "path-not-rendered", Helper.OPERATOR)
def the_cycle_is_missing(case: Case) -> None:
    case.words.cycle, case.proposal = "", "ill/8-04-923"


@fault(Step.PATH, "missing-directory", Helper.USER_OFFICE)
def the_directory_is_not_there(case: Case) -> None:
    case.spoil = lambda: shutil.rmtree(case.words.raw)


@fault(Step.PATH, "not-a-directory", Helper.OPERATOR)
def a_file_in_its_place(case: Case) -> None:
    def spoil() -> None:
        shutil.rmtree(case.words.raw)
        case.words.raw.write_text("no directory")

    case.spoil = spoil


@fault(Step.PATH, "leads-away", Helper.OPERATOR)
def a_link_out_of_the_root(case: Case) -> None:
    def spoil() -> None:
        shutil.rmtree(case.words.raw)
        case.words.raw.symlink_to("/etc")

    case.spoil = spoil


@fault(Step.PATH, "leads-away", Helper.OPERATOR)
def a_link_to_another_proposal(case: Case) -> None:
    def spoil() -> None:
        shutil.rmtree(case.words.raw)
        case.words.raw.symlink_to(case.words.data / "demo/demo-002/raw")

    case.spoil = spoil


@fault(Step.PATH, "leads-away", Helper.OPERATOR)
def writing_by_a_link_what_is_raw(case: Case) -> None:
    def spoil() -> None:
        processed = case.words.raw.with_name("processed")
        shutil.rmtree(processed)
        processed.symlink_to(case.words.raw)

    case.spoil = spoil


# -- as whom -------------------------------------------------------------------------------------------------------------


@fault(Step.ACCOUNT, "no-account", Helper.USER_OFFICE)
def no_account(case: Case) -> None:
    case.words.account = 'kind = "table"\n[account.people]'


@fault(Step.ACCOUNT, "no-account", Helper.USER_OFFICE)
def the_machine_does_not_know_the_account(case: Case) -> None:
    case.words.account = 'kind = "nss"\nclaim = "uid"'
    case.person = person(claims={"uid": "nobody-knows-me"})


@fault(Step.ACCOUNT, "directory-down", Helper.OPERATOR)
def the_directory_of_accounts_is_down(case: Case) -> None:
    case.words.account = 'kind = "nss"\nperson = { by = "table", path = "accounts.csv" }'
    case.words.files = {"accounts.csv": "this is no table\n"}


@fault(Step.ACCOUNT, "system-account", Helper.OPERATOR)
def the_account_of_the_system(case: Case) -> None:
    case.words.account = case.words.account.replace("4001", "33")


@fault(Step.ACCOUNT, "accounts-differ", Helper.PERSON)
def accounts_that_differ(case: Case) -> None:
    table = '[account]\nkind = "table"\n[account.people."ada@login.example"]\nname = "lovelace"\nuid = 5001\ngid = 5000'
    case.words.ill = table
    case.more = {"together": ("ill/8-04-923",)}


@fault(Step.PERMISSION, "not-readable", Helper.OPERATOR)
def the_mode_is_closed(case: Case) -> None:
    case.spoil = lambda: case.words.raw.chmod(0o700)


@fault(Step.PERMISSION, "not-readable", Helper.OPERATOR)
def listing_is_not_allowed(case: Case) -> None:
    case.spoil = lambda: case.words.raw.chmod(0o711)


@fault(Step.PERMISSION, "not-readable", Helper.OPERATOR)
def of_a_group_they_are_not_in(case: Case) -> None:
    def spoil() -> None:
        os.chown(case.words.raw, 0, 4002)
        case.words.raw.chmod(0o750)

    case.words.account += "\ngids = [4003]"
    case.spoil = spoil


@fault(Step.PERMISSION, "not-readable", Helper.OPERATOR)
def an_acl_shuts_them_out(case: Case) -> None:
    case.spoil = lambda: set_acl(case.words.raw, "u:4001:---,g::rwx,m::rwx")


# -- what would be mounted -----------------------------------------------------------------------------------------------


@fault(Step.MOUNT, "no-environment", Helper.OPERATOR)
def there_is_no_environment(case: Case) -> None:
    case.more = {"strip_environments": True}


def set_acl(path: Path, text: str) -> None:
    """By the kernel's own format: setfacl is not everywhere."""
    import struct

    tags = {"u": 0x02, "g": 0x08, "m": 0x10}
    entries = [(0x01, 7, 0xFFFFFFFF)]
    for part in text.split(","):
        kind, who, letters = part.split(":")
        bits = sum({"r": 4, "w": 2, "x": 1}.get(letter, 0) for letter in letters)
        tag = {"g": 0x04, "u": 0x01}.get(kind, 0x10) if not who else tags[kind]
        entries.append((tag, bits, int(who) if who else 0xFFFFFFFF))
    entries.append((0x20, 7, 0xFFFFFFFF))
    entries.sort(key=lambda entry: (entry[0], entry[2]))
    os.setxattr(
        path, "system.posix_acl_access", struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)
    )


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(Words(tmp_path))


def test_nothing_is_broken(case: Case) -> None:
    found = case.explained()
    assert found.broken is None
    assert found.opens
    assert {link.state for link in found.links} == {State.OK} if os.geteuid() == 0 else True
    assert list(dict.fromkeys(link.step for link in found.links)) == list(Step)


@pytest.mark.parametrize(("name", "step", "code", "who", "make"), FAULTS, ids=[found[0] for found in FAULTS])
def test_the_broken_link_is_named(
    case: Case, name: str, step: Step, code: str, who: Helper, make: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    if step is Step.PERMISSION and os.geteuid() != 0:
        pytest.skip("only root can try a directory as somebody else")
    make(case)
    if case.more.pop("strip_environments", False):
        monkeypatch.setattr("panosc_spawner.launch.plan.offered_environments", lambda *_: {})
    try:
        found = case.explained()
    except OSError as error:
        if name == "an_acl_shuts_them_out" and error.errno == 95:
            pytest.skip("this file system has no ACLs")
        raise
    assert found.broken, as_text(found)
    assert (found.broken.step, found.broken.code) == (step, code), as_text(found)
    assert who in found.broken.who
    assert found.broken.remedy
    assert not found.opens
    before = [link for link in found.links if list(Step).index(link.step) < list(Step).index(step)]
    assert State.BROKEN not in {link.state for link in before}
    assert code in as_text(found)
    mount = next(link for link in found.links if link.step is Step.MOUNT)
    assert mount.state is not State.OK


def test_enough_faults_are_seeded() -> None:
    assert len(FAULTS) >= 30
    assert {step for _, step, *_ in FAULTS} == set(Step)


# -- beyond single faults --------------------------------------------------------------------------------------------------


def test_a_proposal_of_others_and_one_that_does_not_exist_look_the_same(case: Case) -> None:
    case.proposal = "demo/demo-002"
    theirs = case.explained()
    case.proposal = "demo/demo-999"
    nobodys = case.explained()
    now = datetime.now(UTC)
    one, other = ([link.to_json() for link in replace(found, asked_at=now).links] for found in (theirs, nobodys))
    assert str(one).replace("demo-002", "demo-999") == str(other)


def test_what_the_person_reads_names_no_place_of_others(case: Case) -> None:
    a_link_to_another_proposal(case)
    found = case.explained()
    shown = str([link.to_json(for_operator=False) for link in found.links])
    assert "demo-002" not in shown
    assert str(case.words.data) not in shown
    assert "demo-002" in as_text(found)  # the operator sees where it leads


def test_a_source_that_is_down_breaks_nothing_where_another_has_said_yes(case: Case) -> None:
    case.sources = lambda site: [
        Source("Down", SourceError("Down", "away")),
        Source("Fake", [grant()]),
    ]
    found = case.explained()
    assert found.opens, as_text(found)
    assert [link.state for link in found.links if link.step is Step.SOURCE] == [State.UNKNOWN, State.OK]


def test_while_a_source_is_down_nobody_is_told_that_they_are_not_on_it(case: Case) -> None:
    case.sources = lambda site: [Source("Fake", SourceError("Fake", "away")), Source("Other", [])]
    found = case.explained()
    right = next(link for link in found.links if link.step is Step.GRANT)
    assert right.state is State.UNKNOWN
    assert "You are not on" not in as_text(found)


def test_two_faults_are_both_shown_and_the_first_is_named(case: Case) -> None:
    the_login_was_ended(case)
    no_account(case)
    found = case.explained()
    broken = [link.step for link in found.links if link.state is State.BROKEN]
    assert broken == [Step.LOGIN, Step.ACCOUNT]
    assert found.broken
    assert found.broken.step is Step.LOGIN


def test_written_otherwise_is_fine_and_said(case: Case) -> None:
    case.proposal = " demo/DEMO-1 "
    found = case.explained()
    assert found.opens
    assert "'demo/DEMO-1'" in as_text(found)


def test_optional_data_that_are_missing_do_not_break_it(case: Case) -> None:
    case.words.demo = "[areas.scratch]\nrequired = false"
    case.spoil = lambda: shutil.rmtree(case.words.raw.with_name("scratch"))
    found = case.explained()
    assert found.opens, as_text(found)
    assert "a server is started without them" in as_text(found, width=200)


def test_running_servers(case: Case) -> None:
    case.more = {"running": (Running("p-demo-001", (DEMO,)), Running("p-other", ("demo/demo-003",)))}
    assert "It is in the running server p-demo-001." in as_text(case.explained(), width=200)
    case.more = {"running": (Running("p-other", ("demo/demo-003",)),)}
    assert "It is in no running server (there is p-other)." in as_text(case.explained(), width=200)


def test_linked_identities_are_named(case: Case) -> None:
    case.person = person(linked=(Identity(ISSUER, SUBJECT), Identity("https://other.example", "a1@other.example")))
    assert "Linked to it: a1@other.example (https://other.example)." in as_text(case.explained(), width=200)


def test_without_a_login_what_goes_by_it_is_not_known(case: Case) -> None:
    case.words.sources = (
        '[[sources]]\ntype = "entitlements"\nfacility = "demo"\nissuer = "https://login.example"\n'
        'namespace = "urn:geant:login.example"\ngroup = ["proposals"]'
    )
    case.proposal, case.more = "demo/demo-002", {"from_login": False}
    found = case.explained()
    assert found.broken is None, as_text(found)
    assert [link.state for link in found.links if link.step is Step.SOURCE] == [State.OK, State.UNKNOWN]
    assert not found.opens


def test_without_a_login_the_rest_is_tried(case: Case) -> None:
    case.more = {"from_login": False}
    found = case.explained()
    assert found.opens
    assert [link.state for link in found.links if link.step is Step.LOGIN] == [State.UNKNOWN]
    case.words.account = 'kind = "claim"'
    found = case.explained()
    assert not found.opens
    assert found.broken is None
    assert "no login is at hand" in as_text(found, width=200)


@AS_ROOT
def test_many_groups_are_told_where_nfs_forgets_them(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.words.account += f"\ngids = {list(range(5000, 5020))}"
    assert "NFS passes on 16 of them" in as_text(case.explained(), width=300)
    monkeypatch.setattr("panosc_spawner.explain.data.is_nfs", lambda real: True)
    assert "On NFS only 16 of the 20 groups count" in as_text(case.explained(), width=300)


@AS_ROOT
def test_an_area_that_cannot_be_written_is_told(case: Case) -> None:
    case.spoil = lambda: case.words.raw.with_name("processed").chmod(0o755)
    found = case.explained()
    assert found.opens
    processed = next(link for link in found.links if link.step is Step.PERMISSION and link.subject == "processed")
    assert processed.notes == ("By the hub they could be written, too; the file system refuses it.",)


def test_hostile_questions_are_answered(case: Case) -> None:
    for text in ("", "/", "demo/", "demo/../../etc", "demo/\x1b[2J", "demo/" + "9" * 10_000, "\u202edemo/demo-001"):
        case.proposal = text
        found = case.explained()
        assert found.broken
        assert found.broken.step is Step.PROPOSAL
        assert "\x1b" not in as_text(found)
        assert len(as_text(found)) < 4000
