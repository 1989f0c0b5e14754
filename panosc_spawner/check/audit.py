"""The audit log: is there a file that can be written, and room for as much as the site wants to keep?"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from panosc_spawner.audit import FILE
from panosc_spawner.check.finding import Finding, error, ok, warning
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.units import format_size

_SUBJECT = "audit log"


def check_audit(site: Site) -> Iterator[Finding]:
    """Where it is written down who got access to what; nothing is written by this check."""
    file, rules = site.config.hub.state_dir / FILE, site.config.audit
    for path in (file, file.with_name(f"{FILE}.lock")):
        if problem := _unusable(path):
            yield error(_SUBJECT, problem, f"move it away: {path}; the hub makes a new one")
            return
    if not file.exists():
        yield ok(_SUBJECT, f"{file} is made with the first line")
        return
    if not os.access(file, os.W_OK):
        yield error(_SUBJECT, f"this account cannot write {file}", f"chown it to the hub's account: {file}")
        return
    most = rules.max_size * (rules.keep + 1)
    used = sum(older.stat().st_size for older in file.parent.glob(f"{FILE}*"))
    free = shutil.disk_usage(file.parent).free
    words = f"{file} may grow to {format_size(most)} with its older files"
    if most - used > free:
        remedy = "audit.max_size and audit.keep, or more room: lines that do not fit are lost (and counted)"
        yield warning(_SUBJECT, f"{words}; there are {format_size(free)} left", remedy)
    else:
        yield ok(_SUBJECT, words)


def _unusable(path: Path) -> str:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return ""
    except OSError as problem:
        return f"{path} cannot be looked at: {problem.strerror}"
    if stat.S_ISLNK(mode):
        return f"{path} is a symbolic link, which is not followed"
    return "" if stat.S_ISREG(mode) else f"{path} is not a file"
