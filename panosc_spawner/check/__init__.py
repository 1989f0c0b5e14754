"""Try what a site's folder names, before its people do. One small function a check; each returns findings in words."""

from panosc_spawner.check.finding import Finding, Level
from panosc_spawner.check.run import check_site

__all__ = ["Finding", "Level", "check_site"]
