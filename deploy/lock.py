"""Make the lock files anew: what pyproject.toml allows, at today's versions, with hashes and without any index's address."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from bootstrap import BIN, DEMO, LOCKS, ROOT, BootstrapError, node_environment, uv_environment

_PROVIDERS = ROOT / "tests" / "providers"
_SATOSA, _PANVA = _PROVIDERS / "satosa", _PROVIDERS / "panva"

_EXTRAS = {"demo": ("lab", "node", "portal"), "dev": ("lab", "node", "portal", "dev")}
_OPTIONS = (
    "--universal",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-header",
    "--no-annotate",
)


def lock_python(packages: str) -> None:
    """Lock one set of packages; what the tests need goes on top of what the demo has."""
    words = [word for extra in _EXTRAS[packages] for word in ("--extra", extra)]
    if packages != "demo":
        words += ["--constraint", str(LOCKS["demo"])]
    _compile(LOCKS[packages], *words, "pyproject.toml", str(DEMO / "build.in"))


def lock_satosa() -> None:
    """Lock the login service that the tests run in an environment of its own."""
    _compile(_SATOSA / "requirements.lock", str(_SATOSA / "requirements.in"))


def _compile(lock: Path, *words: str) -> None:
    command = [str(BIN / "uv"), "pip", "compile", "--quiet", "--upgrade", *_OPTIONS, "--python-version", "3.11"]
    command += ["--output-file", str(lock), *words]
    env = uv_environment()
    # Only what the main index has gets into the lock, with all its files: another machine lacks this one's other places.
    for variable in ("UV_FIND_LINKS", "UV_INDEX", "UV_INDEX_STRATEGY"):
        env.pop(variable, None)
    subprocess.run(command, cwd=ROOT, env=env, check=True)


def lock_node(folder: Path) -> None:
    """Lock what a folder's package.json names: the hub's proxy, and a login service of the tests."""
    options = (
        "--package-lock-only",
        "--omit-lockfile-registry-resolved",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
    )
    subprocess.run([str(BIN / "npm"), "update", *options], cwd=folder, env=node_environment(), check=True)


def all_locks() -> tuple[Path, ...]:
    """Every lock file that this makes."""
    ours = (DEMO / "package-lock.json", _SATOSA / "requirements.lock", _PANVA / "package-lock.json")
    return (*LOCKS.values(), *ours)


def refuse_addresses(locks: Iterable[Path]) -> None:
    """A lock with an index's address in it would only work where that index is.

    Raises:
        BootstrapError: naming the line.
    """
    for file in locks:
        for number, line in enumerate(file.read_text().splitlines(), start=1):
            if '"resolved"' in line or (file.suffix == ".lock" and "://" in line):
                raise BootstrapError(f"{file}, line {number} holds an address: {line.strip()}")


def main() -> int:
    """Lock everything."""
    try:
        for packages in LOCKS:
            print(f"  {LOCKS[packages].relative_to(ROOT)} …", flush=True)
            lock_python(packages)
        print(f"  {_SATOSA.relative_to(ROOT)} …", flush=True)
        lock_satosa()
        for folder in (DEMO, _PANVA):
            print(f"  {folder.relative_to(ROOT)}/package-lock.json …", flush=True)
            lock_node(folder)
        refuse_addresses(all_locks())
    except (BootstrapError, subprocess.CalledProcessError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
