"""What a client can call a file, and what it cannot reach by it."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from panosc_hdf5.core.errors import BadRequest, Busy, Forbidden, HDF5Error, NotFound, Unsupported
from panosc_hdf5.server.paths import Paths
from server_helpers import Ask, words


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    (folder / "runs" / "a b").mkdir(parents=True)
    (folder / "runs" / "scan.h5").write_bytes(b"x")
    (folder / "runs" / "a b" / "größe:1.h5").write_bytes(b"x")
    (folder / ".hidden.h5").write_bytes(b"x")
    (tmp_path / "secret.h5").write_bytes(b"x")
    (tmp_path / "home-of-another").mkdir()
    (tmp_path / "home-of-another" / "x.h5").write_bytes(b"x")
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "old.h5").write_bytes(b"x")
    (folder / "to-secret.h5").symlink_to("../secret.h5")
    (folder / "to-archive").symlink_to(tmp_path / "archive")
    (folder / "inside.h5").symlink_to("runs/scan.h5")
    (folder / "cycle.h5").symlink_to("cycle.h5")
    (folder / "dangling.h5").symlink_to("nowhere.h5")
    os.mkfifo(folder / "pipe.h5")
    return folder


@pytest.mark.parametrize(
    "text",
    [
        "runs/scan.h5",
        "/runs/scan.h5",
        "RTC:runs/scan.h5",
        "runs//scan.h5",
        "./runs/scan.h5",
        "inside.h5",
        "drive-2:/inside.h5",
    ],
)
async def test_names_of_one_file(root: Path, text: str) -> None:
    target = await Paths(lambda: str(root)).resolve(text)
    assert target.path == os.path.realpath(root / "runs" / "scan.h5")
    assert target.stamp is not None
    assert target.stamp.size == 1


async def test_a_colon_in_a_name(root: Path) -> None:
    assert (await Paths(lambda: str(root)).resolve("runs/a b/größe:1.h5")).path.endswith("größe:1.h5")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", BadRequest),
        ("runs/scan.h5\0", BadRequest),
        ("x" * 5000, BadRequest),
        ("\udcff", BadRequest),
        ("..", Forbidden),
        ("../secret.h5", Forbidden),
        ("runs/../../secret.h5", Forbidden),
        ("runs/../runs/scan.h5", Forbidden),
        ("RTC:../secret.h5", Forbidden),
        ("to-secret.h5", Forbidden),
        ("to-archive/old.h5", Forbidden),
        ("{tmp}/secret.h5", NotFound),
        ("{tmp}/home/runs/scan.h5", NotFound),
        ("{tmp}/home-of-another/x.h5", NotFound),
        ("%2e%2e/secret.h5", NotFound),
        ("file:///etc/passwd", BadRequest),
        ("file:/etc/passwd", NotFound),
        ("http://127.0.0.1/x.h5", Forbidden),
        ("missing.h5", NotFound),
        ("dangling.h5", NotFound),
        ("cycle.h5", NotFound),
        ("runs/scan.h5/more", NotFound),
        ("x" * 300, NotFound),
        (".hidden.h5", NotFound),
        ("/", Unsupported),
        (".", Unsupported),
        ("runs", Unsupported),
        ("pipe.h5", Unsupported),
    ],
)
async def test_refused_in_words(root: Path, text: str, kind: type[HDF5Error]) -> None:
    with pytest.raises(kind) as caught:
        await Paths(lambda: str(root)).resolve(text.replace("{tmp}", str(root.parent)))
    assert str(root.parent) not in str(caught.value.as_json())
    assert caught.value.message.endswith(".")


async def test_extra_roots_are_reached_by_links(root: Path) -> None:
    paths = Paths(lambda: str(root), [str(root.parent / "archive")])
    assert (await paths.resolve("to-archive/old.h5")).path == os.path.realpath(root.parent / "archive" / "old.h5")
    with pytest.raises(Forbidden):
        await paths.resolve("to-secret.h5")


async def test_an_extra_root_that_hangs_keeps_nobody_from_the_first_one(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, real, go = Paths(lambda: str(root), ["/hangs"], seconds=0.2), os.path.realpath, threading.Event()
    monkeypatch.setattr("os.path.realpath", lambda path, **how: go.wait(5) if path == "/hangs" else real(path, **how))
    try:
        assert (await paths.resolve("runs/scan.h5")).stamp is not None
    finally:
        go.set()


async def test_hidden_files_where_contents_show_them(root: Path) -> None:
    assert (await Paths(lambda: str(root), hidden=lambda: True).resolve(".hidden.h5")).path.endswith(".hidden.h5")


async def test_a_root_that_is_a_link(root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    assert (await Paths(lambda: str(link)).resolve("runs/scan.h5")).path == os.path.realpath(root / "runs" / "scan.h5")


async def test_contents_that_are_in_no_folder() -> None:
    with pytest.raises(Forbidden):
        await Paths(lambda: "").resolve("x.h5")


async def test_unreadable(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # these tests may run as root, who may read everything
    with pytest.raises(Forbidden):
        await Paths(lambda: str(root)).resolve("runs/scan.h5")


async def test_a_file_system_that_hangs(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = Paths(lambda: str(root), seconds=0.05)
    real, go, begun = paths._find, threading.Event(), []

    def find(text: str) -> Any:
        begun.append(text)
        go.wait(10)
        return real(text)

    monkeypatch.setattr(paths, "_find", find)
    for _ in range(20):  # more often than there are threads
        with pytest.raises(Busy) as caught:
            await paths.resolve("runs/scan.h5")
        assert caught.value.code == "file_system_hangs"
    assert begun == ["runs/scan.h5"]
    go.set()
    assert (await paths.resolve("runs/scan.h5")).stamp is not None
    assert len(begun) == 2
    assert not paths._hanging


ALLOWED = ["https://data.example.org/public/", "http://127.0.0.1:8000"]


@pytest.mark.parametrize(
    "url",
    [
        "https://data.example.org/public/a/b.h5",
        "https://DATA.example.org/public/x.h5?token=1",
        "http://127.0.0.1:8000/x.h5",
    ],
)
async def test_urls_that_are_allowed(url: str) -> None:
    target = await Paths(lambda: "/", (), ALLOWED).resolve(url)
    assert (target.path, target.stamp) == (url, None)
    assert (await Paths(lambda: "/", (), ALLOWED).resolve(url.replace("http", "HTTP", 1))).path == url


@pytest.mark.parametrize(
    "url",
    [
        "https://data.example.org/publicity/x.h5",
        "https://data.example.org/private/x.h5",
        "https://data.example.org/public/../private/x.h5",
        "https://data.example.org/public/%2e%2e/private/x.h5",
        "https://data.example.org/public/..%2fprivate/x.h5",
        "https://data.example.org@evil.example/public/x.h5",
        "https://data.example.org.evil.example/public/x.h5",
        "http://data.example.org/public/x.h5",
        "https://data.example.org:444/public/x.h5",
        "https://data.example.org:port/public/x.h5",
        "http://127.0.0.1:80000/x.h5",
        "http://127.0.0.1:8000\\@evil.example/x.h5",
        "https://data.example.org/public/a\\..\\b.h5",
        "https://data.example.org/public/a b.h5",
        "https://data.example.org/public/a\nb.h5",
        "https://[data/public/x.h5",
        "ftp://data.example.org/public/x.h5",
        "file:///public/x.h5",
        "s3://data.example.org/public/x.h5",
    ],
)
async def test_urls_that_are_not(url: str) -> None:
    with pytest.raises((Forbidden, BadRequest)):
        await Paths(lambda: "/", (), ALLOWED).resolve(url)


PIECES = [
    "..",
    ".",
    "",
    "runs",
    "scan.h5",
    "to-secret.h5",
    "to-archive",
    "RTC:",
    "%2e%2e",
    "~",
    "\\",
    "home-of-another",
    "/",
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.lists(st.sampled_from(PIECES), max_size=8).map("/".join))
def test_no_path_leads_outside(root: Path, text: str) -> None:
    try:
        found = Paths(lambda: str(root))._find(text)
    except HDF5Error:
        return
    assert found.path.startswith(os.path.realpath(root) + "/")


async def test_over_http(ask: Ask, file: Path) -> None:
    (file.parent / "out.h5").symlink_to("/etc/hostname")
    for path, status in {
        "../x.h5": 403,
        "out.h5": 403,
        "/etc/hostname": 404,
        "nowhere.h5": 404,
        "%00": 404,
        "": 400,
    }.items():
        response = await ask("echo", path=path)
        assert response.code == status, path
        assert words(response)
        assert str(file.parent).encode() not in response.body
    assert (await ask("echo", path="RTC:data.h5")).code == 200
    assert (await ask("echo", path="a\0b")).code == 400
