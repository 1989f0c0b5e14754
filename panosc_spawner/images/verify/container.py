"""A container as hard as the hub makes them, for one command."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from panosc_spawner.images import client
from panosc_spawner.images.verify.report import CheckFailed

STRANGER = 20123
"""A user and group id that no image has a name for."""

INSIDE = Path(__file__).parent / "inside"
_TMP = "/tmp"  # noqa: S108 - the container's own
_ENTER = 'mkdir -p "$HOME" /tmp/work && cd /tmp/work && exec "$@"'


@dataclass(frozen=True)
class Hardened:
    """How the containers of one image's checks are run.

    Args:
        tag: the image.
        memory: of a container, in bytes; there is no swap.
        mounts: host directories by where they are in the container; read-only, but for the pictures.
    """

    tag: str
    memory: int
    mounts: Mapping[str, Path] = field(default_factory=dict)
    pictures: Path | None = None

    def run(self, *command: str, seconds: float = 120, environment: Mapping[str, str] | None = None) -> str:
        """Run a command; returns what it printed.

        Raises:
            CheckFailed: with its last lines, if it fails or takes too long.
        """
        with _removed(f"panosc-verify-{secrets.token_hex(6)}") as name:
            variables = [word for key, value in (environment or {}).items() for word in ("-e", f"{key}={value}")]
            done = client.run(
                "run", "--rm", "-i", "--name", name, *self.options(), *variables, self.tag,
                "sh", "-c", _ENTER, "sh", *command, seconds=seconds,
            )  # fmt: skip
        if done.code:
            raise CheckFailed(_ended(done))
        return done.out.strip()

    def start(self, *command: str) -> str:
        """Start a command in a container that goes on; returns the container's name, and the caller removes it.

        Raises:
            CheckFailed: if it cannot be started.
        """
        name = f"panosc-verify-{secrets.token_hex(6)}"
        done = client.run(
            "run", "-d", "--name", name, "--init", *self.options(), self.tag, "sh", "-c", _ENTER, "sh", *command
        )
        if done.code:
            client.run("rm", "-f", "-v", name)
            raise CheckFailed(_ended(done))
        return name

    def options(self) -> list[str]:
        """Of ``docker run``."""
        mounts = [word for where, path in self.mounts.items() for word in ("-v", f"{path}:{where}:ro")]
        if self.pictures:
            mounts += ["-v", f"{self.pictures}:/pictures"]
        return [
            "--user", f"{STRANGER}:{STRANGER}", "--read-only", "--cap-drop", "ALL",
            "--security-opt", "no-new-privileges", "--network", "none", "--pids-limit", "512",
            "--memory", str(self.memory), "--memory-swap", str(self.memory),
            "--tmpfs", f"{_TMP}:rw,nosuid,nodev,exec,size={self.memory // 2},mode=1777",
            "-e", f"HOME={_TMP}/home", "-w", _TMP, *mounts,
        ]  # fmt: skip


def as_root(tag: str, script: str, seconds: float = 120) -> str:
    """Look at an image's files as root, with nothing started before: for what a stranger may not read.

    Raises:
        CheckFailed: with the script's last lines, if it fails.
    """
    with _removed(f"panosc-verify-{secrets.token_hex(6)}") as name:
        done = client.run(
            "run", "--rm", "-i", "--name", name, "--user", "0:0", "--network", "none", "--read-only",
            "--entrypoint", "sh", tag, "-c", script, seconds=seconds,
        )  # fmt: skip
    if done.code:
        raise CheckFailed(_ended(done))
    return done.out.strip()


@contextmanager
def _removed(name: str) -> Iterator[str]:
    """A container's name; whatever happens, there is none of that name afterwards."""
    try:
        yield name
    finally:
        client.run("rm", "-f", "-v", name)


@contextmanager
def pictures_directory(path: Path) -> Iterator[Path]:
    """A directory that a stranger's container may write its pictures to."""
    path.mkdir(parents=True, exist_ok=True)
    for old in path.iterdir():
        if old.is_file():
            old.unlink()
    path.chmod(0o777)
    try:
        yield path
    finally:
        path.chmod(0o755)


def _ended(done: client.Ended) -> str:
    reasons = {124: "took too long", 137: "was killed; perhaps it needs more memory (verify.memory)"}
    return f"{reasons.get(done.code, f'exit code {done.code}')}\n{done.words}"


def words(names: Sequence[str]) -> str:
    """Names for a sentence, and how many there are if they are many."""
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def readable(path: Path) -> Path:
    """A directory whose files a container's stranger can read.

    Raises:
        CheckFailed: naming what is closed to others.
    """
    for one in (path, *path.glob("*.py")):
        if not one.stat().st_mode & (0o001 if one.is_dir() else 0o004):
            raise CheckFailed(f"{one} is closed to other users, so a container cannot read it: chmod -R o+rX {path}")
    return path
