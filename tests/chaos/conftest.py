"""A real hub, a real login service behind a proxy that can misbehave, and people at work."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from certificates import Authority
from chaos_world import MakeWorld, World
from faults import FaultyProxy

from benchmarks.access_stack import Stack
from benchmarks.hubs import free_ports
from panosc_spawner.spawners.bubblewrap import bubblewrap_works

ROUTINE = re.compile(r" (200|302|303) GET |xsrf cookie|ConfigProxy")
CLOCK_LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these take longer than ten seconds."""
    for item in items:
        if Path(__file__).parent in item.path.parents and item.path.name != "test_table.py":
            item.add_marker(pytest.mark.slow)


class Maker:
    """Makes worlds beneath a folder, and ends them."""

    def __init__(self, folder: Path, exits: ExitStack) -> None:
        self.folder, self.exits = folder, exits
        self.made: list[Stack] = []

    def __call__(self, certificate: tuple[Path, Path] | None = None, **options: object) -> World:
        proxy_port, provider_port = free_ports(2)
        issuer = f"{'https' if certificate else 'http'}://127.0.0.1:{proxy_port}"
        options = {"access": {"recheck": "2s"}} | options
        stack = Stack(self.folder / f"world{len(self.made)}", issuer=issuer, **options)  # type: ignore[arg-type]
        stack.provider_port, stack.provider_url = provider_port, f"http://127.0.0.1:{provider_port}"
        self.made.append(stack)
        proxy = self.exits.enter_context(FaultyProxy(stack.provider_url, proxy_port, certificate=certificate))
        self.exits.callback(stack.stop)
        stack.data("ma1001", "ma1002", "ma1003")
        stack.grant({"ma1001": ["ada", "bea"], "ma1002": ["ada"]})
        return World(stack.start(), proxy)

    def show_logs(self) -> None:
        """What pytest shows with a failed test."""
        for stack in self.made:
            for log in (stack.provider.log, stack.hub.log):
                lines = [line for line in log.read_text(errors="replace").splitlines() if not ROUTINE.search(line)]
                print(f"--- {log.name}", *lines[-80:], sep="\n")


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[MakeWorld]:
    """Makes worlds whose login service is behind a proxy."""
    if not shutil.which("bwrap") or not bubblewrap_works():
        pytest.skip("bubblewrap may not be used here, and servers without it would not show what is mounted")
    with ExitStack() as exits:
        maker = Maker(tmp_path, exits)
        yield maker
        maker.show_logs()


@pytest.fixture
def make_tls_world(make_world: MakeWorld, tmp_path: Path) -> MakeWorld:
    """Worlds whose login service has TLS, with an authority that the hub was told of."""
    authority, stranger = Authority(tmp_path, "authority"), Authority(tmp_path, "stranger")
    right = authority.issue("right")
    wrong = [
        authority.issue("ended", days=-1),
        stranger.issue("forged"),
        authority.issue("elsewhere", address="127.0.0.2"),
    ]

    def make(**options: object) -> World:
        world = make_world(certificate=right, authorities=authority.file, **options)
        world.right_certificate, world.wrong_certificates = right, wrong
        return world

    return make


@pytest.fixture
def make_clocked_world(make_world: MakeWorld, tmp_path: Path) -> MakeWorld:
    """Worlds whose hub has a clock that can be set (libfaketime); that of the login service and the servers is right."""
    if not Path(CLOCK_LIBRARY).exists():
        pytest.skip("Debian's faketime is not installed")
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    environment = {
        "LD_PRELOAD": CLOCK_LIBRARY,
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }

    def make(**options: object) -> World:
        world = make_world(hub_environment=environment, **options)
        world.clock = clock
        return world

    return make
