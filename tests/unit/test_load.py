"""Loading a site: what is right is merged, what is wrong is named with file, key, reason and a way out."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.load import (
    examine_facility,
    examine_site,
    known_facilities,
    lacking,
    load_facility,
    load_site,
    shipped_facilities,
)
from panosc_spawner.facilities.model import Access, Area, NssAccount, Role

SITE = """
[hub]
id = "test"
facilities = ["esrf", "demo"]
state_dir = "state"

[login]
community = "egi-checkin"
client_id = "hub"
client_secret_file = "secret"

[home]
source = "/home/{user}"

[account]
kind = "shared"

[[sources]]
type = "file"
path = "proposals.toml"
"""


class Folder:
    """A site's folder in the making."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.site(SITE)
        (path / "proposals.toml").write_text("")

    def site(self, text: str) -> Folder:
        (self.path / "site.toml").write_text(text)
        return self

    def change(self, old: str, new: str) -> Folder:
        assert old in SITE
        return self.site(SITE.replace(old, new))

    def facility(self, name: str, text: str) -> Folder:
        (self.path / "facilities").mkdir(exist_ok=True)
        (self.path / f"facilities/{name}.toml").write_text(text)
        return self

    def errors(self) -> list[ConfigurationError]:
        examined = examine_site(self.path)
        assert (examined.site is None) == bool(examined.errors)
        return list(examined.errors)

    def error(self) -> ConfigurationError:
        with pytest.raises(ConfigurationError) as caught:
            load_site(self.path)
        return caught.value


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_site(folder: Folder) -> None:
    site = load_site(folder.path)
    assert list(site.facilities) == ["esrf", "demo"]
    assert site.folder == folder.path
    assert site.facilities["esrf"].environments["base"].image == "panosc/base:2026.11"


def test_relative_paths_are_relative_to_the_folder(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    config = load_site(folder.path).config
    assert config.hub.state_dir == folder.path / "state"
    assert config.login.client_secret_file == folder.path / "secret"
    assert [source.path for source in config.sources if source.type == "file"] == [folder.path / "proposals.toml"]


def test_absolute_paths_stay(folder: Folder) -> None:
    folder.change('state_dir = "state"', 'state_dir = "/var/lib/hub"')
    assert load_site(folder.path).config.hub.state_dir == Path("/var/lib/hub")


class TestOverrides:
    def test_tables_merge_and_values_are_replaced(self, folder: Folder) -> None:
        folder.facility(
            "esrf", 'colour = "#000000"\n[paths]\nroot = "/mnt/esrf"\n[environments.mx]\ntitle="MX"\nimage="mx:1"'
        )
        esrf = load_facility("esrf", folder.path)
        assert esrf.paths and (str(esrf.paths.root), esrf.paths.mount_by) == ("/mnt/esrf", "visit")
        assert {"base", "simulation", "mx"} <= set(esrf.environments)
        assert list(esrf.environments)[-1] == "mx", "a site's own come last, and win where several fit an instrument"
        assert esrf.colour == "#000000"
        assert load_facility("esrf").colour != "#000000"

    def test_an_access_table_is_replaced_as_a_whole(self, folder: Folder) -> None:
        folder.facility("esrf", '[areas.processed.access]\ndefault = "ro"')
        processed = load_facility("esrf", folder.path).areas[Area.PROCESSED]
        assert processed.access_for(Role.PI) is Access.READ

    def test_an_account_rule_is_replaced_as_a_whole(self, folder: Folder) -> None:
        folder.facility("common", '[account]\nkind = "claim"\nuid = "u"\ngid = "g"')
        folder.facility("esrf", '[account]\nkind = "nss"')
        assert load_facility("esrf", folder.path).account == NssAccount(kind="nss")

    def test_common_is_for_all_facilities(self, folder: Folder) -> None:
        folder.facility("common", '[environments.mx]\ntitle="MX"\nimage="mx:1"')
        assert all("mx" in load_facility(name, folder.path).environments for name in shipped_facilities())
        assert "common" not in known_facilities(folder.path)

    def test_a_site_adds_a_facility(self, folder: Folder) -> None:
        folder.facility(
            "desy",
            """
            name = "DESY"
            short_name = "DESY"
            [user_office]
            name = "Photon Science"
            [proposals]
            written = '(?P<id>\\d{8})'
            examples = ["11016750"]
            [paths]
            root = "/asap3/petra3/gpfs"
            fields = { beamline = 'p\\d{2}(\\.\\d)?' }
            examples = { beamline = "p05" }
            [areas.raw]
            path = "{beamline}/{year}/data/{proposal}/raw"
            """,
        )
        folder.change('["esrf", "demo"]', '["desy"]')
        desy = load_site(folder.path).facilities["desy"]
        assert (desy.id, list(desy.areas)) == ("desy", [Area.RAW])

    def test_what_was_to_fill_is_filled(self, folder: Folder) -> None:
        folder.facility("ess", '[areas.raw]\npath = "{instrument}/{year}/{proposal}/raw"')
        folder.change('["esrf", "demo"]', '["ess"]')
        ess = load_site(folder.path).facilities["ess"]
        assert not lacking(ess)
        assert ess.areas[Area.RAW].access_for(Role.MEMBER) is Access.READ


def assert_error(error: ConfigurationError, file: str, key: str, words: str, hint: str = "") -> None:
    assert (str(error.file).endswith(file), error.key) == (True, key), str(error)
    assert words in error.reason
    assert hint in error.suggestion


@pytest.mark.parametrize(
    ("old", "new", "key", "words", "hint"),
    [
        ('id = "test"', 'id = "Test Hub"', "hub.id", "lower-case letters", ""),
        ('id = "test"', 'idd = "test"\nid = "x"', "hub.idd", "unknown key", "did you mean 'id'?"),
        ("[login]", "[docker]\nnetwrok = 'x'\n[login]", "docker.netwrok", "unknown key", "did you mean 'network'?"),
        ("[login]", "[dokcer]\n[login]", "dokcer", "unknown key", "did you mean 'docker'?"),
        ("[login]", "[docker]\nxyzzy = 1\n[login]", "docker.xyzzy", "unknown key", "known: log_size, network"),
        ("[login]", "[resources.default]\nmemroy = 1\n[login]", "resources.default.memroy", "unknown key", "memory"),
        ("[login]", "[resources.default]\nmemory = 'lots'\n[login]", "resources.default.memory", "not a size", ""),
        ('client_id = "hub"', "", "login.client_id", "is missing", ""),
        ('community = "egi-checkin"', "", "login.community", "is missing", "communities folder"),
        ('id = "test"', 'id = "test"\nspawner = "dokcer"', "hub.spawner", "'dokcer' is not one of", "did you mean 'docker'?"),
        ('kind = "shared"', 'kind = "sharde"', "account.kind", "must be one of", ""),
        ('kind = "shared"', "", "account.kind", "is missing", ""),
        ('kind = "shared"', 'kind = "shared"\nuuid = 1', "account.uuid", "unknown key", "did you mean 'uid'?"),
        ('[account]\nkind = "shared"', "", "account", "for esrf, demo", "kind ="),
        ('path = "proposals.toml"', 'pth = "a"', "sources[1].pth", "unknown key", "did you mean 'path'?"),
        ('type = "file"', 'type = "fiel"', "sources[1].type", "must be one of", ""),
        ('path = "proposals.toml"', 'path = "nope.toml"', "sources[1].path", "does not exist", "relative to"),
        ('path = "proposals.toml"', 'path = "."', "sources[1].path", "is not a file", ""),
        ('path = "proposals.toml"', 'path = "proposals.toml"\nfacilities = ["ill"]', "sources[1].facilities", "not served", ""),
        ('["esrf", "demo"]', '["esfr", "demo"]', "hub.facilities", "no facility 'esfr'", "did you mean 'esrf'?"),
        ('["esrf", "demo"]', '["esrf", "esrf"]', "hub.facilities", "2 times", "once"),
        ('["esrf", "demo"]', "[]", "hub.facilities", "at least 1 item", ""),
        ("[login]", "[resources]\nask = '8G'\n[login]", "resources.ask", "more is given", "at most"),
        ("[login]", "[resources.overrides.a]\ngroups = ['esrf']\n[login]", "resources.overrides.a.groups", "no group", "facility:"),
        ("[login]", "[resources.overrides.a]\ngroups = ['role:boss']\n[login]", "resources.overrides.a.groups", "no role", "pi"),
        ("[login]", "[resources.overrides.a]\ngroups = ['facility:ill']\n[login]", "resources.overrides.a.groups", "served", "esrf"),
        ('id = "test"', 'id = "test"\ndemo = true\npublic_url = "https://hub.org"', "hub.demo", "loopback only", ""),
        ('id = "test"', 'id = "test"\npublic_url = "http://hub.org"', "hub.public_url", "must be https", ""),
        ('id = "test"', 'id = "test"\npublic_url = "http://127.0.0.1:8000"\nuser_domains = true', "hub.user_domains", "host name", ""),
        ("/home/{user}", "/home/{account}", "home.source", "everybody would share one home", "{user}"),
        ('kind = "shared"', 'kind = "nss"', "account.claim", "can be anybody", "guarantees"),
        ('kind = "shared"', 'kind = "nss"\nclaim = "email"', "account.claim", "people choose it", ""),
        ('path = "proposals.toml"', 'path = "proposals.toml"\nperson = { by = "claim", claim = "e_mail" }', "sources[1].person.claim", "people choose it", ""),
        ("/home/{user}", "/home/{uid}", "home.source", "everybody would share one home", "{user}"),
        ('[home]\nsource = "/home/{user}"', "", "home.source", "everybody would share one home", "{user}"),
    ],
)  # fmt: skip
def test_mistakes_in_site_toml(folder: Folder, old: str, new: str, key: str, words: str, hint: str) -> None:
    assert_error(folder.change(old, new).error(), "site.toml", key, words, hint)


@pytest.mark.parametrize(
    ("text", "key", "words", "hint"),
    [
        ('recheck = "0s"', "recheck", "must be noticed", "1s to 1h"),
        ('recheck = "1d"', "recheck", "1d cannot be", "1s to 1h"),
        ('max_session_age = "10s"', "max_session_age", "get to work", "1m or more"),
        ('recheck = "1h"\nmax_session_age = "1h"', "max_session_age", "asked again (1h)", "more than access.recheck"),
        ('clock_skew = "1h"', "clock_skew", "counts after its end", "0s to 10m"),
        ('source_timeout = "0s"', "source_timeout", "no time", "1s to 1m"),
        ('source_timeout = "10m"', "source_timeout", "waits", "1s to 1m"),
        ('max_grant_age = "3s"', "max_grant_age", "nothing could ever be opened", "access.source_timeout"),
        ('max_grant_age = "-15m"', "max_grant_age", "not a duration", ""),
        ("recheck = 0", "recheck", "not a duration", ""),
    ],
)
def test_times_between_which_nothing_works(folder: Folder, text: str, key: str, words: str, hint: str) -> None:
    errors = folder.site(f"{SITE}\n[access]\n{text}\n").errors()
    assert len(errors) == 1
    assert_error(errors[0], "site.toml", f"access.{key}", words, hint)


def test_the_least_and_the_most_are_allowed(folder: Folder) -> None:
    least = 'recheck = "1s"\nmax_session_age = "1m"\nclock_skew = "0s"\nsource_timeout = "1s"\noutage_grace = "0s"\nmax_grant_age = "1s"'
    most = 'recheck = "1h"\nclock_skew = "10m"\nsource_timeout = "1m"'
    assert not folder.site(f"{SITE}\n[access]\n{least}\n").errors()
    assert not folder.site(f"{SITE}\n[access]\n{most}\n").errors()


def test_tokens_for_facilities_that_are_not_served(folder: Folder) -> None:
    tokens = '[tokens.archive]\naudience = "x"\nfacilities = ["esrf", "ess"]\n'
    assert_error(
        folder.site(SITE + tokens).error(),
        "site.toml",
        "tokens.archive.facilities",
        "'ess' is not served",
        "esrf, demo",
    )
    assert not folder.site(SITE + tokens.replace(', "ess"', "")).errors()


def test_a_list_is_not_called_too_short_for_what_is_wrong_in_it(folder: Folder) -> None:
    assert [error.key for error in folder.change('type = "file"', 'type = "fiel"').errors()] == ["sources[1].type"]


ENTITLEMENTS = """
[[sources]]
type = "entitlements"
facility = "esrf"
issuer = "https://aai.egi.eu/auth/realms/egi"
namespace = "urn:mace:egi.eu"
group = ["esrf"]
roles = { leader = "pi" }
"""


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ('"esrf"\nissuer', '"ill"\nissuer', "sources[2].facility", "not served"),
        ('["esrf"]', "[]", "sources[2].group", "group path"),
        ('["esrf"]', '["esrf:x"]', "sources[2].group", "group path"),
        ('"urn:mace', '"mace', "sources[2].namespace", "not a URN"),
        ('"https://aai', '"aai', "sources[2].issuer", "not an issuer"),
        ('"pi"', '"boss"', "sources[2].roles.leader", "'boss' is not one of"),
        ('type = "entitlements"', 'type = "entitlements"\nname = "file"', "sources", "2 sources are called 'file'"),
    ],
)
def test_mistakes_in_an_entitlement_source(folder: Folder, old: str, new: str, key: str, words: str) -> None:
    assert old in ENTITLEMENTS
    assert not folder.site(SITE + ENTITLEMENTS).errors()
    assert_error(folder.site(SITE + ENTITLEMENTS.replace(old, new)).error(), "site.toml", key, words)


@pytest.mark.parametrize(
    ("text", "key", "words", "hint"),
    [
        ("[paths]\nroots = '/x'", "paths.roots", "unknown key", "did you mean 'root'?"),
        ("[areas.rwa]\npath = '{proposal}'", "areas.rwa", "not one of", "did you mean 'raw'?"),
        ("[areas.raw.access]\npi = 'rw'", "areas.raw.access", "never writable", ""),
        ("[areas.raw.access]\npi = 'read'", "areas.raw.access.pi", "not one of", ""),
        ("[areas.raw.access]\nboss = 'ro'", "areas.raw.access.boss", "", ""),
        ("[areas.raw]\npath = 'raw'", "areas.raw.path", "needs {proposal}", "add {proposal}"),
        ("[areas.raw]\npath = '{proposal}/../raw'", "areas.raw.path", "'..'", ""),
        ("[areas.raw]\npath = '{proposal}{date}'", "areas.raw.path", "where one ends", "between"),
        ("[areas.raw]\npath = '{proposal}/{beamline}'", "areas.raw.path", "unknown field {beamline}", "{instrument}"),
        ("[paths.fields]\ndate = '('", "paths.fields.date", "not a regular expression", ""),
        ("[paths.fields]\ndate = '[a-z]+'", "paths.examples.date", "does not match", "example"),
        ("[paths]\nroot = 'data'", "paths.root", "absolute", ""),
        ("[paths]\nroot = '/data/../etc'", "paths.root", "absolute", ""),
        ("[proposals]\nwritten = '('", "proposals.written", "not a regular expression", ""),
        ("[proposals]\nexamples = ['12']", "proposals.examples", "refused by the file's own rule", ""),
        ("[environments.base]\nimage = 'Not an image'", "environments.base.image", "not an image reference", ""),
        ("[environments.base]\nimgae = 'x'", "environments.base.imgae", "unknown key", "did you mean 'image'?"),
        ("default_environment = 'mx'", "default_environment", "not one of environments", ""),
        ("default_environment = ''", "default_environment", "is missing", "base"),
        ("id = 'ill'", "id", "differs from the file's name", "leave it out"),
        ("colour = 'blue'", "colour", "", ""),
    ],
)  # fmt: skip
def test_mistakes_in_an_override(folder: Folder, text: str, key: str, words: str, hint: str) -> None:
    assert_error(folder.facility("esrf", text).error(), "facilities/esrf.toml", key, words, hint)


def test_the_blame_is_on_the_file_with_the_mistake(folder: Folder) -> None:
    folder.facility("common", "[environments.base]\nimgae = 'x'")
    folder.facility("esrf", "[environments.mx]\nimage = 'mx:1'\ntitle = 'MX'")
    assert_error(folder.error(), "facilities/common.toml", "environments.base.imgae", "unknown key")


def test_toml_that_is_none_names_the_line(folder: Folder) -> None:
    assert_error(folder.site("[hub]\nid = test").error(), "site.toml", "", "line 2")
    folder.site(SITE).facility("esrf", "\n\nname = x")
    assert_error(folder.error(), "facilities/esrf.toml", "", "line 3")


def test_a_folder_without_site_toml(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file"):
        load_site(tmp_path)


def test_text_that_is_not_utf_8(folder: Folder) -> None:
    (folder.path / "site.toml").write_bytes(b"\xff\xfe")
    assert_error(folder.error(), "site.toml", "", "UTF-8")


@pytest.mark.parametrize("name", ["ess", "ceric", "eli"])
def test_what_is_not_public_must_be_given(folder: Folder, name: str) -> None:
    errors = folder.change('["esrf", "demo"]', f'["{name}"]').errors()
    assert [error.key for error in errors] == list(load_facility(name).to_fill)
    assert_error(errors[0], f"facilities/{name}.toml", errors[0].key, "must be given by the operator", "write it in")


def test_all_errors_are_listed(folder: Folder) -> None:
    folder.change('["esrf", "demo"]', '["esrf", "ess", "ilk"]')
    folder.facility("esrf", "[paths]\nroots = '/x'\nmount_by = 'x'")
    keys = [error.key for error in folder.errors()]
    assert keys == ["paths.roots", "paths.mount_by", "areas.raw.path", "hub.facilities"]


def test_an_unknown_facility() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'euxfel'"):
        load_facility("eu-xfel")


def test_the_error_is_one_readable_line(folder: Folder) -> None:
    text = str(folder.facility("esrf", "[paths]\nroots = '/x'").error())
    assert text.endswith("facilities/esrf.toml: paths.roots: unknown key (did you mean 'root'?)")


def test_site_in_the_tests_is_toml() -> None:
    assert tomllib.loads(SITE + ENTITLEMENTS)


def test_a_facility_that_counts_on_a_source_nobody_has_is_refused(tmp_path: Path) -> None:
    (tmp_path / "facilities").mkdir()
    (tmp_path / "facilities" / "demo.toml").write_text('sources = ["User ofice"]\n')
    (tmp_path / "rights.toml").write_text("[[proposal]]\n")
    (tmp_path / "site.toml").write_text(
        """
[hub]
id = "t"
facilities = ["demo"]
[login]
community = "demo"
client_id = "hub"
[account]
kind = "shared"
[home]
source = "/srv/{user}"
[[sources]]
type = "file"
name = "User office"
path = "rights.toml"
"""
    )
    found = [error for error in examine_site(tmp_path).errors if error.key == "sources"]
    assert [str(error.file) for error in found] == [str(tmp_path / "facilities" / "demo.toml")]
    assert found[0].suggestion == "did you mean 'User office'?"


class TestEnvironments:
    def test_a_name_alone_offers_what_is_shipped(self, folder: Folder) -> None:
        folder.facility("ill", '[environments.esrf]\ninstruments = ["D20"]\n[environments.base]\ntitle = "Ours"')
        ill = load_facility("ill", folder.path)
        assert (ill.environments["esrf"].image, ill.environments["esrf"].instruments) == (
            "panosc/esrf:2026.11",
            ("D20",),
        )
        assert (ill.environments["base"].title, ill.environments["base"].image) == ("Ours", "panosc/base:2026.11")
        assert "ceric" not in ill.environments, "what a facility does not name it does not offer"

    def test_a_name_that_nothing_is_known_of_needs_words(self, folder: Folder) -> None:
        folder.facility("ill", "[environments.sasview]")
        _, errors = examine_facility("ill", folder.path)
        assert {error.key for error in errors} == {"environments.sasview.title", "environments.sasview.image"}
        assert all(error.file == folder.path / "facilities/ill.toml" for error in errors)

    def test_it_is_no_facility(self, folder: Folder) -> None:
        assert "environments" not in known_facilities(folder.path)
