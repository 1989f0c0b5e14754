"""docs/access.md names what there is: every event, every metric, every setting, and rules that can be loaded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY

import panosc_spawner.metrics  # noqa: F401 - registers them
from panosc_spawner.audit import Event
from panosc_spawner.facilities.access_rules import AccessPolicy
from panosc_spawner.facilities.audit_rules import AuditRules
from panosc_spawner.identity.renewal import Ending

TEXT = (Path(__file__).parents[2] / "docs" / "access.md").read_text()
SERIES = {
    name
    for metric in REGISTRY.collect()
    if metric.name.startswith("panosc_")
    for name in (metric.name, f"{metric.name}_total", f"{metric.name}_bucket")
}


@pytest.mark.parametrize("event", list(Event))
def test_every_event_is_described(event: Event) -> None:
    assert f"`{event.value}`" in TEXT


@pytest.mark.parametrize("ending", list(Ending))
def test_every_ending_is_named(ending: Ending) -> None:
    assert ending.value in TEXT


def test_every_metric_is_named_and_there_is_no_other() -> None:
    named = set(re.findall(r"\bpanosc_[a-z_]+", TEXT))
    assert named <= SERIES, named - SERIES
    metrics = {metric.name for metric in REGISTRY.collect() if metric.name.startswith("panosc_")}
    assert {name for name in metrics if not any(word.startswith(name) for word in named)} == set()


def test_settings_that_are_named_exist() -> None:
    for table, model in (("access", AccessPolicy), ("audit", AuditRules)):
        named = set(re.findall(rf"`{table}\.([a-z_]+)`", TEXT))
        assert named
        assert named <= set(model.model_fields)


def test_the_rules_are_rules() -> None:
    block = re.search(r"```yaml\n(.*?)```", TEXT, re.S)
    assert block
    (group,) = yaml.safe_load(block[1])["groups"]
    for rule in group["rules"]:
        assert set(rule) == {"alert", "expr", "annotations"}
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert rule["annotations"]["summary"]
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"]) >= 8


def test_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([a-z]+\.md)", TEXT):
        assert link == "chaos.md" or (Path(__file__).parents[2] / "docs" / link).exists()
