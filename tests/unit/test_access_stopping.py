"""Stopping for good, ending logins, and asking again: with the hub's real database, and servers that do not want to end."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from access_fakes import Users, stored_user
from jupyterhub import orm
from launch_support import PERSON, SITE

from panosc_spawner.access import stopping
from panosc_spawner.access.endings import Endings, end_sessions, ending_refusal, tokens_of_servers, withdraw_admin
from panosc_spawner.access.logins import LoginWatch
from panosc_spawner.access.stopping import Stopper
from panosc_spawner.audit import AuditLog
from panosc_spawner.identity.renewal import Ending, Renewal
from panosc_spawner.launch.model import Reason, Refusal
from panosc_spawner.proposals.book import GrantBook
from panosc_spawner.spawners.context import HubContext

WHY = Refusal(Reason.REVOKED, "It is not yours any more.", "Ask.")


class Remains:
    """What is left of a server, for so many tries."""

    def __init__(self, tries: int) -> None:
        self.tries = tries

    async def end(self) -> bool:
        self.tries -= 1
        return self.tries < 0


class Server:
    """A server; its stop may fail, or leave something behind."""

    def __init__(self, row: Any, *, left: int = 0, pending: str = "", token: int = 0) -> None:
        self.name, self.orm_spawner, self.active, self.ready = row.name, row, True, not pending
        self.pending, self.token, self.api_token = pending, token, ""
        self.left, self.problem, self.hurried, self.looked = left, None, 0, 0
        self.summary: dict[str, Any] = {"proposals": ["spallation/sp7"]}

    def hurry(self, seconds: int) -> None:
        self.hurried = seconds

    async def remains(self) -> Remains:
        self.looked += 1
        return Remains(self.left)

    def get_state(self) -> dict[str, Any]:
        return {"problem": {"message": self.problem.message if self.problem else ""}}


class Hands:
    def __init__(self, app: Any) -> None:
        self.app, self.stopped, self.kept, self.pause = app, [], [], 0.0  # type: ignore[var-annotated]
        self.asked: list[str] = []

    async def stop(self, user: Any, name: str) -> bool:
        await asyncio.sleep(self.pause)
        self.stopped.append(name)
        user.spawners[name].active = False
        return True

    async def keep_login(self, user: Any, model: Any) -> None:
        self.kept.append(model)
        await user.save_auth_state(model["auth_state"])

    def was_asked(self, user: Any) -> None:
        self.asked.append(user.name)


class Hub:
    """One user with servers, in a real database; auth_state is kept as it is."""

    def __init__(self, folder: Path, *servers: str) -> None:
        self.user = stored_user("p-ada", *servers)
        self.row, self.db = self.user.orm_user, self.user.db
        self.state: dict[str, Any] | None = None
        self.user.get_auth_state, self.user.save_auth_state = self._get, self._save  # type: ignore[method-assign]
        self.user.spawners = {name: Server(self.row.orm_spawners[name]) for name in servers}
        self.hands = Hands(SimpleNamespace(db=self.db, users=Users(self.user)))
        self.stopper = Stopper(self.hands)  # type: ignore[arg-type]
        self.context = HubContext(SITE, GrantBook(SITE, sources=[]), AuditLog(folder / "audit.jsonl"))
        self.folder = folder

    async def _get(self) -> dict[str, Any] | None:
        return self.state

    async def _save(self, state: dict[str, Any] | None) -> None:
        self.state = state

    def token(self, **fields: Any) -> int:
        row = orm.APIToken(user=self.row, hashed=f"x{self.db.query(orm.APIToken).count()}", **fields)
        self.db.add(row)
        self.db.commit()
        return int(row.id)

    def tokens(self) -> set[int]:
        return {row.id for row in self.db.query(orm.APIToken)}

    def audit(self) -> list[dict[str, Any]]:
        file = self.folder / "audit.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path, "p-sp7", "p-two")


def stored(age: timedelta = timedelta(minutes=1), login: str = "one") -> dict[str, Any]:
    person = {**PERSON.to_state(), "seen_at": (datetime.now(UTC) - age).isoformat()}
    return {"person": person, "login": {"id": login}, "access_token": "secret"}


# -- stopping ------------------------------------------------------------------------------------------------------------


async def test_the_reason_is_kept_whatever_the_engine_says(hub: Hub) -> None:
    server = hub.user.spawners["p-sp7"]
    assert await hub.stopper.stop(hub.user, "p-sp7", WHY)
    assert server.problem is WHY and server.hurried == stopping.GRACE_SECONDS
    assert hub.row.orm_spawners["p-sp7"].state["problem"]["message"] == WHY.message


async def test_what_a_stop_leaves_behind_is_pursued_until_it_is_gone(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "PURSUIT_SECONDS", 0.01)
    hub.user.spawners["p-sp7"].left = 20
    assert not await hub.stopper.stop(hub.user, "p-sp7", WHY)
    assert hub.stopper.pursued == 1
    async with asyncio.timeout(5):
        while hub.stopper.pursued:
            await asyncio.sleep(0.01)


async def test_of_a_start_what_is_made_meanwhile_is_looked_for_again(hub: Hub) -> None:
    server = hub.user.spawners["p-sp7"] = Server(hub.row.orm_spawners["p-sp7"], pending="spawn")
    await hub.stopper.stop(hub.user, "p-sp7", WHY)
    assert server.looked == 2


async def test_two_stops_of_one_server_are_one(hub: Hub) -> None:
    hub.hands.pause = 0.05
    await asyncio.gather(*(hub.stopper.stop(hub.user, "p-sp7", WHY) for _ in range(5)))
    assert hub.hands.stopped == ["p-sp7"]


# -- endings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", list(Ending))
async def test_each_ending_drops_sessions_and_tokens_and_some_end_servers(hub: Hub, ending: Ending) -> None:
    own, other = hub.token(note="Server at /user/p-ada/p-sp7/"), hub.token(note="a script")
    hub.user.spawners["p-sp7"].token = own
    hub.db.add(orm.OAuthCode(user_id=hub.row.id, code="c", expires_at=2**31 - 1, redirect_uri="/"))
    cookie, hub.state, forgotten = hub.row.cookie_id, stored(), []  # type: ignore[var-annotated]
    endings = Endings(hub.context, hub.stopper, forgotten.append)
    await endings.end_access("p-ada", ending, "for a test")
    assert hub.row.cookie_id != cookie and other not in hub.tokens() and forgotten == ["p-ada"]
    assert hub.db.query(orm.OAuthCode).count() == 0
    assert (own in hub.tokens()) is not ending.ends_servers
    assert hub.state == (None if ending.ends_servers else {"person": hub.state and hub.state["person"]})
    await endings.finish()
    assert sorted(hub.hands.stopped) == (["p-sp7", "p-two"] if ending.ends_servers else [])
    (line,) = [line for line in hub.audit() if line["event"] == "login-ended"]
    assert (line["person"], line["reason"], line["evidence"]) == ("p-ada", ending.value, "for a test")
    assert bool(hub.context.notices.unread("p-ada")) is ending.ends_servers


def test_who_was_refused_by_the_login_service_reads_what_to_do() -> None:
    words = str(ending_refusal(Ending.REFUSED))
    for part in (
        "ran out or was ended there",
        "are kept",
        "Log in and open the proposal again",
        "ask your login service",
    ):
        assert part in words
    assert "ask your login service" not in str(ending_refusal(Ending.NOT_ALLOWED))


async def test_an_ending_that_is_told_again_is_written_down_once(hub: Hub) -> None:
    hub.state = stored()
    endings = Endings(hub.context, hub.stopper)
    for _ in range(3):
        await endings.ended_hook("p-ada", Ending.TOO_OLD, "")
    assert len(hub.audit()) == 1


async def test_nobody_is_ended_whom_the_hub_does_not_know(hub: Hub) -> None:
    await Endings(hub.context, hub.stopper).end_access("p-nobody", Ending.REFUSED)
    assert hub.audit() == []


def test_administrators_lose_that_too(hub: Hub) -> None:
    for name in ("user", "admin", "administrator"):
        hub.db.add(orm.Role(name=name, scopes=[]))
    hub.db.commit()
    hub.row.admin = True
    hub.row.roles = list(hub.db.query(orm.Role))
    withdraw_admin(hub.db)
    assert not hub.row.admin and {role.name for role in hub.row.roles} == {"user", "administrator"}
    end_sessions(hub.db, hub.row, keep=set())
    assert {role.name for role in hub.row.roles} == {"user"}


def test_a_server_that_starts_keeps_its_token_too(hub: Hub) -> None:
    hub.db.add(orm.OAuthClient(identifier="jupyterhub"))
    plain = hub.user.new_api_token(note="Server at …", scopes=[])
    hub.user.spawners["p-two"].api_token = plain
    assert tokens_of_servers(hub.user) == hub.tokens()


# -- asking about logins -------------------------------------------------------------------------------------------------


class Service:
    """A login service that answers with what it is told to."""

    def __init__(self, hub: Hub) -> None:
        self.hub, self.answer, self.asked, self.meanwhile = hub, Renewal(), 0, None  # type: ignore[var-annotated]

    async def renew(self, user: Any) -> Renewal:
        self.asked += 1
        if self.meanwhile:
            self.hub.state = self.meanwhile
        return self.answer


def model(**changes: Any) -> Renewal:
    fresh = stored(timedelta())
    return Renewal(model={"name": "p-ada", "admin": False, "auth_state": {**fresh, **changes}})


def watch(hub: Hub) -> tuple[LoginWatch, Service]:
    service = Service(hub)
    hub.user._auth_refreshed = False
    return LoginWatch(hub.context, service, hub.hands), service  # type: ignore[arg-type]


async def test_an_unchanged_login_is_not_stored_each_time(hub: Hub) -> None:
    logins, service = watch(hub)
    hub.state, service.answer = stored(), model()
    known = await logins.look(hub.user)
    assert known.person and datetime.now(UTC) - known.person.seen_at < timedelta(seconds=5)
    assert hub.hands.kept == []
    assert hub.hands.asked == ["p-ada"], "nor does the next request ask again"
    hub.state = stored(timedelta(minutes=6))
    await logins.look(hub.user)
    assert len(hub.hands.kept) == 1, "but before it becomes old"


async def test_what_is_new_is_stored_at_once(hub: Hub) -> None:
    logins, service = watch(hub)
    hub.state, service.answer = stored(), model(access_token="rotated")
    await logins.look(hub.user)
    assert hub.hands.kept and hub.state and hub.state["access_token"] == "rotated"


async def test_what_is_heard_of_an_older_login_ends_no_newer_one(hub: Hub) -> None:
    logins, service = watch(hub)
    hub.state, service.answer, service.meanwhile = stored(), Renewal(ending=Ending.REFUSED), stored(login="two")
    assert (await logins.look(hub.user)).ending is None
    service.answer = model()
    hub.state = stored()
    await logins.look(hub.user)
    assert hub.state and hub.state["login"] == {"id": "two"} and hub.hands.kept == []


async def test_a_silent_service_is_asked_about_one_person_and_seen_as_down_until_the_grace_is_over(hub: Hub) -> None:
    logins, service = watch(hub)
    hub.state = stored()
    for _ in range(50):
        assert (await logins.look(hub.user)).ending is None
    assert service.asked == 1
    assert [outage.kind for outage in hub.context.outages.down()] == ["login"]
    hub.state, service.answer = stored(timedelta(hours=2)), Renewal(ending=Ending.OUTAGE)
    assert (await logins.look(hub.user)).ending is Ending.OUTAGE
    logins, service = watch(hub)
    hub.state, service.answer = stored(), model()
    await logins.look(hub.user)
    assert hub.context.outages.down() == ()


async def test_of_a_login_that_is_over_the_person_is_known_as_long_as_servers_run(hub: Hub) -> None:
    logins, service = watch(hub)
    hub.state = {"person": PERSON.to_state()}
    known = await logins.look(hub.user)
    assert known.person and known.ending is None and service.asked == 0
    for server in hub.user.spawners.values():
        server.active = False
    await logins.look(hub.user)
    assert hub.state is None
