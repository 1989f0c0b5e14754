"""The audit log: who did or got what, when, why, and by which evidence. JSON lines, read by ``panosc-hub audit``."""

from panosc_spawner.audit.events import Event
from panosc_spawner.audit.log import AuditLog

__all__ = ["AuditLog", "Event"]
