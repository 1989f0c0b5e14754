"""myMdC, as metadata_client and DAMNIT know it."""

from __future__ import annotations

from typing import Any

from service import Asked, Reply, Service


def proposal(number: int, path: str, **more: Any) -> dict[str, Any]:
    return {
        "id": number % 1000, "number": number, "title": f"About {number}", "abstract": None, "proposal_folder": f"p{number:06d}",
        "def_proposal_path": path, "url": None, "instrument_id": 2, "instrument_identifier": "FXE", "instrument_cycle_id": 341,
        "principal_investigator_id": 658, "main_proposer_id": 180, "local_contact_id": 181, "local_data_contact_id": None,
        "begin_at": "2023-07-01T00:02:00.000+02:00", "end_at": "2025-01-31T23:58:00.000+01:00",
        "release_at": "2028-12-31T23:58:00.000+01:00", "beamtime_start_at": None, "beamtime_end_at": None, "flg_available": True, **more,
    }  # fmt: skip


class MyMdc(Service):
    """``paged``: whether the list of somebody's proposals has pages; it is not written anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.paged = True
        self.users = {658: [900390, 2145], 180: [900390], 181: [2145], 900: []}
        self.proposals = [
            proposal(900390, "/gpfs/exfel/exp/FXE/202331/p900390/raw"),
            proposal(
                2145,
                "/gpfs/exfel/d/raw/SPB/201802/p002145",
                instrument_identifier="SPB",
                principal_investigator_id=7,
                main_proposer_id=7,
                beamtime_start_at="2018-11-01T23:30:00.000+00:00",
                beamtime_end_at="2018-11-05T08:00:00.000+01:00",
            ),
        ]
        self.tokens = 0
        self.withdrawn = 0

    @property
    def rule(self) -> dict[str, Any]:
        return {
            "type": "mymdc",
            "name": "myMdC",
            "facility": "euxfel",
            "url": f"{self.url}/metadata",
            "client_id": "hub",
            "client_secret_file": "secret",
            "service_email": "hub@xfel.eu",
            "person": {"by": "claim", "claim": "mymdc"},
            "timezone": "Europe/Berlin",
        }

    async def answer(self, asked: Asked) -> Reply:
        if asked.path[1:] == ("oauth", "token"):
            if asked.form != {"grant_type": "client_credentials", "client_id": "hub", "client_secret": "the-secret"}:
                return Reply(401, {"error": "invalid_client"})
            self.tokens += 1
            return Reply(
                200, {"access_token": f"mdc-{self.tokens}", "token_type": "Bearer", "expires_in": 1480, "created_at": 1}
            )
        if asked.headers.get("Authorization") != f"Bearer mdc-{self.tokens}" or self.withdrawn >= self.tokens:
            return Reply(401, {"error": "The access token expired"})
        if asked.headers.get("X-User-Email") != "hub@xfel.eu" or "version=1" not in asked.headers["Accept"]:
            return Reply(406, {})
        return self._api(asked)

    def _api(self, asked: Asked) -> Reply:
        route = asked.path[2:]
        if route == ("me",):
            return Reply(200, {"email": "hub@xfel.eu"})
        if route[0] == "users":
            numbers = self.users.get(int(route[1]))
            if numbers is None:
                return Reply(404, {"info": "not found"})
            if self.paged:
                size = min(int(asked.query["page_size"]), 100)
                begin = (int(asked.query["page"]) - 1) * size
                numbers = numbers[begin : begin + size]
            return Reply(200, [{"proposal_id": number % 1000, "proposal_number": number} for number in numbers])
        if route[:2] == ("proposals", "by_number"):
            found = next((one for one in self.proposals if one["number"] == int(route[2])), None)
            return Reply(200, found) if found else Reply(404, {"info": "not found"})
        if route == ("instrument_cycles", "341"):
            return Reply(200, {"id": 341, "identifier": "201802", "begin_at": None})
        return Reply(404, {})
