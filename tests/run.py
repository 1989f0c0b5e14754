"""``make test``: install what the tests need, then run them, fast ones first.

As root on Debian it installs its tools (Docker, Chromium, bubblewrap) and starts a Docker daemon if there is none, which
it stops at the end. Elsewhere it runs what it can and says what it left out; with ``CI=true`` a part left out is a failure.
Runs on the system's python3; the tests themselves run in ``.venv``.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".test"
COVERAGE = WORK / "coverage"
sys.path.insert(0, str(ROOT / "deploy"))

DEBIAN_PACKAGES = (
    "bubblewrap",
    "chromium",
    "docker.io",
    "faketime",
    "fonts-dejavu-core",
    "gcc",  # the simulation extension compiles small instruments
    "iptables",
    "ldap-utils",
    "libatomic1",  # the Node inside Playwright
    "libc6-dev",
    "libnss-extrausers",
    "mmdebstrap",
    "openssl",
    "postgresql",
    "rclone",
    "slapd",
    "xmlsec1",
    "xrootd-plugins",
    "xrootd-server",
    "xrootd-server-plugins",
)
DOCKER_WAIT_SECONDS = 60
STAGE_SECONDS = 30 * 60  # a stage that takes longer hangs
SERVICE_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
SERVICE_POLICY = Path("/usr/sbin/policy-rc.d")  # 101: may not be started (invoke-rc.d(8))


class Stage(NamedTuple):
    """One part of the tests: its command in ``.venv``, and what it needs."""

    name: str
    command: list[str]
    needs: tuple[str, ...] = ()
    own_network: bool = False  # nothing but loopback, so that containers elsewhere do not disturb the browser
    directory: Path = ROOT


OWN_NETWORK = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
PLAIN = ["python", "-m", "pytest"]
BROWSER = [*PLAIN, "tests/browser", "-m"]
PYTEST = [*PLAIN, "--cov", "--cov-report="]
HDF5 = ROOT / "extensions" / "hdf5"
HDF5_TESTS = "extensions/hdf5/tests"
DESKTOP = ROOT / "extensions" / "desktop"
# One process each: HDF5 wants every handle of a file in a process to be opened with the same kind of locks.
HDF5_PARTS = ("meaning", "data", "server", "widget", "fuzz")
FIRST = [
    Stage("style", ["ruff", "check", "."]),
    Stage("format", ["ruff", "format", "--check", "."]),
    Stage("types", ["mypy"]),
    Stage("layers", ["lint-imports"]),
    Stage("unit tests", [*PYTEST, "tests/unit"]),
]
# These go on beside each other: the first mostly computes, the second mostly waits for hubs and login services.
COMPUTING = [
    Stage("HDF5 viewer's style and types", ["npm", "run", "lint"], directory=HDF5),
    Stage("HDF5 viewer's unit tests", ["npm", "test"], directory=HDF5),
    *(Stage(f"HDF5 {part} tests", [*PYTEST, f"{HDF5_TESTS}/{part}"]) for part in HDF5_PARTS),
    Stage("desktop page", ["sh", "-c", "npm ci --ignore-scripts && npm run lint && npm test"], directory=DESKTOP),
    *(
        Stage(f"{name} extension's tests", [*PYTEST, f"extensions/{name}/tests"])
        for name in ("desktop", "lab", "simulation")
    ),
    Stage("sources' tests", [*PYTEST, "tests/sources"], ("bubblewrap", "services")),
    # A hundred thousand stories: measuring coverage would make them several times slower.
    Stage("proof of mounts", [*PLAIN, "tests/security/test_mounts_subset.py"]),
    Stage("security checklist", [*PLAIN, "tests/security/test_checklist.py"], ("bubblewrap",)),
]
WAITING = [
    Stage("integration tests", [*PYTEST, "-m", "not docker", "tests/integration"], ("bubblewrap",)),
    Stage("login services' tests", [*PYTEST, "tests/providers"], ("services",)),
    Stage("chaos tests", [*PLAIN, "-m", "not docker", "tests/chaos"], ("bubblewrap",)),
]
PORTAL = [Stage("portal's tests", [*PYTEST, "extensions/portal/tests"], ("transfers", "chromium"))]
LAST = [
    # The base image and one on it; `make test-images` does all of them.
    Stage("images, proven", ["panosc-hub", "images", "build", "--verify", "desktop"], ("docker", "image")),
    Stage("Docker tests", [*PYTEST, "-m", "docker", "tests/integration"], ("docker", "image")),
    Stage("chaos tests with Docker", [*PLAIN, "-m", "docker", "tests/chaos"], ("docker", "image")),
    Stage("browser tests", [*BROWSER, "not docker"], ("chromium", "bubblewrap"), own_network=True),
    Stage("HDF5 browser tests", [*PLAIN, f"{HDF5_TESTS}/browser"], ("chromium",), own_network=True),
    Stage("browser tests with Docker", [*BROWSER, "docker"], ("chromium", "docker", "image")),
    Stage("coverage", ["sh", "-c", f"coverage combine -q {COVERAGE} && coverage report --skip-covered"]),
]


def main() -> int:
    """Run every stage that can be run; 0 if all passed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    WORK.mkdir(exist_ok=True)
    shutil.rmtree(COVERAGE, ignore_errors=True)
    COVERAGE.mkdir()
    install_debian_packages()
    environment = python_environment()
    with docker_daemon():
        lacking = missing()
        left_out = [
            f"{stage.name}: {'; '.join(lacking[need] for need in stage.needs if need in lacking)}"
            for stage in (*FIRST, *COMPUTING, *WAITING, *PORTAL, *LAST)
            if set(stage.needs) & set(lacking)
        ]
        failed = run_lanes((FIRST,), (COMPUTING, WAITING, PORTAL), (LAST,), environment=environment, lacking=lacking)
    for line in left_out:
        print(f"LEFT OUT  {line}")
    for name in failed:
        print(f"FAILED    {name}")
    if left_out and os.environ.get("CI") == "true":
        print("With CI=true, a part that is left out is a failure.")
        return 1
    return 1 if failed else 0


def install_debian_packages() -> None:
    """As root on Debian, install the packages that are not there yet."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    wanted = [package for package in DEBIAN_PACKAGES if not succeeds(["dpkg", "--status", package])]
    if not wanted:
        return
    print(f"Installing {', '.join(wanted)} …", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    log = WORK / "apt.log"
    with log.open("w") as out, no_services_started():
        for command in (["update", "-q"], ["install", "-qy", "--no-install-recommends", *wanted]):
            if subprocess.run(["apt-get", *command], env=quiet, stdout=out, stderr=out, check=False).returncode:
                print(f"apt-get {command[0]} failed:\n{tail(log)}")
                return


@contextlib.contextmanager
def no_services_started() -> Iterator[None]:
    """Debian starts a service when its package is installed; the tests start their own, and only while they run."""
    try:
        with SERVICE_POLICY.open("x") as policy:
            policy.write("#!/bin/sh\nexit 101\n")
        SERVICE_POLICY.chmod(0o755)
    except FileExistsError:  # the machine has a policy of its own
        yield
        return
    try:
        yield
    finally:
        SERVICE_POLICY.unlink()


def python_environment() -> dict[str, str]:
    """Make ``.venv`` with the locked packages; return the environment the stages run in."""
    import bootstrap
    import hdf5_extension

    bootstrap.ensure("dev")
    hdf5_extension.install(bootstrap.node_environment())
    return {
        **os.environ,
        "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}",
        "VIRTUAL_ENV": str(ROOT / ".venv"),
        "PANOSC_TEST_OUTPUT": str(WORK),
    }


@contextlib.contextmanager
def docker_daemon() -> Iterator[None]:
    """A Docker daemon while the tests run: the one that is there, or one of our own that is stopped afterwards."""
    if docker_answers() or os.geteuid() != 0 or shutil.which("dockerd") is None:
        yield
        return
    log = WORK / "dockerd.log"
    print("Starting a Docker daemon …", flush=True)
    with log.open("w") as out:
        daemon = subprocess.Popen(["dockerd", "--storage-driver", "overlay2"], stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + DOCKER_WAIT_SECONDS
        while not docker_answers() and daemon.poll() is None and time.monotonic() < deadline:
            time.sleep(0.5)
        if not docker_answers():
            print(f"The Docker daemon does not answer:\n{tail(log)}")
        yield
    finally:
        daemon.terminate()
        daemon.wait(timeout=60)


def docker_answers() -> bool:
    """Whether a Docker daemon can be reached."""
    return shutil.which("docker") is not None and succeeds(["docker", "version"])


def missing() -> dict[str, str]:
    """What this machine cannot give the tests, and why."""
    checks: dict[str, tuple[Callable[[], bool], str]] = {
        "docker": (docker_answers, "no Docker daemon can be reached"),
        "image": (base_image, "the base image could not be built"),
        "chromium": (lambda: shutil.which("chromium") is not None, "Debian's chromium is not installed"),
        "services": (
            lambda: (
                all(shutil.which(program, path=SERVICE_PATH) for program in ("slapd", "xmlsec1", "openssl"))
                and any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
            ),
            "slapd, PostgreSQL, xmlsec1 or openssl is not installed",
        ),
        "transfers": (
            lambda: (
                all(shutil.which(program, path=SERVICE_PATH) for program in ("rclone", "xrootd")) and os.geteuid() == 0
            ),
            "rclone or xrootd is not installed, or this is not root, who can become the people whose data are moved",
        ),
        "bubblewrap": (bubblewrap_works, "bubblewrap is not installed, or may not be used here"),
    }
    return {name: words for name, (works, words) in checks.items() if not works()}


def bubblewrap_works() -> bool:
    """Whether bubblewrap may make the namespaces that local servers need."""
    command = ["bwrap", "--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
    return shutil.which("bwrap") is not None and succeeds(command)


def base_image() -> bool:
    """Build the base image; quick when nothing changed, since Docker keeps the layers."""
    if not docker_answers():
        return False
    print("Building the base image …", flush=True)
    log = WORK / "image.log"
    command = [str(ROOT / ".venv/bin/panosc-hub"), "images", "build", "base"]
    with log.open("w") as out:
        built = subprocess.run(command, cwd=ROOT, stdout=out, stderr=out, check=False)
    if built.returncode:
        print(f"The base image could not be built:\n{tail(log)}")
    return built.returncode == 0


def run_lanes(*steps: tuple[list[Stage], ...], environment: dict[str, str], lacking: Mapping[str, str]) -> list[str]:
    """Run steps one after the other, the lanes of a step beside each other; the names of the stages that failed.

    Whatever happens, nothing that was started is left running.
    """
    running: set[subprocess.Popen[bytes]] = set()
    stopping = threading.Event()

    def run_lane(lane: list[Stage], shown: bool) -> list[str]:
        able = [stage for stage in lane if not set(stage.needs) & set(lacking)]
        return [
            stage.name
            for stage in able
            if not stopping.is_set() and not run_stage(stage, environment, running, shown=shown)
        ]

    failed = []
    with ThreadPoolExecutor() as pool:
        try:
            for lanes in steps:
                runs = [pool.submit(run_lane, lane, len(lanes) == 1) for lane in lanes]
                failed += [name for run in runs for name in run.result()]
        finally:
            stopping.set()
            for process in list(running):
                process.terminate()
    return failed


def run_stage(
    stage: Stage, environment: Mapping[str, str], running: set[subprocess.Popen[bytes]], *, shown: bool
) -> bool:
    """Run one stage, with its output shown at once, or, beside others, when it has ended; whether it passed."""
    started = time.monotonic()
    alone = (
        [*OWN_NETWORK, "python", "tests/own_network.py"]
        if stage.own_network and succeeds([*OWN_NETWORK, "true"])
        else []
    )
    measured = {
        **environment,
        "COVERAGE_FILE": str(COVERAGE / f".coverage.{re.sub('[^a-z0-9]+', '-', stage.name.lower())}"),
    }
    if stage.name == "coverage":
        measured["COVERAGE_FILE"] = str(WORK / ".coverage")
    print(f"\n=== {stage.name}{'' if shown else ' begins'}", flush=True)
    with tempfile.TemporaryFile() as output:
        where = None if shown else output
        process = subprocess.Popen(
            [*alone, *stage.command], cwd=stage.directory, env=measured, stdout=where, stderr=where
        )
        running.add(process)
        try:
            code = process.wait(STAGE_SECONDS)
        except subprocess.TimeoutExpired:
            print(f"{stage.name}: stopped, since it did not end within {STAGE_SECONDS / 60:.0f} minutes", flush=True)
            code = stopped(process)
        running.discard(process)
        output.seek(0)
        text = output.read().decode(errors="replace")
    verdict = f"{'ok' if code == 0 else f'exit code {code}'} in {time.monotonic() - started:.0f} s"
    print(f"{text}=== {stage.name}: {verdict}", flush=True)
    return code == 0


def stopped(process: subprocess.Popen[bytes]) -> int:
    """Stop what hangs: asked first, so that it stops what it started; its exit code."""
    process.terminate()
    try:
        return process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def succeeds(command: list[str]) -> bool:
    """Whether a command ends well within half a minute."""
    try:
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def tail(file: Path, lines: int = 30) -> str:
    """The last lines of a log."""
    return "\n".join(file.read_text(errors="replace").splitlines()[-lines:])


if __name__ == "__main__":
    sys.exit(main())
