"""An account that the machine has no more: deleted, or its directory is down; the C library says the same of both."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from panosc_spawner.errors import PersonalSourceError
from panosc_spawner.facilities.account_rules import NssAccount
from panosc_spawner.facilities.load import load_facility
from panosc_spawner.facilities.login_rules import Login
from panosc_spawner.facilities.site import Hub, Site, SiteFile
from panosc_spawner.facilities.table_source_rules import GroupsSource
from panosc_spawner.identity.person import Account, NoAccount, Person
from panosc_spawner.proposals import groups_source
from panosc_spawner.proposals.groups_source import GroupProposals

NOT_HERE = NoAccount("this system has no account 'ada'")


@pytest.fixture
def machine(monkeypatch):
    said = [NOT_HERE]

    async def resolve(*_):
        return said[0]

    async def groups(*command):
        return 0, "ess_proposal_616254:x:30001:ada\n"

    monkeypatch.setattr(groups_source, "resolve_account", resolve)
    monkeypatch.setattr(groups_source, "run_command", groups)
    return said


async def test_an_account_that_was_there_and_is_not_is_no_answer(machine, tmp_path: Path):
    rule = GroupsSource.model_validate(
        {"type": "groups", "name": "Groups", "facility": "ess", "groups": [{"group": "ess_proposal_{proposal}"}]}
    )
    config = SiteFile(
        hub=Hub(id="t", facilities=("ess",)),
        login=Login(community="demo", client_id="hub"),
        account=NssAccount(kind="nss", claim="account"),
        sources=(rule,),
    )
    source = GroupProposals(rule, Site(tmp_path, config, {"ess": load_facility("ess")}))
    ada = Person("https://idp.example", "ada", "p-x", "Ada", "demo", datetime.now(UTC))
    assert await source.grants(ada) == [], "who never had one has no proposals by it"
    machine[0] = Account("ada", 20001, 30001)
    (grant,) = await source.grants(ada)
    assert grant.ref.id == "616254"
    machine[0] = NOT_HERE
    with pytest.raises(PersonalSourceError, match="though it had"):
        await source.grants(ada)
    machine[0] = NoAccount("your identity is not in its list")
    assert await source.grants(ada) == [], "that is somebody's decision"
