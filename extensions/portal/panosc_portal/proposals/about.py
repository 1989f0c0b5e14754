"""What catalogues tell of a proposal, put together from its data sets. Pure. What nobody tells stays empty, and is not guessed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from panosc_portal.catalogues.model import Dataset, Document, Member
from panosc_spawner.errors import IdError
from panosc_spawner.facilities.site import Site
from panosc_spawner.panet import label

MOST_SAMPLES = 12
MOST_MEMBERS = 40


@dataclass(frozen=True)
class About:
    """A proposal as its data sets tell.

    Attributes:
        datasets: those that were found, the newest first.
        size: bytes of those whose size is told; None if it is told of none.
        sized: of how many data sets the size is told.
        samples: names, in no order of worth.
        techniques: names.
        release: when the last of them becomes open.
        team: whom the catalogues name on the proposal.
        summary: of the proposal, in its catalogue's words.
        licence: of the data.
        doi: of the proposal.
    """

    datasets: tuple[Dataset, ...] = ()
    size: int | None = None
    sized: int = 0
    samples: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    release: date | None = None
    team: tuple[Member, ...] = ()
    summary: str = ""
    licence: str = ""
    doi: str = ""


def of_proposal(ref: str, datasets: Iterable[Dataset], site: Site) -> list[Dataset]:
    """Those data sets that are of this proposal, by the facility's own way to write ids."""
    key = ref.partition("/")[0]
    facility = site.facilities.get(key)
    if facility is None or facility.proposals is None:
        return []
    found = []
    for dataset in datasets:
        try:
            same = dataset.facility == key and f"{key}/{facility.proposals.normalise(dataset.proposal)}" == ref
        except IdError:
            continue
        found += [dataset] if same else []
    return found


def about(datasets: Iterable[Dataset]) -> About:
    """All that a proposal's data sets tell of it."""
    # Of several on one day, the order does not change with the catalogue that was the fastest.
    held = sorted(datasets, key=lambda one: (-(one.created.timestamp() if one.created else 0), one.title, one.pid))
    sizes = [one.size for one in held if one.size is not None]
    proposals = [document for one in held for document in one.documents if document.type in ("proposal", "")]
    return About(
        datasets=tuple(held),
        size=sum(sizes) if sizes else None,
        sized=len(sizes),
        samples=tuple(_names(sample.name for one in held for sample in one.samples))[:MOST_SAMPLES],
        techniques=tuple(_names(label(each.panet or each.name) for one in held for each in one.techniques)),
        release=max((day for one in held if (day := one.release or _release(one.documents))), default=None),
        team=_team(proposals),
        summary=next((document.summary for document in proposals if document.summary), ""),
        licence=next((one.licence for one in held if one.licence), "")
        or next((document.licence for document in proposals if document.licence), ""),
        doi=next((document.doi for document in proposals if document.doi), ""),
    )


def _release(documents: Iterable[Document]) -> date | None:
    return max((document.release for document in documents if document.release), default=None)


def _names(names: Iterable[str]) -> Iterable[str]:
    return dict.fromkeys(name.strip() for name in names if name.strip())


def _team(documents: Iterable[Document]) -> tuple[Member, ...]:
    """Each person once, as the first catalogue that has a role for them writes it."""
    team: dict[str, Member] = {}
    for document in documents:
        for member in document.members:
            name = " ".join(member.name.split()).lower()
            if name and (name not in team or (member.role and not team[name].role)):
                team[name] = member
    return tuple(team.values())[:MOST_MEMBERS]
