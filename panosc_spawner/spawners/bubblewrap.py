"""A server's own view of the machine, made by bubblewrap: the system read-only, one home, the plan's proposals, no more.

What is not named here is not there: no other home, no other proposal, none of the hub's files. Nobody needs root for it
where the kernel allows user namespaces. The network is the machine's, since the server listens on loopback.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from panosc_spawner.identity.person import Account
from panosc_spawner.launch.model import LaunchPlan, Mount
from panosc_spawner.launch.plan import PROPOSALS_DIRECTORY
from panosc_spawner.spawners.local_process import Process

CONFIG_TARGET = PurePosixPath("/etc/jupyter")

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# Named one by one: with a hub that runs as root, the whole of /etc would show the machine's secrets.
_ETC = (
    *("alternatives", "bash.bashrc", "ca-certificates", "ca-certificates.conf", "crypto-policies", "fonts", "gai.conf"),
    *("host.conf", "hosts", "inputrc", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "locale.alias", "localtime"),
    *("login.defs", "magic", "mime.types", "nsswitch.conf", "os-release", "pki/tls", "pki/ca-trust", "profile"),
    *("profile.d", "protocols", "resolv.conf", "services", "shells", "skel", "ssl/certs", "ssl/openssl.cnf"),
    *("terminfo", "timezone"),
)
_NAMESPACES = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")


@dataclass(frozen=True)
class Surroundings:
    """What the machine brings, beside the plan.

    Attributes:
        home: the person's home on this machine.
        accounts: directory with the ``passwd`` and ``group`` that the server sees.
        config: directory with JupyterLab's configuration.
        python: directories (and links) that the hub's Python consists of.
        hidden: directories that must not be seen even where they lie beneath something shown.
    """

    home: Path
    accounts: Path
    config: Path
    python: tuple[Path, ...]
    hidden: tuple[Path, ...] = ()


def sandbox(
    plan: LaunchPlan, mounts: Mapping[Mount, Path], surroundings: Surroundings, command: Sequence[str], info_fd: int
) -> list[str]:
    """The command line that runs ``command`` in the plan's view. Pure but for asking what the system has in ``/``.

    ``--die-with-parent`` is left out on purpose: a hub that was killed must find its servers again.
    """
    account, home = plan.account, plan.home.target
    return [
        *("bwrap", *_NAMESPACES, "--uid", str(account.uid), "--gid", str(account.gid), "--hostname", "panosc"),
        *("--info-fd", str(info_fd)),
        *_system(surroundings.accounts),
        *_binds(plan, mounts, surroundings),
        *("--chdir", str(home), "--", *command),
    ]


def account_files(account: Account) -> dict[str, str]:
    """``passwd`` and ``group`` in which ``whoami`` is the account."""
    groups = "".join(f"group{gid}:x:{gid}:{account.name}\n" for gid in account.gids)
    return {
        "passwd": "root:x:0:0:root:/root:/usr/sbin/nologin\n"
        f"{account.name}:x:{account.uid}:{account.gid}::/home/{account.name}:/bin/bash\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
        "group": f"root:x:0:\n{account.name}:x:{account.gid}:\n{groups}nogroup:x:65534:\n",
    }


def python_paths() -> tuple[Path, ...]:
    """What this Python consists of: the environment, its base, and each link on the way from one to the other."""
    paths = [Path(sys.prefix), Path(sys.base_prefix), Path(sys.exec_prefix), Path(sys.base_exec_prefix)]
    link = Path(sys.executable)
    for _ in range(40):
        paths.append(link)
        if not link.is_symlink():
            break
        link = Path(os.path.normpath(link.parent / link.readlink()))
    paths.append(Path(sys.executable).resolve().parent.parent)
    return _outermost(path for path in paths if not _beneath(path, map(Path, _SYSTEM)))


_TRIES = 5


@cache
def why_not() -> str:
    """Why bubblewrap cannot be used on this machine, in words; empty if it can. Found out by using it, once."""
    if not shutil.which("bwrap"):
        return "bubblewrap is not installed (on Debian: apt-get install bubblewrap)"
    command = ["bwrap", *_NAMESPACES, "--uid", "1000", "--gid", "1000", *_root(), "--proc", "/proc", "--dev", "/dev"]
    problem = ""
    for _ in range(
        _TRIES
    ):  # a machine that had no room for a process just now must not go on without isolation for good
        try:
            done = subprocess.run([*command, "--", "true"], capture_output=True, text=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            problem = f"bubblewrap does not work here: {error}"
            continue
        if done.returncode == 0:
            return ""
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return f"bubblewrap does not work here, the kernel or a container forbids it ({reason})"
    return problem


def first_process(descriptor: int) -> Process | None:
    """Read from ``--info-fd`` which process is the first of the sandbox, and close it; None if there never was one."""
    with os.fdopen(descriptor, "rb") as info:
        text = info.read()
    try:
        return Process.now(int(json.loads(text)["child-pid"]))
    except (ValueError, KeyError, TypeError):
        return None


def bubblewrap_works() -> bool:
    """Whether servers can be isolated on this machine."""
    return not why_not()


def _system(accounts: Path) -> list[str]:
    words = [*_root(), "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/var/tmp", "--tmpfs", "/run"]  # noqa: S108 - of the sandbox
    for name in _ETC:
        file = Path("/etc") / name
        # A link may lead to where nothing is shown (/run/…/resolv.conf), so what it leads to is bound.
        words += ["--ro-bind-try", str(file.resolve()), str(file)]
    for name in ("passwd", "group"):
        words += ["--ro-bind", str(accounts / name), f"/etc/{name}"]
    return words


def _root() -> list[str]:
    words = []
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            words += ["--ro-bind", name, name]
    return words


def _binds(plan: LaunchPlan, mounts: Mapping[Mount, Path], surroundings: Surroundings) -> list[str]:
    home = plan.home.target
    shown = [*map(Path, _SYSTEM), *surroundings.python]
    entries: list[tuple[PurePosixPath, list[str]]] = [
        *((PurePosixPath(path), ["--ro-bind", str(path), str(path)]) for path in surroundings.python),
        *(
            (PurePosixPath(path), ["--tmpfs", str(path)])
            for path in surroundings.hidden
            if _beneath(path, shown) and path.is_dir()
        ),
        (CONFIG_TARGET, ["--ro-bind", str(surroundings.config), str(CONFIG_TARGET)]),
        (home, ["--bind", str(surroundings.home), str(home)]),
        (home / PROPOSALS_DIRECTORY, ["--tmpfs", str(home / PROPOSALS_DIRECTORY)]),
    ]
    for mount, directory in mounts.items():
        how = "--ro-bind" if mount.read_only else "--bind"
        entries.append((mount.target, [how, str(directory), str(mount.target)]))
    # A directory before what lies in it, or it would cover that up.
    entries.sort(key=lambda entry: len(entry[0].parts))
    words = [word for _, entry in entries for word in entry]
    # What is in memory only must not be written to: a notebook saved there would be lost with the server.
    return [*words, "--remount-ro", str(home / PROPOSALS_DIRECTORY), "--remount-ro", "/"]


def _beneath(path: Path, directories: Iterable[Path]) -> bool:
    return any(path.is_relative_to(directory) for directory in directories)


def _outermost(paths: Iterable[Path]) -> tuple[Path, ...]:
    kept: list[Path] = []
    for path in sorted(set(paths), key=lambda path: len(path.parts)):
        if path.exists() and not _beneath(path, kept):
            kept.append(path)
    return tuple(kept)
