"""A provider's keys: fetched once, again when one is new, and not as often as whoever likes."""

import asyncio
from datetime import UTC, datetime

import pytest
from token_support import CLIENT, ISSUER, KEY, RsaKey, id_claims, sign

from panosc_spawner.identity.keys import FRESH, PAUSE, KeyStore
from panosc_spawner.identity.refusals import ProviderDown
from panosc_spawner.identity.tokens import Expected, InvalidToken, Keys, UnknownKey, validate_id_token

NEW = RsaKey("two")
SAME_ID = RsaKey("one")
NONCE = "n-0123456789"


class Provider:
    def __init__(self):
        self.keys, self.asked, self.clock, self.down = [KEY], 0, 1000.0, False
        self.store = KeyStore(self.fetch, clock=lambda: self.clock)

    async def fetch(self):
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise ProviderDown("x")
        return Keys.from_document({"keys": [key.jwk() for key in self.keys]})

    async def validate(self, key, **changes):
        token = sign(id_claims(**changes), key)
        return await self.store.validated(
            lambda keys: validate_id_token(token, keys, Expected(ISSUER, CLIENT), datetime.now(UTC), nonce=NONCE)
        )


@pytest.fixture
def provider():
    return Provider()


async def test_keys_are_fetched_once_and_again_after_an_hour(provider):
    for _ in range(5):
        await provider.validate(KEY)
    assert provider.asked == 1
    provider.clock += FRESH.total_seconds() + 1
    await provider.validate(KEY)
    assert provider.asked == 2


async def test_a_rollover_is_noticed_by_the_first_token_with_the_new_key(provider):
    await provider.validate(KEY)
    provider.keys, provider.clock = [KEY, NEW], provider.clock + PAUSE.total_seconds()
    await provider.validate(NEW)
    await provider.validate(KEY)
    assert provider.asked == 2


async def test_a_new_key_of_the_same_id_is_noticed_too(provider):
    await provider.validate(KEY)
    provider.keys, provider.clock = [SAME_ID], provider.clock + PAUSE.total_seconds()
    await provider.validate(SAME_ID)
    with pytest.raises(UnknownKey):
        await provider.validate(KEY)


async def test_a_withdrawn_key_is_not_trusted_for_longer_than_an_hour(provider):
    await provider.validate(KEY)
    provider.keys = [NEW]
    await provider.validate(KEY)
    provider.clock += FRESH.total_seconds() + 1
    with pytest.raises(UnknownKey):
        await provider.validate(KEY)


async def test_made_up_keys_make_the_hub_ask_once_in_a_while(provider):
    for number in range(20):
        with pytest.raises(UnknownKey):
            await provider.validate(RsaKey(f"k{number}") if number < 2 else SAME_ID)
    assert provider.asked == 2
    provider.clock += PAUSE.total_seconds()
    for _ in range(20):
        with pytest.raises(UnknownKey):
            await provider.validate(SAME_ID)
    assert provider.asked == 3


async def test_many_tokens_at_a_time_fetch_once(provider):
    await asyncio.gather(*(provider.validate(KEY) for _ in range(20)))
    assert provider.asked == 1
    provider.keys, provider.clock = [NEW], provider.clock + PAUSE.total_seconds()
    await asyncio.gather(*(provider.validate(NEW) for _ in range(20)))
    assert provider.asked == 2


async def test_a_token_that_is_wrong_in_another_way_fetches_nothing(provider):
    await provider.validate(KEY)
    provider.clock += PAUSE.total_seconds()
    with pytest.raises(InvalidToken, match="iss"):
        await provider.validate(KEY, iss="https://evil.example")
    assert provider.asked == 1


async def test_where_the_provider_is_down_nothing_is_validated_and_it_is_asked_again(provider):
    provider.down = True
    with pytest.raises(ProviderDown):
        await provider.validate(KEY)
    provider.down = False
    await provider.validate(KEY)


async def test_where_keys_cannot_be_had_those_who_wait_share_the_answer():
    tries = []

    async def hangs():
        tries.append(1)
        await asyncio.sleep(0.1)
        raise ConnectionError("no answer")

    store = KeyStore(hangs)
    asked = [asyncio.create_task(store.validated(lambda keys: keys)) for _ in range(50)]
    async with asyncio.timeout(4):
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(outcome, ConnectionError) for outcome in outcomes) and len(tries) == 1
    with pytest.raises(ConnectionError):
        await store.validated(lambda keys: keys)
    assert len(tries) == 2, "whoever asks later tries anew"
