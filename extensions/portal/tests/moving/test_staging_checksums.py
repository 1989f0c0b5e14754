"""What is compared before anybody sees the data: manifests, a catalogue's checksums, the storage's own, sizes."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from dav_peer import DavPeer
from panosc_portal.catalogues.model import Capabilities, Credentials, Dataset, File, Found, Query
from panosc_portal.errors import CatalogueError, Outcome
from panosc_portal.moving.jobs import State
from staging_support import VISIT, desk, remote, tree_of, write_tree

TOKENS = {"token-for-elsewhere": ("/", False)}


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again at once."""
    monkeypatch.setattr("panosc_portal.moving.runner._pause", lambda attempts: 0.05)


async def test_what_was_damaged_on_the_way_comes_again(tmp_path: Path, there: Path, peer: DavPeer, root: Path) -> None:
    tree = write_tree(there)
    lies = iter([True])

    def hook(method: str, path: str, environ: object, start: Callable[..., object]) -> list[bytes] | None:
        if method == "GET" and path.endswith("frame 0003.h5") and next(lies, False):
            start("200 OK", [("Content-Length", "992"), ("Last-Modified", "Mon, 01 Sep 2025 10:00:00 GMT")])
            return [b"x" * 992]
        return None

    peer.guard.hook = hook
    async with desk(tmp_path, root, remote(peer.url)) as here:
        job = here.begin()
        done = await here.end(job)
        assert done.state is State.DONE, done
        assert tree_of(here.target) == tree
        assert done.attempts == 2


async def test_a_copy_that_is_never_as_its_manifest_says_is_refused(
    tmp_path: Path, there: Path, peer: DavPeer, root: Path
) -> None:
    write_tree(there)
    (there / "scan0" / "frame 0003.h5").write_bytes(b"y" * 992)
    async with desk(tmp_path, root, remote(peer.url)) as here:
        failed = await here.end(here.begin())
        assert failed.state is State.FAILED
        assert "the storage's copy is damaged" in failed.words
        assert not here.target.exists()


async def test_a_manifest_that_names_what_is_missing_is_refused(
    tmp_path: Path, there: Path, peer: DavPeer, root: Path
) -> None:
    write_tree(there)
    (there / "scan0" / "frame 0003.h5").unlink()
    async with desk(tmp_path, root, remote(peer.url)) as here:
        failed = await here.end(here.begin())
        assert "not complete" in failed.words
        assert not here.target.exists()
    assert peer.count("GET") == 1  # the manifest; no data were copied for nothing


async def test_without_a_manifest_sizes_are_compared_and_that_is_said(
    tmp_path: Path, there: Path, peer: DavPeer, root: Path
) -> None:
    write_tree(there, manifest=False)
    async with desk(tmp_path, root, remote(peer.url)) as here:
        assert "the storage tells sizes only" in (await here.staged()).words
    async with desk(tmp_path, root, remote(peer.url, need_checksums=True)) as here:
        shutil.rmtree(here.target)
        assert "Nobody tells a checksum" in (await here.end(here.begin())).words


_FILES = Capabilities(files=True)


@dataclass
class Catalogue:
    """Knows checksums of the proposal's files, and of another's."""

    tree: dict[str, bytes]
    wrong: str = ""
    down: bool = False
    name: str = "icat"
    facilities: frozenset[str] = frozenset({"esrf"})
    capabilities: Capabilities = _FILES
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    async def search(self, query: Query, *, skip: int, limit: int, credentials: Credentials | None) -> Found:
        if self.down:
            raise CatalogueError(self.name, Outcome.TIMEOUT, "no answer within 4 s")
        self.asked.append(query.text)
        self.tokens.add(credentials.token.get_secret_value() if credentials else "")
        mine = Dataset(self.name, "1", "scan0", location=f"/data/visitor/{VISIT}/scan0")
        other = Dataset(self.name, "2", "other", location="/data/visitor/ma12345/id31/20250915/RAW_DATA")
        return Found((mine,), next=1) if skip == 0 else Found((other,))

    async def files(self, dataset: Dataset, credentials: Credentials | None) -> AsyncIterator[File]:
        assert dataset.pid == "1"  # another proposal's files are not even asked for
        for path, content in self.tree.items():
            if path.startswith("scan0/"):
                right = hashlib.md5(content).hexdigest()
                yield File(
                    path.removeprefix("scan0/"), len(content), f"MD5:{'0' * 32 if path == self.wrong else right}"
                )
        yield File("../../../../other", 1, "md5:" + "0" * 32)

    async def get(self, pid: str, credentials: Credentials | None) -> Dataset | None:
        return None

    async def check(self) -> str:
        return "fine"

    async def aclose(self) -> None:
        pass


async def test_a_catalogues_checksums_are_compared(tmp_path: Path, there: Path, peer: DavPeer, root: Path) -> None:
    tree = write_tree(there, manifest=False)
    catalogue = Catalogue(tree)
    rules = remote(peer.url, catalogue="icat", catalogue_root="/data/visitor")
    async with desk(tmp_path, root, rules) as here:
        here.staging.catalogues["icat"] = catalogue
        done = await here.staged()
        assert "4 compared with their checksums" in done.words
        assert catalogue.asked == ["ma1234", "ma1234"]
        assert catalogue.tokens == {""}  # it is asked in nobody's name, and the hub for nobody's token
        shutil.rmtree(here.target)
        catalogue.wrong = "scan0/frame 0003.h5"
        assert "the storage's copy is damaged" in (await here.end(here.begin())).words
        assert not here.target.exists()


async def test_a_catalogue_of_own_data_is_asked_with_the_persons_token(
    tmp_path: Path, there: Path, peer: DavPeer, root: Path
) -> None:
    catalogue = Catalogue(write_tree(there, manifest=False), capabilities=Capabilities(files=True, own_data=True))
    rules = remote(peer.url, catalogue="icat", catalogue_root="/data/visitor")
    async with desk(tmp_path, root, rules) as here:
        here.staging.catalogues["icat"] = catalogue
        here.hub.tokens["ada", "icat"] = "token-for-icat"
        assert "4 compared with their checksums" in (await here.staged()).words
    assert catalogue.tokens == {"token-for-icat"}


async def test_a_catalogue_that_is_silent_is_waited_for(tmp_path: Path, there: Path, peer: DavPeer, root: Path) -> None:
    """Less would be compared than the site wants, so nothing is taken over."""
    tree = write_tree(there, manifest=False)
    rules = remote(peer.url, catalogue="icat", catalogue_root="/data/visitor")
    async with desk(tmp_path, root, rules) as here:
        here.staging.catalogues["icat"] = Catalogue(tree, down=True)
        failed = await here.end(here.begin())
        assert "The checksums could not be asked for" in failed.words
        assert failed.attempts == 8
        assert not here.target.exists()
