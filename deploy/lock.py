"""Make the lock files anew: what pyproject.toml allows, at today's versions, with hashes and without any index's address."""

from __future__ import annotations

import subprocess
import sys

from bootstrap import BIN, DEMO, LOCKS, ROOT, BootstrapError, uv_environment

_EXTRAS = {"demo": ("lab", "node"), "dev": ("lab", "node", "dev")}
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
    command = [str(BIN / "uv"), "pip", "compile", "--quiet", "--upgrade", *_OPTIONS, "--python-version", "3.11"]
    for extra in _EXTRAS[packages]:
        command += ["--extra", extra]
    if packages != "demo":
        command += ["--constraint", str(LOCKS["demo"])]
    command += ["--output-file", str(LOCKS[packages]), "pyproject.toml", str(DEMO / "build.in")]
    env = uv_environment()
    # Only what the main index has gets into the lock, with all its files: another machine lacks this one's other places.
    for variable in ("UV_FIND_LINKS", "UV_INDEX", "UV_INDEX_STRATEGY"):
        env.pop(variable, None)
    subprocess.run(command, cwd=ROOT, env=env, check=True)


def lock_node() -> None:
    """Lock the proxy's packages."""
    options = (
        "--package-lock-only",
        "--omit-lockfile-registry-resolved",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
    )
    subprocess.run([str(BIN / "npm"), "update", *options], cwd=DEMO, check=True)


def refuse_addresses() -> None:
    """A lock with an index's address in it would only work where that index is.

    Raises:
        BootstrapError: naming the line.
    """
    for file in (*LOCKS.values(), DEMO / "package-lock.json"):
        for number, line in enumerate(file.read_text().splitlines(), start=1):
            if '"resolved"' in line or (file.suffix == ".lock" and "://" in line):
                raise BootstrapError(f"{file.name}, line {number} holds an address: {line.strip()}")


def main() -> int:
    """Lock everything."""
    try:
        for packages in LOCKS:
            print(f"  {LOCKS[packages].name} …", flush=True)
            lock_python(packages)
        print("  package-lock.json …", flush=True)
        lock_node()
        refuse_addresses()
    except (BootstrapError, subprocess.CalledProcessError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
