"""Reading as a person: what they may, nothing beyond the directory, and never a file that changed on the way."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import resource
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from moving_places import OTHER, PERSON, as_person, open_dir, person_data
from panosc_portal.moving import as_person as module
from panosc_portal.moving.as_person import Entry, Reader, ReadError, process_options, shown
from panosc_portal.moving.reader_child import open_beneath

needs_root = pytest.mark.usefixtures("as_root")


@pytest.fixture
def area(open_folder: Path) -> Path:
    made = open_dir(open_folder / "raw")
    for name, content in {"a.h5": b"a" * 1000, "b/c.dat": b"c" * 70_000, "b/d": b"", "é ü.txt": b"x"}.items():
        file = made / name
        open_dir(file.parent)
        file.write_bytes(content)
        file.chmod(0o644)
    return made


async def listed(area: Path, **how: object) -> list[Entry]:
    async with Reader(person_data(area)) as reader:
        return [entry async for entry in reader.walk(area, **how)]  # type: ignore[arg-type]


async def content(area: Path, path: str, **how: object) -> bytes:
    async with Reader(person_data(area)) as reader, reader.open(area, path, **how) as stream:  # type: ignore[arg-type]
        return b"".join([piece async for piece in stream])


async def test_everything_is_listed_by_name_a_folder_before_its_content(area: Path) -> None:
    entries = await listed(area)
    assert [(e.path, e.kind) for e in entries] == [
        ("a.h5", "file"),
        ("b", "dir"),
        ("é ü.txt", "file"),
        ("b/c.dat", "file"),
        ("b/d", "file"),
    ]
    assert [e.path for e in await listed(area, deep=False)] == ["a.h5", "b", "é ü.txt"]
    assert [e.path for e in await listed(area, path="b")] == ["b/c.dat", "b/d"]


async def test_links_pipes_and_locked_files_are_told_and_not_followed(area: Path, open_folder: Path) -> None:
    secret = open_folder / "secret"
    secret.write_bytes(b"not yours")
    (area / "out").symlink_to(secret)
    (area / "loop").symlink_to(area)
    os.mkfifo(area / "pipe")
    kinds = {entry.path: entry.kind for entry in await listed(area)}
    assert kinds["out"] == "link" and kinds["loop"] == "link" and kinds["pipe"] == "other"
    assert not [path for path in kinds if path.startswith("loop/")]


@pytest.mark.parametrize("path", ["../secret", "out", "b/../../secret", "/etc/passwd", "dir/secret", "absolute"])
@pytest.mark.parametrize("links", [False, True])
async def test_nothing_beyond_the_directory_is_opened(area: Path, open_folder: Path, path: str, links: bool) -> None:
    (open_folder / "secret").write_bytes(b"not yours")
    (open_folder / "secret").chmod(0o644)
    (area / "out").symlink_to("../secret")
    (area / "dir").symlink_to("..")
    (area / "absolute").symlink_to(open_folder / "secret")
    with pytest.raises(ReadError) as refused:
        await content(area, path, links=links)
    assert refused.value.code in {"outside", "missing"}


async def test_a_link_that_stays_beneath_is_followed_if_that_is_wished(area: Path) -> None:
    (area / "inside").symlink_to("b/c.dat")
    assert await content(area, "inside", links=True) == b"c" * 70_000
    with pytest.raises(ReadError, match="leads out"):
        await content(area, "inside")


def test_without_the_kernels_help_no_link_is_followed_at_all(area: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panosc_portal.moving.reader_child._OPENAT2", 100_000)  # no such call: ENOSYS
    (area / "inside").symlink_to("b/c.dat")
    (area / "folder").symlink_to("b")
    root = os.open(area, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.close(open_beneath(root, "b/c.dat", os.O_RDONLY, links=True))
        for path in ("inside", "folder/c.dat", "../x", "/etc/passwd"):
            with pytest.raises(OSError):
                open_beneath(root, path, os.O_RDONLY, links=True)
    finally:
        os.close(root)


async def test_a_root_that_is_itself_a_link_is_refused(area: Path, open_folder: Path) -> None:
    (open_folder / "alias").symlink_to(area)
    with pytest.raises(ReadError, match="leads out"):
        await content(open_folder / "alias", "a.h5")


@needs_root
async def test_it_reads_with_the_persons_rights_and_groups(area: Path) -> None:
    for name, owner, group, mode in [
        ("theirs", OTHER, OTHER, 0o600),
        ("groups", OTHER, 7070, 0o640),
        ("own", PERSON, PERSON, 0o400),
    ]:
        (area / name).write_bytes(name.encode())
        (area / name).chmod(mode)
        os.chown(area / name, owner, group)
    kinds = {entry.path: entry.kind for entry in await listed(area)}
    assert (kinds["theirs"], kinds["groups"], kinds["own"]) == ("locked", "file", "file")
    assert await content(area, "groups") == b"groups"
    with pytest.raises(ReadError, match="does not let you"):
        await content(area, "theirs")


@needs_root
async def test_the_child_has_no_rights_of_root_and_no_files_of_the_portals(area: Path) -> None:
    async with Reader(person_data(area)) as reader:
        assert reader._child is not None
        status = Path(f"/proc/{reader._child.pid}/status").read_text()
        open_files = [str(link.readlink()) for link in Path(f"/proc/{reader._child.pid}/fd").iterdir()]
    values = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert values["Uid"].split() == [str(PERSON)] * 4
    assert values["Groups"].split() == ["7070"]
    assert int(values["CapEff"], 16) == 0 and int(values["CapPrm"], 16) == 0 and values["NoNewPrivs"] == "1"
    assert all(name.startswith(("pipe:", "socket:", "/dev/null")) for name in open_files), open_files


def test_nobody_is_read_for_as_root_nor_as_others_by_a_portal_that_is_not(
    area: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ReadError, match="cannot read in your name"):
        process_options(as_person(area, 0))
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    with pytest.raises(ReadError, match="cannot read in your name"):
        process_options(as_person(area, 4321))
    assert "user" not in process_options(as_person(area, 1234))


async def test_a_slice_and_its_checksums(area: Path) -> None:
    whole = os.urandom(600_000)
    (area / "a.h5").write_bytes(whole)
    async with Reader(person_data(area)) as reader:
        async with reader.open(area, "a.h5", start=1000, end=500_000, sums=("crc32", "sha256")) as stream:
            assert b"".join([piece async for piece in stream]) == whole[1000:500_000]
        assert stream.sums is not None
        assert stream.sums.crc32 == zlib.crc32(whole[1000:500_000])
        assert stream.sums.sha256 == hashlib.sha256(whole[1000:500_000]).hexdigest()
        _, sums = await reader.sums(area, "a.h5", sums=("crc32",), start=1000, crc=zlib.crc32(whole[:1000]))
        assert sums.crc32 == zlib.crc32(whole)


async def test_a_file_that_changed_since_is_not_sent_as_the_same(area: Path) -> None:
    known = {entry.path: entry.identity for entry in await listed(area)}["a.h5"]
    (area / "a.h5").write_bytes(b"z" * 1000)
    os.utime(area / "a.h5", ns=(0, known.mtime + 1))
    with pytest.raises(ReadError, match="changed while"):
        await content(area, "a.h5", same=known)


@pytest.mark.parametrize("how", ["grows", "shrinks", "is replaced"])
async def test_a_file_that_changes_while_it_is_read_ends_in_an_error(area: Path, how: str) -> None:
    file = area / "big"
    file.write_bytes(b"1" * 40_000_000)
    file.chmod(0o644)
    got = 0
    with pytest.raises(ReadError) as refused:
        async with Reader(person_data(area)) as reader, reader.open(area, "big") as stream:
            async for piece in stream:
                if not got:
                    match how:
                        case "grows":
                            with file.open("ab") as more:
                                more.write(b"2")
                        case "shrinks":
                            os.truncate(file, 100)
                        case _:
                            with file.open("r+b") as more:
                                more.write(b"2")
                got += len(piece)
    assert refused.value.code == "changed" and got <= 40_000_000


async def test_a_reader_goes_on_after_an_error_and_is_gone_after_a_broken_off_read(area: Path) -> None:
    (area / "big").write_bytes(b"1" * 9_000_000)
    (area / "big").chmod(0o644)
    async with Reader(person_data(area)) as reader:
        with pytest.raises(ReadError, match="not there"):
            await reader.sums(area, "nothing")
        assert (await reader.sums(area, "a.h5"))[1].end == 1000
        async with reader.open(area, "big") as stream:
            async for _ in stream:
                break
        assert reader._child is None
        with pytest.raises(ReadError, match="closed"):
            await reader.sums(area, "a.h5")


async def test_a_silent_file_system_ends_the_reading_in_words(area: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Reader(person_data(area)) as reader:
        assert reader._child is not None
        monkeypatch.setattr(module, "SILENCE_SECONDS", 0.2)
        os.kill(reader._child.pid, 19)  # SIGSTOP: as a process that waits for a file server
        with pytest.raises(ReadError, match="does not answer"):
            await reader.sums(area, "a.h5")
        assert reader._child is None


async def test_more_files_than_may_be_are_told(area: Path) -> None:
    with pytest.raises(ReadError, match="too many"):
        await listed(area, limit=4)
    assert len(await listed(area, limit=5)) == 5


@pytest.mark.parametrize("name", [b"\xff\xfe", b"a\nb", b"..\\..\\evil", b"%41", "日本".encode()])
async def test_any_name_a_file_can_have_is_listed_read_and_shown(area: Path, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(area) + b"/" + name)).write_bytes(b"here")
    Path(os.fsdecode(os.fsencode(area) + b"/" + name)).chmod(0o644)
    assert os.fsdecode(name) in [entry.path for entry in await listed(area)]
    assert await content(area, os.fsdecode(name)) == b"here"
    assert shown(os.fsdecode(name)).isprintable() and "\\" not in shown(os.fsdecode(name))


async def test_a_sparse_file_of_two_gigabytes_passes_in_bounded_memory(area: Path) -> None:
    with (area / "sparse").open("wb") as file:
        file.truncate(2 * 1024**3)
    (area / "sparse").chmod(0o644)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    total = 0
    async with Reader(person_data(area)) as reader, reader.open(area, "sparse", sums=("crc32",)) as stream:
        async for piece in stream:
            total += len(piece)
    assert total == 2 * 1024**3
    assert stream.sums is not None and stream.mark == (2 * 1024**3, stream.sums.crc32)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024  # kB


async def test_many_at_a_time(area: Path) -> None:
    assert await asyncio.gather(*(content(area, "b/c.dat") for _ in range(10))) == [b"c" * 70_000] * 10


async def test_who_goes_away_while_it_starts_leaves_no_process_and_no_descriptor(area: Path) -> None:
    before = _descriptors()
    readers = []
    for steps in range(12):
        readers.append(reader := Reader(person_data(area)))
        task = asyncio.create_task(reader.__aenter__())
        for _ in range(steps):
            await asyncio.sleep(0.002)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
            await reader.aclose()  # it was there already
    for _ in range(500):
        if _descriptors() <= before and not list(_children()):
            break
        await asyncio.sleep(0.02)
    assert _descriptors() <= before
    assert list(_children()) == []


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _children() -> Iterator[int]:
    """Reading processes of this one that still run."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            _, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid() and b"reader_child" in stat.with_name("cmdline").read_bytes():
                yield int(stat.parent.name)
