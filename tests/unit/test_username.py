"""Who somebody is, and the hub's name for them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panosc_spawner.errors import IdentityError
from panosc_spawner.identity.community import Community
from panosc_spawner.identity.username import canonical_subject, subject_of, username_for

ISSUER = "https://idp.example"
HEX = "28c5353b8bb34984a8bd4169ba94c606"
PINNED = Community(id="c", title="Umbrella", description="", issuer=ISSUER, identity_scopes=("umbrellaid.example",))
OPEN = PINNED.model_copy(update={"identity_scopes": ()})
WITH_SUB = PINNED.model_copy(update={"allow_sub": True})
BY_SUB = PINNED.model_copy(update={"identity_claim": "sub"})


@pytest.mark.parametrize(
    ("claims", "community", "subject"),
    [
        ({"voperson_id": f"{HEX}@umbrellaid.example"}, PINNED, f"{HEX}@umbrellaid.example"),
        ({"voperson_id": f"{HEX.upper()}@UmbrellaID.example"}, PINNED, f"{HEX}@umbrellaid.example"),
        ({"voperson_id": [f"{HEX}@umbrellaid.example"]}, PINNED, f"{HEX}@umbrellaid.example"),
        ({"voperson_id": f"{HEX}@other.example"}, OPEN, f"{HEX}@other.example"),
        ({"sub": "AbC"}, WITH_SUB, "AbC"),
        ({"sub": "AbC", "voperson_id": ""}, WITH_SUB, "AbC"),
        ({"sub": "AbC", "voperson_id": f"{HEX}@umbrellaid.example"}, WITH_SUB, f"{HEX}@umbrellaid.example"),
        ({"sub": "AbC", "voperson_id": "ignored"}, BY_SUB, "AbC"),
    ],
)
def test_the_subject_of_claims(claims, community, subject):
    assert subject_of(claims, community) == subject


@pytest.mark.parametrize(
    ("claims", "community", "words"),
    [
        ({}, PINNED, "did not say who you are"),
        ({"sub": "AbC"}, PINNED, "did not say who you are"),
        ({"email": "a@b", "preferred_username": "ada"}, WITH_SUB, "did not say who you are"),
        ({"voperson_id": []}, PINNED, "did not say who you are"),
        ({"voperson_id": ["a@umbrellaid.example", "b@umbrellaid.example"]}, PINNED, "more than one"),
        ({"voperson_id": 7}, PINNED, "not text"),
        ({"voperson_id": {"a": 1}}, PINNED, "not text"),
        ({"voperson_id": [["a@umbrellaid.example"]]}, PINNED, "not text"),
        ({"voperson_id": f"{HEX}@evil-umbrellaid.example"}, PINNED, "was not issued by Umbrella"),
        ({"voperson_id": f"{HEX}@umbrellaid.example.evil"}, PINNED, "was not issued by Umbrella"),
        ({"voperson_id": f"{HEX}@evil@umbrellaid.example"}, PINNED, "identifier@scope"),
        ({"voperson_id": HEX, "sub": "AbC"}, WITH_SUB, "identifier@scope"),
        ({"voperson_id": f"{HEX}@umbrellaid.example\n"}, PINNED, "not a plain identifier"),
        ({"voperson_id": "аda@umbrellaid.example"}, PINNED, "not a plain identifier"),
        (
            {"voperson_id": "\u212a@umbrellaid.example"},
            PINNED,
            "not a plain identifier",
        ),  # the Kelvin sign lower-cases to k
        ({"voperson_id": "a" * 300 + "@umbrellaid.example"}, PINNED, "not a plain identifier"),
        ({"voperson_id": "test@umbrellaid.example"}, PINNED, "monitoring account"),
        ({"voperson_id": "TEST@umbrellaid.example"}, PINNED, "monitoring account"),
        ({"sub": "test@umbrellaid.example"}, BY_SUB, "monitoring account"),
        ({"sub": "a b"}, BY_SUB, "not a plain identifier"),
    ],
)
def test_what_does_not_say_who_somebody_is(claims, community, words):
    with pytest.raises(IdentityError, match=words) as refusal:
        subject_of(claims, community)
    assert len(str(refusal.value)) < 300


def test_user_names_fit_dns_posix_and_volumes():
    assert re.fullmatch(r"p-[a-z2-7]{20}", username_for(ISSUER, f"{HEX}@umbrellaid.example"))


def test_the_issuer_is_part_of_who_somebody_is():
    names = {username_for(issuer, "a@b") for issuer in (ISSUER, f"{ISSUER}/", "https://evil.example", "")}
    assert len(names) == 4


def test_the_boundary_between_issuer_and_subject_counts():
    assert username_for("https://idp.examplea", "b") != username_for("https://idp.example", "ab")
    with pytest.raises(IdentityError):
        username_for("a\0b", "c")


@given(st.text() | st.lists(st.text()) | st.none() | st.integers() | st.dictionaries(st.text(), st.text()))
def test_any_claim_is_an_identity_or_refused(value):
    try:
        subject = canonical_subject(value, OPEN)
    except IdentityError:
        return
    assert subject.isascii()
    assert canonical_subject(subject, OPEN) == subject
