"""304 without a worker, and never a wrong one."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from panosc_hdf5.server.extension import Extension
from server_helpers import Ask, settle


async def test_not_modified_without_a_worker(ask: Ask, extension: Extension, file: Path) -> None:
    first = await ask("echo", text="a")
    tag = first.headers["Etag"]
    assert tag.startswith('W/"')
    assert first.headers["Cache-Control"] == "private, no-cache"
    for worker in extension.pool.workers:
        worker.stop()
    again = await ask("echo", text="a", headers={"If-None-Match": f'"other", {tag}'})
    assert again.code == 304
    assert again.body == b""
    assert again.headers["Etag"] == tag
    assert not extension.pool.workers
    other = await ask("echo", text="b", headers={"If-None-Match": tag})
    assert other.code == 200
    assert other.headers["Etag"] != tag


async def test_a_changed_file_is_read_again(ask: Ask, file: Path) -> None:
    tag = (await ask("echo")).headers["Etag"]
    file.write_bytes(b"longer than it was before")
    settle(file)
    again = await ask("echo", headers={"If-None-Match": tag})
    assert again.code == 200
    assert again.headers["Etag"] != tag


async def test_the_same_size_and_time_in_another_file_is_another_file(ask: Ask, file: Path) -> None:
    tag = (await ask("echo")).headers["Etag"]
    times = file.stat()
    other = file.with_name("other")
    other.write_bytes(b"x" * times.st_size)
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(file)
    assert (await ask("echo", headers={"If-None-Match": tag})).code == 200


async def test_a_changed_target_of_a_link_is_read_again(ask: Ask, file: Path) -> None:
    target = file.with_name("target.h5")
    target.write_text("old")
    settle(target)
    first = await ask("linked", target="target.h5")
    tag = first.headers["Etag"]
    assert (await ask("linked", target="target.h5", headers={"If-None-Match": tag})).code == 304
    target.write_text("new, elsewhere")
    settle(target)
    again = await ask("linked", target="target.h5", headers={"If-None-Match": tag})
    assert again.code == 200
    assert json.loads(again.body)["text"] == "new, elsewhere"
    assert again.headers["Etag"] != tag
    target.unlink()
    gone = await ask("linked", target="target.h5", headers={"If-None-Match": again.headers["Etag"]})
    assert gone.code == 500


async def test_what_was_written_just_now_has_no_validator(ask: Ask, file: Path) -> None:
    file.write_bytes(b"now")
    now = time.time() + 1  # the server may take its time
    os.utime(file, (now, now))
    response = await ask("echo")
    assert "Etag" not in response.headers
    assert response.headers["Cache-Control"] == "no-store"


async def test_errors_are_not_kept(ask: Ask) -> None:
    response = await ask("refused")
    assert "Etag" not in response.headers
    assert response.headers["Cache-Control"] == "no-store"


async def test_a_file_written_anew_with_its_old_size_and_time_is_read_again(ask: Ask, file: Path) -> None:
    tag = (await ask("echo")).headers["Etag"]
    times = file.stat()
    file.write_bytes(b"x" * times.st_size)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (await ask("echo", headers={"If-None-Match": tag})).code == 200
