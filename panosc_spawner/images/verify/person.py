"""What a person's server in the image can do: who they are, what imports, JupyterLab, and how it stops."""

from __future__ import annotations

import tempfile
import time
from datetime import datetime
from pathlib import Path

from panosc_spawner.images import client
from panosc_spawner.images.verify.container import STRANGER, Hardened
from panosc_spawner.images.verify.report import CheckFailed

STOP_SECONDS = 1.0
_STOPS = 3
# On a machine that is busy with other things everything takes longer: a stop may then take this part of what the start did.
# An image that does not listen takes ten seconds, when Docker kills it.
_OF_START = 0.5
_READY_SECONDS = 90
_LAB = ("jupyter", "lab", "--no-browser", "--ip=127.0.0.1", "--port=8888", "--ServerApp.token=")

_NAMES = """
set -eu
name=$(whoami)
test "$(getent passwd "$(id -u)" | cut -d: -f1)" = "$name"
test "$(getent group "$(id -g)" | cut -d: -f1)" = "$(id -gn)"
git init -q repository && cd repository
git -c user.email=somebody@example.org commit -q --allow-empty -m "first"
test "$(git log --format=%an)" = "$name"
if command -v ssh >/dev/null; then ssh -G example.org | grep -qx "user $name"; fi
python -c 'import getpass, os, pathlib, pwd; assert pwd.getpwuid(os.getuid()).pw_name == getpass.getuser(); pathlib.Path.home().joinpath("x").touch()'
echo "whoami says $name"
"""


def stranger_has_a_name(hardened: Hardened) -> str:
    """A user without an entry in /etc/passwd gets a name that whoami, getent, git, ssh and Python agree on."""
    return hardened.run("sh", "-c", _NAMES)


def hub_names_the_person(tag: str) -> str:
    """The hub's own /etc/passwd, laid over the image's, wins."""
    own = client.run("run", "--rm", "--network", "none", "--entrypoint", "cat", tag, "/etc/passwd")
    if own.code:
        raise CheckFailed(own.words)
    with tempfile.TemporaryDirectory() as folder:
        passwd = Path(folder) / "passwd"
        Path(folder).chmod(0o755)
        passwd.write_text(f"ada:x:{STRANGER}:{STRANGER}::/home/ada:/bin/bash\n{own.out}")
        passwd.chmod(0o644)
        done = client.run(
            "run", "--rm", "--network", "none", "--user", f"{STRANGER}:{STRANGER}", "-e", "HOME=/tmp/home",
            "-v", f"{passwd}:/etc/passwd:ro", tag, "sh", "-c", "whoami; ls -d /tmp/.panosc-names 2>/dev/null; true",
        )  # fmt: skip
    if done.code or done.out.split() != ["ada"]:
        raise CheckFailed(f"whoami says {done.out.strip()!r} and not 'ada'\n{done.err.strip()}")
    return "whoami says ada"


def installs_for_oneself(hardened: Hardened) -> str:
    """``pip install --user`` and environments of one's own work."""
    return hardened.run(
        "sh", "-c",
        "python -c 'import site; assert site.ENABLE_USER_SITE, site.ENABLE_USER_SITE' && pip --version | cut -d' ' -f1,2"
        " && python3 -m venv --without-pip own && own/bin/python -c 'import sys; assert sys.prefix != sys.base_prefix'",
    )  # fmt: skip


def imports(hardened: Hardened, names: tuple[str, ...]) -> str:
    """Everything that ``image.toml`` names can be imported; returns the versions."""
    return hardened.run("python", "-W", "error::ImportWarning", "/inside/imports.py", *names, seconds=300)


def lab_answers_and_stops(hardened: Hardened) -> str:
    """JupyterLab answers 200 and ends cleanly within a second of SIGTERM (a busy machine gets more, and tries again)."""
    said = []
    for _ in range(_STOPS):
        name = hardened.start(*_LAB)
        try:
            ready = _ready_after(name)
            took = _stop(name)
        finally:
            client.run("rm", "-f", "-v", name)
        said.append(f"ready after {ready:.1f} s, stopped {took:.2f} s after SIGTERM")
        allowed = max(STOP_SECONDS, _OF_START * ready)
        if took <= allowed:
            return "\n".join(said)
    raise CheckFailed("\n".join([*said, f"at most {allowed:.1f} s are allowed"]))


def _ready_after(name: str) -> float:
    started = time.monotonic()
    done = client.run(
        "exec", name, "python", "/inside/lab_answers.py", str(_READY_SECONDS), seconds=_READY_SECONDS + 20
    )
    if done.code:
        logs = client.run("logs", "--tail", "20", name)
        raise CheckFailed(f"JupyterLab does not answer: {done.words}\n{logs.words}")
    return time.monotonic() - started


def _stop(name: str) -> float:
    """Seconds from SIGTERM to the end, by Docker's clock; the daemon's own clean-up is not the image's."""
    sent = time.time()
    client.run("stop", "--time", "10", name, seconds=60)
    state = client.run("inspect", "-f", "{{.State.FinishedAt}} {{.State.ExitCode}} {{.State.OOMKilled}}", name)
    finished, code, killed = state.out.split()
    if code not in {"0", "143"} or killed == "true":
        raise CheckFailed(f"it ended with exit code {code}\n{client.run('logs', '--tail', '20', name).words}")
    return max(0.0, datetime.fromisoformat(finished[:26].rstrip("Z") + "+00:00").timestamp() - sent)
