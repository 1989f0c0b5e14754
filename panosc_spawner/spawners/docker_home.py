"""The person's home, made ready before their container: a directory of this machine, or a Docker volume.

Nothing here ever deletes a home.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.errors import NotFound

from panosc_spawner.identity.person import Account
from panosc_spawner.launch.model import LaunchPlan, Reason, Refusal
from panosc_spawner.launch.plan import PROPOSALS_DIRECTORY
from panosc_spawner.spawners.docker_container import HELPER_LABEL
from panosc_spawner.spawners.docker_engine import Engine
from panosc_spawner.spawners.file_threads import HOMES, in_file_thread
from panosc_spawner.spawners.refused import Refused

_ASK_OPERATOR = "Tell the people who run this hub."
_PREPARE_SECONDS = 60


class Homes:
    """Makes homes ready, each by one start at a time, so that a second server of the same person waits for the first's."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = dict(labels)
        self._locks: dict[str, asyncio.Lock] = {}

    async def prepare(self, engine: Engine, plan: LaunchPlan) -> None:
        """Make the plan's home ready: there, the person's own, and with the directory that proposals are mounted in.

        Raises:
            Refused: if it cannot be used, in words.
        """
        async with self._locks.setdefault(plan.home.source, asyncio.Lock()):
            if plan.home.kind == "volume":
                await engine.run_slow(prepare_volume, plan, self._labels)
            else:
                await in_file_thread(HOMES, prepare_directory, plan)


def prepare_directory(plan: LaunchPlan) -> None:
    """Make a home that is a directory ready.

    Raises:
        Refused: if it is missing and may not be created, or is not the person's.
    """
    home, account = Path(plan.home.source), plan.account
    try:
        found = home.lstat()
    except FileNotFoundError:
        if not plan.home.create:
            raise _refused(f"Your home directory does not exist ({home}).", _ASK_OPERATOR) from None
        _create(home, account)
        found = home.lstat()
    except OSError as error:
        raise _refused(f"Your home directory cannot be looked at: {error.strerror} ({home}).", _ASK_OPERATOR) from error
    if stat.S_ISLNK(found.st_mode):
        raise _refused(f"Your home directory is a link, and links are not followed ({home}).", _ASK_OPERATOR)
    if not stat.S_ISDIR(found.st_mode):
        raise _refused(f"Your home is not a directory ({home}).", _ASK_OPERATOR)
    if found.st_uid != account.uid:
        raise _refused(
            f"Your home directory belongs to somebody else: to user id {found.st_uid}, and yours is {account.uid} ({home}).",
            _ASK_OPERATOR,
        )
    _mount_point(home, account)


def _create(home: Path, account: Account) -> None:
    try:
        home.mkdir(mode=0o700)
    except FileExistsError:
        return  # another server of the same person was faster
    except FileNotFoundError:
        raise _refused(f"Your home directory cannot be created: {home.parent} does not exist.", _ASK_OPERATOR) from None
    except OSError as error:
        raise _refused(f"Your home directory cannot be created: {error.strerror} ({home}).", _ASK_OPERATOR) from error
    if account.uid == os.geteuid() and account.gid == os.getegid():
        return
    try:
        os.chown(home, account.uid, account.gid, follow_symlinks=False)
    except OSError as error:
        home.rmdir()
        raise _refused(
            f"Your home directory cannot be made yours: {error.strerror} ({home}).", _ASK_OPERATOR
        ) from error


def _mount_point(home: Path, account: Account) -> None:
    """Make ``~/proposals``, an empty directory that the proposals are mounted in; the person's, so that they may remove it.

    Made as the person: the home may lie where root may not write, and nothing the person puts there can trick us.
    """
    point = home / PROPOSALS_DIRECTORY
    try:
        found = point.lstat()
    except FileNotFoundError:
        _make_as(account, point)
        return
    except PermissionError:
        return  # root may not look into it (NFS root_squash); Docker will say whether it can
    if not stat.S_ISDIR(found.st_mode):
        raise _refused(
            f"There is a file named '{PROPOSALS_DIRECTORY}' in your home, where your proposals' data should appear.",
            "Rename it (log in where you can reach your home, or ask the people who run this hub), and try again.",
        )


def _make_as(account: Account, point: Path) -> None:
    if os.geteuid() != 0:
        try:
            point.mkdir(mode=0o755)
        except FileExistsError:
            return
        except OSError as error:
            raise _full(error) from error
        return
    try:
        # In the home, and by its last name: directories above it may be closed to the person.
        made = subprocess.run(
            ["/bin/mkdir", "-p", "-m", "0755", point.name],
            user=account.uid, group=account.gid, extra_groups=list(account.gids),
            cwd=point.parent, env={"LC_ALL": "C"}, capture_output=True, timeout=_PREPARE_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise _full(OSError(errno.EIO, str(error))) from error
    if made.returncode:
        raise _full(OSError(errno.ENOSPC, made.stderr.decode(errors="replace").strip()[-200:]))


def _full(error: OSError) -> Refused:
    return _refused(
        f"The directory '{PROPOSALS_DIRECTORY}' could not be made in your home: {error.strerror}.",
        "If your home is full, delete what you no longer need, or ask the people who run this hub for more space.",
    )


def prepare_volume(client: APIClient, plan: LaunchPlan, labels: Mapping[str, str]) -> None:
    """Make a home that is a Docker volume ready: made when missing, and given to the person once.

    Raises:
        Refused: if it is missing and may not be created, or could not be given to the person.
    """
    volume = plan.home.source
    try:
        _refuse_others_volume(client.inspect_volume(volume), plan)
        return
    except NotFound:
        if not plan.home.create:
            raise _refused(f"Your home volume does not exist ({volume}).", _ASK_OPERATOR) from None
    client.create_volume(volume, labels=dict(labels))
    try:
        _give(client, plan, labels)
    except BaseException:
        # It was made a moment ago and is empty. Left as it is, it would be taken for ready at the next start.
        client.remove_volume(volume)
        raise


def _refuse_others_volume(found: Mapping[str, Any], plan: LaunchPlan) -> None:
    """A volume that was given to another account, before accounts were found another way, would be a home one cannot enter."""
    try:
        owner = os.lstat(str(found["Mountpoint"])).st_uid
    except (KeyError, OSError):
        return  # not on this machine, or not for us to look at
    if owner != plan.account.uid:
        raise _refused(
            f"Your home volume belongs to somebody else: to user id {owner}, and yours is {plan.account.uid} "
            f"({plan.home.source}).",
            _ASK_OPERATOR,
        )


def _give(client: APIClient, plan: LaunchPlan, labels: Mapping[str, str]) -> None:
    account = plan.account
    script = (
        f"mkdir -p -m 0755 /home-volume/{PROPOSALS_DIRECTORY} && chmod 0700 /home-volume "
        f"&& chown {account.uid}:{account.gid} /home-volume/{PROPOSALS_DIRECTORY} /home-volume"
    )
    container = client.create_container(
        plan.environment.image,
        entrypoint=["/bin/sh", "-c", script],
        command=[],
        user="0:0",
        labels={**labels, HELPER_LABEL: "prepare-home"},
        host_config=client.create_host_config(
            binds={plan.home.source: {"bind": "/home-volume", "mode": "rw,nocopy"}},
            cap_drop=["ALL"],
            cap_add=["CHOWN"],
            security_opt=["no-new-privileges"],
            network_mode="none",
            read_only=True,
            pids_limit=64,
        ),
    )["Id"]
    try:
        client.start(container)
        code = client.wait(container, timeout=_PREPARE_SECONDS)["StatusCode"]
        if code:
            said = client.logs(container, tail=5).decode(errors="replace")[-500:]
            raise Refused(Refusal(Reason.NO_HOME, "Your home volume could not be prepared.", _ASK_OPERATOR, said))
    finally:
        client.remove_container(container, force=True, v=False)


def _refused(message: str, remedy: str) -> Refused:
    return Refused(Refusal(Reason.NO_HOME, message, remedy))
