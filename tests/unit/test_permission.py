"""Whether an account can read a directory: what the kernel says to a process with its ids, and what we predict without."""

from __future__ import annotations

import asyncio
import os
import struct
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from panosc_spawner.explain import permission as permission_module
from panosc_spawner.explain.permission import is_nfs, try_directory
from panosc_spawner.explain.posix_acl import ENTER, READ, WRITE, AclEntry, allows, in_words, read_acl
from panosc_spawner.identity.person import Account

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can try a directory as somebody else")
IDS = st.integers(4001, 4004)


def set_acl(path: Path, entries: list[AclEntry]) -> None:
    packed = b"".join(struct.pack("<HHI", entry.tag, entry.permissions, entry.id) for entry in entries)
    os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + packed)


@st.composite
def acls(draw: st.DrawFn) -> list[AclEntry]:
    bits, none = st.integers(0, 7), 0xFFFFFFFF
    named = [AclEntry(0x02, draw(bits), who) for who in sorted(draw(st.sets(IDS, max_size=2)))]
    groups = [AclEntry(0x08, draw(bits), who) for who in sorted(draw(st.sets(IDS, max_size=3)))]
    return [
        AclEntry(0x01, draw(bits), none), *named, AclEntry(0x04, draw(bits), none), *groups,
        AclEntry(0x10, draw(bits), none), AclEntry(0x20, draw(bits), none),
    ]  # fmt: skip


@AS_ROOT
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    owner=st.tuples(IDS, IDS),
    mode=st.integers(0, 0o777),
    acl=st.one_of(st.none(), acls()),
    account=st.builds(Account, st.just("x"), IDS, IDS, st.lists(IDS, max_size=3).map(tuple)),
)
def test_the_kernel_and_our_prediction_agree(
    tmp_path: Path, owner: tuple[int, int], mode: int, acl: list[AclEntry] | None, account: Account
) -> None:
    place = tmp_path / "data"
    if place.exists():
        place.rmdir()
    place.mkdir()
    place.chmod(mode)
    if acl:
        try:
            set_acl(place, acl)
        except OSError:
            pytest.skip("this file system has no ACLs")
    os.chown(place, *owner)
    tried = asyncio.run(try_directory(place, account, write=True))
    status, found = place.stat(), read_acl(place)
    assert tried.readable is allows(status, found, account, READ | ENTER), in_words(status, found)
    if tried.readable:
        assert tried.writable is allows(status, found, account, WRITE | ENTER), in_words(status, found)


@AS_ROOT
def test_only_the_directory_itself_counts_not_those_above(tmp_path: Path) -> None:
    place = tmp_path / "closed" / "data"
    place.mkdir(parents=True)
    place.chmod(0o755)
    place.parent.chmod(0o700)
    account = Account("x", 4001, 4001)
    assert asyncio.run(try_directory(place, account, write=False)).readable is True


@AS_ROOT
def test_a_file_system_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permission_module, "PATIENCE", 0.3)
    monkeypatch.setattr(permission_module, "_TRY", "exec sleep 60")
    begin = time.monotonic()
    found = asyncio.run(try_directory(tmp_path, Account("x", 4001, 4001), write=False))
    assert found.readable is None
    assert "did not answer within 0.3 s" in found.reason
    assert time.monotonic() - begin < 5


def test_without_root_it_is_said_that_it_was_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permission_module.os, "geteuid", lambda: 1000)
    tmp_path.chmod(0o700)
    found = asyncio.run(try_directory(tmp_path, Account("x", 4001, 4001), write=True))
    assert found.readable is None
    assert "only a hub that is root can try it" in found.reason
    assert found.reason.endswith("it should not be readable")
    tmp_path.chmod(0o755)
    found = asyncio.run(try_directory(tmp_path, Account("x", 4001, 4001), write=True))
    assert found.reason.endswith("it should be readable, and not writable")
    assert "mode 0755" in found.facts


def test_in_local_mode_the_hubs_own_account_is_tried(tmp_path: Path) -> None:
    found = asyncio.run(try_directory(tmp_path, Account("x", 4001, 4001), write=True, as_hub=True))
    assert (found.readable, found.writable) == (True, True)


def test_what_is_not_there_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    for place in (tmp_path / "nothing", tmp_path / "link"):
        assert asyncio.run(try_directory(place, Account("x", 4001, 4001), write=False)).readable is None


def test_nfs_is_known_from_the_mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "30 22 0:50 / /data rw,relatime - nfs4 server:/data rw,sec=sys\n"
        "31 30 8:2 / /data/local rw - xfs /dev/sdb rw\n"
        "32 22 0:51 / /my\\040data rw - nfs server:/x rw\n"
        "garbage\n"
    )
    monkeypatch.setattr(permission_module.Path, "read_text", lambda *_: text)
    assert is_nfs(Path("/data/ma1234"))
    assert is_nfs(Path("/my data/x"))
    assert not is_nfs(Path("/data/local/x"))
    assert not is_nfs(Path("/database"))
    assert not is_nfs(Path("/home"))
