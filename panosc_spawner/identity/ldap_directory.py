"""Searches in an LDAP directory, in threads of its own: with TLS, time-outs, and never a value in a filter as it came."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import ssl
import warnings
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.directory_rules import LdapServer
from panosc_spawner.secret_file import read_secret

MAX_ENTRIES = 20_000
_SUCCESS, _NO_SUCH_OBJECT, _REFERRAL = 0, 32, 10
log = logging.getLogger(__name__)

_WORDS = {
    3: "the directory took too long",
    4: "the directory gives fewer entries than there are",
    7: "the directory refuses this way to log in",
    8: "the directory wants a safer connection",
    10: "the directory sends this hub to another server, which is not followed",
    11: "the directory gives fewer entries than there are",
    32: "the directory has no such place",
    48: "the directory refuses this hub's account",
    49: "the directory refuses this hub's account",
    50: "this hub's account may not search there",
    51: "the directory is too busy",
    52: "the directory is not available",
}


class DirectoryError(Exception):
    """The directory did not answer.

    Args:
        reason: in words that may be shown to people.
        detail: for the operator: which server, and what it said.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(reason)


class _Unreachable(DirectoryError):
    """This server did not answer; the next one may."""


@dataclass(frozen=True)
class Found:
    """One entry. Attributes by lower-case name, values as text; those that are no text are left out."""

    dn: str
    attributes: Mapping[str, tuple[str, ...]]

    def one(self, attribute: str) -> str:
        """The value of an attribute that must have exactly one; empty if it has none, or several."""
        values = self.attributes.get(attribute.lower(), ())
        return values[0] if len(values) == 1 else ""


def filled(template: str, **values: str) -> str:
    """A filter with its fields filled in, each value escaped as RFC 4515 says: none can end or widen the filter.

    Raises:
        KeyError: if a field has no value.
    """
    return re.sub(r"\{(\w+)\}", lambda field: escaped(values[field[1]]), template)


def escaped(value: str) -> str:
    """A value for a filter. Everything but plain letters, digits and a few harmless signs is written as its octets."""
    return "".join(
        character
        if character.isascii() and (character.isalnum() or character in "@._-:/ ")
        else "".join(f"\\{octet:02x}" for octet in character.encode("utf-8", "surrogatepass"))
        for character in value
    )


class LdapDirectory:
    """One directory on one or several servers.

    Args:
        settings: where, as whom, how long.
        folder: the site's, to which files are relative.

    Raises:
        ConfigurationError: if its password or certificates cannot be read, or ldap3 is not installed.
    """

    def __init__(self, settings: LdapServer, folder: Path) -> None:
        _import_ldap3(folder)
        self.settings = settings
        self._seconds = settings.timeout.total_seconds()
        self._password = _password(settings, folder)
        self._tls = _tls(settings, folder)
        self._threads = ThreadPoolExecutor(settings.connections, thread_name_prefix="panosc-ldap")
        self._idle: deque[tuple[str, Any]] = deque(maxlen=settings.connections)

    async def search(self, base: str, filter_: str, attributes: Sequence[str]) -> tuple[Found, ...]:
        """The entries beneath ``base`` that a filter (made by :func:`filled`) finds.

        Raises:
            DirectoryError: in words. It never answers "none" because a server failed.
        """
        job = _Job()
        work = partial(self._search, job, base, filter_, tuple(attributes))
        waiting = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            async with asyncio.timeout(2 * self._seconds * len(self.settings.urls) + 1):
                return await waiting
        except TimeoutError as error:
            raise DirectoryError("the directory took too long") from error
        finally:
            job.give_up()

    async def search_for(
        self, base: str, template: str, attributes: Sequence[str], *, key: str, **values: str
    ) -> tuple[Found, ...]:
        """The entries that a filter finds for a person's key, if they hold exactly this key.

        What a directory takes for equal is wider: it ignores case, blanks and invisible characters in most attributes, so
        that one provider's 'ADA' would be another person's 'ada'. An identifier with a scope is the same in any case.

        Raises:
            DirectoryError: in words; also if the attribute compared may not be read.
        """
        compared = [name.lower() for name in re.findall(r"\(([A-Za-z][A-Za-z0-9;-]*)=\{key\}\)", template)]
        found = await self.search(base, filled(template, key=key, **values), [*attributes, *compared])
        return tuple(entry for entry in found if not compared or _holds(entry, compared, key))

    def close(self) -> None:
        """Close what is open."""
        while self._idle:
            _close(self._idle.pop()[1])
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _search(self, job: _Job, base: str, filter_: str, attributes: tuple[str, ...]) -> tuple[Found, ...]:
        error = _Unreachable("the directory cannot be reached")
        with suppress(IndexError):
            url, connection = self._idle.popleft()
            with suppress(_Unreachable):  # it may have been closed since it was last used: that is no answer yet
                return self._asked(job, url, connection, base, filter_, attributes)
        for url in self.settings.urls:
            if job.given_up:
                break
            try:
                return self._asked(job, url, self._connected(job, url), base, filter_, attributes)
            except _Unreachable as failed:
                error = failed
        raise DirectoryError(error.reason, error.detail) from error

    def _asked(
        self, job: _Job, url: str, connection: Any, base: str, filter_: str, attributes: tuple[str, ...]
    ) -> tuple[Found, ...]:
        from ldap3.core.exceptions import LDAPException, LDAPInvalidFilterError

        job.works_on(connection)
        try:
            found = self._all_pages(url, connection, base, filter_, attributes)
        except LDAPInvalidFilterError as error:
            _close(connection)
            raise DirectoryError("the filter is not one", f"{url}: {error}") from error
        except (LDAPException, OSError) as error:
            _close(connection)
            raise _Unreachable("the directory cannot be reached", f"{url}: {_first_line(error)}") from error
        except BaseException:
            _close(connection)
            raise
        finally:
            job.is_done()
        self._idle.append((url, connection))
        return found

    def _all_pages(
        self, url: str, connection: Any, base: str, filter_: str, attributes: tuple[str, ...]
    ) -> tuple[Found, ...]:
        found: list[Found] = []
        cookie: bytes | None = None
        while True:
            connection.search(
                base,
                filter_,
                attributes=list(attributes),
                paged_size=self.settings.page_size,
                paged_cookie=cookie,
                time_limit=max(1, round(self._seconds)),
            )
            result = connection.result or {}
            if result.get("result") != _SUCCESS:
                raise _refusal(url, result)
            found += (_found(entry) for entry in connection.response or () if entry.get("type") == "searchResEntry")
            if len(found) > MAX_ENTRIES:
                raise DirectoryError(f"more than {MAX_ENTRIES} entries", url)
            controls = result.get("controls") or {}
            cookie = controls.get("1.2.840.113556.1.4.319", {}).get("value", {}).get("cookie")
            if not cookie:
                return tuple(found)

    def _connected(self, job: _Job, url: str) -> Any:
        """A connection that is logged in."""
        import ldap3
        from ldap3.core.exceptions import LDAPException

        parts = urlsplit(url)
        server = ldap3.Server(
            parts.hostname,
            port=parts.port or (636 if parts.scheme == "ldaps" else 389),
            use_ssl=parts.scheme == "ldaps",
            tls=self._tls,
            connect_timeout=self._seconds,
            get_info=ldap3.NONE,
        )
        connection = ldap3.Connection(
            server,
            user=self.settings.bind_dn or None,
            password=self._password.get_secret_value() if self._password else None,
            authentication=ldap3.SIMPLE if self._password else ldap3.ANONYMOUS,
            auto_referrals=False,
            read_only=True,
            check_names=False,
            receive_timeout=max(1, round(self._seconds)),
            raise_exceptions=False,
        )
        job.works_on(connection)
        try:
            connection.open(read_server_info=False)
            if self.settings.start_tls and not connection.start_tls(read_server_info=False):
                raise _refusal(url, connection.result or {})
            if not connection.bind(read_server_info=False):
                raise _refusal(url, connection.result or {})
        except (LDAPException, OSError) as error:
            _close(connection)
            tls = "certificate" in str(error).lower() or "ssl" in str(error).lower()
            reason = "the directory's certificate is not trusted" if tls else "the directory cannot be reached"
            raise _Unreachable(reason, f"{url}: {_first_line(error)}") from error
        except DirectoryError:
            _close(connection)
            raise
        return connection


class _Job:
    """One question, which may be given up while its thread waits for a server."""

    def __init__(self) -> None:
        self._connection: Any = None
        self.given_up = False

    def works_on(self, connection: Any) -> None:
        self._connection = connection

    def is_done(self) -> None:
        self._connection = None

    def give_up(self) -> None:
        self.given_up = True
        line = getattr(self._connection, "socket", None)
        if line is not None:
            with suppress(Exception), socket.socket(fileno=os.dup(line.fileno())) as same:  # or it ended just now
                same.shutdown(socket.SHUT_RDWR)


def _import_ldap3(folder: Path) -> None:
    """Now, and not in a thread: ldap3 2.9 uses names that pyasn1 warns of, and warnings are silenced for the process."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            import ldap3  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            folder / "site.toml", "", "ldap3 is not installed", "pip install 'panosc-hub[ldap]'"
        ) from error


def _refusal(url: str, result: Mapping[str, Any]) -> DirectoryError:
    code = result.get("result", -1)
    words = _WORDS.get(code, "the directory cannot answer")
    detail = f"{url}: {result.get('description', code)} {str(result.get('message', ''))[:200]}".strip()
    # Busy or shutting down: another server may answer. Everything else it means, and another would say the same.
    return _Unreachable(words, detail) if code in (51, 52) else DirectoryError(words, detail)


def _holds(entry: Found, compared: Sequence[str], key: str) -> bool:
    values = [value for name in compared for value in entry.attributes.get(name, ())]
    if not values:
        raise DirectoryError(f"this hub's account may not read '{compared[0]}'", entry.dn)
    return any(value == key or ("@" in key and value.lower() == key.lower()) for value in values)


def _found(entry: Mapping[str, Any]) -> Found:
    attributes = {}
    for name, values in entry.get("raw_attributes", {}).items():
        texts = []
        for value in values:
            with suppress(UnicodeDecodeError):
                texts.append(value.decode("utf-8"))
        attributes[name.lower()] = tuple(texts)
    return Found(str(entry.get("dn", "")), attributes)


def _password(settings: LdapServer, folder: Path) -> SecretStr | None:
    return read_secret(folder / settings.password_file, "directory password") if settings.password_file else None


def _tls(settings: LdapServer, folder: Path) -> Any:
    """TLS as Python's ssl checks it, names included; ldap3's own check calls what newer Pythons do not have."""
    import ldap3

    file = folder / settings.ca_file if settings.ca_file else None
    try:
        context = ssl.create_default_context(cafile=str(file) if file else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(file or folder, "", f"holds no certificates: {error}", "a file in PEM form") from error
    seconds = settings.timeout.total_seconds()

    class Tls(ldap3.Tls):
        def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
            connection.socket.settimeout(seconds)
            connection.socket = context.wrap_socket(connection.socket, server_hostname=connection.server.host)
            connection.socket.settimeout(None)

    return Tls(validate=ssl.CERT_REQUIRED)


def _close(connection: Any) -> None:
    with suppress(Exception):
        connection.strategy.close()
    with suppress(Exception):  # where it failed while it was being opened, ldap3 leaves it open
        connection.socket.close()


def _first_line(error: object) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


_Key = tuple[Path, LdapServer]
_open: dict[_Key, LdapDirectory] = {}


def directory_of(settings: LdapServer, folder: Path) -> LdapDirectory:
    """The one :class:`LdapDirectory` of these settings; sources, accounts and person keys share its connections."""
    key = (folder, settings)
    if key not in _open:
        _open[key] = LdapDirectory(settings, folder)
    return _open[key]
