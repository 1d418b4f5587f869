"""What bytes a value becomes: the wire format once more, apart from the emitters of codecs."""

from __future__ import annotations

import struct

from ..model import INT_BITS, Field, List
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


class Newer(Exception):
    """A variant does not exist at that version; the argument is its enum's name for people."""


def encode(value: Value, version: int) -> bytes:
    """The bytes of a value at a version of its protocol, or Newer."""
    if isinstance(value, Number):
        return _number(value)
    if isinstance(value, Chars):
        data = value.data + b"x" * value.fill
        return _length(len(data)) + data
    if isinstance(value, Nothing):
        return b""
    if isinstance(value, Items):
        prefix = _length(count_of(value)) if isinstance(value.type, List) else b""
        return prefix + b"".join(encode(x, version) for x in value.items) * (value.repeat or 1)
    if isinstance(value, Entries):
        pairs = (encode(k, version) + encode(v, version) for k, v in value.pairs)
        return _length(count_of(value)) + b"".join(pairs) * (value.repeat or 1)
    if isinstance(value, Maybe):
        return b"\0" if value.value is None else b"\1" + encode(value.value, version)
    if isinstance(value, Parts):
        return b"".join(encode(x, version) for x in value.parts)
    if isinstance(value, Record):
        return _fields(value.fields, value.values, version)
    return _choice(value, version)


def count_of(value: Items | Entries) -> int:
    """How many items or entries there are."""
    if value.repeat is not None:
        return value.repeat
    return len(value.items if isinstance(value, Items) else value.pairs)


def _number(value: Number) -> bytes:
    kind, number = value.type.kind, value.value
    if kind == "f32":
        return struct.pack("<f", number)
    if kind == "f64":
        return struct.pack("<d", number)
    if kind == "char":
        return chr(int(number)).encode()
    width = 1 if kind == "bool" else INT_BITS[kind] // 8
    return int(number).to_bytes(width, "little", signed=kind[0] == "i")


def _fields(fields: tuple[Field, ...], values: tuple[Value, ...], version: int) -> bytes:
    return b"".join(encode(v, version) for f, v in zip(fields, values) if f.since <= version)


def _choice(value: Choice, version: int) -> bytes:
    variant = value.variant
    if variant is None:
        return value.index.to_bytes(4, "little")
    if variant.since > version:
        raise Newer(f"{value.enum.origin}.{value.enum.name}")
    return variant.index.to_bytes(4, "little") + _fields(variant.fields, value.values, version)


def _length(count: int) -> bytes:
    return count.to_bytes(8, "little")
