"""Run a command quietly, and fail in words. For the scripts beside it; the standard library alone."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent


class BootstrapError(Exception):
    """What is missing, and what to do, in words."""


def run(*command: str | Path, env: Mapping[str, str] | None = None, cwd: Path = _ROOT) -> str:
    """Run a command and return what it printed.

    Raises:
        BootstrapError: it failed; its last lines are the reason.
    """
    done = subprocess.run(
        [str(part) for part in command],
        env=dict(env) if env is not None else None,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        last = "\n".join("    " + line for line in done.stdout.strip().splitlines()[-15:])
        raise BootstrapError(f"{Path(command[0]).name} failed:\n{last}")
    return done.stdout
