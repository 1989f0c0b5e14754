"""Opening: the server that a data set needs, and the notebook on it, put into the person's home."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote, urlencode

from panosc_portal.context import Portal
from panosc_portal.errors import HubError
from panosc_portal.hub import Login, RunningServer
from panosc_portal.moving.citing import citing
from panosc_portal.opening.chain import Chains, Found
from panosc_portal.opening.environment import choose_environment
from panosc_portal.opening.notebook import Subject, notebook, notebook_name
from panosc_portal.opening.plots import SECONDS, Look, Plots
from panosc_portal.opening.tickets import Ticket, Tickets
from panosc_portal.software.catalogue import Software
from panosc_spawner.facilities.portal_url import portal_url

INSIDE = PurePosixPath("proposals")
PATIENCE = 8.0
"""Seconds that somebody waits in front of an empty page; after that the notebook lists what is in the file instead."""


@dataclass
class Opener:
    """Opens data sets for people.

    Args:
        portal: of the site.
        chains: from a name to a file.
        plots: what files show.
        tickets: what was asked for and is not open yet.
    """

    portal: Portal
    chains: Chains
    plots: Plots
    tickets: Tickets

    async def environment(self, found: Found) -> str:
        """The environment for a data set, ``esrf/esrf``; empty where the hub chooses."""
        if found.ref is None:
            return ""
        absent = {one.environment.image for one in await self.portal.part(Software).entries() if one.absent}
        key = choose_environment(self.portal.site.facilities[found.ref.facility], found.dataset, absent)
        return f"{found.ref.facility}/{key}" if key else ""

    async def look(self, found: Found, login: Login, seconds: float = SECONDS) -> Look:
        """What its file shows."""
        if found.spot is None or found.data is None or found.spot.identity is None:
            return Look(error="It is a folder.")
        if not found.spot.is_hdf5:
            return Look(error="It is no HDF5 file.")
        spot = found.spot
        return await self.plots.look(
            login.username, found.data, spot.area.path, spot.path, found.spot.identity, seconds
        )

    async def begin(self, found: Found, login: Login, text: str, source: str) -> str:
        """Start what is needed; the address to send the browser to.

        Raises:
            HubError: in the hub's words.
        """
        assert found.ref  # noqa: S101 - no step is broken
        ticket = self.tickets.make(Ticket(login.username, text, source))
        then = f"{self.portal.base}open/go?{urlencode({'ticket': ticket})}"
        return await self.portal.hub.start(login, str(found.ref), await self.environment(found), then)

    async def finish(self, found: Found, login: Login) -> str:
        """Put the notebook into the running server, and the address in JupyterLab to send the browser to.

        Raises:
            HubError: 409 if no server with the proposal runs; or why the notebook cannot be written.
        """
        assert found.ref and found.spot  # noqa: S101 - no step is broken
        server = await self._server(login, str(found.ref))
        path = INSIDE / found.ref.facility / found.ref.id / found.spot.shown
        if not found.spot.is_hdf5:  # Lab itself knows how to open, or to show where it lies
            return f"{server.url.rstrip('/')}/lab/tree/{quote(str(path))}"
        dataset = found.dataset
        cite = citing(self.portal.site, str(found.ref), dataset) if dataset else None
        title = dataset.title if dataset and dataset.title else path.name
        content = notebook(Subject(path, title, self.page(found), await self.look(found, login, PATIENCE), cite))
        name = await self.portal.hub.put_file(login, server.name, notebook_name(path), content)
        return f"{server.url.rstrip('/')}/lab/tree/{quote(name)}"

    def page(self, found: Found) -> str:
        """The absolute address of a data set's page, or of what opens a path."""
        if found.places:
            source, pid = found.places[0]
            return portal_url(self.portal.site, f"data?{urlencode({'source': source, 'pid': pid})}")
        return portal_url(self.portal.site, f"open?{urlencode({'pid': found.named.text})}")

    async def _server(self, login: Login, ref: str) -> RunningServer:
        report = await self.portal.hub.person(login)
        ready = [one for one in report.servers if one.ready and ref in one.proposals]
        if not ready:
            raise HubError(
                409, "No server with this proposal is running.", "Press Open once more, and wait until it has started."
            )
        return min(ready, key=lambda one: len(one.proposals))
