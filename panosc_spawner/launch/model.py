"""What a launch is: what was asked for, and the plan or the refusal that comes of it. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath

from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Area, Environment
from panosc_spawner.facilities.site import Limits
from panosc_spawner.identity.person import Account


@dataclass(frozen=True)
class Selection:
    """What a person asked for. ``environment`` is ``<facility>/<id>`` or empty for the suggested one."""

    proposals: tuple[ProposalRef, ...]
    environment: str = ""
    memory: int | None = None  # bytes
    cpu: float | None = None  # cores
    gpus: int | None = None


@dataclass(frozen=True)
class Mount:
    """A directory of a proposal in the server. ``source`` must resolve beneath ``root`` when it is mounted."""

    source: PurePosixPath
    root: PurePosixPath
    target: PurePosixPath
    read_only: bool
    required: bool
    proposal: ProposalRef
    area: Area


@dataclass(frozen=True)
class HomeMount:
    """The person's home: a directory or a volume."""

    kind: str  # "path" | "volume"
    source: str
    target: PurePosixPath
    create: bool


@dataclass(frozen=True)
class LaunchPlan:
    """All that a spawner needs to start a server; it only translates it for its engine."""

    username: str
    proposals: tuple[ProposalRef, ...]
    environment_id: str  # <facility>/<id>
    environment: Environment
    account: Account
    home: HomeMount
    mounts: tuple[Mount, ...]
    start_pages: tuple[PurePosixPath, ...]  # opened in JupyterLab: the first that exists; relative to home
    variables: Mapping[str, str]
    limits: Limits
    labels: Mapping[str, str]
    warnings: tuple[str, ...]
    ends_at: datetime


class Reason(StrEnum):
    """Why a launch was refused; the hub's metrics count these. Never 'error' or 'timeout': the hub keeps those for itself."""

    BAD_REQUEST = "bad-request"
    NO_PROPOSAL = "no-proposal-chosen"
    NOT_GRANTED = "not-granted"
    NOT_YET = "not-yet"
    ENDED = "grant-ended"
    STALE = "grant-too-old"
    NO_AREA = "no-area"
    BAD_PATH = "bad-path"
    NO_ENVIRONMENT = "no-environment"
    NO_ACCOUNT = "no-account"
    ACCOUNTS_DIFFER = "accounts-differ"
    SYSTEM_ACCOUNT = "system-account"
    TOO_MUCH = "over-limit"
    TOO_LITTLE = "under-minimum"
    MISSING_DIRECTORY = "missing-directory"
    MISSING_IMAGE = "missing-image"
    NO_HOME = "no-home"
    ENGINE_DOWN = "engine-down"
    SERVER_FAILED = "server-failed"
    OUT_OF_MEMORY = "out-of-memory"
    LOGIN_EXPIRED = "login-expired"
    SOURCE_DOWN = "source-down"
    REVOKED = "access-removed"  # of a running server: a proposal in it is not the person's any more
    LOGIN_ENDED = "login-ended"  # of a running server: the login service, or this hub, ended the login
    SHARED = "shared"


@dataclass(frozen=True)
class Refusal:
    """A launch that may not or cannot be: what happened and why, and what the person can do."""

    reason: Reason
    message: str
    remedy: str
    details: str = ""  # folded on the page: the last lines of a log

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()
