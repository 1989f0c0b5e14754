"""Downloads as a browser, curl and rclone take them: what is told before, whole and in parts, with rights that are live."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from moving_places import open_dir, person_data
from panosc_portal.hub import PersonReport
from panosc_portal.moving.as_person import Reader
from panosc_portal.moving.download import Downloads
from running import Running, make_portal, make_site, running
from support import FakeHub

PARTS = ("moving.download_pages",)
MORE = """
[portal.downloads]
zip_limit = "40M"
zip_files = 50
per_person = 2
wait = "1s"
recheck = "1s"
stall = "5s"
[portal.downloads.licences]
esrf = "CC-BY-4.0"
"""
FILES = {
    "scan1/a.h5": os.urandom(90_000),
    "scan1/b.txt": b"hello",
    "scan 2/é#?.dat": b"odd",
    "zbig.h5": bytes(3_000_000),
}


@pytest.fixture
def area(open_folder: Path) -> Path:
    made = open_dir(open_folder / "raw")
    for name, content in FILES.items():
        open_dir((made / name).parent)
        (made / name).write_bytes(content)
        (made / name).chmod(0o644)
    return made


@pytest.fixture
async def at(tmp_path: Path, area: Path) -> AsyncIterator[Running]:
    hub = FakeHub({"ada": PersonReport(), "eve": PersonReport()})
    hub.directories[("ada", "esrf/ma1234")] = person_data(area)
    async with running(make_portal(make_site(tmp_path, MORE), hub), hub, PARTS) as server:
        server.log_in()
        yield server


async def test_the_page_tells_what_it_is_before_anything_moves(at: Running) -> None:
    answer = await at.client.get("download/esrf/ma1234", params={"path": "raw/scan1"})
    assert answer.status_code == 200
    for word in ("87.9 kB", "CC-BY-4.0", "Data of proposal ma1234", "a.h5", "b.txt", "Download zip", "rclone --config"):
        assert word in answer.text, word
    assert [call for call in at.hub.asked if call[0] == "data"] == [("data", "ada", "esrf/ma1234", "download")]
    everything = await at.client.get("download/esrf/ma1234")
    assert 'href="/services/portal/download/esrf/ma1234?path=raw"' in everything.text


async def test_a_zip_and_its_parts(at: Running) -> None:
    whole = await at.client.get("download/esrf/ma1234/zip")
    assert whole.status_code == 200 and int(whole.headers["Content-Length"]) == len(whole.content)
    assert 'filename="esrf-ma1234.zip"' in whole.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(whole.content)) as opened:
        assert opened.testzip() is None
        for name, content in FILES.items():
            assert opened.read(f"esrf-ma1234/raw/{name}") == content
    tag, got = whole.headers["ETag"], b""
    for start in range(0, len(whole.content), 1_000_000):
        part = await at.client.get(
            "download/esrf/ma1234/zip", headers={"Range": f"bytes={start}-{start + 999_999}", "If-Range": tag}
        )
        assert part.status_code == 206
        got += part.content
    assert got == whole.content
    head = await at.client.head("download/esrf/ma1234/zip")
    assert head.headers["Content-Length"] == whole.headers["Content-Length"] and head.headers["ETag"] == tag
    assert (await at.client.get("download/esrf/ma1234/zip", headers={"If-None-Match": tag})).status_code == 304


async def test_a_change_ends_what_was_begun(at: Running, area: Path) -> None:
    tag = (await at.client.head("download/esrf/ma1234/zip")).headers["ETag"]
    (area / "scan1" / "b.txt").write_bytes(b"HELLO")
    headers = {"Range": "bytes=100-", "If-Range": tag}
    assert (await at.client.get("download/esrf/ma1234/zip", headers=headers)).status_code == 200
    begun = await at.client.get(
        "download/esrf/ma1234/zip", params={"v": tag.strip('"')}, headers={"Range": "bytes=100-"}
    )
    assert begun.status_code == 412 and "begin anew" in begun.text
    matched = await at.client.get("download/esrf/ma1234/zip", headers={"If-Match": tag})
    assert matched.status_code == 412


async def test_a_file_that_changes_while_it_is_sent_breaks_the_connection(at: Running, area: Path) -> None:
    big = area / "zbig.h5"
    with big.open("wb") as out:
        out.truncate(35_000_000)
    got = 0
    with pytest.raises(httpx.RemoteProtocolError):
        async with at.client.stream("GET", "download/esrf/ma1234/zip") as answer:
            async for piece in answer.aiter_raw():
                if not got:
                    with big.open("r+b") as out:
                        out.write(b"x")
                got += len(piece)
    assert 0 < got < 35_000_000 + 100_000


async def test_single_files(at: Running) -> None:
    for name, content in FILES.items():
        address = f"files/esrf/ma1234/raw/{name.replace('#', '%23').replace('?', '%3F')}"
        whole = await at.client.get(address)
        assert whole.content == content
        assert whole.headers["Content-Disposition"].startswith("attachment")
        assert (
            whole.headers["X-Content-Type-Options"] == "nosniff"
            and "sandbox" in whole.headers["Content-Security-Policy"]
        )
        part = await at.client.get(address, headers={"Range": "bytes=-3", "If-Range": whole.headers["ETag"]})
        assert part.status_code == 206 and part.content == content[-3:]
    assert (await at.client.get("files/esrf/ma1234/raw/scan1")).headers["Location"].endswith("/raw/scan1/")


async def test_a_file_whose_name_is_no_text(at: Running, area: Path) -> None:
    Path(os.fsdecode(os.fsencode(area) + b"/\xff\xfe.dat")).write_bytes(b"here")
    Path(os.fsdecode(os.fsencode(area) + b"/\xff\xfe.dat")).chmod(0o644)
    page = await at.client.get("download/esrf/ma1234", params={"path": "raw"})
    assert "%FF%FE.dat" in page.text
    assert (await at.client.get("files/esrf/ma1234/raw/%FF%FE.dat")).content == b"here"
    chosen = await at.client.get("download/esrf/ma1234/zip?path=raw/%FF%FE.dat")
    with zipfile.ZipFile(io.BytesIO(chosen.content)) as opened:
        assert opened.read("esrf-ma1234/raw/%FF%FE.dat") == b"here"
    assert (await at.client.get("download/esrf/ma1234?q=raw/%25FF%25FE.dat")).status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "files/esrf/ma1234/raw/../../../etc/passwd",
        "files/esrf/ma1234/raw/%2e%2e/%2e%2e/etc/passwd",
        "files/esrf/ma1234/raw/out",
        "files/esrf/ma1234//etc/passwd",
        "files/esrf/ma1234/raw/..%2f..%2fetc%2fpasswd",
        "files/esrf/ma1234/raw/nul%00",
        "files/esrf/ma1234/processed/x",
        "files/esrf/nothing/raw/x",
        "files/nowhere/ma1234/raw/x",
        "download/esrf/ma1234/zip?path=../etc",
        "download/esrf/ma1234/zip?path=raw/nothing",
        "download/esrf/nothing",
    ],
)
async def test_nothing_else_is_had(at: Running, area: Path, address: str) -> None:
    (area / "out").symlink_to("/etc/passwd")
    answer = await at.client.get(address)
    assert answer.status_code in {403, 404} and "root:" not in answer.text
    assert "Traceback" not in answer.text


async def test_others_get_nothing_and_nobody_is_sent_to_log_in(at: Running) -> None:
    at.log_in("eve")
    for address in ("download/esrf/ma1234", "download/esrf/ma1234/zip", "files/esrf/ma1234/raw/scan1/b.txt"):
        answer = await at.client.get(address)
        assert answer.status_code == 403 and "You are not on proposal" in answer.text
    at.client.cookies.clear()
    assert (await at.client.get("download/esrf/ma1234/zip")).status_code == 303
    bad = {"Authorization": "Bearer panosc-dl.abc"}
    answer = await at.client.get("download/esrf/ma1234/zip", headers=bad)
    assert answer.status_code == 401 and "token is over" in answer.text


async def test_too_much_for_a_zip(at: Running, area: Path) -> None:
    with (area / "huge").open("wb") as out:
        out.truncate(50 * 1024**2)
    (area / "huge").chmod(0o644)
    page = await at.client.get("download/esrf/ma1234")
    assert "One zip takes at most" in page.text and 'id="zip"' not in page.text
    assert (await at.client.get("download/esrf/ma1234/zip")).status_code == 413
    assert 'id="zip"' in (await at.client.get("download/esrf/ma1234", params={"path": "raw/scan1"})).text


async def test_a_right_that_ends_ends_the_download(at: Running, area: Path) -> None:
    with (area / "zbig.h5").open("wb") as out:
        out.truncate(39_000_000)
    got, started = 0, asyncio.get_running_loop().time()
    with pytest.raises(httpx.RemoteProtocolError):
        async with at.client.stream("GET", "download/esrf/ma1234/zip") as answer:
            async for piece in answer.aiter_raw(64 * 1024):
                got += len(piece)
                at.hub.directories.clear()
                await asyncio.sleep(0.02)
    assert got < 39_000_000 and asyncio.get_running_loop().time() - started < 60


async def test_a_reader_that_takes_nothing_is_ended_and_frees_its_place(at: Running, area: Path) -> None:
    with (area / "zbig.h5").open("wb") as out:
        out.truncate(39_000_000)
    downloads = at.portal.part(Downloads)
    async with at.client.stream("GET", "download/esrf/ma1234/zip") as answer:
        pieces = answer.aiter_raw(1024)
        await anext(pieces)
        await asyncio.sleep(2)
        assert downloads.lanes._of["ada"] == 1
        for _ in range(300):
            await asyncio.sleep(0.1)
            if not downloads.lanes._of["ada"]:
                break
        assert not downloads.lanes._of["ada"]
        with pytest.raises(httpx.RemoteProtocolError):
            async for _ in pieces:
                pass


async def test_a_third_download_waits_and_is_told(at: Running, area: Path) -> None:
    with (area / "zbig.h5").open("wb") as out:
        out.truncate(39_000_000)
    async with (
        at.client.stream("GET", "download/esrf/ma1234/zip") as one,
        at.client.stream("GET", "download/esrf/ma1234/zip") as two,
    ):
        assert one.status_code == two.status_code == 200
        third = await at.client.get("files/esrf/ma1234/raw/scan1/b.txt")
        assert third.status_code == 429 and "2 downloads running" in third.text and third.headers["Retry-After"]
    for _ in range(50):
        if (await at.client.get("files/esrf/ma1234/raw/scan1/b.txt")).status_code == 200:
            break
    else:
        raise AssertionError("places of downloads that were broken off are not free again")


async def token(at: Running, kind: str, *paths: str) -> str:
    answer = await at.client.post("download/esrf/ma1234/token", data={"_xsrf": at.xsrf, "kind": kind, "q": list(paths)})
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
    return answer.text


async def test_a_token_opens_what_it_is_for_and_asks_for_live_rights(at: Running) -> None:
    line = await token(at, "curl", "raw/scan1")
    name, _, value = line.strip().partition(": ")
    at.client.cookies.clear()
    headers = {name: value}
    assert (await at.client.get("files/esrf/ma1234/raw/scan1/b.txt", headers=headers)).content == b"hello"
    assert (await at.client.get("download/esrf/ma1234/zip?path=raw/scan1", headers=headers)).status_code == 200
    for other in (
        "files/esrf/ma1234/raw/zbig.h5",
        "download/esrf/ma1234/zip",
        "download/esrf/ma1234/zip?path=raw/scan1x",
    ):
        assert (await at.client.get(other, headers=headers)).status_code == 403
    assert (await at.client.get("download/esrf/ma1234", headers=headers)).status_code == 401  # no page, no new token
    posted = await at.client.post("download/esrf/ma1234/token", headers=headers, data={"kind": "curl"})
    assert posted.status_code == 401
    at.portal.part(Downloads)._known.clear()
    at.hub.directories.clear()
    assert (await at.client.get("files/esrf/ma1234/raw/scan1/b.txt", headers=headers)).status_code == 403


async def test_a_token_ends_and_cannot_be_altered(at: Running) -> None:
    tokens, login = at.portal.part(Downloads).tokens, __import__("support").login("ada")
    over = tokens.make(login, "esrf/ma1234", (), timedelta(seconds=-1)).get_secret_value()
    good = tokens.make(login, "esrf/ma1234", (), timedelta(hours=1)).get_secret_value()
    assert tokens.open(over) is None and tokens.open(good) is not None
    assert tokens.open(good[:-8] + ("A" * 8)) is None and tokens.open("panosc-dl.") is None and tokens.open("é") is None
    assert "token-ada" not in good


async def test_curl_goes_on_with_its_token_in_a_file(at: Running, tmp_path: Path) -> None:
    (tmp_path / "t.token").write_text(await token(at, "curl"))
    page = await at.client.get("download/esrf/ma1234")
    version = page.text.split("v=")[1][:32]
    url = f"{at.address}download/esrf/ma1234/zip?v={version}"
    whole = await at.client.get("download/esrf/ma1234/zip")
    (tmp_path / "out.zip").write_bytes(whole.content[:1_000_000])
    command = ["curl", "-sS", "--fail", "-C", "-", "-H", f"@{tmp_path}/t.token", "-o", f"{tmp_path}/out.zip", url]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.zip").read_bytes() == whole.content
    tested = subprocess.run(["unzip", "-tq", tmp_path / "out.zip"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout


async def test_wget_reads_its_token_from_a_file(at: Running, tmp_path: Path) -> None:
    (tmp_path / "w").write_text(await token(at, "wget"))
    url = f"{at.address}files/esrf/ma1234/raw/scan1/a.h5"
    command = ["wget", "-q", f"--config={tmp_path}/w", "-O", f"{tmp_path}/a.h5", url]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.h5").read_bytes() == FILES["scan1/a.h5"]


async def test_rclone_copies_everything_that_its_token_opens(at: Running, tmp_path: Path) -> None:
    for name, paths, expected in (
        ("all", (), FILES),
        ("one", ("raw/scan1",), {"a.h5": FILES["scan1/a.h5"], "b.txt": b"hello"}),
    ):
        config = (await token(at, "rclone", *paths)).replace("http://127.0.0.1:8000/services/portal/", at.address)
        (tmp_path / name).write_text(config)
        command = [
            "rclone",
            "--config",
            f"{tmp_path}/{name}",
            "--transfers",
            "2",
            "copy",
            "data:",
            f"{tmp_path}/{name}.out",
        ]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        base = tmp_path / f"{name}.out" / ("raw" if not paths else "")
        found = {str(f.relative_to(base)): f.read_bytes() for f in base.rglob("*") if f.is_file()}
        assert found == expected


async def test_a_form_of_another_site_makes_no_token(at: Running) -> None:
    answer = await at.client.post("download/esrf/ma1234/token", data={"_xsrf": "wrong", "kind": "curl"})
    assert answer.status_code == 403


async def test_looking_takes_a_place_as_well(at: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    now, most = [0], [0]
    begin, finish = Reader.__aenter__, Reader.aclose

    async def counted(self: Reader) -> Reader:
        now[0] += 1
        most[0] = max(most[0], now[0])
        return await begin(self)

    async def closed(self: Reader) -> None:
        now[0] -= self._child is not None
        await finish(self)

    monkeypatch.setattr(Reader, "__aenter__", counted)
    monkeypatch.setattr(Reader, "aclose", closed)
    asked = [
        "download/esrf/ma1234/zip",
        "files/esrf/ma1234/raw/scan1/b.txt",
        "files/esrf/ma1234/raw/",
        "download/esrf/ma1234",
    ]
    answers = await asyncio.gather(
        *(at.client.request("GET" if "zip" not in one else "HEAD", one) for one in asked * 8), return_exceptions=True
    )
    for answer in answers:
        assert not isinstance(answer, BaseException) and answer.status_code in {200, 429}, answer.text[-1500:]
    assert most[0] <= 2 + 2
