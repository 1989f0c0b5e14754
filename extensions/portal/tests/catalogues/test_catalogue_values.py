"""Values out of catalogues' answers, whatever they are: hypothesis writes the answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from panosc_portal.catalogues import values
from panosc_portal.catalogues.entries import Notes, read_entries
from panosc_portal.catalogues.panosc_entries import PanoscDataset, PanoscFile, to_dataset
from panosc_portal.errors import CatalogueError, Outcome

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_FIELDS = [
    "pid",
    "title",
    "isPublic",
    "creationDate",
    "size",
    "score",
    "documentId",
    "instrument",
    "techniques",
    "parameters",
]
_FIELDS += ["samples", "document", "documents", "files"]
_INNER = [
    "pid",
    "name",
    "value",
    "unit",
    "panetId",
    "facility",
    "description",
    "members",
    "person",
    "fullName",
    "doi",
    "releaseDate",
]
_INNER += ["keywords", "license", "type", "path", "size", "datasets", "role", "affiliation"]
_ENTRY = st.dictionaries(
    st.sampled_from(_FIELDS),
    _JSON | st.lists(st.dictionaries(st.sampled_from(_INNER), _JSON, max_size=5), max_size=3),
    max_size=8,
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_ENTRY | _JSON, max_size=5))
def test_any_list_is_data_sets_and_notes(answer: list[Any]) -> None:
    notes = Notes()
    try:
        entries = read_entries(PanoscDataset, answer, "x", notes, most=50, key=lambda one: one.pid)
    except CatalogueError as error:
        assert error.outcome is Outcome.GARBLED
        return
    assert len(entries) + sum(int(note.split()[0]) for note in notes.words() if note[0].isdigit()) >= len(answer)
    for entry in entries:
        dataset = to_dataset(
            entry,
            source="x",
            facility="ill",
            personal=False,
            proposal="",
            landing="",
            ranked=True,
            location=entry.directory(),
        )
        assert dataset.title
        assert dataset.title.isprintable()
        assert dataset.pid.isprintable()
        assert dataset.size is None or 0 <= dataset.size < 1 << 62
        assert dataset.score is None or dataset.score > 0
        assert dataset.created is None or dataset.created.tzinfo is not None
        assert ".." not in dataset.location.split("/")
        assert all(parameter.name and parameter.value != "" for parameter in dataset.parameters)
        json.dumps([dataset.title, dataset.pid])


@given(st.text())
def test_an_address_that_a_page_links_to_is_https(text: str) -> None:
    for candidate in (
        text,
        f"https://{text}",
        f"javascript:{text}",
        f"HTTPS://{text}",
        f"https://a.example.org/{text}",
    ):
        found = values.web_address(candidate)
        assert found == "" or (found.lower().startswith("https://") and not set(found) & set("\"'<>\\ \n\t"))


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "http://data.example.org", "//data.example.org", "file:///etc",
        "https://", "https://user:pw@data.example.org/", "https://data.example.org:99999/", "https://x\u202ey.example.org", "https://a b.org",
        "https://localhost", "https://[::1", "\x00https://data.example.org", " https://data.example.org",
    ],
)  # fmt: skip
def test_no_other_address_is_linked_to(address: str) -> None:
    assert values.web_address(address) == ""


@given(st.text(max_size=80), st.text(max_size=80))
def test_a_files_path_is_a_plain_one_or_none(directory: str, filename: str) -> None:
    found = values.file_path(directory, filename)
    assert ".." not in found.split("/")
    assert found.isprintable()
    assert "\\" not in found


@given(st.text(max_size=200))
def test_text_for_people_is_one_line_and_a_second_time_the_same(text: str) -> None:
    once = values.line(text)
    assert once.isprintable()
    assert len(once) <= values.MAX_LINE
    assert once == once.strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.5291/ILL-DATA.8-04-923", "10.5291/ill-data.8-04-923"),
        ("https://doi.org/10.5291/X", "10.5291/x"),
        ("http://dx.doi.org/10.5291/X", "10.5291/x"),
        ("DOI: 10.5291/X", "10.5291/x"),
        ("20.500.12269/x", ""),
        ("10.5291/", ""),
        ("10.5291/a b", ""),
        ("10.5291/é", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_dois(text: Any, expected: str) -> None:
    assert values.doi(text) == expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"name": "a.h5", "path": "/d"}, "/d/a.h5"),
        ({"name": "a.h5", "path": "/d/"}, "/d/a.h5"),
        ({"name": "a.h5", "path": "/d/a.h5"}, "/d/a.h5"),
        ({"name": "sub/a.h5", "path": "/d"}, "/d/sub/a.h5"),
        ({"name": "a.h5"}, "a.h5"),
        ({"path": "/d/a.h5"}, "/d/a.h5"),
        ({"name": "/abs/a.h5", "path": "/d"}, "/abs/a.h5"),
    ],
)
def test_a_files_path_from_directory_and_name(entry: dict[str, str], expected: str) -> None:
    assert PanoscFile.model_validate(entry).full_path == expected
