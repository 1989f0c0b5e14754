"""Whether an answer that a client has is still right, without asking a worker: by the files that it was made from."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

from panosc_hdf5.core.wire import Depends
from panosc_hdf5.server.paths import Paths, Target

MAX_QUESTIONS = 4096
# A file that changes twice within its clock's tick keeps its time: what was written just now has no validator.
SETTLED_NS = 100_000_000

Key = tuple[object, ...]


class Validators:
    """Makes entity tags, and remembers on which further files the answer to a question depends."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._depends: OrderedDict[Key, tuple[Depends, ...]] = OrderedDict()

    def tag(self, key: Key, target: Target, depends: Sequence[Depends]) -> str | None:
        """The weak entity tag of an answer; None if it cannot have one.

        Args:
            key: the question; equal for equal questions about the file as it is now.
            target: its file.
            depends: further files, as they were when they were read.
        """
        files = [target.stamp, *depends]
        if any(file is None or target.seen_ns - file.mtime_ns < SETTLED_NS for file in files):
            return None
        self._depends[key] = tuple(depends)
        self._depends.move_to_end(key)
        while len(self._depends) > MAX_QUESTIONS:
            self._depends.popitem(last=False)
        return _digest(key, depends)

    async def still(self, key: Key, target: Target, if_none_match: str) -> str | None:
        """The tag if the client's answer is still right; None if the question must be asked."""
        depends = self._depends.get(key)
        if depends is None or target.stamp is None:
            return None
        tag = _digest(key, depends)
        if tag not in (part.strip() for part in if_none_match.split(",")):
            return None
        if depends and tuple(await self._paths.stamps([file.path for file in depends])) != depends:
            return None
        self._depends.move_to_end(key)
        return tag


def _digest(key: Key, depends: Sequence[Depends]) -> str:
    return f'W/"{hashlib.blake2b(repr((key, tuple(depends))).encode(), digest_size=12).hexdigest()}"'
