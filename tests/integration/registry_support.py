"""A registry on loopback that serves one local image: enough of the distribution API for a real pull."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import docker

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest_of(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


class Registry:
    """Blobs by digest, and what was asked for."""

    def __init__(self, layer: bytes) -> None:
        packed = gzip.compress(layer, 1)
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Cmd": ["true"]},
                "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]},
            }
        ).encode()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "size": len(config), "digest": digest_of(config)},
                "layers": [{"mediaType": LAYER, "size": len(packed), "digest": digest_of(packed)}],
            }
        ).encode()
        self.digest = digest_of(manifest)
        self.manifest = manifest
        self.blobs = {digest_of(blob): blob for blob in (config, packed)}
        self.asked: list[str] = []
        self.port = 0

    def image(self, name: str) -> str:
        """The image's name, pinned by digest."""
        return f"127.0.0.1:{self.port}/{name}@{self.digest}"


@contextmanager
def registry(client: docker.APIClient, image: str) -> Iterator[Registry]:
    """Serve the file system of a local image as an image of one layer."""
    served = Registry(_one_layer(client, image))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            served.asked.append(self.path)
            last = self.path.rpartition("/")[2]
            if self.path == "/v2/":
                self.send(b"{}", "application/json")
            elif "/manifests/" in self.path and last == served.digest:
                self.send(served.manifest, MANIFEST)
            elif last in served.blobs:
                self.send(served.blobs[last], "application/octet-stream")
            else:
                self.send(b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown"}]}', "application/json", 404)

        do_HEAD = do_GET

        def send(self, body: bytes, kind: str, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
            if kind == MANIFEST:
                self.send_header("Docker-Content-Digest", served.digest)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _one_layer(client: docker.APIClient, image: str) -> bytes:
    """The image's file system as a layer, with a file that makes it different from every other run's."""
    container = client.create_container(image, command=["true"])["Id"]
    try:
        whole = io.BytesIO(b"".join(client.export(container)))
    finally:
        client.remove_container(container, force=True)
    with tarfile.open(fileobj=whole, mode="a") as archive:
        marker = f"{container}".encode()
        member = tarfile.TarInfo("etc/pulled")
        member.size = len(marker)
        archive.addfile(member, io.BytesIO(marker))
    return whole.getvalue()
