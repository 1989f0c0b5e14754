"""What all Docker spawners of one hub share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from panosc_spawner.facilities.site import Docker
from panosc_spawner.spawners.docker_engine import Engine, environment_client
from panosc_spawner.spawners.docker_home import Homes
from panosc_spawner.spawners.docker_overlay import Overlays
from panosc_spawner.spawners.docker_pull import Pulls
from panosc_spawner.spawners.turns import Turns

OVERLAYS = "overlays"
"""Directory beneath the hub's state directory."""


class Shared:
    """The daemon, the turns of starts, the pulls under way, the homes and the overlays."""

    def __init__(self, docker: Docker, labels: Mapping[str, str], state_dir: Path) -> None:
        self.engine = Engine(docker.threads)
        self.turns = Turns(starts_at_a_time(docker))
        self.pulls = Pulls(lambda: environment_client(timeout=300))
        self.homes = Homes(labels)
        self.overlays = Overlays(state_dir / OVERLAYS, labels)


def starts_at_a_time(docker: Docker) -> int:
    """The site's word, else two starts a core: while one waits for the disk, the other computes."""
    return docker.starts or 2 * (os.cpu_count() or 1)
