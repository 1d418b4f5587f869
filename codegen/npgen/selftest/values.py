"""Values of a schema's types: what examples are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Union

from ..model import Array, Enum, Field, List, Map, Option, Ref, Scalar, Text, Tuple, Unit, Variant


@dataclass(frozen=True)
class Number:
    """A scalar; a bool is 0 or 1, a char its code point."""

    type: Scalar
    value: Union[int, float]


@dataclass(frozen=True)
class Chars:
    """A string or bytes; behind ``data`` follow ``fill`` times the letter x."""

    type: Text
    data: bytes
    fill: int = 0


@dataclass(frozen=True)
class Nothing:
    type: Unit


@dataclass(frozen=True)
class Items:
    """A list or array. Where ``repeat`` is set, it is the one item given, so many times."""

    type: Union[List, Array]
    items: tuple["Value", ...]
    repeat: Optional[int] = None


@dataclass(frozen=True)
class Entries:
    """A map, its keys in the order given. ``repeat`` as for Items."""

    type: Map
    pairs: tuple[tuple["Value", "Value"], ...]
    repeat: Optional[int] = None


@dataclass(frozen=True)
class Maybe:
    type: Option
    value: Optional["Value"]


@dataclass(frozen=True)
class Parts:
    """A tuple."""

    type: Tuple
    parts: tuple["Value", ...]


@dataclass(frozen=True)
class Record:
    """A struct, or the fields of a message (``type`` is None then)."""

    type: Optional[Ref]
    fields: tuple[Field, ...]
    values: tuple["Value", ...]


@dataclass(frozen=True)
class Choice:
    """A variant of an enum. ``variant`` is None for the index given, which none has."""

    type: Ref
    enum: Enum
    variant: Optional[Variant]
    values: tuple["Value", ...] = ()
    index: int = 0


Value = Union[Number, Chars, Nothing, Items, Entries, Maybe, Parts, Record, Choice]

__all__ = [
    "Chars", "Choice", "Entries", "Items", "Maybe", "Nothing", "Number", "Parts", "Record",
    "Value",
]  # fmt: skip
