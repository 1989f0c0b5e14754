"""The portal: a service of the hub in which people find data, and move it (``[portal]`` of ``site.toml``)."""

from __future__ import annotations

from pydantic import Field

from panosc_spawner.facilities.base import Model
from panosc_spawner.facilities.catalogue_rules import PortalCatalogues
from panosc_spawner.facilities.portal_archive_rules import ArchiveRules
from panosc_spawner.facilities.portal_downloads_rules import DownloadRules
from panosc_spawner.facilities.portal_index_rules import IndexRules
from panosc_spawner.facilities.portal_search_rules import SearchRules
from panosc_spawner.facilities.portal_software_rules import SoftwareRules
from panosc_spawner.facilities.portal_staging_rules import JobRules, StagingRules
from panosc_spawner.facilities.portal_transfer_rules import TransferRules


class PortalRules(Model):
    """Whether this hub has a portal, and where (``[portal]``). Each part of it has a table of its own beneath."""

    enabled: bool = Field(
        default=False,
        description="Start the portal with the hub, at /services/portal/. It needs the package panosc-portal (extensions/portal).",
    )
    port: int = Field(default=8082, ge=1, le=65535, description="Where the portal listens, on loopback only.")
    catalogues: PortalCatalogues = PortalCatalogues()
    search: SearchRules = SearchRules()
    index: IndexRules = IndexRules()
    downloads: DownloadRules = DownloadRules()
    software: SoftwareRules = SoftwareRules()
    staging: StagingRules = StagingRules()
    jobs: JobRules = JobRules()
    archive: ArchiveRules = ArchiveRules()
    transfer: TransferRules = TransferRules()
