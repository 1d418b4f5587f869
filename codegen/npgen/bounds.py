"""Which values a type admits, and whether another admits them too."""

from __future__ import annotations

import math
from typing import Union

from .floats import MAX_F32
from .model import INT_BITS, List, Map, Scalar, Text

Bounded = Union[Scalar, Text, List, Map]


def narrower(a: Bounded, b: Bounded) -> bool:
    """Whether a excludes a value that b admits; both are of the same kind."""
    if isinstance(a, Scalar) and isinstance(b, Scalar):
        (low, high), (b_low, b_high) = limits(a), limits(b)
        return low > b_low or high < b_high or (_admits_nan(b) and not _admits_nan(a))
    assert not isinstance(a, Scalar) and not isinstance(b, Scalar)
    no_nul = isinstance(a, Text) and isinstance(b, Text) and a.nonul and not b.nonul
    return a.min > b.min or a.max < b.max or no_nul


def limits(t: Scalar) -> tuple[float, float]:
    """The least and greatest value of a scalar (Python compares integers and floats exactly)."""
    low, high = _kind_limits(t)
    return (low if t.lo is None else t.lo, high if t.hi is None else t.hi)


def _kind_limits(t: Scalar) -> tuple[float, float]:
    if t.kind in INT_BITS:
        bits = INT_BITS[t.kind]
        return (0, (1 << bits) - 1) if t.kind[0] == "u" else (-(1 << bits - 1), (1 << bits - 1) - 1)
    if t.kind in ("f32", "f64"):
        limit = math.inf
        if t.finite:
            limit = MAX_F32 if t.kind == "f32" else math.nextafter(math.inf, 0)
        return -limit, limit
    return (0, 0x10FFFF) if t.kind == "char" else (0, 1)


def _admits_nan(t: Scalar) -> bool:
    return t.kind in ("f32", "f64") and t.lo is None and t.hi is None and not t.finite
