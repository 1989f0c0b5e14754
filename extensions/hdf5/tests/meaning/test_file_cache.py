"""Files that are opened, changed, written meanwhile, and no files at all."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from panosc_hdf5.core import open_file
from panosc_hdf5.core.errors import Busy, Forbidden, HDF5Error, NotFound, Unreadable, Unsupported
from panosc_hdf5.core.files import FileCache


def write(path: Path, value: int, **options: Any) -> Path:
    """In place, by bytes: HDF5 does not truncate what this process itself has open."""
    made = path.with_suffix(".new")
    with h5py.File(made, "w", **options) as file:
        file["x"] = np.full(100, value)
    path.write_bytes(made.read_bytes())
    made.unlink()
    return path


def first(cache: FileCache, path: Path) -> int:
    with cache.locate(str(path), "/x") as located:
        return int(located.dataset()[0])


def settle() -> None:
    time.sleep(0.03)  # longer than a file system's clock ticks


def newer_superblock(path: Path) -> None:
    write(path, 1)
    raw = bytearray(path.read_bytes())
    raw[8] = 9
    path.write_bytes(raw)


def marked_as_open(path: Path) -> None:
    file = h5py.File(path, "w", libver="latest")
    file["x"] = np.arange(10)
    file.flush()
    raw = path.read_bytes()
    file.close()
    path.write_bytes(raw)


BROKEN: dict[str, tuple[Callable[[Path], Any], type[HDF5Error], str]] = {
    "text": (lambda p: p.write_text("no HDF5 " * 500), Unsupported, "not_hdf5"),
    "empty": (lambda p: p.write_bytes(b""), Unreadable, "empty_file"),
    "directory": (lambda p: p.mkdir(), Unsupported, "directory"),
    "pipe": (os.mkfifo, Unsupported, "not_a_file"),
    "missing": (lambda p: None, NotFound, "vanished"),
    "dead symlink": (lambda p: p.symlink_to(p.with_name("gone")), NotFound, "vanished"),
    "truncated": (lambda p: (write(p, 1), os.truncate(p, 1500)), Unreadable, "truncated"),
    "newer": (newer_superblock, Unsupported, "newer_format"),
    "open for writing": (marked_as_open, Busy, "open_for_writing"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_readable_file_is_refused_in_words(tmp_path: Path, name: str) -> None:
    make, kind, code = BROKEN[name]
    path = tmp_path / "file.h5"
    make(path)
    cache = FileCache([tmp_path])
    for _ in range(2):  # a failure is not remembered as a file
        with pytest.raises(kind) as caught, cache.locate(str(path)):
            pass
        assert caught.value.code == code
        assert str(tmp_path) not in caught.value.message
    if path.is_file() or path.is_symlink() or path.is_fifo():
        path.unlink()
        write(path, 7)
        assert first(cache, path) == 7
    cache.close()


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "file.h5", 1)

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("panosc_hdf5.core.files.os.open", refuse)  # root, who runs tests in containers, may read all
    with pytest.raises(Forbidden, match="may not be read") as caught, FileCache([tmp_path]).locate(str(path)):
        pass
    assert caught.value.code == "permission" and str(tmp_path) not in caught.value.message


def test_outside_of_the_roots_nothing_is_opened(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    outside = write(tmp_path / "outside.h5", 1)
    (tmp_path / "root" / "way_out.h5").symlink_to(outside)
    write(tmp_path / "rooted.h5", 1)  # begins like the root's name
    cache = FileCache([tmp_path / "root"])
    for path in (outside, tmp_path / "root" / "way_out.h5", tmp_path / "root" / ".." / "rooted.h5"):
        with pytest.raises(Forbidden), cache.locate(str(path)):
            pass
    assert cache.contents_path(str(outside)) is None
    assert cache.contents_path(str(tmp_path / "root" / "a" / "b.h5")) == "a/b.h5"


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    cache, path = FileCache([tmp_path]), write(tmp_path / "file.h5", 1)
    assert first(cache, path) == 1
    with cache.locate(str(path)) as located:
        located.file.memo["names"] = "old"
    write(path, 2)
    assert first(cache, path) == 2
    with cache.locate(str(path)) as located:
        assert "names" not in located.file.memo
    (tmp_path / "new.h5").unlink(missing_ok=True)
    write(tmp_path / "new.h5", 3).replace(path)
    assert first(cache, path) == 3
    path.unlink()
    with pytest.raises(NotFound), cache.locate(str(path)):
        pass
    cache.close()


def test_two_writes_within_one_tick_of_the_clock(tmp_path: Path) -> None:
    cache, path = FileCache([tmp_path]), write(tmp_path / "file.h5", 1)
    stamp = path.stat()
    assert first(cache, path) == 1
    write(path, 2)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # as if the clock had not gone on
    settle()
    assert first(cache, path) == 2
    cache.close()


def test_a_reader_keeps_its_state_while_others_see_the_new_one(tmp_path: Path) -> None:
    """HDF5 shares what it knows of a file within a process: opened again, it would show the old state as the new one."""
    cache, path = FileCache([tmp_path]), write(tmp_path / "file.h5", 1)
    settle()
    with cache.locate(str(path), "/x") as old:
        with h5py.File(path, "r+", locking=False, driver="stdio") as file:
            file["more"] = np.arange(5)
        with cache.locate(str(path), "/more") as new:
            assert new.dataset().shape == (5,)
            assert new.file is not old.file
        assert int(old.dataset()[0]) == 1
    settle()
    assert first(cache, path) == 1
    cache.close()


def test_a_kernel_s_user_has_the_same_file_open(tmp_path: Path) -> None:
    path = write(tmp_path / "file.h5", 1)
    cache = FileCache()
    with h5py.File(path, "r") as theirs:
        assert first(cache, path) == 1
        assert theirs["x"][0] == 1
    assert first(cache, path) == 1
    with h5py.File(path, "r+") as theirs:  # while ours is kept open
        theirs["x"][0] = 5
    assert first(cache, path) == 5
    cache.close()


def test_least_recently_used_files_are_closed(tmp_path: Path) -> None:
    cache = FileCache([tmp_path], capacity=3)
    paths = [write(tmp_path / f"{n}.h5", n) for n in range(8)]
    for n, path in enumerate(paths):
        assert first(cache, path) == n
    descriptors = list(Path("/proc/self/fd").iterdir())
    open_now = {str(link.readlink()) for link in descriptors if link.is_symlink()}
    assert {str(path) for path in paths} & open_now == {str(path) for path in paths[-3:]}
    cache.close()


def test_many_threads_and_a_writer(tmp_path: Path) -> None:
    cache, path = FileCache([tmp_path], capacity=2), write(tmp_path / "file.h5", 0)
    others = [write(tmp_path / f"{n}.h5", n) for n in range(4)]
    failures: list[BaseException] = []
    over = threading.Event()

    def read() -> None:
        seen = 0
        try:
            while not over.is_set():
                value = first(cache, path)
                assert value >= seen
                seen = value
                for n, other in enumerate(others):
                    assert first(cache, other) == n
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for value in range(1, 20):
        write(tmp_path / "next.h5", value).replace(path)
        time.sleep(0.01)
    over.set()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    assert first(cache, path) == 19
    cache.close()


WRITER = """
import sys, h5py, numpy as np
file = h5py.File(sys.argv[1], "w", libver="latest")
data = file.create_dataset("x", (1, 4), maxshape=(None, 4), chunks=(1, 4), dtype="i4")
file.swmr_mode = True
print("ready", flush=True)
for line in sys.stdin:
    data.resize(data.shape[0] + 1, axis=0)
    data[-1] = data.shape[0]
    data.flush()
    print("written", flush=True)
file.close()
print("closed", flush=True)
"""


def test_a_file_is_followed_while_swmr_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "live.h5"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdin and writer.stdout
        assert writer.stdout.readline() == "ready\n"
        cache = FileCache([tmp_path])
        for frames in (2, 3, 4):
            writer.stdin.write("go\n")
            writer.stdin.flush()
            assert writer.stdout.readline() == "written\n"
            with cache.locate(str(path), "/x") as located:
                assert located.file.swmr and located.file.being_written
                assert located.dataset().shape == (frames, 4)
                assert int(located.dataset()[-1, 0]) == frames
                same = located.file
        writer.stdin.close()
        assert writer.stdout.readline() == "closed\n"
        with cache.locate(str(path), "/x") as located:
            assert located.file is not same
            assert not located.file.swmr
            assert located.dataset().shape == (4, 4)
        cache.close()


def test_being_written(tmp_path: Path) -> None:
    """A writer's mark or lock, or a change between two looks; not that it was written a moment ago."""
    cache, path = FileCache([tmp_path]), write(tmp_path / "file.h5", 1)

    def being_written() -> bool:
        with cache.locate(str(path)) as located:
            return located.file.being_written

    assert not being_written()
    with path.open("rb+") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        assert being_written()
    assert not being_written()
    write(path, 2)
    assert being_written()  # no mark and no lock, but it has changed since the last look
    os.utime(path, (time.time() - 100, time.time() - 100))
    assert not being_written()
    write(tmp_path / "new.h5", 3).replace(path)
    assert not being_written()  # another file
    cache.close()


def test_a_file_that_is_written_with_its_old_time_is_read_again(tmp_path: Path) -> None:
    cache, path = FileCache([tmp_path]), write(tmp_path / "file.h5", 1)
    os.utime(path, (time.time() - 100, time.time() - 100))
    stamp = path.stat()
    assert first(cache, path) == 1
    write(path, 2)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert first(cache, path) == 2
    cache.close()


def test_a_file_that_is_replaced_while_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What HDF5 knows of one file must not be read from another one."""
    path, opened = write(tmp_path / "file.h5", 1), []

    def late(*arguments: Any) -> h5py.File:
        if not opened:
            write(tmp_path / "new.h5", 2).replace(path)
        opened.append(1)
        return real(*arguments)

    real = open_file._open_h5
    monkeypatch.setattr(open_file, "_open_h5", late)
    cache = FileCache([tmp_path])
    with cache.locate(str(path)) as located:
        assert len(opened) == 2
        assert os.fstat(located.file.descriptor or 0).st_ino == path.stat().st_ino
    cache.close()


def test_a_link_that_takes_a_folders_place_after_the_path_was_confined(tmp_path: Path) -> None:
    inside, outside = tmp_path / "root" / "folder", tmp_path / "outside"
    inside.mkdir(parents=True)
    outside.mkdir()
    write(inside / "file.h5", 1)
    write(outside / "file.h5", 2)
    cache = FileCache([tmp_path / "root"])
    confined = cache.confined(str(inside / "file.h5"))
    inside.rename(tmp_path / "moved")
    inside.symlink_to(outside)
    with pytest.raises(Forbidden), cache.lease(confined):
        pass
    cache.close()
