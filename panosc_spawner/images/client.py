"""The Docker command: builds need its BuildKit, runs its exit codes and streams."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from panosc_spawner.errors import ImageError

_CLIENTS = ("docker", "/usr/bin/docker")


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit code, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """The last lines it printed, for a person."""
        return "\n".join((self.out + self.err).strip().splitlines()[-25:])


def run(*arguments: str, seconds: float = 60, stdin: str | None = None) -> Ended:
    """Run ``docker …``, and never fail.

    Args:
        arguments: of the command.
        seconds: after which it is ended; its exit code is then 124.
        stdin: what it reads; nothing if not given.
    """
    try:
        done = subprocess.run(
            ["docker", *arguments],
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError:
        return Ended(127, "", "the Docker client is not installed")
    except subprocess.TimeoutExpired as error:
        return Ended(124, _text(error.stdout), _text(error.stderr) + f"\nnot ended after {seconds:.0f} s")
    return Ended(done.returncode, done.stdout, done.stderr)


def inspect_image(tag: str) -> dict[str, Any] | None:
    """What Docker knows about a local image; None if it is not here.

    Raises:
        ImageError: if Docker does not answer.
    """
    done = run("image", "inspect", tag)
    if done.code:
        if "No such image" in done.err:
            return None
        raise ImageError(f"Docker does not answer: {done.words}")
    found: dict[str, Any] = json.loads(done.out)[0]
    return found


def build(
    arguments: Sequence[str], context: Path, secrets: Mapping[str, str], log: Path, *, again: bool = False
) -> str:
    """Run ``docker build`` with BuildKit, and write its output to a file; returns the output.

    Args:
        arguments: of the command.
        context: the build context.
        secrets: files by their names; mounted while a step runs.
        log: what the output is added to.
        again: do every step anew, whatever Docker's cache has.

    Raises:
        ImageError: with the last lines of the output.
    """
    words = [word for name, file in secrets.items() for word in ("--secret", f"id={name},src={file}")]
    anew = ["--no-cache"] if again else []
    command = [builder(), "build", "--progress=plain", *anew, *words, *arguments, str(context)]
    log.parent.mkdir(parents=True, exist_ok=True)
    before = log.stat().st_size if log.exists() else 0
    with log.open("a") as output:
        done = subprocess.run(
            command, env={**os.environ, "DOCKER_BUILDKIT": "1"}, stdout=output, stderr=output, check=False
        )
    if done.returncode:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
        raise ImageError(f"docker build failed; all of it is in {log}\n{last}")
    return log.read_bytes()[before:].decode(errors="replace")


@cache
def builder() -> str:
    """The client that can do BuildKit: with the buildx plugin, or Debian's 20.10, which has it built in.

    Raises:
        ImageError: if there is none.
    """
    for client in _CLIENTS:
        if not shutil.which(client):
            continue
        version = subprocess.run([client, "--version"], capture_output=True, text=True, check=False)
        buildx = subprocess.run([client, "buildx", "version"], capture_output=True, check=False)
        if buildx.returncode == 0 or " 20.10." in version.stdout:
            return client
    raise ImageError("No Docker client with BuildKit: install docker-buildx, or Debian's docker.io")


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
