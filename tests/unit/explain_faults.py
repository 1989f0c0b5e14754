"""Faults of a site, a login, a source or a disk, one at a time: what breaks, and which link of the chain must be named."""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from explain_support import Words, person

from panosc_spawner.errors import SourceError
from panosc_spawner.explain import Explanation, Helper, Question, Step, explain
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.person import Person
from panosc_spawner.proposals.book import GrantBook
from panosc_spawner.proposals.model import Grant, Proposal

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
        return self.explained_again(site)

    def explained_again(self, site: Site) -> Explanation:
        """The chain, of a site that is there already, as it is now."""
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
