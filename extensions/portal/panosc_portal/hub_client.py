"""The hub, over HTTP on loopback: who somebody is, what is theirs, where it lies; and their own servers, to put a file there.

Every question goes to the hub itself, or through its proxy to a server of the same person, with that person's token. Redirects
are errors, nothing of the environment decides where a request goes, and no token is in an address, a log or an error.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

import httpx
from pydantic import SecretStr, ValidationError

from panosc_portal import hub_answers as answers
from panosc_portal.errors import HubError
from panosc_portal.hub import AreaDirectory, Login, PersonReport, ProposalData, RunningServer
from panosc_portal.hub_lines import HubLines, Line

MAX_ANSWER = 32 * 1024 * 1024
"""Bytes: ten thousand proposals are some three millions."""
MAX_FILE = 16 * 1024 * 1024
"""Bytes of a file that is put into a server."""
_SECONDS = {Line.LOGIN: 10.0, Line.QUICK: 10.0, Line.SLOW: 45.0}
"""For an answer: the hub gives a file system that wakes its disks up 30 s."""
_NAMES = 50
_NO_LOGIN = "login-expired"


@dataclass(frozen=True)
class HubAddresses:
    """Where the hub is for its own services.

    Attributes:
        api: of the hub's API, on loopback: ``http://127.0.0.1:8081/hub/api``.
        proxy: of the hub's proxy, on loopback or wherever it listens: ``http://127.0.0.1:8000``.
        client_id: of the portal.
        secret: of the portal: the token that the hub started it with.
    """

    api: str
    proxy: str
    client_id: str
    secret: SecretStr


class HubClient:
    """The :class:`~panosc_portal.hub.Hub` of a running portal, and its logins' :class:`~panosc_portal.login.TokenService`.

    Args:
        addresses: where it is.
        transport: for tests.
    """

    def __init__(self, addresses: HubAddresses, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._at = addresses
        self._questions = f"{addresses.api.removesuffix('/api')}/panosc/portal"
        self._lines = HubLines(transport)

    # --- The hub's answers ------------------------------------------------------------------------------------------

    async def who(self, token: SecretStr) -> Login | None:
        """Whose token this is; None if it does not count (any more).

        Raises:
            HubError: 503 if the hub does not answer.
        """
        try:
            told = answers.Who.model_validate(await self._ask("GET", "me", token, line=Line.LOGIN))
        except HubError as error:
            if error.status in (401, 403):
                return None
            raise
        except ValidationError:
            self._garbled()
        return Login(told.username, token, told.display_name, told.admin)

    async def person(self, login: Login) -> PersonReport:
        """What is theirs; see :class:`~panosc_portal.hub.Hub`."""
        try:
            told = answers.Report.model_validate(
                await self._ask("GET", "person", login.token, line=Line.QUICK, by=login)
            )
        except ValidationError:
            self._garbled()
        return PersonReport(
            tuple(one.own() for one in told.proposals),
            tuple(
                RunningServer(one.name, one.url, one.ready, tuple(one.proposals), one.environment)
                for one in told.servers
            ),
            tuple(told.troubles),
        )

    async def data(self, login: Login, proposal: str, purpose: str) -> ProposalData:
        """Where a proposal's data lie; see :class:`~panosc_portal.hub.Hub`."""
        asked = {"proposal": proposal, "purpose": purpose}
        try:
            told = answers.Data.model_validate(
                await self._ask("POST", "data", login.token, asked, line=Line.SLOW, by=login)
            )
        except ValidationError:
            self._garbled()
        if told.ref != proposal and told.ref.partition("/")[0] != proposal.partition("/")[0]:
            self._garbled()
        areas = tuple(
            AreaDirectory(one.area, Path(one.path), Path(one.root), one.label, one.read_only) for one in told.areas
        )
        if not all(one.path.is_absolute() and one.path.is_relative_to(one.root) for one in areas):
            self._garbled()
        return ProposalData(told.ref, areas, told.uid, told.gid, tuple(told.groups), tuple(told.warnings), told.own)

    async def catalogue_token(self, login: Login, catalogue: str) -> SecretStr:
        """A token for one catalogue; see :class:`~panosc_portal.hub.Hub`."""
        try:
            told = await self._ask("POST", "token", login.token, {"catalogue": catalogue}, line=Line.QUICK, by=login)
            return answers.Token.model_validate(told).token
        except ValidationError:
            self._garbled()

    async def start(self, login: Login, proposal: str, environment: str, then: str) -> str:
        """Start a server; see :class:`~panosc_portal.hub.Hub`."""
        asked = {"proposal": proposal, "environment": environment, "then": then}
        try:
            told = answers.Address.model_validate(
                await self._ask("POST", "start", login.token, asked, line=Line.SLOW, by=login)
            )
        except ValidationError:
            self._garbled()
        if not told.address.startswith(("/", "https://", "http://")) or told.address.startswith("//"):
            self._garbled()
        return told.address

    async def exchange(self, code: str, verifier: str, redirect_uri: str) -> SecretStr:
        """The token for a code; see :class:`~panosc_portal.login.TokenService`."""
        form = {
            "client_id": self._at.client_id,
            "client_secret": self._at.secret.get_secret_value(),
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": verifier,
            "redirect_uri": redirect_uri,
        }
        status, told = await self._send("POST", f"{self._at.api}/oauth2/token", {}, line=Line.LOGIN, form=form)
        try:
            return answers.Exchanged.model_validate(told if status == 200 else {}).access_token
        except ValidationError:
            raise HubError(401, "The hub did not finish this login.", "Log in again.") from None

    async def aclose(self) -> None:
        """Close its connections."""
        await self._lines.aclose()

    # --- People's own servers ---------------------------------------------------------------------------------------

    async def put_file(self, login: Login, server: str, path: str, content: bytes) -> str:
        """Write a new file into a home; see :class:`~panosc_portal.hub.Hub`. Never over one that is there."""
        if len(content) > MAX_FILE:
            raise HubError(413, "This file is too large to be put into a server.", "Download it there instead.")
        parts = _parts(path)
        found = [one for one in (await self.person(login)).servers if one.name == server and one.ready]
        if not found:
            raise HubError(409, "This server is not running now.", "Open the proposal, then try again.")
        home = _Home(self, login, await self._key(login, server), found[0].url)
        for depth in range(1, len(parts)):
            await home.make_directory("/".join(parts[:depth]))
        # Written beside it first: the contents API writes over what is there, and renames to what is not there only.
        folder = "/".join(parts[:-1])
        whole = "/".join(filter(None, (folder, f"panosc-{secrets.token_hex(8)}.part")))
        await home.write(whole, content)
        try:
            for name in free_names(parts[-1]):
                wanted = "/".join(filter(None, (folder, name)))
                if await home.rename(whole, wanted):
                    return wanted
        except BaseException:
            await home.remove(whole)
            raise
        await home.remove(whole)
        raise HubError(409, f"There are already {_NAMES} files of this name.", "Remove some of them, then try again.")

    async def _key(self, login: Login, server: str) -> SecretStr:
        """What opens this server alone, for two minutes. Never the login's own token: whatever runs in the server reads it."""
        try:
            told = await self._ask("POST", "key", login.token, {"server": server}, line=Line.QUICK, by=login)
            return answers.Key.model_validate(told).key
        except ValidationError:
            self._garbled()

    async def in_server(
        self, method: str, url: str, key: SecretStr, by: Login, payload: Mapping[str, Any] | None = None
    ) -> tuple[int, Any]:
        """A request to a person's server, through the hub's proxy. ``url`` is as the hub says: a path, or with the server's host."""
        parts = urlsplit(url)
        headers = {"Authorization": f"token {key.get_secret_value()}"}
        if parts.netloc:
            headers["Host"] = parts.netloc  # the proxy tells servers apart by it
        return await self._send(
            method, f"{self._at.proxy}{parts.path}", headers, line=Line.QUICK, by=by, payload=payload
        )

    # --- HTTP -------------------------------------------------------------------------------------------------------

    async def _ask(
        self,
        method: str,
        question: str,
        token: SecretStr,
        payload: Mapping[str, Any] | None = None,
        *,
        line: Line,
        by: Login | None = None,
    ) -> Any:
        value = token.get_secret_value()
        if not (value.isascii() and value.isprintable() and " " not in value):
            raise HubError(401, "This is no token of the hub's.", "Log in again.")
        headers = {"Authorization": f"token {value}"}
        status, told = await self._send(
            method, f"{self._questions}/{question}", headers, line=line, by=by, payload=payload
        )
        if status == 200:
            return told
        words = told if isinstance(told, dict) else {}
        message, remedy = words.get("message"), words.get("remedy")
        if status >= 500 and "reason" not in words:
            raise HubError(503, "The hub could not answer.", "Try again in a minute.")
        if not isinstance(message, str) or not isinstance(remedy, str):
            message, remedy = "The hub refused this.", "Log in again, then try again."
        if words.get("reason") == _NO_LOGIN:
            status = 401  # it says nothing about rights: who logs in at the portal again may have them
        raise HubError(status if status in (401, 403, 404, 409) else 503, message, remedy)

    async def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        line: Line,
        by: Login | None = None,
        payload: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        sent: dict[str, Any] = {"json": dict(payload)} if payload is not None else {}
        if form is not None:
            sent = {"data": dict(form)}
        try:
            async with (
                self._lines.on(line, by.username if by else "") as http,
                http.stream(method, url, headers=dict(headers), timeout=_SECONDS[line], **sent) as answer,
            ):
                body = await _read(answer)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError):
            # Without the cause: httpx's and h11's messages and objects hold header values.
            raise HubError(503, "The hub does not answer just now.", "Try again in a minute.") from None
        try:
            return answer.status_code, httpx.Response(200, content=body).json() if body else None
        except (ValueError, RecursionError):
            return answer.status_code, None

    def _garbled(self) -> NoReturn:
        raise HubError(503, "The hub’s answer was not understood.", "Tell the people who run this hub.") from None


async def _read(answer: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > MAX_ANSWER:
            raise ValueError("the answer is too large")
    return bytes(body)


class _Home:
    """The files of one running server, through its contents API."""

    def __init__(self, hub: HubClient, login: Login, key: SecretStr, url: str) -> None:
        self._hub, self._login, self._key, self._url = hub, login, key, f"{url.rstrip('/')}/api/contents/"

    async def make_directory(self, path: str) -> None:
        await self._do("PUT", path, {"type": "directory"}, "The folder could not be made")

    async def write(self, path: str, content: bytes) -> None:
        packed = base64.b64encode(content).decode()
        await self._do(
            "PUT", path, {"type": "file", "format": "base64", "content": packed}, "The file could not be written"
        )

    async def rename(self, path: str, wanted: str) -> bool:
        """Whether the new name was free."""
        status = await self._do("PATCH", path, {"path": wanted}, "The file could not be named", also=(409,))
        return status != 409

    async def remove(self, path: str) -> None:
        await self._hub.in_server("DELETE", self._url + quote(path), self._key, self._login)

    async def _do(
        self, method: str, path: str, payload: Mapping[str, Any], failed: str, also: tuple[int, ...] = ()
    ) -> int:
        status, told = await self._hub.in_server(method, self._url + quote(path), self._key, self._login, payload)
        if status in (200, 201, *also):
            return status
        if status in (401, 403):
            raise HubError(401, "Your server did not take this login.", "Log out, log in, and try again.")
        if status in (404, 502, 503):
            raise HubError(409, "Your server did not answer; it may have just ended.", "Open the proposal again.")
        words = told.get("message") if isinstance(told, dict) else ""
        why = f": {words[:200]}" if isinstance(words, str) and words else ""
        raise HubError(409, f"{failed} in your home{why}.", "Your home may be full: make room there, and try again.")


def _parts(path: str) -> list[str]:
    """A relative path's names.

    Raises:
        ValueError: for one that is absolute, leaves the home, or holds a name that is hidden or none.
    """
    parts = path.split("/")
    if not all(part and part == part.strip() and not part.startswith(".") and part.isprintable() for part in parts):
        raise ValueError(f"{path!r} is not a path in a home")
    return parts


def free_names(name: str) -> list[str]:
    """The name, then with numbers: ``plot.ipynb``, ``plot-2.ipynb`` and so on."""
    stem, dot, suffix = name.rpartition(".")
    stem, end = (stem, f".{suffix}") if dot and stem else (name, "")
    return [name, *(f"{stem}-{number}{end}" for number in range(2, _NAMES + 1))]
