"""The audit log: who did or got what, when, why, and by which evidence. JSON lines, read by ``panosc-hub audit``."""

from panosc_spawner.audit.events import Event
from panosc_spawner.audit.log import FILE, AuditLog
from panosc_spawner.audit.reader import Entry, Filter, follow, newest, oldest

__all__ = ["FILE", "AuditLog", "Entry", "Event", "Filter", "follow", "newest", "oldest"]
