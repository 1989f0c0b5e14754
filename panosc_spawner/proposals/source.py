"""What a proposal source is: a place that says who is on which proposal."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.identity.person import Person
from panosc_spawner.proposals.model import Grant, Proposal


class ProposalSource(Protocol):
    """A user office, a catalogue, a directory of groups, a file: it answers, or it raises."""

    @property
    def name(self) -> str:
        """Its name for people: "ESRF user office list"."""
        ...

    @property
    def facilities(self) -> frozenset[str]:
        """The facilities whose proposals it can speak of: while it is down, nothing is known of those."""
        ...

    async def grants(self, person: Person) -> Sequence[Grant]:
        """This person's rights, also those that ended or have not begun; empty only if it knows that there are none.

        Raises:
            SourceError: if it could not answer. It never answers "none" because something failed.
        """
        ...

    async def check(self) -> str:
        """Try it, for the operator: what was found, in a few words.

        Raises:
            SourceError: if it does not work.
        """
        ...


@runtime_checkable
class ProposalDirectory(Protocol):
    """A source that also knows proposals' titles and visits, for rights that come from elsewhere without them."""

    async def describe(self, refs: Iterable[ProposalRef]) -> Mapping[ProposalRef, Proposal]:
        """What is known of these proposals; those it does not know are left out.

        Raises:
            SourceError: if it could not answer.
        """
        ...


@runtime_checkable
class InstrumentDirectory(Protocol):
    """A source that also knows which proposals an instrument had, for staff whose groups name only the instrument."""

    async def at_instruments(self, facility: str, instruments: Collection[str]) -> Sequence[Proposal]:
        """The proposals with visits at any of these instruments (in any case), each with those visits only.

        Raises:
            SourceError: if it could not answer.
        """
        ...
