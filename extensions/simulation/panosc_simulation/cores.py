"""How many processes may compute at once: what this container really has, not what its host has."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def available(root: Path = _CGROUP) -> int:
    """Whole cores that this process may use: the smaller of its CPU affinity and its control group's limit, at least one.

    Args:
        root: where the control groups are mounted (version 2: ``cpu.max``; version 1: ``cpu/cpu.cfs_quota_us``).
    """
    return max(1, math.floor(min(len(os.sched_getaffinity(0)), _limit(root))))


def _limit(root: Path) -> float:
    """The control group's limit in cores; infinite if there is none. See cgroup-v2's "CPU Interface Files"."""
    try:
        quota, period = (root / "cpu.max").read_text().split()[:2]
        return math.inf if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    try:
        quota_us = int((root / "cpu" / "cpu.cfs_quota_us").read_text())
        period_us = int((root / "cpu" / "cpu.cfs_period_us").read_text())
        return quota_us / period_us if quota_us > 0 and period_us > 0 else math.inf
    except (OSError, ValueError):
        return math.inf
