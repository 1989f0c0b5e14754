"""``[portal.index]``: mistakes are found when the file is loaded, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from panosc_spawner.facilities.portal_index_rules import IndexDirectory, IndexRules

SITE = Path(__file__).parents[2] / "deploy/docker/site/site.toml"


def test_nothing_is_indexed_unless_it_is_named() -> None:
    assert not IndexRules().used
    assert IndexRules(proposals=True).used
    assert IndexRules.model_validate({"directories": [{"name": "open", "path": "/srv/open", "public": True}]}).used


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"directories": [{"name": "a", "path": "/srv/a"}]}, "whose proposals they are"),
        ({"directories": [{"name": "a", "path": "relative", "public": True}]}, "absolute"),
        ({"directories": [{"name": "a/b", "path": "/srv/a", "public": True}]}, "lower-case"),
        ({"directories": [{"name": "a", "path": "/srv/a", "public": True}, {"name": "a", "path": "/b", "public": True}]}, "two directories"),
        ({"every": "10s"}, "1 minute"),
        ({"most": 0}, "greater than or equal to 1"),
        ({"suffixes": []}, "at least 1"),
        ({"everything": True}, "Extra inputs"),
    ],
    ids=str,
)  # fmt: skip
def test_mistakes(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        IndexRules.model_validate(given)


def test_the_example_names_every_key() -> None:
    text = SITE.read_text()
    inside = text[text.index("# [portal.index]") :].partition("\n\n")[0]
    for table in (IndexRules, IndexDirectory):
        assert [key for key in table.model_fields if f"{key} = " not in inside] == []
