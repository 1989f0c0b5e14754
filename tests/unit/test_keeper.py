"""What the keeper decides: pure, without a hub and without Docker."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from panosc_spawner.spawners.keeper import Container, Keeper, KeeperError, Server, orphans, overdue, read_servers

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LONG_SINCE = NOW - timedelta(days=1)  # the hub has heard its servers for long
OLD, YOUNG = NOW - timedelta(minutes=10), NOW - timedelta(seconds=119)


def container(id: str = "c1", person: str = "ada", server: str = "p-1", created_at: datetime = OLD) -> Container:
    return Container(id, f"panosc-{id}", person, server, created_at)


def server(
    person: str = "ada", name: str = "p-1", container: str = "", pending: bool = False, ends_at: datetime | None = None
) -> Server:
    return Server(person, name, container, pending, ends_at)


@pytest.mark.parametrize(
    ("found", "servers", "expected"),
    [
        ([container()], [], {"c1"}),
        ([container()], [server()], set()),
        ([container()], [server(pending=True)], set()),
        ([container(created_at=YOUNG)], [], set()),
        ([container(created_at=NOW + timedelta(days=1))], [], set()),
        ([container()], [server(name="p-2", container="c1")], set()),
        ([container()], [server(name="p-2")], {"c1"}),
        ([container()], [server(person="eve")], {"c1"}),
        ([container("helper", person="", server="")], [server()], {"helper"}),
        ([container("a"), container("b", server="p-2")], [server()], {"b"}),
    ],
)
def test_orphans(found: list[Container], servers: list[Server], expected: set[str]):
    assert orphans(found, servers, NOW) == expected


def test_overdue_servers_are_stopped_once_their_time_is_over_and_not_while_pending():
    over = server(ends_at=NOW)
    assert overdue([over], NOW, LONG_SINCE) == [over]
    assert overdue([server(ends_at=NOW + timedelta(seconds=1))], NOW, LONG_SINCE) == []
    assert overdue([server()], NOW, LONG_SINCE) == []
    assert overdue([server(ends_at=OLD, pending=True)], NOW, LONG_SINCE) == []


@pytest.mark.parametrize(
    ("last", "idle", "over"),
    [
        (NOW - timedelta(hours=2), timedelta(hours=2), True),
        (NOW - timedelta(minutes=119), timedelta(hours=2), False),
        (NOW - timedelta(days=2), None, False),
        (None, timedelta(hours=2), False),
        (NOW + timedelta(days=1), timedelta(hours=2), False),
    ],
)
def test_a_server_that_nobody_uses_is_stopped_where_the_site_says_so(
    last: datetime | None, idle: timedelta | None, over: bool
):
    quiet = Server("ada", "p-1", "", False, NOW + timedelta(hours=9), last, idle)
    assert overdue([quiet], NOW, LONG_SINCE) == ([quiet] if over else [])
    assert bool(quiet.why_over(NOW, LONG_SINCE)) is over
    assert overdue([replace(quiet, pending=True)], NOW, LONG_SINCE) == []


def test_why_is_said():
    quiet = Server("ada", "p-1", "", False, None, NOW - timedelta(hours=3), timedelta(hours=2))
    assert quiet.why_over(NOW, LONG_SINCE) == "nothing has happened in it since 2026-11-23 09:00 UTC"
    assert replace(quiet, ends_at=NOW).why_over(NOW, LONG_SINCE) == "its time is over"


@pytest.mark.parametrize(
    ("heard_since", "over"),
    [(None, False), (NOW, False), (NOW - timedelta(minutes=14), False), (NOW - timedelta(minutes=15), True)],
)
def test_silence_counts_once_the_hub_has_listened(heard_since: datetime | None, over: bool):
    quiet = Server("ada", "p-1", "", False, None, NOW - timedelta(hours=3), timedelta(hours=2))
    assert bool(overdue([quiet], NOW, heard_since)) is over
    assert overdue([replace(quiet, ends_at=NOW)], NOW, heard_since), "its time is over all the same"


class Hub:
    """A hub's API with one busy server, whose last word is from before the outage until it speaks again."""

    def __init__(self) -> None:
        self.now, self.answers, self.stopped = NOW, True, 0
        self.last = NOW - timedelta(hours=3)

    def servers(self) -> list[Server]:
        if not self.answers:
            raise KeeperError("the hub does not answer")
        return [Server("ada", "p-1", "", False, NOW + timedelta(days=9), self.last, timedelta(hours=2))]

    def stop(self, server: Server) -> None:
        self.stopped += 1


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def keeper(hub: Hub, tmp_path: Path) -> Keeper:
    config = SimpleNamespace(hub=SimpleNamespace(id="h", state_dir=tmp_path))
    return Keeper(SimpleNamespace(config=config), hub, None, lambda: hub.now)  # type: ignore[arg-type]


def rounds(keeper: Keeper, hub: Hub, minutes: int) -> None:
    for _ in range(minutes):
        keeper.round()
        hub.now += timedelta(minutes=1)


def test_after_an_outage_busy_servers_are_heard_first(keeper: Keeper, hub: Hub):
    rounds(keeper, hub, 6)  # they speak every five minutes, or every one
    hub.last = hub.now
    rounds(keeper, hub, 100)
    assert hub.stopped == 0
    rounds(keeper, hub, 30)
    assert hub.stopped > 0, "one that stays silent is stopped"


@pytest.mark.parametrize("silence", ["no answer", "the machine slept"])
def test_an_outage_while_the_keeper_runs_begins_it_anew(keeper: Keeper, hub: Hub, silence: str):
    hub.last = NOW
    rounds(keeper, hub, 60)
    if silence == "no answer":
        hub.answers = False
        rounds(keeper, hub, 120)
        hub.answers = True
    else:
        hub.now += timedelta(hours=2)
    rounds(keeper, hub, 15)
    assert hub.stopped == 0
    rounds(keeper, hub, 2)
    assert hub.stopped > 0


def test_the_hubs_answer_is_read():
    state = {"object_id": "c1", "panosc": {"ends_at": "2026-11-23T11:00:00+00:00", "idle": 7200.0}}
    used = "2026-11-23T10:00:00.000000Z"
    users = [
        {"name": "ada", "servers": {"p-1": {"name": "p-1", "pending": None, "state": state, "last_activity": used}}},
        {"name": "eve", "servers": {"": {"name": "", "pending": "spawn", "state": {}}}},
        {"name": "mo", "servers": {}},
    ]
    assert read_servers(users) == [
        Server("ada", "p-1", "c1", False, NOW - timedelta(hours=1), NOW - timedelta(hours=2), timedelta(hours=2)),
        server(person="eve", name="", pending=True),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        "[]",
        [None],
        [{"name": "ada"}],
        [{"name": "ada", "servers": []}],
        [{"name": "ada", "servers": {"p": {"name": "p", "pending": None}}}],
        [{"name": "ada", "servers": {"p": {"name": "p", "pending": None, "state": "x"}}}],
        [{"name": "ada", "servers": {"p": {"name": "p", "pending": None, "state": {"panosc": {"ends_at": "soon"}}}}}],
        [{"name": "ada", "servers": {"p": {"name": "p", "pending": None, "state": {"panosc": {"idle": "long"}}}}}],
        [{"name": "ada", "servers": {"p": {"name": "p", "pending": None, "state": {}, "last_activity": 7}}}],
    ],
)
def test_an_answer_that_is_not_the_hubs_proves_nothing(answer: object):
    with pytest.raises(KeeperError):
        read_servers(answer)
