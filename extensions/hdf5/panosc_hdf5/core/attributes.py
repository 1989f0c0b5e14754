"""``attributes``: what is said of an object, each attribute with its own failure."""

from __future__ import annotations

import math
from typing import Any

import h5py
import numpy as np
from h5py import h5, h5a

from panosc_hdf5.core.context import Context
from panosc_hdf5.core.errors import TooLarge
from panosc_hdf5.core.exact import Encoder
from panosc_hdf5.core.failures import in_words
from panosc_hdf5.core.links import text
from panosc_hdf5.core.query import Query
from panosc_hdf5.core.tree import shape_of
from panosc_hdf5.core.types import dtype_text, type_json
from panosc_hdf5.core.wire import Reply

MAX_ATTRIBUTES = 2000
MAX_BYTES = 4 * 1024**2
SHOWN = 1000


def attributes(query: Query, context: Context) -> Reply:
    """``{h5path, attributes: IAttribute[]}``, and ``truncated`` where there are very many."""
    h5path = query.text("h5path", "/")
    with context.services.files.locate(query.text("path"), h5path) as located:
        found = attributes_json(located.object)
        header: dict[str, Any] = {"h5path": h5path, "attributes": found}
        if h5a.get_num_attrs(located.object.id) > len(found):
            header["truncated"] = True
        return Reply(header, depends=located.depends)


def attributes_json(obj: h5py.Group | h5py.Dataset | h5py.Datatype) -> list[dict[str, Any]]:
    """``IAttribute`` of each attribute, in the order of their names; the first few thousand."""
    names: list[bytes] = []

    def gather(name: bytes) -> bool | None:
        names.append(name)
        return True if len(names) >= MAX_ATTRIBUTES else None

    try:
        try:
            h5a.iterate(obj.id, gather, index_type=h5.INDEX_NAME)
        except Exception as error:
            if "external file prefix" not in str(error):
                raise
            # HDF5 opens the object again to count its attributes, without the prefix that it is open with.
            for index in range(min(h5a.get_num_attrs(obj.id), MAX_ATTRIBUTES)):
                gather(h5a.open(obj.id, index=index).name)
    except Exception as error:
        problem = in_words(error, "An attribute").as_json()
        unknown = {"name": "?", "shape": None, "dtype": "?", "type": {"class": "unknown"}, "value": None}
        return [*(_attribute(obj, name) for name in names), {**unknown, "error": problem}]
    return [_attribute(obj, name) for name in names]


def _attribute(obj: Any, raw: bytes) -> dict[str, Any]:
    name = text(raw)
    found: dict[str, Any] = {"name": name, "shape": None, "dtype": "?", "type": {"class": "unknown"}, "value": None}
    try:
        attribute = h5a.open(obj.id, raw)
        kind, shape = type_json(attribute.get_type()), shape_of(attribute)
        found |= {"shape": None if shape is None else list(shape), "dtype": dtype_text(kind), "type": kind}
        if shape is not None:
            found |= _value(obj, attribute, kind, shape)
    except Exception as error:
        found["error"] = in_words(error, f"The attribute {name!r}").as_json()
    return found


def _value(obj: Any, attribute: Any, kind: dict[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    if not math.prod(shape):
        # Nested as its shape is, unless that would be a million times nothing.
        return {"value": np.empty(shape).tolist() if math.prod(max(1, n) for n in shape) <= SHOWN else []}
    size = max(attribute.get_storage_size(), math.prod(shape) * attribute.get_type().get_size())
    if size > MAX_BYTES:
        raise TooLarge(f"The attribute holds {size} bytes.", "Read it in a notebook.")
    value = read_attribute(attribute)
    truncated = False
    while shape and isinstance(value, np.ndarray) and value.size > SHOWN:
        truncated = True
        rest = max(1, value.size // len(value))
        value = value[: max(1, SHOWN // rest)]
        if rest > SHOWN:
            value = value[:, : max(1, SHOWN * value.shape[1] // rest)] if value.ndim > 1 else value
            if value.size > SHOWN:
                raise TooLarge("The attribute holds too many numbers.", "Read it in a notebook.")
    answer: dict[str, Any] = {"value": Encoder(kind, obj, 50 * SHOWN).encode(value, len(shape))}
    return answer | {"truncated": True} if truncated else answer


def read_attribute(attribute: Any) -> Any:
    """A low-level attribute's value as numpy has it."""
    dtype, shape = attribute.dtype, attribute.shape
    base, inner = dtype, ()
    if dtype.subdtype is not None:
        base, inner = dtype.subdtype
    value = np.zeros((*shape, *inner), base)
    attribute.read(value, mtype=h5py.h5t.py_create(dtype))
    return value[()] if not value.ndim else value
