"""What a type is to the incremental parser, and how much room its parser needs.

To the parser's machine (see ragel.py) a scalar, a string or a u8[n] is one letter; containers and
types that are called (recursive ones, and large ones that many places share) nest, and the parser
keeps a record of each that is open.
"""

from __future__ import annotations

from typing import Iterable

from ..model import (
    Array,
    Decl,
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
)
from .common import is_plain_enum
from .shapes import components, own_messages, refs_in, rule_of

Needs = tuple[int, int, int]
"""Containers open at once, called types open at once, bytes of map keys to remember."""


def is_raw_bytes(t: Type) -> bool:
    """u8[n] and i8[n]: handed out as bytes of a known length."""
    return (
        isinstance(t, Array)
        and isinstance(t.item, Scalar)
        and t.item.kind in ("u8", "i8")
        and rule_of(t.item) is None
    )


def is_value(p: Protocol, t: Type) -> bool:
    """Whether a type is one letter of the alphabet."""
    return isinstance(t, (Scalar, Text, Unit)) or is_raw_bytes(t) or is_plain_enum(p, t)


def field_groups(decl: Decl) -> list[tuple[Field, ...]]:
    if isinstance(decl, Struct):
        return [decl.fields]
    return [v.fields for v in decl.variants]


# --------------------------------------------------------------------------------------------
# What is called
# --------------------------------------------------------------------------------------------

INLINE_MAX = 48
"""Letters of a type that several places use, up to which each of them gets a copy in the machine.
Without a limit, structs that hold each other twice would double the machine with each level."""

CALL_LETTERS = 3
"""What a call is to the machine: CALL, BACK and a place between."""


def shared(p: Protocol) -> frozenset[str]:
    """The types that recur in no cycle, but are so large and used so often that they are machines of
    their own, which others call."""
    counter = _Letters(p)
    for decl in p.types.values():
        counter.of(decl.name)
    return frozenset(counter.called)


class _Letters:
    """How many letters the machine of a type has, calls counted as what they are."""

    def __init__(self, p: Protocol) -> None:
        self._p = p
        self._cycles = components(p)
        self._known: dict[str, int] = {}
        self.called: set[str] = set()
        self._uses: dict[str, int] = {}
        for m in own_messages(p):
            self._count(f.type for f in m.fields)
            if m.reply is not None:
                self._count([Ref(m.reply)])
        for decl in p.types.values():
            for fields in field_groups(decl):
                self._count(f.type for f in fields)

    def _count(self, types: Iterable[Type]) -> None:
        for t in types:
            for name in refs_in(t):
                self._uses[name] = self._uses.get(name, 0) + 1

    def of(self, name: str) -> int:
        if name not in self._known:
            self._known[name] = CALL_LETTERS  # of a cycle: those are called
            groups = field_groups(self._p.types[name])
            letters = sum(1 + self._type(f.type) for fields in groups for f in fields)
            if name not in self._cycles:
                self._known[name] = letters
                if letters > INLINE_MAX and self._uses.get(name, 0) > 1:
                    self.called.add(name)
        return CALL_LETTERS if name in self.called else self._known[name]

    def _type(self, t: Type) -> int:
        if is_value(self._p, t):
            return 1
        if isinstance(t, (Array, List)):
            return 3 + self._type(t.item)
        if isinstance(t, Map):
            return 4 + self._type(t.value)
        if isinstance(t, Option):
            return 2 + self._type(t.item)
        if isinstance(t, Tuple):
            return sum(self._type(item) for item in t.items)
        assert isinstance(t, Ref)
        return self.of(t.name)


# --------------------------------------------------------------------------------------------
# What a parser must have room for
# --------------------------------------------------------------------------------------------


def needs(p: Protocol) -> Needs:
    """The greatest needs of any message or reply."""
    counter = _Needs(p)
    total: Needs = (0, 0, 0)
    for m in own_messages(p):
        total = _greater(total, counter.fields(m.fields, None))
        if m.reply is not None:
            total = _greater(total, counter.type(Ref(m.reply), None))
    return total


def _greater(a: Needs, b: Needs) -> Needs:
    return max(a[0], b[0]), max(a[1], b[1]), max(a[2], b[2])


def _plus(a: Needs, b: Needs) -> Needs:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


class _Needs:
    def __init__(self, p: Protocol) -> None:
        self._p = p
        self._cycles = components(p)
        self._shared = shared(p)
        self._known: dict[tuple[str, int | None], Needs] = {}

    def fields(self, fields: tuple[Field, ...], cycle: int | None) -> Needs:
        total: Needs = (0, 0, 0)
        for f in fields:
            total = _greater(total, self.type(f.type, cycle))
        return total

    def type(self, t: Type, cycle: int | None) -> Needs:
        """Needs of a type within a recursion (its number) or outside of any."""
        if is_value(self._p, t):
            return 0, 0, 0
        if isinstance(t, (Array, List)):
            return _plus((1, 0, 0), self.type(t.item, cycle))
        if isinstance(t, Map):
            return _plus((1, 0, _key_room(t.key)), self.type(t.value, cycle))
        if isinstance(t, Option):
            return self.type(t.item, cycle)
        if isinstance(t, Tuple):
            total: Needs = (0, 0, 0)
            for item in t.items:
                total = _greater(total, self.type(item, cycle))
            return total
        assert isinstance(t, Ref)
        own = self._cycles.get(t.name)
        if own is None:
            return self._decl(self._p.types[t.name], cycle)
        if own == cycle:
            return 0, 0, 0  # counted by whoever entered the recursion
        return self._recursion(own)

    def _decl(self, decl: Decl, cycle: int | None) -> Needs:
        known = self._known.get((decl.name, cycle))
        if known is None:
            known = (0, 0, 0)
            for fields in field_groups(decl):
                known = _greater(known, self.fields(fields, cycle))
            if decl.name in self._shared:
                known = _plus(known, (0, 1, 0))
            self._known[decl.name, cycle] = known
        return known

    def _recursion(self, cycle: int) -> Needs:
        """Each level opens, at most, what all types of the cycle open together."""
        members = [self._p.types[n] for n, number in self._cycles.items() if number == cycle]
        level: Needs = (0, len(members), 0)
        for decl in members:
            level = _plus(level, self._decl(decl, cycle))
        depth = max(decl.depth or 1 for decl in members)
        return level[0] * depth, level[1] * depth, level[2] * depth


def _key_room(t: Type) -> int:
    if isinstance(t, Text):
        return t.max
    if isinstance(t, Array):
        return t.count
    return 16
