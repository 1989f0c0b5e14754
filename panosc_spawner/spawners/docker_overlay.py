"""Who the person is inside an image that has never heard of them: /etc/passwd and /etc/group laid over the image's own."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from docker import APIClient
from docker.errors import NotFound

from panosc_spawner.identity.person import Account
from panosc_spawner.spawners.docker_container import HELPER_LABEL

PASSWD, GROUP = "/etc/passwd", "/etc/group"
_ROOT_ONLY = {PASSWD: "root:x:0:0:root:/root:/bin/sh\n", GROUP: "root:x:0:\n"}


class Overlays:
    """The overlay files of a hub's containers, one directory each.

    Args:
        directory: where they lie; made when missing. The directory is the hub's alone, the files may be read by all.
        labels: for the containers that are made, and never started, to read an image's own files.
    """

    def __init__(self, directory: Path, labels: Mapping[str, str]) -> None:
        self.directory = directory
        self._labels = {**labels, HELPER_LABEL: "read-accounts"}
        self._images: dict[str, Mapping[str, str]] = {}

    def image_files(self, client: APIClient, image_id: str) -> Mapping[str, str]:
        """The image's own passwd and group files; read once for each image."""
        if image_id not in self._images:
            self._images[image_id] = _read_files(client, image_id, self._labels)
        return self._images[image_id]

    def write(self, client: APIClient, container: str, image_id: str, account: Account, home: str) -> dict[str, Path]:
        """Write the files for one container; returns what to mount, by path in the container.

        Raises:
            OSError: if they cannot be written.
        """
        own = self.image_files(client, image_id)
        where = self.directory / container
        where.mkdir(mode=0o755, parents=True, exist_ok=True)
        os.utime(where)  # the keeper takes away old ones that no container uses yet
        made = {}
        for target, text in (
            (PASSWD, passwd(own[PASSWD], account, home)),
            (GROUP, group(own[GROUP], account)),
        ):
            made[target] = where / target.rpartition("/")[2]
            made[target].write_text(text, "utf-8")
            made[target].chmod(0o644)
        return made

    def remove(self, container: str) -> None:
        """Remove the files of a container that is gone; without effect if there are none."""
        shutil.rmtree(self.directory / container, ignore_errors=True)


def passwd(own: str, account: Account, home: str) -> str:
    """The image's passwd with the person's line first, and without other lines of that name or number."""
    kept = [row for row in _rows(own) if row[0] != account.name and row[2:3] != [str(account.uid)]]
    line = [account.name, "x", str(account.uid), str(account.gid), "", home, "/bin/bash"]
    return _text([line, *kept])


def group(own: str, account: Account) -> str:
    """The image's group file with the person in each of their groups.

    A group that the image knows keeps its name there. One it does not know is called after the person if it is their
    primary group, and ``g<gid>`` otherwise.
    """
    rows = [row for row in _rows(own) if len(row) >= 3]
    known = {row[2]: row for row in rows}
    taken = {row[0] for row in rows}
    new = []
    for gid in (account.gid, *account.gids):
        row = known.get(str(gid))
        if row is None:
            name = account.name if gid == account.gid and account.name not in taken else f"g{gid}"
            while name in taken:
                name += "_"
            taken.add(name)
            new.append([name, "x", str(gid), account.name])
        else:
            members = [member for member in (row[3] if len(row) > 3 else "").split(",") if member]
            row[3:] = [",".join(dict.fromkeys([*members, account.name]))]
    return _text([*new, *rows])


def _rows(text: str) -> list[list[str]]:
    return [line.split(":") for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _text(rows: Iterable[Iterable[str]]) -> str:
    return "".join(":".join(row) + "\n" for row in rows)


def _read_files(client: APIClient, image_id: str, labels: Mapping[str, str]) -> dict[str, str]:
    container = client.create_container(image_id, command=["true"], labels=dict(labels), network_disabled=True)["Id"]
    try:
        return {path: _read_file(client, container, path) for path in (PASSWD, GROUP)}
    finally:
        client.remove_container(container, force=True, v=True)


def _read_file(client: APIClient, container: str, path: str) -> str:
    try:
        stream, _ = client.get_archive(container, path)
    except NotFound:
        return _ROOT_ONLY[path]
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
        member = archive.next()
        file = archive.extractfile(member) if member and member.isfile() else None
        return file.read(1_000_000).decode("utf-8", "replace") if file else _ROOT_ONLY[path]
