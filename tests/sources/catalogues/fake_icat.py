"""ICAT's REST interface and ICAT+, over one small catalogue."""

from __future__ import annotations

import json
import re
from typing import Any

from service import Asked, Reply, Service
from world import ADA

ACCOUNT = {
    "facility": "esrf",
    "session": "account",
    "username": "hub",
    "password_file": "password",
    "user": "esrf/{key}",
    "timezone": "Europe/Paris",
    "instrument_window": "36500d",
}
PERSON = {**ACCOUNT, "session": "person", "audience": "icat"}


def investigation(number: int, name: str, instruments: tuple[str, ...], start: str, **more: Any) -> dict[str, Any]:
    return {
        "id": number, "name": name, "visitId": instruments[0] if instruments else "", "title": f"About {name}", "startDate": start,
        "endDate": "2025-03-05T08:00:00.000Z", "createId": "root", "instruments": instruments, **more,
    }  # fmt: skip


class Catalogue:
    """Who is what where."""

    def __init__(self) -> None:
        self.instruments = {1: "ID31", 2: "ID11", 3: "BM29"}
        self.investigations = [
            investigation(11, "MA-1234", ("ID31",), "2025-03-01T23:30:00.000Z"),
            investigation(12, "MA-1234", ("ID11",), "2025-06-02T08:00:00.000+02:00"),
            investigation(13, "HC-77", ("ID31",), "2024-01-09T08:00:00.000+0100"),
            investigation(14, "ihma5", ("BM29",), "2024-02-02T08:00:00.000Z"),
            investigation(15, "CALIBRATION 7", ("ID31",), "2024-02-02T08:00:00.000Z"),
            investigation(
                16,
                "ls3000",
                ("BM29",),
                "2020-01-01T08:00:00Z",
                releaseDate="2023-01-01T00:00:00Z",
                doi="10.15151/ESRF-ES-16",
            ),
            investigation(
                17,
                "ls3001",
                ("BM29",),
                "2024-01-01T08:00:00Z",
                releaseDate="2999-01-01T00:00:00Z",
                doi="10.15151/ESRF-ES-17",
            ),
        ]
        self.members = [
            (101, f"esrf/{ADA}", 11, "Principal investigator"),
            (102, f"esrf/{ADA}", 12, "Participant"),
            (103, f"esrf/{ADA}", 13, "Local contact"),
            (104, f"esrf/{ADA}", 15, "Participant"),
            (105, f"esrf/{ADA}x", 14, "Participant"),
            (106, "esrf/zoe", 14, "Principal investigator"),
        ]
        self.scientists = [(201, "esrf/zoe", 1)]

    def named(self, number: int) -> dict[str, Any]:
        return next(one for one in self.investigations if one["id"] == number)

    def at(self, name: str) -> list[dict[str, Any]]:
        return [one for one in self.investigations if name in one["instruments"]]


class IcatService(Service):
    """Sessions: opened with the account's password or a person's token; over when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.catalogue = Catalogue()
        self.sessions: dict[str, str] = {}
        self.opened = 0
        self.over_after: int | None = None  # questions that a session answers
        self.blind = False

    def open(self, user: str | None) -> Reply:
        if user is None:
            return Reply(403, {"code": "SESSION", "message": "The username and password do not match"})
        self.opened += 1
        session = f"5e551011-{self.opened}"
        self.sessions[session] = user
        return Reply(200, {"sessionId": session, "name": user, "username": user, "lifeTimeMinutes": 120})

    def user_of(self, credentials: dict[str, str]) -> str | None:
        token = credentials.get("token") or credentials.get("password", "")
        if token.startswith("token-of-"):
            return f"esrf/{token.removeprefix('token-of-').partition('-')[0]}@eduteams.example"
        return "db/hub" if credentials == {"username": "hub", "password": "the-password"} else None

    def knows(self, session: str) -> bool:
        if session in self.sessions and self.over_after is not None:
            self.over_after -= 1
            if self.over_after < 0:
                self.over_after = None
                self.sessions.clear()
        return session in self.sessions


class Icat(IcatService):
    """Reads only the questions that it knows, as a parser of JPQL would: a value ends at its quote."""

    NAME = r"WHERE u\.name = '((?:[^']|'')*)'"

    @property
    def rule(self) -> dict[str, Any]:
        return {**ACCOUNT, "type": "icat", "name": "ICAT", "url": f"{self.url}/icat", "plugin": "db"}

    async def answer(self, asked: Asked) -> Reply:
        route = asked.path[1:]
        if route == ("version",):
            return Reply(200, {"version": "6.0.1"})
        if route == ("session",) and asked.method == "POST":
            login = json.loads(asked.form["json"])
            credentials = {key: value for one in login["credentials"] for key, value in one.items()}
            return self.open(self.user_of(credentials))
        session = asked.query.get("sessionId", route[-1])
        if not self.knows(session):
            return Reply(403, {"code": "SESSION", "message": f"Unable to find user by sessionid: {session}"})
        if route[0] == "session":
            return Reply(200, {"userName": self.sessions[session], "remainingMinutes": 119.9})
        return self._query(asked.query["query"])

    def _query(self, query: str) -> Reply:
        if query == "SELECT COUNT(iu) FROM InvestigationUser iu":
            return Reply(200, [0 if self.blind else len(self.catalogue.members)])
        limit = re.search(r" LIMIT (\d+), (\d+)$", query)
        rows = self._rows(query)
        if rows is None or limit is None:
            return Reply(400, {"code": "BAD_PARAMETER", "message": f"cannot be parsed: {query}"})
        skip, count = int(limit[1]), int(limit[2])
        return Reply(200, [] if self.blind else rows[skip : skip + count])

    def _rows(self, query: str) -> list[dict[str, Any]] | None:
        name = re.search(self.NAME + r" ORDER BY", query)
        user = name[1].replace("''", "'") if name else ""
        if query.startswith("SELECT iu FROM InvestigationUser iu JOIN iu.user u WHERE") and name:
            return [
                {
                    "InvestigationUser": {
                        "id": number,
                        "role": role,
                        "user": {"id": 1, "name": who},
                        "investigation": self._shown(at),
                    }
                }
                for number, who, at, role in self.catalogue.members
                if who == user
            ]
        if query.startswith("SELECT isc FROM InstrumentScientist isc JOIN isc.user u WHERE") and name:
            return [
                {"InstrumentScientist": {"id": number, "user": {"name": who}, "instrument": self._instrument(at)}}
                for number, who, at in self.catalogue.scientists
                if who == user
            ]
        ids = re.search(r"WHERE ins\.id IN \(([\d, ]+)\) AND i\.startDate > \{ts \d{4}-\d\d-\d\d 00:00:00\}", query)
        if query.startswith("SELECT ii FROM InvestigationInstrument ii") and ids:
            return [
                {
                    "InvestigationInstrument": {
                        "id": 1000 * at + one["id"],
                        "instrument": self._instrument(at),
                        "investigation": self._shown(one["id"]),
                    }
                }
                for at in map(int, ids[1].split(", "))
                for one in self.catalogue.at(self.catalogue.instruments[at])
            ]
        if query.startswith(
            "SELECT i FROM Investigation i WHERE i.startDate > {ts "
        ):  # lets more through than it should
            return [{"Investigation": self._shown(one["id"])} for one in self.catalogue.investigations]
        return None

    def _instrument(self, number: int) -> dict[str, Any]:
        return {"id": number, "name": self.catalogue.instruments[number], "fullName": "…"}

    def _shown(self, number: int) -> dict[str, Any]:
        found = dict(self.catalogue.named(number))
        names = found.pop("instruments")
        ids = {name: at for at, name in self.catalogue.instruments.items()}
        return {
            **found,
            "investigationInstruments": [{"id": 1, "instrument": self._instrument(ids[name])} for name in names],
        }


class IcatPlus(IcatService):
    """Finds users by prefix, as it says; ``inline``: whether its lists hold the users."""

    def __init__(self) -> None:
        super().__init__()
        self.inline = True
        self.page = 1000

    @property
    def rule(self) -> dict[str, Any]:
        return {**ACCOUNT, "type": "icatplus", "name": "ICAT+", "url": self.url}

    async def answer(self, asked: Asked) -> Reply:
        if asked.path == ("session",):
            return self.open(self.user_of({key: asked.json[key] for key in ("username", "password")}))
        session, route = asked.path[1], asked.path[2:]
        if asked.path[0] != "catalogue" or not self.knows(session):
            return Reply(403, {"message": f"Session {session} is not valid"})
        if route == ("investigation",):
            return self._list(self.sessions[session], asked.query)
        if route[:2] == ("investigation", "id"):
            return Reply(200, self._users(int(route[2])))
        if route[0] == "user":
            found = [at for _, who, at in self.catalogue.scientists if who == route[2]]
            return Reply(200, [{"id": 1, "instrument": {"name": self.catalogue.instruments[at]}} for at in found])
        return Reply(404, {})

    def _list(self, user: str, query: dict[str, str]) -> Reply:
        found = self.catalogue.investigations
        if "username" in query:
            found = [
                one
                for one in found
                if any(
                    at == one["id"] and who.startswith(query["username"]) for _, who, at, _ in self.catalogue.members
                )
            ]
        if query.get("filter") == "participant":  # whoever may read: also what is released
            found = [
                one
                for one in found
                if any(at == one["id"] and who == user for _, who, at, _ in self.catalogue.members) or one["id"] == 16
            ]
        if query.get("filter") == "instrumentscientist":
            mine = {self.catalogue.instruments[at] for _, who, at in self.catalogue.scientists if who == user}
            found = [one for one in found if mine & set(one["instruments"])]
        if "instrumentName" in query:
            names = query["instrumentName"].split(",")
            found = [one for one in found if set(names) & set(one["instruments"])]
        found = [] if self.blind else found
        skip = int(query["skip"])
        page = found[skip : skip + min(int(query["limit"]), self.page)]
        meta = {"page": {"total": len(found), "totalPages": 1, "currentPage": 1}}
        return Reply(200, [{**self._shown(one), "meta": meta} for one in page])

    def _shown(self, one: dict[str, Any]) -> dict[str, Any]:
        shown = {key: value for key, value in one.items() if key != "instruments"}
        shown["instrument"] = {"id": 1, "name": one["instruments"][0]}
        shown["canAccessDatasets"] = True
        if self.inline:
            shown["investigationUsers"] = [
                {"role": row["role"], "user": {"name": row["name"], "email": "x@y", "fullName": "…"}}
                for row in self._users(one["id"])
            ]
        return shown

    def _users(self, number: int) -> list[dict[str, Any]]:
        return [
            {"name": who, "fullName": "…", "role": role, "investigationName": "…", "investigationId": number}
            for _, who, at, role in self.catalogue.members
            if at == number
        ]
