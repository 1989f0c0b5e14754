"""From what somebody names to a file that they may open: each step tried, the first that fails named, with what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import PurePosixPath
from urllib.parse import quote, urlencode

from panosc_portal.catalogues.model import Availability, Dataset
from panosc_portal.context import Portal
from panosc_portal.errors import HubError, Outcome
from panosc_portal.hub import AreaDirectory, Login, PersonReport, ProposalData
from panosc_portal.moving.as_person import Reader, ReadError
from panosc_portal.moving.sending import Busy, Lanes
from panosc_portal.moving.wanted import Wanted
from panosc_portal.opening.name import Named, UnknownNameError, path_maps, read_name
from panosc_portal.opening.spot import Spot, find_spot
from panosc_portal.search.federation import Federation, SourceOutcome
from panosc_spawner.errors import IdError
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.paths import Located

PER_PERSON, AT_A_TIME, WAIT = 2, 16, timedelta(seconds=10)
STEPS = ("data set", "facility", "proposal", "your right", "data here")


@dataclass(frozen=True)
class Step:
    """One link of the chain: what it is called, whether it holds, what was found, and what to do where it is broken.

    ``act`` is a button: words and address.
    """

    name: str
    holds: bool
    words: str
    remedy: str = ""
    act: tuple[str, str] | None = None


@dataclass(frozen=True)
class Found:
    """What came of a name.

    Attributes:
        named: what was asked for.
        dataset: what the catalogues know of it; None where a path was named, or nobody knows it.
        places: where it was found: (source, pid).
        outcomes: of the catalogues that were asked.
        steps: those that were tried, in order; the last one may be broken.
        ref: the proposal, as soon as it is known.
        data: where its data lie, if the person may have them.
        spot: the file or folder.
    """

    named: Named
    dataset: Dataset | None = None
    places: tuple[tuple[str, str], ...] = ()
    outcomes: tuple[SourceOutcome, ...] = ()
    steps: tuple[Step, ...] = ()
    ref: ProposalRef | None = None
    data: ProposalData | None = None
    spot: Spot | None = None

    @property
    def broken(self) -> Step | None:
        """The step that fails."""
        return next((step for step in self.steps if not step.holds), None)

    @property
    def title(self) -> str:
        """Of the data set, else of what was named."""
        return self.dataset.title if self.dataset and self.dataset.title else self.named.text

    def tried(self, step: Step, **changes: object) -> Found:
        """With one more step."""
        return replace(self, steps=(*self.steps, step), **changes)  # type: ignore[arg-type]


@dataclass
class Chains:
    """Tries the steps for people, with their own rights.

    Args:
        portal: of the site.
        federation: knows the data sets.
    """

    portal: Portal
    federation: Federation

    def __post_init__(self) -> None:
        self._maps = path_maps(self.portal.site)
        self._turns = Lanes(PER_PERSON, AT_A_TIME, WAIT)

    async def describe(self, text: str, login: Login | None, source: str = "") -> Found:
        """The first step alone: what is known of a data set, for its page.

        Raises:
            UnknownNameError: if the text names nothing.
        """
        if source:  # a PID as a catalogue gave it, whatever it looks like
            return await self._known(Named(text.strip()[:2000], pid=text.strip()[:2000]), login, source)
        named = read_name(text, self.portal.site, self._maps)
        if named.ref is not None:
            return Found(named, ref=named.ref, steps=(Step(STEPS[0], True, "It is named by its path."),))
        return await self._known(named, login, "")

    async def follow(self, found: Found, login: Login, purpose: str = "preview") -> Found:
        """The steps after the first, until one is broken."""
        for step in (self._facility, self._proposal):
            if found.broken:
                return found
            found = step(found)
        if found.broken or found.ref is None:
            return found
        found = await self._right(found, login, purpose)
        if found.broken:
            return found
        try:
            async with self._turns.one(login.username):  # a process, and maybe a slow file system
                return await self._here(found)
        except Busy:
            words = "Where other data sets lie is being looked up just now."
            return found.tried(Step(STEPS[4], False, words, "Try again in a moment."))

    async def _known(self, named: Named, login: Login | None, source: str) -> Found:
        answer = await self.federation.find(named.pid, login)
        hit = answer.hit
        if hit and source and all(place[0] != source for place in hit.places):
            hit = None
        if hit is None:
            return Found(named, outcomes=answer.outcomes, steps=(_unknown(named, answer.outcomes),))
        where = ", ".join(dict.fromkeys(self.title(name) for name, _ in hit.places))
        step = Step(STEPS[0], True, f"“{hit.dataset.title}” is known to {where}.")
        return Found(named, hit.dataset, hit.places, answer.outcomes, (step,))

    def title(self, source: str) -> str:
        """A catalogue's name for people."""
        known = self.federation.sources.get(source)
        return str(getattr(known.catalogue, "title", "") or source) if known else source

    def _facility(self, found: Found) -> Found:
        key = found.ref.facility if found.ref else found.dataset.facility if found.dataset else ""
        facility = self.portal.site.facilities.get(key)
        if facility is None:
            name = found.dataset.instrument.facility if found.dataset and found.dataset.instrument else ""
            words = f"It is at {name}, whose" if name else "No facility is known for it whose"
            return found.tried(Step(STEPS[1], False, f"{words} data this hub does not serve.", *self._elsewhere(found)))
        if facility.id not in self._maps:
            return found.tried(
                Step(
                    STEPS[1],
                    False,
                    f"Where data of {facility.short_name} lie has not been told to this hub.",
                    *self._elsewhere(found),
                )
            )
        return found.tried(Step(STEPS[1], True, f"{facility.name} ({facility.short_name}) is served here."))

    def _proposal(self, found: Found) -> Found:
        if found.ref:
            return found.tried(Step(STEPS[2], True, f"The path is of proposal {found.ref.id}."))
        dataset = found.dataset
        assert dataset  # noqa: S101 - the first step holds, and it was no path
        said, located = self._said(dataset), self._located(dataset)
        if said and located and said != located.ref:
            words = f"The catalogue says that it is of {said.id}, and its path is of {located.ref.id}: one of them is wrong."
            return found.tried(Step(STEPS[2], False, words, "Tell the facility; this hub opens neither for it."))
        ref = said or (located.ref if located else None)
        if ref is None:
            return found.tried(
                Step(
                    STEPS[2],
                    False,
                    "The catalogue does not say of which proposal it is.",
                    "If you know it, open the proposal itself, and look for the data there.",
                    ("My proposals", f"{self.portal.hub_base}home"),
                )
            )
        how = "by its path" if located else "as the catalogue says"
        return found.tried(Step(STEPS[2], True, f"It is of proposal {ref.id}, {how}."), ref=ref)

    def _said(self, dataset: Dataset) -> ProposalRef | None:
        rule = self.portal.site.facilities[dataset.facility].proposals
        try:
            return (
                ProposalRef(dataset.facility, rule.normalise(dataset.proposal)) if rule and dataset.proposal else None
            )
        except IdError:
            return None

    def _located(self, dataset: Dataset) -> Located | None:
        paths = self._maps.get(dataset.facility)
        return paths.locate(dataset.location) if paths and dataset.location.startswith("/") else None

    async def _right(self, found: Found, login: Login, purpose: str) -> Found:
        assert found.ref  # noqa: S101 - known by now
        ref = str(found.ref)
        report = await self.portal.hub.person(login)
        mine = next((one for one in report.proposals if one.ref == ref), None)
        if mine is None:
            return found.tried(self._no_right(found, report))
        right = Step(STEPS[3], True, f"You are on it as {mine.role} ({mine.source}).")
        try:
            data = await self.portal.hub.data(login, ref, purpose)
        except HubError as error:
            if error.status == 403:
                return found.tried(Step(STEPS[3], False, error.message, error.remedy, self._explain(ref)))
            if error.status != 404:
                raise
            bring = self._bring(found)  # a directory of the proposal is not on this hub's storage
            remedy = self._bring_words(found.ref) if bring else error.remedy
            return found.tried(right).tried(Step(STEPS[4], False, error.message, remedy, bring))
        return found.tried(right, data=data)

    def _no_right(self, found: Found, report: PersonReport) -> Step:
        assert found.ref  # noqa: S101 - known by now
        facility = self.portal.site.facilities[found.ref.facility]
        is_open = found.dataset is not None and found.dataset.availability is Availability.OPEN
        words = f"You are not on proposal {found.ref.id} ({facility.short_name}), as far as this hub can see."
        if report.troubles:
            words += " " + " ".join(report.troubles)
        if is_open and found.dataset and found.dataset.landing:
            remedy = "Its data are open: they can be had at the facility, and opened here from your home."
            return Step(STEPS[3], False, words, remedy, (f"Its page at {facility.short_name}", found.dataset.landing))
        remedy = f"Ask its main proposer to add you, or ask the {facility.user_office.name}."
        return Step(STEPS[3], False, words, remedy, self._explain(str(found.ref)))

    def _explain(self, ref: str) -> tuple[str, str]:
        return "Why can’t I open it?", f"{self.portal.hub_base}explain?{urlencode({'proposal': ref}, safe='/')}"

    async def _here(self, found: Found) -> Found:
        assert found.ref and found.data  # noqa: S101 - known by now
        areas, rest = self._place(found)
        try:
            async with Reader(found.data) as reader:
                spot = await find_spot(reader, areas, rest)
        except ReadError as error:
            return found.tried(Step(STEPS[4], False, error.message, error.remedy, self._bring(found)))
        if spot is None:
            words = (
                f"“{rest}” is not on this hub’s storage." if rest else "There are no files of it on this hub’s storage."
            )
            return found.tried(Step(STEPS[4], False, words, self._bring_words(found.ref), self._bring(found)))
        what = f"{spot.shown}" if spot.is_file else f"the folder {spot.shown or 'of the proposal'}"
        return found.tried(Step(STEPS[4], True, f"It is here: {what}."), spot=spot)

    def _place(self, found: Found) -> tuple[list[AreaDirectory], str]:
        """The areas to look in, and the path beneath them."""
        assert found.ref and found.data  # noqa: S101 - known by now
        areas = list(found.data.areas)
        located = found.named.located or (self._located(found.dataset) if found.dataset else None)
        if located:
            label = self._maps[found.ref.facility].label(located.fields)
            chosen = [one for one in areas if one.area == located.area and one.label in ("", label)]
            return chosen, "" if located.rest == PurePosixPath() else str(located.rest)
        if found.named.inside:
            path = PurePosixPath(found.named.inside[1])
            for one in areas:
                here = PurePosixPath(one.area, one.label)
                if path.is_relative_to(here):
                    rest = path.relative_to(here)
                    return [one], "" if rest == PurePosixPath() else str(rest)
            return [one for one in areas if not path.parts or one.area == path.parts[0]], str(
                PurePosixPath(*path.parts[1:])
            )
        location = found.dataset.location if found.dataset else ""
        is_relative = location and not location.startswith("/") and ".." not in PurePosixPath(location).parts
        return [one for one in areas if one.area == "raw"] or areas, location if is_relative else ""

    def _bring(self, found: Found) -> tuple[str, str] | None:
        assert found.ref  # noqa: S101 - known by now
        if not self._is_staged(found.ref):
            return None
        source, pid = found.places[0] if found.places else ("", found.named.text)
        return "Bring it here", f"{self.portal.base}stage/{quote(str(found.ref))}{Wanted(pid, source).query}"

    def _bring_words(self, ref: ProposalRef) -> str:
        if self._is_staged(ref):
            return "It can be brought here from the facility's storage."
        return "It may have moved to an archive: ask the facility."

    def _is_staged(self, ref: ProposalRef) -> bool:
        return any(remote.facility == ref.facility for remote in self.portal.site.config.portal.staging.remotes)

    def _elsewhere(self, found: Found) -> tuple[str, tuple[str, str] | None]:
        landing = found.dataset.landing if found.dataset else ""
        if landing:
            return "Look at its page at the facility.", ("Its page at the facility", landing)
        return "Look for it at the facility's own portal.", None


def _unknown(named: Named, outcomes: Sequence[SourceOutcome]) -> Step:
    failed = [one for one in outcomes if one.outcome not in (Outcome.OK, Outcome.PARTIAL)]
    answered = f"{len(outcomes) - len(failed)} of {len(outcomes)} catalogues answered, and none of them knows it."
    if not failed:
        return Step(STEPS[0], False, answered, "Check how it is written, or search for words of its title.")
    names = ", ".join(one.title for one in failed)
    return Step(
        STEPS[0], False, f"{answered} No answer: {names}.", "Check how it is written, or try again in a minute."
    )


__all__ = ["STEPS", "Chains", "Found", "Step", "UnknownNameError"]
