"""Debian's slapd in a directory of its own, on loopback ports, with a certificate of a CA made for it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

BIND_DN, PASSWORD = "cn=hub,dc=example,dc=org", "ldap horse staple"
CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
pidfile {folder}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
sizelimit {sizelimit}
database mdb
maxsize 268435456
suffix "dc=example,dc=org"
rootdn "cn=admin,dc=example,dc=org"
rootpw "{password}"
directory {folder}/db
index objectClass,uid,cn,memberUid,member eq
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=secret,dc=example,dc=org" by * none
access to * by dn.exact="{bind_dn}" read by * none
"""
TREE = f"""
dn: dc=example,dc=org
objectClass: domain
dc: example

dn: {BIND_DN}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: hub
userPassword: {PASSWORD}

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=org
objectClass: organizationalUnit
ou: groups

dn: ou=secret,dc=example,dc=org
objectClass: organizationalUnit
ou: secret

dn: uid=ada,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
objectClass: posixAccount
uid: ada
cn: Ada L
sn: L
employeeNumber: f00d@eduteams.org
uidNumber: 20001
gidNumber: 20000
homeDirectory: /home/ada

dn: uid=ben,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
objectClass: posixAccount
uid: ben
cn: Ben
sn: B
uidNumber: 20002
gidNumber: 20000
homeDirectory: /home/ben

dn: cn=ess_proposal_616254,ou=groups,dc=example,dc=org
objectClass: posixGroup
cn: ess_proposal_616254
gidNumber: 30001
memberUid: ada
memberUid: ben

dn: cn=ess_proposal_0616255,ou=groups,dc=example,dc=org
objectClass: posixGroup
cn: ess_proposal_0616255
gidNumber: 30002
memberUid: ada

dn: cn=staff,ou=groups,dc=example,dc=org
objectClass: posixGroup
cn: staff
gidNumber: 30003
memberUid: ada

dn: cn=ess_proposal_700001_pi,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: ess_proposal_700001_pi
member: uid=ada,ou=people,dc=example,dc=org

dn: cn=loki_staff,ou=groups,dc=example,dc=org
objectClass: posixGroup
cn: loki_staff
gidNumber: 30004
memberUid: ben
"""


def make_certificates(folder: Path) -> None:
    """``ca.pem``, and ``server.pem`` and ``server.key`` for 127.0.0.1 and localhost."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test directory's CA")])
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)

    def builder(name: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        made = x509.CertificateBuilder().subject_name(name).issuer_name(ca_name).public_key(public)
        made = made.serial_number(x509.random_serial_number())
        return made.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))

    ca = builder(ca_name, ca_key.public_key()).add_extension(x509.BasicConstraints(True, None), True)
    ca = ca.add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), False)
    ca = ca.add_extension(x509.KeyUsage(True, False, False, False, False, True, True, False, False), True)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    server_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    server = builder(server_name, key.public_key()).add_extension(names, False)
    server = server.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), False)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    (folder / "server.pem").write_bytes(server.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    plain = serialization.NoEncryption()
    (folder / "server.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    (folder / "server.key").chmod(0o600)


class Slapd:
    """One server; ``url`` is without TLS (or with StartTLS), ``ldaps`` with."""

    def __init__(self, *, sizelimit: str = "unlimited") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="slapd-", dir="/tmp"))
        self.port, self.tls_port = _free_port(), _free_port()
        self.url, self.ldaps = f"ldap://127.0.0.1:{self.port}", f"ldaps://127.0.0.1:{self.tls_port}"
        make_certificates(self.folder)
        (self.folder / "db").mkdir()
        config = CONFIG.format(folder=self.folder, password=PASSWORD, bind_dn=BIND_DN, sizelimit=sizelimit)
        (self.folder / "slapd.conf").write_text(config)
        self._process: subprocess.Popen[bytes] | None = None
        self.load(TREE)
        self.start()

    def load(self, ldif: str) -> None:
        """Add entries while the server does not run."""
        command = ["/usr/sbin/slapadd", "-q", "-f", str(self.folder / "slapd.conf")]
        done = subprocess.run(command, input=ldif.encode(), capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()

    def start(self) -> None:
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(
            ["/usr/sbin/slapd", "-f", str(self.folder / "slapd.conf"), "-h", f"{self.url} {self.ldaps}", "-d", "0"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
        log.close()
        deadline = time.monotonic() + 20
        while True:
            try:
                for port in (self.port, self.tls_port):
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, "slapd does not listen"
                time.sleep(0.05)

    def change(self, ldif: str) -> None:
        """Change entries while it runs (ldapmodify)."""
        command = ["ldapmodify", "-x", "-H", self.url, "-D", "cn=admin,dc=example,dc=org", "-w", PASSWORD]
        done = subprocess.run(command, input=ldif.encode(), capture_output=True, timeout=20)
        assert done.returncode == 0, done.stderr.decode()

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self.signal(signal.SIGCONT)
            self._process.kill()
        if self._process:
            self._process.wait(10)
        self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
