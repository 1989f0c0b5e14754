"""Certificates: a facility's own authority, and whoever is not who they say."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from panosc_spawner.errors import SourceError
from panosc_spawner.facilities.http_source_rules import SciCatSource
from panosc_spawner.proposals.http.client import HttpClient


def certificate(folder: Path, name: str, address: str, days: int) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / f"{name}.pem", folder / f"{name}.key"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return cert, private


@pytest.fixture
async def ports(tmp_path) -> AsyncIterator[dict[str, int]]:
    """Services with certificates that are right, for another address, and over."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]")
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    servers, found = [], {}
    for name, address, days in (("right", "127.0.0.1", 1), ("elsewhere", "127.0.0.2", 1), ("over", "127.0.0.1", -1)):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate(tmp_path, name, address, days))
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
        servers.append(server)
        found[name] = server.sockets[0].getsockname()[1]
    yield found
    for server in servers:
        server.close()
        await server.wait_closed()


async def ask(folder: Path, port: int, ca_file: str | None) -> object:
    settings = {"timeout": "20s", "connect_timeout": "20s", "ca_file": ca_file}
    url = f"https://127.0.0.1:{port}"
    client = HttpClient(
        SciCatSource(type="scicat", name="S", facility="ess", url=url, audience="x", **settings), folder
    )
    try:
        return await client.get("x")
    finally:
        await client.aclose()


async def test_a_facilitys_own_authority(ports, tmp_path) -> None:
    assert await ask(tmp_path, ports["right"], "right.pem") == []


@pytest.mark.parametrize(
    ("service", "ca_file"),
    [("right", None), ("elsewhere", "elsewhere.pem"), ("over", "over.pem"), ("right", "elsewhere.pem")],
)
async def test_whom_it_does_not_trust(ports, tmp_path, service, ca_file) -> None:
    with pytest.raises(SourceError, match="its certificate is not trusted"):
        await ask(tmp_path, ports[service], ca_file)
