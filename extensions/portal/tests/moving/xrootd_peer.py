"""Two real XRootD storages with HTTPS, WebDAV, macaroons and third-party copy, in a network of their own (loopback alone).

XRootD listens on all addresses and has no option to listen on one, so it never runs in the machine's own network. Only the
robot with the certificate of :func:`certificates` may do anything (``u portal / a``), such as ask for macaroons; with a macaroon,
anybody may do what it says, and nothing else.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
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
xrd.tlsca certfile {folder}/authorities.pem
xrd.tlstrace
http.gridmap {folder}/gridmap
xrootd.seclib libXrdSec.so
sec.protocol unix
xrootd.chksum max 2 adler32
http.header2cgi Authorization authz
http.selfhttps2http no
http.desthttps yes
http.exthandler xrdmacaroons libXrdMacaroons.so
http.exthandler xrdtpc libXrdHttpTPC.so
macaroons.secretkey {home}/secret
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
    log: Path
    pid: int


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
    (home / "secret").write_text("\n".join(_lines(base64.b64encode(os.urandom(64)).decode())) + "\n")
    (home / "secret").chmod(0o600)
    (home / "authdb").write_text("u portal / a\n")
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
        yield Storage(name, f"https://localhost:{port}", root, log, daemon.pid)
    finally:
        daemon.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            daemon.wait(5)
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait(5)


def certificates(folder: Path) -> Path:
    """The storages' certificate (``cert.pem``, ``key.pem``), and a robot's with its key, which is returned.

    XRootD takes no certificate of a client that is its own authority, so the robot's comes from one.
    """
    _signed(folder, "cert", "/CN=localhost", "subjectAltName=DNS:localhost")
    _signed(folder, "authority", "/CN=authority", "subjectAltName=DNS:authority.example.org")
    by = ("-CA", str(folder / "authority.pem"), "-CAkey", str(folder / "authority-key.pem"))
    _signed(
        folder,
        "robot",
        "/CN=portal",
        "subjectAltName=DNS:portal.example.org",
        *by,
        "-addext",
        "basicConstraints=CA:FALSE",
    )
    account = pwd.getpwnam("xrootd")
    (folder / "cert-key.pem").rename(folder / "key.pem")
    os.chown(folder / "key.pem", account.pw_uid, account.pw_gid)
    (folder / "authorities.pem").write_text("".join((folder / f"{n}.pem").read_text() for n in ("cert", "authority")))
    (folder / "gridmap").write_text('"/CN=portal" portal\n')
    with_key = folder / "robot-with-key.pem"
    with_key.touch(0o600)
    with_key.write_text("".join((folder / f"{n}.pem").read_text() for n in ("robot", "robot-key")))
    return with_key


def _signed(folder: Path, name: str, subject: str, more: str, *by: str) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", subject, *by),
            *("-addext", more, "-keyout", str(folder / f"{name}-key.pem"), "-out", str(folder / f"{name}.pem")),
        ],
        check=True,
        capture_output=True,
    )


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
