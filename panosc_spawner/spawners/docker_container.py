"""From a plan to the container Docker is asked for. Pure: nothing here talks to Docker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docker.types import DeviceRequest, LogConfig, Mount

from panosc_spawner.facilities.site import Docker
from panosc_spawner.launch.model import LaunchPlan
from panosc_spawner.launch.model import Mount as PlannedMount
from panosc_spawner.launch.plan import LABEL, PROPOSALS_DIRECTORY

HUB_LABEL = f"{LABEL}hub"
PERSON_LABEL = f"{LABEL}person"
SERVER_LABEL = f"{LABEL}server"
HELPER_LABEL = f"{LABEL}helper"
"""Marks short-lived containers that are nobody's server, such as the one that prepares a new home volume."""

CPU_PERIOD = 100_000  # microseconds, Docker's own
LOG_FILES = 3


@dataclass(frozen=True)
class ContainerRequest:
    """Arguments of docker-py's ``create_container``, and those of its ``create_host_config``."""

    create: Mapping[str, Any]
    host: Mapping[str, Any] = field(default_factory=dict)


def container_request(
    plan: LaunchPlan,
    mounts: Mapping[PlannedMount, Path],
    *,
    name: str,
    server: str,
    network: str,
    docker: Docker,
    command: Sequence[str],
    environment: Mapping[str, str],
    overlay: Mapping[str, Path],
) -> ContainerRequest:
    """The container of a plan.

    Args:
        plan: what to start.
        mounts: the plan's mounts that exist, with their real directories.
        name: of the container.
        server: the hub's name of the server; empty for the default one.
        network: where it is attached.
        docker: the site's rules for containers.
        command: what it runs.
        environment: the hub's variables.
        overlay: files that take the place of the image's, by their path in it.
    """
    account, home = plan.account, str(plan.home.target)
    return ContainerRequest(
        create={
            "image": plan.environment.image,
            "name": name,
            "hostname": server or "lab",
            "command": list(command),
            "user": f"{account.uid}:{account.gid}",
            "working_dir": home,
            "environment": dict(environment)
            | {"HOME": home, "USER": account.name, "LOGNAME": account.name, "SHELL": "/bin/bash"},
            "labels": dict(plan.labels) | {SERVER_LABEL: server},
        },
        host=_hardening(docker)
        | _limits(plan, docker)
        | {
            "network_mode": network,
            "group_add": [str(gid) for gid in account.gids],
            "mounts": [_home(plan), *_overlay(overlay), *_data(mounts)],
            "tmpfs": _tmpfs(plan, docker),
        },
    )


def labels_match(found: Mapping[str, str] | None, wanted: Mapping[str, str]) -> bool:
    """Whether a container carries the labels of this hub, person and server."""
    return all((found or {}).get(key) == wanted.get(key) for key in (HUB_LABEL, PERSON_LABEL, SERVER_LABEL))


def _hardening(docker: Docker) -> dict[str, Any]:
    """What no server may do, whoever's it is."""
    return {
        # Docker's own removal would take the log away with a server that crashed, and race with a restart.
        "auto_remove": False,
        "init": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "pids_limit": docker.pids,
        "read_only": docker.read_only_root,
        "log_config": LogConfig(
            type=LogConfig.types.JSON, config={"max-size": docker.log_size, "max-file": str(LOG_FILES)}
        ),
    }


def _limits(plan: LaunchPlan, docker: Docker) -> dict[str, Any]:
    limits = plan.limits
    config: dict[str, Any] = {
        "mem_limit": int(limits.memory),
        # As much as memory alone: no swap. A server that swaps slows everybody's.
        "memswap_limit": int(limits.memory),
        "cpu_period": CPU_PERIOD,
        "cpu_quota": int(limits.cpu * CPU_PERIOD),
        # Docker's 64 MB are too few for what shares arrays between processes.
        "shm_size": min(int(docker.tmp_size), int(limits.memory) // 2),
    }
    if limits.gpus:
        config["device_requests"] = [DeviceRequest(count=limits.gpus, capabilities=[["gpu"]])]
    return config


def _tmpfs(plan: LaunchPlan, docker: Docker) -> dict[str, str]:
    size = int(docker.tmp_size)
    # Docker mounts by depth: the proposals' directories come inside this small file system, so that the directories they
    # are mounted on are made there and not in the person's home.
    tmpfs = {str(plan.home.target / PROPOSALS_DIRECTORY): "rw,nosuid,nodev,noexec,size=1m,mode=755"}
    tmpfs["/tmp"] = f"rw,nosuid,nodev,exec,size={size},mode=1777"  # noqa: S108 - the container's own
    if docker.read_only_root:
        tmpfs["/var/tmp"] = f"rw,nosuid,nodev,exec,size={size},mode=1777"  # noqa: S108
        tmpfs["/run"] = "rw,nosuid,nodev,noexec,size=16m,mode=755"
    return tmpfs


def _home(plan: LaunchPlan) -> Mount:
    home = plan.home
    if home.kind == "volume":
        return Mount(str(home.target), home.source, type="volume", no_copy=True)
    return Mount(str(home.target), home.source, type="bind")


def _overlay(overlay: Mapping[str, Path]) -> list[Mount]:
    return [Mount(target, str(source), type="bind", read_only=True) for target, source in overlay.items()]


def _data(mounts: Mapping[PlannedMount, Path]) -> list[Mount]:
    made = []
    for mount, source in mounts.items():
        bind = Mount(str(mount.target), str(source), type="bind", read_only=mount.read_only)
        if mount.read_only:
            # Before Docker 25, read-only is for the mount itself and not for what is mounted beneath it, which stays
            # writable. So what is mounted beneath does not come along.
            bind["BindOptions"] = {"NonRecursive": True}
        made.append(bind)
    return made
