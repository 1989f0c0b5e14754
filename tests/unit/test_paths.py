"""PathMap: proposal -> directory and path -> proposal agree, for every facility and against any text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import pytest
from hostile_support import HOSTILE, text
from hypothesis import given, settings
from hypothesis import strategies as st

from panosc_spawner.errors import IdError, PathError
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.load import lacking, load_facility, shipped_facilities
from panosc_spawner.facilities.model import Area, Facility
from panosc_spawner.facilities.paths import Located, PathMap, TemplateError

FACILITIES = {name: facility for name in shipped_facilities() if not lacking(facility := load_facility(name))}
MAPS = {name: PathMap(facility) for name, facility in FACILITIES.items()}
SAMPLES = {
    "esrf": ("ma1234", {"instrument": "id31", "date": "20230915"}),
    "ill": ("8-04-923", {"instrument": "d22", "cycle": "231"}),
    "euxfel": ("p002145", {"instrument": "SPB", "cycle": "201802"}),
    "demo": ("demo-001", {}),
}
RAW = {
    "esrf": "/data/visitor/ma1234/id31/20230915/RAW_DATA",
    "ill": "/net4/serdon/illdata/231/d22/exp_8-04-923/rawdata",
    "euxfel": "/gpfs/exfel/exp/SPB/201802/p002145/raw",
    "demo": "/srv/panosc-demo/demo-001/raw",
}


def facility_with(**paths: Any) -> Facility:
    """A facility with one raw area; keywords override its tables."""
    table: dict[str, Any] = {
        "id": "lab",
        "name": "Lab",
        "short_name": "Lab",
        "user_office": {"name": "Office"},
        "proposals": {"written": r"(?P<id>[a-z0-9.-]+)", "examples": ["ab-1"]},
        "paths": {"root": "/data"} | paths.pop("paths", {}),
        "areas": {"raw": {"path": "{proposal}/raw", "access": {"default": "ro"}}},
    }
    return Facility.model_validate(table | paths)


def with_raw(path: str, **paths: Any) -> Facility:
    return facility_with(areas={"raw": {"path": path, "access": {"default": "ro"}}}, **paths)


def test_every_complete_facility_has_a_sample() -> None:
    assert set(SAMPLES) == set(FACILITIES)


@pytest.mark.parametrize("name", SAMPLES)
def test_raw_is_where_the_facility_has_it(name: str) -> None:
    id_, fields = SAMPLES[name]
    assert str(MAPS[name].render(ProposalRef(name, id_), Area.RAW, fields)) == RAW[name]


@st.composite
def visits(draw: st.DrawFn, facility: Facility) -> tuple[ProposalRef, Area, dict[str, str]]:
    """A proposal with a valid id, an area, and fields as a source may write them."""
    assert facility.proposals
    written = draw(st.from_regex(facility.proposals.written, fullmatch=True))
    if facility.proposals.case == "upper":
        written = written.upper()
    try:
        id_ = facility.proposals.normalise(written)
    except IdError:  # the strategy knows non-ASCII digits, the rule does not
        id_ = facility.proposals.normalise(facility.proposals.examples[0])
    fields = {
        "instrument": draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}", fullmatch=True)),
        "date": f"{draw(st.dates()):%Y%m%d}".zfill(8),
        "cycle": f"{draw(st.integers(0, 999_999)):06d}"[: 3 if facility.id == "ill" else 6],
    }
    return ProposalRef(facility.id, id_), draw(st.sampled_from(list(facility.areas))), fields


@pytest.mark.parametrize("name", FACILITIES)
@settings(deadline=None)
@given(data=st.data())
def test_render_and_locate_agree(name: str, data: st.DataObject) -> None:
    paths = MAPS[name]
    ref, area, fields = data.draw(visits(FACILITIES[name]))
    path = paths.render(ref, area, fields)
    assert path.is_relative_to(paths.root(area))
    below = data.draw(st.sampled_from(["", "a.h5", "r0001/scan 1/x_0001.h5", "ünï/\n"]))
    found = paths.locate(path / below)
    assert found is not None
    assert (found.ref, found.area, found.rest) == (ref, area, PurePosixPath(below))
    assert paths.render(found.ref, found.area, found.fields) == path
    label = paths.label(fields)
    assert "/" not in label and label == label.lower() and not label.startswith((".", "-"))


@pytest.mark.parametrize("name", FACILITIES)
@settings(deadline=None)
@given(id_=text, instrument=text, date=text, cycle=text)
def test_render_never_leaves_the_root(name: str, id_: str, instrument: str, date: str, cycle: str) -> None:
    paths = MAPS[name]
    fields = {"instrument": instrument, "date": date, "cycle": cycle}
    for candidate in (id_, SAMPLES[name][0]):
        for area in Area:
            try:
                path = paths.render(ProposalRef(name, candidate), area, fields)
            except PathError as error:
                assert len(str(error)) < 400
                continue
            assert path.is_relative_to(paths.root(area)) and ".." not in path.parts
            assert len(path.parts) == len(paths.root(area).parts) + len(FACILITIES[name].areas[area].path.split("/"))
            assert paths.render(ProposalRef(name, candidate), area, fields) == path


@pytest.mark.parametrize("name", FACILITIES)
@settings(deadline=None)
@given(path=st.one_of(text, st.lists(text, max_size=8).map("/".join)))
def test_locate_never_raises_and_never_invents(name: str, path: str) -> None:
    paths = MAPS[name]
    for candidate in (path, "/" + path, f"{RAW[name]}/{path}", RAW[name] + path, f"{paths.root(Area.RAW)}/{path}"):
        found = paths.locate(candidate)
        if found is not None:
            again = paths.render(found.ref, found.area, found.fields) / found.rest
            assert again == PurePosixPath(candidate)


@pytest.mark.parametrize("name", FACILITIES)
@pytest.mark.parametrize("word", HOSTILE)
def test_hostile_fields_are_refused(name: str, word: str) -> None:
    id_, fields = SAMPLES[name]
    for field in fields:
        if word == "ID31" and field == "instrument":
            continue  # an instrument
        with pytest.raises(PathError):
            MAPS[name].render(ProposalRef(name, id_), Area.RAW, fields | {field: word})


@pytest.mark.parametrize(
    "path",
    [
        "/data/visitor/ma1234/id31/20230915",
        "/data/visitor/MA-1234/id31/20230915/RAW_DATA",
        "/data/visitor/ma1234/ID31/20230915/RAW_DATA",
        "/data/visitor/ma1234/id31/20230915/RAW_DATA/../PROCESSED_DATA",
        "//data/visitor/ma1234/id31/20230915/RAW_DATA",
        "data/visitor/ma1234/id31/20230915/RAW_DATA",
        "/data/visitor/ma1234/id31/20230915/RAW_DATAX",
        "/data/visitor/ma1234/id31/20230915/RAW_DATA\n",
        "/data/visitor/../visitor/ma1234/id31/20230915/RAW_DATA",
        "/data/visitor/ma1234/id31/20230915/RAW_DATA/" + "a" * 5000,
    ],
)
def test_other_paths_belong_to_nobody(path: str) -> None:
    assert MAPS["esrf"].locate(path) is None


def test_case_on_disk_is_the_facilitys() -> None:
    ref = ProposalRef("esrf", "ma1234")
    shouted = {"instrument": "ID31", "date": "20230915"}
    assert str(MAPS["esrf"].render(ref, Area.RAW, shouted)) == RAW["esrf"]
    spb = MAPS["euxfel"].render(ProposalRef("euxfel", "p002145"), Area.RAW, {"instrument": "spb", "cycle": "201802"})
    assert str(spb) == RAW["euxfel"]


@pytest.mark.parametrize(
    ("name", "label"), [("esrf", "id31-20230915"), ("ill", "d22-231"), ("euxfel", ""), ("demo", "")]
)
def test_labels(name: str, label: str) -> None:
    assert MAPS[name].label(SAMPLES[name][1]) == label


def test_a_missing_field_is_named() -> None:
    with pytest.raises(PathError, match="needs date; the source that lists the proposal must give it"):
        MAPS["esrf"].render(ProposalRef("esrf", "ma1234"), Area.RAW, {"instrument": "id31"})
    with pytest.raises(PathError, match="needs instrument and date"):
        MAPS["esrf"].label({})


def test_an_id_must_be_canonical_and_the_facilitys() -> None:
    fields = SAMPLES["esrf"][1]
    for ref in (ProposalRef("esrf", "MA-1234"), ProposalRef("ill", "ma1234"), ProposalRef("esrf", "../x")):
        with pytest.raises(PathError, match="canonical"):
            MAPS["esrf"].render(ref, Area.RAW, fields)


def test_an_area_that_is_not_there() -> None:
    with pytest.raises(PathError, match="has no scratch area"):
        MAPS["ill"].root(Area.SCRATCH)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("raw", "needs {proposal}"),
        ("/{proposal}", "relative to the root"),
        ("../{proposal}", "must not hold '..'"),
        ("{proposal}//raw", "empty component"),
        ("{proposal}/", "empty component"),
        ("{proposal}/{beamtime}", "unknown field {beamtime}"),
        ("{proposal}/{}", "unknown field {}"),
        ("{proposal.__class__}", "unknown field"),
        ("{proposal!r}", "must not have a format"),
        ("{proposal:>9}", "must not have a format"),
        ("{proposal}{date}", "nothing says where one ends"),
        ("{proposal}/{instrument}{date}", "nothing says where one ends"),
        ("{proposal", "not a template"),
        ("{{proposal}}/{proposal}", "cannot be part of a directory's name"),
        ("{proposal}/a:b", "cannot be part of a directory's name"),
        ("{proposal}/a b", "cannot be part of a directory's name"),
    ],
)
def test_impossible_templates(template: str, words: str) -> None:
    with pytest.raises(TemplateError) as caught:
        PathMap(with_raw(template))
    assert caught.value.key == "areas.raw.path"
    assert words in caught.value.reason


@pytest.mark.parametrize(
    ("paths", "key", "words"),
    [
        ({"fields": {"date": "("}}, "paths.fields.date", "not a regular expression"),
        ({"fields": {"date": "(a+)+"}}, "paths.fields.date", "takes too long"),
        ({"fields": {"date": "(?P<x>a)"}}, "paths.fields.date", "named groups"),
        ({"fields": {"proposal": "a"}}, "paths.fields.proposal", "its own table"),
        ({"fields": {"a b": "a"}}, "paths.fields.a b", "letters, digits"),
        ({"fields": {"btid": "[0-9]+"}}, "paths.examples.btid", "needs an example"),
        ({"fields": {"date": "[a-z]+"}}, "paths.examples.date", "does not match"),
        ({"examples": {"daet": "1"}}, "paths.examples.daet", "no such field"),
        ({"case": {"daet": "lower"}}, "paths.case.daet", "no such field"),
    ],
)
def test_impossible_fields(paths: dict[str, Any], key: str, words: str) -> None:
    template = "{proposal}/{date}" + ("/{btid}" if "btid" in str(paths) else "")
    with pytest.raises(TemplateError) as caught:
        PathMap(with_raw(template, paths=paths))
    assert (caught.value.key, words in caught.value.reason) == (key, True)


def test_raw_cannot_be_written_through_another_area() -> None:
    areas = {
        "raw": {"path": "{proposal}/data/raw", "access": {"default": "ro"}},
        "processed": {"path": "{proposal}/data", "access": {"pi": "rw"}},
    }
    with pytest.raises(TemplateError, match="holds the raw data"):
        PathMap(facility_with(areas=areas))


def test_two_areas_in_one_directory_are_ambiguous() -> None:
    rule = {"path": "{proposal}/data", "access": {"default": "ro"}}
    with pytest.raises(TemplateError, match="does not lead back"):
        PathMap(facility_with(areas={"raw": rule, "shared": rule}))


def test_an_ambiguous_value_is_refused() -> None:
    ids = {"written": "(?P<id>[a-z0-9-]+)", "examples": ["ab1"]}
    paths = PathMap(with_raw("{instrument}-{proposal}", proposals=ids))
    assert paths.render(ProposalRef("lab", "ab1"), Area.RAW, {"instrument": "id31"}).name == "id31-ab1"
    with pytest.raises(PathError, match="lead back"):
        paths.render(ProposalRef("lab", "a-b"), Area.RAW, {"instrument": "id31"})


def test_a_field_twice_is_one_value() -> None:
    paths = PathMap(with_raw("{proposal}/{date}_{date}/{date}"))
    path = paths.render(ProposalRef("lab", "ab"), Area.RAW, {"date": "20240101"})
    assert paths.locate(path) == Located(ProposalRef("lab", "ab"), Area.RAW, {"date": "20240101"}, PurePosixPath())
    assert paths.locate("/data/ab/20240101_20240101/20240102") is None


def test_a_careless_expression_matches_within_one_component() -> None:
    paths = PathMap(with_raw("{btid}/{proposal}/raw", paths={"fields": {"btid": ".*"}, "examples": {"btid": "1"}}))
    assert paths.locate("/data/a/b/ab/raw") is None
    values: list[Mapping[str, str]] = [{"btid": word} for word in HOSTILE if word != "ID31"]
    for fields in values:
        with pytest.raises(PathError):
            paths.render(ProposalRef("lab", "ab"), Area.RAW, fields)


def test_an_area_on_other_storage() -> None:
    areas = {
        "raw": {"path": "{proposal}/raw", "access": {"default": "ro"}},
        "scratch": {"path": "{proposal}", "root": "/fast", "access": {"pi": "rw"}},
    }
    paths = PathMap(facility_with(areas=areas))
    assert str(paths.render(ProposalRef("lab", "ab"), Area.SCRATCH, {})) == "/fast/ab"
    located = paths.locate("/fast/ab/x")
    assert located and located.area is Area.SCRATCH
