"""ICAT's REST interface over SQLite: JPQL is close enough to SQL that a query that breaks there breaks here, too."""

from __future__ import annotations

import json
import re
import sqlite3
from typing import Any

from fakes.server import Asked, Fake, Reply

Thing = dict[str, Any]
NOW = "2026-01-01 00:00:00"
PANET = "http://purl.org/pan-science/PaNET/"
_TABLES = """
CREATE TABLE investigation (id, name, visitId, title, summary, doi, startDate, releaseDate, owner);
CREATE TABLE dataset (id, name, location, doi, startDate, fileSize, fileCount, investigation_id, sample_id);
CREATE TABLE instrument (id, name);
CREATE TABLE ii (investigation_id, instrument_id);
CREATE TABLE sample (id, name);
CREATE TABLE parameter (dataset_id, type_id, numericValue, stringValue);
CREATE TABLE ptype (id, name, units);
CREATE TABLE technique (id, pid, name);
CREATE TABLE dt (dataset_id, technique_id);
CREATE TABLE datafile (id, name, location, fileSize, checksum, dataset_id);
INSERT INTO instrument VALUES (1, 'LET'), (2, 'SANS2D');
INSERT INTO sample VALUES (1, 'Magnetite'), (2, 'Water');
INSERT INTO ptype VALUES (1, 'incident_wavelength', 'nm'), (2, 'sample_state', '');
INSERT INTO technique VALUES (1, 'http://purl.org/pan-science/PaNET/PaNET01189', 'SANS'), (2, 'PaNET01216', 'XRD');
INSERT INTO investigation VALUES
  (11, 'RB1', '1', 'Ferrofluid in a field', 'about liquids', '10.5286/RB1', '2020-03-01 00:00:00', '2023-03-01 00:00:00', ''),
  (12, 'RB2', '1', 'Ferrofluid of Ada''s', '', NULL, '2025-03-01 00:00:00', '2028-03-01 00:00:00', 'oidc/ada');
INSERT INTO ii VALUES (11, 1), (11, 2), (12, 1);
INSERT INTO dataset VALUES
  (1, 'run 1', '/data/rb1/run1', NULL, '2020-03-02 00:00:00', 10, 2, 11, 1),
  (2, 'run 2', '/data/rb1/run2', '10.5286/RUN2', '2020-03-03 00:00:00', 20, 2, 11, 2),
  (3, 'run 3', '/data/rb2/run3', NULL, '2025-03-03 00:00:00', 30, 1, 12, 1);
INSERT INTO parameter VALUES (1, 1, 0.5, NULL), (1, 1, 0.45, NULL), (1, 2, NULL, 'solid'), (2, 1, 1.2, NULL), (3, 1, 0.5, NULL);
INSERT INTO dt VALUES (1, 1), (2, 2), (3, 1);
INSERT INTO datafile SELECT value, 'f' || value, '/data/rb1/run1/f' || value, value, 'md5:' || value, 1
  FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 1203) SELECT value FROM n);
"""
_JOINS = {
    "ds.investigation": ("investigation", "{alias}.id = {of}.investigation_id"),
    "inv.investigationInstruments": ("ii", "{alias}.investigation_id = {of}.id"),
    "ii.instrument": ("instrument", "{alias}.id = {of}.instrument_id"),
    "ds.parameters": ("parameter", "{alias}.dataset_id = {of}.id"),
    "type": ("ptype", "{alias}.id = {of}.type_id"),
    "ds.sample": ("sample", "{alias}.id = {of}.sample_id"),
    "ds.datasetTechniques": ("dt", "{alias}.dataset_id = {of}.id"),
    "dt.technique": ("technique", "{alias}.id = {of}.technique_id"),
    "df.dataset": ("dataset", "{alias}.id = {of}.dataset_id"),
}


class Icat(Fake):
    """The server. ``anon`` sees what is released; ``oidc`` takes a token and is that person."""

    def __init__(self) -> None:
        super().__init__()
        self.db = sqlite3.connect(":memory:")
        self.db.executescript(_TABLES)
        self.sessions: dict[str, str] = {}
        self.logins = 0

    async def answer(self, asked: Asked) -> Reply:
        if asked.path[1:] == ("session",):
            return self.log_in(asked)
        if asked.path[1:] == ("entityManager",):
            user = self.sessions.get(asked.query["sessionId"])
            if user is None:
                session = asked.query["sessionId"]
                return Reply(403, {"code": "SESSION", "message": f"Unable to find user by sessionid: {session}"})
            try:
                return Reply(content=self.rows(asked.query["query"], user))
            except sqlite3.Error as error:
                return Reply(400, {"code": "BAD_PARAMETER", "message": str(error)})
        return Reply(404, {})

    def log_in(self, asked: Asked) -> Reply:
        from urllib.parse import parse_qs

        login = json.loads(parse_qs(asked.body.decode())["json"][0])
        given = {key: value for one in login["credentials"] for key, value in one.items()}
        users = {("anon", None): "anon/anon", ("oidc", "token-of-ada"): "oidc/ada"}
        user = users.get((login["plugin"], given.get("token")))
        if user is None:
            return Reply(403, {"code": "SESSION", "message": "The username and password do not match"})
        self.logins += 1
        session = f"session-{self.logins}"
        self.sessions[session] = user
        return Reply(content={"sessionId": session})

    def rows(self, jpql: str, user: str) -> list[Any]:
        body, _, limit = jpql.partition(" LIMIT ")
        body = body.partition(" INCLUDE ")[0]
        sql = re.sub(r"\{ts ([^}]*)\}", r"'\1'", body)
        sql = re.sub(r"JOIN (\w+)\.(\w+) (\w+)", _join, sql)
        visible = f"(inv.releaseDate <= '{NOW}' OR inv.owner = '{user}')"
        if " inv " not in sql:
            base = "df" if "Datafile" in sql else "ds"
            of = "ds" if base == "df" else base
            end = re.search(r" WHERE | ORDER |$", sql)
            assert end is not None
            join = f" JOIN investigation inv ON inv.id = {of}.investigation_id"
            sql = sql[: end.start()] + join + sql[end.start() :]
        end = re.search(r" ORDER BY |$", sql)
        assert end is not None
        word = " AND " if " WHERE " in sql[: end.start()] else " WHERE "
        sql = sql[: end.start()] + word + visible + sql[end.start() :] + (f" LIMIT {limit}" if limit else "")
        sql = sql.replace("SELECT DISTINCT ds ", "SELECT DISTINCT ds.id ").replace("SELECT df ", "SELECT df.id ")
        sql = sql.replace("COUNT(DISTINCT ds)", "COUNT(DISTINCT ds.id)").replace("COUNT(ds)", "COUNT(*)")
        found = self.db.execute(sql).fetchall()
        if "COUNT(" in sql:
            return [found[0][0]]
        if "datafile df" in sql.lower():
            return [{"Datafile": self.row_of("datafile", key)} for (key,) in found]
        return [{"Dataset": self.dataset(key)} for (key,) in found]

    def row_of(self, table: str, key: Any) -> Thing:
        cursor = self.db.execute(f"SELECT * FROM {table} WHERE id = ?", (key,))
        row = cursor.fetchone()
        found = {one[0]: value for one, value in zip(cursor.description, row, strict=True) if value is not None}
        return {
            key: value.replace(" ", "T") + ".000Z" if key.endswith("Date") else value for key, value in found.items()
        }

    def dataset(self, key: int) -> Thing:
        """With all that the INCLUDE asks for."""
        found = self.row_of("dataset", key)
        beamtime = self.row_of("investigation", found["investigation_id"])
        ins = self.db.execute("SELECT instrument_id FROM ii WHERE investigation_id = ?", (beamtime["id"],)).fetchall()
        beamtime["investigationInstruments"] = [
            {"id": 1, "instrument": self.row_of("instrument", one)} for (one,) in ins
        ]
        beamtime["investigationUsers"] = [{"role": "PI", "user": {"name": "db/x", "fullName": "Ada Lovelace"}}]
        values = self.db.execute(
            "SELECT type_id, numericValue, stringValue FROM parameter WHERE dataset_id = ?", (key,)
        ).fetchall()
        techniques = self.db.execute("SELECT technique_id FROM dt WHERE dataset_id = ?", (key,)).fetchall()
        return {
            **found,
            "investigation": beamtime,
            "sample": self.row_of("sample", found["sample_id"]),
            "parameters": [
                {"type": self.row_of("ptype", kind)}
                | ({"numericValue": number} if number is not None else {"stringValue": text})
                for kind, number, text in values
            ],
            "datasetTechniques": [{"technique": self.row_of("technique", one)} for (one,) in techniques],
        }


def _join(match: re.Match[str]) -> str:
    of, relation, alias = match.groups()
    known = _JOINS.get(f"{of}.{relation}") or _JOINS[relation]
    return f"JOIN {known[0]} {alias} ON {known[1].format(alias=alias, of=of)}"


class IcatPlus(Fake):
    """ICAT+ over the same data: its own session, texts for values, sizes as parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.icat = Icat()
        self.sessions: dict[str, str] = {}

    async def answer(self, asked: Asked) -> Reply:
        if asked.path == ("session",):
            login = json.loads(asked.body)
            users = {("db", "reader", "open"): "anon/anon", ("esrf", "", "token-of-ada"): "oidc/ada"}
            user = users.get((login["plugin"], login["username"], login["password"]))
            if user is None:
                return Reply(401, {"message": "Invalid credentials"})
            session = f"session-{len(self.sessions) + 1}"
            self.sessions[session] = user
            return Reply(content={"sessionId": session, "name": user})
        session = asked.headers.get("Authorization", "").removeprefix("Bearer ")
        if session not in self.sessions:
            return Reply(403, {"message": "Session not found"})
        if asked.path == ("catalogue", "datasets"):
            return Reply(content=self.datasets(asked.query, self.sessions[session]))
        if asked.path[0] == "catalogue" and asked.path[-1] == "datafile":
            skip, limit = int(asked.query["skip"]), int(asked.query["limit"])
            rows = self.icat.rows(
                f"SELECT df FROM Datafile df JOIN df.dataset ds WHERE ds.id = {asked.path[4]} ORDER BY df.id LIMIT {skip}, {limit}",
                self.sessions[session],
            )
            return Reply(content=rows)
        return Reply(404, {"message": "not here"})

    def datasets(self, query: dict[str, str], user: str) -> list[Thing]:
        rows = self.icat.rows("SELECT DISTINCT ds FROM Dataset ds ORDER BY ds.startDate DESC", user)
        found = [self._told(row["Dataset"]) for row in rows]
        tests = {
            "search": lambda one, text: text.lower() in one["investigation"]["title"].lower(),
            "datasetIds": lambda one, ids: str(one["id"]) in ids.split(","),
            "instrumentName": lambda one, names: one["instrumentName"] in names.split(","),
            "techniquePids": lambda one, pids: any(
                technique["pid"] in pids.split(",") for technique in one["techniques"]
            ),
            "startDate": lambda one, day: one["startDate"][:10] >= day,
            "endDate": lambda one, day: one["startDate"][:10] <= day,
            "parameters": lambda one, text: all(_has(one, part.split("~")) for part in text.split(",")),
        }
        for name, test in tests.items():
            if name in query:
                found = [one for one in found if test(one, query[name])]
        page = found[int(query["skip"]) :][: int(query["limit"])]
        return [{**one, "meta": {"page": {"total": len(found), "totalPages": 1, "currentPage": 1}}} for one in page]

    def _told(self, one: Thing) -> Thing:
        parameters = [
            {
                "id": 1,
                "name": p["type"]["name"],
                "value": str(p.get("numericValue", p.get("stringValue"))),
                "units": p["type"].get("units", ""),
            }
            for p in one["parameters"]
        ]
        sizes = {"__volume": one["fileSize"], "__fileCount": one["fileCount"]}
        parameters += [{"id": 2, "name": name, "value": str(value), "units": "NA"} for name, value in sizes.items()]
        return {
            "id": one["id"],
            "name": one["name"],
            "startDate": one["startDate"],
            "location": one["location"],
            "sampleName": one["sample"]["name"],
            "instrumentName": one["investigation"]["investigationInstruments"][0]["instrument"]["name"],
            "investigation": one["investigation"],
            "techniques": [t["technique"] for t in one["datasetTechniques"]],
            "parameters": parameters,
        }


def _has(one: Thing, condition: list[str]) -> bool:
    name, operator, value = condition
    return operator == "eq" and any(p["name"] == name and p["value"] == value for p in one["parameters"])
