"""Commands that a person can paste, and the small files with the token that they read. No token is in a command or an address."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from pydantic import SecretStr

from panosc_portal.errors import HubError
from panosc_portal.moving.download import query_of, quoted

_GOES_ON = ("--continue-at", "-", "--speed-limit", "1", "--speed-time", "300")
"""From where it was; and not for ever, where something between stops to answer."""


@dataclass(frozen=True)
class Command:
    """For one program: what it is good for, the file that it reads, and the command."""

    kind: str
    program: str
    good_for: str
    file: str
    text: str


def stem(ref: str) -> str:
    """How files for a proposal are called: ``panosc-esrf-ma1234``."""
    return "panosc-" + "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "_" for c in ref.replace("/", "-"))


def commands(address: str, ref: str, paths: Sequence[str], version: str) -> list[Command]:
    """Ready commands.

    Args:
        address: of the portal, with a slash at its end.
        ref: the proposal.
        paths: what was chosen.
        version: of the zip; empty where there is none. A zip of another version is refused, not mixed in.
    """
    name, made = stem(ref), []
    only = paths[0] if len(paths) == 1 else ""
    made.append(
        Command(
            "rclone",
            "rclone",
            "Folder by folder, several files at a time, goes on where it was, takes only what is missing.",
            f"{name}.rclone.conf",
            shlex.join(
                ["rclone", "--config", f"{name}.rclone.conf", "copy", "--progress", "data:", _folder(ref, only)]
            ),
        )
    )
    if version:
        url = f"{address}download/{quoted(ref)}/zip" + query_of(paths, v=version)
        file = f"{ref.replace('/', '-')}.zip"
        curl = ["curl", "--fail", *_GOES_ON, "--header", f"@{name}.token", "--output", file, url]
        wget = ["wget", f"--config={name}.wgetrc", "--continue", "--output-document", file, url]
        made.append(
            Command(
                "curl",
                "curl",
                "The zip; the same command again goes on where it was.",
                f"{name}.token",
                shlex.join(curl),
            )
        )
        made.append(
            Command(
                "wget",
                "wget",
                "The zip; the same command again goes on where it was.",
                f"{name}.wgetrc",
                shlex.join(wget),
            )
        )
    return made


def token_file(
    kind: str, address: str, ref: str, paths: Sequence[str], token: SecretStr, ends: datetime
) -> tuple[str, str]:
    """Name and content of the file that a program reads its token from.

    Raises:
        HubError: 400 for a program that there is no file for.
    """
    name, secret = stem(ref), token.get_secret_value()
    note = f"# Opens data of {ref} until {ends:%Y-%m-%d %H:%M} UTC, for whoever has this file. Keep it to yourself.\n"
    if kind == "curl":
        return f"{name}.token", f"Authorization: Bearer {secret}\n"  # curl takes each line as a header
    if kind == "wget":
        return f"{name}.wgetrc", f"{note}header = Authorization: Bearer {secret}\n"
    if kind == "rclone":
        only = f"{paths[0]}/" if len(paths) == 1 else ""
        url = f"{address}files/{quoted(f'{ref}/{only}')}"
        return (
            f"{name}.rclone.conf",
            f"{note}[data]\ntype = http\nurl = {url}\nheaders = Authorization,Bearer {secret}\n",
        )
    raise HubError(400, "There is no token file for that program.", "Choose one of those on the page.")


def _folder(ref: str, path: str) -> str:
    top = ref.replace("/", "-")
    return f"{top}/{PurePosixPath(path).name}" if path and path.isprintable() else top
