"""What all tables of TOML files have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A table of a TOML file: unknown keys refused, read once, never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
