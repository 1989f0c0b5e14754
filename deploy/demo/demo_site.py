"""The demo's site folder, generated: the sources of ``site/`` with today's date, the ports, and where things lie."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from string import Template

HERE = Path(__file__).resolve().parent
PERSONAS = HERE / "personas.toml"
UNIVERSITY_PERSONAS = HERE / "personas-university.toml"
_FIRST_UID = 20001


@dataclass(frozen=True)
class Ports:
    """Where the demo listens, all on loopback."""

    public: int
    provider: int
    hub: int
    proxy_api: int
    university: int
    portal: int
    photons: int
    neutrons: int


@dataclass(frozen=True)
class Folders:
    """What the demo keeps beneath ``.demo``."""

    demo: Path
    spawner: str

    @property
    def hub_id(self) -> str:
        """Another for each folder: two demos on one machine must not take each other's containers for their own."""
        return f"demo-{hashlib.sha256(str(self.demo).encode()).hexdigest()[:6]}"

    @property
    def data(self) -> Path:
        """The facilities' trees."""
        return self.demo / "data"

    @property
    def homes(self) -> Path:
        """The personas' homes; each spawner's own, since the owners on disk differ."""
        return self.demo / f"homes-{self.spawner}"

    @property
    def state(self) -> Path:
        """The hub's database and secrets; each spawner's own."""
        return self.demo / f"state-{self.spawner}"

    @property
    def site(self) -> Path:
        """The generated site folder."""
        return self.demo / "site"

    @property
    def logs(self) -> Path:
        """Logs of the hub and the provider."""
        return self.demo / "logs"

    @property
    def client_secret(self) -> Path:
        """The hub's secret at the provider."""
        return self.demo / "secrets" / "client-secret"

    @property
    def control_token(self) -> Path:
        """What the login services' operator proves to be one with (``provider_control.py``)."""
        return self.demo / "secrets" / "control-token"

    @property
    def personas(self) -> Path:
        """The people of the login service as they are now: copied at each start, to be changed while the demo runs."""
        return self.demo / "personas.toml"

    @property
    def university_personas(self) -> Path:
        """Those of the university's."""
        return self.demo / "personas-university.toml"


def personas() -> dict[str, dict[str, object]]:
    """The demo's people, by their short names."""
    return tomllib.loads(PERSONAS.read_text())


def write_site(folders: Folders, ports: Ports, now: datetime, more: str = "") -> Path:
    """Write the site folder anew and return it; ``more`` is TOML for the end of its ``site.toml``."""
    people = personas()
    values = _values(folders, ports, people, now)
    shutil.rmtree(folders.site, ignore_errors=True)
    for source in sorted((HERE / "site").rglob("*")):
        target = folders.site / source.relative_to(HERE / "site")
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        elif source.suffix == ".in":
            target.parent.mkdir(parents=True, exist_ok=True)
            target.with_suffix("").write_text(Template(source.read_text()).substitute(values))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    with (folders.site / "site.toml").open("a") as site:
        site.write(f"{_accounts(people)}\n{more}")
    return folders.site


def ensure_secret(file: Path) -> None:
    """Make a secret of 64 hex digits once, in a file that only its owner can read."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w") as secret:
        secret.write(secrets.token_hex(32))


def _values(
    folders: Folders, ports: Ports, people: Mapping[str, Mapping[str, object]], now: datetime
) -> dict[str, str]:
    end = now.replace(hour=23, minute=59, second=0, microsecond=0)
    return {name: str(person["id"]) for name, person in people.items()} | {
        "hub_id": folders.hub_id,
        "spawner": folders.spawner,
        "port": str(ports.public),
        "hub_port": str(ports.hub),
        "proxy_api_port": str(ports.proxy_api),
        "provider_port": str(ports.provider),
        "university_port": str(ports.university),
        "portal_port": str(ports.portal),
        "photons_port": str(ports.photons),
        "neutrons_port": str(ports.neutrons),
        "state": str(folders.state),
        "homes": str(folders.homes),
        "data": str(folders.data),
        "demo": str(folders.demo),
        "client_secret": str(folders.client_secret),
        "today_ends": end.isoformat(),
    }


def _accounts(people: Mapping[str, Mapping[str, object]]) -> str:
    lines = ["", "[account]", 'kind = "table"']
    for uid, (name, person) in enumerate(people.items(), start=_FIRST_UID):
        lines += ["", f'[account.people."{person["id"]}"]', f'name = "{name}"', f"uid = {uid}", f"gid = {uid}"]
    return "\n".join([*lines, ""])
