"""Tables of catalogues: what is shipped, what a site changes, what is refused in words, and the check."""

from __future__ import annotations

import asyncio
import json
import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from fakes.panosc import IllImplementation, LoopBack3
from fakes.server import Reply, always, hang, serving
from fakes.world import world
from panosc_portal.catalogues.command import examine
from panosc_portal.catalogues.command import main as check_command
from panosc_portal.catalogues.make import MAKERS, make_catalogues
from panosc_portal.catalogues.oai import OaiCatalogue
from pydantic import TypeAdapter
from support import make_site

from panosc_spawner.check.catalogues import check_catalogues
from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.catalogue_dialects import DIALECTS, Dialect
from panosc_spawner.facilities.catalogue_rules import CatalogueCommon, CatalogueRule
from panosc_spawner.facilities.catalogue_rules import OaiCatalogue as OaiRule
from panosc_spawner.facilities.catalogues import catalogues_of, shipped_catalogues, site_catalogues
from panosc_spawner.facilities.load import load_facility, load_site
from panosc_spawner.facilities.site import Site

DOCS = Path(__file__).parents[4] / "docs/portal-catalogues.md"
NINE = {
    "https://searchapi.maxiv.lu.se/api", "https://icatplus.esrf.fr/api", "https://search.panosc.ess.eu/api", "https://dacat.psi.ch/panosc-api",
    "https://data.ceric-eric.eu/search-api", "https://in.xfel.eu/metadata/api/panosc/v1", "https://fairdata.ill.fr/fairdata/api",
    "https://data.cells.es/iws/panosc/search-api", "https://scicat.hzdr.de/panosc-api",
}  # fmt: skip
KINDS = get_args(get_args(CatalogueRule)[0])
ONLY_ONE = '[portal.catalogues]\noff = ["esrf", "ill"]\n'


def shipped() -> dict[str, CatalogueCommon]:
    """Those of the facilities, and the others."""
    found: dict[str, CatalogueCommon] = dict(shipped_catalogues())
    for facility in ("ceric", "eli", "esrf", "ess", "euxfel", "ill"):
        found |= load_facility(facility).catalogues
    return found


def own(url: str, **keys: Any) -> str:
    """TOML of a site with one catalogue of its own."""
    lines = {"type": "panosc", "url": f"{url}/api", "implementation": "reference", **keys}
    table = "\n".join(f"{key} = {json.dumps(value)}" for key, value in lines.items())
    return f"{ONLY_ONE}[portal.catalogues.own.mine]\n{table}\n"


def test_the_nine_providers_are_shipped_and_nobody_says_that_they_were_tried() -> None:
    known = shipped()
    assert {rule.url for rule in known.values() if getattr(rule, "type", "") == "panosc"} == NINE
    assert [name for name, rule in known.items() if rule.verified] == []
    assert {rule.url for rule in known.values() if isinstance(rule, OaiRule) and rule.enabled} == {
        "https://data.eli-laser.eu/oai2d"
    }
    assert set(shipped_catalogues()) == {"maxiv", "psi", "alba", "hzdr"}


def test_every_kind_of_table_makes_a_catalogue(tmp_path: Path) -> None:
    assert set(MAKERS) | {OaiRule} == set(KINDS)
    (tmp_path / "icat-reader").write_text("open\n")
    (tmp_path / "icat-reader").chmod(0o600)
    tables = examples()
    assert {table["type"] for table in tables.values()} == {
        get_args(kind.model_fields["type"].annotation)[0] for kind in KINDS
    }
    more = "".join(
        f"[portal.catalogues.own.{name}]\n"
        + "\n".join(f"{key} = {_toml(value)}" for key, value in table.items())
        + "\n"
        for name, table in tables.items()
    )
    site = make_site(tmp_path, more)
    (site.folder / "icat-reader").write_text("open\n")
    (site.folder / "icat-reader").chmod(0o600)
    made = {catalogue.name: catalogue for catalogue in make_catalogues(site)}
    assert set(made) == {"esrf", "ill", *tables}
    assert isinstance(made["oai"], OaiCatalogue)
    assert made["esrf"].facilities == {"esrf"}
    assert made["scicat"].facilities == frozenset()
    assert made["scicat"].capabilities.own_data


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    return json.dumps(value)


def examples() -> dict[str, dict[str, Any]]:
    """The tables of the documentation, by name."""
    blocks = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)]
    return {name: table for block in blocks for name, table in block.get("catalogues", {}).items() if "type" in table}


def test_what_the_documentation_shows_is_right_and_names_every_key() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(CatalogueRule)
    text = DOCS.read_text()
    for table in examples().values():
        rule = adapter.validate_python(table)
        keys = set(type(rule).model_fields) - {"name", "type"}
        assert [key for key in keys if key not in text] == []


def test_every_key_has_words() -> None:
    for model in (*KINDS, Dialect):
        assert [
            key for key, field in model.model_fields.items() if key not in ("type", "name") and not field.description
        ] == []
    assert set(DIALECTS) == set(get_args(KINDS[0].model_fields["implementation"].annotation))


def test_a_sites_file_changes_single_keys(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    file = site.folder / "facilities" / "esrf.toml"
    file.write_text(
        file.read_text()
        + "[catalogues.esrf]\nverified = true\n[catalogues.second]\ntype = 'icat'\nurl = 'https://i.example.org/icat'\n"
    )
    rules = site_catalogues(load_site(site.folder))
    assert list(rules) == ["esrf", "second", "ill"]
    assert rules["esrf"].verified
    assert rules["esrf"].url == "https://icatplus.esrf.fr/api"
    assert rules["esrf"].name == "esrf"


def test_others_are_switched_on_and_off(tmp_path: Path) -> None:
    site = make_site(tmp_path, '[portal.catalogues]\nalso = ["psi"]\noff = ["ill"]\n')
    assert list(site_catalogues(site)) == ["esrf", "psi"]
    assert [one.facility.id if one.facility else "" for one in catalogues_of(site)] == ["esrf", ""]


def test_a_demo_asks_nobody_beyond_its_own_machine(tmp_path: Path) -> None:
    site = make_site(tmp_path, own("http://127.0.0.1:1").replace('off = ["esrf", "ill"]\n', ""))
    file = site.folder / "site.toml"
    assert "mine" in site_catalogues(site)
    file.write_text(file.read_text().replace("[hub]\n", "[hub]\ndemo = true\n"))
    assert list(site_catalogues(load_site(site.folder))) == ["mine"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('[portal.catalogues]\nalso = ["psii"]\n', "no catalogue 'psii' comes with the hub"),
        ('[portal.catalogues]\noff = ["nobody"]\n', "no catalogue is called 'nobody'"),
        ('[portal.index]\ncatalogues = ["ESRF data portal"]\n', "asks no catalogue 'ESRF data portal' (it asks esrf, ill)"),
        ('[portal.catalogues]\noff = ["ill"]\n[portal.index]\ncatalogues = ["ill"]\n', "asks no catalogue 'ill'"),
        (own("https://a.example.org").replace("own.mine", "own.esrf"), "two catalogues are called 'esrf'"),
        (own("http://a.example.org"), "must be https"),
        (own("https://u:p@a.example.org"), "must not hold a user"),
        (own("https://a.example.org", audience="x"), "takes no tokens"),
        (own("https://a.example.org", landing="https://a.example.org/x"), "must hold {pid} once"),
        (own("https://a.example.org", landing="javascript:{pid}"), "must be an https address"),
        (own("https://a.example.org", landing="https://{pid}.example.org/"), "after the host"),
        (own("https://a.example.org", proposal_id="(?P<id>(a+)+)"), "takes too long"),
        (own("https://a.example.org", proposal_id="x"), "needs the group"),
        (own("https://a.example.org", type="scikat"), "must be one of 'panosc'"),
        (own("https://a.example.org", colour="red"), "colour"),
        (own("https://a.example.org").replace('"reference"', '"reference"\ndiffers = { documents = "x" }'), "differs.documents"),
        (own("https://a.example.org").replace('"reference"', '"reference"\ndiffers = { limit = "never" }'), "differs.limit"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_when_the_file_is_read(tmp_path: Path, more: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_site(tmp_path, more)
    assert words in str(caught.value)


# --- the check ------------------------------------------------------------------------------------------------------------


async def test_check_says_what_to_write(tmp_path: Path) -> None:
    async with serving(LoopBack3(world())) as fake:
        site = make_site(tmp_path, own(fake.url))
        (found,) = await examine(site)
        assert (found.level, found.subject) == ("warning", "catalogue mine")
        assert "counts 10" in found.message
        assert "write verified = true in [portal.catalogues.own.mine]" in found.remedy
        (found,) = await examine(make_site(tmp_path, own(fake.url, verified=True)))
        assert found.level == "ok"


@pytest.mark.parametrize(
    ("fake", "implementation", "words"),
    [
        (LoopBack3(world()), "ill", 'document = ""'),
        (IllImplementation(world()), "datagateway", 'document = "document"'),
        (LoopBack3(world()), "scicat", "counts 10"),
    ],
)
async def test_check_finds_the_wrong_implementation(tmp_path: Path, fake: Any, implementation: str, words: str) -> None:
    async with serving(fake):
        (found,) = await examine(make_site(tmp_path, own(fake.url, implementation=implementation)))
        assert words in found.message


async def test_what_check_says_makes_it_right(tmp_path: Path) -> None:
    async with serving(IllImplementation(world())) as fake:
        text = own(fake.url, implementation="datagateway")
        (found,) = await examine(make_site(tmp_path, text))
        differs = re.search(r"differs = \{.*\}", found.message)
        assert differs is not None
        (found,) = await examine(make_site(tmp_path, f"{text}{differs[0]}\n"))
        assert "as its table says" in found.message


@pytest.mark.parametrize(
    "trouble", [hang, always(Reply(500, b"")), always(Reply(200, b"<html>")), always(Reply(401, b""))]
)
async def test_check_of_one_that_fails_is_a_warning_with_what_to_do(tmp_path: Path, trouble: Any) -> None:
    async with serving(LoopBack3(world())) as fake:
        fake.trouble = trouble
        (found,) = await examine(make_site(tmp_path, own(fake.url)), wait=0.5)
        assert found.level == "warning"
        assert found.remedy


async def test_the_hubs_check_asks_the_portal(tmp_path: Path) -> None:
    async with serving(LoopBack3(world())) as fake:
        site = make_site(tmp_path, own(fake.url))
        assert list(check_catalogues(site)) == []  # no portal, nothing to check
        site = make_site(tmp_path, own(fake.url) + "[portal]\nenabled = true\n")
        found = await asyncio.to_thread(lambda: list(check_catalogues(site)))
        assert [one.subject for one in found] == ["catalogue mine"]
        assert "counts 10" in found[0].message


def test_an_account_without_its_password_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site: Site = make_site(
        tmp_path,
        own("https://a.example.org", type="icatplus", username="reader", password_file="nowhere").replace(
            'implementation = "reference"\n', ""
        ),
    )
    assert check_command([str(site.folder)]) == 1
    assert "catalogue mine" in capsys.readouterr().out
    assert check_command([str(site.folder), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False
