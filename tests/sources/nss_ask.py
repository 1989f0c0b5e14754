"""Asks the groups source inside a sandbox with accounts and groups of its own; prints what it says as JSON.

Run by ``test_groups_source.py`` as ``python nss_ask.py <JSON with: folder, subjects, keys, account, seconds>``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter

from panosc_spawner.errors import SourceError
from panosc_spawner.facilities.account_rules import AccountRule
from panosc_spawner.facilities.load import load_facility
from panosc_spawner.facilities.login_rules import Login
from panosc_spawner.facilities.site import Hub, Site, SiteFile
from panosc_spawner.facilities.source_rules import FileSource
from panosc_spawner.facilities.table_source_rules import GroupsSource
from panosc_spawner.identity.person import Person
from panosc_spawner.proposals.file_source import FileProposals
from panosc_spawner.proposals.groups_source import GroupProposals


async def main(asked: dict) -> dict:
    office = FileSource(type="file", name="office", path="office.csv")
    config = SiteFile(
        hub=Hub(id="t", facilities=("ess",)),
        login=Login(community="demo", client_id="hub"),
        account=TypeAdapter(AccountRule).validate_python(asked["account"]),
        sources=(office,),
    )
    site = Site(Path(asked["folder"]), config, {"ess": load_facility("ess")})
    rule = GroupsSource.model_validate({"type": "groups", "name": "Groups", "facility": "ess"} | asked["keys"])
    source = GroupProposals(rule, site, lambda: FileProposals(office, site))
    answers = {}
    for subject in asked["subjects"]:
        person = Person(
            "https://idp.example", subject, "p-x", "X", "demo", datetime.now(UTC), claims={"account": subject}
        )
        try:
            grants = await source.grants(person)
        except SourceError as error:
            answers[subject] = error.reason
            continue
        answers[subject] = sorted(
            [grant.ref.id, str(grant.role), grant.evidence, list(grant.proposal.instruments)] for grant in grants
        )
    try:
        answers["check"] = await source.check()
    except SourceError as error:
        answers["check"] = error.reason
    return answers


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
