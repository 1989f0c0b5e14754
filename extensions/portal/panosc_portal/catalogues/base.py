"""What all catalogues over HTTP have in common: one client each, and failures as outcomes in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from panosc_portal.catalogues.model import Credentials, Found, Query
from panosc_portal.catalogues.values import landing_of
from panosc_portal.errors import CatalogueError, Outcome
from panosc_spawner.errors import SourceError
from panosc_spawner.facilities.catalogue_rules import CatalogueCommon
from panosc_spawner.facilities.model import Facility
from panosc_spawner.proposals.http.client import GarbledError, HttpClient, HttpStatusError, QuestionError, SlowError
from panosc_spawner.proposals.http.too_much import TooMuchError

CONNECTIONS = 48
"""Requests at a time to one catalogue: a search takes two or three, and ``[portal.search] at_once`` searches may ask it."""
MOST = 200
"""Entries that are asked for at a time, at most."""


class HttpCatalogue:
    """The base of a catalogue over HTTP.

    Args:
        rule: its table, with its name.
        facility: whose data it holds; None if it is none of the site's.
        folder: the site's folder.
        title: as people see it.
    """

    def __init__(self, rule: CatalogueCommon, facility: Facility | None, folder: Path) -> None:
        self.name = rule.name
        self.facility = facility.id if facility else ""
        self.facilities = frozenset({facility.id} if facility else ())
        self.title = rule.title or (facility.short_name if facility else rule.name)
        self.audience = rule.audience
        self.client = HttpClient(rule, folder, connections=CONNECTIONS)
        self._landing = rule.landing
        self._proposal_id = re.compile(rule.proposal_id, re.ASCII)

    async def aclose(self) -> None:
        """Close its connections."""
        await self.client.aclose()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask within this: whatever goes wrong becomes a :class:`~panosc_portal.errors.CatalogueError`."""
        try:
            yield
        except SourceError as error:
            status = error.status if isinstance(error, HttpStatusError) else 0
            # Where a redirect leads is for the operator's log at most: people are told without addresses.
            reason = "it sends elsewhere, which is not followed" if 300 <= status < 400 else error.reason
            raise CatalogueError(self.name, _outcome(error), reason, status) from None

    def token_for(self, credentials: Credentials | None) -> SecretStr | None:
        """The person's token, if this catalogue is asked in people's names.

        Raises:
            CatalogueError: if the token was made for another catalogue.
        """
        if credentials is None or not self.audience:
            return None
        if credentials.catalogue not in ("", self.name):
            raise CatalogueError(self.name, Outcome.REFUSED, "the token at hand was made for another catalogue")
        return credentials.token

    def proposal_of(self, text: str) -> str:
        """The facility's id of a proposal, from how the catalogue writes it; empty if that is not as its table says."""
        match = self._proposal_id.fullmatch(text.strip())
        return (match["id"] or "") if match else ""

    def landing(self, pid: str, doi: str) -> str:
        """The data set's page at the facility."""
        return landing_of(self._landing, pid, doi)

    def elsewhere(self, query: Query) -> Found | None:
        """An empty answer, if the question is about facilities whose data are not here."""
        if query.facilities and not self.facilities & set(query.facilities):
            return Found((), total=0, applied=query.kinds())
        return None


def bearer(token: SecretStr) -> SecretStr:
    """A token for the header Authorization."""
    return SecretStr(f"Bearer {token.get_secret_value()}")


def bounded(limit: int) -> int:
    """How many to ask for at a time."""
    return max(1, min(limit, MOST))


def _outcome(error: SourceError) -> Outcome:
    if isinstance(error, SlowError):
        return Outcome.TIMEOUT
    if isinstance(error, QuestionError):
        return Outcome.CANNOT
    if isinstance(error, GarbledError | TooMuchError):
        return Outcome.GARBLED
    if isinstance(error, HttpStatusError):
        if error.status in (401, 403):
            return Outcome.REFUSED
        return Outcome.CANNOT if error.status in (400, 404, 405, 414, 422, 501) else Outcome.DOWN
    return Outcome.DOWN
