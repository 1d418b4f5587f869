"""What a type is to the incremental parser, and how much room its parser needs.

To the parser's machine (see ragel.py) a scalar, a string or a u8[n] is one letter; containers and
types that are called (recursive ones, and large ones that many places share) nest, and the parser
keeps a record of each that is open.
"""

from __future__ import annotations

from functools import reduce
from typing import Callable, Iterable, Optional

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

NOTHING: Needs = (0, 0, 0)

RefNeeds = Callable[[Ref], Optional[Needs]]
"""What the paths need that begin at a reference."""


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
# What a parser must have room for: what is open at once lies on one path through the schema, and
# the greatest need of any path is known beforehand.
# --------------------------------------------------------------------------------------------


def needs(p: Protocol) -> Needs:
    """The greatest needs of any message or reply."""
    paths = _Paths(p)
    total = NOTHING
    for m in own_messages(p):
        for f in m.fields:
            total = _greater(total, paths.type(f.type))
        if m.reply is not None:
            total = _greater(total, paths.type(Ref(m.reply)))
    return total


def _greater(a: Needs, b: Needs) -> Needs:
    return max(a[0], b[0]), max(a[1], b[1]), max(a[2], b[2])


def _plus(a: Needs, b: Needs) -> Needs:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


class _Paths:
    """The greatest needs of paths, by where they begin. Each type is looked at once."""

    def __init__(self, p: Protocol) -> None:
        self._p = p
        self._cycles = components(p)
        self._shared = shared(p)
        self._known: dict[str, Needs] = {}

    def type(self, t: Type) -> Needs:
        """Paths through a type that stands outside of its recursion, if it has one."""
        return self._through(t, NOTHING, self._named) or NOTHING

    def _named(self, t: Ref) -> Needs:
        if t.name not in self._known:
            cycle = self._cycles.get(t.name)
            if cycle is not None:
                found = self._recursion(cycle)
            else:
                call: Needs = (0, 1 if t.name in self._shared else 0, 0)
                found = _plus(call, self._fields(self._p.types[t.name], NOTHING, self._named))
            self._known[t.name] = found
        return self._known[t.name]

    def _recursion(self, cycle: int) -> Needs:
        """A path goes through each level, where it meets any type of the cycle once at most, and
        leaves the recursion from the last one."""

        def aside(t: Ref) -> Needs | None:
            return None if self._cycles.get(t.name) == cycle else self._named(t)

        def onward(t: Ref) -> Needs | None:
            return NOTHING if self._cycles.get(t.name) == cycle else None

        members = [self._p.types[n] for n, number in self._cycles.items() if number == cycle]
        depth = max(decl.depth or 1 for decl in members)
        total = NOTHING
        for decl in members:
            total = _greater(total, self._fields(decl, NOTHING, aside))
        for decl in members:
            level = _plus((0, 1, 0), self._fields(decl, None, onward))
            total = _plus(total, (level[0] * depth, level[1] * depth, level[2] * depth))
        return total

    def _fields(self, decl: Decl, value: Needs | None, ref: RefNeeds) -> Needs:
        types = [f.type for fields in field_groups(decl) for f in fields]
        return self._through(Tuple(tuple(types)), value, ref) or NOTHING

    def _through(self, t: Type, value: Needs | None, ref: RefNeeds) -> Needs | None:
        """The greatest needs of the paths through a type that end in a value or at a reference to
        another type; None where no path ends in what counts."""
        opened = NOTHING
        if is_value(self._p, t):
            return value
        if isinstance(t, Ref):
            return ref(t)
        if isinstance(t, Tuple):
            ways = [self._through(item, value, ref) for item in t.items]
            known = [way for way in ways if way is not None]
            return reduce(_greater, known) if known else None
        if isinstance(t, Option):
            inner: Type = t.item
        elif isinstance(t, (Array, List)):
            inner, opened = t.item, (1, 0, 0)
        else:
            assert isinstance(t, Map)
            inner, opened = t.value, (1, 0, _key_room(t.key))
        way = self._through(inner, value, ref)
        return None if way is None else _plus(opened, way)


def _key_room(t: Type) -> int:
    if isinstance(t, Text):
        return t.max
    if isinstance(t, Array):
        return t.count
    return 16
