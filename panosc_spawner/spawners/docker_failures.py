"""What went wrong with a container, in words, with the end of its log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docker.errors import APIError

from panosc_spawner.facilities.units import ByteSize, format_size
from panosc_spawner.launch.model import LaunchPlan, Reason, Refusal
from panosc_spawner.spawners.docker_engine import is_engine_down, is_status
from panosc_spawner.spawners.log_lines import LINE_LENGTH

_TELL_OPERATOR = "Try again; if it happens again, tell the people who run this hub."

ENGINE_DOWN = Refusal(
    Reason.ENGINE_DOWN,
    "The system that runs the servers does not answer at the moment.",
    "Try again in a few minutes. Servers that are running go on.",
)


def why_ended(state: Mapping[str, Any], memory: int, log: str, starting: bool) -> Refusal | None:
    """Why a container ended, from the daemon's ``State``; None if it ended as it should.

    Args:
        state: as ``docker inspect`` shows it.
        memory: the server's limit in bytes; 0 if it is not known.
        log: its last lines.
        starting: whether it never got as far as to answer.
    """
    code = int(state.get("ExitCode") or 0)
    when = "while it was starting" if starting else "by itself"
    if state.get("OOMKilled") and code:
        most = f" ({format_size(ByteSize(memory))})" if memory else ""
        return Refusal(
            Reason.OUT_OF_MEMORY,
            f"Your server was stopped {when} because it needed more memory than it has{most}.",
            "Start it again with more memory, or load less data at a time. Files that you saved are in your home.",
            log,
        )
    if not code and not starting:
        return None
    details = "\n".join(part for part in (str(state.get("Error") or "")[:LINE_LENGTH], log) if part)
    return Refusal(
        Reason.SERVER_FAILED,
        f"Your server ended {when} (exit code {code}).",
        "Try again. The last lines of its log say more; a full home or a package of your own may be the cause. "
        "If it happens again, show them to the people who run this hub.",
        details,
    )


def why_not_started(error: BaseException, plan: LaunchPlan) -> Refusal:
    """Why Docker did not create or start the container of this plan."""
    said = docker_said(error)
    if is_status(error, 400) and "bind source path does not exist" in said:
        return gone_directory(said.rpartition(":")[2].strip(), plan)
    if is_status(error, 404) and "no such image" in said.lower():
        return missing_image(plan)
    if is_engine_down(error) and not isinstance(error, APIError):
        return ENGINE_DOWN
    if "device driver" in said and plan.limits.gpus:
        return Refusal(
            Reason.SERVER_FAILED,
            "There is no GPU on this system.",
            "Start it again without a GPU.",
            said[:LINE_LENGTH],
        )
    return Refusal(Reason.SERVER_FAILED, "Your server could not be started.", _TELL_OPERATOR, said[: 2 * LINE_LENGTH])


def docker_said(error: BaseException) -> str:
    """The daemon's own words."""
    return str((error.explanation if isinstance(error, APIError) else None) or error)


def gone_directory(directory: str, plan: LaunchPlan) -> Refusal:
    """A directory that was there when access was checked, and not a moment later."""
    whose = next(
        (f"the {m.area} data of {m.proposal.id}" for m in plan.mounts if str(m.source) == directory), directory
    )
    return Refusal(
        Reason.MISSING_DIRECTORY,
        f"A directory went away while your server was starting: {whose}.",
        "Try again; if it happens again, ask the facility whether the data are being moved.",
    )


def missing_image(plan: LaunchPlan) -> Refusal:
    """The environment's image is not on this system, and may not be downloaded."""
    return Refusal(
        Reason.MISSING_IMAGE,
        f"The environment '{plan.environment.title}' is not installed on this system ({plan.environment.image}).",
        "Choose another environment, or tell the people who run this hub.",
    )


def not_downloaded(plan: LaunchPlan, reason: str) -> Refusal:
    """The environment's image could not be downloaded."""
    return Refusal(
        Reason.MISSING_IMAGE,
        f"The environment '{plan.environment.title}' could not be downloaded ({plan.environment.image}).",
        "Try again in a few minutes, choose another environment, or tell the people who run this hub.",
        reason[: 2 * LINE_LENGTH],
    )


def name_taken(name: str) -> Refusal:
    """Somebody else's container has our name."""
    return Refusal(
        Reason.SERVER_FAILED,
        f"Your server could not be started: something else on this system is called '{name}'.",
        "Tell the people who run this hub; it was left alone, because it is not this hub's.",
    )
