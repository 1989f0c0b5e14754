"""Tokens for people's code and for sources: who gets which, for how long, and what is never given."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from access_fakes import Users, stored_user
from launch_support import MA, PERSON, SP, SPALL, grant, site
from pydantic import SecretStr

from panosc_spawner.access.broker import HubTokens
from panosc_spawner.access.tokens import PER_MINUTE, Refused, TokenDesk
from panosc_spawner.errors import SourceError, TokenError
from panosc_spawner.identity.exchange import GivenToken
from panosc_spawner.identity.person import Person
from panosc_spawner.proposals.book import GrantBook
from panosc_spawner.proposals.model import Grant
from panosc_spawner.spawners.context import HubContext

SITE = site(tokens={"archive": {"audience": "https://archive.example", "facilities": [SPALL], "scope": "read"}})


@dataclass
class Source:
    grants_now: list[Grant]
    name: str = "user office list"
    facilities: frozenset[str] = frozenset({SPALL, "synchrotron"})
    down: bool = False

    async def grants(self, person: Person) -> list[Grant]:
        if self.down:
            raise SourceError(self.name, "no answer")
        return [replace(each, seen_at=datetime.now(UTC)) for each in self.grants_now]

    async def check(self) -> str:
        return "fine"


class Exchange:
    """A login service that gives tokens of a fixed lifetime, each another."""

    def __init__(self, lifetime: timedelta = timedelta(minutes=5)) -> None:
        self.lifetime, self.asked, self.pause = lifetime, [], 0.0  # type: ignore[var-annotated]

    async def exchange_token(self, user: Any, audience: str, scope: str = "") -> GivenToken:
        self.asked.append((user.name, audience, scope))
        await asyncio.sleep(self.pause)
        return GivenToken(SecretStr(f"token-{len(self.asked)}"), datetime.now(UTC) + self.lifetime)


def make_desk(source: Source | None = None, exchange: Exchange | None = None) -> TokenDesk:
    context = HubContext(SITE, GrantBook(SITE, sources=[source or Source([grant(SP)])]))
    return TokenDesk(context, exchange or Exchange())


def make_server(*, ready: bool = True, token: int = 7, shares: tuple[object, ...] = (), held: str = str(SP)) -> Any:
    row = SimpleNamespace(shares=list(shares), share_codes=[])
    summary = {"proposals": [held]}
    return SimpleNamespace(name="p-sp7", token=token, ready=ready, orm_spawner=row, summary=summary)


def user_with(*spawners: Any) -> Any:
    return SimpleNamespace(name="p-ada", spawners={spawner.name: spawner for spawner in spawners})


TOKEN = SimpleNamespace(id=7)


def test_only_the_own_token_of_a_running_server_that_nobody_shares() -> None:
    desk, server = make_desk(), make_server()
    assert desk.server_of(user_with(server), TOKEN) is server
    for spawner, token, code in (
        (make_server(), None, "not-a-server"),
        (make_server(), SimpleNamespace(id=8), "not-a-server"),
        (make_server(token=0), SimpleNamespace(id=0), "not-a-server"),
        (make_server(ready=False), TOKEN, "not-running"),
        (make_server(shares=("a share",)), TOKEN, "shared"),
    ):
        with pytest.raises(Refused) as caught:
            desk.server_of(user_with(spawner), token)
        assert (caught.value.code, caught.value.status) == (code, 403)


async def test_only_for_a_proposal_of_an_allowing_facility_that_is_live_now() -> None:
    rule = SITE.config.tokens["archive"]
    assert await make_desk().proposal_for(PERSON, make_server(), rule) == str(SP)
    gone, down = Source([]), Source([], down=True)
    over = Source([grant(SP, ends_at=datetime.now(UTC) - timedelta(minutes=1))])
    for source, held, code in (
        (gone, SP, "not-granted"),
        (down, SP, "not-granted"),
        (over, SP, "grant-ended"),
        (Source([grant(MA)]), MA, "no-proposal"),
    ):
        with pytest.raises(Refused) as caught:
            await make_desk(source).proposal_for(PERSON, make_server(held=str(held)), rule)
        assert caught.value.code == code and str(caught.value)


async def test_it_is_for_the_rules_audience_and_never_good_for_longer() -> None:
    exchange = Exchange()
    value, ends = await make_desk(exchange=exchange).give(user_with(), SITE.config.tokens["archive"])
    assert value == "token-1" and ends > datetime.now(UTC)
    assert exchange.asked == [("p-ada", "https://archive.example", "read")]
    with pytest.raises(Refused, match="longer than this hub allows"):
        await make_desk(exchange=Exchange(timedelta(hours=1))).give(user_with(), SITE.config.tokens["archive"])


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(Refused, match="it gives: archive"):
        make_desk().rule("../x")


def test_a_loop_that_asks_all_the_time_is_slowed_down_and_the_next_server_is_not() -> None:
    desk, server = make_desk(), make_server()
    other = make_server()
    other.name = "p-other"
    for _ in range(PER_MINUTE):
        desk.slow_down(user_with(server), server)
    with pytest.raises(Refused) as caught:
        desk.slow_down(user_with(server), server)
    assert caught.value.status == 429
    desk.slow_down(user_with(other), other)


# -- the broker, for sources ------------------------------------------------------------------------------------------


def opened(exchange: Exchange) -> tuple[HubTokens, Person]:
    user = stored_user("p-ada", "p-sp7")
    tokens = HubTokens()
    tokens.open(SimpleNamespace(db=user.db, users=Users(user)), exchange)
    return tokens, replace(PERSON, username="p-ada")


async def test_a_token_for_each_audience_is_kept_until_shortly_before_its_end() -> None:
    exchange = Exchange()
    tokens, person = opened(exchange)
    first = await tokens.token(person, "a")
    assert (await tokens.token(person, "a")) == first
    assert (await tokens.token(person, "b")) != first, "never one source's token to another"
    assert [audience for _, audience, _ in exchange.asked] == ["a", "b"]
    exchange.lifetime = timedelta(seconds=20)
    tokens.forget("p-ada")
    await tokens.token(person, "a")
    await tokens.token(person, "a")
    assert len(exchange.asked) == 4, "what ends soon is not used again"


async def test_who_asks_together_gets_the_same_and_one_exchange_is_made() -> None:
    exchange = Exchange()
    exchange.pause = 0.05
    tokens, person = opened(exchange)
    values = await asyncio.gather(*(tokens.token(person, "a") for _ in range(20)))
    assert len(exchange.asked) == 1 and len({value.get_secret_value() for value in values}) == 1


async def test_a_login_that_ends_while_a_token_is_made_gets_none() -> None:
    exchange = Exchange()
    exchange.pause = 5
    tokens, person = opened(exchange)
    asking = asyncio.create_task(tokens.token(person, "a"))
    await asyncio.sleep(0.02)
    tokens.forget("p-ada")
    with pytest.raises(TokenError, match="ended"):
        await asking


async def test_before_the_hub_runs_and_for_strangers_there_is_none() -> None:
    with pytest.raises(TokenError):
        await HubTokens().token(PERSON, "a")
    tokens, _ = opened(Exchange())
    with pytest.raises(TokenError):
        await tokens.token(replace(PERSON, username="p-nobody"), "a")
