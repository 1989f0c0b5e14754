"""How values are distributed: exact extremes, mean, deviation, percentiles and a histogram, collected block by block.

Integers are counted: values below a limit in a table, others in a list. Floats are kept up to a number of them; beyond it
they are counted by the upper 16 bits of their single-precision form, so that percentiles are within 0.4 % of the value.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from panosc_hdf5.core.numeric import Array, DType, either, marks, number, representable

TABLE = 8192
"""Integers of 4 and 8 bytes are counted up to this."""
KEPT = 6_000_000
"""So many values are kept one by one."""
OUTLYING = 0.5
"""A histogram reaches beyond percentiles 0.1 and 99.9 by this part of their distance."""
PERCENTILES = (0.1, 1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0, 99.9)


@dataclass
class Counts:
    """What was left out, and how many values there were."""

    n: int = 0
    masked: int = 0
    sentinel: int = 0
    nan: int = 0
    inf: int = 0


class Distribution:
    """Collects values from several threads.

    Args:
        dtype: of the values, as shown.
        sentinels: values that do not count.
    """

    def __init__(self, dtype: DType, sentinels: tuple[int, ...] = ()) -> None:
        self.dtype = dtype
        self._sentinels = tuple(value for value in sentinels if representable(value, dtype))
        self.counts = Counts()
        self._lock = threading.Lock()
        self._whole = dtype.kind in "ui" and dtype.itemsize <= 2
        self._table = np.zeros(1 << 8 * dtype.itemsize if self._whole else TABLE + 1, np.int64)
        self._kept: list[Array] = []
        self._n_kept = 0
        self._coarse: Array | None = None
        self._low = self._high = self._low_positive = None
        self._sum = self._squares = 0.0

    def add(self, block: Array, masked: Array | None = None) -> None:
        """Take values.

        Args:
            block: values.
            masked: which of them the mask excludes; None if none.
        """
        if self.dtype.kind == "f":
            self._add_floats(block, masked)
        else:
            self._add_integers(block, masked)
        n_masked = int(np.count_nonzero(masked)) if masked is not None else 0
        with self._lock:
            self.counts.n += block.size
            self.counts.masked += n_masked

    def _add_integers(self, block: Array, masked: Array | None) -> None:
        table = self._counted(_keys(block))
        left_out = block[masked] if masked is not None else block[:0]
        if left_out.size:
            less = self._counted(_keys(left_out))
            table[: less.size] -= less
        marked = 0
        for value in self._sentinels:
            place = self._place(value)
            if place < table.size and table[place]:
                alone = self._whole or place < TABLE
                n = int(table[place]) if alone else _equal(block, value) - _equal(left_out, value)
                table[place] -= n
                marked += n
        tail = None
        if not self._whole and table.size > TABLE and table[TABLE]:
            tail = self._tail(block, masked)
            table[TABLE] = 0
        with self._lock:
            self._table[: table.size] += table
            self.counts.sentinel += marked
            if tail is not None:
                self._keep(tail)

    def _counted(self, keys: Array) -> Array:
        if self._whole:
            return np.bincount(keys)
        return np.bincount(np.minimum(keys, keys.dtype.type(TABLE)).astype(np.intp))

    def _place(self, value: int) -> int:
        key = int(_keys(np.array([value], self.dtype))[0])
        return key if self._whole else min(key, TABLE)

    def _tail(self, block: Array, masked: Array | None) -> Array:
        beyond = block >= TABLE if self.dtype.kind == "u" else (block >= TABLE) | (block < 0)
        for value in self._sentinels:
            beyond &= block != block.dtype.type(value)
        if masked is not None:
            beyond &= ~masked
        return block[beyond]

    def _add_floats(self, block: Array, masked: Array | None) -> None:
        marked = marks(block, self._sentinels)
        if marked is not None and masked is not None:
            marked &= ~masked
        invalid = either(masked, marked)
        finite = np.isfinite(block)
        if invalid is not None:
            finite &= ~invalid
        if finite.all():
            values, n_nan, n_inf = block.reshape(-1).copy(), 0, 0
        else:
            values = block[finite]
            others = block[~finite] if invalid is None else block[~finite & ~invalid]
            n_nan = int(np.count_nonzero(np.isnan(others)))
            n_inf = others.size - n_nan
        with self._lock:
            self.counts.nan += n_nan
            self.counts.inf += n_inf
            self.counts.sentinel += int(np.count_nonzero(marked)) if marked is not None else 0
            if values.size:
                self._keep(values)

    def _keep(self, values: Array) -> None:
        """Holds the lock."""
        positive = values[values > 0] if self.dtype.kind != "u" else values
        low_positive = positive.min() if positive.size else None
        self._low, self._high = _least(self._low, values.min()), _most(self._high, values.max())
        self._low_positive = _least(self._low_positive, low_positive)
        doubles = values.astype(np.float64, copy=False).reshape(-1)
        with np.errstate(over="ignore"):
            self._sum += float(doubles.sum())
            self._squares += float(np.dot(doubles, doubles))
        if self._coarse is None:
            self._kept.append(values)
            self._n_kept += values.size
            if self._n_kept > KEPT:
                self._coarse = np.zeros(1 << 16, np.int64)
                for kept in self._kept:
                    self._coarse += _coarse(kept)
                self._kept = []
        else:
            self._n_kept += values.size
            self._coarse += _coarse(values)

    def summary(self, bins: int, *, exact: bool = True) -> Summary:
        """What was collected so far."""
        with self._lock:
            values, counts = self._merged()
            return Summary(
                self.dtype, self.counts, values, counts, bins, exact, (self._low, self._high, self._low_positive),
                (self._sum, self._squares) if self._coarse is not None else None,
            )  # fmt: skip

    def _merged(self) -> tuple[Array, Array | None]:
        """Distinct values in order and how often each is there; or sorted values, and None: each once."""
        if self.dtype.kind == "f" and self._coarse is None:
            kept = np.concatenate(self._kept) if self._kept else np.empty(0, self.dtype)
            self._kept = [kept]
            kept.sort()
            return kept, None
        keys = np.flatnonzero(self._table)
        counts = self._table[keys]
        values = keys.astype(f"u{self.dtype.itemsize}").view(self.dtype) if self._whole else keys.astype(self.dtype)
        if self._whole and self.dtype.kind == "i":
            order = np.argsort(values)
            values, counts = values[order], counts[order]
        if self._coarse is not None:
            more = np.flatnonzero(self._coarse)
            middle = _coarse_values(more)
            if self._low is not None:
                middle = np.clip(middle, float(self._low), float(self._high))
            return _sorted(values.astype(np.float64), counts, middle, self._coarse[more])
        if self._kept:
            tail, tail_counts = np.unique(np.concatenate(self._kept), return_counts=True)
            return _sorted(values, counts, tail, tail_counts)
        return values, counts


def _equal(block: Array, value: int) -> int:
    """How many are equal to a value of their type."""
    return int(np.count_nonzero(block == block.dtype.type(value)))


def _keys(block: Array) -> Array:
    return np.ascontiguousarray(block).reshape(-1).view(f"u{block.dtype.itemsize}")


def _least(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else min(one, other)


def _most(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else max(one, other)


def _sorted(values: Array, counts: Array, more: Array, more_counts: Array) -> tuple[Array, Array]:
    values, counts = np.concatenate([values, more]), np.concatenate([counts, more_counts])
    order = np.argsort(values, kind="stable")
    return values[order], counts[order]


def _coarse(values: Array) -> Array:
    with np.errstate(over="ignore"):
        bits = values.reshape(-1).astype(np.float32).view(np.int32)
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    return np.bincount((ordered >> 16) + 32768, minlength=1 << 16)


def _coarse_values(keys: Array) -> Array:
    ordered = (((keys - 32768) << 16) + 32768).astype(np.int32)
    found = (ordered ^ ((ordered >> 31) & 0x7FFFFFFF)).view(np.float32).astype(np.float64)
    return np.nan_to_num(found)


@dataclass
class Summary:
    """Values in order, and how often each is there, with what is asked of them."""

    dtype: DType
    counts: Counts
    values: Array
    times: Array | None
    bins: int
    exact: bool
    extremes: tuple[Any, Any, Any]
    moments: tuple[float, float] | None

    def __post_init__(self) -> None:
        self.cumulated = None if self.times is None else np.cumsum(self.times)
        self.n_valid = int(
            self.values.size if self.cumulated is None else self.cumulated[-1] if self.values.size else 0
        )

    def at_rank(self, rank: float) -> float:
        """The value at a rank, between neighbours where it is not whole."""
        low, part = int(rank), rank % 1
        high = min(low + 1, self.n_valid - 1)
        if self.cumulated is None:
            a, b = self.values[low], self.values[high]
        else:
            a, b = self.values[np.searchsorted(self.cumulated, [low, high], side="right")]
        return float(a) * (1 - part) + float(b) * part if part else float(a)

    def percentile(self, percent: float) -> float:
        """As numpy's, linear between ranks."""
        return self.at_rank(percent / 100 * (self.n_valid - 1))

    @property
    def low(self) -> Any:
        """The least value, or None."""
        if not self.n_valid:
            return None
        return _least(self.values[0], self.extremes[0]) if self.moments is None else self._extreme(0)

    @property
    def high(self) -> Any:
        """The greatest value, or None."""
        if not self.n_valid:
            return None
        return self.values[-1] if self.moments is None else self._extreme(1)

    def _extreme(self, which: int) -> Any:
        """Where values were counted coarsely: the exact one of those, or of the table's."""
        found, listed = self.extremes[which], self.values[0 if which == 0 else -1]
        if self.dtype.kind == "f" or found is None:
            return found
        return min(found, listed) if which == 0 else max(found, listed)

    @property
    def low_positive(self) -> Any:
        """The least positive value, or None."""
        if self.moments is not None and self.dtype.kind == "f":
            return self.extremes[2]
        at = int(np.searchsorted(self.values, 0, side="right"))
        found = self.values[at] if at < self.values.size else None
        if self.moments is not None and (found is None or found >= TABLE):
            return self.extremes[2]
        return found

    def mean_and_deviation(self) -> tuple[float, float]:
        """Mean and standard deviation of the population."""
        values = self.values.astype(np.float64, copy=False)
        times = np.ones(1) if self.times is None else self.times
        with np.errstate(over="ignore", invalid="ignore"):
            if self.moments is not None and self.dtype.kind == "f":
                mean = self.moments[0] / self.n_valid
                return mean, float(np.sqrt(max(0.0, self.moments[1] / self.n_valid - mean * mean)))
            mean = float((values * times).sum() / self.n_valid)
            off = values - mean
            return mean, float(np.sqrt((off * off * times).sum() / self.n_valid))

    def histogram(self, log: bool) -> dict[str, Any]:
        """Counts between edges, and how many values lie below and above all of them.

        The edges span what is useful: one hot pixel does not put all others into one bin. Logarithmic ones begin at or above
        the least positive value.
        """
        least, most = (self.low_positive if log else self.low), self.high
        if not self.n_valid or least is None:
            return {"counts": [], "edges": [], "below": 0, "above": 0}
        low, high = self._span(least, most, log)
        edges = _edges(low, high, self.bins, log, self.dtype)
        places = np.searchsorted(self.values, edges.astype(np.float64))
        below = places.astype(np.int64) if self.cumulated is None else np.concatenate([[0], self.cumulated])[places]
        if high == most:
            below[-1] = self.n_valid
        counts = np.diff(below).tolist()
        return {
            "counts": counts,
            "edges": edges.tolist(),
            "below": int(below[0]),
            "above": int(self.n_valid - below[-1]),
        }

    def _span(self, least: Any, most: Any, log: bool) -> tuple[Any, Any]:
        """From ``least`` to ``most``, without the part of it that only outliers are in."""
        low, high = max(self.percentile(0.1), float(least)), self.percentile(99.9)
        if low >= high:
            return least, most
        if log:
            room = (high / low) ** OUTLYING
            low, high = low / room, high * room
        else:
            room = (high - low) * OUTLYING
            low, high = low - room, high + room
        if self.dtype.kind in "ui":
            low, high = int(np.floor(low)), int(np.ceil(min(high, float(most))))
        return (least if low <= least else low), (most if high >= most else high)

    @property
    def is_counting(self) -> bool:
        """Whether a logarithmic scale helps: nothing negative, and a tail far beyond the middle."""
        if not self.n_valid or self.low < 0 or self.high <= 0:
            return False
        middle, top = self.percentile(50), float(self.high)
        least = max(middle, 1.0) if self.dtype.kind != "f" else max(middle, float(self.low_positive))
        return top >= (50 if self.dtype.kind != "f" else 1000) * least

    def domain(self) -> tuple[float, float]:
        """The useful range: from percentile 1 to 99.9; for a logarithmic scale above 0."""
        if not self.n_valid:
            return 0.0, 1.0
        low, high = self.percentile(1), self.percentile(99.9)
        if self.is_counting:
            low = max(low, float(self.low_positive))
            high = max(high, 10 * low if float(self.high) >= 10 * low else float(self.high))
        if low >= high:
            low, high = float(self.low), float(self.high)
        if low >= high:
            high = low + max(1.0, 1e-6 * abs(low))
        return low, high

    def as_json(self) -> dict[str, Any]:
        """``IStats``."""
        mean, deviation = self.mean_and_deviation() if self.n_valid else (None, None)
        counts = self.counts
        return {
            "n": counts.n,
            "n_valid": self.n_valid,
            "n_masked": counts.masked,
            "n_sentinel": counts.sentinel,
            "n_nan": counts.nan,
            "n_inf": counts.inf,
            "min": number(self.low),
            "max": number(self.high),
            "positive_min": number(self.low_positive) if self.n_valid else None,
            "mean": number(mean),
            "std": number(deviation),
            "percentiles": {f"{p:g}": self.percentile(p) for p in PERCENTILES} if self.n_valid else {},
            "histogram": self.histogram(self.is_counting),
            "exact": self.exact,
        }

    def suggested(self) -> dict[str, Any]:
        """Scale and range for a first look."""
        return {"scale": "log" if self.is_counting else "linear", "domain": list(self.domain())}


def _edges(low: Any, high: Any, bins: int, log: bool, dtype: DType) -> Array:
    if dtype.kind in "ui":
        begin, end = int(low), int(high) + 1
        if end - begin <= bins:
            return np.arange(begin, end + 1, dtype=np.float64)
        if log:
            return np.unique(np.round(np.geomspace(float(begin), float(end), bins + 1)))
        width = -(-(end - begin) // bins)
        return begin + np.arange(-(-(end - begin) // width) + 1, dtype=np.float64) * width
    first, last = float(low), float(high)
    if last <= first:
        last = np.nextafter(first, np.inf) if log else first + 1.0
    if log:
        return np.geomspace(first, last, bins + 1)
    part = np.arange(bins + 1) / bins
    return first * (1 - part) + last * part  # not by their difference, which may be beyond any number
