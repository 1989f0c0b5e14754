"""What people may do on the hub: everybody with what is theirs; administrators see and end what others run, and enter nothing.

JupyterHub's own role ``admin`` cannot be changed, and opens everybody's servers, and with them data under embargo. It also
makes tokens in others' names, reads and writes their logins, and shares their servers. So nobody has it.
"""

from __future__ import annotations

from typing import Any

ADMINISTRATOR = "administrator"

PORTAL_ACCESS = "access:services!service=portal"
"""To be logged in at the hub's portal, where the hub has one. It opens nothing at the hub."""

USER_ROLE: dict[str, Any] = {
    "name": "user",
    "description": "Standard user privileges",
    "scopes": ["self", PORTAL_ACCESS],
}
"""JupyterHub's own, and the portal."""

ADMINISTRATOR_ROLE: dict[str, Any] = {
    "name": ADMINISTRATOR,
    "description": "Sees who works and ends servers; enters no server of others and acts in nobody's name",
    "scopes": [
        "admin-ui",
        "list:users",
        "read:users",
        "read:servers",
        "admin:server_state",  # reading it: JupyterHub's API does not write a server's state
        "delete:servers",
        "list:groups",
        "list:services",
        "read:services",
        "read:hub",
        "read:metrics",
        "read:roles",
        "shutdown",
    ],
}


def roles_of(admin: bool) -> list[dict[str, Any]]:
    """The roles of a person, for the auth model."""
    roles = [USER_ROLE, ADMINISTRATOR_ROLE] if admin else [USER_ROLE]
    return [{**role, "scopes": list(role["scopes"])} for role in roles]
