"""Small texts and numbers of a file, read quickly: an attribute such as NX_class, a field such as title."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5s, h5t

MAX_BYTES = 65_536
VARIABLE_BYTES = 16  # of a string of variable length where it is referred to, with addresses of 8 bytes
# How HDF5 hands strings of variable length to Python, by character set.
_VARIABLE = {
    h5t.CSET_ASCII: h5t.py_create(h5py.string_dtype("ascii")),
    h5t.CSET_UTF8: h5t.py_create(h5py.string_dtype("utf-8")),
}


def as_text(value: Any) -> str:
    """What a string of a file is for people: bytes decoded, invalid ones replaced."""
    if isinstance(value, bytes):
        return value.rstrip(b"\0").decode("utf-8", "replace")
    return str(value).encode("utf-8", "replace").decode() if isinstance(value, str) else str(value)


def _string(holder: Any) -> str | None:
    """The first string of a low-level attribute or data set; None if it holds none."""
    tid = holder.get_type()
    if not isinstance(tid, h5t.TypeStringID):
        return None
    variable = tid.is_variable_str()
    # As many bytes as one element has: asking for the shape takes longer than all the rest. A rank is then found by trying.
    size = tid.get_size()
    attribute = isinstance(holder, h5a.AttrID)
    single = holder.get_storage_size() == (VARIABLE_BYTES if variable else size) and (
        attribute or holder.get_offset() is not None
    )
    shape = () if single else holder.shape  # None for a null dataspace
    if shape is None or any(n != 1 for n in shape) or (not variable and size > MAX_BYTES):
        return None
    memory = _VARIABLE[tid.get_cset()] if variable else tid
    value = np.empty(shape, object if variable else f"S{size}")
    if not attribute:
        holder.read(h5s.ALL, h5s.ALL, value, mtype=memory)
    else:
        try:
            holder.read(value, mtype=memory)
        except (TypeError, ValueError):  # one element, but not of rank 0
            value = np.empty(holder.shape, value.dtype)
            holder.read(value, mtype=memory)
    return as_text(value.item()) if value.size == 1 else None


def attribute_text(obj: Any, name: bytes) -> str | None:
    """A string attribute of a low-level object; None if it is not there, no single string, or unreadable."""
    try:
        return _string(h5a.open(obj, name)) if h5a.exists(obj, name) else None
    except Exception:
        return None


def field_text(group: Any, name: bytes) -> str | None:
    """A string field of a low-level group, hard-linked; None if there is none."""
    try:
        if group.links.get_info(name).type != h5l.TYPE_HARD:  # raises where there is none
            return None
        found = h5d.open(group, name)
        # Only what lies in this file at a known place; else its data may lie in another file.
        if found.get_offset() is None and found.get_create_plist().get_layout() not in (h5d.COMPACT, h5d.CHUNKED):
            return None
        return _string(found)
    except Exception:
        return None


def nx_class(obj: Any) -> str | None:
    """A group's NX_class."""
    return attribute_text(obj, b"NX_class") if isinstance(obj, h5g.GroupID) else None


def attribute_value(obj: h5py.Group | h5py.Dataset, name: str) -> Any:
    """A small attribute as h5py gives it; None if it is not there, large, or unreadable."""
    try:
        if name not in obj.attrs:
            return None
        found = h5a.open(obj.id, name.encode())
        if found.get_storage_size() > MAX_BYTES:
            return None
        return obj.attrs[name]
    except Exception:
        return None


def first_integer(value: Any) -> int | None:
    """The first of an attribute's numbers as a whole one; None if there is none, or it is not finite."""
    try:
        return int(np.asarray(value).reshape(-1)[0])
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def attribute_texts(obj: h5py.Group | h5py.Dataset, name: str) -> list[str] | None:
    """An attribute of one or more strings as a list; None if it is not there or holds no strings."""
    value = attribute_value(obj, name)
    if value is None or isinstance(value, h5py.Empty):
        return None
    if isinstance(value, str | bytes):
        return [as_text(value)]
    flat = np.asarray(value).reshape(-1).tolist()
    return [as_text(item) for item in flat] if all(isinstance(item, str | bytes) for item in flat) else None
