"""What the hub tells its portal about a person: the same as a start would be decided, written down, and nothing to others."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest
from launch_support import PERSON, SP, SPALL, grant, site
from pydantic import SecretStr

from panosc_spawner.audit import AuditLog
from panosc_spawner.errors import SourceError, TokenError
from panosc_spawner.facilities.access_rules import TokenRule
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.portal_staging_rules import Remote, StagingRules
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.exchange import GivenToken
from panosc_spawner.identity.person import Person
from panosc_spawner.launch.model import Reason
from panosc_spawner.launch.names import server_name
from panosc_spawner.launch.plan import granted_mounts
from panosc_spawner.portal import desk as desk_module
from panosc_spawner.portal.desk import PortalDesk
from panosc_spawner.proposals.book import GrantBook
from panosc_spawner.proposals.model import Grant
from panosc_spawner.spawners.context import HubContext
from panosc_spawner.spawners.real_mounts import real_directories
from panosc_spawner.spawners.refused import Refused


class Source:
    name = "user office list"
    facilities = frozenset({SPALL, "synchrotron"})

    def __init__(self, *grants_now: Grant) -> None:
        self.grants_now, self.down = list(grants_now), False

    async def grants(self, person: Person) -> list[Grant]:
        if self.down:
            raise SourceError(self.name, "no answer")
        return [replace(each, seen_at=datetime.now(UTC)) for each in self.grants_now]

    async def check(self) -> str:
        return "fine"


class Tokens:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.refuses, self.lifetime = False, timedelta(minutes=5)

    async def given(self, person: Person, audience: str, scope: str = "") -> GivenToken:
        self.asked.append((person.username, audience))
        if self.refuses:
            raise TokenError("Your login has ended.")
        return GivenToken(SecretStr(f"for {audience} {scope}".strip()), datetime.now(UTC) + self.lifetime)


def over_real_directories(folder: Path) -> Site:
    """The tests' site with its data beneath ``folder``."""
    made = site(account={"kind": "shared"}, home={"source": "/home/{user}"})
    facilities = {}
    for key, facility in made.facilities.items():
        assert facility.paths
        root = folder / key
        root.mkdir()
        facilities[key] = facility.model_copy(update={"paths": facility.paths.model_copy(update={"root": root})})
    return replace(made, facilities=facilities)


@pytest.fixture
def desk(tmp_path: Path) -> PortalDesk:
    return make_desk(tmp_path, Source(grant(SP, role=Role.MEMBER)))


def make_desk(tmp_path: Path, source: Source) -> PortalDesk:
    made = over_real_directories(tmp_path)
    audit = AuditLog(tmp_path / "audit.jsonl")
    context = HubContext(made, GrantBook(made, sources=[source]), audit)
    for mount in planned_mounts(context):
        Path(mount.source).mkdir(parents=True, exist_ok=True)
    return PortalDesk(context, Tokens(), {"ill": "https://search.example"})  # type: ignore[arg-type]


def planned_mounts(context: HubContext) -> Iterator[Any]:
    found = granted_mounts(grant(SP, role=Role.PI), PurePosixPath("/p"), context.site)
    assert isinstance(found, list), found
    return iter(found)


def written(desk: PortalDesk) -> list[dict[str, Any]]:
    file = desk.context.audit.file
    assert file
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


async def test_data_are_where_a_start_would_take_them_from(desk: PortalDesk, tmp_path: Path) -> None:
    told = await desk.data(PERSON, str(SP), "download")
    assert told["ref"] == str(SP)
    assert {area["area"] for area in told["areas"]} >= {"raw"}
    for area in told["areas"]:
        assert Path(area["path"]).is_dir()
        assert Path(area["path"]).is_relative_to(area["root"])
        assert Path(area["root"]).is_relative_to(tmp_path)
    assert told["uid"] >= 1000
    assert json.dumps(told)


async def test_local_servers_read_as_the_hub_does_and_so_does_its_portal(desk: PortalDesk) -> None:
    assert (await desk.data(PERSON, str(SP), "download"))["own"] is False
    config = desk.context.site.config
    local = config.model_copy(update={"hub": config.hub.model_copy(update={"spawner": "local"})})
    desk.context = replace(desk.context, site=replace(desk.context.site, config=local))
    told = await desk.data(PERSON, str(SP), "download")
    assert (told["own"], told["uid"], told["gid"]) == (True, os.geteuid(), os.getegid())


async def test_it_is_written_down_with_the_purpose_and_once_in_ten_minutes(
    desk: PortalDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(desk_module.time, "monotonic", lambda: now[0])
    for _ in range(3):
        await desk.data(PERSON, str(SP), "download")
        now[0] += 60
    await desk.data(PERSON, str(SP), "preview")
    lines = written(desk)
    assert [(line["event"], line["person"], line["proposal"], line["reason"]) for line in lines] == [
        ("data-read", PERSON.username, str(SP), "download"),
        ("data-read", PERSON.username, str(SP), "preview"),
    ]
    assert lines[0]["role"] == "member"
    assert lines[0]["paths"]
    now[0] += 600
    await desk.data(PERSON, str(SP), "download")
    assert len(written(desk)) == 3


@pytest.mark.parametrize(
    ("ref", "purpose", "reason"),
    [
        (f"{SPALL}/not-mine-1", "download", None),
        ("../etc", "download", Reason.BAD_REQUEST),
        ("nowhere/x1", "download", Reason.BAD_REQUEST),
        ("", "download", Reason.BAD_REQUEST),
        (str(SP), "because", Reason.BAD_REQUEST),
        (str(SP), "", Reason.BAD_REQUEST),
    ],
)
async def test_anything_else_is_refused_in_words_and_written_down(
    desk: PortalDesk, ref: str, purpose: str, reason: Reason | None
) -> None:
    with pytest.raises(Refused) as caught:
        await desk.data(PERSON, ref, purpose)
    assert caught.value.refusal.message
    assert reason is None or caught.value.refusal.reason is reason
    (line,) = written(desk)
    assert line["event"] == "refusal"


async def test_a_right_that_is_gone_ends_it_at_the_next_question(tmp_path: Path) -> None:
    source = Source(grant(SP))
    desk = make_desk(tmp_path, source)
    desk.context.book._now = lambda: datetime.now(UTC) + timedelta(minutes=later)  # type: ignore[method-assign]
    later = 0
    await desk.data(PERSON, str(SP), "download")
    source.grants_now, later = [], 1
    with pytest.raises(Refused) as caught:
        await desk.data(PERSON, str(SP), "download")
    assert caught.value.refusal.reason is Reason.NOT_GRANTED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ends_at": datetime(2020, 1, 1, tzinfo=UTC)}, Reason.ENDED),
        ({"not_before": datetime(2100, 1, 1, tzinfo=UTC)}, Reason.NOT_YET),
    ],
)
async def test_rights_that_do_not_hold_now(tmp_path: Path, changes: dict[str, Any], reason: Reason) -> None:
    desk = make_desk(tmp_path, Source(grant(SP, **changes)))
    with pytest.raises(Refused) as caught:
        await desk.data(PERSON, str(SP), "download")
    assert caught.value.refusal.reason is reason
    assert (await desk.person(PERSON, user()))["proposals"] == []


async def test_a_source_that_is_down_gives_nothing_and_says_so(tmp_path: Path) -> None:
    source = Source(grant(SP))
    source.down = True
    desk = make_desk(tmp_path, source)
    with pytest.raises(Refused) as caught:
        await desk.data(PERSON, str(SP), "download")
    assert caught.value.refusal.reason is Reason.SOURCE_DOWN
    assert "user office list" in (await desk.person(PERSON, user()))["troubles"][0]


async def test_a_link_out_of_the_facility_is_refused(desk: PortalDesk, tmp_path: Path) -> None:
    (mount, *_) = planned_mounts(desk.context)
    place = Path(mount.source)
    with suppress(FileNotFoundError):
        place.rmdir()
    (tmp_path / "elsewhere").mkdir()
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused) as caught:
        await desk.data(PERSON, str(SP), "download")
    assert caught.value.refusal.reason is Reason.BAD_PATH


async def test_who_brings_data_is_told_where_they_will_be(desk: PortalDesk, tmp_path: Path) -> None:
    for mount in planned_mounts(desk.context):
        with suppress(OSError):
            Path(mount.source).rmdir()
            Path(mount.source).parent.rmdir()
    with pytest.raises(Refused):
        await desk.data(PERSON, str(SP), "download")
    told = await desk.data(PERSON, str(SP), "stage")
    assert {area["area"] for area in told["areas"]} == {"raw", "processed"}
    for area in told["areas"]:
        assert not Path(area["path"]).exists()
        assert Path(area["path"]).is_relative_to(area["root"])


async def test_data_are_not_brought_through_a_link_to_elsewhere(desk: PortalDesk, tmp_path: Path) -> None:
    (mount, *_) = planned_mounts(desk.context)
    proposal = Path(mount.source).parent
    for each in planned_mounts(desk.context):
        with suppress(OSError):
            Path(each.source).rmdir()
    proposal.rmdir()
    (tmp_path / "elsewhere").mkdir()
    proposal.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused) as caught:
        await desk.data(PERSON, str(SP), "stage")
    assert caught.value.refusal.reason is Reason.BAD_PATH
    proposal.unlink()
    proposal.symlink_to(Path(mount.root) / "sp8")
    with pytest.raises(Refused, match="another proposal"):
        await desk.data(PERSON, str(SP), "stage")
    proposal.unlink()
    Path(mount.root).rmdir()
    with pytest.raises(Refused, match="not there"):
        await desk.data(PERSON, str(SP), "stage")


def user(*spawners: Any) -> Any:
    return SimpleNamespace(
        name=PERSON.username,
        spawners={one.name: one for one in spawners},
        server_url=lambda name: f"/user/{PERSON.username}/{name}/",
    )


async def test_what_is_theirs(desk: PortalDesk) -> None:
    name = server_name((SP,))
    running = SimpleNamespace(
        name=name, active=True, ready=True, summary={"proposals": [str(SP)], "environment": f"{SPALL}/base"}
    )
    starting = SimpleNamespace(name="p-x", active=True, ready=False, summary={})
    ended = SimpleNamespace(name="p-y", active=False, ready=False, summary={"proposals": ["a/b"]})
    told = await desk.person(PERSON, user(running, starting, ended))
    assert [one["ref"] for one in told["proposals"]] == [str(SP)]
    assert [(one["name"], one["ready"], one["proposals"]) for one in told["servers"]] == [
        (name, True, [str(SP)]),
        ("p-x", False, []),
    ]
    assert told["troubles"] == []
    assert json.dumps(told)


async def test_a_token_only_for_a_catalogue_of_the_site(desk: PortalDesk) -> None:
    assert await desk.token(PERSON, "ill") == "for https://search.example"
    assert await desk.token(PERSON, "ill") == "for https://search.example"
    for other in ("https://search.example", "esrf", ""):
        with pytest.raises(Refused):
            await desk.token(PERSON, other)
    assert {audience for _, audience in desk.tokens.asked} == {"https://search.example"}  # type: ignore[attr-defined]
    (line,) = written(desk)
    assert (line["event"], line["reason"]) == ("token-given", "ill")
    assert "for https" not in json.dumps(line)


async def test_a_storages_token_only_for_who_has_a_proposal_there(desk: PortalDesk) -> None:
    rule = TokenRule(audience="https://dcache.example", facilities=(SPALL,), scope="storage.read:/")
    desk.storages = {"dcache": rule, "other": TokenRule(audience="https://other.example", facilities=("synchrotron",))}
    assert await desk.token(PERSON, "dcache") == "for https://dcache.example storage.read:/"
    desk.tokens.lifetime = timedelta(hours=1)  # type: ignore[attr-defined]
    with pytest.raises(Refused, match="longer than this hub allows"):
        await desk.token(PERSON, "dcache")
    desk.tokens.lifetime = timedelta(minutes=5)  # type: ignore[attr-defined]
    with pytest.raises(Refused, match="no proposal whose data are there"):
        await desk.token(PERSON, "other")
    desk.context.book.sources[0].down = True  # type: ignore[attr-defined]
    desk.clock = lambda: datetime.now(UTC) + timedelta(hours=2)
    with pytest.raises(Refused):
        await desk.token(PERSON, "dcache")


async def test_a_login_service_that_gives_none_is_told(desk: PortalDesk) -> None:
    desk.tokens.refuses = True  # type: ignore[attr-defined]
    with pytest.raises(Refused, match="Your login has ended"):
        await desk.token(PERSON, "ill")
    assert [line["event"] for line in written(desk)] == ["token-refused"]


async def test_for_staging_a_directory_is_named_that_is_not_there_yet(desk: PortalDesk) -> None:
    there = await desk.data(PERSON, str(SP), "stage")
    for mount in planned_mounts(desk.context):
        Path(mount.source).rmdir()
    assert (await desk.data(PERSON, str(SP), "stage"))["areas"] == there["areas"]
    with pytest.raises(Refused) as caught:
        await desk.data(PERSON, str(SP), "download")
    assert caught.value.refusal.reason is Reason.MISSING_DIRECTORY


async def test_for_staging_a_link_out_of_the_facility_is_refused_as_well(desk: PortalDesk, tmp_path: Path) -> None:
    (mount, *_) = planned_mounts(desk.context)
    place = Path(mount.source)
    place.rmdir()
    (tmp_path / "elsewhere").mkdir()
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused) as caught:
        await desk.data(PERSON, str(SP), "stage")
    assert caught.value.refusal.reason is Reason.BAD_PATH


async def test_data_that_are_elsewhere_are_said_to_be_there(desk: PortalDesk) -> None:
    (mount, *_) = planned_mounts(desk.context)
    Path(mount.source).rmdir()
    remote = Remote.model_validate(
        {
            "name": "far",
            "title": "Storage at the facility",
            "facility": SP.facility,
            "areas": [mount.area],
            "kind": "webdav",
            "url": "https://storage.example.org",
            "token": {"by": "none"},
        }
    )
    config = desk.context.site.config
    rules = config.portal.model_copy(update={"enabled": True, "staging": StagingRules(remotes=(remote,))})
    elsewhere = replace(desk.context.site, config=config.model_copy(update={"portal": rules}))
    with pytest.raises(Refused) as caught:
        real_directories([mount], elsewhere)
    assert "are at Storage at the facility" in caught.value.refusal.message
    assert caught.value.refusal.remedy.endswith(f"/services/portal/stage/{SP}")
