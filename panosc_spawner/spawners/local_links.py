"""Proposals as links in the home, where bubblewrap cannot be used. Links are for convenience: they isolate nobody."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Mapping
from pathlib import Path

from panosc_spawner.launch.model import LaunchPlan, Mount
from panosc_spawner.launch.plan import PROPOSALS_DIRECTORY


def make_links(home: Path, plan: LaunchPlan, mounts: Mapping[Mount, Path], keep: Collection[str] = ()) -> None:
    """Make ``proposals/<facility>/<id>/…`` in the home anew.

    Only symbolic links are ever removed, and directories that are empty then; whatever else somebody put there stays.

    Args:
        home: the person's home.
        plan: what is started.
        mounts: its mounts, with their real directories.
        keep: proposals (``<facility>/<id>``) of the person's other servers, whose links stay.

    Raises:
        OSError: if a link cannot be made.
    """
    top = home / PROPOSALS_DIRECTORY
    remove_links(top, keep)
    for mount, directory in mounts.items():
        link = home / mount.target.relative_to(plan.home.target)
        link.parent.mkdir(parents=True, exist_ok=True)
        if link.is_symlink():
            link.unlink()
        link.symlink_to(directory, target_is_directory=True)


def remove_links(top: Path, keep: Collection[str] = ()) -> None:
    """Remove the links beneath a directory, and directories that hold nothing else."""
    if top.is_symlink():
        top.unlink()
        return
    for parent, directories, files in os.walk(top, topdown=False, followlinks=False):
        here = Path(parent)
        inside = here.relative_to(top).parts[:2]
        if "/".join(inside) in keep:
            continue
        for name in (*directories, *files):
            if (here / name).is_symlink():
                (here / name).unlink()
        with contextlib.suppress(OSError):
            here.rmdir()
