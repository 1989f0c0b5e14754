"""Small pictures of data without a plotting library: a curve as SVG, an image as PNG."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

Array = np.ndarray[Any, Any]

_MOST_POINTS = 600
_COLOURS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
"""Five of viridis' 256 (bids.github.io/colormap): between them it is straight enough."""
_LINE, _TEXT = "#3b7dd8", "#808080"  # seen on light and on dark
_MARGIN = 34


def image_png(data: Array, fill: int | None, domain: tuple[float, float], log: bool, width: int, height: int) -> bytes:
    """An image in colours, as PNG; pixels without a value are transparent.

    Args:
        data: numbers, rows first.
        fill: the value that means "nothing here"; None for NaN.
        domain: the values of the first and the last colour.
        log: by the logarithm of the values.
        width: columns at most.
        height: rows at most.
    """
    step = max(1, -(-data.shape[0] // height), -(-data.shape[1] // width))
    values = data[::step, ::step].astype(np.float64)
    valid = np.isfinite(values) & (values != fill if fill is not None else True)
    low, high = domain
    if log:
        floor = max(low, high / 1e6, np.finfo(float).tiny)
        values, low, high = np.log10(np.maximum(values, floor)), math.log10(floor), math.log10(max(high, floor))
    scaled = np.zeros(values.shape)
    np.divide(values - low, high - low, out=scaled, where=valid & (high > low))
    index = (np.clip(np.nan_to_num(scaled), 0, 1) * 255).astype(np.uint8)
    pixels = np.concatenate([_palette()[index], np.where(valid, 255, 0)[..., None].astype(np.uint8)], axis=2)
    return _png(pixels)


def _palette() -> Array:
    stops = np.linspace(0, 255, len(_COLOURS))
    columns = [np.interp(np.arange(256), stops, [colour[i] for colour in _COLOURS]) for i in range(3)]
    return np.stack(columns, axis=1).astype(np.uint8)


def _png(pixels: Array) -> bytes:
    """8-bit RGBA (www.w3.org/TR/png-3)."""
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, width * 4)], axis=1)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows.tobytes(), 6))
        + chunk(b"IEND", b"")
    )


def curve_svg(arrays: Mapping[str, Array], plot: Mapping[str, Any], width: int, height: int) -> bytes:
    """A curve as SVG, on the scales that its file wants.

    Args:
        arrays: ``x`` (indices), ``first``, and where it is reduced ``min`` and ``max``; ``axis<n>`` the axis' values.
        plot: ``axes`` with label, units and scale, ``title``, ``units`` and ``scale`` of the signal.
        width: of the picture.
        height: of the picture.
    """
    axis = next((one for one in plot.get("axes", ()) if one.get("has_values")), None)
    x = _axis_values(arrays, axis)
    low = np.asarray(arrays.get("min", arrays["first"]), dtype=np.float64)
    high = np.asarray(arrays.get("max", arrays["first"]), dtype=np.float64)
    step = max(1, -(-len(x) // _MOST_POINTS))
    x, low, high = x[::step], low[::step], high[::step]
    xs, across = _scaled(x, x, bool(axis and axis.get("scale") == "log"), _MARGIN, width - 8)
    log = plot.get("scale") == "log"
    both = np.concatenate([low, high])
    ys, up = _scaled(low, both, log, height - _MARGIN, 8)
    tops, _ = _scaled(high, both, log, height - _MARGIN, 8)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">']
    parts.append(f'<path d="{_path(xs, ys)}" fill="none" stroke="{_LINE}" stroke-width="1.5" stroke-linejoin="round"/>')
    if "max" in arrays:
        parts.append(f'<path d="{_path(xs, tops)}" fill="none" stroke="{_LINE}" stroke-width="1"/>')
    parts.append(_frame(width, height))
    parts += _words(plot, axis, across, up, width, height)
    return ("".join(parts) + "</svg>").encode()


def _axis_values(arrays: Mapping[str, Array], axis: Mapping[str, Any] | None) -> Array:
    index = np.asarray(arrays["x"], dtype=np.int64)
    values = np.asarray(arrays.get(f"axis{axis['dimension']}" if axis else "", ()))
    if values.ndim == 1 and len(values) and values.dtype.kind in "iuf" and len(index) and index[-1] < len(values):
        chosen: Array = values[index].astype(np.float64)
        return chosen
    return index.astype(np.float64)


def _scaled(values: Array, all_values: Array, log: bool, start: float, end: float) -> tuple[Array, tuple[float, float]]:
    """Values as places in the picture, NaN where there is none; and the limits."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        change = (lambda v: np.where(v > 0, np.log10(v), np.nan)) if log else (lambda v: v)
        known = all_values[np.isfinite(all_values) & ((all_values > 0) if log else True)]
        if not known.size:
            return np.full(len(values), np.nan), (0.0, 0.0)
        low, high = float(known.min()), float(known.max())
        first, last = float(change(np.float64(low))), float(change(np.float64(high)))
        span = last - first
        places = (
            np.full(len(values), (start + end) / 2)
            if not span or not math.isfinite(span)
            else start + (change(values) - first) / span * (end - start)
        )
        return np.where(np.isfinite(places), places, np.nan), (low, high)


def _path(xs: Array, ys: Array) -> str:
    words, pen = [], "M"
    for x, y in zip(xs, ys, strict=True):
        if math.isnan(x) or math.isnan(y):
            pen = "M"
            continue
        words.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return "".join(words)


def _frame(width: int, height: int) -> str:
    bottom = height - _MARGIN
    return f'<path d="M{_MARGIN} 8V{bottom}H{width - 8}" fill="none" stroke="{_TEXT}"/>'


def _words(
    plot: Mapping[str, Any],
    axis: Mapping[str, Any] | None,
    across: tuple[float, float],
    up: tuple[float, float],
    width: int,
    height: int,
) -> list[str]:
    def text(x: float, y: float, words: str, anchor: str = "start", turn: str = "") -> str:
        style = f'font-family="system-ui, sans-serif" font-size="11" fill="{_TEXT}" text-anchor="{anchor}"{turn}'
        return f'<text x="{x}" y="{y}" {style}>{escape(words[:80])}</text>'

    bottom = height - _MARGIN + 13
    x_name = _named(axis.get("label", ""), axis.get("units", "")) if axis else "point"
    y_name = _named(plot.get("title") or "", plot.get("units") or "")
    return [
        text(_MARGIN, bottom, f"{across[0]:.3g}"),
        text(width - 8, bottom, f"{across[1]:.3g}", "end"),
        text(width / 2, height - 6, x_name, "middle"),
        text(_MARGIN + 4, 18, f"{up[1]:.3g}"),
        text(_MARGIN + 4, height - _MARGIN - 4, f"{up[0]:.3g}"),
        text(14, height / 2, y_name, "middle", f' transform="rotate(-90 14 {height / 2})"'),
    ]


def _named(name: str, unit: str) -> str:
    plain = "".join(letter for letter in f"{name} ({unit})" if letter.isprintable())
    return plain if unit else plain[: -len(" ()")]
