"""What an operator can set, in ``jupyter_server_config.py`` or as ``--PanoscHDF5.workers=1``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from traitlets import Bool, Float, Int, List, TraitError, Unicode, validate
from traitlets.config import Configurable

from panosc_hdf5.core.context import user_cache
from panosc_hdf5.server.pool import Patience
from panosc_hdf5.worker_protocol import WorkerSettings

MIB = 1024**2


class PanoscHDF5(Configurable):
    """HDF5 and NeXus in JupyterLab: its server part. Files are read by worker processes, never by the server itself."""

    workers = Int(
        2,
        min=1,
        max=16,
        help="""How many processes may read files. Each file is read by one of them, which keeps it open and its frames
        decoded. They are started when they are needed. One is enough where memory is short; more than two only where one
        server is used by several people.""",
    ).tag(config=True)
    jobs = Int(
        4,
        min=1,
        max=64,
        help="How many requests a worker works on at once; one of them is kept for what takes less than half a minute.",
    ).tag(config=True)
    memory_mib = Int(
        4096,
        min=0,
        help="""MiB of address space that a worker may have beyond what its libraries take; a request that needs more is
        refused in words, and neither the server nor a kernel is ended for want of memory. Threads' stacks count, so that less
        than 1024 is too little. 0: no limit.""",
    ).tag(config=True)
    reply_mib = Int(
        64,
        min=1,
        max=1024,
        help="""MiB that one answer may have. Larger requests are refused before anything is read, with the way to get it by
        tiles or slices.""",
    ).tag(config=True)
    shared_mib = Int(
        256,
        min=16,
        max=16384,
        help="""MiB of memory that each worker shares with the server for answers on their way. Only what is used costs, and
        it is given back when nothing is asked for some seconds. At least twice reply_mib.""",
    ).tag(config=True)
    decoded_cache_mib = Int(
        96,
        min=0,
        help="MiB of decoded frames that each worker keeps, so that a region of a shown frame is there at once.",
    ).tag(config=True)
    open_files = Int(64, min=1, max=4096, help="Files that each worker keeps open.").tag(config=True)
    cache_dir = Unicode(
        "",
        help="""Where smaller versions of big images are kept, an absolute path on a disk that is fast. Empty:
        panosc-hdf5 in the user's cache folder (XDG_CACHE_HOME or ~/.cache). "none" keeps none.""",
    ).tag(config=True)
    cache_dir_mib = Int(
        2048, min=0, help="MiB that the folder cache_dir may take; what was used longest ago goes first."
    ).tag(config=True)
    extra_roots = List(
        Unicode(),
        help="""Further folders, absolute paths, from which files may be read when a symbolic link, an external link or a
        virtual data set leads there from the server's root. Anything else outside of the root is refused.""",
    ).tag(config=True)
    url_prefixes = List(
        Unicode(),
        help="""Addresses that may be read by HTTP ranges, such as "https://data.example.org/public/". The server reads them
        with its own network access and without the person's credentials: name only what everybody who uses this server
        may read. Empty: none.""",
    ).tag(config=True)
    deadline_factor = Float(
        1.0,
        min=0.1,
        max=100.0,
        help="Multiplies the time that each request may take (half a minute to five minutes); more for slow file systems.",
    ).tag(config=True)
    grace_seconds = Float(
        5.0,
        min=0.1,
        help="""How long a worker may go on with a request that was cancelled or is over its deadline. After that the worker
        is replaced, and its other requests are asked again.""",
    ).tag(config=True)
    silence_seconds = Float(
        15.0, min=0.2, help="A worker that has something to do and is not heard of for this long is replaced."
    ).tag(config=True)
    idle_seconds = Float(
        900.0, min=0.0, help="Workers end when nothing was asked for this long, and give back their memory. 0: never."
    ).tag(config=True)
    quarantine_seconds = Float(
        600.0,
        min=0.0,
        help="""How long a question that ended its worker twice is refused, a minute at most where it only hung; a file that
        changes is tried again at once.""",
    ).tag(config=True)
    stat_seconds = Float(
        10.0, min=0.1, help="How long a file system may take to say whether a file is there, before it is said to hang."
    ).tag(config=True)
    stall_seconds = Float(
        60.0,
        min=0.1,
        help="How long a client may take nothing of an answer, before its connection is closed and the memory used again.",
    ).tag(config=True)
    nice = Int(
        3, min=0, max=19, help="How much workers step back behind the server and kernels when processors are busy."
    ).tag(config=True)
    compress = Bool(
        True,
        help="""Whether answers that become much smaller travel compressed. Off makes them a few milliseconds faster where
        browser and server are on one machine.""",
    ).tag(config=True)
    preload = List(
        Unicode(),
        default_value=["h5py", "hdf5plugin", "isal.isal_zlib"],
        help="""Python modules that a worker imports when it starts. Add here what registers further HDF5 filters. Without
        "hdf5plugin" most compressed detector data cannot be read.""",
    ).tag(config=True)

    @validate("extra_roots")
    def _valid_roots(self, proposal: Any) -> list[str]:
        for root in proposal["value"]:
            if not Path(root).is_absolute():
                raise TraitError(f"PanoscHDF5.extra_roots: {root!r} is not an absolute path.")
        return list(proposal["value"])

    @validate("url_prefixes")
    def _valid_prefixes(self, proposal: Any) -> list[str]:
        for prefix in proposal["value"]:
            parts = urlsplit(prefix)
            if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query:
                raise TraitError(f"PanoscHDF5.url_prefixes: {prefix!r} is not the beginning of an http(s) URL.")
        return list(proposal["value"])

    @validate("cache_dir")
    def _valid_cache(self, proposal: Any) -> str:
        value = str(proposal["value"])
        if value not in ("", "none") and not Path(value).expanduser().is_absolute():
            raise TraitError(f'PanoscHDF5.cache_dir: {value!r} is neither an absolute path nor "none".')
        return value

    @validate("shared_mib", "reply_mib")
    def _valid_sizes(self, proposal: Any) -> int:
        # Traits from one configuration are validated when all are set.
        if self.shared_mib < 2 * self.reply_mib:
            raise TraitError(
                f"PanoscHDF5.shared_mib ({self.shared_mib}) must be at least twice PanoscHDF5.reply_mib ({self.reply_mib})."
            )
        return int(proposal["value"])

    def patience(self) -> Patience:
        """For the pool."""
        return Patience(self.grace_seconds, self.silence_seconds, self.idle_seconds, self.quarantine_seconds)

    def worker_settings(self, roots: Callable[[], tuple[str, ...]]) -> WorkerSettings:
        """For a worker that starts now."""
        return WorkerSettings(
            roots=roots(),
            cache_dir=self._cache_dir(),
            arena_bytes=self.shared_mib * MIB,
            memory_bytes=self.memory_mib * MIB,
            nice=self.nice,
            jobs=self.jobs,
            limits={
                "reply_bytes": self.reply_mib * MIB,
                "decoded_cache_bytes": self.decoded_cache_mib * MIB,
                "pyramid_cache_bytes": self.cache_dir_mib * MIB,
                "open_files": self.open_files,
            },
            preload=tuple(self.preload),
        )

    def _cache_dir(self) -> str:
        if self.cache_dir == "none":
            return ""
        if self.cache_dir:
            return str(Path(self.cache_dir).expanduser())
        return str(user_cache() or "")
