"""Proposals in the groups that this machine knows of a person's account."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections import OrderedDict
from collections.abc import Callable, Sequence

from panosc_spawner.errors import PersonalSourceError, SourceError
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.table_source_rules import GroupsSource as GroupsRule
from panosc_spawner.identity.accounts import NOT_HERE, TIMEOUT, resolve_account, run_command
from panosc_spawner.identity.person import Identity, NoAccount, Person
from panosc_spawner.proposals.group_names import GroupRights
from panosc_spawner.proposals.model import Grant
from panosc_spawner.proposals.source import InstrumentDirectory

MAX_PEOPLE = 10_000
AT_A_TIME = 4
"""Questions to the machine: each is a few short programs."""
_NOT_FOUND = 2
log = logging.getLogger(__name__)


class GroupProposals:
    """A :class:`~.source.ProposalSource`: the groups of the account that a person's server would run as."""

    def __init__(
        self, rule: GroupsRule, site: Site, instruments: Callable[[], InstrumentDirectory | None] = lambda: None
    ) -> None:
        self.name = rule.name
        self.facilities = frozenset({rule.facility})
        self._site = site
        self._account = site.account_rule(rule.facility)
        self._rights = GroupRights(rule, rule.name, site.facilities[rule.facility], instruments)
        self._turns = asyncio.Semaphore(AT_A_TIME)
        self._had_accounts: OrderedDict[tuple[Identity, ...], None] = OrderedDict()

    async def grants(self, person: Person) -> Sequence[Grant]:
        """See :class:`~.source.ProposalSource`."""
        if self._account is None:
            return []
        async with self._turns:
            account = await resolve_account(self._account, person, self._site)
            if isinstance(account, NoAccount):
                if account.failed:
                    raise SourceError(self.name, account.reason)
                if account.reason.startswith(NOT_HERE) and person.identities in self._had_accounts:
                    raise PersonalSourceError(self.name, f"{account.reason}, though it had; its directory may be down")
                return []
            self._remember(person)
            names = await self._names((account.gid, *account.gids))
        return await self._rights.grants(names)

    def _remember(self, person: Person) -> None:
        self._had_accounts[person.identities] = None
        self._had_accounts.move_to_end(person.identities)
        while len(self._had_accounts) > MAX_PEOPLE:
            self._had_accounts.popitem(last=False)

    async def check(self) -> str:
        """See :class:`~.source.ProposalSource`."""
        if shutil.which("getent") is None:
            raise SourceError(self.name, "getent is not installed (Debian: libc-bin)")
        code, listed = await self._ask("getent", "group")
        if code:
            raise SourceError(self.name, f"getent group failed (exit {code})")
        every = [line.partition(":")[0] for line in listed.splitlines()]
        meant = sum(1 for name in every if self._rights.names.meaning(name))
        return (
            f"{len(every)} groups are listed, {meant} of them of proposals or instruments (a directory may list none)"
        )

    async def _names(self, gids: Sequence[int]) -> list[str]:
        """The names of these groups. One without a name is no answer: the directory that has it may be down just now."""
        asked = list(dict.fromkeys(gids))
        code, listed = await self._ask("getent", "group", "--", *map(str, asked))
        if code not in (0, _NOT_FOUND):
            log.warning("%s: getent group exit %s", self.name, code)
            raise SourceError(self.name, "this system's groups cannot be looked up")
        names: dict[int, str] = {}
        for line in listed.splitlines():
            name, _, rest = line.partition(":")
            gid = rest.split(":")[1] if rest.count(":") >= 1 else ""
            if name and gid.isascii() and gid.isdigit():
                names[int(gid)] = name
        if lacking := [gid for gid in asked if gid not in names]:
            # Where none has a name, it is the directory that is down.
            kind = PersonalSourceError if names else SourceError
            raise kind(self.name, f"this system has no name for the group {lacking[0]} of your account")
        return [names[gid] for gid in asked]

    async def _ask(self, *command: str) -> tuple[int, str]:
        try:
            async with asyncio.timeout(TIMEOUT.total_seconds()):
                return await run_command(*command)
        except (OSError, TimeoutError) as error:
            log.warning("%s: %s failed: %s", self.name, command[0], type(error).__name__)
            raise SourceError(self.name, "this system's groups cannot be looked up") from error
