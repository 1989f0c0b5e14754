"""What went wrong with a container, in words, with the end of its log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from docker.errors import APIError

from panosc_spawner.facilities.units import ByteSize, format_size
from panosc_spawner.launch.model import LaunchPlan, Reason, Refusal
from panosc_spawner.spawners.docker_engine import is_engine_down, is_status

LOG_LINES = 20
_LINE_LENGTH = 400
_LOG_BYTES = 100_000
_TELL_OPERATOR = "Try again; if it happens again, tell the people who run this hub."
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SECRETS = re.compile(r"(?i)\b((?:token|secret|password|code)(?:['\"]?\s*[=:]\s*['\"]?|\s+)|bearer\s+)[^\s'\"&,;]{6,}")

ENGINE_DOWN = Refusal(
    Reason.ENGINE_DOWN,
    "The system that runs the servers does not answer at the moment.",
    "Try again in a few minutes. Servers that are running go on.",
)

CANCELLED = Refusal(Reason.SERVER_FAILED, "The start was cancelled.", "Start it again when you like.")


def last_lines(log: bytes, secrets: Iterable[str] = ()) -> str:
    """The end of a log for a page: bounded, without control characters, and without anything that looks like a secret.

    Args:
        log: what the container wrote.
        secrets: values that must not show, whatever they look like.
    """
    if len(log) > _LOG_BYTES:
        log = log[-_LOG_BYTES:].partition(b"\n")[2]  # a line that is cut could hold half a secret
    text = _ESCAPES.sub("", log.decode("utf-8", "replace")).replace("\r\n", "\n").replace("\r", "\n")
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[removed]")
    text = _UNPRINTABLE.sub("", _SECRETS.sub(r"\1[removed]", text))
    lines = [line.rstrip() for line in text.split("\n") if line.strip()]
    return "\n".join(line[:_LINE_LENGTH] for line in lines[-LOG_LINES:])


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
    details = "\n".join(part for part in (str(state.get("Error") or "")[:_LINE_LENGTH], log) if part)
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
            said[:_LINE_LENGTH],
        )
    return Refusal(Reason.SERVER_FAILED, "Your server could not be started.", _TELL_OPERATOR, said[: 2 * _LINE_LENGTH])


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
        reason[: 2 * _LINE_LENGTH],
    )


def name_taken(name: str) -> Refusal:
    """Somebody else's container has our name."""
    return Refusal(
        Reason.SERVER_FAILED,
        f"Your server could not be started: something else on this system is called '{name}'.",
        "Tell the people who run this hub; it was left alone, because it is not this hub's.",
    )
