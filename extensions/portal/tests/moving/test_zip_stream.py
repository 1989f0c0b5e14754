"""A zip of real files, read as the person: the same every time, resumed without being read again, and never silently wrong."""

from __future__ import annotations

import io
import os
import time
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moving_places import open_dir, person_data
from panosc_portal.hub import AreaDirectory
from panosc_portal.moving import reader_child
from panosc_portal.moving.as_person import Reader, ReadError
from panosc_portal.moving.checksums import Checksums
from panosc_portal.moving.plan import Names, Plan, chosen_once, make_plan
from panosc_portal.moving.zip_stream import ABOUT, ZipOf

FILES = {"scan1/a.h5": b"a" * 90_000, "scan1/b.h5": b"", "scan 2/é.dat": os.urandom(3000), "notes.txt": b"hello"}


def write(area: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        file = area / name
        open_dir(file.parent)
        file.write_bytes(content)
        file.chmod(0o644)
        os.utime(file, (1_700_000_000, 1_700_000_000))


@pytest.fixture
def area(open_folder: Path) -> Path:
    made = open_dir(open_folder / "raw")
    write(made, FILES)
    return made


@pytest.fixture
async def reader(area: Path) -> AsyncIterator[Reader]:
    async with Reader(person_data(area)) as opened:
        yield opened


async def plan_of(reader: Reader, area: Path, *paths: str, most: int = 1000) -> Plan:
    return await make_plan(reader, person_data(area), paths, most)


async def got(reader: Reader, zipped: ZipOf, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([part async for part in zipped.stream(reader, start, zipped.size if end is None else end)])


async def test_it_holds_what_was_chosen_under_the_names_that_people_see(reader: Reader, area: Path) -> None:
    zipped = ZipOf(await plan_of(reader, area), Checksums(None))
    whole = await got(reader, zipped)
    assert len(whole) == zipped.size
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        assert opened.testzip() is None
        names = {name: opened.read(name) for name in opened.namelist()}
    about = names.pop(f"esrf-ma1234/{ABOUT}").decode()
    assert names == {f"esrf-ma1234/raw/{name}": content for name, content in FILES.items()}
    assert "4 files" in about and "esrf/ma1234" in about
    assert await got(reader, ZipOf(await plan_of(reader, area), Checksums(None))) == whole


async def test_a_slice_after_a_break_needs_nothing_read_again(
    reader: Reader, area: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums, plan = Checksums(None), await plan_of(reader, area)
    whole = await got(reader, ZipOf(plan, sums))
    asked: list[str] = []
    plain = Reader.sums

    async def spied(self: Reader, root: Path, path: str, **how: object) -> object:
        asked.append(path)
        return await plain(self, root, path, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(Reader, "sums", spied)
    again = ZipOf(await plan_of(reader, area), sums)
    assert await got(reader, again, len(whole) - 500) == whole[-500:]
    assert asked == []
    fresh = ZipOf(plan, Checksums(None))  # nothing is known any more: it is computed, and the bytes are the same
    assert await got(reader, fresh, len(whole) - 500) == whole[-500:]
    assert len(asked) == len([name for name, content in FILES.items() if content])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 100_000), max_size=5))
async def test_slices_put_together_are_the_zip(area: Path, cuts: list[int]) -> None:
    async with Reader(person_data(area)) as reader:
        plan = await plan_of(reader, area)
        whole = await got(reader, ZipOf(plan, Checksums(None)))
        at = sorted({0, len(whole), *(min(cut, len(whole)) for cut in cuts)})
        slices = [await got(reader, ZipOf(plan, Checksums(None)), *at[i : i + 2]) for i in range(len(at) - 1)]
    assert b"".join(slices) == whole


async def test_a_broken_off_file_goes_on_at_its_last_mark(
    area: Path, monkeypatch: pytest.MonkeyPatch, open_folder: Path
) -> None:
    big = os.urandom(5_000_000)
    (area / "zbig").write_bytes(big)
    (area / "zbig").chmod(0o644)
    child = open_folder / "child.py"  # the same child, with a mark every megabyte
    child.write_text(Path(reader_child.__file__).read_text().replace("256 * 1024**2", "1024**2"))
    monkeypatch.setattr("panosc_portal.moving.as_person.CHILD", child)
    monkeypatch.setattr("panosc_portal.moving.zip_stream.CHECKPOINT", 1024**2)
    sums = Checksums(None)
    async with Reader(person_data(area)) as reader:
        plan = await plan_of(reader, area)
        head, stream = bytearray(), ZipOf(plan, sums).stream(reader, 0, 10**9)
        async for part in stream:
            head += part
            if len(head) > 4_000_000:
                break
        await stream.aclose()  # type: ignore[attr-defined]
    identity = next(f.identity for f in plan.files if f.path == "zbig")
    assert sums.crc(identity)[0] >= 3 * 1024**2
    async with Reader(person_data(area)) as reader:
        again = ZipOf(plan, sums)
        whole = bytes(head) + await got(reader, again, len(head))
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        assert opened.testzip() is None and opened.read("esrf-ma1234/raw/zbig") == big


@pytest.mark.parametrize("how", ["other content", "longer", "shorter", "gone", "a link"])
async def test_a_file_that_changed_since_the_plan_breaks_the_stream(reader: Reader, area: Path, how: str) -> None:
    zipped = ZipOf(await plan_of(reader, area), Checksums(None))
    file = area / "scan1" / "a.h5"
    match how:
        case "other content":
            file.write_bytes(b"b" * 90_000)
        case "longer":
            file.write_bytes(b"a" * 90_001)
        case "shorter":
            file.write_bytes(b"a")
        case "gone":
            file.unlink()
        case _:
            file.unlink()
            file.symlink_to("/etc/passwd")
    out = bytearray()
    with pytest.raises(ReadError):
        async for part in zipped.stream(reader, 0, zipped.size):
            out += part
    assert len(out) < zipped.size and b"root:" not in out


async def test_a_change_that_hides_its_time_is_found_by_its_checksum(reader: Reader, area: Path) -> None:
    plan, sums = await plan_of(reader, area), Checksums(None)
    file, identity = area / "scan1" / "a.h5", next(f.identity for f in plan.files if f.path == "scan1/a.h5")
    zipped = ZipOf(plan, sums)
    index = next(i for i, f in enumerate(plan.files, 1) if f.path == "scan1/a.h5")
    await zipped._crc(reader, index)
    with file.open("r+b") as out:
        out.write(b"z")
    os.utime(file, ns=(identity.mtime, identity.mtime))
    with pytest.raises(ReadError, match="changed"):
        await got(reader, zipped)


async def test_the_tag_changes_with_names_sizes_times_and_what_is_left_out(reader: Reader, area: Path) -> None:
    tags = [(await plan_of(reader, area)).tag()]

    async def differs() -> None:
        tags.append((await plan_of(reader, area)).tag())
        assert len(set(tags)) == len(tags)

    os.utime(area / "notes.txt", (1, 1))
    await differs()
    (area / "notes.txt").rename(area / "other.txt")
    await differs()
    (area / "link").symlink_to("other.txt")
    await differs()
    tags.append((await plan_of(reader, area, "raw/scan1")).tag())
    assert len(set(tags)) == len(tags)
    (area / "other.txt").chmod(0o444)  # no other content: a download that was broken off goes on
    assert (await plan_of(reader, area)).tag() == tags[-2]


async def test_what_cannot_be_part_of_it_is_named(reader: Reader, area: Path) -> None:
    (area / "link").symlink_to("/etc/passwd")
    os.mkfifo(area / "pipe")
    plan = await plan_of(reader, area)
    assert dict(plan.left_out) == {
        "raw/link": "a link; links are not followed",
        "raw/pipe": "no file (a pipe or a device)",
    }
    assert "raw/link" in plan.about()


async def test_names_that_are_shown_alike_stay_apart(reader: Reader, area: Path) -> None:
    write(area, {"a\\b": b"1", "a%5Cb": b"2", "..\\..\\evil": b"3"})
    whole = await got(reader, ZipOf(await plan_of(reader, area), Checksums(None)))
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        names = opened.namelist()
        assert not [name for name in names if "\\" in name or name.startswith("/") or "/../" in name]
        assert sorted(opened.read(f"esrf-ma1234/raw/a%5Cb{more}") for more in ("", "~2")) == [b"1", b"2"]


async def test_more_files_than_a_zip_may_have_are_counted(reader: Reader, area: Path) -> None:
    plan = await make_plan(reader, person_data(area), (), 2, 1000)
    assert not plan.complete and len(plan.files) == 2 and plan.count == 4
    assert plan.size == sum(len(content) for content in FILES.values())


async def test_folders_files_visits_and_nonsense(reader: Reader, area: Path) -> None:
    assert [f.name for f in (await plan_of(reader, area, "raw/scan1", "raw/scan1/a.h5")).files] == [
        "raw/scan1/a.h5",
        "raw/scan1/b.h5",
    ]
    assert [f.name for f in (await plan_of(reader, area, "raw/notes.txt")).files] == ["raw/notes.txt"]
    data = person_data(area)
    visits = replace(
        data, areas=tuple(AreaDirectory("raw", area, area.parent, label) for label in ("id31-1", "id31-2"))
    )
    assert {f.name.split("/")[1] for f in (await make_plan(reader, visits, ("raw",), 99)).files} == {"id31-1", "id31-2"}
    for wrong in ("processed", "raw/../../x", "../x", "raw/nothing", "raw2", "/etc"):
        with pytest.raises(ReadError):
            await plan_of(reader, area, wrong)


def test_what_lies_in_another_chosen_folder_is_chosen_once() -> None:
    assert chosen_once(["raw/a/b", "raw/a/", "raw/ab", "raw//a/./c"]) == ("raw/a", "raw/ab")
    assert chosen_once(["raw", ""]) == () == chosen_once([])


def test_checksums_are_of_one_state_of_a_file_and_the_oldest_are_forgotten() -> None:
    from panosc_portal.moving.as_person import Identity

    sums = Checksums(None, most=100)
    file = Identity(1, 2**64 - 5, 1000, 7, 8)
    sums.keep_crc(file, 500, 5)
    sums.keep_crc(file, 1000, 10)
    sums.keep_sha256(file, "ab")
    assert sums.crc(file, 999) == (500, 5) and sums.crc(file) == (1000, 10) and sums.sha256(file) == "ab"
    for other in (replace(file, mtime=8), replace(file, ctime=9), replace(file, inode=3), replace(file, device=2)):
        assert sums.sha256(other) == "" and sums.crc(other) == (0, 0)
    for number in range(500):
        sums.keep_crc(Identity(1, number, 10, 1, 1), 10, number)
    (count,) = sums._db.execute("SELECT count(*) FROM sums").fetchone()
    assert count <= 200 and sums.crc(Identity(1, 499, 10, 1, 1)) == (10, 499)


def test_many_names_that_are_shown_alike_are_told_apart_in_a_moment() -> None:
    names, begun = Names(), time.perf_counter()
    names.free("x~3")
    given = [names.free("x") for _ in range(20_000)]
    assert len(set(given) | {"x~3"}) == 20_001 and given[:3] == ["x", "x~2", "x~4"]
    assert time.perf_counter() - begun < 2
