"""A person survives the hub's encrypted store, and nothing else passes for one."""

import json
from datetime import UTC, datetime

import pytest

from panosc_spawner.errors import IdentityError
from panosc_spawner.identity.person import Person

ADA = Person(
    issuer="https://idp.example",
    subject="ada@x.example",
    username="p-ada",
    display_name="Ada",
    community="demo",
    seen_at=datetime(2026, 3, 4, 10, tzinfo=UTC),
    admin=True,
    entitlements=("urn:geant:x.example:group:a",),
    claims={"uidNumber": 4711},
)


def test_a_person_survives_json():
    assert Person.from_state(json.loads(json.dumps(ADA.to_state()))) == ADA


@pytest.mark.parametrize("key", sorted(ADA.to_state()))
def test_a_state_without_a_key_is_not_one(key):
    state = ADA.to_state()
    del state[key]
    with pytest.raises(IdentityError, match="log in again"):
        Person.from_state(state)


@pytest.mark.parametrize("changes", [{"seen_at": "yesterday"}, {"seen_at": 7}, {"claims": 7}, {"entitlements": None}])
def test_a_state_of_another_shape_is_not_one(changes):
    with pytest.raises(IdentityError):
        Person.from_state(ADA.to_state() | changes)


@pytest.mark.parametrize("admin", ["true", 1, "yes", None])
def test_only_true_is_an_administrator(admin):
    assert Person.from_state(ADA.to_state() | {"admin": admin}).admin is False
