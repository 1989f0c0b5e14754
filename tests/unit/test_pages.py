"""What the pages show, without a hub: rows, words, servers, the choose page's model."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest

from panosc_spawner.facilities.ids import IdRule, ProposalRef
from panosc_spawner.facilities.model import Environment, Facility, Paths, Role, UserOffice
from panosc_spawner.facilities.site import Limits, Site, SiteFile
from panosc_spawner.facilities.units import ByteSize
from panosc_spawner.identity.refusals import LoginRefused, ProviderDown
from panosc_spawner.launch.model import Reason, Refusal, Selection
from panosc_spawner.launch.roles import ROLE_WORDS
from panosc_spawner.pages import words
from panosc_spawner.pages.assets import Assets, facility_styles, luminance, text_on
from panosc_spawner.pages.choose import offer, options_from, resource_form
from panosc_spawner.pages.machine import free_now, idle_words, parse_meminfo
from panosc_spawner.pages.open import OpenHandler, start_refusal
from panosc_spawner.pages.rows import Listings, Query, build_listing, filter_rows
from panosc_spawner.pages.servers import kept_problem, moment, server_view
from panosc_spawner.proposals.model import Grant, Proposal, SourceOutcome, Visit
from panosc_spawner.spawners.refused import Refused

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def facility(key: str, name: str, colour: str = "#1f4e9c") -> Facility:
    return Facility(
        id=key,
        name=name,
        short_name=name,
        colour=colour,
        user_office=UserOffice(name=f"{name} User Office"),
        proposals=IdRule(written=r"(?P<id>[a-z0-9-]{1,20})", case="lower", examples=("ma1",)),
        paths=Paths(root="/data"),
    )


SITE = Site(
    Path("/site"),
    SiteFile.model_validate(
        {
            "hub": {"id": "h", "facilities": ["esrf", "ill"]},
            "login": {"community": "test", "client_id": "c"},
            "sources": [{"type": "file", "path": "p.toml"}],
        }
    ),
    {"esrf": facility("esrf", "ESRF"), "ill": facility("ill", "ILL", "#ffd400")},
)


def grant(ref: str = "esrf/ma1234", title: str = "Pigments", role: Role = Role.MEMBER, **other: object) -> Grant:
    facility_id, _, proposal = ref.partition("/")
    start = other.pop("start", date(2026, 3, 4))
    visit = Visit(str(other.pop("instrument", "ID22")), start, start)  # type: ignore[arg-type]
    return Grant(
        Proposal(ProposalRef(facility_id, proposal), title, (visit,)),
        role,
        "User office",
        "listed on the team",
        NOW,
        **other,  # type: ignore[arg-type]
    )


class TestWords:
    @pytest.mark.parametrize(
        ("first", "last", "expected"),
        [
            (date(2023, 9, 12), date(2023, 9, 15), "12–15 Sep 2023"),
            (date(2023, 9, 30), date(2023, 10, 2), "30 Sep – 2 Oct 2023"),
            (date(2023, 12, 30), date(2024, 1, 2), "30 Dec 2023 – 2 Jan 2024"),
            (date(2023, 9, 12), date(2023, 9, 12), "12 Sep 2023"),
            (date(2023, 9, 12), None, "12 Sep 2023"),
            (None, None, ""),
        ],
    )
    def test_dates(self, first: date | None, last: date | None, expected: str) -> None:
        assert words.date_range(first, last) == expected

    @pytest.mark.parametrize(
        ("span", "expected"),
        [(5, "just now"), (150, "2 min ago"), (7300, "2 h ago"), (90000, "1 day ago"), (300000, "3 days ago")],
    )
    def test_ago_has_one_unit(self, span: int, expected: str) -> None:
        assert words.ago(NOW - timedelta(seconds=span), NOW) == expected

    def test_time_left(self) -> None:
        assert words.left(NOW + timedelta(hours=11, minutes=30), NOW) == "11 h 30 min left"
        assert words.left(NOW + timedelta(seconds=20), NOW) == "less than a minute left"
        assert words.left(NOW, NOW) == "time is up"
        assert words.lasting(NOW + timedelta(hours=12), NOW + timedelta(seconds=4)) == "12 h"

    def test_the_last_day_of_a_right_that_ends_at_midnight_is_the_day_before(self) -> None:
        assert words.last_day(datetime(2026, 11, 24, tzinfo=UTC)) == "23 Nov 2026"

    def test_times_name_their_zone_and_another_day(self) -> None:
        assert words.clock(NOW, NOW) == "12:00 UTC"
        assert words.clock(NOW - timedelta(days=1), NOW) == "12:00 UTC on 22 Nov 2026"
        assert words.exact(NOW) == "Mon 23 November 2026, 12:00 UTC"

    def test_a_source_that_answered_is_no_trouble(self) -> None:
        assert words.source_trouble(SourceOutcome("ESRF", NOW, 3), NOW) == ""

    def test_a_failed_source_says_how_old_its_answer_is(self) -> None:
        stale = SourceOutcome("ESRF user office", NOW, 3, "no answer within 5 s", NOW - timedelta(minutes=12))
        assert words.source_trouble(stale, NOW) == (
            "ESRF user office did not answer at 12:00 UTC (no answer within 5 s). "
            "What it knows is shown as of 11:48 UTC."
        )
        assert "are missing here" in words.source_trouble(replace(stale, stale_since=None), NOW)

    def test_counts(self) -> None:
        assert words.count(1, "proposal") == "1 proposal"
        assert words.count(10000, "proposal") == "10,000 proposals"

    @pytest.mark.parametrize(
        ("status", "message", "title", "text"),
        [
            (404, None, "There is nothing here", "mistyped"),
            (404, "No access to resources or resources not found", "There is nothing here", "somebody else’s"),
            (404, "You have no such server.", "There is nothing here", "You have no such server."),
            (403, "'_xsrf' argument missing from POST", "This did not work", "open for too long"),
            (403, "Your login has ended.", "You may not do this", "Your login has ended."),
            (500, "", "Something went wrong", "Nothing of yours is lost"),
            (405, None, "This did not work", "not for looking at"),
        ],
    )
    def test_errors_of_the_hub_in_words(self, status: int, message: str | None, title: str, text: str) -> None:
        said = words.words_for_error(status, message)
        assert said.title == title
        assert text in said.text
        assert not said.login

    def test_a_refused_login_has_its_own_words(self) -> None:
        refused = LoginRefused("state", "It took longer than 10 minutes, 100 % sure. Log in again.", 400)
        said = words.words_for_error(400, "HTTP 400: something for machines", refused)
        assert said == ("The login was not finished", "It took longer than 10 minutes, 100 % sure. Log in again.", True)
        down = words.words_for_error(503, None, ProviderDown("eduTEAMS"))
        assert (down.title, down.login) == ("Not available just now", True)

    def test_every_role_has_words(self) -> None:
        assert set(ROLE_WORDS) == set(Role)


class TestRows:
    def test_most_recent_first_and_undated_last(self) -> None:
        grants = [grant("esrf/ma1"), grant("esrf/ma2", start=date(2026, 5, 1)), grant("esrf/ma3", start=None)]
        assert [row.ref for row in build_listing(grants, SITE, NOW).rows] == ["esrf/ma2", "esrf/ma1", "esrf/ma3"]

    def test_on_the_last_day_a_row_says_today(self) -> None:
        midnight = datetime(2026, 11, 24, tzinfo=timezone(timedelta(hours=1)))
        first, kept = [grant(ends_at=midnight)], Listings()
        before = kept.get("ada", tuple(first), SITE, datetime(2026, 11, 22, 22, 59, tzinfo=UTC))
        assert before.rows[0].why.endswith(", until 23 Nov 2026")
        assert before.valid_until == midnight - timedelta(days=1)
        today = kept.get("ada", tuple(first), SITE, datetime(2026, 11, 22, 23, 0, tzinfo=UTC))
        assert today.rows[0].why.endswith(", until today, 23 Nov 2026")

    def test_a_row_says_who_says_so_and_until_when(self) -> None:
        row = build_listing([grant(ends_at=datetime(2026, 12, 1, tzinfo=UTC))], SITE, NOW).rows[0]
        assert row.role == "Team member"
        assert row.why == "User office: listed on the team, until 30 Nov 2026"
        assert (row.facility, row.id, row.year, row.instruments, row.dates) == (
            "esrf",
            "ma1234",
            "2026",
            "ID22",
            "4 Mar 2026",
        )

    def test_the_strongest_role_is_shown(self) -> None:
        assert build_listing([grant(), grant(role=Role.PI)], SITE, NOW).rows[0].role == "Main proposer"

    def test_a_proposal_without_title_is_called_by_its_number(self) -> None:
        assert build_listing([grant(title="")], SITE, NOW).rows[0].title == "ma1234"

    @pytest.mark.parametrize(
        ("other", "reason"),
        [
            ({"ends_at": NOW}, "Your access ended with 23 Nov 2026. Ask the ESRF User Office to extend it."),
            ({"not_before": NOW + timedelta(days=2)}, "Your access begins on 25 Nov 2026."),
        ],
    )
    def test_what_cannot_be_opened_is_listed_apart_with_the_reason(
        self, other: dict[str, datetime], reason: str
    ) -> None:
        listing = build_listing([grant(**other)], SITE, NOW)
        assert not listing.rows
        assert [closed.why for closed in listing.closed] == [reason]

    def test_a_right_that_ended_does_not_hide_one_that_holds(self) -> None:
        listing = build_listing([grant(ends_at=NOW), grant()], SITE, NOW)
        assert len(listing.rows) == 1
        assert not listing.closed

    def test_a_facility_of_another_hub_is_closed(self) -> None:
        assert "does not serve" in build_listing([grant("xfel/p1")], SITE, NOW).closed[0].why

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            (Query(q="pigments"), 1),
            (Query(q="MA-1234"), 1),
            (Query(q="ma 1234 id22"), 1),
            (Query(q="etude"), 1),
            (Query(q="ÉTUDE ill"), 1),
            (Query(q="pigments ill"), 0),
            (Query(q="--"), 0),
            (Query(facility="ill"), 1),
            (Query(instrument="ID22"), 1),
            (Query(instrument="ID2"), 0),
            (Query(year="2026"), 2),
            (Query(role="Main proposer"), 1),
            (Query(role="Main proposer", facility="ill"), 0),
            (Query(q="<script>"), 0),
        ],
    )
    def test_filter(self, query: Query, found: int) -> None:
        grants = [grant(role=Role.PI), grant("ill/8-04-923", "Étude des boues", instrument="D22")]
        assert len(filter_rows(build_listing(grants, SITE, NOW), query)) == found

    def test_facets_count(self) -> None:
        listing = build_listing([grant(), grant("ill/8-1", instrument="D22")], SITE, NOW)
        assert listing.facets["facility"] == [("esrf", "ESRF", 1), ("ill", "ILL", 1)]
        assert listing.facets["instrument"] == [("D22", "D22", 1), ("ID22", "ID22", 1)]

    def test_the_list_for_the_browser_is_arrays_and_survives_hostile_titles(self) -> None:
        hostile = "</script><script>alert(1)</script>\u2028\"'"
        encoded = build_listing([grant(title=hostile)], SITE, NOW).encoded
        body = json.loads(gzip.decompress(encoded.zipped))
        assert body == json.loads(encoded.plain)
        assert body["rows"][0][:2] == ["esrf/ma1234", hostile]

    def test_a_listing_is_built_once_for_answers_that_say_the_same(self) -> None:
        kept, grants = Listings(), (grant(), grant("esrf/ma2"))
        first = kept.get("ada", grants, SITE, NOW)
        later = tuple(replace(one, seen_at=NOW + timedelta(minutes=1)) for one in grants)
        assert kept.get("ada", later, SITE, NOW) is first
        assert kept.get("ada", grants[:1], SITE, NOW) is not first

    def test_a_listing_is_built_again_when_a_right_ends_and_never_shared(self) -> None:
        kept, grants = Listings(), (grant(ends_at=NOW + timedelta(hours=1)),)
        assert len(kept.get("ada", grants, SITE, NOW).rows) == 1
        assert not kept.get("ada", grants, SITE, NOW + timedelta(hours=1)).rows
        assert not kept.get("bea", (), SITE, NOW).rows

    def test_only_so_many_are_kept(self) -> None:
        kept, grants = Listings(most=2), (grant(),)
        first = kept.get("a", grants, SITE, NOW)
        kept.get("b", grants, SITE, NOW)
        kept.get("c", grants, SITE, NOW)
        assert kept.get("a", grants, SITE, NOW) is not first


class TestServers:
    def test_a_running_server(self) -> None:
        summary = {
            "proposals": ["esrf/ma1"],
            "environment_title": "HDF5",
            "memory": 4 * 1024**3,
            "started_at": NOW.isoformat(),
            "ends_at": "2026-11-24T00:00:00",
        }
        view = server_view("p-ma1", "running", summary, None, None)
        assert (view.refs, view.memory, view.started) == (("esrf/ma1",), "4 GB", NOW)
        assert view.ends == datetime(2026, 11, 24, tzinfo=UTC)

    def test_a_server_that_only_starts_shows_what_it_was_asked_for(self) -> None:
        assert (
            server_view("p", "starting", {}, {"proposals": ["esrf/ma1", "ill/8"]}, None).proposals_query
            == "esrf/ma1,ill/8"
        )
        assert server_view("p", "starting", {}, {"proposals": "rubbish"}, None).refs == ()
        assert server_view("p", "starting", {}, None, None).refs == ()

    @pytest.mark.parametrize("value", [None, "", "yesterday", 7])
    def test_a_time_that_is_none(self, value: object) -> None:
        assert moment(value) is None

    def test_a_kept_problem(self) -> None:
        kept = kept_problem(
            {"reason": "out-of-memory", "message": "Too big.", "remedy": "Ask for more.", "details": "x"}
        )
        assert kept == Refusal(Reason.OUT_OF_MEMORY, "Too big.", "Ask for more.", "x")
        assert kept_problem({"reason": "?", "message": "m"}) == Refusal(Reason.SERVER_FAILED, "m", "")
        assert kept_problem("x") is None
        assert kept_problem({}) is None


class TestChoose:
    def test_the_suggested_environment_is_first_and_sends_nothing(self) -> None:
        offered = {
            "esrf/a": Environment(title="A", image="a:1"),
            "esrf/z": Environment(title="Z", image="z:1", packages=("h5py",), size=ByteSize(1024**3)),
        }
        first, second = offer(offered, "esrf/z", "").cards
        assert (first.key, first.value, first.checked, first.suggested) == ("esrf/z", "", True, True)
        assert (second.key, second.value, second.checked) == ("esrf/a", "esrf/a", False)
        assert ("Packages", "h5py") in first.facts
        assert ("Size", "1 GB") in first.facts
        assert offer(offered, "esrf/z", "esrf/a").cards[1].checked
        assert offer(offered, "esrf/z", "esrf/gone").cards[0].checked

    @pytest.mark.parametrize(
        ("given", "options"),
        [
            ({"proposals": ["esrf/ma1,ill/8", "esrf/ma1"]}, {"proposals": ["esrf/ma1", "ill/8"]}),
            ({"proposals": ["a"], "memory": ["4G"]}, {"proposals": ["a"], "memory": "4G"}),
            ({"memory_gb": ["8"], "shown_memory_gb": ["4"]}, {"proposals": [], "memory": "8G"}),
            ({"memory_gb": ["1.5"]}, {"proposals": [], "memory": "1.5G"}),
            ({"memory_gb": ["1,5"]}, {"proposals": [], "memory": "1.5G"}),
            ({"memory_gb": ["4"], "shown_memory_gb": ["4"]}, {"proposals": []}),
            ({"memory_gb": ["much"]}, {"proposals": [], "memory": "much"}),
            ({"cpu": ["2"], "shown_cpu": ["2"], "gpus": ["1"], "shown_gpus": ["0"]}, {"proposals": [], "gpus": "1"}),
            ({"environment": [""], "_xsrf": ["x"], "evil": ["y"]}, {"proposals": []}),
        ],
    )
    def test_options_from_a_form_or_an_address(self, given: dict[str, list[str]], options: dict[str, object]) -> None:
        assert options_from(given) == options

    def test_what_was_typed_is_kept(self) -> None:
        most = Limits(memory=ByteSize(16 * 1024**3), cpu=4)
        form = resource_form({"memory_gb": ["much"]}, None, most, most)
        assert (form.memory, form.cpu, form.most_memory) == ("much", "4", "16")
        asked = Selection((), memory=3 * 512 * 1024**2)
        assert resource_form({}, asked, most, most).memory == "1.5"


class TestRefusals:
    def test_a_refusal_is_passed_on(self) -> None:
        refusal = Refusal(Reason.NOT_GRANTED, "No.", "Ask.")
        assert start_refusal(Refused(refusal)) is refusal
        assert start_refusal(None) is None

    def test_an_unforeseen_error_shows_no_insides(self) -> None:
        found = start_refusal(ValueError("/secret/path token=abc"))
        assert found
        assert "secret" not in str(found)


class TestMachine:
    def test_meminfo(self) -> None:
        assert parse_meminfo("MemTotal: 2048 kB\nMemAvailable: 1024 kB\n") == (1024**2, 2 * 1024**2)
        assert parse_meminfo("nothing") is None

    def test_idle(self) -> None:
        assert idle_words(8, 1.1) == "6.9 of 8 cores idle"
        assert idle_words(8, 20.0) == "all 8 cores busy"

    def test_this_machine(self) -> None:
        assert "cores" in free_now()


class TestAssets:
    def test_tags_can_be_read_on_any_colour(self) -> None:
        for colour in ("#000000", "#ffffff", "#ffd400", "#1f4e9c", "#767676", "#808080", "#00725c"):
            shade, text = luminance(colour), luminance({"#fff": "#ffffff", "#000": "#000000"}[text_on(colour)])
            assert (max(shade, text) + 0.05) / (min(shade, text) + 0.05) >= 4.5

    def test_styles_and_version(self) -> None:
        assert facility_styles(SITE.facilities).startswith(".tag-esrf{background-color:#1f4e9c;color:#fff}")
        other = Assets({"ill": SITE.facilities["ill"]})
        assert Assets(SITE.facilities).version != other.version
        assert {"pages.css", "home.js", "open.js", "list.js", "page.js", "progress.js", "facilities.css"} == set(
            other.files
        )

    def test_nothing_is_loaded_from_elsewhere(self) -> None:
        for name, body in Assets(SITE.facilities).files.items():
            assert b"http:" not in body and b"https:" not in body and b"//cdn" not in body, name


@pytest.mark.parametrize(("pending", "refused"), [("spawn", False), ("stop", False), (None, True)])
async def test_a_second_click_is_no_failed_start(pending: str | None, refused: bool):
    """JupyterHub raises a RuntimeError where a start is already going on; others are failures."""

    async def spawn_single_user(*_: object, **__: object) -> None:
        raise RuntimeError(f"p-ada:p-ma1234 pending {pending}")

    spawner = SimpleNamespace(pending=pending, _spawn_future=None)
    user = SimpleNamespace(spawners={"p-ma1234": spawner}, get_or_create_spawner=lambda *_, **__: spawner)
    handler = SimpleNamespace(
        current_user=user,
        pages=SimpleNamespace(context=SimpleNamespace(site=SITE)),
        spawn_single_user=spawn_single_user,
    )
    trial = SimpleNamespace(selection=Selection((ProposalRef("esrf", "ma1234"),)), refusal=None)
    assert bool(await OpenHandler._start(handler, "p-ma1234", trial)) is refused  # type: ignore[arg-type]
