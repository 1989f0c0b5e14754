"""What is read from answers, whatever they hold, and how beamtimes become grants."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panosc_spawner.errors import PathError, SourceError
from panosc_spawner.facilities.load import load_facility
from panosc_spawner.facilities.model import Area, Role
from panosc_spawner.facilities.paths import PathMap
from panosc_spawner.proposals.http.base import role_named
from panosc_spawner.proposals.http.fields import (
    Exact,
    Flag,
    Item,
    Moment,
    Number,
    Text,
    Words,
    day_of,
    read,
    read_list,
    with_zone,
)
from panosc_spawner.proposals.http.grants import Desk, Entry
from panosc_spawner.proposals.model import Visit

PARIS = ZoneInfo("Europe/Paris")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


class Everything(Item):
    text: Text = ""
    exact: Exact
    number: Number = 0
    moment: Moment = None
    words: Words = ()
    flag: Flag = False


@given(st.dictionaries(st.sampled_from([*Everything.model_fields, "other"]), JSON))
def test_any_value_is_read_as_what_it_is_or_refused_without_repeating_it(value: dict[str, Any]) -> None:
    try:
        found = read(Everything, value, "Source")
    except SourceError as error:
        assert error.reason.startswith("its answer is not as expected: ")
        assert error.reason.isascii()
        assert len(error.reason) < 120
        assert error.__cause__ is None
        return
    assert isinstance(found.exact, str)
    assert type(found.number) is int
    assert type(found.flag) is bool
    assert all(isinstance(word, str) for word in found.words)
    assert found.text.isprintable()
    assert len(found.text) <= 300


@given(JSON, st.integers(0, 3))
def test_a_list_is_a_list_within_its_bound(value: Any, limit: int) -> None:
    try:
        found = read_list(Everything, value, "Source", limit)
    except SourceError:
        return
    assert len(found) <= limit


@given(st.text())
def test_text_for_people_holds_nothing_invisible(text: str) -> None:
    shown = read(Everything, {"text": text, "exact": ""}, "Source").text
    for trick in ("‮", "‏", "​", "﻿", "\x1b", "\0", "\n", "⁦"):
        assert trick not in shown


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2025-03-01T23:30:00.000Z", "2025-03-02"), ("2025-03-01T23:30:00.000+0000", "2025-03-02"), ("2025-03-02T00:30:00.000+01:00", "2025-03-02"),
        ("2025-07-01T22:30:00Z", "2025-07-02"), ("2025-03-01T23:30:00", "2025-03-01"), ("2025-03-01", "2025-03-01"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01"), ("9999-12-31T23:59:59Z", "9999-12-31"), (" 2025-03-01 ", "2025-03-01"),
    ],
)  # fmt: skip
def test_days_are_the_facilitys(text: str, day: str) -> None:
    moment = read(Everything, {"moment": text, "exact": ""}, "Source").moment
    assert str(day_of(moment, PARIS)) == day


@pytest.mark.parametrize(
    "text",
    ["yesterday", "2025-13-01", "2025-02-30T00:00:00Z", "x" * 50, "1700000000", 1700000000, True, ["2025-01-01"], {}],
)
def test_times_that_are_none(text: object) -> None:
    with pytest.raises(SourceError, match="moment: must be a time"):
        read(Everything, {"moment": text, "exact": ""}, "Source")


@given(
    st.datetimes(timezones=st.none() | st.just(UTC) | st.just(timezone(timedelta(hours=-11)))),
    st.sampled_from([None, PARIS]),
)
def test_any_time_has_a_day_and_can_be_compared(moment: datetime, zone: ZoneInfo | None) -> None:
    read_back = read(Everything, {"moment": moment.isoformat(), "exact": ""}, "Source").moment
    assert read_back == moment
    day = day_of(read_back, zone)
    assert isinstance(day, date)
    assert abs((day - moment.date()).days) <= 1
    assert with_zone(read_back, zone).tzinfo is not None


@given(st.text(), st.dictionaries(st.text(max_size=5), st.sampled_from(list(Role)), max_size=3))
def test_a_role_that_is_not_named_is_a_members(word: str, roles: dict[str, Role]) -> None:
    assert role_named(word, roles) in {Role.MEMBER, *roles.values()}
    assert role_named(word, {}) is Role.MEMBER


# --- Grants ---------------------------------------------------------------------------------------------------------------

ESRF, EUXFEL = load_facility("esrf"), load_facility("euxfel")
NOW = datetime(2026, 3, 4, tzinfo=UTC)
ENTRIES = st.lists(
    st.builds(
        Entry,
        id=st.sampled_from(["ma1234", "MA-1234", "hc77", "HC-77", "CALIBRATION", "", "../x", "mа1234"])
        | st.text(max_size=12),
        role=st.sampled_from(list(Role)),
        evidence=st.just("listed"),
        title=st.sampled_from(["", "About"]),
        visit=st.none()
        | st.builds(Visit, instrument=st.sampled_from(["ID31", "id11", "..", "a/b"]), start=st.dates() | st.none()),
        not_before=st.none(),
    ),
    max_size=12,
)


@given(ENTRIES)
def test_grants_hold_what_was_listed_and_nothing_else(entries: list[Entry]) -> None:
    desk = Desk("Source", ESRF)
    grants = desk.grants(entries, NOW)
    listed = {(desk.ref(entry.id), entry.role) for entry in entries if desk.ref(entry.id)}
    assert {grant.ref for grant in grants} == {ref for ref, _ in listed}
    for grant in grants:
        assert (grant.ref, grant.role) in listed
        theirs = [entry for entry in entries if desk.ref(entry.id) == grant.ref]
        for visit in grant.proposal.visits:  # a visit of somebody's as staff never comes with a stronger role
            by = {entry.role for entry in theirs if entry.visit == visit}
            assert grant.role in by or (grant.role is Role.PI and Role.MEMBER in by)
    assert len({(grant.ref, grant.role) for grant in grants}) == len(grants)


@given(ENTRIES)
def test_whatever_a_catalogue_writes_paths_stay_at_the_facility(entries: list[Entry]) -> None:
    paths = PathMap(ESRF)
    for grant in Desk("Source", ESRF).grants(entries, NOW):
        for visit in grant.proposal.visits:
            try:
                path = str(paths.render(grant.ref, Area.RAW, visit.path_fields))
            except PathError:
                continue
            assert path.startswith(f"/data/visitor/{grant.ref.id}/")
            assert ".." not in path


@given(
    st.lists(
        st.sampled_from(
            [
                "gpfs",
                "exfel",
                "exp",
                "FXE",
                "202331",
                "p900390",
                "p900391",
                "raw",
                "..",
                ".",
                "",
                "d",
                "x",
                "{proposal}",
            ]
        ),
        max_size=9,
    ).map("/".join)
    | st.text()
)
def test_a_path_names_a_visit_of_this_proposal_or_none(path: str) -> None:
    desk = Desk("Source", EUXFEL)
    ref = desk.ref("900390")
    assert ref is not None
    visit = desk.visit_at(ref, path)
    if visit is not None:
        assert "p900390" in path
        assert PathMap(EUXFEL).render(ref, Area.RAW, visit.path_fields)


def test_an_id_that_is_none_is_told_once(caplog) -> None:
    desk = Desk("Source", ESRF)
    with caplog.at_level("INFO"):
        for _ in range(3):
            assert desk.ref("CALIBRATION 7") is None
    assert caplog.text.count("an entry is left out") == 1
