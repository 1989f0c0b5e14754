"""What administrators and services do to others, written down: the hub tells this of every request that it has answered.

Of a request, its method, the kind of address, whom it is about and the answer's status are kept; never a body, a query or a
header.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from jupyterhub.log import log_request
from jupyterhub.orm import Service
from tornado.web import HTTPError

from panosc_spawner.audit import AuditLog, Event

_CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_OF_PERSONS = ("users", "spawn", "spawn-pending", "stop", "user")
_OF_THE_HUB = ("groups", "proxy", "shutdown", "services", "shares", "roles")
_SERVER_CLIENT = "jupyterhub-user-"


def audited(audit: AuditLog) -> Callable[[Any], None]:
    """For ``c.JupyterHub.tornado_settings["log_function"]``: the hub's own log of requests, and ours."""

    def log_function(handler: Any) -> None:
        log_request(handler)
        _write_down(handler, audit)

    return log_function


def _write_down(handler: Any, audit: AuditLog) -> None:
    by, is_service = _who(handler)
    if not by:
        return
    path = handler.request.path.removeprefix(handler.hub.base_url)
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if handler.request.method == "GET" and parts[:3] == ["api", "oauth2", "authorize"]:
        return _opens_a_server(handler, by, audit)
    if handler.request.method not in _CHANGES or parts[-1] == "activity":
        return
    parts = parts[1:] if parts[0] == "api" else parts
    known = [str(argument) for argument in handler.path_args if argument]
    person = known[0] if parts[0] in _OF_PERSONS and known else ""
    if person == by and not is_service:
        return
    if not person and not (parts[0] in _OF_THE_HUB or parts == ["users"]):
        return
    shown = "/".join("*" if part in known else part for part in parts)
    audit.record(
        Event.ADMIN,
        person=person,
        by=f"service {by}" if is_service else by,
        server=known[1] if len(known) > 1 and "servers" in parts else "",
        request=f"{handler.request.method} {shown}",
        status=handler.get_status(),
    )


def _opens_a_server(handler: Any, by: str, audit: AuditLog) -> None:
    """Somebody else's browser asks to be let in to a person's server."""
    client = handler.get_query_argument("client_id", "")
    if not client.startswith(_SERVER_CLIENT):
        return
    server = client.removeprefix(_SERVER_CLIENT)
    own = getattr(handler.current_user, "escaped_name", by)
    if server != own and not server.startswith(f"{own}-"):
        audit.record(
            Event.ADMIN, by=by, server=unquote(server), request="opens a server of another", status=handler.get_status()
        )


def _who(handler: Any) -> tuple[str, bool]:
    """The name of who asked, and whether it is a service; empty if nobody is logged in."""
    try:
        user = handler.current_user
    except (HTTPError, RuntimeError, AttributeError):
        return "", False
    name = getattr(user, "name", "")
    return str(name), isinstance(user, Service)
