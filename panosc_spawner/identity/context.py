"""What the logins of one hub share, made once when the configuration is loaded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from panosc_spawner.audit import AuditLog
from panosc_spawner.identity.link_follower import LinkFollower
from panosc_spawner.identity.logins import Logins
from panosc_spawner.identity.people import PeopleStore
from panosc_spawner.identity.renewal import Ending

EndedHook = Callable[[str, Ending, str], Awaitable[None]]
"""Called with the user name, how the login ended, and details in words."""


@dataclass
class LoginContext:
    """Shared by all communities of a hub.

    Args:
        people: which identity is whose.
        audit: where logins are written down.
        logins: which sessions there are.
        on_start: called once with the JupyterHub application, when it has started and its loop runs.
        ended_hooks: awaited when a login ended: because the provider said so on the back channel, or at a person's request.
    """

    people: PeopleStore
    audit: AuditLog = field(default_factory=lambda: AuditLog(None))
    logins: Logins = field(default_factory=Logins)
    on_start: list[Callable[[Any], None]] = field(default_factory=list)
    ended_hooks: list[EndedHook] = field(default_factory=list)
    links: LinkFollower = field(init=False)  # makes what is unlinked end

    def __post_init__(self) -> None:
        self.links = LinkFollower(self.people, self.ended)
        self.on_start.append(self.links.start)

    def __deepcopy__(self, memo: dict[int, Any]) -> LoginContext:
        """Itself: traitlets copies what a configuration holds."""
        return self

    async def ended(self, username: str, ending: Ending, details: str) -> None:
        """Tell everybody who wants to know."""
        for hook in self.ended_hooks:
            await hook(username, ending, details)
