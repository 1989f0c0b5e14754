"""What holds for every catalogue: all of somebody's proposals or an error, never some of them; and nobody else's token."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from fake_icat import PERSON, Icat, IcatPlus
from fake_ill import Ill
from fake_mymdc import MyMdc
from fake_scicat import SciCat
from service import (
    FAILURES,
    broken,
    cut_off,
    drip,
    elsewhere,
    garbage,
    hang,
    nothing,
    other_type,
    unauthorized,
    wrong_items,
)
from world import EVE, Broker, by_id, make_site, person, raw_paths, roles

from panosc_spawner.errors import PersonalSourceError, SourceError
from panosc_spawner.proposals.book import GrantBook

IMPATIENT = {"timeout": timedelta(seconds=0.4), "connect_timeout": timedelta(seconds=0.4)}
KEYS = {"mymdc": 658, "ill": "4711"}
SECRETS = ("the-password", "the-secret", "token-of-", "jwt-of-", "5e551011", "mdc-", "SECRET-OF-THE-BODY", "127.0.0.1")


class IcatByPerson(Icat):
    @property
    def rule(self) -> dict[str, Any]:
        return {**super().rule, **PERSON, "plugin": "oidc"}


class IcatPlusByPerson(IcatPlus):
    @property
    def rule(self) -> dict[str, Any]:
        return {**super().rule, **PERSON}


class IcatPlusOneByOne(IcatPlus):
    def __init__(self) -> None:
        super().__init__()
        self.inline = False


EXPECTED = {
    SciCat: {"616254": "member", "616255": "pi"},
    Icat: {"ma1234": "pi", "hc77": "local-contact"},
    IcatByPerson: {"ma1234": "pi", "hc77": "local-contact"},
    IcatPlus: {"ma1234": "pi", "hc77": "local-contact"},
    IcatPlusByPerson: {"ma1234": "pi", "hc77": "local-contact"},
    IcatPlusOneByOne: {"ma1234": "pi", "hc77": "local-contact"},
    MyMdc: {"p900390": "pi", "p002145": "member"},
    Ill: {"8-04-923": "pi", "TEST-3519": "staff", "9-10-1": "member"},
}
every = pytest.mark.parametrize("kind", EXPECTED, ids=lambda kind: kind.__name__)


@pytest.fixture
def service(kind, serve):
    return serve(kind())


@pytest.fixture
def source(service, make):
    return make(service.rule)


@every
async def test_what_it_lists(kind, service, source) -> None:
    found = list(await source.grants(person(**KEYS)))
    assert roles(found) == EXPECTED[kind]
    for grant in found:
        assert grant.source == service.rule["name"]
        assert grant.evidence
        assert grant.proposal.title.startswith("About")
        assert grant.confirmed
    assert source.facilities == {service.rule["facility"]}
    assert isinstance(await source.check(), str)


@every
@pytest.mark.parametrize("failure", FAILURES)
async def test_a_failure_is_an_error_and_never_a_list(kind, service, make, failure) -> None:
    source = make({**service.rule, **(IMPATIENT if failure in (hang, drip) else {})})
    service.trouble = failure
    for ask in (source.grants(person(**KEYS)), source.check()):
        if ask.__name__ == "check" and kind is IcatPlusByPerson:
            ask.close()  # nothing to try without a login
            continue
        if ask.__name__ == "check" and kind is IcatByPerson and failure in (nothing, other_type, wrong_items):
            await ask  # any answer will do for "answers"
            continue
        with pytest.raises(SourceError) as caught:
            await ask
        assert not any(secret in str(caught.value) for secret in SECRETS)
        assert len(caught.value.reason) < 200


@every
@pytest.mark.parametrize(
    "failure",
    [broken, hang, garbage, cut_off, unauthorized, wrong_items, nothing, elsewhere("https://evil.example/?x")],
)
async def test_a_failure_in_the_middle_is_never_half_a_list(kind, service, make, failure) -> None:
    """Only the n-th request fails, for every n; and an outage that begins with it."""
    rule = {**service.rule, **(IMPATIENT if failure is hang else {})}
    source = make(service.rule)
    whole = by_id(list(await source.grants(person(**KEYS))))
    requests = len(service.asked)
    assert requests >= 2
    failed = 0
    # Of what is asked again once, a single failure is no failure: there the outage must be.
    for lasting in (True, False) if failure in (broken, cut_off, unauthorized) else (False,):
        for n in range(requests):
            source = make(rule)  # a fresh one keeps no session, token or answer
            service.asked.clear()
            service.trouble = failure
            service.troubles = lambda asked, n=n, lasting=lasting: (
                len(service.asked) > n if lasting else len(service.asked) == n + 1
            )
            try:
                found = by_id(list(await source.grants(person(**KEYS))))
            except SourceError:
                failed += 1
            else:
                assert found.keys() == whole.keys()
                assert {key: grant.role for key, grant in found.items()} == {
                    key: grant.role for key, grant in whole.items()
                }
                assert {key: grant.proposal for key, grant in found.items()} == {
                    key: grant.proposal for key, grant in whole.items()
                }
    assert failed >= requests // 2


@every
async def test_nothing_secret_is_logged(kind, service, source, caplog) -> None:
    with caplog.at_level(logging.DEBUG):
        await source.grants(person(**KEYS))
        service.trouble = broken
        with pytest.raises(SourceError):
            await source.grants(person(**KEYS))
    assert caplog.records
    for secret in SECRETS[:-1]:
        assert secret not in caplog.text


@every
async def test_somebody_who_is_not_known_there_has_nothing_or_an_error(kind, service, source) -> None:
    """Without the claims, or as somebody without proposals: never another person's."""
    for who in (
        person(EVE),
        person(EVE, mymdc=900, ill="4799"),
        person(EVE, mymdc="900"),
        person("Ada@Eduteams.example".upper(), mymdc=900),
    ):
        try:
            found = list(await source.grants(who))
        except SourceError:
            continue
        assert found == []


@every
async def test_the_paths_that_a_catalogue_gives_render(kind, service, source) -> None:
    found = by_id(list(await source.grants(person(**KEYS))))
    if (
        kind is SciCat
    ):  # the path convention of ESS is not public, so the file has no template; but what one would need is there
        visits = {key: [visit.path_fields for visit in grant.proposal.visits] for key, grant in found.items()}
        assert visits["616254"] == [{"instrument": "LOKI", "date": "20250302", "year": "2025"}]
        return
    paths = {key: raw_paths(grant) for key, grant in found.items()}
    expected = {
        "ma1234": ["/data/visitor/ma1234/id31/20250302/RAW_DATA", "/data/visitor/ma1234/id11/20250602/RAW_DATA"],
        "hc77": ["/data/visitor/hc77/id31/20240109/RAW_DATA"],
        "p900390": ["/gpfs/exfel/exp/FXE/202331/p900390/raw"],
        "p002145": ["/gpfs/exfel/exp/SPB/201802/p002145/raw"],
        "8-04-923": ["/net4/serdon/illdata/231/d22/exp_8-04-923/rawdata"],
        "TEST-3519": ["/net4/serdon/illdata/231/d22/exp_TEST-3519/rawdata"],
        "9-10-1": ["/net4/serdon/illdata/231/d22/exp_9-10-1/rawdata"],
    }
    assert paths == {key: expected[key] for key in EXPECTED[kind]}


async def test_one_sources_credentials_never_reach_another(serve, make) -> None:
    """All at once, for two people, through failures and redirects from each to each."""
    services = {kind: serve(kind()) for kind in EXPECTED}
    broker = Broker()
    rules = [{**service.rule, "name": kind.__name__} for kind, service in services.items()]
    for rule, kind in zip(rules, services, strict=True):
        if "audience" in rule:
            rule["audience"] = f"only-{kind.__name__}."
    sources = make(*rules, broker=broker)
    for who in (person(**KEYS), person(EVE, mymdc=180, ill="4712")):
        for source, kind in zip(sources, services, strict=True):
            for other in services.values():
                services[kind].trouble = elsewhere(f"{other.url}/api/v3/auth/whoami")
                with pytest.raises(SourceError):
                    await source.grants(who)
            services[kind].trouble = None
            try:
                await source.grants(who)
            except SourceError:
                assert who.subject == EVE
    for kind, service in services.items():
        for other in services:
            if other is not kind:
                assert not service.seen(f"-for-only-{other.__name__}."), (kind, other)
        if kind is not MyMdc:
            assert not service.seen("the-secret")
            assert not service.seen("mdc-")
        if not issubclass(kind, (Icat, IcatPlus)) or "ByPerson" in kind.__name__:
            assert not service.seen("the-password")
        if kind is not SciCat:
            assert not service.seen("jwt-of-")
    assert {audience for _, audience in broker.asked} == {
        f"only-{kind.__name__}." for kind in (SciCat, IcatByPerson, IcatPlusByPerson, Ill)
    }


@pytest.mark.parametrize("kind", [SciCat, IcatByPerson, IcatPlusByPerson, Ill], ids=lambda kind: kind.__name__)
async def test_each_person_is_asked_for_with_their_own_token(kind, serve, make) -> None:
    service = serve(kind())
    broker = Broker()
    source = make(service.rule, broker=broker)
    await source.grants(person(**KEYS))
    service.asked.clear()
    try:
        await source.grants(person(EVE, ill="4712"))
    except SourceError:
        assert kind is Ill
    assert service.seen("of-eve")
    assert not service.seen("of-ada")
    broker.error = "the login service does not answer"
    with pytest.raises(SourceError, match="in your name, but the login service does not answer"):
        await source.grants(person(**KEYS))


@pytest.mark.parametrize("kind", [SciCat, Icat, IcatPlus, MyMdc, Ill], ids=lambda kind: kind.__name__)
async def test_more_than_the_bound_is_an_error_and_not_a_cut_list(kind, serve, make) -> None:
    service = serve(kind())
    with pytest.raises(SourceError, match=r"it lists more than 1 .*\(max_items\)"):
        await make({**service.rule, "max_items": 1}).grants(person(**KEYS))


@pytest.mark.parametrize("kind", [SciCat, Icat, IcatPlus, MyMdc, Ill], ids=lambda kind: kind.__name__)
async def test_one_persons_long_list_keeps_nobody_else_from_being_asked(kind, serve, tmp_path) -> None:
    service = serve(kind())
    book = GrantBook(make_site(tmp_path, {**service.rule, "max_items": 1}), broker=Broker())
    for _ in range(4):
        service.asked.clear()
        [outcome] = (await book.report(person(**KEYS))).outcomes
        assert "it lists more than 1" in outcome.error
        assert service.asked, "it is asked again"
    assert not book.resting
    for source in book.sources:
        await source.aclose()


async def test_a_long_list_that_is_everybodys_is_the_sources_own_failure(serve, make) -> None:
    service = serve(Icat())
    source = make({**service.rule, "open_data": "3650d", "max_items": 1})
    with pytest.raises(SourceError, match="it lists more than 1") as failed:
        await source.as_account(source.released)
    assert not isinstance(failed.value, PersonalSourceError)
