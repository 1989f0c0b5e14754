"""Files that are no HDF5, or are no longer."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from corpus.catalogue import recipe


@recipe("empty.h5", opens=False)
def empty(folder: Path) -> None:
    """A file without a byte."""
    (folder / "empty.h5").touch()


@recipe("text.h5", opens=False)
def text(folder: Path) -> None:
    """Text that calls itself HDF5."""
    (folder / "text.h5").write_text("scan,counts\n1,2\n" * 500)


@recipe("only-signature.h5", opens=False)
def only_signature(folder: Path) -> None:
    """HDF5's signature and nothing else."""
    (folder / "only-signature.h5").write_bytes(b"\x89HDF\r\n\x1a\n")


@recipe("netcdf3.nc", opens=False)
def netcdf3(folder: Path) -> None:
    """NetCDF of the classic format, which is no HDF5."""
    (folder / "netcdf3.nc").write_bytes(b"CDF\x01" + bytes(300))


@recipe("truncated.h5", opens=False)
def truncated(folder: Path) -> None:
    """A file that lost its second half."""
    _truncated(folder / "truncated.h5", 0.5)


@recipe("truncated-little.h5", opens=False)
def truncated_little(folder: Path) -> None:
    """A file that lost its last bytes."""
    _truncated(folder / "truncated-little.h5", 0.999)


def _truncated(path: Path, keep: float) -> None:
    with h5py.File(path, "w") as file:
        file["data"] = np.arange(100_000)
        file["more/deeper"] = np.ones((50, 50))
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * keep)])


@recipe("user-block.h5")
def user_block(folder: Path) -> None:
    """HDF5 after 2,048 bytes of something else, as MATLAB writes it; chunks' addresses count from there."""
    with h5py.File(folder / "user-block.h5", "w", userblock_size=2048) as file:
        file["contiguous"] = np.arange(1000.0)
        file.create_dataset(
            "chunked", data=np.arange(60_000).reshape(10, 60, 100), chunks=(1, 60, 100), compression="gzip"
        )
        file.create_dataset("plain", data=np.arange(60_000).reshape(10, 60, 100), chunks=(1, 60, 100))
    with (folder / "user-block.h5").open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, or so it says")


@recipe("not-closed.h5", opens=False)
def not_closed(folder: Path) -> None:
    """A writer of the latest format died: the file says that it is open for writing, and for SWMR."""
    path = folder / "not-closed.h5"
    file = h5py.File(path, "w", libver="latest")
    file.create_dataset("data", data=np.arange(100), chunks=(10,), maxshape=(None,))
    file.swmr_mode = True
    file.flush()
    raw = path.read_bytes()
    file.close()
    path.write_bytes(raw)


@recipe("broken-chunks.h5")
def broken_chunks(folder: Path) -> None:
    """Chunks that hold garbage, too few bytes, a wrong checksum, beside data that is fine."""
    with h5py.File(folder / "broken-chunks.h5", "w") as file:
        file["fine"] = np.arange(10)
        options = {
            "gzip": {"compression": "gzip"},
            "gzip_shuffle": {"compression": "gzip", "shuffle": True},
            "fletcher32": {"fletcher32": True},
            "bitshuffle_lz4": {"compression": 32008, "compression_opts": (0, 2)},
            "lz4": {"compression": 32004, "compression_opts": (0,)},
            "plain": {},
        }
        for name, chosen in options.items():
            made = file.create_dataset(name, (4, 64, 64), "u4", chunks=(1, 64, 64), **chosen)
            made[0] = 7
            good = made.id.read_direct_chunk((0, 0, 0))[1]
            if name != "plain":
                made.id.write_direct_chunk((1, 0, 0), good[: len(good) // 2])
            made.id.write_direct_chunk((2, 0, 0), bytes(byte ^ 0x5A for byte in good))
            made.id.write_direct_chunk((3, 0, 0), b"\xff" * len(good))
