"""`panosc-hub check` on databases, directories and the names under which they know people."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from check_support import Site, assert_finding, provider, site  # noqa: F401

from panosc_spawner.identity import ldap_directory, sql_database

TABLES = """
CREATE TABLE users (id text); CREATE TABLE instrument (id integer, name text);
CREATE TABLE proposal (id integer, identifier text, title text, public_at text);
CREATE TABLE experiment (id text, instrument_id integer, proposal_id integer, start_date text, end_date text);
CREATE TABLE experiment_user (experiment_id text, user_id text);
CREATE TABLE instrument_scientist (instrument_id integer, user_id text);
CREATE TABLE link (subject text, office text);
INSERT INTO proposal (id, identifier) VALUES (1, 'demo-001'), (2, 'demo-002');
INSERT INTO experiment_user VALUES ('E1', 'ada');
"""
SQL = 'type = "sql"\nname = "office"\nfacility = "demo"\ndatabase = { url = "sqlite:///office.sqlite" }'
KEY = '{{ by = "sql", database = {{ url = "sqlite:///office.sqlite" }}, query = "SELECT office FROM {0}" }}'
LDAP = "{{ urls = [{0}], bind_dn = 'cn=hub', password_file = 'ldap-password', timeout = '1s' }}"
GROUPS = "type = 'ldap'\nname = 'groups'\nfacility = 'demo'\nserver = {0}\ngroups_base = 'ou=g'\ngroups = [{{ group = '{{proposal}}' }}]"


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    for one in (*sql_database._open.values(), *ldap_directory._open.values()):
        one.close()
    sql_database._open.clear()
    ldap_directory._open.clear()


@pytest.fixture
def office(site: Site) -> Site:  # noqa: F811
    with sqlite3.connect(site.folder / "office.sqlite") as connection:
        connection.executescript(TABLES)
    connection.close()
    site.set("[sources]", SQL)
    return site


def test_a_database_that_answers(office: Site) -> None:
    assert_finding(office.check()["source office"], "ok", "2 proposals, 1 people on their teams")


def test_a_table_that_is_not_there_is_named(office: Site) -> None:
    office.add("[sources]", "tables = { experiment = 'beamtime' }")
    assert_finding(office.check()["source office"], "error", "beamtime")


def test_a_database_that_is_not_there(office: Site) -> None:
    (office.folder / "office.sqlite").unlink()
    assert_finding(office.check()["source office"], "error", "cannot be opened")


def test_a_password_that_cannot_be_read_is_told_once(office: Site) -> None:
    office.set(
        "[sources]",
        SQL.replace("sqlite:///office.sqlite", "postgresql://hub@127.0.0.1/x").replace(
            " }", ', password_file = "pw" }'
        ),
    )
    found = office.check()
    assert_finding(found["databases and directories"], "error", "database password cannot be read", "does not start")
    assert "people of office" not in found


def test_a_statement_that_may_take_longer_than_the_hub_waits(office: Site) -> None:
    office.set("[sources]", SQL.replace(" }", ', statement_timeout = "9s" }'))
    assert_finding(office.check()["source office"], "warning", "given up by the hub", "statement_timeout")


def test_open_data_that_nobody_can_open(office: Site) -> None:
    office.add("[sources]", "open_data = true")
    closed = '\n[areas.raw.access]\npi = "ro"\n[areas.processed.access]\npi = "rw"\n[areas.scratch.access]\npi = "rw"\n'
    with (office.folder / "facilities/demo.toml").open("a") as file:
        file.write(closed)
    assert_finding(office.check()["source office"], "warning", "gives the role 'public' anything", "public")


class TestKeys:
    def test_links_in_a_database(self, office: Site) -> None:
        office.add("[sources]", "person = " + KEY.format("link WHERE subject = :subject"))
        assert_finding(office.check()["people of office"], "ok", "the database of links answers")

    def test_links_that_cannot_be_read(self, office: Site) -> None:
        office.add("[sources]", "person = " + KEY.format("links WHERE subject = :subject"))
        assert_finding(office.check()["people of office"], "error", "no table", "nobody is known")

    def test_a_query_that_knows_everybody(self, office: Site) -> None:
        """With 'OR' in the wrong place, everybody would be Ada."""
        query = "experiment_user WHERE user_id = :subject OR 1 = 1".replace("office", "user_id")
        office.add("[sources]", "person = " + KEY.format(query).replace("SELECT office", "SELECT user_id"))
        assert_finding(office.check()["people of office"], "error", "somebody who does not exist is known there")

    def test_preferred_username(self, office: Site) -> None:
        office.add("[sources]", 'person = { by = "claim", claim = "preferred_username" }')
        assert_finding(office.check()["people of office"], "warning", "people choose it")

    def test_a_table_of_links_that_is_not_there(self, office: Site) -> None:
        office.add("[sources]", 'person = { by = "table", path = "links.csv" }')
        found = office.check()
        [mistake] = [finding for subject, finding in found.items() if "sources[1].person.path" in subject]
        assert_finding(mistake, "error", "links.csv is not a file", "person and key")


class TestDirectories:
    @pytest.fixture(autouse=True)
    def _password(self, office: Site) -> None:
        (office.folder / "ldap-password").write_text("x")
        (office.folder / "ldap-password").chmod(0o600)

    def test_a_directory_that_is_down(self, office: Site) -> None:
        server = LDAP.format("'ldap://127.0.0.1:1'")
        office.set("[sources]", GROUPS.format(server))
        assert_finding(office.check()["source groups"], "error", "cannot be reached (ldap://127.0.0.1:1")
        office.set("account", f"kind = 'ldap'\nbase = 'ou=p'\nfilter = '(uid={{key}})'\nserver = {server}")
        assert_finding(office.check()["demo accounts"], "error", "cannot be reached", "nobody can start a server")

    def test_servers_that_do_not_all_get_their_turn(self, office: Site) -> None:
        many = ", ".join(f"'ldap://127.0.0.1:{port}'" for port in range(1, 7))
        office.set("[sources]", GROUPS.format(LDAP.format(many)))
        assert_finding(office.check()["source groups"], "error", "cannot be reached")

    def test_instruments_of_a_source_that_nobody_has(self, office: Site) -> None:
        office.set("[sources]", GROUPS.format(LDAP.format("'ldap://127.0.0.1:1'")) + "\ninstruments_from = 'ofice'")
        [mistake] = [finding for subject, finding in office.check().items() if "instruments_from" in subject]
        assert_finding(mistake, "error", "no file or sql source is called 'ofice'")

    def test_groups_of_one_account_for_everybody(self, office: Site) -> None:
        office.set("[sources]", "type = 'groups'\nfacility = 'demo'\ngroups = [{ group = '{proposal}' }]")
        [mistake] = [finding for subject, finding in office.check().items() if "sources[1].type" in subject]
        assert_finding(mistake, "error", "everybody would have the rights of its groups")
