"""HDF5's types as JSON (``IType``), and as a short word beside a name."""

from __future__ import annotations

from typing import Any

import h5py
from h5py import h5t

from panosc_hdf5.core.links import text

MAX_MEMBERS = 4096
MAX_NESTING = 16
_ORDERS = {h5t.ORDER_BE: "big"}
_HALF, _SINGLE, _DOUBLE = 2, 4, 8


def type_json(tid: Any, depth: int = 0) -> dict[str, Any]:
    """``IType`` of a low-level type. Never raises for a type that HDF5 could open: what it does not know is ``unknown``."""
    if depth > MAX_NESTING:
        return {"class": "unknown", "size": int(tid.get_size())}
    maker = _MAKERS.get(tid.get_class())
    return maker(tid, depth) if maker else {"class": "unknown", "size": int(tid.get_size())}


def _order(tid: Any) -> str:
    return _ORDERS.get(tid.get_order(), "little")


def _integer(tid: Any, depth: int) -> dict[str, Any]:
    signed = tid.get_sign() != h5t.SGN_NONE
    return {"class": "integer", "size": int(tid.get_size()), "signed": signed, "order": _order(tid)}


def _float(tid: Any, depth: int) -> dict[str, Any]:
    return {"class": "float", "size": int(tid.get_size()), "order": _order(tid)}


def _string(tid: Any, depth: int) -> dict[str, Any]:
    charset = "utf-8" if tid.get_cset() == h5t.CSET_UTF8 else "ascii"
    return {"class": "string", "charset": charset, "length": None if tid.is_variable_str() else int(tid.get_size())}


def _enum(tid: Any, depth: int) -> dict[str, Any]:
    members = enum_members(tid)
    if members == {"FALSE": 0, "TRUE": 1}:
        return {"class": "boolean"}
    return {"class": "enum", "base": type_json(tid.get_super(), depth + 1), "members": members}


def enum_members(tid: Any) -> dict[str, int]:
    """Names and values; the first few thousand."""
    count = min(tid.get_nmembers(), MAX_MEMBERS)
    return {text(tid.get_member_name(index)): int(tid.get_member_value(index)) for index in range(count)}


def _compound(tid: Any, depth: int) -> dict[str, Any]:
    count = min(tid.get_nmembers(), MAX_MEMBERS)
    fields = [
        {"name": text(tid.get_member_name(index)), "type": type_json(tid.get_member_type(index), depth + 1)}
        for index in range(count)
    ]
    if is_complex(fields):
        return {"class": "complex", "size": int(tid.get_size())}
    return {"class": "compound", "size": int(tid.get_size()), "fields": fields}


def is_complex(fields: list[dict[str, Any]]) -> bool:
    """Whether a compound is h5py's form of complex numbers."""
    names = tuple(field["name"] for field in fields)
    kinds = [(field["type"]["class"], field["type"].get("size")) for field in fields]
    config = h5py.get_config().complex_names
    return names == tuple(config) and kinds[0] == kinds[1] and kinds[0][0] == "float"


def _array(tid: Any, depth: int) -> dict[str, Any]:
    dims = [int(n) for n in tid.get_array_dims()]
    return {"class": "array", "base": type_json(tid.get_super(), depth + 1), "dims": dims}


def _vlen(tid: Any, depth: int) -> dict[str, Any]:
    return {"class": "vlen", "base": type_json(tid.get_super(), depth + 1)}


def _opaque(tid: Any, depth: int) -> dict[str, Any]:
    return {"class": "opaque", "size": int(tid.get_size()), "tag": text(tid.get_tag())}


def _reference(tid: Any, depth: int) -> dict[str, Any]:
    return {"class": "reference", "to": "region" if tid.equal(h5t.STD_REF_DSETREG) else "object"}


def _sized(name: str) -> Any:
    return lambda tid, depth: {"class": name, "size": int(tid.get_size())}


_MAKERS = {
    h5t.INTEGER: _integer,
    h5t.FLOAT: _float,
    h5t.STRING: _string,
    h5t.ENUM: _enum,
    h5t.COMPOUND: _compound,
    h5t.ARRAY: _array,
    h5t.VLEN: _vlen,
    h5t.OPAQUE: _opaque,
    h5t.REFERENCE: _reference,
    h5t.BITFIELD: _sized("bitfield"),
    h5t.TIME: _sized("time"),
    h5t.COMPLEX: _sized("complex"),
}


def dtype_text(found: dict[str, Any]) -> str:
    """A short word for a type: numpy's for numbers (``<u4``), else what it is (``string``, ``compound``…)."""
    kind = found["class"]
    if kind in ("integer", "float"):
        letter = "f" if kind == "float" else "i" if found["signed"] else "u"
        size = found["size"]
        order = "|" if size == 1 else ">" if found["order"] == "big" else "<"
        return f"{order}{letter}{size}"
    if kind == "complex":
        return f"<c{found['size']}"
    if kind == "boolean":
        return "|b1"
    if kind == "enum":
        return f"enum {dtype_text(found['base'])}"
    if kind == "array":
        return f"{dtype_text(found['base'])}[{','.join(map(str, found['dims']))}]"
    if kind == "vlen":
        return f"vlen {dtype_text(found['base'])}"
    return str(kind)


def is_numeric(found: dict[str, Any]) -> bool:
    """Whether a picture or a curve can be made of it."""
    return found["class"] in ("integer", "float", "boolean", "enum", "complex")
