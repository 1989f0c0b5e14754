"""Globus: a person's own transfer from a facility's collection to a collection of theirs, started from here in their name.

Without a registration at Globus, the portal gives a link to Globus's own page with the folder chosen. With one, it submits the
transfer itself. It holds a person's Globus token in memory alone, and asks for no refresh tokens: a transfer, once submitted,
needs neither the portal nor the token.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from panosc_portal.errors import HubError
from panosc_portal.hub import ProposalData
from panosc_portal.moving.plan import located
from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.portal_transfer_rules import GlobusClient, GlobusCollection
from panosc_spawner.secret_file import read_secret

WEB = "https://app.globus.org"
AUTHORIZE = "https://auth.globus.org"
TRANSFER = "transfer.api.globus.org"
ALL = "urn:globus:auth:scope:transfer.api.globus.org:all"
LOGIN_SECONDS = 600
_MOST = 1000
_SECONDS = 15.0
"""For one answer of Globus."""
_SCOPE = re.compile(r"[\x21-\x7e]{1,300}")
_DOMAIN = re.compile(r"[a-z0-9.-]{1,100}")

T = TypeVar("T")


@dataclass(frozen=True)
class Source:
    """A folder of a proposal in a collection: ``path`` is the collection's own, with slashes around it."""

    collection: GlobusCollection
    path: str
    shown: str

    @property
    def link(self) -> str:
        """Globus's page with this folder chosen."""
        return f"{WEB}/file-manager?" + urlencode(
            {"origin_id": str(self.collection.collection), "origin_path": self.path}
        )


class ConsentNeeded(HubError):
    """Globus wants the person to agree to something first.

    Attributes:
        scopes: to what.
        domain: log in with an identity of it.
    """

    def __init__(self, message: str, scopes: Sequence[str] = (), domain: str = "") -> None:
        super().__init__(409, message, "Press the button to go to Globus, agree there, and come back.")
        self.scopes = tuple(scope for scope in scopes if _SCOPE.fullmatch(scope))[:20]
        self.domain = domain if _DOMAIN.fullmatch(domain) else ""


def sources(collections: Sequence[GlobusCollection], data: ProposalData, paths: Sequence[str]) -> list[Source]:
    """Where the chosen folders are in collections. What lies outside of a collection's root is in none."""
    found = []
    for path in paths or ("",):
        for area, below in located(data, path):
            full = PurePosixPath(area.path) / below
            for collection in collections:
                root = PurePosixPath(collection.root)
                if collection.facility == data.ref.partition("/")[0] and full.is_relative_to(root):
                    inside = str(full.relative_to(root)).removeprefix(".")
                    name = f"{area.area}/{area.label}/{below}" if area.label else f"{area.area}/{below}"
                    found.append(Source(collection, f"/{inside}/".replace("//", "/"), name.rstrip("/")))
    return found


@dataclass
class _Begun:
    username: str
    flow: Any
    following: str
    at: float


@dataclass
class Globus:
    """The portal as a client of Globus. Calls run in threads: the SDK blocks.

    Raises:
        ConfigurationError: if globus-sdk is not installed, or the secret cannot be read.
    """

    rule: GlobusClient
    folder: Path
    _begun: dict[str, _Begun] = field(default_factory=dict)
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "globus"))

    def __post_init__(self) -> None:
        try:
            import globus_sdk
        except ImportError as error:
            raise ConfigurationError(
                self.folder / "site.toml",
                "portal.transfer.client",
                "needs globus-sdk, which is not installed",
                "pip install 'panosc-portal[globus]', or remove the client: people then get a link to Globus",
            ) from error
        self._sdk = globus_sdk
        name = str(self.rule.id)
        self._auth: Any
        if self.rule.secret_file:
            secret = read_secret(self.folder / self.rule.secret_file, "secret of the Globus client")
            self._auth = globus_sdk.ConfidentialAppAuthClient(name, secret.get_secret_value(), **self._patience())
        else:
            self._auth = globus_sdk.NativeAppAuthClient(name, **self._patience())

    def begin(self, username: str, redirect: str, following: str, scopes: Sequence[str], domain: str = "") -> str:
        """The address at Globus where a person agrees. It sends them back to ``redirect``, and then they go to ``following``."""
        self._forget_old()
        state = secrets.token_urlsafe(24)
        wanted = list(dict.fromkeys(scope for scope in scopes if _SCOPE.fullmatch(scope)))
        if not any(scope.startswith(ALL) for scope in wanted):
            wanted.insert(0, ALL)
        if self.rule.secret_file:
            flow = self._auth.oauth2_start_flow(redirect, wanted, state=state)
        else:
            flow = self._auth.oauth2_start_flow(wanted, redirect_uri=redirect, state=state)
        self._begun[state] = _Begun(username, flow, following, time.monotonic())
        more = {"session_required_single_domain": domain} if domain else {}
        return str(flow.get_authorize_url(query_params=more or None))

    async def finish(self, username: str, state: str, code: str) -> str:
        """The person came back; where they go on.

        Raises:
            HubError: in words.
        """
        begun = self._begun.pop(state, None)
        if begun is None or begun.username != username or time.monotonic() - begun.at > LOGIN_SECONDS or not code:
            raise HubError(
                400, "This was not begun here, took longer than ten minutes, or was declined at Globus.", "Try again."
            )
        try:
            answer = await self._in_thread(begun.flow.exchange_code_for_tokens, code)
            given = answer.by_resource_server[TRANSFER]
        except self._sdk.GlobusAPIError:
            raise HubError(409, "Globus did not accept the login.", "Try again.") from None
        except (self._sdk.GlobusError, KeyError, TypeError):
            raise HubError(503, "Globus does not answer as it should.", "Try again in some minutes.") from None
        self._tokens[username] = (str(given["access_token"]), float(given["expires_at_seconds"]))
        return begun.following

    def connected(self, username: str) -> bool:
        """Whether there is a token of the person's that counts."""
        token = self._tokens.get(username)
        if token and token[1] - 60 < time.time():
            del self._tokens[username]
            token = None
        return token is not None

    def forget(self, username: str) -> None:
        """Drop the person's token: they say so, or their login ended."""
        self._tokens.pop(username, None)

    async def submit(self, username: str, items: Sequence[Source], destination: UUID, folder: str, label: str) -> str:
        """Submit a transfer of folders; the task's id.

        Raises:
            ConsentNeeded: if Globus wants the person's agreement first.
            HubError: in words.
        """
        if not self.connected(username):
            raise ConsentNeeded("Globus does not know you here (any more).")
        if len({source.collection.collection for source in items}) != 1:
            raise HubError(400, "These folders are in several collections.", "Transfer them one by one.")
        token = self._tokens[username][0]
        try:
            return await self._in_thread(self._submit, token, items, destination, folder, label)
        except self._sdk.TransferAPIError as error:
            raise self._in_words(username, error, items[0].collection) from None
        except self._sdk.GlobusError:
            raise HubError(503, "Globus does not answer.", "Try again in some minutes.") from None

    def _patience(self) -> dict[str, Any]:
        """How long the SDK waits: by itself it would try for six minutes."""
        return {
            "transport": self._sdk.transport.RequestsTransport(http_timeout=_SECONDS),
            "retry_config": self._sdk.transport.RetryConfig(max_retries=1),
        }

    async def _in_thread(self, call: Callable[..., T], *given: Any) -> T:
        """Its own threads: where Globus hangs, nothing else of the portal waits."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *given)

    def _submit(self, token: str, items: Sequence[Source], destination: UUID, folder: str, label: str) -> str:
        client = self._sdk.TransferClient(authorizer=self._sdk.AccessTokenAuthorizer(token), **self._patience())
        order = self._sdk.TransferData(
            items[0].collection.collection,
            destination,
            label=label,
            sync_level="checksum",  # what is there already and is the same is not sent again
            verify_checksum=True,
            preserve_timestamp=True,
            submission_id=client.get_submission_id()["value"],  # asked twice, it is one transfer
        )
        for source in items:
            target = f"{folder.rstrip('/')}/{source.shown}/"
            order.add_item(source.path, target, recursive=True)
        return str(UUID(str(client.submit_transfer(order)["task_id"])))

    def _in_words(self, username: str, error: Any, collection: GlobusCollection) -> HubError:
        if error.info.consent_required:
            return ConsentNeeded(
                f"Globus asks whether this hub may use your data in {collection.title} or at the destination "
                "(consent to data_access).",
                error.info.consent_required.required_scopes or (),
            )
        wanted = error.info.authorization_parameters
        domains = (wanted.session_required_single_domain or ()) if wanted else ()
        if wanted:
            said = f" of {domains[0]}" if domains and _DOMAIN.fullmatch(domains[0]) else ""
            return ConsentNeeded(
                f"The collection wants you to log in at Globus with an identity{said}.",
                (),
                domains[0] if domains else "",
            )
        if error.http_status == 401:
            self.forget(username)
            return ConsentNeeded("Your login at Globus is over.")
        return HubError(*_words(str(error.code or ""), error.http_status))

    def _forget_old(self) -> None:
        now = time.monotonic()
        for state in [key for key, begun in self._begun.items() if now - begun.at > LOGIN_SECONDS]:
            del self._begun[state]
        while len(self._begun) >= _MOST:
            del self._begun[next(iter(self._begun))]
        for username in [name for name, (_, end) in self._tokens.items() if end < time.time()]:
            del self._tokens[username]
        while len(self._tokens) > _MOST:
            del self._tokens[next(iter(self._tokens))]


def consents(collection: GlobusCollection) -> list[str]:
    """What a person agrees to beforehand, so that they are not asked twice: ``data_access`` of a mapped collection."""
    if not collection.mapped:
        return []
    access = f"https://auth.globus.org/scopes/{collection.collection}/data_access"
    return [f"{ALL}[*{access}]"]


def _words(code: str, status: int) -> tuple[int, str, str]:
    if "EndpointNotFound" in code or status == 404:
        return 404, "Globus knows no such destination.", "Copy the collection's id from its page at app.globus.org."
    if "PermissionDenied" in code or status == 403:
        return 403, "Globus does not let you read there, or write at the destination.", "Ask the collection's people."
    if "ServiceUnavailable" in code or status >= 500:
        return 503, "Globus, or a collection's server, does not answer.", "Try again in some minutes."
    return 409, "Globus did not take the transfer.", "Check the destination, and try again."
