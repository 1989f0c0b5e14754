"""The person's home on this machine, and the account files that a sandbox shows."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from panosc_spawner.identity.person import Account
from panosc_spawner.launch.model import LaunchPlan, Reason, Refusal
from panosc_spawner.launch.plan import PROPOSALS_DIRECTORY
from panosc_spawner.spawners.bubblewrap import account_files
from panosc_spawner.spawners.refused import Refused


def prepare_home(plan: LaunchPlan) -> Path:
    """The home's real directory, made if the site says so. Nothing that is in it is ever removed, but a link ``proposals``.

    Raises:
        Refused: in words, if there is no home that can be used.
    """
    if plan.home.kind != "path":
        raise _no_home("local servers need a home that is a directory, and this hub's are volumes")
    home = Path(plan.home.source)
    try:
        if os.path.lexists(home) and not home.is_dir():
            raise _no_home("there is something else than a directory in its place")
        if plan.home.create:
            home.parent.mkdir(parents=True, exist_ok=True)
            home.mkdir(mode=0o700, exist_ok=True)
        home = home.resolve(strict=True)
        if not home.is_dir() or not os.access(home, os.W_OK | os.X_OK):
            raise _no_home("it is not a directory that can be written")
        proposals = home / PROPOSALS_DIRECTORY
        if proposals.is_symlink():
            # Data would be put where the link leads.
            proposals.unlink()
        proposals.mkdir(exist_ok=True)
    except FileExistsError:
        raise _no_home(f"it holds a file named '{PROPOSALS_DIRECTORY}', where your data go; rename it") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_home("it is full, and even an empty directory finds no place in it") from error
        raise _no_home(f"{error.strerror or error}") from error
    return home


def write_account_files(directory: Path, account: Account) -> Path:
    """Write ``passwd`` and ``group`` of an account, whole or not at all: another start may be reading them."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in account_files(account).items():
        fresh = directory / f".{name}.{os.getpid()}"
        fresh.write_text(text)
        fresh.chmod(0o644)
        fresh.replace(directory / name)
    return directory


def _no_home(reason: str) -> Refused:
    return Refused(Refusal(Reason.NO_HOME, f"Your home cannot be used: {reason}.", "Tell the people who run this hub."))
