"""SciCat 4.5, as it was run: version 4 of its API, with its traps."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from fakes.server import Asked, Fake, Reply

Thing = dict[str, Any]
PANET = "http://purl.org/pan-science/PaNET/"


def datasets() -> list[Thing]:
    """Four: published, of group1, of group2, and one that is open to a group with an empty name."""

    def one(
        number: int, name: str, group: str, published: bool, *, access: tuple[str, ...] = (), wave: float = 0.5
    ) -> Thing:
        return {
            "pid": f"20.500.12269/scicat/{number}",
            "datasetName": name,
            "description": "a <b>sample</b>",
            "isPublished": published,
            "ownerGroup": group,
            "accessGroups": list(access),
            "creationTime": f"202{number}-05-01T00:00:00.000Z",
            "datasetlifecycle": {"publishable": False, "dateOfPublishing": f"203{number}-05-01T00:00:00.000Z"},
            "size": 10**number,
            "numberOfFiles": 2,
            "proposalIds": [f"90000{number}"],
            "instrumentIds": ["i/loki"],
            "techniques": [{"pid": PANET + "PaNET01189", "name": "SANS"}],
            "sourceFolder": f"/ess/data/loki/2024/90000{number}/raw",
            "license": "CC-BY-4.0",
            "scientificMetadata": {
                "incident_wavelength": {"value": wave * 10, "unit": "angstrom", "valueSI": wave * 1e-9, "unitSI": "m"},
                "nested": {"deeper": {"value": 1}},
                "state": {"value": "solid", "unit": ""},
            },
            "blocks": [
                {
                    "isPublished": published and number != 4,
                    "chkAlg": "sha-256",
                    "dataFileList": [
                        {"path": f"run{number}.nxs", "size": 5, "chk": "ab"},
                        {"path": "../../etc/passwd", "size": 1},
                    ],
                }
            ],
        }

    return [
        one(1, "Ferrofluid at LOKI", "group1", True),
        one(2, "Ferrofluid, private", "group1", False, wave=0.6),
        one(3, "Water, private", "group2", False),
        one(4, "Water, published", "group2", True, wave=1.2),
        one(5, "For everybody and nobody", "group3", False, access=("",)),
    ]


class SciCat(Fake):
    """The backend."""

    GROUPS = {"ada": ["group1", ""], "root": ["admin"], "grace": ["group2"]}  # noqa: RUF012 - never changed

    def __init__(self, *, dates: bool = False) -> None:
        super().__init__()
        self.datasets = datasets()
        self.dates = dates
        self.instruments_for_all = True

    async def answer(self, asked: Asked) -> Reply:
        path = asked.path[1:]
        if path[:2] == ("v3", "proposals") and path[-1] == "datasets":
            return Reply(content=self.datasets)  # GHSA-pxvj-88j3-82p8
        if path == ("v3", "auth", "oidc", "token"):
            token = json.loads(asked.body)["idToken"]
            return (
                Reply(201, {"access_token": f"scicat-{token}"})
                if token in self.GROUPS
                else Reply(401, {"message": "no"})
            )
        who = asked.headers.get("Authorization", "").removeprefix("Bearer scicat-")
        if path == ("v3", "auth", "whoami"):
            return Reply(content={"username": who, "currentGroups": self.GROUPS[who]}) if who else Reply(401, {})
        if path == ("v3", "instruments"):
            ok = self.instruments_for_all or who
            return (
                Reply(content=[{"pid": "i/loki", "name": "LOKI"}, {"pid": "i/dream", "name": "DREAM"}])
                if ok
                else Reply(403, {})
            )
        if path == ("v4", "publisheddata"):
            return Reply(content=self.published(asked.json("filter")["where"]))
        if path[:2] == ("v4", "datasets"):
            return self.datasets_route(path[2:], who, asked)
        return Reply(404, {"message": "Cannot GET"})

    def published(self, where: Thing) -> list[Thing]:
        one = {"doi": "10.17199/ABC", "title": "A paper", "datasetPids": [self.datasets[0]["pid"]]}
        wanted = where.get("doi", {}).get("$in", []) or [where.get("datasetPids")]
        return (
            [one] if one["doi"].lower() in [str(w).lower() for w in wanted] or one["datasetPids"][0] in wanted else []
        )

    def datasets_route(self, rest: tuple[str, ...], who: str, asked: Asked) -> Reply:
        public = rest[:1] == ("public",)
        if not public and not who:
            return Reply(403, {"message": "Forbidden resource"})
        filters = asked.json("filter") or {}
        seen = [one for one in self.datasets if one["isPublished"] or (not public and self._may(who, one))]
        try:
            found = [one for one in seen if _matches(filters.get("where", {}), one, self.dates)]
        except ValueError as error:
            return Reply(400, {"message": str(error)})
        if rest[-1:] == ("count",):
            return Reply(content={"count": len(found)})
        limits = filters.get("limits", {})
        found.sort(key=lambda one: one["creationTime"], reverse=True)
        page = found[limits.get("skip", 0) :][: limits.get("limit", 100)]
        return Reply(content=[self._shown(one, filters, who) for one in page])

    def _may(self, who: str, one: Thing) -> bool:
        groups = self.GROUPS[who]
        return "admin" in groups or bool(set(groups) & {one["ownerGroup"], *one["accessGroups"]})

    def _shown(self, one: Thing, filters: Thing, who: str) -> Thing:
        shown = {key: value for key, value in one.items() if key != "blocks"}
        if fields := filters.get("fields"):
            shown = {key: value for key, value in shown.items() if key in fields}
        for relation in filters.get("include", []):
            if relation == "instruments":
                shown[relation] = [{"pid": "i/loki", "name": "LOKI"}]
            if relation == "proposals":
                shown[relation] = [{"proposalId": one["proposalIds"][0], "title": "P"}]
            if relation == "origdatablocks":  # they are published apart from their data set
                shown[relation] = (
                    [block for block in one["blocks"] if block["isPublished"] or self._may(who, one)]
                    if who
                    else [block for block in one["blocks"] if block["isPublished"]]
                )
        return shown


def _matches(where: Thing, one: Thing, dates: bool) -> bool:
    return all(_holds(key, condition, one, dates) for key, condition in where.items())


def _holds(key: str, condition: Any, one: Thing, dates: bool) -> bool:
    if key == "$and":
        return all(_matches(inner, one, dates) for inner in condition)
    if key == "$text":
        phrases = [part.lower() for part in condition["$search"].split('"')[1::2]]
        return all(phrase in json.dumps(one).lower() for phrase in phrases)
    values = _values(key.split("."), one)
    if not isinstance(condition, dict):
        return condition in values
    return all(
        any(_compare(operator, value, operand, dates) for value in values) for operator, operand in condition.items()
    )


def _values(path: list[str], held: Any) -> list[Any]:
    if isinstance(held, list):
        return [value for one in held for value in _values(path, one)] if path else list(held)
    if not path:
        return [held]
    return _values(path[1:], held[path[0]]) if isinstance(held, dict) and path[0] in held else []


def _compare(operator: str, value: Any, operand: Any, dates: bool) -> bool:
    if operator == "$in":
        return value in operand
    if isinstance(operand, dict) and "$date" in operand:
        if not dates:
            raise ValueError("Property $date should not exist.")
        value, operand = (datetime.fromisoformat(text) for text in (value, operand["$date"]))
    return bool({"$gte": value >= operand, "$lte": value <= operand}[operator])
