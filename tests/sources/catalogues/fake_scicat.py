"""SciCat, backend 4: what its routes answer, the leaking one included."""

from __future__ import annotations

import json
from typing import Any

from service import Asked, Reply, Service
from world import ADA

RULE = {
    "type": "scicat",
    "name": "SciCat at ESS",
    "facility": "ess",
    "audience": "scicat",
    "user": "oidc.{key}",
    "roles": {"*_pi": "pi", "beamline-staff": "staff"},
    "ignored_groups": ["everybody"],
    "timezone": "Europe/Stockholm",
}
PERIOD = {
    "instrument": "/ESS/LOKI",
    "start": "2025-03-01T23:30:00.000Z",
    "end": "2025-03-04T08:00:00.000Z",
    "comment": "",
    "_id": "x",
}


def proposal(number: str, owner: str = "", access: list[str] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "proposalId": number, "ownerGroup": owner, "accessGroups": access or [], "title": f"About {number}", "isPublished": False,
        "pi_email": "ada@ess.eu", "email": "ada@ess.eu", "MeasurementPeriodList": [PERIOD], "instrumentIds": ["x1"],
        "createdBy": "ingestor", "_id": number, "metadata": {"anything": [1, {"x": None}]}, **more,
    }  # fmt: skip


class SciCat(Service):
    """``limits`` may be capped by the server; an administrator's list is everything."""

    def __init__(self) -> None:
        super().__init__()
        self.accounts = {"ada": f"oidc.{ADA}", "eve": "oidc.eve@eduteams.example"}
        self.groups = {"ada": ["ess_proposal_616254", "ess_616255_pi", "everybody", "", " "], "eve": []}
        self.administrators: set[str] = set()
        self.page = 100
        self.revoked: set[str] = set()
        self.proposals = [
            proposal("616254", "ess_proposal_616254"),
            proposal("616255", "x", ["ess_616255_pi"], MeasurementPeriodList=[], startTime="2025-05-01T00:00:00Z"),
            proposal("616256", "ess_proposal_616256", ["", "everybody"]),
            proposal("616257", "", ["everybody", ""]),
        ]

    @property
    def rule(self) -> dict[str, Any]:
        return {**RULE, "url": f"{self.url}/api/v3"}

    async def answer(self, asked: Asked) -> Reply:
        route = asked.path[2:]
        if route == ("auth", "oidc", "token"):
            who = asked.json["idToken"].removeprefix("token-of-").partition("-")[0]
            return Reply(
                201, {"access_token": f"jwt-of-{who}-{len(self.revoked)}", "id": "x", "expires_in": 3600, "userId": "1"}
            )
        jwt = asked.headers.get("Authorization", "").removeprefix("Bearer ")
        who = jwt.removeprefix("jwt-of-").partition("-")[0] if jwt not in self.revoked else ""
        if jwt and who not in self.accounts:
            return Reply(401, {"message": "Unauthorized", "statusCode": 401})
        if route == ("auth", "whoami"):
            if not who:
                return Reply(401, {"message": "Unauthorized", "statusCode": 401})
            return Reply(
                200,
                {"id": "1", "username": self.accounts[who], "email": "ada@ess.eu", "currentGroups": self.groups[who]},
            )
        if route == ("proposals",):
            return Reply(200, self._listed(who, json.loads(asked.query["filters"])))
        if len(route) == 3 and route[0] == "proposals" and route[2] == "datasets":
            return Reply(200, [{"pid": "everybody's"}])  # GHSA-pxvj-88j3-82p8
        return Reply(404, {"message": "Cannot GET", "statusCode": 404})

    def _listed(self, who: str, filters: dict[str, Any]) -> list[dict[str, Any]]:
        mine = self.groups.get(who, [])
        seen = [
            one
            for one in self.proposals
            if who in self.administrators or (who and ({one["ownerGroup"], *one["accessGroups"]} & set(mine)))
        ]
        for condition in filters.get("where", {}).get("$or", [])[:1]:
            wanted = set(condition["ownerGroup"]["$in"])
            seen = [one for one in seen if {one["ownerGroup"], *one["accessGroups"]} & wanted]
        limits = filters["limits"]
        return seen[limits["skip"] :][: min(limits["limit"], self.page)]
