"""Our images against what one writes without a second thought: size, start, many at once, kernels, imports.

In turns, in one run. Needs Docker and root (to empty the page cache before a cold start), and ``panosc-hub images build base``;
the other images are measured where they have been built. The plain image and its layers are built here, from ``naive-image/``
and from the same requirements. Takes about ten minutes when they have been built before::

    .venv/bin/python -m benchmarks.images [--json] [--turns 5] [--at-once 10,30] [--layers xfel,eli]
"""

from __future__ import annotations

import argparse
import statistics
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
import httpx
from docker.models.containers import Container

from benchmarks.hubs import BASE_IMAGE, NAIVE_IMAGE, ROOT, build_naive_image, build_naive_layer
from benchmarks.report import Row, ratio, report, row

TAG = BASE_IMAGE.rpartition(":")[2]
PORT = 8888
PATIENCE_SECONDS = 300
TARGET_WARM_SECONDS, TARGET_COLD_SECONDS, TARGET_RATIO = 4.0, 8.0, 1.0
CACHES = Path("/proc/sys/vm/drop_caches")
# The same server for both, and no hub: what is compared is the image.
SERVER = (
    "jupyter",
    "lab",
    "--no-browser",
    "--ip=0.0.0.0",
    f"--port={PORT}",
    "--ServerApp.token=",
    "--ServerApp.allow_root=True",
)
# Until a kernel has answered; printed by the container itself, so that Docker's own time is not in it.
KERNEL = """
import time
from jupyter_client.manager import start_new_kernel
began = time.perf_counter()
manager, client = start_new_kernel(kernel_name="python3")
client.execute_interactive("pass", timeout=60)
print(time.perf_counter() - began)
client.stop_channels()
manager.shutdown_kernel(now=True)
"""
IMPORT = "import time; began = time.perf_counter(); import {module}; print(time.perf_counter() - began)"
IMPORTS = ("h5py", "hdf5plugin", "matplotlib.pyplot", "silx.io", "ipympl")


class Images:
    """Containers of the images that are compared; none is left when the block ends."""

    def __init__(self, client: docker.DockerClient, stack: ExitStack) -> None:
        self._client, self._stack = client, stack

    def run(self, image: str, *command: str, network: str = "bridge") -> Container:
        """A container as the hub hardens it, but on Docker's own network, where this program can ask it."""
        container = self._client.containers.run(
            image,
            list(command),
            detach=True,
            user="20123:20123",
            environment={"HOME": "/tmp/home", "MPLCONFIGDIR": "/tmp/matplotlib"},
            working_dir="/tmp",
            network_mode=network,
            read_only=True,
            init=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            tmpfs={"/tmp": "rw,exec,mode=1777,size=512m"},
        )
        self._stack.callback(remove, container)
        return container

    def start(self, image: str) -> float:
        """Seconds from asking for a container to its server's first 200; the container is removed afterwards."""
        began = time.perf_counter()
        container = self.run(image, *SERVER)
        wait_for(container)
        seconds = time.perf_counter() - began
        remove(container)
        return seconds

    def start_many(self, image: str, number: int) -> float:
        """Seconds until all of several servers that are asked for at once have answered."""
        began = time.perf_counter()
        containers = [self.run(image, *SERVER) for _ in range(number)]
        for container in containers:
            wait_for(container)
        seconds = time.perf_counter() - began
        for container in containers:
            remove(container)
        return seconds

    def timed_inside(self, image: str, program: str) -> float:
        """The seconds that a program in a container of its own prints."""
        container = self.run(image, "python", "-c", program, network="none")
        container.wait(timeout=PATIENCE_SECONDS)
        said = container.logs(stdout=True, stderr=False).decode().split()
        problem = container.logs(stdout=False, stderr=True).decode()
        remove(container)
        try:
            return float(said[-1])
        except (IndexError, ValueError) as error:
            raise SystemExit(f"{image}: {problem or said}") from error

    def size(self, image: str) -> float:
        """In MB, as Docker counts it: with all its parents."""
        return float(self._client.images.get(image).attrs["Size"]) / 1e6

    def built(self) -> list[str]:
        """Names of our images on this machine."""
        tags = [tag for image in self._client.images.list("panosc/*") for tag in image.tags]
        return sorted(tag.removeprefix("panosc/").removesuffix(f":{TAG}") for tag in tags if tag.endswith(f":{TAG}"))


def remove(container: Container) -> None:
    """Remove a container, if it is still there."""
    with suppress(docker.errors.NotFound):
        container.remove(force=True)


def wait_for(container: Container) -> None:
    """Until the server in a container answers; ends the program with its log if it does not."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        container.reload()
        address = container.attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
        if container.status == "exited":
            break
        try:
            if address and httpx.get(f"http://{address}:{PORT}/api", trust_env=False, timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    raise SystemExit(f"a server of {container.image.tags} did not answer:\n{container.logs().decode()[-2000:]}")


def in_turns(turns: int, ours: Callable[[], float], theirs: Callable[[], float]) -> tuple[list[float], list[float]]:
    """Both measured alternately, after one warm-up of each that does not count."""
    pairs = [(ours(), theirs()) for _ in range(turns + 1)][1:]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def measure(turns: int, at_once: Sequence[int], layers: Sequence[str]) -> Iterator[Row]:
    """All rows, one after the other."""
    build_naive_image()
    with images() as them:
        yield from sizes(them, layers)
        yield from starts(them, turns)
        for number in at_once:
            pair = in_turns(
                1, lambda n=number: them.start_many(BASE_IMAGE, n), lambda n=number: them.start_many(NAIVE_IMAGE, n)
            )
            yield ratio(f"{number} starts at once, until the last answers", *pair, "plain", target=TARGET_RATIO)
        pair = in_turns(
            turns, lambda: them.timed_inside(BASE_IMAGE, KERNEL), lambda: them.timed_inside(NAIVE_IMAGE, KERNEL)
        )
        yield ratio("a kernel's first answer", *pair, "plain", target=TARGET_RATIO)
        for module in IMPORTS:
            program = IMPORT.format(module=module)
            pair = in_turns(
                turns,
                lambda p=program: them.timed_inside(BASE_IMAGE, p),
                lambda p=program: them.timed_inside(NAIVE_IMAGE, p),
            )
            yield ratio(f"import {module}", *pair, "plain", target=TARGET_RATIO)
        for name in them.built():
            yield from own_imports(them, name)


@contextmanager
def images() -> Iterator[Images]:
    """Docker, and what is started in it, until the block ends."""
    with ExitStack() as stack:
        client = docker.from_env(timeout=PATIENCE_SECONDS)
        stack.callback(client.close)
        yield Images(client, stack)


def sizes(them: Images, layers: Sequence[str]) -> Iterator[Row]:
    """Sizes: base and the asked layers against plain ones of the same requirements, and the rest alone."""
    ours, plain = them.size(BASE_IMAGE), them.size(NAIVE_IMAGE)
    yield row(
        "size of base", ours / plain, "ratio", peer=f"plain: {plain:.0f} MB, ours {ours:.0f} MB", target=TARGET_RATIO
    )
    for name in them.built():
        size = them.size(f"panosc/{name}:{TAG}")
        if name in layers:
            peer = them.size(build_naive_layer(name, declaration(name)["pip"]["requirements"]))
            words = f"plain: {peer:.0f} MB, ours {size:.0f} MB; above their bases {peer - plain:.0f} and {size - ours:.0f} MB"
            yield row(f"size of {name}", size / peer, "ratio", peer=words, target=TARGET_RATIO)
        else:
            yield row(f"size of {name}", size, "MB")


def starts(them: Images, turns: int) -> Iterator[Row]:
    """From asking for a container to the first answer: with everything in memory, and with nothing of it."""
    warm = in_turns(turns, lambda: them.start(BASE_IMAGE), lambda: them.start(NAIVE_IMAGE))
    yield row("start, warm", statistics.median(warm[0]), "s", target=TARGET_WARM_SECONDS)
    yield ratio("start, warm", *warm, "plain", target=TARGET_RATIO)
    cold = in_turns(max(1, turns // 2), lambda: cold_start(them, BASE_IMAGE), lambda: cold_start(them, NAIVE_IMAGE))
    yield row("start, cold", statistics.median(cold[0]), "s", target=TARGET_COLD_SECONDS)
    yield ratio("start, cold", *cold, "plain", target=TARGET_RATIO)


def cold_start(them: Images, image: str) -> float:
    """A start with an empty page cache, as on a machine that has just got the image."""
    CACHES.write_text("3")
    return them.start(image)


def own_imports(them: Images, name: str) -> Iterator[Row]:
    """What the packages of an image take to import, all in one process, the second time."""
    modules = declaration(name)["verify"]["imports"]
    program = (
        f"import time; began = time.perf_counter(); import {', '.join(modules)}; print(time.perf_counter() - began)"
    )
    taken = [them.timed_inside(f"panosc/{name}:{TAG}", program) for _ in range(2)]
    yield row(f"imports of {name} ({len(modules)})", taken[-1], "s")


def declaration(name: str) -> dict[str, Any]:
    """An image's own file."""
    return tomllib.loads((ROOT / "images" / name / "image.toml").read_text("utf-8"))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--turns", type=int, default=5, help="measurements of each kind")
    parser.add_argument("--at-once", default="10,30", help="numbers of servers that are started at the same moment")
    parser.add_argument("--layers", default="xfel,eli", help="images whose plain counterpart is built as well")
    arguments = parser.parse_args()
    numbers = [int(number) for number in arguments.at_once.split(",") if number]
    rows = list(measure(arguments.turns, numbers, arguments.layers.split(",")))
    report(rows, as_json=arguments.json)


if __name__ == "__main__":
    main()
