"""The least value of a type, encoded: an example that an implementation can be held against.

Numbers are the ones nearest to 0, lengths and counts the least, options none, enums the variant
that takes the fewest bytes. Long runs of the same are shown once.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import chain, islice
from typing import Iterator

from ..bounds import limits
from ..floats import FLOATS, literal
from ..model import (
    INT_BITS,
    Array,
    Enum,
    Field,
    List,
    Map,
    Message,
    Option,
    Protocol,
    Ref,
    Scalar,
    Struct,
    Text,
    Tuple,
    Type,
    Variant,
)
from ..sizes import Sizes, sizes_of

MAX_ITEMS = 4
"""Items of an array, list or map that are shown one by one."""

MAX_BYTES = 64
"""Bytes of one value that are shown."""

ROW = 8
"""Bytes in a line."""

MAX_ROWS = 80
"""Lines of an example."""


@dataclass(frozen=True)
class Piece:
    """Some bytes and what they are; ``more`` bytes like them follow that are not shown."""

    data: bytes
    label: str
    more: int = 0


def example(p: Protocol, message: Message) -> list[str]:
    """The lines of a message's example."""
    head = Piece(message.id.to_bytes(4, "little"), f"id {message.id}")
    pieces = chain([head], _Example(p).fields(message.fields, ""))
    # No more is made than is shown: a value may have millions of parts.
    rows = list(islice((row for piece in pieces for row in _rows(piece)), MAX_ROWS + 1))
    if len(rows) > MAX_ROWS:
        rows[MAX_ROWS] = "..."
    return rows


def _rows(piece: Piece) -> Iterator[str]:
    data = piece.data[:MAX_BYTES]
    label = piece.label
    for start in range(0, max(1, len(data)), ROW):
        digits = data[start : start + ROW].hex(" ")
        yield f"{digits:<{3 * ROW}}  {label}".rstrip()
        label = ""
    more = piece.more + len(piece.data) - len(data)
    if more:
        yield f"{'...':<{3 * ROW}}  {more} more"


class _Example:
    def __init__(self, p: Protocol) -> None:
        self.p = p
        self.sizes: Sizes = sizes_of(p)

    def fields(self, fields: tuple[Field, ...], path: str) -> Iterator[Piece]:
        for field in fields:
            yield from self.value(field.type, f"{path}{field.name}")

    def value(self, t: Type, path: str) -> Iterator[Piece]:
        if isinstance(t, Scalar):
            yield self._scalar(t, nearest_to_zero(t), path)
        elif isinstance(t, Text):
            yield Piece(_length(t.min), f"{path}: {t.min} bytes")
            yield from _run(b"a" if t.kind == "string" else b"\0", t.min, path)
        elif isinstance(t, Array):
            yield from self._items(t.item, t.count, path)
        elif isinstance(t, List):
            yield Piece(_length(t.min), f"{path}: {t.min} items")
            yield from self._items(t.item, t.min, path)
        elif isinstance(t, Map):
            yield Piece(_length(t.min), f"{path}: {t.min} entries")
            for i in range(min(t.min, MAX_ITEMS)):
                yield from self._key(t.key, i, f"{path}[{i}].key")
                yield from self.value(t.value, f"{path}[{i}].value")
            if t.min > MAX_ITEMS:
                yield Piece(b"", f"{path}: {t.min - MAX_ITEMS} more entries, keys ascending")
        elif isinstance(t, Option):
            yield Piece(b"\0", f"{path}: none")
        elif isinstance(t, Tuple):
            for i, item in enumerate(t.items):
                yield from self.value(item, f"{path}.{i}")
        elif isinstance(t, Ref):
            yield from self._named(t.name, path)

    def _items(self, item: Type, count: int, path: str) -> Iterator[Piece]:
        if isinstance(item, Scalar) and count:
            yield from _run(self._scalar(item, nearest_to_zero(item), "").data, count, path)
            return
        for i in range(min(count, MAX_ITEMS)):
            yield from self.value(item, f"{path}[{i}]")
        if count > MAX_ITEMS:
            yield Piece(b"", f"{path}: {count - MAX_ITEMS} more items like these")

    def _named(self, name: str, path: str) -> Iterator[Piece]:
        decl = self.p.types[name]
        if isinstance(decl, Struct):
            yield from self.fields(decl.fields, f"{path}.")
            return
        variant = self._least(decl)
        yield Piece(variant.index.to_bytes(4, "little"), f"{path}: {variant.name}")
        yield from self.fields(variant.fields, f"{path}.")

    def _least(self, enum: Enum) -> Variant:
        """The variant whose least value is the shortest; it ends every recursion."""
        always = [v for v in enum.variants if v.since == 1] or list(enum.variants)
        return min(always, key=lambda v: (self.sizes.fields_min(v.fields), v.index))

    def _scalar(self, t: Scalar, number: float, path: str) -> Piece:
        label = f"{path}: {_shown(t, number)}"
        if t.kind in INT_BITS:
            width = INT_BITS[t.kind] // 8
            return Piece(int(number).to_bytes(width, "little", signed=t.kind[0] == "i"), label)
        if t.kind == "char":
            return Piece(chr(int(number)).encode("utf-8", "replace"), label)
        if t.kind == "bool":
            return Piece(bytes([int(number)]), label)
        return Piece(struct.pack("<f" if t.kind == "f32" else "<d", number), label)

    # -- keys of maps -------------------------------------------------------------------------

    def _key(self, t: Type, i: int, path: str) -> Iterator[Piece]:
        """The i-th of keys that ascend, as far as the type has so many."""
        if isinstance(t, Scalar):
            low, high = limits(t)
            first = nearest_to_zero(t)
            first = first if first + MAX_ITEMS <= high else max(low, high - MAX_ITEMS + 1)
            yield self._scalar(t, min(first + i, high), path)
        elif isinstance(t, Text):
            length = max(t.min, min(1, t.max))
            fill, count = (b"a", ord("a") + i) if t.kind == "string" else (b"\0", i)
            yield Piece(_length(length), f"{path}: {length} bytes")
            yield Piece((fill * length)[:-1] + bytes([count]) if length else b"", path)
        elif isinstance(t, Array) and isinstance(t.item, Scalar):
            first = nearest_to_zero(t.item)
            data = [first] * (t.count - 1) + [min(first + i, limits(t.item)[1])]
            yield Piece(b"".join(self._scalar(t.item, n, "").data for n in data), path)
        elif isinstance(t, Ref):
            decl = self.p.types[t.name]
            if isinstance(decl, Enum):
                variant = decl.variants[min(i, len(decl.variants) - 1)]
                yield Piece(variant.index.to_bytes(4, "little"), f"{path}: {variant.name}")


def _run(one: bytes, count: int, path: str) -> Iterator[Piece]:
    """The same bytes again and again, of which only some are made."""
    shown = min(count, max(1, MAX_BYTES // len(one)))
    if count:
        yield Piece(one * shown, path, (count - shown) * len(one))


def nearest_to_zero(t: Scalar) -> float:
    """The number of a type that is the nearest to 0."""
    low, high = limits(t)
    return max(low, min(high, 0 if t.kind in INT_BITS or t.kind in ("char", "bool") else 0.0))


def _shown(t: Scalar, number: float) -> str:
    if t.kind == "bool":
        return "true" if number else "false"
    if t.kind in FLOATS:
        return literal(t.kind, number)
    return f"U+{int(number):04X}" if t.kind == "char" else str(number)


def _length(count: int) -> bytes:
    return count.to_bytes(8, "little")


