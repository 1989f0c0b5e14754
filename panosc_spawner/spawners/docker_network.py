"""The hub's own network: servers reach the hub and the outside, and never each other."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Mapping
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from panosc_spawner.errors import ConfigurationError, PanoscError
from panosc_spawner.facilities.site import Site
from panosc_spawner.spawners.docker_container import HUB_LABEL
from panosc_spawner.spawners.docker_engine import environment_client, is_engine_down, is_status

TALK = "com.docker.network.bridge.enable_icc"
_RETRY_SECONDS = 1.0


class NetworkError(PanoscError):
    """The network cannot be made, or is not one that keeps servers apart."""


def network_name(site: Site) -> str:
    """The network of this site's servers."""
    return site.config.docker.network or f"panosc-{site.config.hub.id}"


def hub_address(site: Site, wait: float = 60) -> str:
    """The address at which servers reach the hub: the network's gateway. Makes the network when it is missing.

    Called when the hub's configuration is loaded. A daemon that is still starting is waited for: a hub that starts
    without Docker takes all its running servers for gone.

    Args:
        site: whose network.
        wait: seconds to wait for the daemon.

    Raises:
        ConfigurationError: if the daemon does not answer by then, or the network does not keep servers apart.
    """
    file, deadline = site.folder / "site.toml", time.monotonic() + wait
    while True:
        try:
            return _address(site)
        except NetworkError as error:
            raise ConfigurationError(file, "docker.network", str(error), "name another, or remove this one") from error
        except Exception as error:
            if not is_engine_down(error):
                raise ConfigurationError(file, "docker", f"the network cannot be made: {error}") from error
            if time.monotonic() + _RETRY_SECONDS > deadline:
                raise ConfigurationError(
                    file,
                    "docker",
                    f"Docker did not answer within {wait:g} seconds: {error}",
                    "start it (systemctl start docker), and see that the hub may use its socket",
                ) from error
            time.sleep(_RETRY_SECONDS)


def _address(site: Site) -> str:
    client = environment_client(timeout=20)
    try:
        labels = {HUB_LABEL: site.config.hub.id}
        return ensure_network(client, network_name(site), site.config.docker.subnet, labels)
    finally:
        client.close()


def ensure_network(client: APIClient, name: str, subnet: str = "", labels: Mapping[str, str] | None = None) -> str:
    """Make the network when it is missing, see that it keeps servers apart, and return its gateway.

    Args:
        client: of the daemon.
        name: of the network.
        subnet: wanted; empty: the daemon chooses.
        labels: for a network that is made.

    Raises:
        NetworkError: if a network of that name exists and is not one on which servers are kept apart.
        DockerException: if the daemon does not answer.
    """
    try:
        network = client.inspect_network(name)
    except NotFound:
        network = _make(client, name, subnet, labels or {})
    return check_network(network, name, subnet)


def check_network(network: Mapping[str, Any], name: str, subnet: str) -> str:
    """The gateway of a network that keeps servers apart.

    Raises:
        NetworkError: if it does not.
    """
    if network.get("Driver") != "bridge":
        raise NetworkError(f"the network '{name}' is of type '{network.get('Driver')}', not a bridge of this machine")
    if (network.get("Options") or {}).get(TALK) != "false":
        raise NetworkError(f"on the network '{name}' servers can reach each other ({TALK} is not 'false')")
    if network.get("EnableIPv6"):  # many daemons filter IPv4 only
        raise NetworkError(f"the network '{name}' has IPv6, by which servers could reach each other")
    for pool in (network.get("IPAM") or {}).get("Config") or []:
        found = ipaddress.ip_network(pool["Subnet"])
        if found.version != 4:
            continue
        if subnet and found != ipaddress.ip_network(subnet):
            raise NetworkError(f"the network '{name}' has the subnet {found}, not {subnet}")
        return str(pool.get("Gateway") or found[1]).partition("/")[0]
    raise NetworkError(f"the network '{name}' has no IPv4 subnet")


def _make(client: APIClient, name: str, subnet: str, labels: Mapping[str, str]) -> Mapping[str, Any]:
    ipam = IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)]) if subnet else None
    try:
        client.create_network(
            name, driver="bridge", options={TALK: "false"}, labels=dict(labels), ipam=ipam, check_duplicate=True
        )
    except APIError as error:
        if not is_status(error, 409):  # 409: another process was faster
            raise
    found: Mapping[str, Any] = client.inspect_network(name)
    return found
