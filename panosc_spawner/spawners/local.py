"""Servers as local processes: for the demo, and for trying the hub without Docker."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyterhub.spawner import LocalProcessSpawner
from traitlets import default

from panosc_spawner.facilities.site import Site
from panosc_spawner.launch.model import LaunchPlan, Mount, Reason, Refusal
from panosc_spawner.spawners import bubblewrap
from panosc_spawner.spawners.base import PlannedSpawner
from panosc_spawner.spawners.file_threads import HOMES, in_file_thread
from panosc_spawner.spawners.local_home import prepare_home, write_account_files
from panosc_spawner.spawners.local_links import make_links
from panosc_spawner.spawners.local_process import Process, descendants, end, free_port, open_log, tail
from panosc_spawner.spawners.log_lines import last_lines
from panosc_spawner.spawners.refused import Refused
from panosc_spawner.spawners.remains import ProcessRemains

_LAB_CONFIG = Path(__file__).parent / "local_config"
_LOOPBACK = "127.0.0.1"
_TRY_AGAIN = "Try again; if it happens again, tell the people who run this hub."


def _how(code: int) -> str:
    """How a process ended, in words."""
    return f"exit code {code}" if code >= 0 else f"ended from outside, signal {-code}"


def isolated(site: Site) -> bool:
    """Whether this site's local servers are isolated from each other."""
    return site.config.local.isolation != "none" and bubblewrap.bubblewrap_works()


def isolation_warning(site: Site) -> str:
    """The banner of a hub whose local servers are not isolated; empty if they are."""
    if isolated(site):
        return ""
    reason = bubblewrap.why_not() if site.config.local.isolation != "none" else "the site's configuration says so"
    return (
        "This mode isolates nobody: every server can read and write what the hub's own account can, the data of other "
        f"proposals included. It is for trying only. Why: {reason}."
    )


class PanoscLocalSpawner(PlannedSpawner, LocalProcessSpawner):
    """Starts a plan as a local process in the hub's own Python, whatever image the environment names.

    Under bubblewrap the plan's mounts are real: raw data are read-only, other proposals are not there, and nothing of the
    hub can be seen. Without it they are links in the home (see :func:`isolation_warning`). Memory and CPU limits are
    **not** enforced: use the Docker spawner where they must be. Linux only.
    """

    proc: subprocess.Popen[bytes] | None
    process: Process | None = None
    """What the hub started: the server itself, or the bubblewrap that waits for it."""
    inner: Process | None = None
    """First process of the server's own process namespace; when it ends, the kernel ends all the others."""

    @default("cmd")
    def _default_cmd(self) -> list[str]:
        # -sP, as in the images: what lies in the home (random.py, ~/.local) must not keep the server from starting.
        return [sys.executable, "-sP", "-m", "jupyterhub.singleuser"]

    @default("env_keep")
    def _default_env_keep(self) -> list[str]:
        return ["LANG", "LC_ALL", "TZ"]

    @default("term_timeout")
    def _default_term_timeout(self) -> int:
        return 5

    async def launch(self, plan: LaunchPlan, mounts: Mapping[Mount, Path]) -> tuple[str, int]:
        """Start the process and wait until it listens. A start that fails or is cancelled leaves no process."""
        self.say(30, "Preparing your home")
        inside = self._must_isolate()
        home = await in_file_thread(HOMES, prepare_home, plan)
        if not inside:
            await in_file_thread(HOMES, self._link, home, plan, mounts)
        self.port = free_port()
        self.say(50, "Starting JupyterLab")
        try:
            offset = await self._begin(plan, mounts, home, inside)
            self.say(70, "Waiting for JupyterLab")
            await self.wait_until_listening(_LOOPBACK, self.port, lambda: self._ended_early(offset))
        except BaseException:
            await asyncio.shield(self._kill())
            self.clear_state()
            raise
        self.say(95, "Opening")
        return _LOOPBACK, self.port

    async def poll(self) -> int | None:
        """None while it runs, else its exit code (0 if that is not known any more)."""
        if self.process and self.process.alive():
            return None
        status = self._exit_code()
        if self.inner or self.process:
            self.problem = self.problem or self._why_ended(status)
            await self._kill()
            self.clear_state()
        return status

    async def stop(self, now: bool = False) -> None:
        """Ask it to end, then kill it and all that it started."""
        family = self._family()
        if self.process and not now and self.process.alive():
            # The whole group: under bubblewrap the server is a grandchild, and the ones between pass nothing on.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            await (self.inner or self.process).wait(self.term_timeout)
        await self._kill(family)
        self.clear_state()

    async def remains(self) -> ProcessRemains:
        """Its processes."""
        return ProcessRemains([process for process in (self.process, self.inner, *self._family()) if process])

    def hurry(self, seconds: int) -> None:
        """See :meth:`PlannedSpawner.hurry`."""
        self.set_trait("term_timeout", min(self.term_timeout, seconds))

    def get_env(self) -> dict[str, str]:
        """What the server needs, and none of the hub's own environment."""
        env = super().get_env()
        inside = self._isolated()
        env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"])
        env["JUPYTER_CONFIG_PATH"] = str(bubblewrap.CONFIG_TARGET if inside else _LAB_CONFIG)
        if inside:
            env["JUPYTER_RUNTIME_DIR"] = "/tmp/jupyter-runtime"  # noqa: S108 - the server's own /tmp
        env.setdefault("LANG", "C.UTF-8")
        return env

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """The account's variables. Called by ``get_env``."""
        if self.plan:
            account, home = self.plan.account, self.plan.home
            env |= {"USER": account.name, "LOGNAME": account.name, "SHELL": "/bin/bash"}
            env["HOME"] = str(home.target) if self._isolated() else str(Path(home.source).resolve())
        return env

    def get_args(self) -> list[str]:
        """Arguments of the server."""
        args: list[str] = super().get_args()
        if self._isolated():
            # The network is shared with the other servers; sockets in the server's own /tmp are not.
            return [*args, "--KernelManager.transport=ipc"]
        return args if os.geteuid() else [*args, "--allow-root"]

    def get_state(self) -> dict[str, Any]:
        """What finds the processes again."""
        state = super().get_state()
        for name, process in (("process", self.process), ("inner", self.inner)):
            if process:
                state[name] = {"pid": process.pid, "born": process.born}
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Read :meth:`get_state` back."""
        super().load_state(state)
        self.process, self.inner = (
            Process(int(kept["pid"]), str(kept["born"])) if (kept := state.get(name)) else None
            for name in ("process", "inner")
        )

    def clear_state(self) -> None:
        """Forget the processes."""
        super().clear_state()
        self.process = self.inner = self.proc = None

    def _isolated(self) -> bool:
        return isolated(self.context.site)

    def _must_isolate(self) -> bool:
        inside = self._isolated()
        if self.context.site.config.local.isolation == "bubblewrap" and not inside:
            raise Refused(
                Refusal(
                    Reason.ENGINE_DOWN,
                    f"This hub isolates servers with bubblewrap, which cannot be used now: {bubblewrap.why_not()}.",
                    "Tell the people who run this hub.",
                )
            )
        return inside

    def _link(self, home: Path, plan: LaunchPlan, mounts: Mapping[Mount, Path]) -> None:
        others = {
            ref
            for spawner in self.user.spawners.values()
            if spawner is not self and isinstance(spawner, PanoscLocalSpawner)
            for ref in spawner.summary.get("proposals", ())
        }
        try:
            make_links(home, plan, mounts, keep=others)
        except OSError as error:
            raise Refused(
                Refusal(
                    Reason.NO_HOME,
                    f"The links to your data could not be made in your home: {error}.",
                    "Move away what you put in the directory 'proposals' of your home, and try again.",
                )
            ) from error

    async def _begin(self, plan: LaunchPlan, mounts: Mapping[Mount, Path], home: Path, inside: bool) -> int:
        """Start the process; returns where in the log it begins to write."""
        command = [*self.cmd, *self.get_args()]
        if not inside:
            # Links lead out of the home; the HDF5 viewer goes nowhere else than it is told.
            command += [f"--PanoscHDF5.extra_roots={directory}" for directory in mounts.values()]
        log = open_log(self._log_file())
        receive, send = os.pipe()
        try:
            offset = os.lseek(log, 0, os.SEEK_END)
            if inside:
                command = bubblewrap.sandbox(plan, mounts, self._surroundings(plan, home), command, send)
            self.proc = subprocess.Popen(
                command,
                env=self.get_env(),
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(send,) if inside else (),
            )
            self.pid = self.proc.pid
            self.process = Process.now(self.proc.pid)
        except BaseException:
            os.close(receive)
            raise
        finally:
            os.close(log)
            os.close(send)
        self.inner = await asyncio.to_thread(bubblewrap.first_process, receive)
        return offset

    def _surroundings(self, plan: LaunchPlan, home: Path) -> bubblewrap.Surroundings:
        site = self.context.site
        state = site.config.hub.state_dir.resolve()
        roots = {Path(facility.paths.root) for facility in site.facilities.values() if facility.paths}
        return bubblewrap.Surroundings(
            home=home,
            accounts=write_account_files(state / "accounts" / plan.username, plan.account),
            config=_LAB_CONFIG,
            python=bubblewrap.python_paths(),
            hidden=(*map(Path, site.config.local.hide), *sorted(roots), state, home.parent, site.folder.resolve()),
        )

    def _log_file(self) -> Path:
        name = f"{self.user.name}-{self.name}" if self.name else str(self.user.name)
        return self.context.site.config.hub.state_dir.resolve() / "logs" / f"{name}.log"

    def _log_end(self, offset: int = 0) -> str:
        """The last lines of its log, as they may be shown."""
        return last_lines(tail(self._log_file(), offset).encode(), [self.api_token])

    async def _ended_early(self, offset: int) -> Refusal | None:
        if self.process and self.process.alive():
            return None
        code = self._exit_code()
        return Refusal(
            Reason.SERVER_FAILED,
            f"JupyterLab ended while it was starting ({_how(code)}).",
            _TRY_AGAIN,
            self._log_end(offset),
        )

    def _why_ended(self, code: int) -> Refusal | None:
        if code == 0:
            return None
        return Refusal(
            Reason.SERVER_FAILED,
            f"JupyterLab ended unexpectedly ({_how(code)}).",
            "Open the proposal again; your files are as you saved them.",
            self._log_end(),
        )

    def _exit_code(self) -> int:
        """The exit code, if the process is this hub's child; this also lets the kernel forget it."""
        status = self.proc.poll() if self.proc else None
        return status or 0

    def _family(self) -> list[Process]:
        return descendants(self.process.pid) if self.process and self.process.alive() and not self.inner else []

    async def _kill(self, family: list[Process] | None = None) -> None:
        """End whatever is left of the server."""
        family = family if family is not None else self._family()
        processes = [process for process in (self.process, self.inner, *family) if process]
        if stubborn := await end(processes, self.kill_timeout):
            self.log.error("Processes that do not end: %s", [process.pid for process in stubborn])
        if self.proc:
            # Its first thread can be over while others still end; until then there is no exit code to take.
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self.proc.wait, self.kill_timeout)
