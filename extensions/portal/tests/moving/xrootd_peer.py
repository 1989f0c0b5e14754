"""Two real XRootD storages with HTTPS, WebDAV, macaroons and third-party copy, in a network of their own (loopback alone).

XRootD listens on all addresses and has no option to listen on one, so it never runs in the machine's own network. Its first
macaroons are made with a key that the test knows: :meth:`Storage.token` mints one, as an operator's tools would. Without one,
nothing is read or written (``onmissing deny``); who asks for a narrower one is not looked at (``u * / a``), since that would
need certificates of clients or an issuer of SciTokens.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import hashlib
import hmac
import os
import pwd
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[4] / "tests"))

from own_network import loopback_up

_NEWNET = 0x40000000
_CONFIG = """
all.export /
all.adminpath {home}/admin
all.pidpath {home}/admin
all.sitename {name}
oss.localroot {root}
xrd.port {port}
xrd.network nodnr
xrd.protocol http:{port} libXrdHttp.so
xrd.tls {folder}/cert.pem {folder}/key.pem
xrd.tlsca certfile {folder}/cert.pem
xrootd.seclib libXrdSec.so
sec.protocol unix
xrootd.chksum max 2 adler32
http.header2cgi Authorization authz
http.selfhttps2http no
http.desthttps yes
http.exthandler xrdmacaroons libXrdMacaroons.so
http.exthandler xrdtpc libXrdHttpTPC.so
macaroons.secretkey {home}/secret
macaroons.onmissing deny
ofs.authorize 1
ofs.authlib libXrdMacaroons.so
acc.authdb {home}/authdb
"""


@dataclass(frozen=True)
class Storage:
    """A running one."""

    name: str
    url: str
    root: Path
    key: bytes
    log: Path

    def token(self, *caveats: str, hours: int = 5) -> str:
        """A macaroon (libmacaroons' first format) with caveats: ``activity:DOWNLOAD,LIST``, ``path:/``."""
        before = (datetime.now(UTC) + timedelta(hours=hours)).strftime("before:%Y-%m-%dT%H:%M:%SZ")
        packets = [_packet("location", self.name.encode()), _packet("identifier", b"minted-by-the-test")]
        derived = hmac.new(b"macaroons-key-generator".ljust(32, b"\0"), self.key, hashlib.sha256).digest()
        signature = hmac.new(derived, b"minted-by-the-test", hashlib.sha256).digest()
        for caveat in ("name:portal", *caveats, before):
            packets.append(_packet("cid", caveat.encode()))
            signature = hmac.new(signature, caveat.encode(), hashlib.sha256).digest()
        packets.append(_packet("signature", signature))
        return base64.urlsafe_b64encode(b"".join(packets)).decode().rstrip("=")


def _packet(key: str, value: bytes) -> bytes:
    body = key.encode() + b" " + value + b"\n"
    return f"{len(body) + 4:04x}".encode() + body


@contextmanager
def own_network() -> Iterator[None]:
    """This thread, and all that it starts, has a network of its own with loopback alone until the end of the block."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    if libc.unshare(_NEWNET):
        raise OSError(ctypes.get_errno(), "a network of its own needs root")
    try:
        loopback_up()
        yield
    finally:
        if libc.setns(before, _NEWNET):
            raise OSError(ctypes.get_errno(), "the way back into the machine's network")
        os.close(before)


@contextmanager
def storage(folder: Path, name: str, port: int, root: Path) -> Iterator[Storage]:
    """Run one, as the account xrootd, with ``root`` as all that it has. Certificate and key are in ``folder``."""
    home = folder / name
    (home / "admin").mkdir(parents=True)
    key = os.urandom(64)
    (home / "secret").write_text("\n".join(_lines(base64.b64encode(key).decode())) + "\n")
    (home / "secret").chmod(0o600)
    (home / "authdb").write_text("u * / a\n")
    (home / "xrootd.cfg").write_text(_CONFIG.format(home=home, folder=folder, name=name, port=port, root=root))
    account = pwd.getpwnam("xrootd")
    for path in (home, *home.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid)
    log = home / "xrootd.log"
    with log.open("wb") as out:
        command = ["xrootd", "-R", "xrootd", "-c", str(home / "xrootd.cfg")]
        daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=home, close_fds=True)
    try:
        _wait(daemon, port, log)
        yield Storage(name, f"https://localhost:{port}", root, key, log)
    finally:
        daemon.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            daemon.wait(5)
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait(5)


def certificate(folder: Path) -> Path:
    """A certificate for localhost that both trust, with its key beside it."""
    made = folder / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", str(folder / "key.pem"), "-out", str(made)),
        ],
        check=True,
        capture_output=True,
    )
    account = pwd.getpwnam("xrootd")
    os.chown(folder / "key.pem", account.pw_uid, account.pw_gid)
    return made


def _lines(text: str) -> list[str]:
    return [text[at : at + 64] for at in range(0, len(text), 64)]


def _wait(daemon: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        assert daemon.poll() is None, log.read_text()[-3000:]
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                # Without lingering: the daemon reads nothing of it.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
        time.sleep(0.05)
    raise AssertionError(f"xrootd does not listen:\n{log.read_text()[-3000:]}")
