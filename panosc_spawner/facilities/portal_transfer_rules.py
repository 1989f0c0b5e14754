"""Transfers that people run themselves (``[portal.transfer]``): Globus."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID

from pydantic import Field, field_validator, model_validator

from panosc_spawner.facilities.base import Model
from panosc_spawner.facilities.model import AbsolutePath, PlainName


class GlobusCollection(Model):
    """A Globus collection from which data can be transferred (``[[portal.transfer.globus]]``)."""

    facility: PlainName = Field(description="Whose data it holds: one of hub.facilities.")
    title: str = Field(min_length=1, max_length=80, description="As people see it: 'ESRF data'.")
    collection: UUID = Field(description="Its id, as app.globus.org shows it.")
    root: AbsolutePath = Field(description="The directory here that is the collection's '/', as /data/visitor.")
    mapped: bool = Field(
        default=True,
        description="A mapped collection (people have accounts): transfers need their consent to 'data_access'. false: a guest "
        "collection.",
    )
    domain: str = Field(
        default="",
        description="Where the collection takes only identities of one domain: that domain, as esrf.fr. It is told before.",
    )

    @field_validator("domain")
    @classmethod
    def _is_domain(cls, value: str) -> str:
        if value and not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", value):
            raise ValueError("not a domain, such as esrf.fr")
        return value


class GlobusClient(Model):
    """This hub's registration with Globus, by which transfers are started from the portal (``[portal.transfer.client]``).

    A native (thick) client needs no secret; a confidential one has it in ``secret_file``. Its redirect address is
    ``<portal>/transfer/globus/callback``. Needs globus-sdk (extra ``globus`` of panosc-portal).
    """

    id: UUID
    secret_file: Path | None = Field(default=None, description="One line, mode 0600, relative to the site's folder.")


class TransferRules(Model):
    """How people transfer data themselves, beside rclone and curl (``[portal.transfer]``)."""

    globus: tuple[GlobusCollection, ...] = ()
    client: GlobusClient | None = Field(
        default=None, description="None: people are sent to Globus's own page with the folder chosen."
    )

    @model_validator(mode="after")
    def _has_collections(self) -> TransferRules:
        if self.client and not self.globus:
            raise ValueError("client is of no use without [[portal.transfer.globus]]")
        return self
