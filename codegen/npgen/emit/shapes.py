"""How the types of a schema appear in C.

Named types keep their names (``chat_person``). A type without a name of its own (a map, a tuple, a
list of lists) takes the name of the field it stands in (``chat_packet_extra``), so that every name
in the generated code comes from the schema. Lists and options of plain values are the runtime's
(``np_list_u32``, ``np_option_str``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Union

from ..bounds import narrower
from ..floats import FLOATS, literal
from ..model import (
    INT_BITS,
    Array,
    Decl,
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
    Unit,
    Variant,
)
from ..names import snake

SCALAR_C = {
    "u8": "uint8_t", "u16": "uint16_t", "u32": "uint32_t", "u64": "uint64_t", "u128": "np_u128",
    "i8": "int8_t", "i16": "int16_t", "i32": "int32_t", "i64": "int64_t", "i128": "np_i128",
    "f32": "float", "f64": "double", "bool": "bool", "char": "np_char",
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A value's place in the schema: the stem of its C names, and its name for people.

    Two places may have one path (field ``id`` of ``JoinRoom``, field ``room_id`` of ``Join``); where
    both get a C type of that name, npgen refuses them. What every place has, such as a descriptor,
    is named by ``unique``, whose parts stand apart by ``__``, which no name of a schema contains.
    """

    path: str  # "chat_person_tags"
    unique: str  # "chat_person__tags"
    where: str  # "chat.Person.tags"

    @property
    def origin(self) -> str:
        """The protocol it is in: where another one imports it, its C names stay what they are."""
        return self.where.partition(".")[0]

    def field(self, f: Field) -> "Place":
        return self._inner(snake(f.name), f".{f.name}")

    def variant(self, v: Variant) -> "Place":
        return self._inner(snake(v.name), f".{v.name}")

    def tag(self) -> "Place":
        return self._inner("tag", "")

    def item(self) -> "Place":
        return self._inner("item", "[]")

    def key(self) -> "Place":
        return self._inner("key", ".key")

    def value(self) -> "Place":
        return self._inner("value", ".value")

    def some(self) -> "Place":
        return self._inner("value", "")

    def position(self, i: int) -> "Place":
        return self._inner(str(i), f".{i}")

    def _inner(self, name: str, where: str) -> "Place":
        return Place(f"{self.path}_{name}", f"{self.unique}__{name}", self.where + where)


def place_of(decl: Union[Struct, Enum, Message]) -> Place:
    path = f"{decl.origin}_{snake(decl.name)}"
    return Place(path, path, f"{decl.origin}.{decl.name}")


def is_leaf(t: Type) -> bool:
    """Whether the runtime has a list and an option of it."""
    return isinstance(t, (Scalar, Text, Unit))


def leaf_word(t: Type) -> str:
    """The runtime's word for a leaf: np_list_WORD, np_option_WORD."""
    if isinstance(t, Scalar):
        return t.kind
    if isinstance(t, Text):
        return "str" if t.kind == "string" else "bytes"
    assert isinstance(t, Unit)
    return "unit"


def ref_name(p: Protocol, t: Ref) -> str:
    decl = p.types[t.name]
    return f"{decl.origin}_{snake(decl.name)}"


def _is_at_home(p: Protocol, t: Type, at: Place) -> bool:
    """Whether a type is declared by the protocol that the place is in, where it has a list and an
    option that all fields share."""
    return isinstance(t, Ref) and p.types[t.name].origin == at.origin


def c_type(p: Protocol, t: Type, at: Place) -> str:
    """The C type of a value standing at a place (arrays as a struct with `items`)."""
    if isinstance(t, Scalar):
        return SCALAR_C[t.kind]
    if isinstance(t, Text):
        return "np_str" if t.kind == "string" else "np_bytes"
    if isinstance(t, Unit):
        return "np_unit"
    if isinstance(t, Ref):
        return ref_name(p, t)
    if isinstance(t, Option):
        if is_leaf(t.item):
            return f"np_option_{leaf_word(t.item)}"
        if isinstance(t.item, Ref) and _is_at_home(p, t.item, at):
            return ref_name(p, t.item) + ("_list" if t.item.lazy else "_option")
    if isinstance(t, List):
        if is_leaf(t.item):
            return f"np_list_{leaf_word(t.item)}"
        if isinstance(t.item, Ref) and _is_at_home(p, t.item, at):
            # From outside a recursion each item starts one of its own: another codec, another type.
            if t.item.lazy or p.types[t.item.name].depth is None:
                return ref_name(p, t.item) + "_list"
    return at.path


def declare(p: Protocol, t: Type, at: Place, name: str) -> str:
    """A member's declaration; arrays directly in a struct are C arrays."""
    if isinstance(t, Array):
        return f"{c_type(p, t.item, at.item())} {name}[{t.count}]"
    return f"{c_type(p, t, at)} {name}"


def own_types(p: Protocol) -> list[Decl]:
    return [d for d in p.types.values() if p.own(d)]


def own_messages(p: Protocol) -> list[Message]:
    return [m for m in p.messages if p.own(m)]


# --------------------------------------------------------------------------------------------
# Questions about types
# --------------------------------------------------------------------------------------------


def rule_of(t: Type) -> str | None:
    """The bounds of a type in the schema's words, None where it has none."""
    words: list[str] = []
    if isinstance(t, Scalar):
        if t.lo is not None or t.hi is not None:
            words.append(f"range {_bound(t, t.lo)}..{_bound(t, t.hi)}")
        if t.finite:
            words.append("finite")
    elif isinstance(t, (Text, List, Map)):
        if t.min:
            words.append(f"min {t.min}")
        words.append(f"max {t.max}")
        if isinstance(t, Text) and t.nonul:
            words.append("nonul")
    return " ".join(words) or None


def _bound(t: Scalar, value: int | float | None) -> str:
    if value is None:
        return ""
    return literal(t.kind, value) if t.kind in FLOATS else str(value)


def raw_width(t: Type) -> int | None:
    """Bytes of a type that any bytes are a valid value of, so that it needs no check; or None."""
    if isinstance(t, Scalar):
        if t.kind in ("bool", "char") or narrower(t, Scalar(t.kind)):
            return None
        return scalar_width(t)
    if isinstance(t, Unit):
        return 0
    if isinstance(t, Array):
        width = raw_width(t.item)
        return None if width is None else width * t.count
    return None


def scalar_width(t: Scalar) -> int:
    """Bytes of a scalar; chars vary and count as the one byte they have at least."""
    if t.kind in INT_BITS:
        return INT_BITS[t.kind] // 8
    return {"f32": 4, "f64": 8, "bool": 1, "char": 1}[t.kind]


def is_versioned(p: Protocol, t: Type) -> bool:
    """Whether the wire form of a type depends on the version agreed on."""
    reached: set[str] = set()
    waiting = list(refs_in(t))
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += _refs(p.types[name])
    return any(_has_since(p.types[name]) for name in reached)


def _has_since(decl: Decl) -> bool:
    if isinstance(decl, Struct):
        return any(f.since > 1 for f in decl.fields)
    return any(v.since > 1 or any(f.since > 1 for f in v.fields) for v in decl.variants)


def components(p: Protocol) -> dict[str, int]:
    """The strongly connected component of every recursive type (Tarjan), by number."""
    edges = {name: sorted(set(_refs(decl))) for name, decl in p.types.items()}
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    result: dict[str, int] = {}

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in edges[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            group: list[str] = []
            while True:
                other = stack.pop()
                group.append(other)
                if other == name:
                    break
            if len(group) > 1 or name in edges[name]:
                for other in group:
                    result[other] = index[name]

    for name in edges:
        if name not in index:
            visit(name)
    return result


def _refs(decl: Decl) -> Iterator[str]:
    groups = [decl.fields] if isinstance(decl, Struct) else [v.fields for v in decl.variants]
    for fields in groups:
        for f in fields:
            yield from refs_in(f.type)


def refs_in(t: Type) -> Iterator[str]:
    if isinstance(t, Ref):
        yield t.name
    elif isinstance(t, (Array, List, Option)):
        yield from refs_in(t.item)
    elif isinstance(t, Map):
        yield from refs_in(t.key)
        yield from refs_in(t.value)
    elif isinstance(t, Tuple):
        for item in t.items:
            yield from refs_in(item)

