"""The rules of staging: what a site may say, and what it is told when it says something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from launch_support import SPALL, site
from pydantic import ValidationError

from panosc_spawner.facilities.model import Area, Facility
from panosc_spawner.facilities.portal_staging_checks import staging_mistakes
from panosc_spawner.facilities.portal_staging_rules import JobRules, Owner, Remote, StagingRules, Token

BASE = {
    "name": "far",
    "title": "Far away",
    "facility": "esrf",
    "kind": "webdav",
    "url": "https://storage.example.org/data/",
    "token": {"by": "person", "catalogue": "far"},
}
THIRD_PARTY = {
    "kind": "xrootd",
    "token": {"by": "person", "catalogue": "far", "macaroon": True},
    "destination_url": "https://here.example.org:1094",
    "destination_token": {"by": "file", "file": "token", "macaroon": True},
}


def test_what_a_site_says_at_the_least() -> None:
    remote = Remote.model_validate(BASE)
    assert remote.url == "https://storage.example.org/data"
    assert remote.areas == ("raw",)
    assert remote.owner == Owner(kind="person")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "http://storage.example.org"}, "must be https"),
        ({"url": "https://u:p@storage.example.org"}, "must not hold a user"),
        ({"url": "https://storage.example.org/../x"}, "must not hold '.'"),
        ({"token": {"by": "person"}}, "needs catalogue"),
        ({"token": {"by": "file"}}, "need file"),
        ({"token": {"by": "none", "file": "x"}}, "nothing else may have it"),
        ({"token": {"by": "certificate", "file": "x"}}, "needs macaroon"),
        ({"destination_url": "https://here.example.org"}, "are for kind = 'xrootd'"),
        ({"kind": "xrootd"}, "needs destination_url"),
        (THIRD_PARTY | {"token": BASE["token"]}, "would get the token itself"),
        (THIRD_PARTY | {"destination_token": {"by": "person", "catalogue": "x"}}, "is the site's own"),
        ({"kind": "onedata"}, "needs space"),
        ({"space": "x"}, "needs space, and nothing else"),
        ({"kind": "onedata", "space": "a/../b", "url": "https://p.example.org"}, "must not hold '.'"),
        ({"kind": "onedata", "space": "x", "url": "https://p.example.org/api"}, "host alone"),
        ({"owner": {"kind": "account", "uid": 0, "group": "x"}}, "needs uid"),
        ({"owner": {"kind": "account", "uid": 5}}, "needs uid"),
        ({"owner": {"kind": "person", "uid": 5}}, "are for kind = 'account'"),
        ({"owner": {"kind": "account", "uid": 5, "group": "{user}"}}, "no other braces"),
        ({"writer": "root; x"}, "match pattern"),
        ({"quota": "much"}, "is not a size"),
        ({"unknown": 1}, "Extra inputs"),
        ({"areas": []}, "at least 1"),
        ({"token": {"by": "file", "file": "token"}}, "who could read the site's own token"),
    ],
)
def test_what_cannot_be(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Remote.model_validate(BASE | changes)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"token": {"by": "file", "file": "token", "macaroon": True}},
        {"writer": "copier"},
        {"owner": {"kind": "account", "uid": 9000, "group": "esrf"}},
        {"kind": "onedata", "space": "x", "url": "https://p.example.org"},  # the portal itself copies
    ],
)
def test_the_sites_own_token_where_the_person_cannot_read_it(changes: dict[str, object]) -> None:
    remote = Remote.model_validate(BASE | {"token": {"by": "file", "file": "token"}} | changes)
    assert remote.token.by == "file"


def test_third_party_copies_with_macaroons_at_both_ends() -> None:
    assert Remote.model_validate(BASE | THIRD_PARTY).destination_token == Token(
        by="file",
        file="token",
        macaroon=True,  # type: ignore[arg-type]
    )


def test_where_data_are_is_certain() -> None:
    one, two = Remote.model_validate(BASE), Remote.model_validate(BASE | {"name": "further"})
    with pytest.raises(ValidationError, match="same area"):
        StagingRules(remotes=(one, two))
    with pytest.raises(ValidationError, match="same name"):
        StagingRules(remotes=(one, one.model_copy(update={"facility": "ill"})))
    StagingRules(remotes=(one, two.model_copy(update={"facility": "ill"})))


def test_jobs_have_limits() -> None:
    with pytest.raises(ValidationError):
        JobRules(per_person=0)


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"areas": ["shared"]}, "areas", "has no shared area"),
        ({"token": {"by": "none"}, "catalogue": "nowhere"}, "catalogue", "no catalogue is called"),
    ],
)
def test_what_only_a_whole_site_can_get_wrong(changes: dict[str, object], key: str, words: str) -> None:
    made = site()
    facility = replace_areas(made.facilities[SPALL])
    remote = Remote.model_validate(BASE | {"facility": SPALL} | changes)
    rules = made.config.portal.model_copy(update={"staging": StagingRules(remotes=(remote,))})
    config = made.config.model_copy(update={"portal": rules})
    wrong = list(
        staging_mistakes(
            replace(made, config=config, facilities={**made.facilities, SPALL: facility}), Path("site.toml")
        )
    )
    assert [error.key for error in wrong] == [f"portal.staging.remotes[1].{key}"]
    assert words in wrong[0].reason


def replace_areas(facility: Facility) -> Facility:
    """The facility with raw data alone."""
    return facility.model_copy(update={"areas": {Area.RAW: facility.areas[Area.RAW]}})
