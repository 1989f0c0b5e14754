"""Settings of the parent classes that would let people in, or trust, by another rule than ours: each has one value only."""

from __future__ import annotations

from typing import Any

from traitlets import TraitError

HUB: dict[str, Any] = {
    "allow_all": False,
    "allow_existing_users": False,
    "allowed_users": set(),
    "admin_users": set(),
    "enable_auth_state": True,
    "auth_refresh_strict": True,
    "refresh_pre_spawn": True,
    "manage_groups": False,
    "manage_roles": True,
    "auto_login": False,
}
"""Of any authenticator of JupyterHub."""

COMMUNITY: dict[str, Any] = HUB | {
    "manage_roles": False,
    "allowed_groups": set(),
    "allowed_scopes": [],
    "admin_groups": set(),
    "refresh_user_hook": None,
    "modify_auth_state_hook": None,
    "enable_pkce": True,
    "validate_server_cert": True,
    "userdata_from_id_token": False,
    "userdata_token_method": "header",
}
"""Of oauthenticator."""


def require_fixed(owner: str, fixed: dict[str, Any], name: str, value: Any) -> None:
    """Refuse any other value than the only one.

    Raises:
        TraitError: naming the setting and what decides instead.
    """
    if value != fixed[name]:
        raise TraitError(
            f"{owner}.{name} cannot be {value!r}: who may log in is decided by the community, "
            "login.required_entitlement and login.admins of site.toml. Remove this setting."
        )
