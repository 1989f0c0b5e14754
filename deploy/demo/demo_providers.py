"""The demo's login services: that of its community, and a university's, both on loopback."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from demo_site import HERE, PERSONAS, UNIVERSITY_PERSONAS, Folders, Ports, ensure_secret


@dataclass(frozen=True)
class LoginService:
    """One of them: its command, and the address where it answers."""

    name: str
    issuer: str
    command: tuple[str | Path, ...]


def login_services(folders: Folders, ports: Ports) -> tuple[LoginService, LoginService]:
    """Both, the community's first. Their people are copied beneath ``.demo``, where they can be suspended."""
    for secret in (folders.client_secret, folders.control_token):
        ensure_secret(secret)  # before both processes would make it at the same time
    shutil.copyfile(PERSONAS, folders.personas)
    shutil.copyfile(UNIVERSITY_PERSONAS, folders.university_personas)
    return (
        _service("login service", "Demo", folders, ports, ports.provider, folders.personas, community=""),
        _service(
            "university's login service",
            "University of Example",
            folders,
            ports,
            ports.university,
            folders.university_personas,
            community="/university",
        ),
    )


def _service(
    name: str, title: str, folders: Folders, ports: Ports, port: int, personas: Path, *, community: str
) -> LoginService:
    issuer, hub = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{ports.public}/hub"
    return LoginService(
        name,
        issuer,
        (
            *(sys.executable, HERE / "provider.py", "--port", str(port), "--issuer", issuer, "--title", title),
            *("--personas", personas, "--client-secret-file", folders.client_secret),
            *("--control-token-file", folders.control_token),
            *("--redirect-uri", f"{hub}/oauth_callback{community}"),
            *("--backchannel-logout-uri", f"{hub}/backchannel-logout{community}"),
            *("--exchange-audience", "demo-catalogue"),
        ),
    )
