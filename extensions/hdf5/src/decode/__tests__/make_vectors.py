"""Chunks as hdf5plugin writes them, with what they decode to: ``make_vectors.py FOLDER``."""

import json
import sys
from itertools import product
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np

SHAPES = [(1,), (7,), (8,), (1000,), (129, 65), (4096,), (3, 5, 7), (70000,)]
DTYPES = ["|u1", "<u2", "<i4", "<u4", "<f4", "<u8", "<f8", ">u2", ">u4", "|i1", "<i8"]
KINDS = ["zeros", "random", "counts", "ramp"]
CODECS = {"bslz4": lambda: hdf5plugin.Bitshuffle(cname="lz4"), "lz4": lambda: hdf5plugin.LZ4()}


def values(kind: str, shape: tuple[int, ...], dtype: np.dtype, generator: np.random.Generator) -> np.ndarray:
    """An array of one kind of content."""
    n = int(np.prod(shape))
    if kind == "random":
        return np.frombuffer(generator.bytes(n * dtype.itemsize), dtype).reshape(shape)
    numbers = {"zeros": np.zeros(n), "counts": generator.poisson(0.7, n), "ramp": np.arange(n) % 100}[kind]
    return numbers.astype(dtype).reshape(shape)


def main(folder: Path) -> None:
    """Write ``index.json`` and, for each vector, the stored chunk and the decoded bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(1)
    index = []
    with h5py.File(folder / "vectors.h5", "w") as file:
        for number, (codec, shape, text, kind) in enumerate(product(CODECS, SHAPES, DTYPES, KINDS)):
            if number % 3 and shape != (70000,):
                continue
            data = values(kind, shape, np.dtype(text), generator)
            dataset = file.create_dataset(str(number), data=data, chunks=shape, **CODECS[codec]())
            mask, chunk = dataset.id.read_direct_chunk((0,) * len(shape))
            if mask:
                continue
            (folder / f"{number}.chunk").write_bytes(chunk)
            (folder / f"{number}.bytes").write_bytes(data.tobytes())
            index.append({"name": str(number), "codec": codec, "dtype": text, "shape": list(shape), "kind": kind})
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "vectors.h5").unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
