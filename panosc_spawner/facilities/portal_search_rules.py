"""Search over all catalogues (``[portal.search]``): how long it waits, how much it asks, and who may search."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, model_validator

from panosc_spawner.facilities.base import Model
from panosc_spawner.facilities.units import Duration


class SearchRules(Model):
    """How catalogues are asked (``[portal.search]``)."""

    public: bool = Field(
        default=False, description="true: whoever reaches the portal may search open data without logging in."
    )
    wait: Duration = Field(
        default=timedelta(seconds=2),
        gt=timedelta(),
        le=timedelta(minutes=1),
        description="Longest wait for one answer of one catalogue. Nobody waits for it who has other results to read.",
    )
    wait_in_all: Duration = Field(
        default=timedelta(seconds=5),
        gt=timedelta(),
        le=timedelta(minutes=2),
        description="Longest a search takes, with all the answers that a catalogue gives piece by piece.",
    )
    results: int = Field(
        default=60, ge=6, le=500, description="Data sets on a page, about, from all catalogues together."
    )
    at_once: int = Field(
        default=16,
        ge=1,
        le=1000,
        description="Questions that one catalogue is asked at a time; the others wait in turn.",
    )
    per_person: int = Field(default=6, ge=1, le=100, description="Searches of one person that run at a time.")
    fresh: Duration = Field(
        default=timedelta(seconds=30),
        ge=timedelta(),
        le=timedelta(minutes=5),
        description="So long an answer is used again for the same question: a person's own for that person alone.",
    )
    stale: Duration = Field(
        default=timedelta(minutes=5),
        ge=timedelta(),
        le=timedelta(days=1),
        description="So old an answer about open data is still shown, with its age, when a catalogue does not answer.",
    )
    kept: int = Field(default=10_000, ge=100, le=1_000_000, description="Data sets in kept answers, at most.")

    @model_validator(mode="after")
    def _fits(self) -> SearchRules:
        if self.wait_in_all < self.wait:
            raise ValueError("wait_in_all: must not be less than wait")
        return self
