"""Values as C: initialisers that read like what a person would write."""

from __future__ import annotations

import math
from typing import Iterator

from ..emit.code import quote
from ..emit.common import INT_MAX, float_literal, int_literal, is_plain_enum, wide_literal
from ..emit.shapes import Place, c_type, place_of
from ..model import Array, Protocol, Ref, Scalar, Tuple, Type, Unit
from ..names import member, upper
from .values import (
    Chars,
    Choice,
    Entries,
    Items,
    Maybe,
    Nothing,
    Number,
    Parts,
    Record,
    Value,
)

NO_MEMBERS = ".nothing = {0}"
"""What stands in the braces of a struct without fields."""

MOST_IN_LINE = 32
"""Characters of text that are written out; a longer run of the same letter is made by a call."""


class Literals:
    """Writes the values of one protocol. ``t`` is the test's handle, which owns what calls make."""

    def __init__(self, p: Protocol) -> None:
        self._p = p

    def expression(self, value: Value, t: Type, at: Place) -> str:
        """To be assigned to a member."""
        text = self.initialiser(value, t, at)
        return f"({c_type(self._p, t, at)}){text}" if text.startswith("{") else text

    def initialiser(self, value: Value, t: Type, at: Place) -> str:
        """To stand within braces."""
        if isinstance(value, Number):
            return number(value)
        if isinstance(value, Chars):
            return _chars(value)
        if isinstance(value, Nothing):
            return "{0}"
        if isinstance(value, Items):
            return self._items(value, at)
        if isinstance(value, Entries):
            return self._entries(value, at)
        if isinstance(value, Maybe):
            return self._maybe(value, at)
        if isinstance(value, Parts):
            members = (
                f".f{i} = {self.initialiser(x, self._part(t, i), at.position(i))}"
                for i, x in enumerate(value.parts)
            )
            return _braces(members)
        if isinstance(value, Record):
            assert isinstance(t, Ref)
            return _braces(self.members(value, place_of(self._p.types[t.name])))
        return self._choice(value)

    def members(self, value: Record | Choice, at: Place) -> Iterator[str]:
        """`.name = initialiser` of each field."""
        fields = value.fields if isinstance(value, Record) else value.variant and value.variant.fields
        for f, x in zip(fields or (), value.values):
            yield f".{member(f.name)} = {self.initialiser(x, f.type, at.field(f))}"

    @staticmethod
    def _part(t: Type, i: int) -> Type:
        assert isinstance(t, Tuple)
        return t.items[i]

    # -- containers -----------------------------------------------------------------------------

    def _items(self, value: Items, at: Place) -> str:
        t = value.type
        if isinstance(t, Array):
            inner = ", ".join(self._item(x, t.item, at.item()) for x in value.items)
            if value.repeat is not None:
                inner = ", ".join([inner] * value.repeat)
            return f"{{{inner}}}"
        if isinstance(t.item, Unit):
            return f"{{.count = {len(value.items) if value.repeat is None else value.repeat}}}"
        texts = [self._item(x, t.item, at.item()) for x in value.items]
        return self._block(c_type(self._p, t.item, at.item()), texts, value.repeat)

    def _item(self, value: Value, t: Type, at: Place) -> str:
        """An item: an array needs a struct around it there."""
        text = self.initialiser(value, t, at)
        return f"{{.items = {text}}}" if isinstance(t, Array) else text

    def _block(self, item: str, texts: list[str], repeat: int | None) -> str:
        if repeat is None and texts:
            return f"{{.items = (const {item}[]){{{', '.join(texts)}}}, .count = {len(texts)}}}"
        if not texts or not repeat:
            return "{.count = 0}"
        one = f"(const {item}[]){{{texts[0]}}}"
        made = f"np_selftest_repeat(t, {one}, sizeof({item}), {repeat})"
        return f"{{.items = {made}, .count = {repeat}}}"

    def _entries(self, value: Entries, at: Place) -> str:
        t = value.type
        texts = [
            f"{{.key = {self.initialiser(k, t.key, at.key())}, "
            f".value = {self.initialiser(v, t.value, at.value())}}}"
            for k, v in value.pairs
        ]
        return self._block(f"{at.path}_entry", texts, value.repeat)

    def _maybe(self, value: Maybe, at: Place) -> str:
        t = value.type
        if isinstance(t.item, Ref) and t.item.lazy:
            texts = [] if value.value is None else [self.initialiser(value.value, t.item, at)]
            return self._block(c_type(self._p, t.item, at), texts, None)
        if value.value is None:
            return "{.has = false}"
        return f"{{.has = true, .value = {self.initialiser(value.value, t.item, at.some())}}}"

    # -- enums ----------------------------------------------------------------------------------

    def _choice(self, value: Choice) -> str:
        at = place_of(value.enum)
        plain = is_plain_enum(self._p, value.type)
        if value.variant is None:
            name = f"({at.path}{'' if plain else '_tag'}){value.index}"
        else:
            name = f"{upper(at.path)}_{upper(value.variant.name)}"
        if plain:
            return name
        if value.variant is None or not value.variant.fields:
            return f"{{.tag = {name}}}"
        inner = _braces(self.members(value, at.variant(value.variant)))
        return f"{{.tag = {name}, .{member(value.variant.name)} = {inner}}}"


def _braces(members: Iterator[str]) -> str:
    return "{" + (", ".join(members) or NO_MEMBERS) + "}"


def number(value: Number) -> str:
    """A scalar's literal; large ones in hexadecimal, where their bytes can be seen."""
    t, n = value.type, value.value
    if t.kind == "bool":
        return "true" if n else "false"
    if t.kind in ("f32", "f64"):
        return _float(t, float(n))
    n = int(n)
    if t.kind in ("u128", "i128"):
        return wide_literal(t.kind, n).removeprefix("(").removesuffix(")").partition(")")[2]
    if 1 << 10 <= n < INT_MAX.get(t.kind, 0) and t.kind != "char":
        suffix = int_literal(t.kind, n).lstrip("0123456789")
        return f"0x{n:X}{suffix}"
    return int_literal(t.kind, n)


def _float(t: Scalar, n: float) -> str:
    if math.isnan(n):
        return "NAN" if t.kind == "f32" else "(double)NAN"
    if math.isinf(n):
        sign = "-" if n < 0 else ""
        return f"{sign}INFINITY" if t.kind == "f32" else f"{sign}(double)INFINITY"
    return float_literal(t.kind, n)


def _chars(value: Chars) -> str:
    is_str = value.type.kind == "string"
    if not value.data and value.fill > MOST_IN_LINE:
        return f"np_selftest_{'str' if is_str else 'bytes'}(t, {value.fill})"
    data = value.data + b"x" * value.fill
    if is_str and all(0x20 <= byte < 0x7F for byte in data):
        return f"np_str_from({quote(data.decode())})"
    cast = "" if is_str else "(const uint8_t *)"
    text = quote_bytes(data)
    return f"{{{cast}{text}, {len(data)}}}"


def quote_bytes(data: bytes) -> str:
    """A C string literal of any bytes."""
    out = ""
    for byte in data:
        plain = 0x20 <= byte < 0x7F and chr(byte) not in '"\\?'
        out += chr(byte) if plain else f"\\{byte:03o}"
    return f'"{out}"'


__all__ = ["Literals", "number", "quote_bytes"]
