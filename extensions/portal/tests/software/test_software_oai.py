"""Harvesting, by the protocol's own rules: each verb, each error, lists in pages, and what changed since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from panosc_portal.software.catalogue import Software
from panosc_portal.software.datacite import DATACITE
from panosc_portal.software.oai import OAI, Repository
from panosc_portal.software.stamps import Stamps
from software.conftest import FakeDocker
from support import FakeHub, make_portal, make_site

from panosc_spawner.software.collect import SoftwareCatalogue
from panosc_spawner.software.model import Entry

NS = {"o": OAI, "d": DATACITE, "dc": "http://purl.org/dc/elements/1.1/"}


class Known(SoftwareCatalogue):
    """A catalogue with the entries that a test gives it."""

    def __init__(self, given: list[Entry]) -> None:
        self.given = given

    async def entries(self, patience: float | None = 3.0) -> list[Entry]:
        return self.given


@pytest.fixture
def catalogue(tmp_path: Path, docker: FakeDocker) -> Known:
    site = make_site(tmp_path)
    docker.have("panosc/base:2026.11")
    local = site.config.hub.model_copy(update={"spawner": "docker"})
    return Known(
        SoftwareCatalogue(replace(site, config=site.config.model_copy(update={"hub": local})), lambda: docker).look()
    )


@pytest.fixture
def repository(tmp_path: Path, catalogue: Known) -> Repository:
    portal = make_portal(make_site(tmp_path), FakeHub())
    return Repository(Software(portal, catalogue), Stamps(tmp_path / "stamps.sqlite"), page=3)


async def ask(repository: Repository, *arguments: tuple[str, str]) -> ET.Element:
    return ET.fromstring(await repository.answer(arguments))


def error(answer: ET.Element) -> str:
    found = answer.find("o:error", NS)
    return "" if found is None else found.attrib["code"]


def ids(answer: ET.Element) -> list[str]:
    return [str(one.text) for one in answer.iterfind(".//o:header/o:identifier", NS)]


async def test_it_says_who_it_is(repository: Repository) -> None:
    answer = await ask(repository, ("verb", "Identify"))
    assert answer.findtext("o:Identify/o:protocolVersion", None, NS) == "2.0"
    assert answer.findtext("o:Identify/o:deletedRecord", None, NS) == "persistent"
    assert answer.findtext("o:Identify/o:baseURL", None, NS) == "http://127.0.0.1:8000/services/portal/oai"
    request = answer.find("o:request", NS)
    assert request is not None
    assert request.attrib == {"verb": "Identify"}


async def test_a_list_in_pages_is_complete(repository: Repository, catalogue: Known) -> None:
    for verb in ("ListIdentifiers", "ListRecords"):
        answer = await ask(repository, ("verb", verb), ("metadataPrefix", "oai_datacite"))
        found = ids(answer)
        pages = 1
        while token := answer.findtext(".//o:resumptionToken", "", NS):
            answer = await ask(repository, ("verb", verb), ("resumptionToken", token))
            found += ids(answer)
            pages += 1
        assert len(found) == len(set(found)) == len(catalogue.given)
        assert pages == -(-len(found) // 3)


async def test_a_record_in_datacites_words(repository: Repository) -> None:
    identifier = "oai:127.0.0.1:esrf/base"
    answer = await ask(
        repository, ("verb", "GetRecord"), ("identifier", identifier), ("metadataPrefix", "oai_datacite")
    )
    resource = answer.find(".//d:resource", NS)
    assert resource is not None
    kind = resource.find("d:resourceType", NS)
    assert kind is not None
    assert kind.attrib["resourceTypeGeneral"] == "Software"
    assert resource.findtext("d:publicationYear", None, NS) == "2026"
    assert [one.text for one in resource.iterfind("d:creators/d:creator/d:creatorName", NS)] == [
        "European Synchrotron Radiation Facility", "Institut Laue-Langevin",
    ]  # fmt: skip
    assert "pyFAI 2026.9.0" in str(resource.findtext("d:descriptions/d:description[2]", None, NS))
    related = resource.findtext("d:relatedIdentifiers/d:relatedIdentifier", None, NS)
    assert related == "10.1107/S1600576724011038"
    plain = await ask(repository, ("verb", "GetRecord"), ("identifier", identifier), ("metadataPrefix", "oai_dc"))
    assert plain.findtext(".//dc:type", None, NS) == "Software"


async def test_only_what_changed_and_what_is_gone(repository: Repository, catalogue: Known, tmp_path: Path) -> None:
    await ask(repository, ("verb", "ListIdentifiers"), ("metadataPrefix", "oai_dc"))
    stamps = Stamps(tmp_path / "stamps.sqlite")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    import sqlite3

    with sqlite3.connect(tmp_path / "stamps.sqlite") as base:
        base.execute("UPDATE record SET changed = ?", (yesterday.replace(microsecond=0).isoformat(),))
    base.close()
    del stamps
    today = ("from", f"{datetime.now(UTC):%Y-%m-%d}")
    asked = (("verb", "ListIdentifiers"), ("metadataPrefix", "oai_dc"), today)
    assert error(await ask(repository, *asked)) == "noRecordsMatch"
    gone, changed = catalogue.given[0], catalogue.given[1]
    new = changed.environment.model_copy(update={"description": "Another"})
    catalogue.given = [replace(changed, environment=new), *catalogue.given[2:]]
    answer = await ask(repository, *asked)
    assert set(ids(answer)) == {f"oai:127.0.0.1:{gone.id}", f"oai:127.0.0.1:{changed.id}"}
    deleted = answer.findall(".//o:header[@status='deleted']", NS)
    assert [one.findtext("o:identifier", None, NS) for one in deleted] == [f"oai:127.0.0.1:{gone.id}"]


async def test_sets_are_the_facilities(repository: Repository, catalogue: Known) -> None:
    answer = await ask(repository, ("verb", "ListSets"))
    assert {one.text for one in answer.iterfind(".//o:setSpec", NS)} == {"software", "facility:esrf", "facility:ill"}
    of_ill = await ask(repository, ("verb", "ListIdentifiers"), ("metadataPrefix", "oai_dc"), ("set", "facility:ill"))
    size = of_ill.find(".//o:resumptionToken", NS)
    expected = sum("ill" in entry.facilities for entry in catalogue.given)
    assert size is not None
    assert size.attrib["completeListSize"] == str(expected)


PREFIX = ("metadataPrefix", "oai_dc")
LIST = ("verb", "ListRecords")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), "badVerb"),
        ((("verb", "Drop"),), "badVerb"),
        ((("verb", "Identify"), ("verb", "Identify")), "badVerb"),
        ((("verb", "Identify"), ("x", "1")), "badArgument"),
        ((LIST,), "badArgument"),
        ((LIST, PREFIX, PREFIX), "badArgument"),
        ((LIST, PREFIX, ("resumptionToken", "abc")), "badArgument"),
        ((LIST, ("resumptionToken", "abc")), "badResumptionToken"),
        ((LIST, ("resumptionToken", "W10")), "badResumptionToken"),
        ((LIST, ("resumptionToken", "x" * 5000)), "badResumptionToken"),
        ((LIST, ("metadataPrefix", "marc")), "cannotDisseminateFormat"),
        ((LIST, PREFIX, ("from", "2026-02-30")), "badArgument"),
        ((LIST, PREFIX, ("from", "tomorrow")), "badArgument"),
        ((LIST, PREFIX, ("from", "2026-11-26"), ("until", "2026-11-25")), "badArgument"),
        ((LIST, PREFIX, ("from", "2026-11-26"), ("until", "2026-11-26T10:00:00Z")), "badArgument"),
        ((LIST, PREFIX, ("set", "nothing")), "noRecordsMatch"),
        ((LIST, PREFIX, ("until", "1999-01-01")), "noRecordsMatch"),
        ((("verb", "GetRecord"), PREFIX, ("identifier", "oai:x\x00:1")), "idDoesNotExist"),
        ((("verb", "ListMetadataFormats"), ("identifier", "x")), "idDoesNotExist"),
        ((("verb", "ListSets"), ("resumptionToken", "x")), "badResumptionToken"),
    ],
)
async def test_errors_of_the_protocol(repository: Repository, arguments: Sequence[tuple[str, str]], code: str) -> None:
    assert error(await ask(repository, *arguments)) == code


NAMES = st.sampled_from(["verb", "metadataPrefix", "from", "until", "set", "identifier", "resumptionToken"]) | st.text()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(
    arguments=st.lists(
        st.tuples(NAMES, st.sampled_from(["ListRecords", "GetRecord", "oai_dc"]) | st.text()), max_size=5
    )
)
async def test_any_request_is_answered_with_xml(repository: Repository, arguments: list[tuple[str, str]]) -> None:
    await ask(repository, *arguments)
