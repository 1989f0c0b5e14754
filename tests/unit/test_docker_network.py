"""A network is used only if servers on it cannot reach each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from docker.errors import DockerException

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.site import Site, SiteFile
from panosc_spawner.spawners import docker_network
from panosc_spawner.spawners.docker_network import NetworkError, check_network, hub_address

GOOD: dict[str, Any] = {
    "Driver": "bridge",
    "Options": {"com.docker.network.bridge.enable_icc": "false"},
    "IPAM": {"Config": [{"Subnet": "fd00::/64"}, {"Subnet": "10.73.0.0/24", "Gateway": "10.73.0.1"}]},
}


def test_the_gateway_is_the_hubs_address():
    assert check_network(GOOD, "n", "") == "10.73.0.1"
    assert check_network(GOOD, "n", "10.73.0.0/24") == "10.73.0.1"
    assert check_network({**GOOD, "IPAM": {"Config": [{"Subnet": "10.73.0.0/24"}]}}, "n", "") == "10.73.0.1"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Driver": "overlay"}, "overlay"),
        ({"Options": {}}, "reach each other"),
        ({"Options": None}, "reach each other"),
        ({"Options": {"com.docker.network.bridge.enable_icc": "true"}}, "reach each other"),
        ({"EnableIPv6": True}, "IPv6"),
        ({"IPAM": {"Config": []}}, "subnet"),
        ({"IPAM": {"Config": [{"Subnet": "10.74.0.0/24"}]}}, "10.74.0.0/24"),
    ],
)
def test_another_network_of_that_name_is_refused(change: dict[str, Any], words: str):
    with pytest.raises(NetworkError, match=words):
        check_network({**GOOD, **change}, "n", "10.73.0.0/24")


def test_a_hub_does_not_start_without_docker(monkeypatch: pytest.MonkeyPatch):
    tried = []

    def no_client(**kwargs: Any) -> None:
        tried.append(kwargs)
        raise DockerException("connection refused")

    monkeypatch.setattr(docker_network, "environment_client", no_client)
    monkeypatch.setattr(docker_network, "_RETRY_SECONDS", 0.05)
    config = SiteFile.model_validate(
        {
            "hub": {"id": "h", "facilities": ["esrf"]},
            "login": {"community": "eduteams", "client_id": "x"},
            "sources": [{"type": "file", "path": "p.toml"}],
        }
    )
    with pytest.raises(ConfigurationError, match="did not answer"):
        hub_address(Site(Path("/site"), config, {}), wait=0.2)
    assert len(tried) > 1, "it is waited for"
