"""What starts servers: Docker with its images and network, or local processes under bubblewrap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from panosc_spawner.check.finding import Finding, Level, error, ok, warning
from panosc_spawner.facilities.model import IMAGES_BUILD, Environment
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.units import format_size

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

_TIMEOUT = 5  # seconds for one answer


def check_docker(site: Site) -> Iterator[Finding]:
    """Docker answers, the images are there, and the hub's network keeps servers apart."""
    if site.config.hub.spawner != "docker":
        return
    import docker
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    from panosc_spawner.spawners.docker_network import network_name

    try:
        client = docker.from_env(timeout=_TIMEOUT)
    except DockerException as problem:
        yield _no_docker(problem)
        return
    try:
        yield ok("docker", f"version {client.version()['Version']} answers")
        yield from _images(client, site)
        yield _network(client, network_name(site), site.config.docker.subnet)
    except (DockerException, RequestException, KeyError) as problem:
        yield _no_docker(problem)
    finally:
        client.close()


def check_local(site: Site) -> Iterator[Finding]:
    """Bubblewrap can be used, so that local servers see their own proposals only."""
    if site.config.hub.spawner != "local":
        return
    isolation = site.config.local.isolation
    if isolation == "none":
        yield warning("isolation", "none: servers are plain processes and see each other's files", "for trying only")
        return
    from panosc_spawner.spawners.bubblewrap import why_not

    problem = why_not()
    if not problem:
        yield ok("isolation", "bubblewrap works: a server sees its own proposals only")
    elif isolation == "bubblewrap":
        yield error("isolation", problem, "install bubblewrap and allow unprivileged user namespaces")
    else:
        yield warning(
            "isolation",
            f"{problem}; servers see each other's files",
            "install bubblewrap and allow unprivileged user namespaces",
        )


def _images(client: DockerClient, site: Site) -> Iterator[Finding]:
    """Each image once, however many facilities offer it; those without which little is lost in one line."""
    every = [
        (environment, key == facility.default_environment)
        for facility in site.facilities.values()
        for key, environment in facility.environments.items()
    ]
    needed = {environment.image for environment, is_default in every if is_default}
    left_out: list[Environment] = []
    for environment in {environment.image: environment for environment, _ in every}.values():
        finding = _image(client, environment)
        if finding.level is Level.ERROR and environment.pull == "never" and environment.image not in needed:
            left_out.append(environment)
        else:
            yield finding
    if left_out:
        yield warning(
            "images",
            f"not here, so nobody can start: {', '.join(environment.image for environment in left_out)}",
            f"those you want: {'; '.join(_commands(left_out))}",
        )


def _commands(environments: Iterable[Environment]) -> list[str]:
    """What brings them, in as few commands as may be."""
    commands = [environment.brought_by for environment in environments]
    names = [command.removeprefix(IMAGES_BUILD) for command in commands if command.startswith(IMAGES_BUILD)]
    ours = [f"{IMAGES_BUILD}{' '.join(names)}"] if names else []
    return ours + [command for command in commands if not command.startswith(IMAGES_BUILD)]


def _image(client: DockerClient, environment: Environment) -> Finding:
    from docker.errors import ImageNotFound

    name, subject = environment.image, "image"
    try:
        return _present(name, client.images.get(name))
    except ImageNotFound:
        if environment.pull == "never":
            return error(subject, f"{name} is not here, and must not be pulled", f"run: {environment.brought_by}")
        if environment.digest is None:
            return error(subject, f"{name} is not here", "only an image with a digest is pulled: write name@sha256:…")
        return warning(subject, f"{name} is not here yet", f"the first start waits for it; before: docker pull {name}")


def _present(name: str, image: Image) -> Finding:
    size = format_size(int(image.attrs.get("Size", 0)))
    pinned = "pinned by digest" if "@sha256:" in name else "by tag: whoever builds that tag next decides what starts"
    return ok("image", f"{name} is here ({size}, {pinned})")


def _network(client: DockerClient, name: str, subnet: str) -> Finding:
    from docker.errors import NotFound

    from panosc_spawner.spawners.docker_network import NetworkError, check_network

    try:
        network = client.networks.get(name)
    except NotFound:
        return ok("network", f"{name} is made at the first start")
    try:
        check_network(network.attrs, name, subnet)
    except NetworkError as problem:
        return error("network", str(problem), f"docker network rm {name}; the hub makes it anew, closed")
    return ok("network", f"{name} keeps servers apart")


def _no_docker(problem: Exception) -> Finding:
    return error(
        "docker",
        f"does not answer: {str(problem)[:200]}",
        "start the daemon, and let the hub's account use its socket (or set DOCKER_HOST)",
    )
