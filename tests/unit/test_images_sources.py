"""Sources that an operator gives to a build: only what is declared, and only the file that the SHA-256 says."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from panosc_spawner.errors import ImageError
from panosc_spawner.images import context, sources
from panosc_spawner.images.folder import Images, read_images
from panosc_spawner.images.verify import files
from panosc_spawner.images.verify.report import CheckFailed

TARBALL = b"a small tarball"
DIGEST = hashlib.sha256(TARBALL).hexdigest()
BASE = """
title = "Base"
description = "Under all."
debian = "debian:trixie-slim"
size = "1 GB"
licence = "MIT"
notebook = "start-here.ipynb"
"""
PLASMA = """
title = "Plasma"
description = "Particles in cells."
from = "base"
adds = "500 MB"
licence = "MIT"
notebook = "start-here.ipynb"
[sources.epoch]
words = "A particle-in-cell code."
licence = "GPL-3.0-only"
url = "https://epochpic.github.io"
adds = "300 MB"
"""


class Server(HTTPServer):
    """Serves the tarball, and counts how often."""

    asked = 0


class Handler(BaseHTTPRequestHandler):
    """``/epoch.tar`` is there, nothing else."""

    def do_GET(self) -> None:
        self.server.asked += 1  # type: ignore[attr-defined]
        self.send_response(200 if self.path == "/epoch.tar" else 404)
        self.end_headers()
        self.wfile.write(TARBALL)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    """On loopback, until the test ends."""
    with Server(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def images(tmp_path: Path) -> Images:
    """A base, and an image that takes a source."""
    root = tmp_path / "images"
    for name, text in (("base", BASE), ("plasma", PLASMA)):
        (root / name).mkdir(parents=True)
        (root / name / "image.toml").write_text(text)
    (root / "Dockerfile").write_text("FROM scratch\n")
    (root / "steps").mkdir()
    (root / "plasma" / "setup").write_text("test -s sources/epoch\n")
    return read_images(root)


def address(server: Server, path: str = "/epoch.tar") -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def silent(_: str) -> None:
    """What a build says is not of interest here."""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch", "has no name"),
        ("=https://x/y#" + DIGEST, "has no name"),
        ("../epoch=https://x/y#" + DIGEST, "has no name"),
        ("epoch=https://x/y", "SHA-256 is missing"),
        ("epoch=https://x/y#" + DIGEST[:-1], "SHA-256 is missing"),
        ("epoch=https://x/y#" + "z" * 64, "SHA-256 is missing"),
        ("epoch=ftp://x/y#" + DIGEST, "begins with https://"),
        ("epoch=/etc/passwd#" + DIGEST, "begins with https://"),
        ("epoch=https://me:secret@x/y#" + DIGEST, "must not hold a password"),
    ],
)
def test_another_form_is_refused(text: str, words: str) -> None:
    with pytest.raises(ImageError) as caught:
        sources.parse(text)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_source_reaches_the_setup_of_the_image_that_takes_it(images: Images, server: Server, tmp_path: Path) -> None:
    source = sources.parse(f"epoch={address(server)}#{DIGEST.upper()}")
    given = sources.with_sources(images, ["plasma"], [source], tmp_path / "cache", silent)
    assert not given["base"].given
    assert not images["plasma"].given

    target = tmp_path / "context"
    target.mkdir()
    context.write_layer(target, given["plasma"], given, [])
    assert (target / "setup/sources/epoch").read_bytes() == TARBALL
    said = json.loads((target / "about/image.json").read_text())
    assert said["sources"] == {"epoch": {"address": address(server), "sha256": DIGEST}}

    plain = tmp_path / "plain"
    plain.mkdir()
    context.write_layer(plain, images["plasma"], images, [])
    assert not (plain / "setup/sources").exists()


def test_it_is_downloaded_once(images: Images, server: Server, tmp_path: Path) -> None:
    source = sources.parse(f"epoch={address(server)}#{DIGEST}")
    for _ in range(2):
        sources.with_sources(images, ["plasma"], [source], tmp_path / "cache", silent)
    assert server.asked == 1
    (tmp_path / "cache" / DIGEST).write_bytes(b"changed on disk")
    assert sources.fetch(source, tmp_path / "cache", silent).read_bytes() == TARBALL


def test_another_file_than_asked_for_is_refused_and_not_kept(images: Images, server: Server, tmp_path: Path) -> None:
    other = hashlib.sha256(b"another file").hexdigest()
    source = sources.parse(f"epoch={address(server)}#{other}")
    with pytest.raises(ImageError, match=f"its SHA-256 is {DIGEST}, wanted is {other}"):
        sources.with_sources(images, ["plasma"], [source], tmp_path / "cache", silent)
    assert not list((tmp_path / "cache").iterdir())


def test_what_is_not_there_or_too_large_is_told(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ImageError, match="cannot be downloaded: Not Found"):
        sources.fetch(sources.parse(f"epoch={address(server, '/none')}#{DIGEST}"), tmp_path, silent)
    with pytest.raises(ImageError, match="cannot be downloaded"):
        sources.fetch(sources.parse(f"epoch=http://127.0.0.1:1/x#{DIGEST}"), tmp_path, silent)
    monkeypatch.setattr(sources, "MOST_BYTES", 3)
    with pytest.raises(ImageError, match="has more than"):
        sources.fetch(sources.parse(f"epoch={address(server)}#{DIGEST}"), tmp_path, silent)
    assert not list(tmp_path.iterdir())


def test_a_name_that_no_image_takes_is_told(images: Images, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="did you mean epoch"):
        sources.with_sources(images, ["plasma"], [sources.parse(f"epok=file:///x#{DIGEST}")], tmp_path, silent)
    with pytest.raises(ImageError, match="none of the images that are built takes it"):
        sources.with_sources(images, ["base"], [sources.parse(f"epoch=file:///x#{DIGEST}")], tmp_path, silent)


def test_a_file_of_the_operator_s_own_is_taken(tmp_path: Path) -> None:
    own = tmp_path / "epoch.tar"
    own.write_bytes(TARBALL)
    taken = sources.fetch(sources.parse(f"epoch={own.as_uri()}#{DIGEST}"), tmp_path / "cache", silent)
    assert taken.read_bytes() == TARBALL


def test_a_given_source_may_add_what_it_says_and_no_more(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"base": 700e6, "plasma": 1_450e6}
    said = {"sources": {"epoch": {"sha256": DIGEST}}}
    monkeypatch.setattr(files, "_inspect", lambda tag: {"Size": sizes[tag.split("/")[1].split(":")[0]]})
    monkeypatch.setattr(files, "as_root", lambda tag, script: json.dumps(said))
    assert files.size(images["plasma"], images) == "1450 MB, 750 MB more than base"
    sizes["plasma"] = 1_550e6
    with pytest.raises(CheckFailed, match="at most 800 MB more"):
        files.size(images["plasma"], images)
    said["sources"] = {}
    with pytest.raises(CheckFailed, match="at most 500 MB more"):
        files.size(images["plasma"], images)
