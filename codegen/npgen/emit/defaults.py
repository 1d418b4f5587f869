"""Defaults of fields as the bytes that a peer would have sent (netproto/schema.h, np_field)."""

from __future__ import annotations

import struct
import textwrap

from ..model import (
    INT_BITS,
    Enum,
    EnumValue,
    List,
    Map,
    Option,
    Protocol,
    Ref,
    Scalar,
    Text,
    Type,
    Value,
)

WIDTH = 92
"""Columns for the bytes, which stand 8 columns to the right."""


def default_rows(p: Protocol, t: Type, value: Value) -> list[str]:
    """The initializer of a default, in as many lines as it takes."""
    numbers = ", ".join(str(byte) for byte in encoded_default(p, t, value))
    return textwrap.wrap(f"NP_DEFAULT({numbers})", WIDTH)


def encoded_default(p: Protocol, t: Type, value: Value) -> bytes:
    """The bytes of a default: of all that may be one, by ``npgen.resolve_values``."""
    if isinstance(t, Scalar):
        return _scalar(t, value)
    if isinstance(t, Text):
        data = value.encode("utf-8") if isinstance(value, str) else value
        assert isinstance(data, bytes)
        return len(data).to_bytes(8, "little") + data
    if isinstance(t, (List, Map)):  # empty
        return bytes(8)
    if isinstance(t, Option):  # none
        return bytes(1)
    assert isinstance(t, Ref) and isinstance(value, EnumValue)
    decl = p.types[t.name]
    assert isinstance(decl, Enum)
    index = next(v.index for v in decl.variants if v.name == value.variant)
    return index.to_bytes(4, "little")


def _scalar(t: Scalar, value: Value) -> bytes:
    assert isinstance(value, (int, float))
    if t.kind in ("f32", "f64"):
        return struct.pack("<f" if t.kind == "f32" else "<d", float(value))
    if t.kind == "char":
        return chr(int(value)).encode("utf-8")
    width = 1 if t.kind == "bool" else INT_BITS[t.kind] // 8
    return int(value).to_bytes(width, "little", signed=t.kind.startswith("i"))
