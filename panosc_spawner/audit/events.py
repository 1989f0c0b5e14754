"""What is written down. The values are the ``event`` of a line and never change their meaning."""

from __future__ import annotations

from enum import StrEnum


class Event(StrEnum):
    """One kind of line in the audit log."""

    LOGIN = "login"
    LOGIN_REFUSED = "login-refused"
    LOGOUT = "logout"
    LOGIN_ENDED = "login-ended"  # by the login service, by age, or by an administrator
    GRANT_ADDED = "grant-added"
    GRANT_REMOVED = "grant-removed"
    GRANT_CHANGED = "grant-changed"
    SERVER_STARTED = "server-started"
    SERVER_STOPPED = "server-stopped"
    MOUNT = "mount"
    DATA_READ = "data-read"  # by the portal, in a person's name: "reason" says for what
    REFUSAL = "refusal"
    REVOCATION = "revocation"
    TOKEN_GIVEN = "token-given"  # noqa: S105 - an event's name
    TOKEN_REFUSED = "token-refused"  # noqa: S105
    IDENTITY_LINKED = "identity-linked"
    IDENTITY_UNLINKED = "identity-unlinked"
    SHARING_REFUSED = "sharing-refused"
    ADMIN = "admin"  # whatever an administrator does to others
