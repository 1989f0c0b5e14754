"""The one way in which sources speak HTTP: bounded in time, size and depth, and without letting a secret out.

What holds for every request:

- It goes to the source's own address. A redirect is an error: it could lead the credentials anywhere.
- Each source has a client of its own. Nothing is shared between sources, and nothing is kept between requests: cookies are
  refused, or one person's session cookie would be sent in another's name.
- The environment decides nothing (``trust_env`` is off): no ``HTTPS_PROXY``, no ``.netrc``. A proxy is a setting of the source.
- Secrets come as :class:`pydantic.SecretStr`, in headers and bodies where the protocol allows it. ICAT's sessions are in paths
  and queries, so no address is ever logged or put into words, neither here nor by httpx.
- What comes back is at most ``max_answer`` bytes, uncompressed (a compressed answer's size is not known before it is too
  late), and JSON without duplicate keys, at most 32 levels deep.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, urlencode, urlsplit

import httpx
from pydantic import SecretStr

from panosc_spawner.errors import ConfigurationError, PersonalSourceError, SourceError
from panosc_spawner.facilities.http_service import HttpService
from panosc_spawner.facilities.units import format_size
from panosc_spawner.proposals.http.json_answer import NotAnAnswer, parse
from panosc_spawner.proposals.http.lanes import Lanes
from panosc_spawner.proposals.http.too_much import TooMuchError

MAX_CONNECTIONS = 8
MAX_URL = 16_000
_IN_THREAD = 256 * 1024  # bytes: bigger answers would hold the event loop for milliseconds
_ERROR_BODY = 16 * 1024
_WORDS = {
    401: "it does not accept the hub's credentials",
    403: "the hub may not ask that",
    429: "it is asked too often",
}

Plain = str | SecretStr
Body = Mapping[str, Any]


class HttpStatusError(SourceError):
    """The service answered, but not with what was asked for.

    Attributes:
        status: its HTTP status.
        answer: its JSON, if it is some. For decisions only: it may repeat secrets, so it is never shown or logged.
    """

    def __init__(self, source: str, reason: str, status: int, answer: Any = None) -> None:
        super().__init__(source, reason)
        self.status = status
        self.answer = answer


class PersonRefusedError(HttpStatusError, PersonalSourceError):
    """The service does not take this person's token."""


class SlowError(SourceError):
    """It did not answer in time."""


class GarbledError(SourceError):
    """It answered, but not in a form that can be used."""


class QuestionError(SourceError):
    """What is asked cannot be put into an address: it is too long, or has a name that is none."""


class _WithoutAddresses(logging.Filter):
    """Takes path and query out of httpx's log lines: sessions and names are in them."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                f"{arg.scheme}://{arg.host}" if isinstance(arg, httpx.URL) else arg for arg in record.args
            )
        return True


logging.getLogger("httpx").addFilter(_WithoutAddresses())


class HttpClient:
    """One source's client.

    Args:
        rule: the source's settings.
        folder: the site's folder, for ``ca_file``.
        connections: requests at a time; the others wait for their turn.

    Raises:
        ConfigurationError: if ``ca_file`` cannot be used.
    """

    def __init__(self, rule: HttpService, folder: Path, *, connections: int = MAX_CONNECTIONS) -> None:
        self.source = rule.name
        self._rule = rule
        self._tls = _trusted(rule, folder)
        self._lanes = Lanes(self._one_connection, connections)

    async def get(
        self,
        *path: Plain,
        query: Mapping[str, Plain] | None = None,
        headers: Mapping[str, Plain] | None = None,
        personal: bool = False,
        slash: bool = False,
    ) -> Any:
        """The JSON at a path below the source's address.

        Args:
            path: components, percent-encoded here, so that no value can lead elsewhere.
            query: parameters.
            headers: also the credentials.
            personal: it is asked in a person's name, so a refusal is about them and not about the source.
            slash: the address ends with one: some services redirect from the one without, and redirects are not followed.

        Raises:
            SourceError: in words without addresses; :class:`HttpStatusError` where the service answered something else.
        """
        return await self._parsed(await self._ask("GET", path, query, headers, None, personal, slash))

    async def get_document(self, *path: Plain, query: Mapping[str, Plain] | None = None, accept: str) -> bytes:
        """What is at a path below the source's address, as it is: for protocols that do not speak JSON; see :meth:`get`.

        Args:
            path: as in :meth:`get`.
            query: parameters.
            accept: the media type that is asked for.
        """
        return await self._ask("GET", path, query, {"Accept": accept}, None, False)

    async def post(
        self,
        *path: Plain,
        form: Body | None = None,
        payload: Body | None = None,
        headers: Mapping[str, Plain] | None = None,
        personal: bool = False,
    ) -> Any:
        """The JSON that comes back for a form, or for a JSON payload; see :meth:`get`."""
        if form is not None:
            kind, content = "application/x-www-form-urlencoded", urlencode(_opened(form))
        else:
            kind, content = "application/json", json.dumps(_opened(payload or {}))
        sent = {**(headers or {}), "Content-Type": kind}
        return await self._parsed(await self._ask("POST", path, None, sent, content.encode(), personal))

    async def aclose(self) -> None:
        """Close its connections. It opens new ones when it is used again."""
        await self._lanes.aclose()

    async def _ask(
        self,
        method: str,
        path: tuple[Plain, ...],
        query: Mapping[str, Plain] | None,
        headers: Mapping[str, Plain] | None,
        content: bytes | None,
        personal: bool,
        slash: bool = False,
    ) -> bytes:
        url = self._address(path, query, slash)
        plain: dict[str, str] = {"Accept": "application/json", "Accept-Encoding": "identity", **_opened(headers or {})}
        if not all(value.isascii() and value.isprintable() for value in plain.values()):
            self._fail("a credential for it is not plain text")  # httpcore would write it into its log
        wait = self._rule.timeout.total_seconds()
        try:
            async with asyncio.timeout(wait):
                status, location, body = await self._exchange(method, url, plain, content)
        except TimeoutError:
            raise SlowError(self.source, f"no answer within {wait:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError, UnicodeError) as error:
            # Without the cause: httpx's and h11's messages and objects hold addresses and header values.
            kind = SlowError if isinstance(error, httpx.TimeoutException) else SourceError
            raise kind(self.source, _in_words(error, self._rule)) from None
        if status in (200, 201):
            return body
        if status == 204:
            return b"null"
        self._refuse(status, location, body, personal)

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> tuple[int, str, bytes]:
        async with self._lanes.one() as client:
            try:
                return await self._exchange_once(client, method, url, headers, content)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                # The service may just have closed a connection that was kept open. Asking again changes nothing there.
                if method != "GET":
                    raise
                return await self._exchange_once(client, method, url, headers, content)

    async def _exchange_once(
        self, client: httpx.AsyncClient, method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> tuple[int, str, bytes]:
        request = client.build_request(method, url, headers=headers, content=content)
        answer = await client.send(request, stream=True, follow_redirects=False)
        try:
            limit = self._rule.max_answer if answer.status_code < 300 else _ERROR_BODY
            if answer.headers.get("Content-Encoding", "identity").lower() not in {"", "identity"}:
                raise GarbledError(self.source, "its answer is compressed, though that was declined")
            body = await self._read(answer, limit)
            return answer.status_code, answer.headers.get("Location", ""), body
        finally:
            await answer.aclose()

    async def _read(self, answer: httpx.Response, limit: int) -> bytes:
        body = bytearray()
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > limit:
                if answer.status_code >= 300:
                    return b""  # the status says enough
                kind = TooMuchError if _is_json(answer) else GarbledError
                raise kind(self.source, f"its answer is bigger than {format_size(limit)} (max_answer)")
        return bytes(body)

    async def _parsed(self, body: bytes) -> Any:
        try:
            return await asyncio.to_thread(parse, body) if len(body) > _IN_THREAD else parse(body)
        except NotAnAnswer as error:
            raise GarbledError(self.source, f"its answer cannot be used: {error}") from None

    def _refuse(self, status: int, location: str, body: bytes, personal: bool) -> NoReturn:
        if 300 <= status < 400:
            raise HttpStatusError(self.source, f"it sends elsewhere{_where(location)}, which is not followed", status)
        try:
            answer = parse(body)
        except NotAnAnswer:
            answer = None
        if status in (401, 403) and personal:
            raise PersonRefusedError(self.source, f"it does not accept your login (status {status})", status, answer)
        words = _WORDS.get(status, "it answered with an error")
        raise HttpStatusError(self.source, f"{words} (status {status})", status, answer)

    def _address(self, path: tuple[Plain, ...], query: Mapping[str, Plain] | None, slash: bool) -> str:
        parts = [_open(part) for part in path]
        if any(part in {"", ".", ".."} or "\0" in part for part in parts):
            raise QuestionError(self.source, "a name for its address is empty or not a name")
        url = "/".join([self._rule.url, *(quote(part, safe="") for part in parts)]) + ("/" if slash else "")
        if query:
            url += "?" + urlencode(_opened(query), quote_via=quote)
        if len(url) > MAX_URL:
            raise QuestionError(self.source, "the question is too long for it")
        return url

    def _one_connection(self) -> httpx.AsyncClient:
        # A little less than for the whole, so that httpx tells what was slow.
        wait = 0.9 * self._rule.timeout.total_seconds()
        on_loopback = self._rule.url.startswith("http://")
        return httpx.AsyncClient(
            verify=self._tls,
            trust_env=False,
            proxy=self._rule.proxy if self._rule.proxy and not on_loopback else None,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=httpx.Timeout(wait, connect=min(self._rule.connect_timeout.total_seconds(), wait)),
            limits=httpx.Limits(max_connections=1, keepalive_expiry=3.0),
            headers={"User-Agent": "panosc-hub"},
        )

    def _fail(self, reason: str) -> NoReturn:
        raise SourceError(self.source, reason)


def _trusted(rule: HttpService, folder: Path) -> ssl.SSLContext:
    file = folder / rule.ca_file if rule.ca_file else None
    if file is None and rule.url.startswith("http://"):
        return ssl.SSLContext(
            ssl.PROTOCOL_TLS_CLIENT
        )  # trusts nobody, and is not needed: reading authorities takes a while
    try:
        return ssl.create_default_context(cafile=file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            file or folder, "", f"the authorities of {rule.name!r} cannot be read: {type(error).__name__}", "a PEM file"
        ) from error


def _is_json(answer: httpx.Response) -> bool:
    kind = str(answer.headers.get("Content-Type", ""))
    return kind.partition(";")[0].strip().lower() == "application/json"


def _open(value: Plain) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _opened(values: Body) -> dict[str, Any]:
    """With the secrets in plain, for the moment of sending."""
    return {key: _opened_value(value) for key, value in values.items()}


def _opened_value(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Mapping):
        return _opened(value)
    if isinstance(value, list | tuple):
        return [_opened_value(item) for item in value]
    return value


def _where(location: str) -> str:
    """Scheme and host of a redirect; the rest may hold a token."""
    try:
        parts = urlsplit(location)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    known = host.isascii() and host.replace(".", "").replace("-", "").isalnum() and parts.scheme in {"http", "https"}
    return f" ({parts.scheme}://{host[:100]})" if known else ""


def _in_words(error: Exception, rule: HttpService) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "no connection in time (it is down, or a firewall is between)"
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {rule.timeout.total_seconds():g} s"
    if isinstance(error, httpx.ProxyError):
        return "the outgoing proxy does not let the hub through"
    if isinstance(error, httpx.ConnectError):
        text = str(error)
        if "CERTIFICATE_VERIFY_FAILED" in text:
            return "its certificate is not trusted (expired, for another name, or of an unknown authority: ca_file)"
        if "SSL" in text:
            return "no secure connection: it speaks no TLS, or none that is safe"
        if "ame or service not known" in text or "name resolution" in text or "nodename" in text:
            return "its host name is not known"
        return "no connection (it is down)"
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError | httpx.CloseError):
        return "it broke the connection off, or does not speak HTTP"
    return f"it could not be asked ({type(error).__name__})"
