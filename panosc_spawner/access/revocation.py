"""Taking proposals out of running servers: stop, say why, and start again with what is left."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from panosc_spawner.access.decisions import Decision, Standing, Verdict, start_again_with
from panosc_spawner.access.stopping import Stopper
from panosc_spawner.audit import Event
from panosc_spawner.identity.person import Person
from panosc_spawner.launch.model import Reason, Refusal
from panosc_spawner.launch.selection import parse_selection, selection_options
from panosc_spawner.metrics import REVOCATIONS
from panosc_spawner.proposals.model import GrantReport
from panosc_spawner.spawners.base import facility_accounts
from panosc_spawner.spawners.context import HubContext
from panosc_spawner.spawners.refused import Refused
from panosc_spawner.spawners.wish import KEY, without_wish

_KEPT = "Your home and the processed data are kept."
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Case:
    """One running server, its owner, what the sources said, and what follows."""

    user: Any
    name: str
    person: Person | None
    report: GrantReport
    decision: Decision


def revoked(lost: Sequence[Verdict], asked_at: datetime) -> Refusal:
    """Why a server that lost proposals ended, for its owner."""
    why = " ".join(dict.fromkeys(verdict.why.message for verdict in lost if verdict.why))
    by = ", ".join(dict.fromkeys(verdict.source for verdict in lost if verdict.source)) or "the hub's sources"
    reason = Reason.STALE if all(v.standing is Standing.UNCONFIRMED for v in lost) else Reason.REVOKED
    return Refusal(
        reason,
        f"This server was stopped. {why} ({by}, asked {asked_at:%d %B, %H:%M %Z}.) {_KEPT}",
        " ".join(dict.fromkeys(verdict.why.remedy for verdict in lost if verdict.why)),
    )


class Revoker:
    """Acts on decisions about running servers."""

    def __init__(self, context: HubContext, stopper: Stopper) -> None:
        self._context, self._stopper = context, stopper

    async def take(self, case: Case) -> Refusal | None:
        """Take what is lost out of a server: when this returns, the server has been stopped.

        Returns:
            Why, if it may be started again with what is left (:meth:`go_on`); None if there is nothing more to do.
        """
        lost, user, name = case.decision.lost, case.user, case.name
        spawner = user.spawners.get(name)
        if not lost or spawner is None or not spawner.active:
            return None
        was_wanted, why = spawner.pending != "stop", revoked(lost, case.decision.asked_at)
        restart = was_wanted and self._context.site.config.access.when_revoked == "restart"
        self._write_down(case, lost)
        if restart:
            self._wish(spawner, datetime.now(UTC).isoformat(timespec="seconds"))
        began = time.monotonic()
        gone = await self._stopper.stop(user, name, why)
        names = ", ".join(str(verdict.ref) for verdict in lost)
        log.warning("%s of %s lost %s; stopped in %.1f s", name, user.name, names, time.monotonic() - began)
        if restart and not gone:
            self._wish(spawner, "")
        return why if restart and gone else None

    def _wish(self, spawner: Any, when: str) -> None:
        """Keep, in case the hub ends in between, that a server is to be started again (``access/wishes.py``)."""
        if spawner.start_again == when:
            return
        spawner.start_again = when
        row, db = spawner.orm_spawner, self._stopper.hands.app.db
        try:
            row.state = without_wish(row.state) | ({KEY: when} if when else {})
            db.commit()
        except Exception:  # no room on the disk: it must be stopped all the same
            db.rollback()
            log.exception("It could not be written down that %s is to be started again", spawner.name)

    async def go_on(self, case: Case, why: Refusal) -> None:
        """Start a server again with what is left to it, if anything is."""
        lost, user = case.decision.lost, case.user
        options = dict(user.orm_spawners[case.name].user_options or {})
        try:
            started = await self._start_again(case, options, why)
        finally:
            if case.name in user.spawners:
                self._wish(user.spawners[case.name], "")
        if started and lost:
            reasons = " ".join(verdict.why.message for verdict in lost if verdict.why)
            words = f"{_without(lost)} {reasons} The server was started again."
            self._context.notices.add(user.name, "revoked", words, str(lost[0].ref))

    async def _start_again(self, case: Case, options: dict[str, object], why: Refusal) -> bool:
        """Start it with what is left; whether it runs. What hinders it is told with the reason why it was stopped."""
        user, name, site = case.user, case.name, self._context.site
        selection = parse_selection(options, site)
        if isinstance(selection, Refusal) or case.person is None:
            return False
        accounts = await facility_accounts(self._context, case.person, selection)
        absent = (await self._context.images.look()).absent
        now = datetime.now(UTC)
        left = start_again_with(selection, case.decision, case.person, case.report, site, accounts, now, absent)
        if left is None or (name in user.spawners and user.spawners[name].active):
            return False
        spawner = user.spawners[name]
        spawner.notes = [_note(case.decision, left.proposals)]
        try:
            await self._stopper.hands.start(user, name, selection_options(left))
        except Exception as error:  # whatever it is: the server stays stopped, and its owner is told why
            log.warning("%s of %s could not be started again: %s", name, user.name, error)
            self._tell(user, name, why, error)
            return False
        return True

    def _tell(self, user: Any, name: str, why: Refusal, error: Exception) -> None:
        kept = user.spawners[name]
        said = kept.problem or (error.refusal if isinstance(error, Refused) else None)
        words = str(said) if said else f"it failed ({type(error).__name__})"
        kept.problem = Refusal(
            why.reason, f"{why.message} It could not be started again without it: {words}", why.remedy
        )
        kept.orm_spawner.state = kept.get_state()
        self._stopper.hands.app.db.commit()

    def _write_down(self, case: Case, lost: Sequence[Verdict]) -> None:
        for verdict in lost:
            REVOCATIONS.labels(verdict.standing.value).inc()
            self._context.audit.record(
                Event.REVOCATION,
                person=case.user.name,
                by="hub",
                proposal=str(verdict.ref),
                server=case.name,
                source=verdict.source,
                reason=verdict.standing.value,
                evidence=verdict.why.message if verdict.why else "",
                asked=case.decision.asked_at.isoformat(timespec="seconds"),
                confirmed=verdict.confirmed_at.isoformat(timespec="seconds") if verdict.confirmed_at else None,
            )


def _without(lost: Sequence[Verdict]) -> str:
    names = ", ".join(dict.fromkeys(verdict.ref.id for verdict in lost))
    return f"{names} {'was' if len(lost) == 1 else 'were'} taken out of your server."


def _note(decision: Decision, left: Sequence[object]) -> str:
    """For the page of the server that was started again."""
    now = f"{datetime.now(UTC):%H:%M %Z}"
    out = [verdict for verdict in decision.verdicts if verdict.ref not in left]
    fewer = [verdict for verdict in decision.lost if verdict.ref in left]
    words = [f"This server was started again at {now} without {', '.join(v.ref.id for v in out)}."] if out else []
    words += [f"This server was started again at {now}."] if not out else []
    words += [verdict.why.message for verdict in (*out, *fewer) if verdict.why]
    return " ".join(words)
