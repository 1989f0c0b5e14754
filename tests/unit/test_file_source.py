"""Proposals from TOML and CSV files: what is granted, and that a broken file is never fewer rights."""

import asyncio
import os
import time
from datetime import UTC, date, datetime

import pytest

from panosc_spawner.errors import SourceError
from panosc_spawner.facilities.ids import IdRule, ProposalRef
from panosc_spawner.facilities.login_rules import Login
from panosc_spawner.facilities.model import Facility, Role, UserOffice
from panosc_spawner.facilities.site import Hub, Site, SiteFile
from panosc_spawner.facilities.source_rules import FileSource
from panosc_spawner.identity.person import Person
from panosc_spawner.proposals.file_source import FileProposals

ADA, LARS = "ada1@umbrella.example", "lars1@umbrella.example"


def facility(name, **rule):
    return Facility(
        id=name,
        name=name,
        short_name=name.upper(),
        user_office=UserOffice(name="user office"),
        proposals=IdRule(**rule),
    )


ESRF = facility(
    "esrf",
    written=r"(?P<code>[a-z]{2})-?(?P<number>\d{1,5})",
    canonical="{code}{number}",
    case="lower",
    examples=("MA-1234",),
)
ILL = facility("ill", written=r"(?P<id>\d+-\d+-\d+)", examples=("8-04-923",))


@pytest.fixture
def source(tmp_path):
    def make(text, name="proposals.toml", **rule):
        (tmp_path / name).write_text(text, encoding="utf-8")
        rule = FileSource(type="file", path=name, **rule)
        config = SiteFile(
            hub=Hub(id="t", facilities=("esrf", "ill")), login=Login(community="demo", client_id="hub"), sources=(rule,)
        )
        return FileProposals(rule, Site(tmp_path, config, {"esrf": ESRF, "ill": ILL}))

    return make


def person(subject=ADA):
    return Person("https://idp.example", subject, "p-x", "Ada", "demo", datetime.now(UTC))


TOML = f"""
[[proposal]]
facility = "esrf"
proposal = "MA-1234"
title = "Pigments"
environment = "xrd"
[[proposal.visit]]
instrument = "ID22"
start = 2026-03-04
end = 2026-03-08
[[proposal.visit]]
instrument = "id11"
start = "2026-05-01"
cycle = "2026-2"
[[proposal.team]]
person = "{ADA.upper()}"
role = "pi"
not_before = 2026-03-01
ends = 2029-03-08

[[proposal]]
facility = "ill"
proposal = "8-04-923"
[[proposal.team]]
person = "{ADA}"
ends = 2029-03-08T18:00:00Z

[[staff]]
person = "{LARS}"
facility = "esrf"
instruments = ["id22"]
"""

CSV = f"""facility,proposal,title,instrument,start,end,cycle,environment,person,role,not_before,ends
esrf,MA-1234,"Pigments, red",ID22,2026-03-04,2026-03-08,,xrd,{ADA},pi,2026-03-01,2029-03-08
esrf,ma1234,,id11,2026-05-01,,2026-2,,{ADA},pi,2026-03-01,2029-03-08

ill,8-04-923,,,,,,,{ADA},member,,2029-03-08T18:00:00+00:00
ill,8-04-924,,D22,2026-01-01,,,,,,,
esrf,,,id22,,,,,{LARS},local-contact,,
"""


@pytest.mark.parametrize(("text", "name"), [(TOML, "p.toml"), (CSV, "p.csv")])
async def test_both_forms_say_the_same(source, text, name):
    first, second = await source(text, name).grants(person())
    assert first.ref == ProposalRef("esrf", "ma1234")
    assert first.proposal.title.startswith("Pigments")
    assert first.proposal.instruments == ("ID22", "id11")
    assert first.proposal.start == date(2026, 3, 4)
    assert first.proposal.visits[1].path_fields["cycle"] == "2026-2"
    assert first.proposal.environment == "xrd"
    assert first.role is Role.PI
    assert first.source == "file"
    assert first.evidence == "listed as main proposer"
    assert first.not_before == datetime(2026, 3, 1, tzinfo=UTC)
    assert first.ends_at == datetime(2029, 3, 9, tzinfo=UTC)  # the whole last day
    assert second.ref == ProposalRef("ill", "8-04-923")
    assert second.role is Role.MEMBER
    assert second.ends_at == datetime(2029, 3, 8, 18, tzinfo=UTC)
    assert (datetime.now(UTC) - first.seen_at).total_seconds() < 5


@pytest.mark.parametrize(("text", "name"), [(TOML, "p.toml"), (CSV, "p.csv")])
async def test_staff_see_the_proposals_of_their_instruments_and_only_those_visits(source, text, name):
    (grant,) = await source(text, name).grants(person(LARS))
    assert grant.ref == ProposalRef("esrf", "ma1234")
    assert grant.role is Role.LOCAL_CONTACT
    assert grant.proposal.instruments == ("ID22",)
    assert grant.evidence == "listed as local contact of id22"


async def test_a_stranger_has_nothing(source):
    assert await source(TOML).grants(person("noor@umbrella.example")) == []
    assert await source(TOML).grants(person("ada1@umbrella.example.evil")) == []


async def test_an_unscoped_sub_keeps_its_case(source):
    text = '[[proposal]]\nfacility="esrf"\nproposal="ma1"\nteam=[{person="AbC"}]\n'
    assert len(await source(text).grants(person("AbC"))) == 1
    assert await source(text).grants(person("abc")) == []


async def test_a_rule_may_take_only_some_facilities(source):
    refs = [grant.ref.facility for grant in await source(TOML, facilities=("ill",)).grants(person())]
    assert refs == ["ill"]


async def test_describe_and_check(source):
    file = source(TOML)
    ref = ProposalRef("esrf", "ma1234")
    described = await file.describe([ref, ProposalRef("esrf", "ma9")])
    assert described[ref].title == "Pigments"
    assert len(described) == 1
    assert await file.check() == "proposals.toml: 2 proposals, 2 people"


HEAD = "facility,proposal,person,role,instrument,start,end,ends\n"


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("", "p.toml", "is empty"),
        ("\n\n", "p.csv", "is empty"),
        ("[[proposal]", "p.toml", "not TOML"),
        ("[[proposals]]", "p.toml", "unknown table 'proposals'"),
        ("[proposal]", "p.toml", "two brackets"),
        (TOML.replace('"esrf"', '"essrf"', 1), "p.toml", "proposal 1 (MA-1234): facility 'essrf' is not one of"),
        (TOML.replace("MA-1234", "../etc"), "p.toml", "proposal 1 (../etc): '../etc' is not a proposal id"),
        (TOML.replace('"pi"', '"boss"'), "p.toml", "team.0.role: 'boss' is not a role; there are pi, member"),
        (TOML.replace("ends = 2029-03-08\n", "end = 2029-03-08\n"), "p.toml", "team.0.end: Extra inputs"),
        (TOML.replace("2029-03-08T18:00:00Z", "2029-03-08T18:00:00"), "p.toml", "no time zone"),
        (TOML.replace("ends = 2029-03-08\n", "ends = 1804\n"), "p.toml", "not a date"),
        (TOML.replace("ends = 2029-03-08\n", 'ends = "8.3.2029"\n'), "p.toml", "not a date"),
        (TOML.replace("ends = 2029-03-08\n", "ends = 2025-03-08\n"), "p.toml", "ends before not_before"),
        (TOML.replace("end = 2026-03-08", "end = 2026-03-03"), "p.toml", "before start"),
        (TOML.replace("8-04-923", "MA-1234").replace('"ill"', '"esrf"'), "p.toml", "is there twice"),
        (TOML.replace(ADA.upper(), "Ada Lovelace"), "p.toml", "not an identity"),
        (TOML.replace(ADA.upper(), "*"), "p.toml", "not an identity"),
        (HEAD.replace("ends", "end_date") + "esrf,ma1,a@b,pi,,,,\n", "p.csv", "line 1: unknown column 'end_date'"),
        (HEAD.replace("role,", ""), "p.csv", "column 'role' is missing"),
        (HEAD.replace("end,ends", "ends,ends"), "p.csv", "twice"),
        (HEAD + "esrf,ma1,a@b,pi,,,,\nesrf,ma2,a@b\n", "p.csv", "line 3: has 3 cells, the header has 8"),
        (HEAD + "esrf,ma1,a@b,pi,,2026-13-01,,\n", "p.csv", "line 2: visit.0.start"),
        (HEAD + "esrf,ma1,a@b,pi,,20260301,,\n", "p.csv", "line 2: visit.0.start"),
        (HEAD + "esrf,ma1,,pi,,,,\n", "p.csv", "line 2: has a 'role', but no person"),
        (HEAD + "esrf,,a@b,pi,,,,\n", "p.csv", "line 2: has no proposal"),
        (HEAD + ",ma1,a@b,pi,,,,\n", "p.csv", "line 2: facility: Field required"),
        (HEAD + 'esrf,"ma1,a@b,pi,,,,\n', "p.csv", "line 2: not CSV"),
    ],
)
async def test_a_broken_file_is_an_error_with_its_place(source, text, name, words):
    with pytest.raises(SourceError) as error:
        await source(text, name).grants(person("noor@umbrella.example"))
    assert words in error.value.reason
    assert error.value.reason.startswith(name)


async def test_a_missing_file_is_an_error(source, tmp_path):
    file = source(TOML)
    (tmp_path / "proposals.toml").unlink()
    with pytest.raises(SourceError, match="No such file"):
        await file.grants(person())


async def test_a_pipe_in_its_place_holds_nobody_and_a_mended_file_is_read_again(source, tmp_path):
    file = source(TOML)
    (tmp_path / "proposals.toml").unlink()
    os.mkfifo(tmp_path / "proposals.toml")
    asking = asyncio.create_task(file.grants(person()))
    await asyncio.wait({asking}, timeout=2)
    if not asking.done():
        (tmp_path / "proposals.toml").write_bytes(b"")  # lets the thread that waits for a writer end
    with pytest.raises(SourceError, match=r"proposals\.toml is not a file"):
        await asking
    (tmp_path / "proposals.toml").unlink()
    (tmp_path / "proposals.toml").write_text(TOML, encoding="utf-8")
    assert len(await file.grants(person())) == 2


async def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(source, tmp_path, monkeypatch):
    file = source(TOML)
    assert len(await file.grants(person())) == 2
    monkeypatch.setattr(file, "_build", None)
    assert len(await file.grants(person())) == 2
    monkeypatch.undo()
    new = tmp_path / "new"
    new.write_text(TOML.replace(ADA, "somebody@umbrella.example"), encoding="utf-8")
    os.replace(new, tmp_path / "proposals.toml")  # noqa: PTH105
    assert len(await file.grants(person())) == 1
    (tmp_path / "proposals.toml").write_text("broken", encoding="utf-8")
    with pytest.raises(SourceError):
        await file.grants(person())


@pytest.mark.parametrize("broken", [b"[[[", b"\xff"])
async def test_a_broken_file_is_read_once_until_it_is_mended(source, tmp_path, monkeypatch, broken):
    file = source(TOML)
    (tmp_path / "proposals.toml").write_bytes(broken)
    with pytest.raises(SourceError) as first:
        await file.grants(person())
    monkeypatch.setattr(file._file, "_parse", None)
    monkeypatch.setattr("panosc_spawner.facilities.watched_file.MAX_BYTES", None)
    with pytest.raises(SourceError) as second:
        await file.grants(person())
    assert str(second.value) == str(first.value)
    monkeypatch.undo()
    (tmp_path / "proposals.toml").write_text(TOML, encoding="utf-8")
    assert len(await file.grants(person())) == 2


async def test_asking_costs_as_much_as_the_answer(source):
    rows = "".join(f"esrf,ma{n},p{n}@x.example,member,id{n % 30},2026-01-01,,\n" for n in range(20_000))
    file = source(HEAD + rows, "p.csv")
    await file.check()
    start = time.perf_counter()
    for n in range(100):
        assert len(await file.grants(person(f"p{n}@x.example"))) == 1
    assert time.perf_counter() - start < 5


async def test_many_askers_share_one_read(source, monkeypatch):
    file = source(TOML)
    reads = []
    build = file._build
    monkeypatch.setattr(file._file, "_parse", lambda text: reads.append(1) or time.sleep(0.05) or build(text))
    answers = await asyncio.gather(*(file.grants(person()) for _ in range(20)))
    assert {len(answer) for answer in answers} == {2}
    assert len(reads) == 1
