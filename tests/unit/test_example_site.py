"""The example site that operators copy loads, and names every table and key there is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from panosc_spawner.facilities.access_rules import AccessPolicy
from panosc_spawner.facilities.account_rules import AccountRule, LdapAccount
from panosc_spawner.facilities.audit_rules import AuditRules
from panosc_spawner.facilities.database_rules import Database
from panosc_spawner.facilities.directory_rules import LdapPeople, LdapServer
from panosc_spawner.facilities.load import load_site
from panosc_spawner.facilities.login_rules import Login
from panosc_spawner.facilities.model import Environment, Model
from panosc_spawner.facilities.portal_downloads_rules import DownloadRules
from panosc_spawner.facilities.portal_search_rules import SearchRules
from panosc_spawner.facilities.portal_software_rules import SoftwareRules
from panosc_spawner.facilities.portal_staging_rules import JobRules
from panosc_spawner.facilities.site import Docker, Home, Hub, Limits, LocalMode
from panosc_spawner.facilities.source_rules import FileSource, SourceRule
from panosc_spawner.facilities.table_source_rules import GroupsSource, LdapSource, SqlSource

SITE = Path(__file__).parents[2] / "deploy/docker/site"


def test_it_is_right() -> None:
    site = load_site(SITE)
    assert sorted(site.facilities) == ["esrf", "ill"]
    assert "reduction" in site.facilities["esrf"].environments


@pytest.mark.parametrize("table", [Hub, Login, Home, AccessPolicy, AuditRules, Limits, Docker, LocalMode])
def test_it_names_every_key(table: type[Model]) -> None:
    text = (SITE / "site.toml").read_text()
    assert [key for key in table.model_fields if f"{key} = " not in text and key != "demo"] == []


@pytest.mark.parametrize(
    ("name", "table"),
    [("search", SearchRules), ("software", SoftwareRules), ("downloads", DownloadRules), ("jobs", JobRules)],
)
def test_it_names_every_key_of_the_portals_tables_with_its_default(name: str, table: type[Model]) -> None:
    text = (SITE / "site.toml").read_text()
    written = text[text.index(f"# [portal.{name}]") :].partition("\n\n")[0]
    said = tomllib.loads("\n".join(re.findall(r"^# (\[.*|\w+ = .*)", written, re.MULTILINE)))["portal"][name]
    assert set(said) == set(table.model_fields)
    assert table.model_validate({key: value for key, value in said.items() if key != "licences"}) == table()


def test_it_names_every_key_of_an_environment() -> None:
    text = (SITE / "facilities/esrf.toml").read_text()
    assert [key for key in Environment.model_fields if f"\n{key} = " not in text] == []


def test_a_name_alone_offers_an_image_of_ours() -> None:
    offered = load_site(SITE).facilities["esrf"].environments
    assert (offered["eli"].image, offered["eli"].instruments) == ("panosc/eli:2026.11", ())


def _commented(start: str) -> list[str]:
    """The tables in comments that begin with ``# <start>``, without their comment signs."""
    found: list[list[str]] = []
    inside = False
    for line in (SITE / "site.toml").read_text().splitlines():
        if line.startswith(f"# {start}"):
            found.append([])
            inside = True
        elif not line.startswith("# ") or re.match(r"# [A-Z]", line) or re.match(r"# \[\[?\w+\]", line):
            inside = False
        if inside:
            found[-1].append(line[2:])
    return ["\n".join(lines) for lines in found]


def test_every_source_in_a_comment_is_right() -> None:
    """What operators uncomment loads; and there is an example of each kind."""
    adapter: TypeAdapter[Any] = TypeAdapter(SourceRule)
    rules = [adapter.validate_python(tomllib.loads(text)["sources"][0]) for text in _commented("[[sources]]")]
    kinds = {get_args(rule.model_fields["type"].annotation)[0] for rule in get_args(get_args(SourceRule)[0])}
    assert {rule.type for rule in rules} | {"file"} == kinds


def test_every_account_in_a_comment_is_right() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(AccountRule)
    rules = [adapter.validate_python(tomllib.loads(text)["account"]) for text in _commented("[account]")]
    assert {rule.kind for rule in rules} == {"claim", "nss", "ldap", "table", "shared"}


@pytest.mark.parametrize(
    "table", [SqlSource, LdapSource, GroupsSource, FileSource, Database, LdapServer, LdapPeople, LdapAccount]
)
def test_it_names_every_key_of_a_source(table: type[Model]) -> None:
    text = (SITE / "site.toml").read_text()
    assert [key for key in table.model_fields if f"{key} = " not in text] == []
