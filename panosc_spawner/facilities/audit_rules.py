"""The file in which the hub writes down who got access to what (``[audit]`` of ``site.toml``)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from panosc_spawner.facilities.model import Model
from panosc_spawner.facilities.units import ByteSize


class AuditRules(Model):
    """How much of the audit log is kept, and how safely it is written (``[audit]``)."""

    max_size: ByteSize = Field(
        default=ByteSize(50 * 1024**2),
        ge=64 * 1024,
        description="At this size audit.jsonl becomes audit.jsonl.1, and so on. A line has about 300 bytes.",
    )
    keep: int = Field(
        default=20,
        ge=1,
        le=10000,
        description="So many older files are kept, the oldest is deleted: with max_size this bounds the disk space, and how far "
        "back anybody can look. Copy them away before, if your rules ask for longer; keep fewer, if they ask for less.",
    )
    sync: Literal["line", "second", "never"] = Field(
        default="second",
        description="When a line is safe from a power failure. second: at most a second after it was written; "
        "line: at once, which makes every login and start wait for the disk; never: when the system gets to it.",
    )
