"""Files of proposals: open data and embargoes, whose identities they name, and what they know for other sources."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from panosc_spawner.errors import SourceError
from panosc_spawner.facilities.load import load_facility
from panosc_spawner.facilities.login_rules import Login
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.site import Hub, Site, SiteFile
from panosc_spawner.facilities.source_rules import FileSource
from panosc_spawner.identity.person import Identity, Person
from panosc_spawner.identity.person_keys import NoKey, person_key
from panosc_spawner.proposals import file_source
from panosc_spawner.proposals.book import GrantBook
from panosc_spawner.proposals.file_source import FileProposals

FIRST, SECOND = "https://first.example", "https://second.example"
PAST, FUTURE = "2020-01-01", "2099-01-01"


def person(subject="ada@x", issuer=FIRST, **more):
    return Person(issuer, subject, "p-x", "Ada", "demo", datetime.now(UTC), **more)


@pytest.fixture
def make(tmp_path):
    def make(text, name="p.csv", *, two_logins=False, **keys):
        (tmp_path / name).write_text(text, encoding="utf-8")
        rule = FileSource.model_validate({"type": "file", "path": name} | keys)
        also = (Login(community="other", issuer=SECOND, client_id="x"),) if two_logins else ()
        config = SiteFile(
            hub=Hub(id="t", facilities=("esrf",)),
            login=Login(community="demo", issuer=FIRST, client_id="hub", also=also),
            sources=(rule,),
        )
        site = Site(tmp_path, config, {"esrf": load_facility("esrf")})
        return FileProposals(rule, site)

    return make


def rows(*opening, person="ada@x"):
    lines = [
        f"esrf,ma{number},id22,{release},{opened},,,\n" for number, (release, opened) in enumerate(opening, start=1)
    ]
    team = f"esrf,ma1,,,,{person},pi,\n"
    return "facility,proposal,instrument,release,open,person,role,ends\n" + "".join(lines) + team


async def seen(source, who=None):
    return sorted((grant.ref.id, str(grant.role)) for grant in await source.grants(who or person("nobody@x")))


class TestOpenData:
    @pytest.mark.parametrize(
        ("release", "opened", "public"),
        [
            ("", "", False),
            (PAST, "", True),
            (FUTURE, "", False),
            ("", "true", True),
            (FUTURE, "true", True),
            (PAST, "false", False),  # an embargo that somebody set again
            ("", "false", False),
            (PAST, "TRUE", True),
        ],
    )
    async def test_what_is_open(self, make, release, opened, public):
        text = rows((release, opened))
        assert await seen(make(text, open_data=True)) == ([("ma1", "public")] if public else [])
        assert await seen(make(text)) == []  # the rule says whether anything is open at all

    async def test_an_embargo_set_again_takes_it_away(self, make, monkeypatch):
        source = make(rows((PAST, "")), open_data=True)
        assert await seen(source) == [("ma1", "public")]
        make(rows((FUTURE, "")))
        assert await seen(source) == []
        make(rows(("", "true")))
        assert await seen(source) == [("ma1", "public")]
        make(rows(("", "false")))
        assert await seen(source) == []

    async def test_it_opens_when_its_time_comes(self, make, monkeypatch):
        monkeypatch.setattr(file_source, "OPEN_SECONDS", 0)
        soon = datetime.now(UTC) + timedelta(seconds=60)
        source = make(rows((soon.isoformat(), "")), open_data=True)
        assert await seen(source) == []
        monkeypatch.setattr(file_source, "datetime", _In(timedelta(seconds=61)))
        assert await seen(source) == [("ma1", "public")]

    async def test_a_right_says_since_when_and_why(self, make):
        [grant] = await make(rows((PAST, "")), open_data=True).grants(person("nobody@x"))
        assert (grant.not_before, grant.ends_at) == (datetime(2020, 1, 1, tzinfo=UTC), None)
        assert grant.evidence == "open to everybody"

    async def test_the_team_keeps_its_stronger_right(self, make):
        source = make(rows((PAST, "")), open_data=True)
        book = GrantBook(source._site, sources=[source])
        assert [grant.role for grant in (await book.report(person())).grants] == [Role.PI]
        assert [grant.role for grant in (await book.report(person("nobody@x"))).grants] == [Role.PUBLIC]

    async def test_the_teams_right_may_end_then_and_the_publics_goes_on(self, make):
        source = make(rows((PAST, "")), open_data=True, team_until_open=True)
        book = GrantBook(source._site, sources=[source])
        assert [grant.role for grant in (await book.report(person())).grants] == [Role.PUBLIC]
        under_embargo = make(rows((FUTURE, "")), team_until_open=True)
        [grant] = await under_embargo.grants(person())
        assert (grant.role, grant.ends_at) == (Role.PI, datetime(2099, 1, 1, tzinfo=UTC))

    async def test_only_the_latest(self, make):
        source = make(rows((PAST, ""), ("2021-01-01", ""), ("2022-01-01", "")), open_data=True, open_limit=2)
        assert await seen(source) == [("ma2", "public"), ("ma3", "public")]

    async def test_toml(self, make):
        text = '[[proposal]]\nfacility = "esrf"\nproposal = "ma1"\nrelease = 2020-01-01\nopen = false\n'
        assert await seen(make(text, "p.toml", open_data=True)) == []
        assert await seen(make(text.replace("false", "true"), "p.toml", open_data=True)) == [("ma1", "public")]

    @pytest.mark.parametrize(
        ("opening", "words"),
        [
            ((PAST, "yes"), "neither true nor false"),
            (("soon", ""), "not a date"),
            (("2020-01-01T00:00", ""), "time zone"),
        ],
    )
    async def test_what_is_not_understood_is_no_answer(self, make, opening, words):
        with pytest.raises(SourceError, match=words):
            await seen(make(rows(opening), open_data=True))

    @pytest.mark.parametrize("other", [f"{FUTURE},", ",false"])
    async def test_rows_that_disagree_are_no_answer(self, make, other):
        text = rows((PAST, "true")) + f"esrf,MA-1,id11,{other},,,\n"
        with pytest.raises(SourceError, match="has another"):
            await seen(make(text, open_data=True))

    async def test_check_tells_what_is_open_and_to_whom(self, make):
        text = rows((PAST, ""), (FUTURE, ""))
        assert await make(text, open_data=True).check() == "p.csv: 2 proposals, 1 of them open, 1 person"
        assert "(to nobody: open_data is not set)" in await make(text).check()


class _In:
    """datetime, some time from now."""

    def __init__(self, later):
        self.later = later

    def now(self, zone):
        return datetime.now(zone) + self.later


class TestWhoseFile:
    async def test_the_same_name_at_another_provider_is_somebody_else(self, make):
        source = make(rows(("", "")), two_logins=True)
        assert await seen(source, person()) == [("ma1", "pi")]
        assert await seen(source, person(issuer=SECOND)) == []

    async def test_a_linked_identity_counts(self, make):
        source = make(rows(("", "")), two_logins=True)
        linked = person("other@y", SECOND, linked=(Identity(FIRST, "ada@x"),))
        assert await seen(source, linked) == [("ma1", "pi")]
        assert await seen(source, replace(linked, linked=(Identity("https://evil.example", "ada@x"),))) == []

    async def test_a_file_of_the_second_login(self, make):
        source = make(rows(("", "")), two_logins=True, person={"by": "subject", "issuer": SECOND})
        assert await seen(source, person()) == []
        assert await seen(source, person(issuer=SECOND)) == [("ma1", "pi")]

    async def test_numbers_of_the_user_office_by_claim(self, make):
        key = {"by": "claim", "claim": "uo_number"}
        source = make(rows(("", ""), person="4711"), two_logins=True, person=key)
        for value in ("4711", 4711, ["4711"]):
            assert await seen(source, person(claims={"uo_number": value})) == [("ma1", "pi")]
        for value in (["4711", "1"], [], None, True, "47 11", "", 4711.0, {"4711": 1}):
            assert await seen(source, person(claims={"uo_number": value})) == []
        # The second provider may send anything under that name.
        assert await seen(source, person(issuer=SECOND, claims={"uo_number": "4711"})) == []

    async def test_numbers_of_the_user_office_by_a_list(self, make, tmp_path):
        (tmp_path / "links.csv").write_text("person,key\nAda@X,4711\n")
        source = make(rows(("", ""), person="4711"), person={"by": "table", "path": "links.csv"})
        assert await seen(source, person()) == [("ma1", "pi")]
        assert await seen(source, person("4711")) == []
        (tmp_path / "links.csv").write_text("person,key\nben@x,4711\n")
        assert await seen(source, person()) == []

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("who,key\n", "columns must be"),
            ("person,key\nada@x,1\nADA@x,2\n", "line 3: this person is there twice"),
            ("person,key\nada@x,4 711\n", "line 2"),
            ("person,key\nada@x,\n", "line 2"),
            ("person,key\nada@x,1,2\n", "line 2"),
            ('person,key\n"ada@x,1\n', "not CSV"),
            ("", "columns must be"),
        ],
    )
    async def test_a_broken_list_is_not_people_without_proposals(self, make, tmp_path, text, words):
        (tmp_path / "links.csv").write_text(text)
        source = make(rows(("", ""), person="4711"), person={"by": "table", "path": "links.csv"})
        with pytest.raises(SourceError, match=words):
            await seen(source, person())
        (tmp_path / "links.csv").unlink()
        with pytest.raises(SourceError, match="cannot be read"):
            await seen(source, person())

    async def test_two_identities_that_lead_to_two_people(self, make, tmp_path):
        (tmp_path / "links.csv").write_text("person,key\nada@x,1\nada2@x,2\n")
        source = make(rows(("", ""), person="2"), person={"by": "table", "path": "links.csv"})
        both = person(linked=(Identity(FIRST, "ada2@x"),))
        assert await seen(source, both) == [("ma1", "pi")]  # both are proven to be hers: she has the rights of both
        found = await person_key(source._rule.person, both, source._site)
        assert found == NoKey("your linked identities lead to more than one person there")


@pytest.mark.parametrize("claim", ["email", "Email", "name", "orcid", "mail", "eduperson_email", "nickname", "e-mail"])
def test_a_claim_that_people_choose_is_no_key(claim):
    with pytest.raises(ValueError, match="people choose it"):
        FileSource.model_validate({"type": "file", "path": "x", "person": {"by": "claim", "claim": claim}})


async def test_the_proposals_of_instruments(make):
    text = "facility,proposal,instrument,person,role\nesrf,ma1,ID22,,\nesrf,ma1,id11,,\nesrf,ma2,id11,,\n"
    source = make(text)
    [found] = await source.at_instruments("esrf", {"Id22"})
    assert (found.ref.id, found.instruments) == ("ma1", ("ID22",))
    assert await source.at_instruments("ill", {"id22"}) == []
