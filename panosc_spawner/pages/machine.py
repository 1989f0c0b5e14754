"""What is free on this machine now, in words: an honest figure, not a promise."""

from __future__ import annotations

import os
from pathlib import Path

from panosc_spawner.facilities.units import format_size

_MEMINFO = Path("/proc/meminfo")


def free_now() -> str:
    """``55 GB of 64 GB of memory free, 6.9 of 8 cores idle``; empty where the machine does not say."""
    parts = []
    if memory := parse_meminfo(_read(_MEMINFO)):
        available, total = memory
        parts.append(f"{format_size(available)} of {format_size(total)} of memory free")
    cores = os.cpu_count()
    if cores and hasattr(os, "getloadavg"):
        idle = max(0.0, cores - os.getloadavg()[0])
        parts.append(f"{idle:.1f} of {cores} cores idle" if cores > 1 else f"{idle:.1f} of 1 core idle")
    return ", ".join(parts)


def parse_meminfo(text: str) -> tuple[int, int] | None:
    """Bytes available and in all, from the kernel's table; None if it does not say."""
    table = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        number = value.strip().removesuffix(" kB")
        if number.isdigit():
            table[key] = int(number) * 1024
    if "MemAvailable" not in table or "MemTotal" not in table:
        return None
    return table["MemAvailable"], table["MemTotal"]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
