"""The resolved schema: what the emitters see.

Everything here is frozen and complete. Names are resolved, constants evaluated, defaults parsed,
ids unique, recursion marked. An emitter may ask questions of the model but has no error to raise.

Sizes are bytes on the wire, in the bincode 1.3 layout (fixed-width little-endian integers, u64
length prefixes, u32 variant index, one byte for bool and option tags).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum as PyEnum
from typing import Optional, Union


@dataclass(frozen=True)
class Span:
    """Where something stands in a source file. Lines and columns count from 1."""

    file: str
    line: int
    column: int
    length: int = 1


# --------------------------------------------------------------------------------------------
# Types of fields
# --------------------------------------------------------------------------------------------

INT_BITS = {
    "u8": 8, "u16": 16, "u32": 32, "u64": 64, "u128": 128,
    "i8": 8, "i16": 16, "i32": 32, "i64": 64, "i128": 128,
}  # fmt: skip
"""The integer types of the language and their width in bits."""

LEN_PREFIX = 8
"""Bytes of a length prefix (string, bytes, list, map)."""

TAG_SIZE = 4
"""Bytes of an enum's variant index and of a message id."""


@dataclass(frozen=True)
class Scalar:
    """An integer, float, bool or char, with its value range where the schema gives one.

    ``lo`` and ``hi`` are inclusive and None where the schema sets no range. For floats they are
    Python floats, for integers and chars (code points) Python ints.
    """

    kind: str  # a key of INT_BITS, or "f32", "f64", "bool", "char"
    lo: Optional[Union[int, float]] = None
    hi: Optional[Union[int, float]] = None
    finite: bool = False


@dataclass(frozen=True)
class Text:
    """``string`` (UTF-8) or ``bytes``: a u64 length and that many bytes."""

    kind: str  # "string" or "bytes"
    max: int
    min: int = 0
    nonul: bool = False


@dataclass(frozen=True)
class Unit:
    """``()``: no bytes at all."""


@dataclass(frozen=True)
class Array:
    """``T[n]``: n items, no prefix."""

    item: "Type"
    count: int


@dataclass(frozen=True)
class List:
    """``list<T>``: a u64 count and the items."""

    item: "Type"
    max: int
    min: int = 0


@dataclass(frozen=True)
class Map:
    """``map<K, V>``: a u64 count and pairs whose keys strictly ascend."""

    key: "Type"
    value: "Type"
    max: int
    min: int = 0


@dataclass(frozen=True)
class Option:
    """``option<T>``: one byte 0 or 1, then the item if 1."""

    item: "Type"


@dataclass(frozen=True)
class Tuple:
    """``(A, B)``: the items one after the other."""

    items: tuple["Type", ...]


@dataclass(frozen=True)
class Ref:
    """A struct or enum by its name; look it up in ``Protocol.types``.

    ``lazy`` marks an edge that closes a cycle (it stands inside a list, map or option of its own
    strongly connected component): the decoder keeps such a value as checked wire bytes.
    """

    name: str
    lazy: bool = False


Type = Union[Scalar, Text, Unit, Array, List, Map, Option, Tuple, Ref]

# --------------------------------------------------------------------------------------------
# Values (defaults of fields)
# --------------------------------------------------------------------------------------------

Value = Union[int, float, bool, str, bytes, None, "EnumValue"]
"""A default. None is an option's none; [] and {} are spelled as an empty bytes/str by the parser
only for Text; lists, maps and structs have no defaults but ``none``, ``empty`` (count 0)."""


@dataclass(frozen=True)
class EnumValue:
    """A default that names a variant without data, or ``empty`` for a list or map."""

    variant: str


EMPTY = EnumValue("empty")
"""The default of a list or map: no items."""

# --------------------------------------------------------------------------------------------
# Declarations
# --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """One field of a struct, message, request or enum variant."""

    name: str
    type: Type
    doc: tuple[str, ...]
    span: Span
    since: int = 1  # 0 after an error: no rule about the order of versions looks at it
    default: Value = None
    deprecated: Optional[str] = None
    dated: bool = field(default=False, compare=False)  # whether a 'since' is written


@dataclass(frozen=True)
class Struct:
    """A struct. ``depth`` and ``max_len`` are set exactly when it is recursive."""

    name: str
    fields: tuple[Field, ...]
    doc: tuple[str, ...]
    span: Span
    depth: Optional[int] = None
    max_len: Optional[int] = None
    origin: str = ""  # the protocol that declared it: prefix of its C names


@dataclass(frozen=True)
class Variant:
    """One variant of an enum; ``fields`` is empty for one without data."""

    name: str
    index: int
    fields: tuple[Field, ...]
    doc: tuple[str, ...]
    span: Span
    since: int = 1
    deprecated: Optional[str] = None


@dataclass(frozen=True)
class Enum:
    """An enum, variants in ascending order of their index."""

    name: str
    variants: tuple[Variant, ...]
    doc: tuple[str, ...]
    span: Span
    depth: Optional[int] = None
    max_len: Optional[int] = None
    origin: str = ""

    @property
    def plain(self) -> bool:
        """Whether no variant carries data (a C enum then, not a tagged union)."""
        return not any(v.fields for v in self.variants)


@dataclass(frozen=True)
class Message:
    """A message, or a request if ``reply`` names the struct of its answer."""

    name: str
    id: int
    fields: tuple[Field, ...]
    doc: tuple[str, ...]
    span: Span
    stream: bool = False  # the last field is a body of bytes, sent and received in chunks
    secret: bool = False  # never compressed
    since: int = 1
    deprecated: Optional[str] = None
    reply: Optional[str] = None
    timeout_ms: Optional[int] = None
    origin: str = ""


# --------------------------------------------------------------------------------------------
# Packets: byte-exact layouts
# --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BitField:
    """Some bits of a bit-field group, counted from the least significant bit."""

    name: str
    shift: int
    bits: int
    const: Optional[int]
    doc: tuple[str, ...]
    span: Span


@dataclass(frozen=True)
class PacketInt:
    """An integer of 8 to 64 bits; ``bits`` are the named parts of a flags field."""

    name: str
    bits: int
    signed: bool
    big_endian: bool
    doc: tuple[str, ...]
    span: Span
    const: Optional[int] = None
    lo: Optional[int] = None
    hi: Optional[int] = None
    parts: tuple[BitField, ...] = ()
    length_of: Optional[str] = None  # the bytes field whose length this is


@dataclass(frozen=True)
class PacketBytes:
    """Bytes of a fixed count, or as many as an earlier integer says."""

    name: str
    count: Optional[int]
    length_field: Optional[str]
    doc: tuple[str, ...]
    span: Span


PacketField = Union[PacketInt, PacketBytes]


@dataclass(frozen=True)
class Packet:
    """A byte-exact layout. If a field of variable size exists it is the last one."""

    name: str
    fields: tuple[PacketField, ...]
    doc: tuple[str, ...]
    span: Span
    origin: str = ""

    @property
    def header_len(self) -> int:
        """Bytes before the payload (all fields but a variable last one)."""
        total = 0
        for f in self.fields:
            if isinstance(f, PacketInt):
                total += f.bits // 8
            elif f.count is not None:
                total += f.count
        return total


# --------------------------------------------------------------------------------------------
# Conversations
# --------------------------------------------------------------------------------------------


class Side(PyEnum):
    """Who may send: the connecting side, the accepting side, or both."""

    CLIENT = "client"
    SERVER = "server"
    EITHER = "either"


@dataclass(frozen=True)
class Rule:
    """``client Join, Leave -> open else shut;``: these messages from this side lead to ``target``.

    ``messages`` is empty for the wildcard ``*``: every message no other rule of the state names.
    ``target`` is None for "stay". A request leads there when it is answered, and to ``refused``
    (None: it stays) when it is refused.
    """

    side: Side
    messages: tuple[str, ...]
    target: Optional[str]
    span: Span
    refused: Optional[str] = None

    @property
    def wildcard(self) -> bool:
        return not self.messages


@dataclass(frozen=True)
class State:
    """One state; the rules of ``state *`` are already merged into every state."""

    name: str
    rules: tuple[Rule, ...]
    within_ms: Optional[int]
    final: bool
    doc: tuple[str, ...]
    span: Span


@dataclass(frozen=True)
class Conversation:
    """Who may say what, and when. Rules name only the request: its answer is always legal.

    ``requests`` are the requests of the protocol's own, whose moves wait for the answer.
    """

    name: str
    start: str
    states: tuple[State, ...]
    doc: tuple[str, ...]
    span: Span
    requests: frozenset[str] = frozenset()


# --------------------------------------------------------------------------------------------
# The whole
# --------------------------------------------------------------------------------------------

Decl = Union[Struct, Enum]


@dataclass(frozen=True)
class Protocol:
    """A resolved schema: the protocol of the file given, and what it imports.

    ``types`` holds every struct and enum that is reachable, in an order in which each stands
    after all it contains by value (so that C can declare them), keyed by name. ``messages`` are
    in ascending order of id. Both include what came by import; ``origin`` tells.
    """

    name: str
    version: int
    doc: tuple[str, ...]
    span: Span
    types: dict[str, Decl]
    messages: tuple[Message, ...]
    packets: tuple[Packet, ...]
    conversations: tuple[Conversation, ...]
    consts: dict[str, int]
    imports: tuple[str, ...]  # names of the protocols imported, e.g. ("base",)
    source: str  # the path as it shall appear in banners
    digest: str  # SHA-256 of the schema and its imports, lowercase hex
    reserved_ids: tuple[tuple[int, int], ...] = ()
    reserved_names: tuple[str, ...] = ()
    import_headers: dict[str, str] = field(default_factory=dict)  # protocol -> header to include
    const_docs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    inputs: str = ""  # see freshness.py; empty for a schema that is in no file

    def own(self, decl: Union[Struct, Enum, Message, Packet]) -> bool:
        """Whether this file declares it (rather than an import)."""
        return decl.origin == self.name
