"""PaNET: names, addresses, and what is a kind of what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panosc_spawner import panet

IDS = sorted(panet.terms())


@pytest.mark.parametrize(
    "text", ["SAXS", "saxs", "small angle x-ray scattering", "Small-Angle X-ray Scattering", "PaNET01188", "PaNET1188"]
)
def test_a_technique_is_found_however_it_is_written(text: str) -> None:
    assert panet.ids_named(text) == {"PaNET01188"}
    assert panet.purl(text) == "http://purl.org/pan-science/PaNET/PaNET01188"
    assert (
        panet.ids_named(panet.purl(text))
        == {"PaNET01188"}
        == panet.ids_named(panet.purl(text).replace("http:", "https:"))
    )


@pytest.mark.parametrize(
    "text", ["", "knitting", "PaNET99999", "PaNET", "http://purl.org/pan-science/PaNET/", "PaNET01188x"]
)
def test_what_is_no_technique_is_none(text: str) -> None:
    assert panet.ids_named(text) == frozenset() and panet.purl(text) == "" and panet.label(text) == text


def test_a_kind_of_a_kind_is_beneath_and_what_only_sounds_alike_is_not() -> None:
    beneath = panet.beneath(["PaNET01124"])  # small angle scattering
    assert {"PaNET01124", "PaNET01188", "PaNET01189", "PaNET01162", "PaNET01240", "PaNET01287"} <= beneath
    assert not beneath & {"PaNET01191", "PaNET01101", "PaNET01012"}


def test_what_meets_a_definition_is_beneath_it_though_nobody_wrote_so() -> None:
    """X-ray scattering is defined by its probe and process: small angle x-ray scattering has both."""
    assert "PaNET01188" in panet.beneath(["PaNET01184"])
    assert "PaNET01184" not in panet.parents("PaNET01188")
    assert "PaNET01189" not in panet.beneath(["PaNET01184"]), "neutrons"
    assert "PaNET01189" in panet.beneath(["PaNET01242"])
    assert "PaNET01101" in panet.beneath(["PaNET01216"]), "powder diffraction with x-rays is x-ray diffraction"
    assert panet.beneath(["PaNET01107"]) == panet.beneath(["PaNET01273"]), "two names of one technique"


def test_everything_is_beneath_the_top_and_once_in_the_tree() -> None:
    known = panet.techniques()
    assert panet.beneath(["PaNET00001"]) == set(IDS) and len(IDS) == 378
    shown: list[str] = []

    def walk(name: str) -> None:
        for node in known.children(name):
            shown.append(node.id)
            walk(node.id)

    walk("PaNET00001")
    assert sorted(shown) == [one for one in IDS if one != "PaNET00001"]


@given(st.sampled_from(IDS), st.sampled_from(IDS))
def test_beneath_and_above_say_the_same(one: str, other: str) -> None:
    known = panet.techniques()
    if one != other:
        assert (one in known.beneath([other])) == (other in known.above(one))
    assert all(parent in known.above(one) for parent in panet.parents(one) if parent != one)
    assert {node.id for node in known.path(one)} <= known.above(one)


def test_the_probe_is_told_where_the_technique_tells_it() -> None:
    known = panet.techniques()
    assert [known.probe([one]) for one in ("SAXS", "SANS", "diffraction", "knitting")] == ["photon", "neutron", "", ""]
    assert known.probe(["SAXS", "SANS"]) == ""
