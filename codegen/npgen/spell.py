"""Types and values as the schema language writes them.

One spelling for each, whatever way the author wrote it: constants are evaluated, ``nonempty`` is
``min 1``. What is spelled can be parsed again, and means the same.
"""

from __future__ import annotations

import re
from typing import Optional, Union

from .diagnostics import INVISIBLE
from .floats import FLOATS, literal
from .model import (
    EMPTY,
    Array,
    EnumValue,
    List,
    Map,
    Option,
    PacketInt,

    Scalar,
    Text,
    Tuple,
    Type,
    Unit,
    Value,
)

ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0", "\\": "\\\\"}


def spell(type_: Type) -> str:
    """A type with all its constraints: ``list<string max 16> min 1 max 8``."""
    bounds = constraints(type_)
    return f"{bare(type_)} {bounds}" if bounds else bare(type_)


def bare(type_: Type) -> str:
    """A type without its own constraints; what stands inside of it keeps those it has."""
    if isinstance(type_, (Scalar, Text)):
        return type_.kind
    if isinstance(type_, Unit):
        return "()"
    if isinstance(type_, Array):
        return f"{spell(type_.item)}[{type_.count}]"
    if isinstance(type_, List):
        return f"list<{spell(type_.item)}>"
    if isinstance(type_, Map):
        return f"map<{spell(type_.key)}, {spell(type_.value)}>"
    if isinstance(type_, Option):
        return f"option<{spell(type_.item)}>"
    if isinstance(type_, Tuple):
        return f"({', '.join(spell(item) for item in type_.items)})"
    return type_.name


def constraints(type_: Type) -> str:
    """The constraints of a type itself; empty if it has none."""
    words: list[str] = []
    if isinstance(type_, Scalar):
        if type_.lo is not None and type_.hi is not None:
            words.append(f"range {number(type_.kind, type_.lo)}..{number(type_.kind, type_.hi)}")
        elif type_.lo is not None:
            words.append(f"min {number(type_.kind, type_.lo)}")
        elif type_.hi is not None:
            words.append(f"max {number(type_.kind, type_.hi)}")
        if type_.finite:
            words.append("finite")
    elif isinstance(type_, (Text, List, Map)):
        if type_.min:
            words.append(f"min {type_.min}")
        words.append(f"max {type_.max}")
        if isinstance(type_, Text) and type_.nonul:
            words.append("nonul")
    return " ".join(words)


def number(kind: str, value: Union[int, float]) -> str:
    """A literal of an integer, float or char."""
    if kind == "char":
        return char(int(value))
    if kind not in FLOATS:
        return str(int(value))
    text = literal(kind, float(value))
    return re.sub(r"e([+-]?)0+(?=\d)", r"e\1", text)  # the language has no leading zeros


def char(point: int) -> str:
    """A character literal."""
    return "'" + _escaped(chr(point), "'") + "'"


def string(text: str) -> str:
    """A string literal; nothing in it is invisible or reorders what stands around it."""
    return '"' + "".join(_escaped(c, '"') for c in text) + '"'


def _escaped(c: str, quote: str) -> str:
    if c == quote:
        return "\\" + c
    if c in ESCAPES:
        return ESCAPES[c]
    if c == " " or (c.isprintable() and not INVISIBLE.match(c)):
        return c
    return f"\\x{ord(c):02X}" if ord(c) < 0x80 else f"\\u{{{ord(c):X}}}"


def value(type_: Type, default: Value) -> str:
    """A default of a field of this type."""
    if default is None:
        return "none"
    if default == EMPTY and isinstance(type_, (List, Map)):
        return "empty"
    if isinstance(default, EnumValue):
        return default.variant
    if isinstance(default, bytes):
        return string(default.decode("utf-8", "replace")) if default else "empty"
    if isinstance(default, str):
        return string(default) if default else "empty"
    if isinstance(default, bool):
        return "true" if default else "false"
    assert isinstance(type_, Scalar)
    return number(type_.kind, default)


def duration(ms: int) -> str:
    """A time in its greatest whole unit."""
    for unit, factor in (("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if ms % factor == 0:
            return f"{ms // factor}{unit}"
    return f"{ms}ms"


def size(count: Optional[int]) -> str:
    """A number of bytes for people."""
    if count is None:
        return ""
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor and count % factor == 0:
            return f"{count // factor} {unit}"
    return f"{count:,}".replace(",", " ") + (" byte" if count == 1 else " bytes")


def packet_type(field: PacketInt) -> str:
    """The type of an integer of a packet, as the schema writes it: ``u32be``."""
    word = "flags" if field.parts else "i" if field.signed else "u"
    order = "" if field.bits == 8 else "be" if field.big_endian else "le"
    return f"{word}{field.bits}{order}"


def packet_bounds(field: PacketInt) -> str:
    """``range -5..5``, ``max 16``: the bounds of an integer of a packet."""
    if field.lo is not None and field.hi is not None:
        return f"range {field.lo}..{field.hi}"
    if field.lo is not None:
        return f"min {field.lo}"
    return f"max {field.hi}" if field.hi is not None else ""
