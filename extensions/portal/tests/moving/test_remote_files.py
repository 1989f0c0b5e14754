"""What a hostile or broken storage may list: refused in words, early, and never taken over."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path, PurePosixPath

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from panosc_portal.moving.dav import DavClient, digest_of, make_client
from panosc_portal.moving.jobs import JobError
from panosc_portal.moving.journal import Journal
from panosc_portal.moving.manifest import read_manifest, take_manifest
from panosc_portal.moving.remote_files import (
    MAX_DEPTH,
    ListingError,
    RemoteFile,
    TreeLimits,
    beneath,
    good_checksum,
    good_name,
    good_path,
    good_size,
)

BASE = "/ma1234"
Answer = Callable[[httpx.Request], httpx.Response]


def _entry(href: str, size: str | None = "1", *, collection: bool = False, more: str = "") -> str:
    kind = "<d:resourcetype><d:collection/></d:resourcetype>" if collection else "<d:resourcetype/>"
    length = "" if size is None else f"<d:getcontentlength>{size}</d:getcontentlength>"
    return f"<d:response><d:href>{href}</d:href><d:propstat><d:prop>{kind}{length}{more}</d:prop></d:propstat></d:response>"


def _listing(*entries: str, path: str = BASE) -> bytes:
    own = _entry(f"{path}/", None, collection=True)
    return f'<?xml version="1.0"?><d:multistatus xmlns:d="DAV:">{own}{"".join(entries)}</d:multistatus>'.encode()


def _listed(content: bytes) -> httpx.Response:
    return httpx.Response(207, stream=httpx.ByteStream(content))


def _client(answer: Answer) -> DavClient:
    async def nobody() -> None:
        return None

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return DavClient("Storage elsewhere", "https://storage.example.org", nobody, client)


async def _walk(answer: Answer | bytes, limits: TreeLimits | None = None) -> list[RemoteFile]:
    def always(request: httpx.Request) -> httpx.Response:
        if callable(answer):
            return answer(request)
        return _listed(answer)

    return [file async for file in _client(always).walk("ma1234", limits or TreeLimits())]


HOSTILE = {
    "..": _listing(_entry(f"{BASE}/../other/x")),
    "encoded ..": _listing(_entry(f"{BASE}/%2e%2e")),
    "encoded slash": _listing(_entry(f"{BASE}/a%2fb")),
    "deeper than asked": _listing(_entry(f"{BASE}/a/b")),
    "another directory": _listing(_entry("/other/x")),
    "a directory with the same beginning": _listing(_entry("/ma12345/x")),
    "a neighbour with the same beginning": _listing(_entry("/ma12345x")),
    "another host": _listing(_entry(f"https://evil.example.org{BASE}/x")),
    "no address": _listing(_entry("https://[::1/x")),
    "NUL": _listing(_entry(f"{BASE}/a%00b")),
    "a line's end": _listing(_entry(f"{BASE}/a%0ab")),
    "an escape sequence": _listing(_entry(f"{BASE}/a%1b[2J")),
    "no text": _listing(_entry(f"{BASE}/%ff%fe")),
    "a name too long": _listing(_entry(f"{BASE}/{'a' * 300}")),
    "no size": _listing(_entry(f"{BASE}/x", None)),
    "a size below zero": _listing(_entry(f"{BASE}/x", "-1")),
    "a size in words": _listing(_entry(f"{BASE}/x", "many")),
    "a size beyond all": _listing(_entry(f"{BASE}/x", "9" * 30)),
    "a document type": b'<!DOCTYPE x [<!ENTITY a "b">]>' + _listing(_entry(f"{BASE}/&a;")),
    "an entity bomb": b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><d:multistatus xmlns:d="DAV:">&b;</d:multistatus>',
    "no XML": b"<html><body>Log in</body>",
    "XML that was cut": _listing(_entry(f"{BASE}/x"))[:-20],
    "nothing": b"",
    "a value without end": _listing(_entry(f"{BASE}/{'a' * 200_000}")),
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
async def test_a_listing_that_cannot_be_used_is_refused_in_words(answer: bytes) -> None:
    with pytest.raises(ListingError) as caught:
        await _walk(answer)
    assert caught.value.message.startswith("The storage")
    assert "nothing of it was taken over" in caught.value.remedy
    assert len(caught.value.message) < 300


async def test_what_is_right_is_taken_as_it_is() -> None:
    listing = _listing(
        _entry(f"{BASE}/a%20b%26%25.h5", "12", more="<d:getetag>abc</d:getetag>"),
        _entry("https://storage.example.org/ma1234/%C3%84", "0", more='<d:getetag>"q"</d:getetag>'),
    )
    assert await _walk(listing) == [RemoteFile("a b&%.h5", 12, tag='"abc"'), RemoteFile("Ä", 0, tag='"q"')]


async def test_nextclouds_checksums_are_read() -> None:
    sums = f'<o:checksums xmlns:o="http://owncloud.org/ns"><o:checksum>SHA1:{"a" * 40} MD5:{"B" * 32} ODD:1</o:checksum></o:checksums>'
    (file,) = await _walk(_listing(_entry(f"{BASE}/x", more=sums)))
    assert file.checksums == (f"sha1:{'a' * 40}", f"md5:{'b' * 32}")


async def test_directories_in_a_circle_end() -> None:
    asked = 0

    def circle(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        path = request.url.path.rstrip("/")
        return _listed(_listing(_entry(f"{path}/again/", None, collection=True), path=path))

    with pytest.raises(ListingError, match="in a circle"):
        await _walk(circle)
    assert asked == MAX_DEPTH


async def test_directories_that_multiply_end() -> None:
    def many(request: httpx.Request) -> httpx.Response:
        path = request.url.path.rstrip("/")
        entries = [_entry(f"{path}/{n}/", None, collection=True) for n in range(50)]
        return _listed(_listing(*entries, path=path))

    with pytest.raises(ListingError, match="in a circle"):
        await _walk(many, TreeLimits(directories=500))


async def test_a_million_files_are_refused_while_they_come_and_not_held() -> None:
    limits = TreeLimits(files=20_000)

    class Endless(httpx.AsyncByteStream):
        sent = 0

        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield _listing()[: -len(b"</d:multistatus>")]
            for n in range(1_000_000):
                self.sent = n
                yield _entry(f"{BASE}/{n}").encode()

    stream = Endless()
    count = 0
    tracemalloc.start()
    try:
        with pytest.raises(ListingError, match="more than 20,000 files"):
            async for _ in _client(lambda _: httpx.Response(207, stream=stream)).walk("ma1234", limits):
                count += 1
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert stream.sent < 21_000
    assert most < 8 * 1024**2


async def test_bytes_are_counted_while_they_come() -> None:
    with pytest.raises(ListingError, match="more than 1 kB"):
        await _walk(_listing(*(_entry(f"{BASE}/{n}", "500") for n in range(3))), TreeLimits(bytes=1024))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (302, "sends elsewhere"),
        (401, "does not accept the token"),
        (403, "does not allow it"),
        (404, "does not have it"),
        (500, "answered with an error"),
        (200, "answered with an error"),
    ],
)
async def test_what_is_no_listing_is_told(status: int, words: str) -> None:
    with pytest.raises(JobError, match=words):
        await _walk(lambda _: httpx.Response(status, headers={"Location": "https://evil.example.org/?token=x"}))


async def test_failures_name_no_address_and_no_token() -> None:
    def failing(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"secret in {request.url} {request.headers}")

    with pytest.raises(JobError) as caught:
        await _walk(failing)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_environment_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://evil.example.org")
    client = make_client(timedelta(seconds=1), None)
    assert client._mounts == {}


@given(st.text(max_size=40))
def test_every_name_is_one_or_is_refused(text: str) -> None:
    try:
        assert good_name(text) == text
    except ListingError:
        return
    assert text not in {"", ".", ".."}
    assert PurePosixPath("/root") in PurePosixPath("/root", text).parents
    assert not any(ord(c) < 32 for c in text) and "/" not in text
    text.encode()


@given(st.text(alphabet="ab./\0", max_size=12))
def test_every_path_stays_beneath(text: str) -> None:
    try:
        path = good_path(text)
    except ListingError:
        return
    assert (Path("/root") / path).resolve().is_relative_to("/root")
    assert beneath(PurePosixPath("/root"), PurePosixPath("/root", path)) == path


@given(st.one_of(st.integers(), st.text(max_size=30), st.booleans(), st.floats(), st.none()))
def test_every_size_is_one_or_is_refused(value: object) -> None:
    try:
        assert 0 <= good_size(value, "x") <= 2**60
    except ListingError:
        return


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("SHA-256:" + "A" * 64, "sha256:" + "a" * 64),
        ("adler32:1F", None),
        ("adler32:0000000044f7a06e", "adler32:44f7a06e"),
        ("ADLER32:44F7A06E", "adler32:44f7a06e"),
        ("md5:" + "a" * 31, None),
        ("sha256:" + "g" * 64, None),
        ("rot13:abcdefgh", None),
        ("", None),
    ],
)
def test_checksums(text: str, wanted: str | None) -> None:
    assert good_checksum(text) == wanted


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("adler32=44f7a06e", "adler32:44f7a06e"),  # XRootD 5.5
        ("adler32=44f7a06e,sha-256=" + "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=", "sha256:5f8f04f6"),
        ("md5=HUXZLQLMuI/KZ5KDcJPcOA==", "md5:1d45d92d"),
        ("", None),
        ("nonsense", None),
        ("sha-256=%%%", None),
    ],
)
def test_digests(header: str, wanted: str | None) -> None:
    found = digest_of(header)
    assert found == wanted if wanted is None else (found or "").startswith(wanted)


def test_manifests_as_people_and_tools_write_them() -> None:
    one, two = "a" * 64, "b" * 64
    text = f"{one}  a.h5\n{two} *./b c/d.h5\r\n\n{one}\td%0Ae".encode()
    with pytest.raises(ListingError, match="control characters"):
        list(read_manifest("manifest-sha256.txt", text))  # a line's end within a name, as BagIt encodes it
    assert list(read_manifest("manifest-sha256.txt", text.rpartition(b"\n")[0])) == [
        ("a.h5", f"sha256:{one}"),
        ("b c/d.h5", f"sha256:{two}"),
    ]


@pytest.mark.parametrize(
    "line", ["abc  x", f"{'a' * 64}  ../x", f"{'a' * 64}  /etc/passwd", f"{'a' * 64}", "\ufeff?", f"{'a' * 40}  x"]
)
def test_manifests_that_are_none(line: str) -> None:
    with pytest.raises(ListingError):
        list(read_manifest("manifest-sha256.txt", line.encode()))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_are_refused(content: bytes) -> None:
    try:
        for path, checksum in read_manifest("manifest-md5.txt", content):
            assert good_path(path) == path and checksum.startswith("md5:")
    except ListingError:
        return


def test_a_journal_refuses_what_is_there_twice_or_both() -> None:
    journal = Journal(None)
    journal.add_all([RemoteFile("a", 1), RemoteFile("a-1", 1), RemoteFile("b/c", 1)])
    assert journal.tangled() is None
    with pytest.raises(ListingError, match="twice"):
        journal.add_all([RemoteFile("x", 1), RemoteFile("a", 2)])
    assert journal.totals() == (3, 3)
    journal.add_all([RemoteFile("a/b", 1)])
    assert journal.tangled() == "a"
    assert take_manifest(journal, "manifest-md5.txt", f"{'a' * 32}  a-1\n".encode()) == 1
    found = journal.get("a-1")
    assert found is not None and found.checksums == (f"md5:{'a' * 32}",)
    journal.close()
