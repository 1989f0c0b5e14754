"""ILL's search API: a bad token is nobody, and nobody sees what is public."""

from __future__ import annotations

import json
from typing import Any

from service import Asked, Reply, Service


def document(name: str, public: bool, acl: tuple[str, ...], members: dict[str, str], **more: Any) -> dict[str, Any]:
    return {
        "pid": f"10.5291/ILL-DATA.{name}", "type": "proposal", "isPublic": public, "title": f"About {name}", "score": 0,
        "startDate": "2023-03-01T00:00:00.000Z", "endDate": "2023-03-04T00:00:00.000Z", "acl": acl, "who": members,
        "paths": [f"/illdata/data/231/d22/exp_{name}/rawdata/"], **more,
    }  # fmt: skip


class Ill(Service):
    """Its database, and what it makes of questions to it."""

    def __init__(self) -> None:
        super().__init__()
        self.people = {"ada": "4711", "eve": "4712"}
        self.provider_down = False
        self.documents = [
            document(
                "8-04-923", False, ("4711", "4713"), {"4711": "principal investigator", "4713": "experimentalist"}
            ),
            document("TEST-3519", False, ("4711",), {"4713": "principal investigator"}),
            document("9-10-1", True, (), {"4711": "Experimentalist", "4713": "principal investigator"}),
            document("9-10-2", True, (), {"4713": "principal investigator"}),
            document("5-1", False, ("4711",), {"4711": "x"}, type="publication"),
        ]

    @property
    def rule(self) -> dict[str, Any]:
        return {
            "type": "ill",
            "name": "ILL",
            "facility": "ill",
            "url": f"{self.url}/fairdata/api",
            "audience": "ill",
            "person": {"by": "claim", "claim": "ill"},
            "timezone": "Europe/Paris",
        }

    async def answer(self, asked: Asked) -> Reply:
        if asked.path[2:] != ("documents",):
            return Reply(404, {"error": {"statusCode": 404}})
        token = asked.headers.get("Access_token", "")
        who = "" if self.provider_down else self.people.get(token.removeprefix("token-of-").partition("-")[0], "")
        filters = json.loads(asked.query["filter"])
        found = [one for one in self.documents if one["isPublic"] or (who and who in one["acl"])]
        for key, value in filters["where"].items():
            found = [one for one in found if one[key] == value]
        relations = {include["relation"]: include.get("scope", {}) for include in filters.get("include", [])}
        person = (
            next(iter(relations.get("members", {}).get("include", [])), {}).get("scope", {}).get("where", {}).get("id")
        )
        if person is not None:
            found = [one for one in found if person in one["who"]]
        return Reply(200, [self._shown(one, relations, person) for one in found])

    def _shown(self, one: dict[str, Any], relations: dict[str, Any], person: str | None) -> dict[str, Any]:
        shown = {key: value for key, value in one.items() if key not in {"acl", "who", "paths"}}
        if "members" in relations:
            shown["members"] = [
                {"id": 1, "role": role, "person": {"id": who, "fullName": "…"}, "affiliation": None}
                for who, role in one["who"].items()
                if person in (None, who)
            ]
        if "datasets" in relations:
            inner = [include["relation"] for include in relations["datasets"]["include"]]
            shown["datasets"] = [self._dataset(path, inner) for path in one["paths"]]
        return shown

    def _dataset(self, path: str, inner: list[str]) -> dict[str, Any]:
        dataset: dict[str, Any] = {"pid": path, "title": "…", "isPublic": False}
        if "instrument" in inner:
            dataset["instrument"] = {"pid": "1", "name": "D22", "facility": "ILL"}
        if "files" in inner:
            dataset["files"] = [{"name": f"{numor}.nxs", "path": path, "datasetId": path} for numor in range(100, 120)]
        return dataset
