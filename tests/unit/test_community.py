"""Communities as data, and the words for their mistakes."""

import pytest

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.identity.community import PRESETS, load_community

ENDPOINTS = '[endpoints]\nauthorize="https://x.example/a"\ntoken="https://x.example/t"\nuserinfo="https://x.example/u"'
JWKS = '\njwks = "https://x.example/j"'
GOOD = 'id = "own"\ntitle = "Our own"\ndescription = "Name and groups."\nissuer = "https://idp.example/"\n'


@pytest.fixture
def write(tmp_path):
    folder = tmp_path / "communities"
    folder.mkdir()

    def write(text, name="own"):
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
        return tmp_path

    return write


@pytest.mark.parametrize("name", sorted(file.stem for file in PRESETS.glob("*.toml")))
def test_the_presets_load(name):
    community = load_community(name)
    assert community.id == name
    assert community.issuer or community.issuer_required
    assert community.namespaces or community.issuer_required
    assert community.identity_scopes or community.issuer_required or community.identity_claim == "sub"
    assert not community.allow_sub
    assert "voperson_id" in community.scopes or community.identity_claim == "sub"
    assert "offline_access" in community.scopes  # without it a login is over with its first access token
    comment = (PRESETS / f"{name}.toml").read_text(encoding="utf-8").partition("\nid = ")[0]
    assert "public" in comment  # says where the facts are from, and which are not public


def test_umbrellaid_needs_the_operators_issuer():
    community = load_community("umbrellaid")
    assert community.issuer_required
    assert community.issuer == ""


def test_a_site_adds_and_overrides(write):
    site = write(GOOD)
    assert load_community("own", site).issuer == "https://idp.example/"  # the slash is part of the issuer
    write(GOOD.replace('"own"', '"eduteams"'), name="eduteams")
    assert load_community("eduteams", site).title == "Our own"
    assert load_community("egi-checkin", site).title == "EGI Check-in"


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (GOOD + 'identity_scope = ["x"]', "identity_scope", "did you mean 'identity_scopes'"),
        (GOOD.replace("https", "http"), "issuer", "must be https"),
        (GOOD.replace("https://idp.example/", "https://…"), "issuer", "characters that no address has"),
        (GOOD.replace("https://idp.example/", "http://127.0.0.1.evil.example"), "issuer", "must be https"),
        (GOOD.replace("https://idp.example/", "https://idp.example@evil.example/"), "issuer", "must be https"),
        (GOOD.replace("https://idp.example/", ""), "", "issuer: missing"),
        (GOOD + 'namespaces = ["eduteams.org"]', "namespaces", "urn"),
        (GOOD + 'identity_scopes = ["@eduteams.org"]', "identity_scopes", "without '@'"),
        (GOOD + 'scopes = ["profile"]', "scopes", "openid"),
        (GOOD + 'identity_claim = "email"', "identity_claim", "voperson_id"),
        (
            GOOD
            + '[endpoints]\nauthorize="https://x.example/a"\ntoken="http://x.example/t"\nuserinfo="https://x.example/u"',
            "endpoints.token",
            "must be https",
        ),
        (GOOD + ENDPOINTS, "endpoints.jwks", "Field required"),
        (GOOD + ENDPOINTS + JWKS + '\nend_session = "http://x.example"', "endpoints.end_session", "must be https"),
        (GOOD + ENDPOINTS + JWKS + '\nalgorithms = ["RS256", "none"]', "endpoints.algorithms", "'none' is not one of"),
        (GOOD + ENDPOINTS + JWKS + '\nalgorithms = ["HS256"]', "endpoints.algorithms", "'HS256' is not one of"),
        (GOOD + ENDPOINTS + JWKS + '\njwk = "x"', "endpoints.jwk", "did you mean 'jwks'"),
        (GOOD + 'former_scopes = ["@old.example"]', "former_scopes", "without '@'"),
        (GOOD.replace('id = "own"', 'id = "other"'), "id", "own.toml"),
        ("id = ", "", "cannot be read"),
    ],
)
def test_mistakes_are_named(write, text, key, words):
    with pytest.raises(ConfigurationError) as mistake:
        load_community("own", write(text))
    assert mistake.value.key == key
    assert words in str(mistake.value)
    assert mistake.value.file.name == "own.toml"


def test_a_mistyped_community_is_suggested():
    with pytest.raises(ConfigurationError, match="did you mean 'umbrellaid'"):
        load_community("umbrelaid")


@pytest.mark.parametrize("name", ["../site", "/etc/passwd", "", "*"])
def test_a_name_never_becomes_a_path(write, name):
    with pytest.raises(ConfigurationError, match="there is no community"):
        load_community(name, write(GOOD))
