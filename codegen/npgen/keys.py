"""How many keys a map may have: the values of its key's type."""

from __future__ import annotations

from typing import Optional

from .bounds import limits
from .floats import FLOATS
from .model import Array, Scalar, Text, Type

SURROGATES = range(0xD800, 0xE000)
"""Code points that are no characters."""

_CHARS = (0x80, 0x800 - 0x80, 0x10000 - 0x800 - len(SURROGATES), 0x110000 - 0x10000)
"""How many characters take 1, 2, 3 and 4 bytes of UTF-8."""


def key_count(key: Type, most: int) -> Optional[int]:
    """How many values a key has that is no enum; None for more than ``most``."""
    if isinstance(key, Scalar) and key.kind not in FLOATS:
        count = _numbers(key)
    elif isinstance(key, Text):
        count = _texts(key, most)
    elif isinstance(key, Array):
        count = min(256**key.count, most + 1)
    else:
        return None
    return None if count > most else count


def _numbers(t: Scalar) -> int:
    low, high = (int(limit) for limit in limits(t))
    count = high - low + 1
    if t.kind == "char" and low < SURROGATES.start and high >= SURROGATES.stop:
        count -= len(SURROGATES)  # no bound is one of them, so all of them lie between or none
    return count


def _texts(t: Text, most: int) -> int:
    """Those of each length follow from those of the lengths before."""
    if t.kind == "bytes":
        chars: tuple[int, ...] = (256,)
    else:
        chars = (_CHARS[0] - 1 if t.nonul else _CHARS[0], *_CHARS[1:])
    counts = [1]  # by length; beyond 'most' it does not matter by how much
    for length in range(1, t.max + 1):
        found = sum(n * counts[length - size] for size, n in enumerate(chars, 1) if size <= length)
        counts.append(min(found, most + 1))
    return sum(counts[t.min : t.max + 1])
