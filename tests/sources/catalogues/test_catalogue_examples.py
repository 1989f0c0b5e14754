"""The examples for operators are right, and name every key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from pydantic import TypeAdapter

from panosc_spawner.facilities.http_source_rules import AnyHttpSource, HttpSource
from panosc_spawner.facilities.source_rules import SourceRule

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "deploy/docker/site/site.toml").read_text()
PAGE = (ROOT / "docs/sources.md").read_text()
COMMON = set(HttpSource.model_fields)


def examples() -> dict[str, dict[str, object]]:
    """The commented blocks, as somebody gets them who takes the '# ' away."""
    part = TEXT.split("# SciCat, with the person's own token.")[1].split("# --- How much of the machine")[0]
    blocks = [block.partition("\n#\n")[0] for block in part.split("# [[sources]]\n")[1:]]
    tables = [tomllib.loads("\n".join(line.removeprefix("# ") for line in block.splitlines())) for block in blocks]
    return {str(table["type"]): table for table in tables}


@pytest.mark.parametrize("kind", get_args(AnyHttpSource))
def test_an_example_of_each_kind_is_right_and_the_keys_are_all_named(kind: type[HttpSource]) -> None:
    (name,) = get_args(kind.model_fields["type"].annotation)
    rule = TypeAdapter(SourceRule).validate_python(examples()[name])
    assert type(rule) is kind
    named = set().union(*(examples()[other] for other in examples()))
    assert set(kind.model_fields) - COMMON - named == set()
    for key in COMMON - {"type"}:
        assert re.search(rf"^# {key} = ", TEXT, re.MULTILINE), key
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("kind", get_args(AnyHttpSource))
def test_every_key_has_words(kind: type[HttpSource]) -> None:
    assert [
        key for key, field in kind.model_fields.items() if key not in {"type", "username"} and not field.description
    ] == []
