"""The database source against a real SQLite file and a real PostgreSQL: whose rows, which windows, and every way to fail."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from sql_support import PASSWORD, ROWS, VISA, Base, PostgresBase, PostgresServer, SqliteBase, person, rule, site

from panosc_spawner.errors import ConfigurationError, SourceError
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.person_keys import SqlKey
from panosc_spawner.identity import sql_database
from panosc_spawner.identity.person import Identity
from panosc_spawner.identity.person_keys import NoKey, person_key, person_keys
from panosc_spawner.proposals.book import GrantBook

SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000) "


def rights(grants):
    return sorted(
        (str(grant.ref), grant.role, [visit.instrument for visit in grant.proposal.visits]) for grant in grants
    )


class TestVisaTables:
    async def test_a_member_sees_the_experiments_they_are_on(self, base: Base) -> None:
        [grant] = await base.source().grants(person())
        assert rights([grant]) == [("ill/8-04-923", Role.MEMBER, ["D11", "IN5"])]
        assert (grant.source, grant.evidence) == ("User office", "listed on the experiment's team")
        assert grant.proposal.title == "Micelles"
        assert [f"{visit.start}…{visit.end}" for visit in grant.proposal.visits] == [
            "2026-03-04…2026-03-06",
            "2026-05-01…2026-05-02",
        ]
        assert datetime.now(UTC) - grant.seen_at < timedelta(seconds=5)

    async def test_only_the_visits_they_are_on(self, base: Base) -> None:
        assert rights(await base.source().grants(person("ben@x"))) == [("ill/8-04-923", Role.MEMBER, ["IN5"])]

    @pytest.mark.parametrize(
        "who", ["none@x", "nobody@x", "ADA@x", "a", "%", "ada@x' OR '1'='1", "ada@x'--", '" OR ""="', "ada@x\\"]
    )
    async def test_others_see_nothing(self, base: Base, who: str) -> None:
        assert await base.source().grants(person(who)) == []

    async def test_an_instrument_scientist_sees_the_instrument_and_no_other(self, base: Base) -> None:
        grants = await base.source().grants(person("sci@x"))
        assert rights(grants) == [
            ("ill/8-04-923", Role.INSTRUMENT_SCIENTIST, ["IN5"]),
            ("ill/9-10-1500", Role.INSTRUMENT_SCIENTIST, ["IN5"]),
        ]
        assert grants[0].evidence == "instrument scientist of IN5"
        assert await base.source(staff_role="none").grants(person("sci@x")) == []

    async def test_a_change_is_seen_at_once(self, base: Base) -> None:
        source = base.source()
        assert len(await source.grants(person())) == 1
        base.execute("DELETE FROM experiment_user WHERE user_id = 'ada@x'")
        assert await source.grants(person()) == []

    async def test_identities_of_other_issuers_are_nobody_here(self, base: Base) -> None:
        """With two logins, the user ids of the first are not found by the second's, though they are spelt alike."""
        source = base.source(logins=2)
        stranger = person(linked=())
        object.__setattr__(stranger, "issuer", "https://other1.example")
        assert list(await source.grants(stranger)) == []
        linked = person("someone@else", linked=(Identity("https://idp.example", "ada@x"),))
        object.__setattr__(linked, "issuer", "https://other1.example")
        assert len(await source.grants(linked)) == 1

    async def test_roles_names_and_schema_of_its_own(self, base: Base) -> None:
        base.execute("ALTER TABLE experiment RENAME TO beamtime")
        base.execute("ALTER TABLE beamtime RENAME COLUMN start_date TO begin_at")
        base.execute("ALTER TABLE experiment_user ADD COLUMN function varchar(40)")
        base.execute("UPDATE experiment_user SET function = 'Main Proposer' WHERE experiment_id = 'E1'")
        base.execute("UPDATE experiment_user SET function = 'Guest' WHERE experiment_id = 'E2'")
        keys = {
            "tables": {"experiment": "beamtime"},
            "columns": {"experiment.start_date": "begin_at", "experiment_user.role": "function", "proposal.title": ""},
            "roles": {"main proposer": "pi"},
        }
        [grant] = await base.source(**keys).grants(person())
        assert rights([grant]) == [("ill/8-04-923", Role.PI, ["D11"])]  # a guest's word is not known: no right
        assert (grant.proposal.title, f"{grant.proposal.start}") == ("", "2026-03-04")
        assert await base.source(**keys).grants(person("ben@x")) == []

    async def test_people_known_by_another_column(self, base: Base) -> None:
        base.execute("ALTER TABLE users ADD COLUMN aai varchar(250)")
        base.execute("UPDATE users SET aai = 'f00d@eduteams.org' WHERE id = 'ada@x'")
        source = base.source(columns={"users.key": "aai"})
        assert len(await source.grants(person("f00d@eduteams.org"))) == 1
        assert await source.grants(person("ada@x")) == []

    async def test_numbers_as_user_ids_match_as_written_only(self, base: Base) -> None:
        base.execute("CREATE TABLE member (experiment_id varchar(32), user_id bigint)")
        base.execute("INSERT INTO member VALUES ('E1', 7)")
        source = base.source(
            tables={"experiment_user": "member", "instrument_scientist": "member2"},
            user_ids="number",
            staff_role="none",
        )
        assert len(await source.grants(person("7"))) == 1
        for spelt in ("07", "7.0", "+7", " 7", "7e0", "٧", "0x7", "7@x"):
            assert await source.grants(person(spelt)) == []

    async def test_windows_by_the_visits(self, base: Base) -> None:
        [grant] = await base.source(before_start="28d", after_end="365d", time_zone="Europe/Paris").grants(person())
        assert grant.not_before == datetime(2026, 2, 3, 23, tzinfo=UTC)
        assert grant.ends_at == datetime(2027, 5, 2, 22, tzinfo=UTC)


class TestInstruments:
    """What a database knows for groups that name only an instrument."""

    async def test_proposals_with_those_visits_only(self, base: Base) -> None:
        found = await base.source().at_instruments("ill", {"in5"})
        assert sorted((proposal.ref.id, proposal.instruments) for proposal in found) == [
            ("8-04-923", ("IN5",)),
            ("9-10-1500", ("IN5",)),
        ]
        assert await base.source().at_instruments("esrf", {"in5"}) == []
        assert await base.source().at_instruments("ill", set()) == []
        assert await base.source().at_instruments("ill", {"in5' OR '1'='1", "%", "IN"}) == []

    async def test_a_query_about_one_person_does_not_know(self, base: Base) -> None:
        with pytest.raises(SourceError, match="cannot say what an instrument had"):
            await base.source(query=TestOwnQuery.QUERY).at_instruments("ill", {"in5"})


class TestOpenData:
    async def test_what_is_public_is_everybodys(self, base: Base) -> None:
        source = base.source(open_data=True)
        [grant] = await source.grants(person("nobody@x"))
        assert rights([grant]) == [("ill/9-10-1500", Role.PUBLIC, ["IN5"])]
        assert (grant.evidence, grant.not_before) == ("open to everybody", datetime(2020, 1, 1, tzinfo=UTC))
        assert await base.source().grants(person("nobody@x")) == []  # not by default

    async def test_an_embargo_set_again_takes_it_away(self, base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
        source = base.source(open_data=True)
        assert len(await source.grants(person("nobody@x"))) == 1
        base.execute("UPDATE proposal SET public_at = '2098-01-01 00:00:00' WHERE id = 11")
        assert len(await source.grants(person("nobody@x"))) == 1  # one look-up for everybody, a few seconds old
        monkeypatch.setattr("panosc_spawner.proposals.sql_source.OPEN_SECONDS", 0)
        assert await source.grants(person("nobody@x")) == []
        base.execute("UPDATE proposal SET public_at = NULL")
        assert await source.grants(person("nobody@x")) == []

    async def test_the_teams_own_rights_may_end_then(self, base: Base) -> None:
        base.execute("UPDATE proposal SET public_at = '2026-01-02 03:04:05' WHERE id = 10")
        [grant] = await base.source(team_until_open=True).grants(person())
        assert grant.ends_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    async def test_only_the_latest(self, base: Base) -> None:
        for number in range(20):
            base.execute(
                f"INSERT INTO proposal (id, identifier, public_at) VALUES ({100 + number}, '1-01-{number}', '2021-01-{number + 1:02} 00:00:00')"
            )
            base.execute(f"INSERT INTO experiment VALUES ('X{number}', 1, {100 + number}, NULL, NULL)")
        found = await base.source(open_data=True, open_limit=3).grants(person("nobody@x"))
        assert sorted(str(grant.ref) for grant in found) == ["ill/1-01-17", "ill/1-01-18", "ill/1-01-19"]


class TestOwnQuery:
    QUERY = (
        "SELECT p.identifier AS proposal, 'pi' AS role, p.title AS title, '2026-01-01' AS not_before, '2026-12-31' AS ends "
        "FROM experiment_user m JOIN experiment e ON e.id = m.experiment_id JOIN proposal p ON p.id = e.proposal_id "
        "WHERE m.user_id = :person"
    )

    async def test_it_gives_rights(self, base: Base) -> None:
        [grant] = await base.source(query=self.QUERY).grants(person())
        assert (str(grant.ref), grant.role) == ("ill/8-04-923", Role.PI)
        assert (grant.not_before, grant.ends_at) == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))

    @pytest.mark.parametrize(
        "who", ["x' OR '1'='1", "x'; DROP TABLE experiment_user; --", "ada@x\0", ":person", "%s", "{}"]
    )
    async def test_no_key_becomes_a_part_of_it(self, base: Base, who: str) -> None:
        source = base.source(query=self.QUERY)
        try:
            assert await source.grants(person(who)) == []
        except SourceError as error:  # PostgreSQL takes no NUL; that is no answer, and no right
            assert "\0" in who, error
        assert len(await source.grants(person())) == 1

    @pytest.mark.parametrize(
        ("query", "words"),
        [
            ("SELECT 1 AS proposal, 2 AS colour WHERE :person = ''", "a column 'colour'"),
            ("SELECT 'x' AS title WHERE :person <> ''", "must give a column 'proposal'"),
            ("SELECT '8-04-923' AS proposal, 'soon' AS ends WHERE :person <> ''", "ends 'soon' is not a date"),
            ("SELECT '8-04-923' AS proposal, 5 AS not_before WHERE :person <> ''", "not_before is not a date"),
            ("SELECT NULL AS proposal WHERE :person <> ''", "a row has no proposal"),
        ],
    )
    async def test_what_is_not_understood_is_no_answer(self, base: Base, query: str, words: str) -> None:
        with pytest.raises(SourceError, match=words):
            await base.source(query=query.replace(":person", "CAST(:person AS varchar)")).grants(person())

    async def test_one_persons_entry_keeps_nobody_else_from_being_asked(self, base: Base) -> None:
        ends = "CASE WHEN CAST(:person AS varchar) = 'ada@x' THEN 'soon' END AS ends"
        book = GrantBook(site(base.folder), sources=[base.source(query=f"SELECT '8-04-923' AS proposal, {ends}")])
        for _ in range(4):
            [outcome] = (await book.report(person())).outcomes
            assert "its entry about you is not understood: ends 'soon'" in outcome.error
        assert not book.resting
        assert rights((await book.report(person("ben@x"))).grants) == [("ill/8-04-923", Role.MEMBER, [])]

    async def test_columns_that_are_wrong_are_wrong_for_all(self, base: Base) -> None:
        query = "SELECT 'x' AS title WHERE CAST(:person AS varchar) <> ''"
        book = GrantBook(site(base.folder), sources=[base.source(query=query)])
        for _ in range(3):
            [outcome] = (await book.report(person())).outcomes
            assert "its answer is not understood: the query must give a column 'proposal'" in outcome.error
        assert book.resting == {"User office"}

    async def test_it_cannot_write(self, base: Base) -> None:
        """A WITH that deletes passes the look at its first word; the transaction refuses it."""
        query = "WITH gone AS (DELETE FROM experiment_user WHERE user_id = :person RETURNING 1) SELECT '8-04-923' AS proposal"
        with pytest.raises(SourceError, match=r"not allowed|cannot be read"):
            await base.source(query=query).grants(person())
        assert len(await base.source().grants(person())) == 1

    @pytest.mark.parametrize(
        ("keys", "words"),
        [
            ({"query": "DELETE FROM users WHERE id = :person"}, "must be one SELECT"),
            ({"query": "SELECT 1; DROP TABLE users"}, "must be one SELECT"),
            ({"query": "SELECT proposal FROM t WHERE id = 'ada'"}, "parameter :person"),
            ({"query": "SELECT proposal FROM t WHERE id = ':person'", "tables": {}}, None),
            ({"query": "SELECT :person, :other"}, "and no other"),
            ({"query": "SELECT :person", "namespace": "visa"}, "write one or the other"),
            ({"query": "SELECT :person", "open_data": True}, "needs tables"),
            ({"tables": {"experiments": "x"}}, "no table 'experiments'"),
            ({"tables": {"users": 'u"; DROP TABLE x; --'}}, "is not a name"),
            ({"columns": {"proposal.number": "x"}}, "no column 'proposal.number'"),
            ({"columns": {"proposal.identifier": ""}}, "is not a name"),
            ({"namespace": "a.b"}, "is not a name"),
            ({"time_zone": "Mars/Base"}, "is not a time zone"),
        ],
    )
    def test_mistakes_are_found_when_it_is_read(self, keys: dict[str, object], words: str | None) -> None:
        if words is None:  # SQLAlchemy takes a quoted :person for a parameter, too: it is bound all the same
            assert rule("sqlite:///x", **keys)
            return
        with pytest.raises(ValidationError, match=words):
            rule("sqlite:///x", **keys)


class TestAddress:
    @pytest.mark.parametrize(
        ("url", "words"),
        [
            (f"postgresql://hub:{PASSWORD.replace(' ', '')}@db.example/visa", "must not hold a password"),
            ("postgresql://hub@db.example/visa?password=x", "must not hold a password"),
            ("postgresql://hub@db.example/visa?sslmode=prefer", "sslmode must be verify-full"),
            ("postgresql://hub@/visa?host=127.0.0.1,db.example&sslmode=disable", "sslmode must be verify-full"),
            ("mysql://hub@db.example/visa", "must begin with"),
            ("postgresql+psycopg2://hub@db.example/visa", "must begin with"),
            ("sqlite://", "must name the database"),
            ("sqlite:///:memory:", "must name the database"),
            ("sqlite:///x?mode=rwc", "must name the database"),
            ("nonsense", "is not a database's address"),
        ],
    )
    def test_refused(self, url: str, words: str) -> None:
        with pytest.raises(ValidationError, match=words) as caught:
            rule(url)
        assert PASSWORD.replace(" ", "") not in str(caught.value.errors(include_input=False))

    @pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", ""])
    def test_loopback_needs_no_tls(self, host: str) -> None:
        assert rule(f"postgresql://hub@{host}/visa?sslmode=disable")

    def test_nothing_prints_the_address(self) -> None:
        assert "db.example" not in repr(rule("postgresql://hub@db.example/visa"))


class TestFailures:
    async def test_a_missing_table_is_told_by_name_to_the_operator_only(self, base: Base) -> None:
        base.execute("DROP TABLE instrument_scientist")
        source = base.source()
        with pytest.raises(SourceError, match="no table") as shown:
            await source.grants(person())
        assert "instrument_scientist" not in shown.value.reason
        with pytest.raises(SourceError, match="instrument_scientist"):
            await source.check()

    async def test_check_counts(self, base: Base) -> None:
        assert await base.source(open_data=True).check() == "3 proposals, 3 people on their teams"
        assert await base.source(query=TestOwnQuery.QUERY).check() == "the query works"

    async def test_a_slow_query_is_given_up(self, base: Base) -> None:
        query = SLOW + "SELECT '8-04-923' AS proposal FROM n WHERE i < 0 AND CAST(:person AS varchar) <> ''"
        source = base.source(query=query, database={"statement_timeout": "1s"})
        begun = time.monotonic()
        with pytest.raises(SourceError, match="took too long"):
            await source.grants(person())
        assert time.monotonic() - begun < 8

    async def test_one_who_does_not_wait_frees_the_thread(self, base: Base) -> None:
        query = SLOW + "SELECT '8-04-923' AS proposal FROM n WHERE i < 0 AND CAST(:person AS varchar) <> ''"
        source = base.source(query=query, database={"statement_timeout": "60s", "connections": 1})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(source.grants(person()), 0.3)
        await asyncio.wait_for(asyncio.to_thread(_idle, source), 20)

    async def test_many_rows(self, base: Base) -> None:
        """10^5 rows of others cost nothing; too many of one's own are refused, not cut."""
        numbers = SLOW.replace("100000000", "100000")
        base.execute(f"INSERT INTO users (id, last_name) {numbers} SELECT 'u' || i, 'x' FROM n")
        base.execute(f"INSERT INTO experiment (id, instrument_id, proposal_id) {numbers} SELECT 'M' || i, 1, 10 FROM n")
        base.execute(f"INSERT INTO experiment_user {numbers} SELECT 'M' || i, 'u' || i FROM n")
        source = base.source()
        assert len(await source.grants(person("u777"))) == 1
        begun = time.process_time()  # of a core, so that a busy machine does not matter; SQLite works in this process
        for number in range(100):
            assert len(await source.grants(person(f"u{number + 1}"))) == 1
        assert (time.process_time() - begun) / 100 < 0.012
        base.execute(f"INSERT INTO experiment_user {numbers} SELECT 'M' || i, 'none@x' FROM n")
        base.execute("INSERT INTO experiment_user VALUES ('E1', 'none@x')")
        with pytest.raises(SourceError, match=r"more than 100000 rows|took too long"):
            await source.grants(person("none@x"))


def _idle(source: object) -> None:
    source._database._threads.submit(lambda: None).result()  # type: ignore[attr-defined]


class TestSqlite:
    @pytest.fixture(autouse=True)
    def _closed(self) -> Iterator[None]:
        self.bases: list[SqliteBase] = []
        yield
        for base in self.bases:
            base.close()

    def made(self, folder: Path) -> SqliteBase:
        self.bases.append(SqliteBase(folder))
        return self.bases[-1]

    async def test_a_file_that_is_none(self, tmp_path: Path) -> None:
        base = self.made(tmp_path)
        with pytest.raises(SourceError, match="cannot be opened"):
            await base.source().grants(person())
        assert not base.file.exists()  # it is read, never made
        base.file.write_bytes(b"not a database at all, only text" * 100)
        with pytest.raises(SourceError, match="is not a database"):
            await base.source().grants(person())

    async def test_replaced_by_renaming(self, tmp_path: Path) -> None:
        """An export writes a new file and renames it over the old: the old one's rows must not be answered for ever."""
        base = self.made(tmp_path)
        base.execute(VISA + ROWS)
        source = base.source()
        assert len(await source.grants(person())) == 1
        other = SqliteBase(tmp_path / "new")
        other.folder.mkdir()
        other.execute(VISA)
        other.file.rename(base.file)
        assert await source.grants(person()) == []


class TestPostgres:
    @pytest.fixture
    def base(self, tmp_path: Path, postgres: PostgresServer, request: pytest.FixtureRequest) -> Iterator[PostgresBase]:
        base = PostgresBase(tmp_path, postgres, f"own{abs(hash(request.node.name))}")
        base.execute(VISA)
        base.execute(ROWS)
        yield base
        base.close()

    async def test_a_wrong_password(self, base: PostgresBase, caplog: pytest.LogCaptureFixture) -> None:
        (base.folder / "db-password").write_text("wrong-and-secret")
        with pytest.raises(SourceError, match="refuses this hub's account") as shown:
            await base.source().check()
        assert "wrong-and-secret" not in f"{shown.value}{caplog.text}"

    def test_a_password_others_may_read(self, base: PostgresBase) -> None:
        (base.folder / "db-password").chmod(0o644)
        with pytest.raises(ConfigurationError, match="can be read by others"):
            base.source()

    async def test_an_account_without_the_right_to_read(self, base: PostgresBase) -> None:
        with base.server.connect(base.name) as connection:
            connection.execute("REVOKE SELECT ON experiment_user FROM hub")
        with pytest.raises(SourceError, match="may not read a table"):
            await base.source().grants(person())

    async def test_a_schema(self, base: PostgresBase) -> None:
        with base.server.connect(base.name) as connection:
            connection.execute("CREATE SCHEMA visa")
            for table in ("proposal", "experiment", "experiment_user", "instrument", "instrument_scientist", "users"):
                connection.execute(f"ALTER TABLE {table} SET SCHEMA visa")
            connection.execute("GRANT USAGE ON SCHEMA visa TO hub")
        with pytest.raises(SourceError, match="no table"):
            await base.source().grants(person())
        assert len(await base.source(namespace="visa").grants(person())) == 1

    async def test_a_restart_in_between_is_not_noticed(self, base: PostgresBase) -> None:
        source = base.source()
        assert len(await source.grants(person())) == 1
        base.server.stop()
        with pytest.raises(SourceError, match="cannot be reached"):
            await source.grants(person())
        base.server.start()
        assert len(await source.grants(person())) == 1
        base.server.stop()
        base.server.start()
        assert len(await source.grants(person())) == 1  # its old connection is dead; a fresh one is tried at once

    async def test_a_server_that_hangs_holds_nobody(self, base: PostgresBase) -> None:
        source = base.source(database={"connections": 2, "statement_timeout": "1s"})
        assert len(await source.grants(person())) == 1
        stopped = base.server.hang()
        try:
            begun = time.monotonic()
            for _ in range(2):
                with pytest.raises(SourceError, match=r"took too long|cannot be reached"):
                    await source.grants(person())
            assert time.monotonic() - begun < 30
            # Its threads are free again though the server still hangs: they would be stuck for ever otherwise.
            await asyncio.wait_for(asyncio.gather(*(asyncio.to_thread(_idle, source) for _ in range(2))), 20)
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        assert len(await source.grants(person())) == 1


class TestKeysByDatabase:
    """``person = { by = "sql", … }``: the user office's number of whoever linked their login."""

    @pytest.fixture(autouse=True)
    def _closed(self) -> Iterator[None]:
        yield
        for database in sql_database._open.values():
            database.close()
        sql_database._open.clear()

    def key(self, base: Base, **keys: object) -> SqlKey:
        base.execute("CREATE TABLE link (subject varchar(250), office bigint)")
        base.execute("INSERT INTO link VALUES ('ada@x', 4711), ('two@x', 1), ('two@x', 2), ('null@x', NULL)")
        database = {"url": base.url} | ({"password_file": "db-password"} if isinstance(base, PostgresBase) else {})
        values = {"by": "sql", "database": database, "query": "SELECT office FROM link WHERE subject = :subject"}
        return SqlKey.model_validate(values | keys)

    async def test_the_number_of_a_linked_login(self, base: Base) -> None:
        key, here = self.key(base), site(base.folder)
        assert await person_key(key, person(), here) == "4711"
        assert await person_key(key, person("nobody@x"), here) == NoKey("your identity is not linked to anybody there")
        assert await person_key(key, person("null@x"), here) == NoKey("your identity is not linked to anybody there")
        assert await person_key(key, person("two@x"), here) == NoKey(
            "your identity is linked to more than one person there"
        )
        assert isinstance(await person_key(key, person("x' OR '1'='1"), here), NoKey)

    async def test_two_identities_of_one_person(self, base: Base) -> None:
        key, here = self.key(base), site(base.folder)
        both = person("ada@x", linked=(Identity("https://idp.example", "null@x"),))
        assert await person_key(key, both, here) == "4711"
        base.execute("UPDATE link SET office = 4712 WHERE subject = 'null@x'")
        assert await person_keys(key, both, here) == ("4711", "4712")
        assert await person_key(key, both, here) == NoKey("your linked identities lead to more than one person there")

    async def test_a_database_that_fails_is_not_a_person_without_a_link(self, base: Base) -> None:
        key = self.key(base)
        base.execute("DROP TABLE link")
        found = await person_key(key, person(), site(base.folder))
        assert isinstance(found, NoKey)
        assert found.failed
        source = base.source(person=key, user_ids="number")
        with pytest.raises(SourceError, match="whom your login belongs to cannot be looked up"):
            await source.grants(person())

    async def test_it_leads_to_the_rights_of_that_number(self, base: Base) -> None:
        key = self.key(base)
        base.execute("INSERT INTO users (id, last_name) VALUES ('4711', 'L')")
        base.execute("INSERT INTO experiment_user VALUES ('E3', '4711')")
        [grant] = await base.source(person=key).grants(person())
        assert str(grant.ref) == "ill/9-10-1500"

    @pytest.mark.parametrize(
        "query", ["DELETE FROM link WHERE subject = :subject", "SELECT 1", "SELECT :subject; SELECT 2", "SELECT :other"]
    )
    def test_mistakes(self, query: str) -> None:
        with pytest.raises(ValidationError):
            SqlKey.model_validate({"by": "sql", "database": {"url": "sqlite:///x"}, "query": query})
