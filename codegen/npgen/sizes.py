"""How many bytes a value takes on the wire, at least and at most.

The greatest sizes bound every buffer; the least ones let a decoder refuse an impossible count
before it looks at the first item. Sizes hold for all versions of the protocol: at most what the
newest sends, at least what the oldest does.
"""

from __future__ import annotations

from typing import Iterable, Mapping, Optional

from .model import (
    INT_BITS,
    LEN_PREFIX,
    TAG_SIZE,
    Array,
    Decl,
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
)

ENDLESS = 1 << 62
"""The least size of a type that has no finite value (an error that ``check_types`` reports)."""


class Sizes:
    """The sizes of all types of a protocol, computed once.

    ``types`` stand in the model's order, so what a type contains is known before it; for a
    recursive type the schema states the greatest size, and the least one is a fixed point.
    """

    def __init__(self, types: Mapping[str, Decl]) -> None:
        self._types = types
        self._max: dict[str, int] = {}
        self._min: dict[str, int] = {}
        for decl in types.values():
            self._max[decl.name] = self._decl_max(decl)
        changed = True
        while changed:  # more than twice only where lists that must not be empty recurse
            changed = False
            for decl in types.values():
                least = self._decl_min(decl)
                changed |= least < self._min.get(decl.name, ENDLESS)
                self._min[decl.name] = least

    # -- greatest -----------------------------------------------------------------------------

    def max_len(self, type_: Type) -> int:
        """The greatest encoded size of a value of this type."""
        if isinstance(type_, Scalar):
            return _scalar_len(type_, greatest=True)
        if isinstance(type_, Text):
            return LEN_PREFIX + type_.max
        if isinstance(type_, Array):
            return type_.count * self.max_len(type_.item)
        if isinstance(type_, List):
            return LEN_PREFIX + type_.max * self.max_len(type_.item)
        if isinstance(type_, Map):
            return LEN_PREFIX + type_.max * (self.max_len(type_.key) + self.max_len(type_.value))
        if isinstance(type_, Option):
            return 1 + self.max_len(type_.item)
        if isinstance(type_, Tuple):
            return sum(self.max_len(item) for item in type_.items)
        if isinstance(type_, Ref):
            known = self._max.get(type_.name)
            return self._types[type_.name].max_len or 0 if known is None else known
        return 0

    def fields_max(self, fields: Iterable[Field]) -> int:
        """The greatest size of fields one after the other."""
        return sum(self.max_len(f.type) for f in fields)

    def _decl_max(self, decl: Decl) -> int:
        if decl.max_len is not None:
            return decl.max_len
        if isinstance(decl, Struct):
            return self.fields_max(decl.fields)
        return TAG_SIZE + max((self.fields_max(v.fields) for v in decl.variants), default=0)

    # -- least --------------------------------------------------------------------------------

    def min_len(self, type_: Type) -> int:
        """The least encoded size of a value of this type, in any version."""
        if isinstance(type_, Scalar):
            return _scalar_len(type_, greatest=False)
        if isinstance(type_, Text):
            return LEN_PREFIX + type_.min
        if isinstance(type_, Array):
            return min(ENDLESS, type_.count * self.min_len(type_.item))
        if isinstance(type_, List):
            items = type_.min * self.min_len(type_.item) if type_.min else 0
            return min(ENDLESS, LEN_PREFIX + items)
        if isinstance(type_, Map):
            pair = self.min_len(type_.key) + self.min_len(type_.value) if type_.min else 0
            return min(ENDLESS, LEN_PREFIX + type_.min * pair)
        if isinstance(type_, Option):
            return 1
        if isinstance(type_, Tuple):
            return min(ENDLESS, sum(self.min_len(item) for item in type_.items))
        if isinstance(type_, Ref):
            return self._min.get(type_.name, ENDLESS)
        return 0

    def fields_min(self, fields: Iterable[Field]) -> int:
        """The least size of fields one after the other: old versions lack the newer ones."""
        return min(ENDLESS, sum(self.min_len(f.type) for f in fields if f.since == 1))

    def _decl_min(self, decl: Decl) -> int:
        if isinstance(decl, Struct):
            return self.fields_min(decl.fields)
        return min((TAG_SIZE + self.fields_min(v.fields) for v in decl.variants), default=ENDLESS)


def _scalar_len(scalar: Scalar, greatest: bool) -> int:
    if scalar.kind in INT_BITS:
        return INT_BITS[scalar.kind] // 8
    if scalar.kind == "char":
        bound = scalar.hi if greatest else scalar.lo
        point = (0x10FFFF if greatest else 0) if bound is None else int(bound)
        return 1 if point < 0x80 else 2 if point < 0x800 else 3 if point < 0x10000 else 4
    return {"f32": 4, "f64": 8, "bool": 1}[scalar.kind]


# --------------------------------------------------------------------------------------------
# By protocol
# --------------------------------------------------------------------------------------------

_last: Optional[tuple[Protocol, Sizes]] = None


def sizes_of(protocol: Protocol) -> Sizes:
    """The sizes of a protocol. The last answer is remembered: a run looks at one at a time."""
    global _last
    if _last is None or _last[0] is not protocol:
        _last = (protocol, Sizes(protocol.types))
    return _last[1]


def max_len(protocol: Protocol, type_: Type) -> int:
    """The greatest encoded size of a value of this type."""
    return sizes_of(protocol).max_len(type_)


def min_len(protocol: Protocol, type_: Type) -> int:
    """The least encoded size of a value of this type, in any version of the protocol."""
    return sizes_of(protocol).min_len(type_)


def decl_max_len(protocol: Protocol, decl: Decl) -> int:
    """The greatest encoded size of a struct or enum."""
    return max_len(protocol, Ref(decl.name))


def decl_min_len(protocol: Protocol, decl: Decl) -> int:
    """The least encoded size of a struct or enum."""
    return min_len(protocol, Ref(decl.name))


def struct_max_len(protocol: Protocol, struct: Struct) -> int:
    """The greatest encoded size of a struct."""
    return decl_max_len(protocol, struct)


def struct_min_len(protocol: Protocol, struct: Struct) -> int:
    """The least encoded size of a struct."""
    return decl_min_len(protocol, struct)


def message_max_len(protocol: Protocol, message: Message) -> int:
    """The greatest encoded size of a message, with its id."""
    return TAG_SIZE + sizes_of(protocol).fields_max(message.fields)


def message_min_len(protocol: Protocol, message: Message) -> int:
    """The least encoded size of a message, with its id."""
    return TAG_SIZE + sizes_of(protocol).fields_min(message.fields)


def reply_max_len(protocol: Protocol, message: Message) -> int:
    """The greatest encoded size of a request's reply: the request's id, then the struct."""
    return TAG_SIZE + (max_len(protocol, Ref(message.reply)) if message.reply else 0)
