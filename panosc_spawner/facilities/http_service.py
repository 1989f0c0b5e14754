"""Services that are asked over HTTP: their address, and the bounds within which they are asked."""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from panosc_spawner.facilities.base import Model
from panosc_spawner.facilities.units import ByteSize, Duration


def safe_service_url(value: str) -> str:
    """A service's address as it may be asked: https, or http on loopback; no user, no query, no fragment.

    Raises:
        ValueError: saying what is wrong with it.
    """
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError("is not an address such as https://catalogue.example.org/api") from error
    if not value.isascii() or re.search(r"[\s\\{}]", value) or not host:
        raise ValueError("is not an address such as https://catalogue.example.org/api")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment or "?" in value:
        raise ValueError("must not hold a user, a password, '?' or '#': credentials have keys of their own")
    if any(part in {".", ".."} for part in parts.path.split("/")):
        raise ValueError("must not hold '.' or '..'")
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)):
        return value.rstrip("/")
    raise ValueError(
        "must be https, or http on loopback (127.0.0.1): whoever reads the traffic has the tokens otherwise"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class HttpService(Model):
    """What all services that are asked over HTTP have: proposal sources, and the portal's catalogues."""

    name: str
    url: str = Field(
        description="Address of its API, https anywhere but on loopback. Redirects are never followed, so write the final "
        "one. Whoever answers there decides who sees which data."
    )
    ca_file: Path | None = Field(
        default=None,
        description="PEM file with the authorities its certificate may come from, for a facility's own CA; relative to the "
        "site's folder. Without it: those of this machine (and SSL_CERT_FILE).",
    )
    proxy: str = Field(
        default="",
        description="Outgoing proxy, as http://proxy.example.org:3128. Variables such as HTTPS_PROXY and files such as .netrc "
        "are not looked at: who started the hub must not decide where its credentials go.",
    )
    connect_timeout: Duration = Field(default=timedelta(seconds=2), description="Longest wait for a connection.")
    timeout: Duration = Field(
        default=timedelta(seconds=4),
        description="Longest wait for one answer, from the connection to its last byte. Keep it below access.source_timeout, "
        "which is for all the requests that one question needs.",
    )
    max_answer: ByteSize = Field(
        default=ByteSize(8 * 1024**2), ge=1024, description="A bigger answer is not read: it is an error."
    )

    @field_validator("url")
    @classmethod
    def _safe_url(cls, value: str) -> str:
        return safe_service_url(value)

    @field_validator("proxy")
    @classmethod
    def _safe_proxy(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None):
            raise ValueError("must be http://host:port, without a user and password")
        return value
