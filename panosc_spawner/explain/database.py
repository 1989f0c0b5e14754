"""Somebody's last login and running servers, from the hub's own database, read only; for commands beside the hub."""

from __future__ import annotations

import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.fernet import InvalidToken
from jupyterhub import orm
from jupyterhub.crypto import CryptKeeper
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from panosc_spawner.errors import IdentityError, PanoscError
from panosc_spawner.explain.model import Running
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.person import Person

FILE, KEY = "hub.sqlite", "crypt-key"


class HubDatabaseError(PanoscError):
    """The hub's database, or its key, is there and cannot be read."""


@dataclass(frozen=True)
class StoredLogin:
    """What the hub keeps of somebody. No person: their login has ended. No token leaves this module."""

    person: Person | None
    acr: str
    running: tuple[Running, ...]


def last_login(site: Site, username: str) -> StoredLogin | None:
    """What is kept of a user; None if there is no such user, or no database yet.

    Raises:
        HubDatabaseError: if it cannot be read.
    """
    file = site.config.hub.state_dir / FILE
    try:
        if not file.exists():
            return None
        engine = create_engine(f"sqlite:///file:{file}?mode=ro&uri=true")
        try:
            with Session(engine) as session:
                user = session.query(orm.User).filter_by(name=username).first()
                if user is None:
                    return None
                state = _decrypted(site, user.encrypted_auth_state)
                # JupyterHub's relation; the public one is a dictionary by name.
                running = tuple(_running(spawner) for spawner in user._orm_spawners if spawner.server_id is not None)
        finally:
            engine.dispose()
    except (OSError, SQLAlchemyError) as error:
        reason = str(getattr(error, "orig", None) or error)
        raise HubDatabaseError(f"The hub's database {file} cannot be read: {reason}.") from error
    return StoredLogin(_person(state), _acr(state), running)


def _decrypted(site: Site, encrypted: bytes | None) -> Mapping[str, Any]:
    if encrypted is None:
        return {}
    file = site.config.hub.state_dir / KEY
    try:
        keeper = CryptKeeper(keys=[bytes.fromhex(file.read_text("ascii").strip())])
        state = keeper._decrypt(encrypted)  # what JupyterHub's decrypt does in a thread; there is no loop here
    except OSError as error:
        raise HubDatabaseError(f"The key {file} cannot be read: {error.strerror}.") from error
    except (ValueError, binascii.Error, InvalidToken, json.JSONDecodeError) as error:
        raise HubDatabaseError(f"The key {file} does not open what the hub's database holds.") from error
    return state if isinstance(state, dict) else {}


def _person(state: Mapping[str, Any]) -> Person | None:
    try:
        return Person.from_state(state["person"])
    except (KeyError, IdentityError):
        return None


def _acr(state: Mapping[str, Any]) -> str:
    login = state.get("login")
    acr = login.get("acr") if isinstance(login, dict) else ""
    return acr if isinstance(acr, str) else ""


def _running(spawner: Any) -> Running:
    state = spawner.state if isinstance(spawner.state, dict) else {}
    summary = state.get("panosc")
    proposals = summary.get("proposals") if isinstance(summary, dict) else ()
    return Running(str(spawner.name), tuple(map(str, proposals or ())))
