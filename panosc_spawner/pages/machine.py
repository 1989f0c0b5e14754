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
        parts.append(idle_words(cores, os.getloadavg()[0]))
    return ", ".join(parts)


def idle_words(cores: int, load: float) -> str:
    """``6.9 of 8 cores idle``, from the load of the last minute."""
    idle = cores - load
    return f"{idle:.1f} of {cores} cores idle" if idle >= 0.5 else f"all {cores} cores busy"


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
