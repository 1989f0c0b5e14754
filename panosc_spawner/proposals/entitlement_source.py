"""Proposals in a person's entitlements, where a facility publishes them as groups of its community."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from panosc_spawner.errors import EntitlementError, IdError, PersonalSourceError, SourceError
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.source_rules import EntitlementSource as EntitlementRule
from panosc_spawner.facilities.units import format_duration
from panosc_spawner.identity.entitlements import Entitlement, parse
from panosc_spawner.identity.person import Person
from panosc_spawner.proposals.model import Grant, Proposal

MAX_LOGGED = 5
log = logging.getLogger(__name__)


class EntitlementProposals:
    """A :class:`~.source.ProposalSource` that asks nobody: it reads what the person's login brought.

    An entitlement counts if the person's verified issuer is exactly the rule's, its namespace is exactly the rule's, its
    path is the rule's group and then one component: the proposal id. Its authority is never looked at. The right was seen
    when the claims were; claims older than the rule's lifetime are no answer.
    """

    def __init__(
        self, rule: EntitlementRule, site: Site, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.name = rule.name
        self._now = now
        self._rule = rule
        self._facility = site.facilities[rule.facility]
        self.facilities = frozenset({rule.facility})

    async def grants(self, person: Person) -> Sequence[Grant]:
        """See :class:`~.source.ProposalSource`."""
        if person.issuer != self._rule.issuer:
            return []
        if self._now() - person.seen_at > self._rule.lifetime:
            age = format_duration(self._now() - person.seen_at)
            raise PersonalSourceError(
                self.name, f"what your login says of your groups is {age} old; log out and in again"
            )
        found = []
        skipped = 0
        for text in person.entitlements:
            try:
                grant = self._grant(parse(text), person)
            except (EntitlementError, IdError) as error:
                skipped += 1
                if skipped <= MAX_LOGGED:
                    log.info("%s: an entitlement of %s does not count: %.200s", self.name, person.username, error)
                continue
            if grant:
                found.append(grant)
        if skipped > MAX_LOGGED:
            log.info("%s: and %d more of %s", self.name, skipped - MAX_LOGGED, person.username)
        return found

    async def check(self) -> str:
        """See :class:`~.source.ProposalSource`."""
        if self._facility.proposals is None:
            raise SourceError(self.name, f"{self._facility.short_name}'s file has no [proposals] table")
        return f"groups {':'.join(self._rule.group)}:<proposal> of {self._rule.namespace}"

    def _grant(self, entitlement: Entitlement, person: Person) -> Grant | None:
        rule = self._rule
        if (
            entitlement.kind != "group"
            or not entitlement.in_namespace(rule.namespace)
            or entitlement.path[:-1] != rule.group
        ):
            return None
        role = rule.roles.get(entitlement.role) if entitlement.role else Role.MEMBER
        if role is None:  # a role that the rule does not name gives nothing
            return None
        group = ":".join(entitlement.path)
        return Grant(
            proposal=Proposal(self._ref(entitlement.path[-1])),
            role=role,
            source=self.name,
            evidence=f"your login says that you are in the group {group}",
            seen_at=person.seen_at,
        )

    def _ref(self, text: str) -> ProposalRef:
        if self._facility.proposals is None:
            raise IdError(f"{self._facility.short_name}'s file has no [proposals] table")
        return ProposalRef(self._facility.id, self._facility.proposals.normalise(text))
