"""A home volume that was given to another account is refused in words, not started with."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from panosc_spawner.spawners.docker_home import prepare_volume
from panosc_spawner.spawners.refused import Refused


class Daemon:
    """Knows one volume."""

    def __init__(self, mountpoint: Path) -> None:
        self.mountpoint = mountpoint

    def inspect_volume(self, name: str) -> dict[str, str]:
        return {"Name": name, "Mountpoint": str(self.mountpoint)}


def plan_of(uid: int) -> Any:
    home = SimpleNamespace(source="home-ada", create=True)
    return SimpleNamespace(home=home, account=SimpleNamespace(uid=uid, gid=uid))


def test_the_persons_own_volume(tmp_path: Path) -> None:
    daemon: Any = Daemon(tmp_path)
    prepare_volume(daemon, plan_of(os.getuid()), {})


def test_somebody_elses_volume(tmp_path: Path) -> None:
    daemon: Any = Daemon(tmp_path)
    with pytest.raises(Refused, match=f"user id {os.getuid()}, and yours is 4711") as refused:
        prepare_volume(daemon, plan_of(4711), {})
    assert refused.value.refusal.reason == "no-home"


def test_a_volume_of_another_machine_cannot_be_looked_at(tmp_path: Path) -> None:
    daemon: Any = Daemon(tmp_path / "elsewhere")
    prepare_volume(daemon, plan_of(4711), {})
