"""A zip's bytes lie where the layout says, whatever is in it; and its slices, put together, are read by others."""

from __future__ import annotations

import io
import itertools
import subprocess
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from panosc_portal.moving import zip_layout
from panosc_portal.moving.zip_layout import Content, Descriptor, Fixed, Member, TooMuchForZip, ZipLayout

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\/:"), min_size=1, max_size=12).map(
    lambda name: f"esrf-ma1234/{name}"
)
FILES = st.dictionaries(NAMES, st.binary(max_size=300), max_size=6)
TIMES = st.integers(-(2**40), 2**40)


def made(layout: ZipLayout, contents: list[bytes], start: int = 0, end: int | None = None) -> bytes:
    """A slice of the zip, as a server makes it."""
    out = bytearray()
    for piece in layout.pieces(start, layout.size if end is None else end):
        if isinstance(piece, Fixed):
            out += piece.content
        elif isinstance(piece, Content):
            out += contents[piece.member][piece.start : piece.end]
        else:
            crc = zlib.crc32(contents[piece.member])
            whole = layout.descriptor if isinstance(piece, Descriptor) else layout.record
            out += whole(piece.member, crc)[piece.start : piece.end]
    return bytes(out)


def layout_of(files: dict[str, bytes], changed: int = 1_700_000_000) -> ZipLayout:
    return ZipLayout([Member(name, len(content), changed) for name, content in files.items()])


@given(FILES, TIMES)
def test_python_reads_every_file_and_name(files: dict[str, bytes], changed: int) -> None:
    layout = layout_of(files, changed)
    whole = made(layout, list(files.values()))
    assert len(whole) == layout.size
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == files


@given(FILES, st.lists(st.integers(0, 4000), max_size=6))
def test_slices_put_together_are_the_whole(files: dict[str, bytes], cuts: list[int]) -> None:
    layout, contents = layout_of(files), list(files.values())
    whole = made(layout, contents)
    at = sorted({0, layout.size, *(min(cut, layout.size) for cut in cuts)})
    assert b"".join(made(layout, contents, a, b) for a, b in itertools.pairwise(at)) == whole
    for a, b in itertools.pairwise(at):
        assert made(layout, contents, a, b) == whole[a:b]


@given(FILES, st.integers(0, 4000), st.integers(0, 4000))
def test_what_a_slice_needs_is_what_it_asks_for(files: dict[str, bytes], one: int, other: int) -> None:
    layout = layout_of(files)
    start, end = sorted((min(one, layout.size), min(other, layout.size)))
    asked = {piece.member for piece in layout.pieces(start, end) if not isinstance(piece, Fixed | Content)}
    needed = layout.needs(start, end)
    assert asked <= {index for index in range(len(files)) if needed(index)}
    if start == 0 and end == layout.size:
        assert all(needed(index) for index in range(len(files)))


@settings(max_examples=40)
@given(FILES)
def test_with_zip64_everywhere_it_is_read_the_same(files: dict[str, bytes]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zip_layout, "LONG_FROM", 0)
        patch.setattr(zip_layout, "MANY_FROM", 0)
        layout = layout_of(files)
        whole = made(layout, list(files.values()))
    assert len(whole) == layout.size and b"PK\x06\x06" in whole
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == files


@pytest.fixture
def real(tmp_path: Path) -> tuple[Path, dict[str, bytes]]:
    files = {"esrf-ma1234/raw/a.h5": b"a" * 70_000, "esrf-ma1234/é ü.txt": b"", "esrf-ma1234/日本.dat": b"\0" * 5}
    layout, contents = layout_of(files), list(files.values())
    file = tmp_path / "data.zip"
    with file.open("wb") as out:
        for start in range(0, layout.size, 1000):
            out.write(made(layout, contents, start, min(start + 1000, layout.size)))
    return file, files


def test_infozip_tests_it_and_unpacks_names_and_times(real: tuple[Path, dict[str, bytes]], tmp_path: Path) -> None:
    file, files = real
    tested = subprocess.run(["unzip", "-t", file], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "No errors detected" in tested.stdout
    environment = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    subprocess.run(["unzip", "-q", file, "-d", tmp_path / "out"], check=True, env=environment)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in files} == files
    assert (tmp_path / "out" / "esrf-ma1234/raw/a.h5").stat().st_mtime == 1_700_000_000


def test_a_file_and_an_offset_above_four_gigabytes_are_in_the_directory(tmp_path: Path) -> None:
    big = 5 * 1024**3
    members = [Member("big", big), Member("after", 3)]
    layout = ZipLayout(members)
    zeros = zlib.crc32(b"")
    block = bytes(64 * 1024**2)
    for _ in range(big // len(block)):
        zeros = zlib.crc32(block, zeros)
    contents = {0: (b"", zeros), 1: (b"abc", zlib.crc32(b"abc"))}
    file = tmp_path / "big.zip"
    with file.open("wb") as out:
        for piece in layout.pieces(0, layout.size):
            if isinstance(piece, Fixed):
                out.write(piece.content)
            elif isinstance(piece, Content) and piece.member == 0:
                out.seek(big, 1)  # a hole
            elif isinstance(piece, Content):
                out.write(b"abc")
            else:
                whole = layout.descriptor if isinstance(piece, Descriptor) else layout.record
                out.write(whole(piece.member, contents[piece.member][1]))
    assert file.stat().st_size == layout.size
    with zipfile.ZipFile(file) as opened:
        assert [(info.filename, info.file_size) for info in opened.infolist()] == [("big", big), ("after", 3)]
        assert opened.read("after") == b"abc"
    listed = subprocess.run(["unzip", "-t", file, "after"], capture_output=True, text=True, check=False)
    assert listed.returncode == 0 and "No errors" in listed.stdout, listed.stdout + listed.stderr


def test_seventy_thousand_files(tmp_path: Path) -> None:
    files = {f"f{number:05}": b"x" for number in range(70_000)}
    layout = layout_of(files)
    (tmp_path / "many.zip").write_bytes(made(layout, list(files.values())))
    with zipfile.ZipFile(tmp_path / "many.zip") as opened:
        assert len(opened.namelist()) == 70_000 and opened.read("f69999") == b"x"


def test_names_that_cannot_be() -> None:
    with pytest.raises(TooMuchForZip, match="too long"):
        ZipLayout([Member("x" * 70_000, 1)])
    with pytest.raises(ValueError, match="one name"):
        ZipLayout([Member("x", 1), Member("x", 2)])
