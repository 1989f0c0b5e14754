"""The portal starts a server for somebody who pressed a button there: as the choose page does, without a second page."""

from __future__ import annotations

from typing import Any

from panosc_spawner.identity.person import Person
from panosc_spawner.launch.model import Reason, Refusal
from panosc_spawner.pages.open import OpenHandler
from panosc_spawner.portal.handlers import AskedHandler
from panosc_spawner.portal.service import within_portal
from panosc_spawner.spawners.records import record_refusal
from panosc_spawner.spawners.refused import Refused


class StartHandler(AskedHandler, OpenHandler):
    """``POST /panosc/portal/start`` (``{"proposal": …, "environment": …, "then": …}``): ``{"address": …}`` to send the browser to.

    That is the page of the start's progress, with the portal's page ``then`` behind it; or ``then`` at once, if the server runs.
    """

    question = "start"

    async def answer(self, person: Person) -> dict[str, Any]:
        """See the class."""
        proposal, environment, then = self.asked("proposal", "environment", "then")
        if not within_portal(self.pages.context.site, then):
            raise Refused(Refusal(Reason.BAD_REQUEST, "A start leads on to a page of the portal only.", "Try again."))
        options: dict[str, object] = {"proposals": [proposal]}
        options |= {"environment": environment} if environment else {}
        trial = await self.dry_run(person, options)
        if not trial.plan or not trial.selection:
            problem = trial.refusal or Refusal(Reason.NO_PROPOSAL, "No proposal was chosen.", "Choose one.")
            record_refusal(self.pages.context, person.username, "", (), problem)
            raise Refused(problem)
        name = self._name(trial)
        spawner = self.current_user.spawners.get(name)
        if spawner and spawner.ready:
            return {"address": within_portal(self.pages.context.site, then)}
        if not (spawner and spawner.pending) and (
            refusal := self._too_many(trial.plan) or await self._start(name, trial)
        ):
            raise Refused(refusal)
        return {"address": self._here(self.pending_url(name, self.portal_url(then)))}

    async def _person(self) -> Person:
        return await self.person()

    def _here(self, path: str) -> str:
        """The address as the portal can give it to a browser: it may have another host."""
        hub = self.pages.context.site.config.hub
        return hub.public_url + path if hub.user_domains else path
