"""A tiled server, as its routes answer."""

from __future__ import annotations

from typing import Any

from fakes.server import Asked, Fake, Reply

Thing = dict[str, Any]


def node(key: str, metadata: Thing, ancestors: list[str], *, public: bool = True, uri: str = "") -> Thing:
    """One node."""
    sources = (
        [{"assets": [{"data_uri": uri, "is_directory": False, "size": 7}, {"data_uri": "s3://bucket/x"}]}]
        if uri
        else []
    )
    attributes = {
        "ancestors": ancestors, "structure_family": "array", "specs": [], "metadata": metadata,
        "structure": {"shape": [3]}, "data_sources": sources,
    }  # fmt: skip
    return {"id": key, "attributes": attributes, "links": {"self": "x"}, "meta": None, "public": public}


class Tiled(Fake):
    """A tree of one level below ``raw``."""

    def __init__(self) -> None:
        super().__init__()
        wave = {"value": 5.0, "units": "angstrom"}
        self.nodes = [
            node("scan1", {"title": "Ferrofluid", "proposal_id": "900001", "incident_wavelength": wave, "start_time": "2024-01-02"},
                 ["raw"], uri="file://localhost/data/900001/scan%201.h5"),
            node("scan2", {"title": "<script>x</script>", "proposal_id": 7, "nested": {"a": {"b": 1}}, "flag": True}, ["raw"]),
            node("scan3", {"title": "Secret ferrofluid"}, ["raw"], public=False),
        ]  # fmt: skip

    async def answer(self, asked: Asked) -> Reply:
        token = asked.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token != "token-of-ada":
            return Reply(401, {"detail": "Could not validate credentials"})
        seen = [one for one in self.nodes if one["public"] or token]
        if asked.path == ("api", "v1", "search"):
            return Reply(307, b"", {"location": "/api/v1/search/"})
        if asked.path in (("api", "v1", "search", "raw"), ("api", "v1", "search", "")):
            words = asked.query.get("filter[fulltext][condition][text]", "").lower().split()
            found = [
                one
                for one in seen
                if not words or any(word in str(one["attributes"]["metadata"]).lower() for word in words)
            ]
            skip, limit = int(asked.query.get("page[offset]", 0)), int(asked.query.get("page[limit]", 100))
            page = [{key: value for key, value in one.items() if key != "public"} for one in found[skip : skip + limit]]
            return Reply(content={"data": page, "error": None, "links": {}, "meta": {"count": len(found)}})
        if asked.path[:4] == ("api", "v1", "metadata", "raw"):
            one = next((one for one in seen if (one["id"],) == asked.path[4:]), None)
            return Reply(content={"data": one, "error": None}) if one else Reply(404, {"detail": "No such entry."})
        return Reply(404, {"detail": "not here"})
