"""What is named, and nothing else: a DOI in any form, a PID, a path on disk, a path as people see it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from panosc_portal.opening.name import UnknownNameError, path_maps, read_name
from support import make_site

from panosc_spawner.facilities.site import Site


@pytest.mark.parametrize(
    "text",
    ["10.15151/ESRF-ES-1", "doi:10.15151/esrf-es-1", "https://doi.org/10.15151/ESRF-ES-1", " http://dx.doi.org/10.15151/ESRF-ES-1 "],
)  # fmt: skip
def test_a_doi_in_any_form(site: Site, text: str) -> None:
    assert read_name(text, site, path_maps(site)).pid == "10.15151/esrf-es-1"


@pytest.mark.parametrize("text", ["20.500.12269/abc-DEF", "PID/with spaces", "esrf", "scicat/none/of/ours"])
def test_a_pid_stays_as_it_is_written(site: Site, text: str) -> None:
    assert read_name(text, site, path_maps(site)).pid == text


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("proposals/esrf/ma1234/raw/scan/a.h5", "raw/scan/a.h5"),
        ("~/proposals/esrf/MA-1234", ""),
        ("esrf/ma1234/processed", "processed"),
    ],
)
def test_a_path_as_in_the_server(site: Site, text: str, rest: str) -> None:
    named = read_name(text, site, path_maps(site))
    assert named.inside
    assert (str(named.inside[0]), named.inside[1]) == ("esrf/ma1234", rest)


@pytest.mark.parametrize("text", ["esrf/ma1234/raw/../../hg5", "esrf/ma1234/etc/passwd", "esrf/no proposal/raw"])
def test_a_path_that_is_none_is_taken_for_a_pid_and_for_no_place(site: Site, text: str) -> None:
    named = read_name(text, site, path_maps(site))
    assert named.ref is None
    assert named.pid == text


def test_a_path_on_disk_is_its_proposals(site: Site, raw: Path) -> None:
    named = read_name(f"{raw}/ceria/ceria.h5", site, path_maps(site))
    assert named.located
    assert (str(named.ref), str(named.located.rest)) == ("esrf/ma1234", "ceria/ceria.h5")


@pytest.mark.parametrize("text", ["", " ", "/etc/passwd", "/data/../data", "x" * 2001, "a\x00b", "a\nb", "/"])
def test_what_names_nothing_is_refused_in_words(site: Site, text: str) -> None:
    with pytest.raises(UnknownNameError, match=r"data set|path"):
        read_name(text, site, path_maps(site))


_SITE: list[Site] = []


@given(st.text(max_size=60) | st.from_regex(r"(proposals/)?esrf/[a-z]{2}\d{1,4}(/[a-z.]{1,6}){0,4}", fullmatch=True))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    if not _SITE:
        import tempfile

        _SITE.append(make_site(Path(tempfile.mkdtemp())))
    try:
        named = read_name(text, _SITE[0], path_maps(_SITE[0]))
    except UnknownNameError:
        return
    assert bool(named.pid) + bool(named.located) + bool(named.inside) == 1
    if named.inside:
        assert ".." not in named.inside[1].split("/")
