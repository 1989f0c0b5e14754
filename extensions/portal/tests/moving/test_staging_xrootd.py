"""Staging between two real XRootD storages: macaroons, third-party copy, adler32; and from one of them by rclone."""

from __future__ import annotations

import pwd
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from moving_places import OTHER, PERSON
from staging_support import VISIT, desk, readable_by, remote, tree_of, write_tree
from xrootd_peer import Storage, certificate, own_network, storage

ALL = "activity:DOWNLOAD,LIST,UPLOAD,DELETE,MANAGE,READ_METADATA,UPDATE_METADATA"


@dataclass
class Pair:
    """A storage elsewhere and one here, whose directory is the facility's root."""

    there: Storage
    here: Storage
    ca_file: Path
    folder: Path

    @property
    def far(self) -> Path:
        """The proposal's directory elsewhere."""
        return self.there.root / VISIT

    def rules(self, **more: object) -> dict[str, object]:
        """Of the remote."""
        (self.folder / "token-here").write_text(self.here.token(ALL, "path:/"))
        (self.folder / "token-here").chmod(0o600)
        return {
            "kind": "xrootd",
            "url": self.there.url,
            "token": {"by": "person", "catalogue": "elsewhere", "macaroon": True},
            "destination_url": self.here.url,
            "destination_token": {"by": "file", "file": str(self.folder / "token-here"), "macaroon": True},
            "writer": "xrootd",
            "ca_file": str(self.ca_file),
        } | more


@pytest.fixture(scope="module")
def storages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both, for all tests of this file."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="panosc-xrootd-")).resolve()
    folder.chmod(0o755)
    account = pwd.getpwnam("xrootd")
    try:
        for name in ("far", "near"):
            (folder / name).mkdir(mode=0o755)
        shutil.chown(folder / "far", account.pw_uid, account.pw_gid)
        ca_file = certificate(folder)
        with (
            own_network(),
            storage(folder, "there", 1094, folder / "far") as there,
            storage(folder, "here", 1095, folder / "near") as here,
        ):
            yield Pair(there, here, ca_file, tmp_path_factory.mktemp("tokens"))
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def pair(storages: Pair) -> Iterator[Pair]:
    """Both, empty."""
    storages.far.mkdir(parents=True)
    yield storages
    for root in (storages.there.root, storages.here.root):
        for one in root.iterdir():
            shutil.rmtree(one)


async def test_one_storage_fetches_from_the_other(tmp_path: Path, pair: Pair) -> None:
    tree = write_tree(pair.far, files=6, manifest=False)
    async with desk(tmp_path, pair.here.root, remote(**pair.rules())) as here:
        here.hub.tokens = {("ada", "elsewhere"): pair.there.token(ALL, "path:/")}
        done = await here.staged()
        assert tree_of(here.target) == tree
        assert "all compared with their checksums" in done.words  # adler32, as the storage knows it
        files = [here.target, *here.target.rglob("*")]
        assert {file.stat().st_uid for file in files} == {PERSON}
        assert readable_by(PERSON, here.target / "notes.txt")
        assert not readable_by(OTHER, here.target / "notes.txt")
        assert list((pair.here.root / ".panosc-staging").iterdir()) == []
