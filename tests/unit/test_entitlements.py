"""The entitlement parser: every example and trick of the communities, and hostile text."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panosc_spawner.errors import EntitlementError
from panosc_spawner.identity.entitlements import MAX_LENGTH, Entitlement, parse, parse_namespace

UMBRELLA = "urn:geant:eduteams.org:service:umbrellaid.org"
UMBRELLA_PARTS = ("eduteams.org", "service", "umbrellaid.org")


def group(nid, namespace, *path, role="", authority=""):
    return Entitlement(nid, tuple(namespace), "group", path, role=role, authority=authority)


ACCEPTED = [
    (
        f"{UMBRELLA}:group:umbrellaid#umbrellaid.org",
        group("geant", UMBRELLA_PARTS, "umbrellaid", authority="umbrellaid.org"),
    ),
    (
        f"{UMBRELLA}:group:umbrellaid:eosc-future:wp6#umbrellaid.org",
        group("geant", UMBRELLA_PARTS, "umbrellaid", "eosc-future", "wp6", authority="umbrellaid.org"),
    ),
    (
        "urn:geant:eduteams.org:service:eduteams:group:CESSDA-Test:developers#eduteams.org",
        group("geant", ("eduteams.org", "service", "eduteams"), "CESSDA-Test", "developers", authority="eduteams.org"),
    ),
    (
        "urn:mace:egi.eu:group:vo.panosc.eu:role=vm_operator#aai.egi.eu",
        group("mace", ("egi.eu",), "vo.panosc.eu", role="vm_operator", authority="aai.egi.eu"),
    ),
    (
        "urn:geant:cesnet.cz:group:einfra:members#Perun Identity and Management System - Maintenance",
        group(
            "geant", ("cesnet.cz",), "einfra", "members", authority="Perun Identity and Management System - Maintenance"
        ),
    ),
    (
        "urn:geant:cesnet.cz:group:VO1:Group%20C#perun.cesnet.cz",
        group("geant", ("cesnet.cz",), "VO1", "Group C", authority="perun.cesnet.cz"),
    ),
    ("urn:geant:helmholtz.de:group:Helmholtz-member", group("geant", ("helmholtz.de",), "Helmholtz-member")),
    (
        "urn:geant:dfn.de:nfdi.de:group:example#authority.host.de",
        group("geant", ("dfn.de", "nfdi.de"), "example", authority="authority.host.de"),
    ),
    (
        "urn:mace:egi.eu:res:gocdb#aai.egi.eu",
        Entitlement("mace", ("egi.eu",), "res", ("gocdb",), authority="aai.egi.eu"),
    ),
    (
        "urn:geant:cesnet.cz:res:store:raw:act:read,list",
        Entitlement("geant", ("cesnet.cz",), "res", ("store", "raw"), actions=("read", "list")),
    ),
    # The URN and its namespace fold their case; groups do not.
    ("URN:GEANT:EduTeams.ORG:group:Demo", group("geant", ("eduteams.org",), "Demo")),
    # A delegated namespace may itself be called "group".
    ("urn:geant:group:group:x", group("geant", ("group",), "x")),
    # The first ':group:' ends the namespace, whatever a subgroup is called.
    (
        "urn:geant:eduteams.org:group:x:service:umbrellaid.org:group:umbrellaid",
        group("geant", ("eduteams.org",), "x", "service", "umbrellaid.org", "group", "umbrellaid"),
    ),
    ("urn:geant:x.org:group:r%C3%A9sum%C3%A9", group("geant", ("x.org",), "résumé")),
]

REFUSED = [
    "",
    "umbrellaid",
    "urn:geant:eduteams.org",
    "urn:geant:eduteams.org:group",
    "urn:geant:eduteams.org:group:",
    "urn:geant:eduteams.org:group::x",
    "urn:geant:eduteams.org:group:x:",
    "urn:geant:group:x",
    "urn:geant::group:x",
    "urn:g:eduteams.org:group:x",
    "urn:-geant:eduteams.org:group:x",
    # legacy EGI values, and MyAcademicID's: neither group nor res
    "urn:mace:egi.eu:aai.egi.eu:member@fedcloud.egi.eu",
    "urn:mace:egi.eu:goc.egi.eu:100453G0:GRIDOPS-CheckIn:Site+Administrator@egi.eu",
    "urn:geant:myacademicid.org:ewp:geant.org:ewp:admin",
    # percent-encoded tricks: separators, authority, traversal, NUL, controls, twice encoded
    f"{UMBRELLA}:group:umbrellaid%3Afac-a%3Aproposals%3A20250123",
    f"{UMBRELLA}:group:umbrellaid%23umbrellaid.org",
    f"{UMBRELLA}:group:umbrellaid:..%2F..%2Fetc",
    f"{UMBRELLA}:group:umbrellaid:..",
    f"{UMBRELLA}:group:umbrellaid:%2E%2E",
    f"{UMBRELLA}:group:umbrellaid:.",
    f"{UMBRELLA}:group:umbrellaid:a%00b",
    f"{UMBRELLA}:group:umbrellaid:a%0Ab",
    f"{UMBRELLA}:group:umbrellaid:a%5Cb",
    f"{UMBRELLA}:group:umbrellaid:a%253Ab",
    f"{UMBRELLA}:group:umbrellaid:%E2%80%AEtxt",  # right-to-left override
    f"{UMBRELLA}:group:umbrellaid:%FF",
    f"{UMBRELLA}:group:umbrellaid:%2",
    f"{UMBRELLA}:group:umbrellaid:%20x",
    f"{UMBRELLA}:group:umbrellaid/etc",
    f"{UMBRELLA}:group:umbrellaid?+x",
    f"{UMBRELLA}:group:umbrella id",
    f"{UMBRELLA}:group:umbrellaid\n",
    f"{UMBRELLA}:group:umbrellaid#x\0",
    f"{UMBRELLA}:group:umbrellаid",  # a Cyrillic a
    "urn:geant:eduteаms.org:group:x",
    "urn:geant:edu%74eams.org:group:x",
    # role= only at the end, and never from an encoded '='
    "urn:geant:x.org:group:role=pi",
    "urn:geant:x.org:group:a:role=",
    "urn:geant:x.org:group:a:role=pi:b",
    "urn:geant:x.org:group:a:role%3Dpi",
    "urn:geant:x.org:group:a:ROLE=pi",
    "urn:geant:x.org:GROUP:a:group:b",
    "urn:geant:x.org:res:a:act:read:act:write",
    "urn:geant:x.org:res:a:act:read,",
    "urn:geant:x.org:res:a:act",
    "urn:geant:x.org:group:" + ":".join("a" * 40),
    "urn:geant:x.org:group:" + "a" * MAX_LENGTH,
]


@pytest.mark.parametrize(("text", "expected"), ACCEPTED)
def test_accepts(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize("text", REFUSED)
def test_refuses(text):
    with pytest.raises(EntitlementError) as refusal:
        parse(text)
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize("value", [None, 1, ["urn:geant:x.org:group:a"], b"urn:geant:x.org:group:a"])
def test_refuses_what_is_not_text(value):
    with pytest.raises(EntitlementError):
        parse(value)


@pytest.mark.parametrize(
    ("text", "namespace", "within", "exactly"),
    [
        (f"{UMBRELLA}:group:a", UMBRELLA, True, True),
        (f"{UMBRELLA}:group:a", "urn:geant:eduteams.org", True, False),
        (f"{UMBRELLA}:group:a", "URN:Geant:EDUTEAMS.org", True, False),
        (f"{UMBRELLA}:group:a", "urn:geant:eduteams", False, False),
        (f"{UMBRELLA}.evil:group:a", UMBRELLA, False, False),
        ("urn:geant:evil-eduteams.org:group:a", "urn:geant:eduteams.org", False, False),
        ("urn:geant:eduteams.org.evil:group:a", "urn:geant:eduteams.org", False, False),
        ("urn:mace:eduteams.org:group:a", "urn:geant:eduteams.org", False, False),
        ("urn:geant:eduteams.org:group:service:umbrellaid.org:group:a", UMBRELLA, False, False),
    ],
)
def test_namespaces_compare_by_whole_components(text, namespace, within, exactly):
    assert parse(text).within(namespace) is within
    assert parse(text).in_namespace(namespace) is exactly


@pytest.mark.parametrize(
    ("held", "required", "satisfied"),
    [
        (f"{UMBRELLA}:group:umbrellaid", f"{UMBRELLA}:group:umbrellaid", True),
        (f"{UMBRELLA}:group:umbrellaid#evil.example", f"{UMBRELLA}:group:umbrellaid#umbrellaid.org", True),
        (f"{UMBRELLA}:group:umbrellaid:esrf", f"{UMBRELLA}:group:umbrellaid", True),
        (f"{UMBRELLA}:group:umbrellaid", f"{UMBRELLA}:group:umbrellaid:esrf", False),
        (f"{UMBRELLA}:group:umbrellaid-x", f"{UMBRELLA}:group:umbrellaid", False),
        (f"{UMBRELLA}:group:Umbrellaid", f"{UMBRELLA}:group:umbrellaid", False),
        (f"{UMBRELLA}:group:a:role=pi", f"{UMBRELLA}:group:a", True),
        (f"{UMBRELLA}:group:a", f"{UMBRELLA}:group:a:role=pi", False),
        (f"{UMBRELLA}:group:a:b:role=pi", f"{UMBRELLA}:group:a:role=pi", False),
        ("urn:geant:evil.org:group:umbrellaid", f"{UMBRELLA}:group:umbrellaid", False),
        (f"{UMBRELLA}:res:umbrellaid", f"{UMBRELLA}:group:umbrellaid", False),
        (f"{UMBRELLA}:res:a:act:read,write", f"{UMBRELLA}:res:a:act:read", True),
        (f"{UMBRELLA}:res:a:act:read", f"{UMBRELLA}:res:a:act:write", False),
    ],
)
def test_satisfies(held, required, satisfied):
    assert parse(held).satisfies(parse(required)) is satisfied


@pytest.mark.parametrize("text", ["", "urn", "urn:geant", "geant:x.org", "urn:geant:x.org:group:a", "urn:geant:x org"])
def test_refuses_what_is_no_namespace(text):
    with pytest.raises(EntitlementError):
        parse_namespace(text)


@given(st.text(alphabet=st.sampled_from(list("urngeatop:.#%=23Fles0\0\né,/\\")), max_size=80) | st.text(max_size=200))
def test_any_text_is_parsed_or_refused(text):
    for candidate in (text, f"urn:geant:x.org:group:{text}", f"urn:geant:x.org:res:{text}"):
        try:
            parsed = parse(candidate)
        except EntitlementError:
            continue
        for part in (*parsed.path, *parsed.actions):
            assert part not in ("", ".", "..")
            assert not set(part) & set(":/\\#\0\n")


def test_a_long_one_is_refused_at_once():
    start = time.perf_counter()
    for text in ("urn:geant:x.org:group" + ":a" * 500_000, "urn:" + "%3A" * 300_000, ":" * 2000, "a:" * 1000):
        with pytest.raises(EntitlementError):
            parse(text)
    assert time.perf_counter() - start < 5
