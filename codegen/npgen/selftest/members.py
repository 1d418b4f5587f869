"""Which members the C structs of a protocol have: the test compares them after decoding.

They are found from the schema's types, whoever declares them: a struct may hold what another
protocol declares, whose own tests are not linked here.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..emit.code import Code
from ..emit.common import is_plain_enum
from ..emit.layout import field_members
from ..emit.shapes import Place, c_type, is_leaf, place_of
from ..model import (
    Array,
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
from ..names import member, upper


_Row = tuple[str, Type, Place]
"""A member: its name in C, its type, its place in the schema."""


@dataclass(frozen=True)
class _Kind:
    """How a value looks in C: what has neither members nor items is looked at as bytes."""

    members: bool = False  # a struct with a table of its own
    items: bool = False  # a list that a X_next walks


class Members:
    """Writes a table for every C struct that is asked for, those within first."""

    def __init__(self, p: Protocol, c: Code) -> None:
        self._p = p
        self._c = c
        self._tables: set[str] = set()
        self._ahead: set[str] = set()  # lists that are declared
        self._waiting: list[tuple[Type, Place]] = []  # those that are not defined yet

    def of_fields(self, name: str, fields: tuple[Field, ...], at: Place) -> None:
        """The table of a message, struct or variant, and all that it leads to."""
        self._fields(name, fields, at)
        while self._waiting:
            self._items(*self._waiting.pop())

    # -- values ---------------------------------------------------------------------------------

    def _kind(self, t: Type, at: Place) -> _Kind:
        if isinstance(t, (Scalar, Text, Unit)) or is_plain_enum(self._p, t):
            return _Kind()
        if isinstance(t, List) and is_leaf(t.item):
            return _Kind()
        lazy = isinstance(t, Option) and isinstance(t.item, Ref) and t.item.lazy
        return _Kind(items=True) if lazy or isinstance(t, (List, Map)) else _Kind(members=True)

    def _value(self, t: Type, at: Place) -> tuple[str, str]:
        """The two arguments that tell of a value: its table of members, its items."""
        kind = self._kind(t, at)
        name = c_type(self._p, t, at)
        if kind.items:
            if name not in self._ahead:
                self._ahead.add(name)
                self._waiting.append((t, at))
                self._c(f"NP_SELFTEST_ITEMS_AHEAD({name})")
            return "NULL", f"&{name}__items"
        if kind.members:
            self._struct(name, t, at)
            return f"{name}__members", "NULL"
        return "NULL", "NULL"

    # -- tables ---------------------------------------------------------------------------------

    def _struct(self, name: str, t: Type, at: Place) -> None:
        """The table of a struct, whatever it stands for."""
        if isinstance(t, Array):
            self._table(name, [("items", t, at)])
        elif isinstance(t, Option):
            self._table(name, [("has", Scalar("bool"), at), ("value", t.item, at.some())])
        elif isinstance(t, Tuple):
            self._table(name, [(f"f{i}", x, at.position(i)) for i, x in enumerate(t.items)])
        else:
            assert isinstance(t, Ref)
            decl = self._p.types[t.name]
            if isinstance(decl, Struct):
                self._fields(name, decl.fields, place_of(decl))
            else:
                self._enum(name, t)

    def _fields(self, name: str, fields: tuple[Field, ...], at: Place) -> None:
        rows: list[_Row] = [(m.name, m.type, m.at) for m in field_members(at, fields)]
        self._table(name, rows or [("nothing", Unit(), at)])

    def _enum(self, name: str, t: Ref) -> None:
        decl = self._p.types[t.name]
        assert not isinstance(decl, Struct)
        at = place_of(decl)
        carrying = [v for v in decl.variants if v.fields]
        for v in carrying:
            self._fields(at.variant(v).path, v.fields, at.variant(v))
        if name in self._tables:
            return
        self._tables.add(name)
        with self._c.block(f"static const np_selftest_member {name}__members[] = {{", "};"):
            self._c(f"NP_SELFTEST_MEMBER({name}, tag, 1, NULL, NULL),")
            for v in carrying:
                table = f"{at.variant(v).path}__members"
                chosen = f"{upper(at.path)}_{upper(v.name)}"
                self._c.call("NP_SELFTEST_VARIANT", [name, member(v.name), table, chosen], ",")
            self._c("NP_SELFTEST_END,")
        self._c()

    def _table(self, name: str, rows: list[_Row]) -> None:
        if name in self._tables:
            return
        self._tables.add(name)
        told: list[tuple[str, str, str, str]] = []
        for label, t, at in rows:
            count = "1"
            # An array of arrays is one of structs that hold the inner ones.
            if isinstance(t, Array):
                count, t, at = str(t.count), t.item, at.item()
            told.append((label, count, *self._value(t, at)))
        with self._c.block(f"static const np_selftest_member {name}__members[] = {{", "};"):
            for label, count, members, items in told:
                self._c.call("NP_SELFTEST_MEMBER", [name, label, count, members, items], ",")
            self._c("NP_SELFTEST_END,")
        self._c()

    def _items(self, t: Type, at: Place) -> None:
        """What a list's X_next gives out."""
        name = c_type(self._p, t, at)
        if isinstance(t, Map):
            item = f"{at.path}_entry"
            self._table(item, [("key", t.key, at.key()), ("value", t.value, at.value())])
            members, items = f"{item}__members", "NULL"
        else:
            assert isinstance(t, (List, Option))
            inner = at.item() if isinstance(t, List) else at.some()
            item = c_type(self._p, t.item, inner)
            members, items = self._value(t.item, inner)
        self._c.call("NP_SELFTEST_ITEMS", [name, item, members, items], "")
        self._c()


__all__ = ["Members"]
