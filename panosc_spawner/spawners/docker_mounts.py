"""Is what Docker mounted what was checked? Between the check and the mount, somebody may have put a link in the way.

Docker follows a path again when it mounts it. Whoever may write in a directory above a proposal's could swap a part of the
path for a link meanwhile, and have another proposal's data mounted. So it is looked at once more, from inside the container.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from panosc_spawner.errors import PathError
from panosc_spawner.facilities.paths import resolve_beneath
from panosc_spawner.launch.model import Mount, Reason, Refusal


def mounts_differ(pid: int, container: str, mounts: Mapping[Mount, Path]) -> Refusal | None:
    """Why a running container's data are not those that were checked; None if they are.

    Only a hub that is root and sees the container's processes can look. Elsewhere (in a container of its own, or with
    Docker on another machine) this says nothing.

    Args:
        pid: of the container's first process.
        container: its id.
        mounts: the plan's mounts, with the real directories that were checked.
    """
    try:
        # A hub with process ids of its own would look at somebody else.
        if pid <= 0 or container not in Path(f"/proc/{pid}/cgroup").read_text("ascii"):
            return None
        root = Path(f"/proc/{pid}/root")
        root.stat()
    except OSError:
        return None
    for mount, real in mounts.items():
        if not _is_same(root / mount.target.relative_to("/"), mount, real):
            if not root.exists():
                return None  # it has ended meanwhile, and says itself why
            return Refusal(
                Reason.BAD_PATH,
                f"The {mount.area} data of {mount.proposal.id} changed place while your server was starting.",
                "Try again; if it happens again, tell the people who run this hub: a link in that directory may be the cause.",
            )
    return None


def _is_same(inside: Path, mount: Mount, real: Path) -> bool:
    try:
        return resolve_beneath(mount.source, mount.root) == real and inside.samefile(real)
    except (OSError, PathError):
        return False
