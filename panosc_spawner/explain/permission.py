"""Can an account really read a directory? A child process with its ids tries it; the kernel, and NFS, answer."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from panosc_spawner.explain.posix_acl import ENTER, READ, WRITE, AclEntry, allows, in_words, read_acl
from panosc_spawner.identity.person import Account
from panosc_spawner.spawners.file_threads import in_file_thread
from panosc_spawner.spawners.refused import Refused

_PLACE = "permissions"
_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
PATIENCE = 5.0
"""Seconds. A file server that hangs must not hold the page up."""

# It opens the directory itself by a descriptor: in a server only the directory is there, not those above it.
_TRY = (
    "cd /proc/self/fd/$1 2>/dev/null || exit 11; ( : 3<. ) 2>/dev/null || exit 12; "
    "[ $2 = ro ] || [ -w . ] || exit 13; exit 0"
)
_CANNOT = {11: "enter", 12: "list", 13: "write in"}


@dataclass(frozen=True)
class Permission:
    """What came of trying. ``readable`` is None where it could not be tried; ``reason`` says why, or what was refused.

    ``facts`` are owner, mode and ACL.
    """

    readable: bool | None
    writable: bool | None = None
    reason: str = ""
    facts: str = ""


async def try_directory(real: Path, account: Account, *, write: bool, as_hub: bool = False) -> Permission:
    """Try to enter and list a directory, and whether it could be written, with an account's ids and groups.

    Args:
        real: the directory, links resolved.
        account: with whose ids; not with its name, which the file system does not know.
        write: whether to look at writing, too.
        as_hub: servers run with the hub's own account (local mode), so that one is tried.
    """
    try:
        descriptor, status, acl = await in_file_thread(_PLACE, _held, real)
    except Refused:
        return Permission(None, reason="its file system does not answer")
    except OSError as error:
        return Permission(None, reason=f"the hub itself cannot reach it ({error.strerror})")
    try:
        through = Path(f"/proc/self/fd/{descriptor}")
        facts = in_words(status, acl)
        if as_hub:
            able = os.access(through, os.R_OK | os.X_OK)
            return Permission(able, write and os.access(through, os.W_OK), "" if able else "enter or list", facts)
        if os.geteuid() != 0:
            guess = allows(status, acl, account, READ | ENTER)
            can = "it should be readable" if guess else "it should not be readable"
            if guess and write:
                can += " and writable" if allows(status, acl, account, READ | ENTER | WRITE) else ", and not writable"
            reason = f"only a hub that is root can try it as somebody else; by owner, mode and ACL {can}"
            return Permission(None, reason=reason, facts=facts)
        return await _tried(descriptor, account, write, facts)
    except OSError as error:
        return Permission(None, reason=f"it could not be tried ({error.strerror or error})")
    finally:
        os.close(descriptor)


def _held(real: Path) -> tuple[int, os.stat_result, tuple[AclEntry, ...]]:
    """A descriptor of the directory, its owner and mode, and its ACL."""
    descriptor = os.open(real, _FLAGS)
    try:
        return descriptor, os.fstat(descriptor), read_acl(Path(f"/proc/self/fd/{descriptor}"))
    except BaseException:
        os.close(descriptor)
        raise


async def _tried(descriptor: int, account: Account, write: bool, facts: str) -> Permission:
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        _TRY,
        "sh",
        str(descriptor),
        "rw" if write else "ro",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        pass_fds=(descriptor,),
        cwd="/",
        env={},
        user=account.uid,
        group=account.gid,
        extra_groups=list(account.gids),
    )
    try:
        code = await asyncio.wait_for(process.wait(), PATIENCE)
    except TimeoutError:
        return Permission(None, reason=f"its file system did not answer within {PATIENCE:g} s", facts=facts)
    finally:
        if process.returncode is None:
            process.kill()
            # One that hangs in the kernel stays until its file server answers; nobody waits for that.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 0.5)
    if code == 0:
        return Permission(True, write, facts=facts)
    if code == 13:
        return Permission(True, False, _CANNOT[13], facts)
    if code in _CANNOT:
        return Permission(False, False, _CANNOT[code], facts)
    return Permission(None, reason=f"trying it failed (exit code {code})", facts=facts)


def is_nfs(real: Path) -> bool:
    """Whether a directory lies on NFS, as this system has it mounted."""
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    best, kind = "", ""
    for line in lines:
        fields, _, rest = line.partition(" - ")
        place = fields.split(" ")[4].encode().decode("unicode_escape") if len(fields.split(" ")) > 4 else ""
        if len(place) >= len(best) and place and real.is_relative_to(place):
            best, kind = place, rest.split(" ")[0]
    return kind.startswith("nfs")
