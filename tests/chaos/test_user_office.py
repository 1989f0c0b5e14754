"""The user office is away, or says what cannot be."""

from __future__ import annotations

import time

import pytest
from chaos_world import MakeWorld, World, until
from outcomes import expected, outcome_of


def _gone(world: World) -> None:
    (world.stack.site / "proposals.toml").unlink()


def _half_written(world: World) -> None:
    file = world.stack.site / "proposals.toml"
    text = file.read_text()
    file.write_text(text[: text.rindex("person") + 10])


def _garbage(world: World) -> None:
    (world.stack.site / "proposals.toml").write_bytes(b"\x00\xff<html>502 Bad Gateway</html>")


def _no_bytes(world: World) -> None:
    (world.stack.site / "proposals.toml").write_text("")


FAULTS = {"gone": _gone, "half_written": _half_written, "garbage": _garbage, "no_bytes": _no_bytes}


@pytest.mark.parametrize("name", FAULTS)
def test_people_at_work_go_on_while_the_user_offices_list_is(make_world: MakeWorld, name: str) -> None:
    outcome = outcome_of("test_people_at_work_go_on_while_the_user_offices_list_is", name)
    world = make_world()
    ada = world.stack.session("ada")
    world.start(ada, "ma1001")
    started = world.servers(ada)["p-ma1001"]["started"]
    FAULTS[name](world)
    expected(world, outcome)
    time.sleep(5)
    assert world.read(ada, "ma1001") == 200
    until(lambda: all(words in world.home(ada).text for words in outcome.words), 60, "the words on the page")
    bea = world.stack.session("bea")  # about whom nothing was ever heard: nothing is believed now
    with pytest.raises(SystemExit, match=r": (400|403|500|503) "):
        bea.start("p-ma1001", {"proposals": ["esrf/ma1001"]})
    world.stack.grant({"ma1001": ["ada", "bea"], "ma1002": ["ada"]})
    until(lambda: not any(world.metric(line) for line in outcome.metrics), 60, "the metric's return")
    assert world.servers(ada)["p-ma1001"]["started"] == started
    world.start(bea, "ma1001")


def test_a_list_that_says_nobody_has_anything_is_believed(make_world: MakeWorld) -> None:
    world = make_world()
    ada = world.stack.session("ada")
    world.start(ada, "ma1001")
    world.write_in_home(ada, "p-ma1001", "mine.txt", "work")
    world.stack.grant({})
    until(lambda: world.read(ada, "ma1001") != 200, 60, "the end of the right")
    expected(world, outcome_of("test_a_list_that_says_nobody_has_anything_is_believed"))
    until(lambda: "ma1001" in world.home(ada).text, 60, "the reason on the page")
    world.stack.grant({"ma1001": ["ada", "bea"]})
    world.start(ada, "ma1001")
    assert world.read_in_home(ada, "p-ma1001", "mine.txt") == "work"
