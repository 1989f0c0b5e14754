"""myMdC: a person's proposals and their runs."""

from __future__ import annotations

from fakes.server import Asked, Fake, Reply


class MyMdc(Fake):
    """Ada is 17 and on two proposals; 2147 is somebody else's."""

    def __init__(self) -> None:
        super().__init__()
        self.proposals = {
            2145: {"number": 2145, "title": "Ferrofluid droplets", "instrument_identifier": "SPB", "begin_at": "2019-06-01T00:00:00.000+02:00",
                   "end_at": "2019-06-08T00:00:00.000+02:00", "release_at": "2022-06-08", "def_proposal_path": "/gpfs/exfel/exp/SPB/201901/p002145"},
            2146: {"number": 2146, "title": "Water jet", "instrument_identifier": "FXE", "begin_at": "2026-02-01T00:00:00.000+01:00",
                   "release_at": "2029-02-01", "def_proposal_path": "/gpfs/exfel/exp/FXE/202601/p002146"},
            2147: {"number": 2147, "title": "Not yours", "instrument_identifier": "FXE"},
        }  # fmt: skip
        self.wrapped = False

    async def answer(self, asked: Asked) -> Reply:
        if asked.headers.get("Authorization") != "Bearer token-of-ada":
            return Reply(401, {"info": "Unauthorized"})
        if "version=1" not in asked.headers.get("Accept", ""):
            return Reply(406, {})
        path = asked.path[1:]
        if path == ("me",):
            return Reply(content={"id": 17, "email": "ada@example.org"})
        if path == ("users", "17", "proposals"):
            return Reply(
                content=[
                    {"proposal_number": 2145},
                    {"proposal_number": 2146},
                    {"proposal_number": None},
                    {"proposal_number": "x"},
                ]
            )
        if path[:2] == ("proposals", "by_number"):
            proposal = self.proposals.get(int(path[2]))
            if proposal is None:
                return Reply(404, {})
            return Reply(content=self.runs(proposal["number"]) if path[3:] == ("runs",) else proposal)
        return Reply(404, {})

    def runs(self, number: int) -> object:
        """Three runs each, one of them wrong."""
        year = 2019 if number == 2145 else 2026
        runs = [
            {
                "run_number": run,
                "begin_at": f"{year}-06-0{run}T10:00:00Z",
                "size": 100 * run,
                "num_files": 4,
                "sample": {"name": f"drop {run}"},
            }
            for run in (1, 2, 3)
        ] + [{"run_number": "four"}]
        return {"runs": runs} if self.wrapped else runs
