"""A micro-service for SATOSA that stands for a community's membership manager (Perun, eduTEAMS' own).

It turns what the person's institute said into the community's identity, and gives the community's groups instead of the
institute's: whoever runs an institute's provider cannot speak for the community.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from satosa.exception import SATOSAAuthenticationError
from satosa.micro_services.base import ResponseMicroService

BASE_ASSURANCE = ["https://refeds.org/assurance", "https://refeds.org/assurance/ID/unique"]


class Membership(ResponseMicroService):
    """Reads the people's file at each login."""

    def __init__(self, config: dict[str, str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.file, self.scope = Path(config["people"]), config["scope"]

    def process(self, context: Any, data: Any) -> Any:
        """Called by SATOSA with what the institute's provider said."""
        told = data.attributes
        people = json.loads(self.file.read_text(encoding="utf-8"))
        person = people.get(str((told.get("eppn") or [""])[0]).partition("@")[0])
        if person is None or not person["entitlements"]:
            raise SATOSAAuthenticationError(context.state, "not a member of the community")
        if person["suspended"]:
            raise SATOSAAuthenticationError(context.state, "membership suspended")
        data.subject_id = person["subject"]
        told["voperson_id"] = [person["subject"]]
        told["username"] = [person["preferred_username"]]
        told["affiliation"] = [f"member@{self.scope}"]
        told["entitlement"] = person["entitlements"]
        told["assurance"] = BASE_ASSURANCE
        return super().process(context, data)
