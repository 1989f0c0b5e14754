"""What owner, mode and POSIX ACL of a directory say about an account. A prediction, where the kernel cannot be asked."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path

from panosc_spawner.identity.person import Account

READ, WRITE, ENTER = 4, 2, 1

# <linux/posix_acl_xattr.h>: a version, then entries of tag, permissions and id, little-endian.
_HEADER, _ENTRY, _VERSION = struct.Struct("<I"), struct.Struct("<HHI"), 2
_XATTR = "system.posix_acl_access"
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NAMES = {_USER_OBJ: "owner", _USER: "user", _GROUP_OBJ: "group", _GROUP: "group", _MASK: "mask", _OTHER: "others"}


@dataclass(frozen=True)
class AclEntry:
    """One entry of an ACL."""

    tag: int
    permissions: int
    id: int

    def __str__(self) -> str:
        who = f" {self.id}" if self.tag in (_USER, _GROUP) else ""
        return f"{_NAMES.get(self.tag, '?')}{who}:{rwx(self.permissions)}"


def read_acl(path: Path | int) -> tuple[AclEntry, ...]:
    """The access ACL of a path or descriptor; empty where it has none beyond its mode, or its file system has no such ACLs."""
    try:
        data = os.getxattr(path, _XATTR)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP, errno.EBADF):
            return ()
        raise
    if len(data) < _HEADER.size or _HEADER.unpack_from(data)[0] != _VERSION:
        return ()
    body = data[_HEADER.size :]
    return tuple(AclEntry(*fields) for fields in _ENTRY.iter_unpack(body[: len(body) // _ENTRY.size * _ENTRY.size]))


def allows(status: os.stat_result, acl: Sequence[AclEntry], account: Account, wanted: int) -> bool:
    """Whether Linux lets an account without privileges do all that is wanted: POSIX 1003.1e, and one thing beside it.

    Where the mask of an ACL (the group's bits of the mode) is empty, Linux does not look at the ACL at all (``fs/namei.c``,
    ``acl_permission_check``): somebody named in it then has what all others have.
    """
    groups = {account.gid, *account.gids}
    if account.uid == status.st_uid:
        return _holds(status.st_mode >> 6, wanted)
    if not acl or not status.st_mode & 0o070:
        return _holds(status.st_mode >> 3 if status.st_gid in groups else status.st_mode, wanted)
    mask = next((entry.permissions for entry in acl if entry.tag == _MASK), 7)
    for entry in acl:
        if entry.tag == _USER and entry.id == account.uid:
            return _holds(entry.permissions & mask, wanted)
    mine = [entry.permissions & mask for entry in acl if _is_group_of(entry, status, groups)]
    if mine:
        # To enter, to list and to write are asked one after the other, and each may be given by another of one's groups.
        return _holds(reduce(or_, mine), wanted)
    return any(_holds(entry.permissions, wanted) for entry in acl if entry.tag == _OTHER)


def _is_group_of(entry: AclEntry, status: os.stat_result, groups: Iterable[int]) -> bool:
    return (entry.tag == _GROUP_OBJ and status.st_gid in groups) or (entry.tag == _GROUP and entry.id in groups)


def _holds(permissions: int, wanted: int) -> bool:
    return permissions & wanted == wanted


def rwx(permissions: int) -> str:
    """``r-x``."""
    return "".join(letter if permissions & bit else "-" for letter, bit in (("r", READ), ("w", WRITE), ("x", ENTER)))


def in_words(status: os.stat_result, acl: Sequence[AclEntry]) -> str:
    """Owner, mode and ACL, for operators."""
    words = f"owner {status.st_uid}:{status.st_gid}, mode {status.st_mode & 0o7777:04o}"
    return f"{words}, ACL {','.join(map(str, acl))}" if acl else words
