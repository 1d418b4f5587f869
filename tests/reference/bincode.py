"""A reference of the wire format, written from schema/README.md and from nothing else.

It knows neither the generator nor its output, and prefers being obvious to being fast: a type is an
object that can encode a value and decode one, a refusal is an exception. What it says about a
payload is what both decoders in C must say: the error, the field, and the offset.

    where   a field is "protocol.Struct.field"; an item of a list or array adds "[]", a key ".key",
            a map's value ".value", a member of a tuple ".0"; an option's value is its option.
            Whatever is wrong with an enum's index, or with a recursive type as a whole, is told of
            the type: "protocol.Enum".
    offset  the first byte of the refused scalar, length, tag or UTF-8 sequence; where input is
            missing, its end.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import Any, Optional, Sequence


class Refused(Exception):
    """A value that cannot be: the error's name without NP_ERR_, the field, the offset."""

    def __init__(self, error: str, where: str, offset: int) -> None:
        super().__init__(f"{error} {where} @{offset}")
        self.error, self.where, self.offset = error, where, offset


@dataclass
class Input:
    data: bytes
    version: int
    at: int = 0
    # The recursion that is open: names of its group, and levels entered.
    group: frozenset[str] = frozenset()
    depth: int = 0

    def take(self, count: int, where: str) -> bytes:
        if len(self.data) - self.at < count:
            raise Refused("TRUNCATED", where, len(self.data))
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, width: int, where: str) -> int:
        return int.from_bytes(self.take(width, where), "little")


@dataclass
class Raw:
    """Bytes to stand in the place of a value, for what no value says."""

    data: bytes


class Type:
    def encode(self, value: Any, version: int) -> bytes:
        """The bytes of a value, which is not judged: bad ones are wanted too."""
        return value.data if isinstance(value, Raw) else self.put(value, version)

    def put(self, value: Any, version: int) -> bytes:
        raise NotImplementedError

    def decode(self, r: Input, where: str, held: bool = False) -> Any:
        raise NotImplementedError


@dataclass
class Int(Type):
    """u8 to u128 and i8 to i128."""

    kind: str
    lo: Optional[int] = None
    hi: Optional[int] = None

    def put(self, value: Any, version: int) -> bytes:
        return int(value).to_bytes(self.width(), "little", signed=self.kind[0] == "i")

    def decode(self, r: Input, where: str, held: bool = False) -> int:
        begin = r.at
        raw = r.take(self.width(), where)
        value = int.from_bytes(raw, "little", signed=self.kind[0] == "i")
        if (self.lo is not None and value < self.lo) or (self.hi is not None and value > self.hi):
            raise Refused("RANGE", where, begin)
        return value

    def width(self) -> int:
        return int(self.kind[1:]) // 8


@dataclass
class Float(Type):
    kind: str
    lo: Optional[float] = None
    hi: Optional[float] = None
    finite: bool = False

    def put(self, value: Any, version: int) -> bytes:
        return struct.pack("<f" if self.kind == "f32" else "<d", value)

    def decode(self, r: Input, where: str, held: bool = False) -> float:
        begin = r.at
        raw = r.take(4 if self.kind == "f32" else 8, where)
        value: float = struct.unpack("<f" if self.kind == "f32" else "<d", raw)[0]
        if self.lo is not None and self.hi is not None and not self.lo <= value <= self.hi:
            raise Refused("RANGE", where, begin)  # and so is NaN out of every range
        if self.finite and not math.isfinite(value):
            raise Refused("FINITE", where, begin)
        return value


class Bool(Type):
    def put(self, value: Any, version: int) -> bytes:
        return b"\1" if value else b"\0"

    def decode(self, r: Input, where: str, held: bool = False) -> bool:
        begin = r.at
        byte = r.number(1, where)
        if byte > 1:
            raise Refused("BOOL", where, begin)
        return byte == 1


def sequence_length(data: bytes) -> int:
    """Bytes of the UTF-8 sequence that data begins with (RFC 3629, section 4): 0 if there can be
    none, the negated number of bytes missing if it is cut but right so far."""
    lead = data[0]
    if lead < 0x80:
        return 1
    firsts = {0xE0: (0xA0, 0xBF), 0xED: (0x80, 0x9F), 0xF0: (0x90, 0xBF), 0xF4: (0x80, 0x8F)}
    if 0xC2 <= lead <= 0xDF:
        more = 1
    elif 0xE0 <= lead <= 0xEF:
        more = 2
    elif 0xF0 <= lead <= 0xF4:
        more = 3
    else:
        return 0
    bounds = [firsts.get(lead, (0x80, 0xBF))] + [(0x80, 0xBF)] * (more - 1)
    for position, (lo, hi) in enumerate(bounds, start=1):
        if position >= len(data):
            return position - (more + 1)
        if not lo <= data[position] <= hi:
            return 0
    return more + 1


@dataclass
class Char(Type):
    lo: Optional[int] = None
    hi: Optional[int] = None

    def put(self, value: Any, version: int) -> bytes:
        return str(value).encode("utf-8")

    def decode(self, r: Input, where: str, held: bool = False) -> str:
        begin = r.at
        if begin == len(r.data):
            raise Refused("TRUNCATED", where, begin)
        length = sequence_length(r.data[begin : begin + 4])
        if length == 0:
            raise Refused("CHAR", where, begin)
        if length < 0:
            raise Refused("TRUNCATED", where, len(r.data))
        value = r.take(length, where).decode("utf-8")
        if self.lo is not None and self.hi is not None and not self.lo <= ord(value) <= self.hi:
            raise Refused("RANGE", where, begin)
        return value


def decode_length(r: Input, where: str, low: int, high: int) -> int:
    begin = r.at
    length = r.number(8, where)
    if length > high:
        raise Refused("TOO_LONG", where, begin)
    if length < low:
        raise Refused("TOO_SHORT", where, begin)
    return length


@dataclass
class Str(Type):
    max: int
    min: int = 0
    nonul: bool = False

    def put(self, value: Any, version: int) -> bytes:
        data = str(value).encode("utf-8")
        return len(data).to_bytes(8, "little") + data

    def decode(self, r: Input, where: str, held: bool = False) -> str:
        length = decode_length(r, where, self.min, self.max)
        begin, text = r.at, r.data[r.at : r.at + length]
        at = 0
        while at < len(text):
            taken = sequence_length(text[at : at + 4])
            if taken < 0 and len(text) < length:
                break  # what follows may make it right
            if taken <= 0:
                raise Refused("UTF8", where, begin + at)
            if self.nonul and text[at] == 0:
                raise Refused("NUL", where, begin + at)
            at += taken
        return r.take(length, where).decode("utf-8")


@dataclass
class Bytes(Type):
    max: int
    min: int = 0

    def put(self, value: Any, version: int) -> bytes:
        return len(value).to_bytes(8, "little") + bytes(value)

    def decode(self, r: Input, where: str, held: bool = False) -> bytes:
        return r.take(decode_length(r, where, self.min, self.max), where)


class Later(Type):
    """A type that is defined further down, as types that contain each other need it."""

    def __init__(self) -> None:
        self.type: Type = self

    def put(self, value: Any, version: int) -> bytes:
        return self.type.encode(value, version)

    def decode(self, r: Input, where: str, held: bool = False) -> Any:
        return self.type.decode(r, where, held)


class Unit(Type):
    def put(self, value: Any, version: int) -> bytes:
        return b""

    def decode(self, r: Input, where: str, held: bool = False) -> None:
        return None


@dataclass
class Array(Type):
    item: Type
    count: int

    def put(self, value: Any, version: int) -> bytes:
        assert len(value) == self.count
        return b"".join(self.item.encode(item, version) for item in value)

    def decode(self, r: Input, where: str, held: bool = False) -> Any:
        if isinstance(self.item, Int) and self.item.kind in ("u8", "i8") and self.item.lo is None:
            return list(r.take(self.count, where))  # bytes are one value, not many
        return [self.item.decode(r, where + "[]") for _ in range(self.count)]


@dataclass
class List(Type):
    item: Type
    max: int
    min: int = 0

    def put(self, value: Any, version: int) -> bytes:
        items = b"".join(self.item.encode(item, version) for item in value)
        return len(value).to_bytes(8, "little") + items

    def decode(self, r: Input, where: str, held: bool = False) -> list[Any]:
        count = decode_length(r, where, self.min, self.max)
        return [self.item.decode(r, where + "[]", held=True) for _ in range(count)]


@dataclass
class Map(Type):
    key: Type
    value: Type
    max: int
    min: int = 0

    def put(self, value: Any, version: int) -> bytes:
        """value: pairs, in the order in which they are to be written."""
        out = len(value).to_bytes(8, "little")
        for key, item in value:
            out += self.key.encode(key, version) + self.value.encode(item, version)
        return out

    def decode(self, r: Input, where: str, held: bool = False) -> list[tuple[Any, Any]]:
        count = decode_length(r, where, self.min, self.max)
        pairs: list[tuple[Any, Any]] = []
        for _ in range(count):
            begin = r.at
            key = self.key.decode(r, where + ".key")
            if pairs and not self.order(pairs[-1][0]) < self.order(key):
                of = self.key.name if isinstance(self.key, Enum) else where + ".key"
                raise Refused("ORDER", of, begin)
            pairs.append((key, self.value.decode(r, where + ".value", held=True)))
        return pairs

    def order(self, key: Any) -> Any:
        """What BTreeMap sorts by: numbers by value, text by its bytes, enums by index."""
        if isinstance(self.key, Enum):
            return self.key.index_of(key[0])
        return key.encode("utf-8") if isinstance(key, str) else key


@dataclass
class Option(Type):
    item: Type

    def put(self, value: Any, version: int) -> bytes:
        """value: () for none, (x,) for some x."""
        return b"\1" + self.item.encode(value[0], version) if value else b"\0"

    def decode(self, r: Input, where: str, held: bool = False) -> Any:
        begin = r.at
        tag = r.number(1, where)
        if tag > 1:
            raise Refused("OPTION", where, begin)
        return (self.item.decode(r, where, held=True),) if tag else ()


@dataclass
class Tuple(Type):
    items: Sequence[Type]

    def put(self, value: Any, version: int) -> bytes:
        return b"".join(t.encode(v, version) for t, v in zip(self.items, value, strict=True))

    def decode(self, r: Input, where: str, held: bool = False) -> Any:
        return tuple(t.decode(r, f"{where}.{i}") for i, t in enumerate(self.items))


@dataclass
class Field:
    name: str
    type: Type
    since: int = 1
    default: Any = None


def encode_fields(fields: Sequence[Field], value: dict[str, Any], version: int) -> bytes:
    there = [f for f in fields if f.since <= version]
    return b"".join(f.type.encode(value[f.name], version) for f in there)


def decode_fields(r: Input, fields: Sequence[Field], name: str) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for f in fields:
        there = f.since <= r.version
        value[f.name] = f.type.decode(r, f"{name}.{f.name}") if there else f.default
    return value


@dataclass
class Recursion:
    """`depth` and `max` of a type, and the names of the types that contain each other."""

    depth: int
    max: int
    group: frozenset[str]


@dataclass
class Named(Type):
    name: str
    recursion: Optional[Recursion] = field(default=None, kw_only=True)

    def body(self, r: Input) -> Any:
        raise NotImplementedError

    def decode(self, r: Input, where: str, held: bool = False) -> Any:
        if self.recursion is None:
            return self.body(r)
        group, depth, begin = r.group, r.depth, r.at
        whole = self.name not in group
        if whole:
            r.group, r.depth = self.recursion.group, 0
        elif held:
            r.depth += 1
        if r.depth >= self.recursion.depth:
            raise Refused("DEPTH", self.name, r.at)
        value = self.body(r)
        r.group, r.depth = group, depth
        if whole and r.at - begin > self.recursion.max:
            raise Refused("TOO_LONG", self.name, begin)
        return value


@dataclass
class Struct(Named):
    fields: Sequence[Field]

    def put(self, value: Any, version: int) -> bytes:
        return encode_fields(self.fields, value, version)

    def body(self, r: Input) -> Any:
        return decode_fields(r, self.fields, self.name)


@dataclass
class Variant:
    name: str
    index: int
    fields: Sequence[Field] = ()
    since: int = 1


@dataclass
class Enum(Named):
    """A value is a pair: the variant's name, and its fields."""

    variants: Sequence[Variant]

    def index_of(self, name: str) -> int:
        return next(v.index for v in self.variants if v.name == name)

    def put(self, value: Any, version: int) -> bytes:
        variant = next(v for v in self.variants if v.name == value[0])
        return variant.index.to_bytes(4, "little") + encode_fields(
            variant.fields, value[1], version
        )

    def body(self, r: Input) -> Any:
        begin = r.at
        index = r.number(4, self.name)
        for v in self.variants:
            if v.index == index and v.since <= r.version:
                return (v.name, decode_fields(r, v.fields, f"{self.name}.{v.name}"))
        raise Refused("VARIANT", self.name, begin)


@dataclass
class Message:
    id: int
    body: Struct
    reply: Optional[Struct] = None
    since: int = 1


@dataclass
class Protocol:
    name: str
    version: int
    messages: Sequence[Message]

    def named(self, name: str) -> Message:
        return next(m for m in self.messages if m.body.name == f"{self.name}.{name}")

    def encode(self, name: str, value: Any, version: int, reply: bool = False) -> bytes:
        message = self.named(name)
        body = message.reply if reply else message.body
        assert body is not None
        return message.id.to_bytes(4, "little") + body.encode(value, version)

    def decode(self, data: bytes, version: int, reply: bool = False) -> tuple[str, Any]:
        r = Input(data, version)
        number = r.number(4, self.name)
        message = next((m for m in self.messages if m.id == number), None)
        if message is None or message.since > version or (reply and message.reply is None):
            raise Refused("UNKNOWN_MESSAGE", self.name, 0)
        body = message.reply if reply else message.body
        assert body is not None
        value = body.decode(r, self.name)
        if r.at != len(data):
            raise Refused("TRAILING", message.body.name, r.at)
        return message.body.name, value
