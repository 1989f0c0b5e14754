"""What only the demo with containers needs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import docker
from docker.errors import APIError, DockerException

_HUB = Path(sys.executable).with_name("panosc-hub")
_IMAGES = Path(__file__).resolve().parents[2] / "images"
_IMAGE = "panosc/base:2026.11"


def docker_problem() -> str:
    """What is missing for containers, in words; empty if nothing is."""
    try:
        client = docker.from_env(timeout=10)
        client.ping()
    except (DockerException, OSError) as error:
        return (
            f"Docker does not answer ({str(error)[:200]}).\n"
            "Start it, or on Debian: apt-get install docker.io; then be root, or a member of the group docker."
        )
    if os.geteuid() != 0:
        return "The demo with containers makes homes that belong to the demo's people, which only root can: run it as root."
    if not client.images.list(_IMAGE):
        print(f"  Building {_IMAGE} (once; some minutes)", flush=True)
        if subprocess.run([str(_HUB), "images", "--images", str(_IMAGES), "build", "base"], check=False).returncode:
            return f"The image {_IMAGE} could not be built; see above."
    return ""


def remove_network(hub_id: str) -> None:
    """Remove the network that the demo's hub made; one that is still in use stays."""
    with contextlib.suppress(DockerException, APIError):
        docker.from_env(timeout=10).networks.get(f"panosc-{hub_id}").remove()
