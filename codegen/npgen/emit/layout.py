"""The C structs of a protocol: named ones, and those that nameless types need.

Every struct is one of five kinds of record, and every emitter of codecs handles just these:

    Fields   members one after the other: structs, messages, variants, tuples, entries of maps
    Union    a tag and one of several variants: enums that carry data
    Items    {items, count, wire}: lists, maps, and options of recursive types
    Maybe    {has, value}: options
    Block    {items[n]}: arrays where C has no place for one (items of lists and of arrays)

`owner` is the schema's name of the struct or enum a record belongs to, None within messages; it
decides whether a value of a recursive type starts a recursion or goes on with one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Iterator, Optional, Sequence, Union

from ..model import (
    Array,
    Enum,
    Field,
    List,
    Map,
    Option,
    Protocol,
    Ref,
    Struct,
    Tuple,
    Type,
    Value,
    Variant,
)
from ..names import member
from .common import is_cleared
from .shapes import Place, c_type, own_messages, own_types, place_of


@dataclass(frozen=True)
class Member:
    """A member of a record."""

    name: str
    type: Type
    at: Place
    doc: tuple[str, ...] = ()
    since: int = 1
    default: Value = None
    deprecated: Optional[str] = None


@dataclass(frozen=True)
class Fields:
    name: str
    where: str
    members: tuple[Member, ...]
    doc: tuple[str, ...] = ()
    owner: Optional[str] = None


@dataclass(frozen=True)
class UnionRecord:
    name: str
    where: str
    enum: Enum
    variants: tuple[tuple[Variant, Place], ...]  # those that carry data
    owner: Optional[str] = None


@dataclass(frozen=True)
class Items:
    name: str
    where: str
    type: Union[List, Map, Option]  # an option only where its item is lazy
    item_name: str  # C type of an item
    at: Place
    owner: Optional[str] = None


@dataclass(frozen=True)
class Maybe:
    name: str
    where: str
    value: Member
    owner: Optional[str] = None


@dataclass(frozen=True)
class Block:
    name: str
    where: str
    items: Member
    owner: Optional[str] = None


Record = Union[Fields, UnionRecord, Items, Maybe, Block]


def field_members(at: Place, fields: tuple[Field, ...]) -> tuple[Member, ...]:
    return tuple(
        Member(member(f.name), f.type, at.field(f), f.doc, f.since, f.default, f.deprecated)
        for f in fields
    )


def by_version(members: Sequence[Member]) -> Iterator[tuple[int, list[Member]]]:
    """Runs of members that came with the same version, in the order of the wire. A stream's body
    stands behind what is newer."""
    for since, group in groupby(members, key=lambda m: m.since):
        yield since, list(group)


def records(p: Protocol) -> list[Record]:
    """All records of the protocol's own declarations, each after those it holds by value."""
    found: dict[str, Record] = {}
    for record in _declared(p):
        for inner in _inner(p, record):
            found.setdefault(inner.name, inner)
        found.setdefault(record.name, record)
    return list(_by_value_order(p, found))


def _declared(p: Protocol) -> Iterator[Record]:
    for decl in own_types(p):
        at, owner = place_of(decl), decl.name
        if isinstance(decl, Struct):
            members = field_members(at, decl.fields)
            yield Fields(at.path, at.where, members, decl.doc, owner)
        elif not decl.plain:
            carrying = [(v, at.variant(v)) for v in decl.variants if v.fields]
            for v, place in carrying:
                members = field_members(place, v.fields)
                yield Fields(place.path, place.where, members, v.doc, owner)
            yield UnionRecord(at.path, at.where, decl, tuple(carrying), owner)
    for m in own_messages(p):
        at = place_of(m)
        yield Fields(at.path, at.where, field_members(at, m.fields), m.doc)


def _inner(p: Protocol, record: Record) -> Iterator[Record]:
    if isinstance(record, Fields):
        for m in record.members:
            yield from _Nameless(p, record.owner).of(m.type, m.at, True)


class _Nameless:
    """Walks a type for the records it needs, inner ones first."""

    def __init__(self, p: Protocol, owner: Optional[str]) -> None:
        self._p = p
        self._owner = owner

    def of(self, t: Type, at: Place, is_member: bool) -> Iterator[Record]:
        name = c_type(self._p, t, at)
        runtime = name.startswith("np_")
        if isinstance(t, Array):
            yield from self.of(t.item, at.item(), False)
            if not is_member:
                yield Block(name, at.where, Member("items", t, at), self._owner)
        elif isinstance(t, List):
            yield from self.of(t.item, at.item(), False)
            if not runtime:
                yield self._items(name, t, c_type(self._p, t.item, at.item()), at)
        elif isinstance(t, Map):
            yield from self.of(t.key, at.key(), True)
            yield from self.of(t.value, at.value(), True)
            entry = (Member("key", t.key, at.key()), Member("value", t.value, at.value()))
            yield Fields(f"{at.path}_entry", at.where, entry, (), self._owner)
            yield self._items(name, t, f"{at.path}_entry", at)
        elif isinstance(t, Option):
            yield from self.of(t.item, at.some(), True)
            if isinstance(t.item, Ref) and t.item.lazy:
                yield self._items(name, t, c_type(self._p, t.item, at), at)
            elif not runtime:
                yield Maybe(name, at.where, Member("value", t.item, at.some()), self._owner)
        elif isinstance(t, Tuple):
            members = tuple(Member(f"f{i}", x, at.position(i)) for i, x in enumerate(t.items))
            for m in members:
                yield from self.of(m.type, m.at, True)
            yield Fields(name, at.where, members, (), self._owner)

    def _items(
        self, name: str, t: Union[List, Map, Option], item_name: str, at: Place
    ) -> Items:
        """A list that several fields share speaks of its item's type, not of one of the fields."""
        item = t.value if isinstance(t, Map) else t.item
        if isinstance(item, Ref) and not isinstance(t, Map) and name != at.path:
            at = place_of(self._p.types[item.name])
        return Items(name, at.where, t, item_name, at, self._owner)


def has_walk(p: Protocol, record: Items) -> bool:
    """Whether a list is walked by X_walk, as X_next clears memory for each item."""
    t = record.type
    return is_cleared(p, t.value if isinstance(t, Map) else t.item)


def walk(p: Protocol, record: Items) -> str:
    """The call that takes the next item for measuring or writing it."""
    if has_walk(p, record):
        return f"{record.name}_walk(v, &it, &item, true)"
    return f"{record.name}_next(v, &it, &item)"


def _by_value_order(p: Protocol, found: dict[str, Record]) -> Iterator[Record]:
    done: set[str] = set()

    def visit(name: str) -> Iterator[Record]:
        if name in done or name not in found:
            return
        done.add(name)
        for dependency in held_by_value(p, found[name]):
            yield from visit(dependency)
        yield found[name]

    for name in found:
        yield from visit(name)


def held_by_value(p: Protocol, record: Record) -> list[str]:
    """The C types that must be complete before a record can be defined."""
    if isinstance(record, Fields):
        return [_complete(p, m) for m in record.members]
    if isinstance(record, UnionRecord):
        return [at.path for _, at in record.variants]
    if isinstance(record, Maybe):
        return [_complete(p, record.value)]
    if isinstance(record, Block):
        return [_complete(p, record.items)]
    return []


def _complete(p: Protocol, m: Member) -> str:
    if isinstance(m.type, Array):
        return c_type(p, m.type.item, m.at.item())
    return c_type(p, m.type, m.at)


def called(p: Protocol, record: Record) -> list[str]:
    """The C types whose codec functions a record's functions call. Recursion is left out: what
    closes a cycle is declared ahead."""
    if isinstance(record, Fields):
        return [name for m in record.members for name in _named(p, m.type, m.at)]
    if isinstance(record, UnionRecord):
        return [at.path for _, at in record.variants]
    if isinstance(record, Items):
        if isinstance(record.type, Map):
            return [record.item_name]
        return _named(p, record.type.item, record.at.item())
    inner = record.value if isinstance(record, Maybe) else record.items
    return _named(p, inner.type, inner.at)


def _named(p: Protocol, t: Type, at: Place) -> list[str]:
    if isinstance(t, Ref) and t.lazy:
        return []
    names = [c_type(p, t, at)]
    if isinstance(t, (Array, List)):
        names += _named(p, t.item, at.item())
    elif isinstance(t, Option):
        names += _named(p, t.item, at.some())
    return names
