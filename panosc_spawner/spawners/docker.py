"""Servers as Docker containers: a plan's mounts, limits and account, and nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from docker import APIClient
from docker.errors import APIError, DockerException, NotFound
from dockerspawner import DockerSpawner
from requests.exceptions import RequestException
from traitlets import Int, default

from panosc_spawner.launch.model import LaunchPlan, Mount, Reason, Refusal
from panosc_spawner.spawners import docker_failures as failures
from panosc_spawner.spawners import turns
from panosc_spawner.spawners.base import PlannedSpawner
from panosc_spawner.spawners.docker_container import HUB_LABEL, ContainerRequest, container_request, labels_match
from panosc_spawner.spawners.docker_engine import Engine, is_status
from panosc_spawner.spawners.docker_mounts import mounts_differ
from panosc_spawner.spawners.docker_network import network_name
from panosc_spawner.spawners.docker_phases import Phases
from panosc_spawner.spawners.docker_pull import PullError
from panosc_spawner.spawners.docker_remains import ContainerRemains, find_remains, stop_and_remove
from panosc_spawner.spawners.docker_shared import Shared
from panosc_spawner.spawners.file_threads import in_file_thread, place_of
from panosc_spawner.spawners.interrupt import CANCELLED
from panosc_spawner.spawners.log_lines import LOG_LINES, last_lines
from panosc_spawner.spawners.refused import Refused
from panosc_spawner.spawners.turns import finished

T = TypeVar("T")

_DOCKER_ERRORS = (DockerException, RequestException, ConnectionError)
_POLL_TRIES, _POLL_PAUSE, _POLL_SECONDS = 3, 0.5, 15.0
_NAME_TRIES = 4


class PanoscDockerSpawner(PlannedSpawner, DockerSpawner):
    """Starts the container of a :class:`LaunchPlan`.

    Only the names, the state and the traits are dockerspawner's. Its way to create, poll, stop and pull is replaced:
    see ``docker_container`` for what a container may do, ``docker_engine`` for how Docker is called.
    """

    stop_seconds = Int(
        8,
        min=0,
        max=60,
        help="""Seconds a server may take to end by itself when it is stopped; then it is killed.

        JupyterLab needs one or two to end its kernels. While it waits, nothing else does: stops have threads of their own.
        ::

            c.PanoscDockerSpawner.stop_seconds = 20
        """,
    ).tag(config=True)

    shared_by_hub: ClassVar[dict[tuple[str, Path], Shared]] = {}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.remove = True  # a container is never used twice: it would keep its old mounts, environment and token
        self.phases = Phases()
        self._starting: asyncio.Task[tuple[str, int]] | None = None
        self._unfinished: list[asyncio.Future[Any]] = []  # work in threads, that goes on when the start is cancelled
        self._silent = False  # the daemon did not answer our last poll

    @default("prefix")
    def _prefix_default(self) -> str:
        return f"panosc-{self.context.site.config.hub.id}"

    @default("network_name")
    def _network_name_default(self) -> str:
        return network_name(self.context.site)

    @property
    def shared(self) -> Shared:
        """What this hub's spawners share; made when it is first needed."""
        hub, docker = self.context.site.config.hub, self.context.site.config.docker
        key = (hub.id, hub.state_dir)
        if key not in self.shared_by_hub:
            self.shared_by_hub[key] = Shared(docker, {HUB_LABEL: hub.id}, hub.state_dir)
        return self.shared_by_hub[key]

    @property
    def engine(self) -> Engine:
        """The Docker daemon."""
        return self.shared.engine

    @property
    def executor(self) -> Any:
        """The threads of what dockerspawner itself still calls."""
        return self.engine.quick

    @property
    def client(self) -> APIClient:
        """This thread's client, for what dockerspawner itself still calls."""
        return self.engine.client()

    async def decide(self) -> LaunchPlan:
        """The plan; the time it takes is the first phase."""
        if not self._starting:
            self.phases = Phases()
        plan = await super().decide()
        self.phases.end("decide")
        return plan

    async def launch(self, plan: LaunchPlan, mounts: Mapping[Mount, Path]) -> tuple[str, int]:
        """Start the plan's container. A start that fails, is cancelled or times out leaves nothing behind."""
        self._starting = asyncio.create_task(self._start(plan, mounts))
        try:
            return await self._starting
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task and task.cancelling():
                raise
            raise Refused(CANCELLED) from None
        finally:
            self._starting = None

    async def poll(self) -> int | None:
        """None while the server runs, its exit code when it does not.

        A daemon that does not answer, or answers with an error of its own, says nothing about the server, which is then
        taken to be running still.
        """
        if self._starting:
            return None
        if not self.object_id:
            return 0
        try:
            async with asyncio.timeout(_POLL_SECONDS):
                found = await self._inspect_patiently()
        except Exception as error:  # the hub takes any exception for "gone", and forgets the server
            if not self._silent:
                self.log.warning(
                    "Docker does not answer about %s, which is taken to be running: %s", self._log_name, error
                )
            self._silent = True
            return None
        self._silent = False
        state = found["State"] if found else {"Status": "gone"}
        if state.get("Running"):
            return None
        return await self._ended_by_itself(state)

    async def stop(self, now: bool = False) -> None:
        """Stop the server and remove its container; the home stays. A start under way is cancelled.

        Raises:
            Refused: if Docker does not answer; the server is then not forgotten.
        """
        if self._starting:
            starting = self._starting
            starting.cancel()
            await asyncio.wait([starting])
        if self.object_id:
            try:
                await self.engine.run_slow(stop_and_remove, self.object_id, 0 if now else self.stop_seconds)
            except _DOCKER_ERRORS as error:
                self.log.error("Docker could not stop %s: %s", self._log_name, failures.docker_said(error))
                raise Refused(failures.ENGINE_DOWN) from error
        self._forget()
        self.clear_state()

    async def remains(self) -> ContainerRemains:
        """Its containers: the one the hub knows, and any other with its labels."""
        return await find_remains(
            self.engine, self.object_id, self.context.site.config.hub.id, self.user.name, self.name
        )

    def hurry(self, seconds: int) -> None:
        """See :meth:`PlannedSpawner.hurry`."""
        self.stop_seconds = min(self.stop_seconds, seconds)

    async def _start(self, plan: LaunchPlan, mounts: Mapping[Mount, Path]) -> tuple[str, int]:
        self.phases.end("data")
        try:
            plan, mounts, image = await self._with_image(plan, mounts)
            async with self.shared.turns.turn(self._say_place) as waited:
                if waited:
                    self.phases.end("turn")
                    plan, mounts, image = await self._with_image(*await self.decide_again())
                ip = await self._run(plan, mounts, image)
        except BaseException as error:
            await finished(self._leave_nothing())
            if isinstance(error, _DOCKER_ERRORS):
                self.log.error("Docker refused to start %s: %s", self._log_name, failures.docker_said(error))
                raise Refused(failures.why_not_started(error, plan)) from error
            raise
        self.summary["phases"] = dict(self.phases.seconds)
        self.log.info("Started %s in %s", self._log_name, self.phases)
        self.say(95, "Opening JupyterLab")
        return ip, self.port

    def _say_place(self, before: int) -> None:
        if words := turns.place_in_words(before):
            self.say(20, words)

    async def _run(self, plan: LaunchPlan, mounts: Mapping[Mount, Path], image: Mapping[str, Any]) -> str:
        """Create and start the container, and wait until it listens; returns its address."""
        request = await self._prepare(plan, mounts, image)
        self.phases.end("prepare")
        self.say(70, "Starting JupyterLab")
        await self._create(request)
        self.phases.end("create")
        await self.engine.call("start", self.object_id)
        ip = await self._address(mounts)
        self.phases.end("start")
        await self.wait_until_listening(ip, self.port, self._ended_while_starting)
        self.phases.end("listen")
        return ip

    async def _with_image(
        self, plan: LaunchPlan, mounts: Mapping[Mount, Path]
    ) -> tuple[LaunchPlan, Mapping[Mount, Path], Mapping[str, Any]]:
        """The plan's image beside it. Where it had to be downloaded, the plan is made anew."""
        while (image := await self._image(plan)) is None:
            plan, mounts = await self.decide_again()
        self.phases.end("image")
        return plan, mounts, image

    async def _image(self, plan: LaunchPlan) -> Mapping[str, Any] | None:
        """The plan's image as Docker knows it; None if it was downloaded just now, as the facility allows."""
        name = plan.environment.image
        try:
            return await self._inspect_image(name)
        except NotFound:
            if plan.environment.pull == "never":
                raise Refused(failures.missing_image(plan)) from None
        try:
            await self.shared.pulls.pull(name, self.say)
            await self._inspect_image(name)
            return None
        except (PullError, NotFound) as error:
            self.log.error("The image %s could not be downloaded: %s", name, error)
            raise Refused(failures.not_downloaded(plan, str(error))) from error

    async def _inspect_image(self, name: str) -> Mapping[str, Any]:
        image: Mapping[str, Any] = await self.engine.call("inspect_image", name)
        return image

    async def _prepare(
        self, plan: LaunchPlan, mounts: Mapping[Mount, Path], image: Mapping[str, Any]
    ) -> ContainerRequest:
        """Make the home and the overlay ready, and put the request for the container together."""
        self.image = plan.environment.image
        self.mem_limit, self.cpu_limit = int(plan.limits.memory), float(plan.limits.cpu)
        await self.shared.homes.prepare(self.engine, plan)
        try:
            overlay = await self._see_through(self._write_overlay(plan, str(image["Id"])))
        except OSError as error:
            self.log.error("The account files of %s cannot be written: %s", self._log_name, error)
            raise Refused(
                Refusal(
                    Reason.SERVER_FAILED,
                    "The hub's own disk cannot be written to.",
                    "Tell the people who run this hub.",
                )
            ) from error
        return container_request(
            plan,
            mounts,
            name=self.object_name,
            server=self.name,
            network=self.network_name,
            docker=self.context.site.config.docker,
            command=[
                *(self.cmd or (image.get("Config") or {}).get("Cmd") or ["jupyterhub-singleuser"]),
                *self.get_args(),
            ],
            environment=self.get_env(),
            overlay=overlay,
        )

    async def _write_overlay(self, plan: LaunchPlan, image: str) -> dict[str, Path]:
        overlays, name, home = self.shared.overlays, self.object_name, str(plan.home.target)
        return await self.engine.run(lambda client: overlays.write(client, name, image, plan.account, home))

    async def _see_through(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for work that a thread does; when the start is cancelled, clean-up waits for it first."""
        future = asyncio.ensure_future(work)
        self._unfinished.append(future)
        return await asyncio.shield(future)

    async def _create(self, request: ContainerRequest) -> None:
        """Create the container. One of the same name that was this server's before is removed first.

        Raises:
            Refused: if the name is taken by a container that is not this server's.
        """
        for _ in range(_NAME_TRIES):
            try:
                return await self._see_through(self._create_once(request))
            except APIError as error:
                if not is_status(error, 409):
                    raise
            await self._make_way(request.create["labels"])
        raise Refused(failures.name_taken(self.object_name))

    async def _create_once(self, request: ContainerRequest) -> None:
        self.object_id = await self.engine.run(create, request)

    async def _make_way(self, labels: Mapping[str, str]) -> None:
        try:
            found = await self.engine.call("inspect_container", self.object_name)
        except NotFound:
            return
        if not labels_match(found["Config"].get("Labels"), labels):
            raise Refused(failures.name_taken(self.object_name))
        self.log.warning("Removing %s, left over from an earlier server", self.object_name)
        await self.engine.run_slow(stop_and_remove, found["Id"], 2)

    async def _address(self, mounts: Mapping[Mount, Path]) -> str:
        """Where the container is on the hub's network; it is looked at once, and must have the mounts that were checked.

        Raises:
            Refused: if it has not, or has ended, and has no address: why; or if the data's file system does not answer.
        """
        found = await self.engine.call("inspect_container", self.object_id)
        ip = found["NetworkSettings"]["Networks"].get(self.network_name, {}).get("IPAddress")
        if ip:
            pid = int(found["State"].get("Pid") or 0)
            place = place_of(mount.proposal.facility for mount in mounts)
            if mounts and (differ := await in_file_thread(place, mounts_differ, pid, self.object_id, mounts)):
                self.log.error("%s: what was mounted is not what was checked: %s", self._log_name, differ.message)
                raise Refused(differ)
            return str(ip)
        if refusal := await self._why_ended(found["State"], starting=True):
            raise Refused(refusal)
        raise Refused(failures.ENGINE_DOWN)

    async def _inspect_patiently(self) -> Mapping[str, Any] | None:
        """The container as Docker sees it, None if it is gone; asked again when the daemon itself has a problem."""
        for left in reversed(range(_POLL_TRIES)):
            try:
                found: Mapping[str, Any] = await self.engine.call("inspect_container", self.object_id)
                return found
            except NotFound:
                return None
            except Exception:
                if not left:
                    raise
            await asyncio.sleep(_POLL_PAUSE)
        raise AssertionError("unreachable")

    async def _ended_while_starting(self) -> Refusal | None:
        """For :meth:`wait_until_listening`: why the container has ended already."""
        try:
            found = await self._inspect_patiently()
        except _DOCKER_ERRORS:
            return None
        if found and found["State"].get("Running"):
            return None
        return await self._why_ended(found["State"] if found else {}, starting=True)

    async def _ended_by_itself(self, state: Mapping[str, Any]) -> int:
        if state.get("Status") == "gone":
            self.log.warning("The container of %s is gone; something other than the hub removed it", self._log_name)
            self._forget()
            return 0
        self.problem = await self._why_ended(state, starting=False)
        if self.problem:
            self.log.warning("%s: %s\n%s", self._log_name, self.problem.message, self.problem.details)
        await self._leave_nothing()
        return int(state.get("ExitCode") or 0)

    async def _why_ended(self, state: Mapping[str, Any], starting: bool) -> Refusal | None:
        log = b""
        with suppress(*_DOCKER_ERRORS):
            log = await self.engine.call("logs", self.object_id, tail=LOG_LINES)
        memory = int(self.summary.get("memory") or 0)
        return failures.why_ended(state, memory, last_lines(log, [self.api_token]), starting)

    async def _leave_nothing(self) -> None:
        """Remove whatever there is of this server but its home. What cannot be removed now, the keeper removes later."""
        await asyncio.gather(*self._unfinished, return_exceptions=True)
        if self.object_id:
            try:
                await self.engine.run_slow(stop_and_remove, self.object_id, 0)
            except _DOCKER_ERRORS as error:
                self.log.warning("%s could not be removed yet: %s", self.object_name, failures.docker_said(error))
        self._forget()

    def _forget(self) -> None:
        self.shared.overlays.remove(self.object_name)
        self.object_id = ""
        self._unfinished.clear()


def create(client: APIClient, request: ContainerRequest) -> str:
    """Create a container; returns its id."""
    host_config = client.create_host_config(**request.host)
    return str(client.create_container(**request.create, host_config=host_config)["Id"])
