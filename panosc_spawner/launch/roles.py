"""Roles in words, for people."""

from __future__ import annotations

from panosc_spawner.facilities.model import Role

ROLE_WORDS = {
    Role.PI: "Main proposer",
    Role.MEMBER: "Team member",
    Role.LOCAL_CONTACT: "Local contact",
    Role.INSTRUMENT_SCIENTIST: "Instrument scientist",
    Role.STAFF: "Facility staff",
    Role.PUBLIC: "Open data",
}
