"""Rights from entitlements: which count, and which tricks do not."""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from panosc_spawner.errors import PersonalSourceError
from panosc_spawner.facilities.ids import IdRule, ProposalRef
from panosc_spawner.facilities.login_rules import Login
from panosc_spawner.facilities.model import Facility, Role, UserOffice
from panosc_spawner.facilities.site import Hub, Site, SiteFile
from panosc_spawner.facilities.source_rules import EntitlementSource
from panosc_spawner.identity.person import Person
from panosc_spawner.proposals.entitlement_source import EntitlementProposals

ISSUER = "https://proxy.eduteams.example"
NAMESPACE = "urn:geant:eduteams.org:service:umbrellaid.org"
SEEN = datetime(2026, 3, 4, 10, tzinfo=UTC)
RULE = EntitlementSource(
    type="entitlements",
    name="UmbrellaID groups",
    facility="esrf",
    issuer=ISSUER,
    namespace=NAMESPACE,
    group=("umbrellaid", "esrf", "proposals"),
    roles={"pi": Role.PI},
)


@pytest.fixture
def source(tmp_path):
    rule = IdRule(
        written=r"(?P<code>[a-z]{2})-?(?P<number>\d{1,5})",
        canonical="{code}{number}",
        case="lower",
        examples=("MA-1234",),
    )
    esrf = Facility(id="esrf", name="ESRF", short_name="ESRF", user_office=UserOffice(name="UO"), proposals=rule)
    login = Login(community="demo", client_id="hub")
    site = SiteFile(hub=Hub(id="t", facilities=("esrf",)), login=login, sources=(RULE,))
    return EntitlementProposals(RULE, Site(tmp_path, site, {"esrf": esrf}), now=lambda: SEEN + timedelta(minutes=59))


def person(*entitlements, issuer=ISSUER):
    return Person(issuer, "a@b", "p-x", "Ada", "umbrellaid", SEEN, entitlements=entitlements)


@pytest.mark.parametrize(
    ("tail", "role"),
    [
        ("group:umbrellaid:esrf:proposals:MA-1234", Role.MEMBER),
        ("group:umbrellaid:esrf:proposals:ma1234:role=pi#umbrellaid.org", Role.PI),
        ("group:umbrellaid:esrf:proposals:ma1234#evil.example", Role.MEMBER),  # by G069 the authority says nothing
    ],
)
async def test_a_group_of_the_namespace_is_a_right(source, tail, role):
    (grant,) = await source.grants(person(f"{NAMESPACE}:{tail}"))
    assert grant.ref == ProposalRef("esrf", "ma1234")
    assert grant.role is role
    assert grant.source == "UmbrellaID groups"
    assert "umbrellaid:esrf:proposals:" in grant.evidence
    assert (grant.seen_at, grant.ends_at) == (SEEN, None)  # how old it may be is the launch step's to say


async def test_claims_that_are_too_old_are_no_answer(source):
    early = replace(person(f"{NAMESPACE}:group:umbrellaid:esrf:proposals:ma1234"), seen_at=SEEN - timedelta(minutes=2))
    # A PersonalSourceError, which opens no breaker: who logged out while their server goes on is no outage for the others.
    with pytest.raises(PersonalSourceError, match=r"1 h 1 min old; log out and in again"):
        await source.grants(early)


@pytest.mark.parametrize(
    "text",
    [
        f"{NAMESPACE}:group:umbrellaid",
        f"{NAMESPACE}:group:umbrellaid:esrf:proposals",
        f"{NAMESPACE}:group:umbrellaid:esrf:proposals:ma1234:raw",  # a subgroup is not the proposal
        f"{NAMESPACE}:group:umbrellaid:ill:proposals:ma1234",
        f"{NAMESPACE}:group:umbrellaid:ESRF:proposals:ma1234",  # groups keep their case
        f"{NAMESPACE}:group:umbrellaid:esrf:proposals:ma1234:role=boss",  # a role nobody named
        f"{NAMESPACE}:res:umbrellaid:esrf:proposals:ma1234",
        f"{NAMESPACE}:group:umbrellaid:esrf:proposals:..%2F..%2Fetc",
        f"{NAMESPACE}:group:umbrellaid:esrf:proposals%3Ama1234",
        f"{NAMESPACE}:group:umbrellaid:esrf:proposals:not-an-id",
        f"{NAMESPACE}:evil:group:umbrellaid:esrf:proposals:ma1234",
        "urn:geant:evil.example:group:umbrellaid:esrf:proposals:ma1234#umbrellaid.org",
        "urn:geant:eduteams.org:group:umbrellaid:esrf:proposals:ma1234",
        "urn:geant:eduteams.org:group:x:service:umbrellaid.org:group:umbrellaid:esrf:proposals:ma1234",
        "not an entitlement",
    ],
)
async def test_nothing_else_is(source, text):
    assert await source.grants(person(text)) == []


@pytest.mark.parametrize("issuer", [f"{ISSUER}/", "https://evil.example", "", ISSUER.upper()])
async def test_only_the_exact_issuer_counts(source, issuer):
    assert await source.grants(person(f"{NAMESPACE}:group:umbrellaid:esrf:proposals:ma1234", issuer=issuer)) == []


async def test_rubbish_is_logged_in_few_short_lines(source, caplog):
    rubbish = [f"{NAMESPACE}:group:umbrellaid:esrf:proposals:{'x' * 500}{n}" for n in range(100)]
    with caplog.at_level(logging.INFO):
        assert await source.grants(person(*rubbish)) == []
    assert len(caplog.records) == 6
    assert all(len(record.getMessage()) < 300 for record in caplog.records)


async def test_check_says_what_is_looked_for(source):
    assert "umbrellaid:esrf:proposals:<proposal>" in await source.check()
    assert await source.grants(replace(person(), entitlements=())) == []
