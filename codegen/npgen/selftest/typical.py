"""Example values: the least one of a type, and a typical one.

The typical value of a field tells which field it is: a string is the field's name, numbers have
bytes that differ from each other and from those of their neighbours. So a field in the wrong place,
or with its bytes in the wrong order, shows. Options are there, lists have two items, an enum is a
variant with data.
"""

from __future__ import annotations

import math
import struct
from itertools import islice, product
from typing import Iterator, Optional

from ..bounds import limits
from ..emit.shapes import components, refs_in
from ..keys import SURROGATES
from ..model import (
    INT_BITS,
    Array,
    Enum,
    Field,
    List,
    Map,
    Option,
    Protocol,
    Ref,
    Scalar,
    Struct,
    Text,
    Tuple,
    Type,
    Unit,
    Variant,
)
from ..sizes import sizes_of
from .values import (
    Chars,
    Choice,
    Entries,
    Items,
    Maybe,
    Nothing,
    Number,
    Parts,
    Record,
    Value,
)
from .wire import encode

MOST_IN_FULL = 16
"""Items of an array that differ from each other; those of larger ones are all alike."""

MOST_PARTS = 250
"""A value with more of them shows no type again in a container: structs whose options and lists
hold each other twice would double it with each level."""


class Maker:
    """Makes values of a protocol's types, always the same ones."""

    def __init__(self, p: Protocol) -> None:
        self.p = p
        self._sizes = sizes_of(p)
        self._cycles = components(p)
        self._number = 0  # numbers made so far
        self._parts = 0  # of the value that is being made
        self._shown: set[str] = set()  # the types in it
        self._open: Optional[int] = None  # the recursion being made

    # -- least ----------------------------------------------------------------------------------

    def least(self, t: Type) -> Value:
        """Numbers nearest to 0, lengths and counts the least, options none."""
        if isinstance(t, Scalar):
            return Number(t, nearest(t, 0))
        if isinstance(t, Text):
            return Chars(t, b"", t.min)
        if isinstance(t, Unit):
            return Nothing(t)
        if isinstance(t, (Array, List)):
            count = t.count if isinstance(t, Array) else t.min
            return _alike(t, self.least(t.item), count) if count else Items(t, ())
        if isinstance(t, Map):
            return Entries(t, tuple((k, self.least(t.value)) for k in self.keys(t, t.min)))
        if isinstance(t, Option):
            return Maybe(t, None)
        if isinstance(t, Tuple):
            return Parts(t, tuple(self.least(item) for item in t.items))
        decl = self.p.types[t.name]
        if isinstance(decl, Struct):
            return Record(t, decl.fields, self.least_of(decl.fields))
        variant = self._least_variant(decl)
        return Choice(t, decl, variant, self.least_of(variant.fields))

    def least_of(self, fields: tuple[Field, ...]) -> tuple[Value, ...]:
        return tuple(self.least(f.type) for f in fields)

    def _least_variant(self, enum: Enum) -> Variant:
        """The variant whose least value is the shortest; it ends every recursion."""
        oldest = min(v.since for v in enum.variants)
        old = [v for v in enum.variants if v.since == oldest]
        return min(old, key=lambda v: (self._sizes.fields_min(v.fields), v.index))

    # -- typical --------------------------------------------------------------------------------

    def typical(self, t: Type, name: str) -> Value:
        """A value for a field of that name."""
        self._begin()
        return self._typical(t, name)

    def typical_of(self, fields: tuple[Field, ...]) -> tuple[Value, ...]:
        """Values of fields one after the other."""
        self._begin()
        return self._fields(fields)

    def _begin(self) -> None:
        self._parts = 0
        self._shown = set()

    def _typical(self, t: Type, name: str) -> Value:
        self._parts += 1
        if isinstance(t, Scalar):
            return Number(t, self._telling(t))
        if isinstance(t, Text):
            data = name.encode()[: t.max] if t.min <= MOST_IN_FULL else b""
            return Chars(t, data, max(0, t.min - len(data)))
        if isinstance(t, (Array, List)):
            return self._items(t, name)
        if isinstance(t, Map):
            count = 0 if self._is_shut(t.value) else _few(t.min, t.max)
            keys = self.keys(t, max(count, t.min))
            return Entries(t, tuple((k, self._typical(t.value, name)) for k in keys))
        if isinstance(t, Option):
            return Maybe(t, None if self._is_shut(t.item) else self._typical(t.item, name))
        if isinstance(t, Tuple):
            return Parts(t, tuple(self._typical(item, name) for item in t.items))
        return self._named(t) if isinstance(t, Ref) else Nothing(t)

    def _fields(self, fields: tuple[Field, ...]) -> tuple[Value, ...]:
        return tuple(self._typical(f.type, f.name) for f in fields)

    def _items(self, t: Array | List, name: str) -> Value:
        if isinstance(t, Array):
            if t.count > MOST_IN_FULL:
                return _alike(t, self._typical(t.item, name), t.count)
            return Items(t, tuple(self._typical(t.item, name) for _ in range(t.count)))
        count = t.min if self._is_shut(t.item) else _few(t.min, t.max)
        if count > MOST_IN_FULL:
            return _alike(t, self._typical(t.item, name), count)
        return Items(t, tuple(self._typical(t.item, name) for _ in range(count)))

    def _is_shut(self, t: Type) -> bool:
        """Whether a container stays as empty as it may: its items would go a level deeper, of which
        one is shown, or the value is large already and has all types of theirs."""
        if isinstance(t, Ref) and t.lazy and self._level > 0:
            return True
        names = set(refs_in(t))
        return self._parts > MOST_PARTS and bool(names) and names <= self._shown

    _level = 0  # of the recursion being made

    def _named(self, t: Ref) -> Value:
        decl = self.p.types[t.name]
        self._shown.add(t.name)
        cycle = self._cycles.get(t.name)
        if cycle is None:
            return self._members(t, decl)
        if self._open == cycle:
            if not t.lazy:
                return self._members(t, decl)
            self._level += 1
            value = self.least(t)
            self._level -= 1
            return value
        saved = self._open, self._level
        # A recursion that may not go deeper is shut from the start.
        self._open, self._level = cycle, 0 if (decl.depth or 0) > 1 else 1
        value = self._members(t, decl)
        self._open, self._level = saved
        newest = self.p.version
        too_long = decl.max_len is not None and len(encode(value, newest)) > decl.max_len
        return self.least(t) if too_long else value

    def _members(self, t: Ref, decl: Struct | Enum) -> Value:
        if isinstance(decl, Struct):
            return Record(t, decl.fields, self._fields(decl.fields))
        oldest = min(v.since for v in decl.variants)
        old = [v for v in decl.variants if v.since == oldest]
        variant = next((v for v in old if v.fields), old[-1])
        return Choice(t, decl, variant, self._fields(variant.fields))

    def _telling(self, t: Scalar) -> float:
        """A number unlike the others: its bytes count on from the last one's, where they may."""
        self._number += 1
        if t.kind == "bool":
            return 1
        if t.kind == "char":
            return nearest(t, ord("a") + self._number % 26)
        if t.kind in ("f32", "f64"):
            return nearest(t, self._number + 0.25)
        width = INT_BITS[t.kind] // 8
        first = self._number * 3 % 100 + 1
        pattern = int.from_bytes(bytes(first + i for i in range(width)), "big")
        low, high = int(limits(t)[0]), int(limits(t)[1])
        if low <= pattern <= high:
            return pattern
        return low + pattern % (high - low + 1)

    # -- keys -----------------------------------------------------------------------------------

    def keys(self, t: Map, count: int) -> list[Value]:
        """So many keys that ascend; fewer if the type has not as many. Of an enum they are of the
        oldest version, but for those without which a map would be too small."""
        return list(islice(self._ascending(t.key, count, t.min), count))

    def _ascending(self, t: Type, count: int, least: int) -> Iterator[Value]:
        if isinstance(t, Scalar):
            low, high = int(limits(t)[0]), int(limits(t)[1])
            first = int(nearest(t, ord("a") if t.kind == "char" else 1 if t.kind != "bool" else 0))
            first = max(low, min(first, high - 300, high - count - len(SURROGATES)))
            for number in range(first, high + 1):
                if t.kind != "char" or number not in SURROGATES:
                    yield Number(t, number)
        elif isinstance(t, Text):
            for data in _words(t, count):
                yield Chars(t, data)
        elif isinstance(t, Array) and isinstance(t.item, Scalar):
            for number in range(256**t.count):
                digits = number.to_bytes(t.count, "big")
                yield Items(t, tuple(Number(t.item, digit) for digit in digits))
        elif isinstance(t, Ref):
            decl = self.p.types[t.name]
            assert isinstance(decl, Enum)
            oldest = min(v.since for v in decl.variants)
            for i, v in enumerate(decl.variants):  # the newer ones have higher indices
                if v.since == oldest or i < least:
                    yield Choice(t, decl, v)


def _words(t: Text, count: int) -> Iterator[bytes]:
    """Words that ascend: a, b, c, ... or, where there is room for it, 000a, 000b, ..."""
    if count > (26 if t.max == 1 else 16 * 26):
        yield from _many_words(t, count)
        return
    length = min(t.max, max(t.min, 2))
    if length == 0:
        yield b""
        return
    for first in b"klmnopqrstuvwxyz" if length > 1 else b"k":
        for last in b"abcdefghijklmnopqrstuvwxyz":
            yield (bytes([first]) * (length - 1)) + bytes([last])


def _many_words(t: Text, count: int) -> Iterator[bytes]:
    """The same for maps that need more: all words of a length that has as many, of one byte a
    letter, or if no length has, all words there are."""
    letters = range(0 if t.kind == "bytes" or not t.nonul else 1, 256 if t.kind == "bytes" else 128)
    for length in range(t.min, t.max + 1):
        if len(letters) ** length >= count:
            yield from map(bytes, product(letters, repeat=length))
            return
    chars = [bytes([letter]) for letter in letters]
    if t.kind == "string" and t.max > 1:
        wide = (n for n in range(0x80, 0x110000) if n not in SURROGATES)
        chars += [chr(n).encode() for n in wide]

    def longer(word: bytes) -> Iterator[bytes]:
        if len(word) >= t.min:
            yield word
        for char in chars:
            if len(word) + len(char) > t.max:
                break  # those behind it have as many bytes or more
            yield from longer(word + char)

    yield from longer(b"")


def _few(least: int, most: int) -> int:
    return min(most, max(least, 2))


def _alike(t: List | Array, item: Value, count: int) -> Items:
    return Items(t, (item,), count) if count > MOST_IN_FULL else Items(t, (item,) * count)


def nearest(t: Scalar, wish: float) -> float:
    """The number of a type that is the nearest to the one wished for."""
    low, high = limits(t)
    if t.kind not in ("f32", "f64"):
        return max(int(low), min(int(high), int(wish)))
    return max(low, min(high, wish))


def step_f32(number: float, towards: float) -> float:
    """The next f32 in a direction."""
    if number == 0:
        return math.copysign(2.0**-149, towards)
    bits: int = struct.unpack("<i", struct.pack("<f", number))[0]
    bits += 1 if (number > 0) == (towards > number) else -1
    result: float = struct.unpack("<f", struct.pack("<i", bits))[0]
    return result
