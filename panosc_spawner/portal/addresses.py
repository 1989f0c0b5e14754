"""Addresses that come from outside, and are to lead to the portal's pages and nowhere else."""

from __future__ import annotations

from urllib.parse import urlsplit

_ENCODED = ("%2e", "%2f", "%5c")
"""A dot, a slash, a backslash: browsers take ``%2e%2e`` for ``..`` (WHATWG URL, "double-dot path segment")."""
_MOST = 8192


def beneath(base: str, address: str) -> bool:
    """Whether a browser that is sent to this address stays beneath a path of this host.

    Args:
        base: the path, with slashes around it: ``/services/portal/``.
        address: from outside.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    if parts.scheme or parts.netloc or parts.fragment or not parts.path.startswith(base) or len(address) >= _MOST:
        return False
    if not address.isprintable() or set(address) & {" ", "\\"} or any(one in parts.path.lower() for one in _ENCODED):
        return False
    names = parts.path.removeprefix(base).split("/")
    return not {".", ".."} & set(names) and "" not in names[:-1]
