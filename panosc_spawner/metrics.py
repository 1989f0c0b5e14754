"""What the hub counts for Prometheus, beside JupyterHub's own; all of it is in ``/hub/metrics``.

Labels hold only names from the configuration and our own codes: never a person, a proposal or a claim.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

LOGINS = Counter("panosc_logins", "Logins, by outcome (ok, or why refused)", ["community", "outcome"])
LOGIN_SERVICE_UP = Gauge("panosc_login_service_up", "Whether a login service answered when last asked", ["community"])
LOGIN_RENEWALS = Counter("panosc_login_renewals", "Refreshes of logins, by outcome", ["community", "outcome"])
LOGINS_ENDED = Counter("panosc_logins_ended", "Logins that were ended, by reason", ["reason"])

SOURCE_ANSWERS = Counter("panosc_source_answers", "Questions to proposal sources, by outcome", ["source", "outcome"])
SOURCE_SECONDS = Histogram("panosc_source_seconds", "How long proposal sources take to answer", ["source"])
SOURCE_UP = Gauge("panosc_source_up", "Whether a proposal source answered when last asked", ["source"])

GRANT_CHANGES = Counter("panosc_grant_changes", "Grants added, removed or changed", ["change"])
REVOCATIONS = Counter("panosc_revocations", "Servers that lost data or were ended, by reason", ["reason"])
REFUSALS = Counter("panosc_refusals", "Launches that were refused, by reason", ["reason"])
MOUNTS = Counter("panosc_mounts", "Directories of proposals that servers were given", ["facility", "access"])
TOKENS = Counter("panosc_tokens", "Tokens for people's own code, by audience and outcome", ["audience", "outcome"])
PORTAL_QUESTIONS = Counter("panosc_portal_questions", "What the portal asked, by outcome", ["question", "outcome"])

WATCH_SECONDS = Histogram("panosc_watch_seconds", "How long a round of the membership watcher takes")
WATCH_LAST = Gauge("panosc_watch_last_round", "When the membership watcher last finished a round (Unix time)")
AUDIT_FAILURES = Counter("panosc_audit_failures", "Lines of the audit log that could not be written")
