"""Configuration of downloads, archives and Globus: mistakes are found when the site is loaded, in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import make_site

from panosc_spawner.errors import ConfigurationError

SITE = """
[[portal.archive.sites]]
name = "stfc"
title = "STFC archive"
facilities = ["esrf"]
url = "https://archive.example.org/panosc"
token = { by = "person", catalogue = "stfc" }
MORE
[tokens.stfc]
audience = "archive"
facilities = ["esrf"]
"""
XROOTD = """
[[portal.staging.remotes]]
name = "there"
title = "Storage at the facility"
facility = "esrf"
kind = "xrootd"
url = "https://there.example.org/panosc"
token = { by = "none" }
destination_url = "https://here.example.org/staged"
destination_token = { by = "file", file = "robot", macaroon = true }
"""
GLOBUS = """
[[portal.transfer.globus]]
facility = "esrf"
title = "ESRF"
collection = "6c54cade-bde5-45c1-bdea-f4bd71dba2cc"
root = "/data/visitor"
"""


def test_what_is_right_is_loaded(tmp_path: Path) -> None:
    site = make_site(tmp_path, SITE.replace("MORE", "") + GLOBUS)
    (archive,) = site.config.portal.archive.sites
    assert archive.url == "https://archive.example.org/panosc" and [r.value for r in archive.roles] == [
        "pi",
        "local-contact",
    ]
    assert site.config.portal.downloads.link_lifetime.days == 1


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        (SITE.replace('"esrf"', '"ess"', 1).replace("MORE", ""), "'ess' is not served"),
        (
            SITE.replace('catalogue = "stfc"', 'catalogue = "other"').replace("MORE", ""),
            "nobody gets a token called 'other'",
        ),
        (
            SITE.replace('catalogue = "stfc"', 'catalogue = "esrf"').replace("MORE", ""),
            "nobody gets a token called 'esrf'",  # it is asked in nobody's name
        ),
        (
            SITE.replace(
                'by = "person", catalogue = "stfc"', 'by = "certificate", file = "robot", macaroon = true'
            ).replace("MORE", ""),
            "an archive is asked with a token",
        ),
        (XROOTD, "destination_token.file: robot is not there"),
        (SITE.replace("https://", "http://").replace("MORE", ""), "https"),
        (SITE.replace("MORE", 'directory = "all"'), "must hold {facility} and {proposal}"),
        (SITE.replace("MORE", 'directory = "../{facility}/{proposal}"'), "relative path"),
        (SITE.replace("MORE", 'directory = "{facility}/{proposal}/{x}"'), "relative path"),
        (SITE.replace("MORE", "roles = []"), "roles"),
        (SITE.replace("[tokens", SITE.split("[tokens")[0] + "[tokens").replace("MORE", ""), "same name"),
        (
            SITE.replace('by = "person", catalogue = "stfc"', 'by = "file", file = "none"').replace("MORE", ""),
            "is not there",
        ),
        ('[portal.downloads]\nlink_lifetime = "30d"', "link_lifetime"),
        ('[portal.downloads]\nrecheck = "5m"', "recheck"),
        ('[portal.downloads.licences]\ness = "CC-BY-4.0"', "'ess' is not served"),
        (GLOBUS.replace('"esrf"', '"ess"'), "'ess' is not served"),
        (GLOBUS.replace("6c54", "x"), "UUID"),
        (GLOBUS + 'domain = "@esrf"', "not a domain"),
        ('[portal.transfer.client]\nid = "6c54cade-bde5-45c1-bdea-f4bd71dba2cc"', "of no use without"),
        (
            GLOBUS + '[portal.transfer.client]\nid = "6c54cade-bde5-45c1-bdea-f4bd71dba2cc"\nsecret_file = "x"',
            "x is not there",
        ),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, toml: str, words: str) -> None:
    with pytest.raises((ConfigurationError, ExceptionGroup)) as told:
        make_site(tmp_path, toml)
    found = told.value.exceptions if isinstance(told.value, ExceptionGroup) else [told.value]
    assert any(words in str(one) for one in found), found
