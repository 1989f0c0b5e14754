"""A user office's database in VISA's ETL shape (ILLGrenoble/visa-api-server, db/schema.sql), as SQLite and as PostgreSQL."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from panosc_spawner.facilities.load import load_facility
from panosc_spawner.facilities.login_rules import Login
from panosc_spawner.facilities.site import Hub, Site, SiteFile
from panosc_spawner.facilities.source_rules import FileSource
from panosc_spawner.facilities.table_source_rules import SqlSource
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.sql_database import SqlDatabase
from panosc_spawner.proposals.sql_source import SqlProposals

ISSUER = "https://idp.example"
PASSWORD = "correct horse battery staple"

VISA = """
CREATE TABLE users (id varchar(250) PRIMARY KEY, email varchar(100), first_name varchar(100),
    last_name varchar(100) NOT NULL, activated_at timestamp);
CREATE TABLE instrument (id bigint PRIMARY KEY, name varchar(250) NOT NULL);
CREATE TABLE proposal (id bigint PRIMARY KEY, identifier varchar(100) NOT NULL, title varchar(2000), public_at timestamp,
    summary varchar(5000), doi varchar(2000), url varchar(2000));
CREATE TABLE experiment (id varchar(32) PRIMARY KEY, instrument_id bigint NOT NULL REFERENCES instrument(id),
    proposal_id bigint NOT NULL REFERENCES proposal(id), start_date timestamp, end_date timestamp);
CREATE TABLE experiment_user (experiment_id varchar(32) NOT NULL REFERENCES experiment(id),
    user_id varchar(250) NOT NULL REFERENCES users(id), PRIMARY KEY (experiment_id, user_id));
CREATE TABLE instrument_scientist (instrument_id bigint NOT NULL REFERENCES instrument(id),
    user_id varchar(250) NOT NULL REFERENCES users(id), PRIMARY KEY (instrument_id, user_id));
CREATE INDEX experiment_user_by_user ON experiment_user (user_id);
"""

ROWS = """
INSERT INTO users (id, last_name) VALUES ('ada@x', 'L'), ('ben@x', 'B'), ('sci@x', 'S'), ('1', 'One'), ('none@x', 'N');
INSERT INTO instrument VALUES (1, 'D11'), (2, 'IN5');
INSERT INTO proposal (id, identifier, title, public_at) VALUES
    (10, '8-04-923', 'Micelles', '2099-01-01 00:00:00'), (11, '9-10-1500', 'Spin waves', '2020-01-01 00:00:00'),
    (12, 'INTERNAL', 'Not a proposal number', NULL);
INSERT INTO experiment VALUES ('E1', 1, 10, '2026-03-04 08:00:00', '2026-03-06 08:00:00'),
    ('E2', 2, 10, '2026-05-01 08:00:00', '2026-05-02 08:00:00'), ('E3', 2, 11, NULL, NULL), ('E4', 1, 12, NULL, NULL);
INSERT INTO experiment_user VALUES ('E1', 'ada@x'), ('E2', 'ada@x'), ('E2', 'ben@x'), ('E3', '1'), ('E4', 'ada@x');
INSERT INTO instrument_scientist VALUES (2, 'sci@x');
"""


def person(subject: str = "ada@x", **more: object) -> Person:
    return Person(ISSUER, subject, "p-ada", "Ada", "demo", datetime.now(UTC), **more)


def site(folder: Path, *, logins: int = 1) -> Site:
    also = tuple(
        Login(community="other", issuer=f"https://other{number}.example", client_id="x") for number in range(1, logins)
    )
    config = SiteFile(
        hub=Hub(id="t", facilities=("ill",)),
        login=Login(community="demo", issuer=ISSUER, client_id="hub", also=also),
        sources=(FileSource(type="file", path="x.toml"),),
    )
    return Site(folder, config, {"ill": load_facility("ill")})


def rule(url: str, *, database: dict[str, object] | None = None, **keys: object) -> SqlSource:
    settings = {"url": url, "statement_timeout": "10s"} | (database or {})
    return SqlSource.model_validate(
        {"type": "sql", "name": "User office", "facility": "ill", "database": settings} | keys
    )


class Base:
    """A database a test asks and changes."""

    url: str
    folder: Path

    def __init__(self) -> None:
        self._made: list[SqlDatabase] = []

    def close(self) -> None:
        for database in self._made:
            database.close()

    def execute(self, statements: str) -> None:
        raise NotImplementedError

    def source(self, *, logins: int = 1, **keys: object) -> SqlProposals:
        made = SqlProposals(rule(self.url, **keys), site(self.folder, logins=logins))
        # One of its own, so that a test that breaks its connections breaks no other's.
        made._database = SqlDatabase(made._rule.database, self.folder)
        self._made.append(made._database)
        return made


class SqliteBase(Base):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.file = folder / "office.sqlite"
        self.url = "sqlite:///office.sqlite"

    def execute(self, statements: str) -> None:
        with sqlite3.connect(self.file) as connection:
            connection.executescript(statements)
        connection.close()


class PostgresServer:
    """Debian's PostgreSQL in a directory of its own, on a socket in it and on a loopback port, as an unprivileged account."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path is short
        self._as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as:
            shutil.chown(self.folder, "postgres", "postgres")
        binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        assert binaries, "PostgreSQL is not installed (Debian: postgresql-15)"
        self._bin = binaries[-1]
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        if self._as:
            shutil.chown(secret, "postgres")
        self._run(
            "initdb", "-D", str(self.data), "-U", "admin", "--pwfile", str(secret), "--auth=scram-sha-256", "-E", "UTF8",
            "--no-sync", "--locale=C",
        )  # fmt: skip
        self.start()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        done = subprocess.run(
            [*self._as, str(self._bin / program), *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
        log = self.folder / "log"
        assert done.returncode == 0 or not check, f"{done.stdout}{done.stderr}{log.read_text() if log.exists() else ''}"

    def start(self) -> None:
        options = f"-k {self.folder} -h 127.0.0.1 -p {self.port} -c fsync=off -c max_connections=40"
        with Path(os.devnull).open() as nothing:
            subprocess.run(
                [*self._as, str(self._bin / "pg_ctl"), "-D", str(self.data), "-l", str(self.folder / "log"), "-w", "-o", options, "start"],
                stdin=nothing, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder, check=True, timeout=60,
            )  # fmt: skip

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop", check=False)

    def pids(self) -> list[int]:
        """The server and all its processes."""
        postmaster = int((self.data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *map(int, children)]

    def hang(self) -> list[int]:
        stopped = self.pids()
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        return stopped

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="admin", password=PASSWORD, dbname=database, autocommit=True
        )

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class PostgresBase(Base):
    def __init__(self, folder: Path, server: PostgresServer, name: str) -> None:
        super().__init__()
        self.folder, self.server, self.name = folder, server, name
        secret = folder / "db-password"
        secret.write_text(PASSWORD + "\n")
        secret.chmod(0o600)
        with server.connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
            connection.execute(
                "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'hub') THEN "
                f"CREATE ROLE hub LOGIN PASSWORD '{PASSWORD}'; END IF; END $$"
            )
        self.url = f"postgresql://hub@127.0.0.1:{server.port}/{name}"

    def execute(self, statements: str) -> None:
        with self.server.connect(self.name) as connection:
            connection.execute(statements)
            connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO hub")

    def source(self, *, logins: int = 1, **keys: object) -> SqlProposals:
        database = {"password_file": "db-password"} | dict(keys.pop("database", {}))  # type: ignore[call-overload]
        return super().source(logins=logins, database=database, **keys)
