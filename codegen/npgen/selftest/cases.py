"""Which values a message is tried with: typical ones, and one on either side of every bound.

A case differs from the typical value in one place. What several messages share, such as the fields
of a struct, is tried where it is met first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Iterator, Optional, Union

from ..bounds import limits
from ..emit.common import INT_MAX, INT_MIN, key_where
from ..emit.shapes import Place, place_of, rule_of
from ..model import (
    Array,
    Field,
    List,
    Map,
    Message,
    Protocol,
    Ref,
    Scalar,
    Struct,
    Text,
    Type,
)
from .typical import Maker, nearest, step_f32
from .values import (
    Chars,
    Choice,
    Entries,
    Items,
    Maybe,
    Number,
    Parts,
    Record,
    Value,
)
from .wire import Newer, encode

MOST_BYTES = 1 << 20
"""A list that is larger when it is full is not tried full."""

MOST_PADDED = 64
"""A string that has to be longer is not tried with single characters in it."""


@dataclass(frozen=True)
class Refusal:
    """How an encoder refuses a value: error, field, and the schema's words for the rule."""

    error: str
    where: str
    rule: Optional[str]


@dataclass(frozen=True)
class Case:
    """A value, named by the place in which it is not typical. From the version ``since`` on it is
    refused as ``refusal`` says, or accepted where that is None."""

    name: str
    value: Value
    refusal: Optional[Refusal] = None
    since: int = 1


def newer(value: Value, versions: range) -> dict[int, str]:
    """The versions that lack something of a value, and the enum that has it later."""
    found: dict[int, str] = {}
    for version in versions:
        try:
            encode(value, version)
        except Newer as lack:
            found[version] = str(lack)
    return found


class Cases:
    """Makes the cases of a protocol's messages, replies and structs."""

    def __init__(self, p: Protocol) -> None:
        self._p = p
        self._maker = Maker(p)
        self._met: set[str] = set()  # places whose bounds are tried already

    def of(self, record: Record, at: Place) -> list[Case]:
        """The cases of a struct or of a message's fields, the typical one first."""
        least = replace(record, values=self._maker.least_of(record.fields))
        found = [Case("typical", record)]
        if least != record:
            found.append(Case("least", least))
        for case in self._of_fields(record, record.fields, record.values, at):
            if case.refusal is not None or (case.value != record and self._fits(case.value)):
                found.append(case)
        return found

    def typical(self, message: Message) -> Record:
        return Record(None, message.fields, self._maker.typical_of(message.fields))

    def typical_struct(self, struct: Struct) -> Record:
        value = self._maker.typical(Ref(struct.name), "")
        assert isinstance(value, Record)
        return value

    def _fits(self, value: Value) -> bool:
        """Whether all recursive values within are as small as the schema demands."""
        if isinstance(value, (Record, Choice)):
            decl = self._p.types[value.type.name] if value.type is not None else None
            if decl is not None and decl.max_len is not None:
                return len(encode(value, self._p.version)) <= decl.max_len
            return all(self._fits(x) for x in value.values)
        if isinstance(value, Items):
            return all(self._fits(x) for x in value.items)
        if isinstance(value, Entries):
            return all(self._fits(x) for _, x in value.pairs)
        if isinstance(value, Parts):
            return all(self._fits(x) for x in value.parts)
        return not isinstance(value, Maybe) or value.value is None or self._fits(value.value)

    # -- by kind --------------------------------------------------------------------------------

    def _of(self, value: Value, t: Type, at: Place) -> Iterator[Case]:
        """Variations of a value; their names are relative to it."""
        if isinstance(value, Record):
            decl = self._p.types[t.name] if isinstance(t, Ref) else None
            place = place_of(decl) if decl is not None else at
            yield from self._of_fields(value, value.fields, value.values, place)
        elif isinstance(value, Choice):
            yield from self._of_choice(value)
        elif isinstance(value, Parts):
            for i, part in enumerate(value.parts):
                for case in self._of(part, value.type.items[i], at.position(i)):
                    parts = _with(value.parts, i, case.value)
                    yield _inside(str(i), case, replace(value, parts=parts))
        elif at.unique not in self._met:
            self._met.add(at.unique)
            yield from self._bounded(value, at)

    def _of_fields(
        self, value: Union[Record, Choice], fields: tuple[Field, ...], values: tuple[Value, ...],
        at: Place,
    ) -> Iterator[Case]:  # fmt: skip
        for i, f in enumerate(fields):
            for case in self._of(values[i], f.type, at.field(f)):
                changed = replace(value, values=_with(values, i, case.value))
                yield _inside(f.name, case, changed, f.since)

    def _bounded(self, value: Value, at: Place) -> Iterator[Case]:
        if isinstance(value, Number):
            yield from _numbers(value.type, at.where)
        elif isinstance(value, Chars):
            yield from _texts(value, at.where)
        elif isinstance(value, Items):
            yield from self._items(value, at)
        elif isinstance(value, Entries):
            yield from self._entries(value, at)
        elif isinstance(value, Maybe):
            yield from self._option(value, at)

    # -- containers -----------------------------------------------------------------------------

    def _items(self, value: Items, at: Place) -> Iterator[Case]:
        t = value.type
        inner = at.item()
        if value.items and not _is_lazy(t.item):
            for case in self._of(value.items[0], t.item, inner):
                if value.repeat is None:
                    items = (case.value, *value.items[1:])
                    yield _inside("item", case, replace(value, items=items))
                elif isinstance(t, List):
                    yield _inside("item", case, Items(t, (case.value,), value.repeat))
                else:
                    items = (case.value, *value.items * (value.repeat - 1))
                    yield _inside("item", case, Items(t, items))
        if isinstance(t, Array) or _is_lazy(t.item):
            return
        item = value.items[0] if value.items else self._maker.least(t.item)
        if t.min < len(value.items):
            yield Case("fewest", Items(t, value.items[: t.min]))
        yield from self._counts(Items(t, (item,), t.max), t, at)

    def _counts(self, full: Union[Items, Entries], t: Union[List, Map], at: Place) -> Iterator[Case]:
        """A full container, one more, and one less than the fewest."""
        rule = rule_of(t)
        if isinstance(full, Items) and len(encode(full, self._p.version)) <= MOST_BYTES:
            yield Case("most", full)
        more = Refusal("NP_ERR_TOO_LONG", at.where, rule)
        yield Case("too_many", replace(full, repeat=t.max + 1), more)
        if t.min > 0:
            less = Refusal("NP_ERR_TOO_SHORT", at.where, rule)
            yield Case("too_few", replace(full, repeat=t.min - 1), less)

    def _entries(self, value: Entries, at: Place) -> Iterator[Case]:
        t = value.type
        if _is_lazy(t.value):
            return
        if value.pairs:
            key, item = value.pairs[-1]
            for case in self._of(item, t.value, at.value()):
                pairs = (*value.pairs[:-1], (key, case.value))
                yield _inside("value", case, Entries(t, pairs))
            for case in self._of(key, t.key, at.key()):
                # A key at the other end of its range is alone, so that the order is right.
                if t.min <= 1 and not (case.refusal is None and isinstance(key, Choice)):
                    yield _inside("key", case, Entries(t, ((case.value, item),)))
        if len(value.pairs) > 1:
            first, second, *others = value.pairs
            order = Refusal("NP_ERR_ORDER", key_where(self._p, t.key, at.key()), None)
            yield Case("key.descends", Entries(t, (second, first, *others)), order)
            yield Case("key.twice", Entries(t, (first, first, *others)), order)
        if t.min < len(value.pairs):
            yield Case("fewest", Entries(t, value.pairs[: t.min]))
        keys = self._maker.keys(t, min(t.max, 16))
        item = value.pairs[0][1] if value.pairs else self._maker.least(t.value)
        if len(keys) == t.max:
            yield Case("most", Entries(t, tuple((key, item) for key in keys)))
        if value.pairs:
            yield from self._counts(Entries(t, value.pairs[:1], t.max), t, at)

    def _option(self, value: Maybe, at: Place) -> Iterator[Case]:
        t = value.type
        if value.value is None:
            return
        yield Case("none", Maybe(t, None))
        if _is_lazy(t.item):
            return
        for case in self._of(value.value, t.item, at.some()):
            yield replace(case, value=Maybe(t, case.value))

    # -- enums ----------------------------------------------------------------------------------

    def _of_choice(self, value: Choice) -> Iterator[Case]:
        enum = value.enum
        at = place_of(enum)
        if at.unique in self._met:
            return
        self._met.add(at.unique)
        for variant in enum.variants:
            typical = self._maker.typical_of(variant.fields)
            choice = Choice(value.type, enum, variant, typical)
            if variant != value.variant:
                yield Case(variant.name, choice)
            inner = choice if variant != value.variant else value
            for case in self._of_fields(inner, variant.fields, inner.values, at.variant(variant)):
                since = max(case.since, variant.since)
                yield replace(case, name=f"{variant.name}.{case.name}", since=since)
        unknown = max(v.index for v in enum.variants) + 1
        if unknown < 1 << 31:
            refusal = Refusal("NP_ERR_VARIANT", at.where, None)
            yield Case("unknown", Choice(value.type, enum, None, (), unknown), refusal)


def _is_lazy(t: Type) -> bool:
    return isinstance(t, Ref) and t.lazy


def _with(values: tuple[Value, ...], i: int, value: Value) -> tuple[Value, ...]:
    return (*values[:i], value, *values[i + 1 :])


def _inside(name: str, case: Case, value: Value, since: int = 1) -> Case:
    return Case(f"{name}.{case.name}", value, case.refusal, max(since, case.since))


# --------------------------------------------------------------------------------------------
# Leaves
# --------------------------------------------------------------------------------------------


def _numbers(t: Scalar, where: str) -> Iterator[Case]:
    if t.kind == "bool":
        yield Case("false", Number(t, 0))
    elif t.kind in ("f32", "f64"):
        yield from _floats(t, where)
    else:
        low, high = (int(x) for x in limits(t))
        yield Case("lowest", Number(t, low))
        yield Case("highest", Number(t, high))
        refusal = Refusal("NP_ERR_RANGE", where, rule_of(t))
        least = 0 if t.kind == "char" else INT_MIN[t.kind]
        most = 0x10FFFF if t.kind == "char" else INT_MAX[t.kind]
        if low > least and not (t.kind == "char" and low == 0xE000):
            yield Case("too_low", Number(t, low - 1), refusal)
        if high < most and not (t.kind == "char" and high == 0xD7FF):
            yield Case("too_high", Number(t, high + 1), refusal)
        if t.kind == "char":
            no_char = Refusal("NP_ERR_CHAR", where, None)
            yield Case("surrogate", Number(t, 0xD800), no_char)
            yield Case("beyond_unicode", Number(t, 0x110000), no_char)


def _floats(t: Scalar, where: str) -> Iterator[Case]:
    yield Case("zero", Number(t, nearest(t, 0.0)))
    low, high = limits(t)
    outside = Refusal("NP_ERR_RANGE", where, rule_of(t))
    for bound, end, names in (
        (low if t.lo is not None else None, -math.inf, ("lowest", "too_low")),
        (high if t.hi is not None else None, math.inf, ("highest", "too_high")),
    ):
        if bound is not None:
            yield Case(names[0], Number(t, bound))
            beyond = step_f32(bound, end) if t.kind == "f32" else math.nextafter(bound, end)
            yield Case(names[1], Number(t, beyond), outside)
    if t.finite or t.lo is not None or t.hi is not None:
        error = outside if t.lo is not None or t.hi is not None else replace(outside, error="NP_ERR_FINITE")
        yield Case("nan", Number(t, math.nan), error)
    if t.finite and t.hi is None:
        yield Case("infinite", Number(t, math.inf), replace(outside, error="NP_ERR_FINITE"))
    elif not t.finite and t.hi is None:
        yield Case("infinite", Number(t, math.inf))


def _texts(value: Chars, where: str) -> Iterator[Case]:
    t = value.type
    rule = rule_of(t)
    if len(value.data) + value.fill > t.min:
        yield Case("shortest", Chars(t, b"", t.min))
    yield Case("longest", Chars(t, b"", t.max))
    yield Case("too_long", Chars(t, b"", t.max + 1), Refusal("NP_ERR_TOO_LONG", where, rule))
    if t.min > 0:
        yield Case("too_short", Chars(t, b"", t.min - 1), Refusal("NP_ERR_TOO_SHORT", where, rule))
    if t.kind == "bytes" or t.max == 0 or t.min > MOST_PADDED:
        return

    def padded(data: bytes) -> Chars:
        return Chars(t, data, max(0, t.min - len(data)))

    words = [w for w in ("é", "€", "\U0001f600") if len(w.encode()) <= t.max]
    if words:
        yield Case("utf8", padded(words[-1].encode()))
    yield Case("no_utf8", padded(b"\xff"), Refusal("NP_ERR_UTF8", where, rule))
    if t.nonul:
        yield Case("nul", padded(b"\0"), Refusal("NP_ERR_NUL", where, rule))
    else:
        yield Case("nul", padded(b"\0"))


__all__ = ["Case", "Cases", "Refusal", "newer"]
