"""Types and defaults of a lock file, as ``spell`` writes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Union

from ..floats import FLOATS
from ..model import (
    EMPTY,
    INT_BITS,
    Array,
    EnumValue,
    List,
    Map,
    Option,
    Ref,
    Scalar,
    Text,
    Tuple,
    Type,
    Unit,
    Value,
)
from .lock_line import Line

MAX_NESTING = 64
"""Levels of a type: twice what the language has."""


def read_type(line: Line, level: int = 0) -> Type:
    """A type with its constraints and array counts."""
    if level > MAX_NESTING:
        raise line.malformed("the type is nested too deeply")
    type_ = _constrained(line, _bare(line, level))
    while line.accept("["):
        level += 1
        type_ = Array(type_, line.integer())
        line.symbol("]")
        if level > MAX_NESTING:
            raise line.malformed("the type is nested too deeply")
    return type_


def _bare(line: Line, level: int) -> Type:
    if line.accept("("):
        return _tuple(line, level)
    word = line.name()
    if word in INT_BITS or word in FLOATS or word in ("bool", "char"):
        return Scalar(word)
    if word in ("string", "bytes"):
        return Text(word, -1)
    if word not in ("list", "option", "map"):
        return Ref(word)
    line.symbol("<")
    first = read_type(line, level + 1)
    type_: Type = Option(first)
    if word == "list":
        type_ = List(first, -1)
    elif word == "map":
        line.symbol(",")
        type_ = Map(first, read_type(line, level + 1), -1)
    line.symbol(">")
    return type_


def _tuple(line: Line, level: int) -> Type:
    if line.accept(")"):
        return Unit()
    items = [read_type(line, level + 1)]
    while line.accept(","):
        items.append(read_type(line, level + 1))
    line.symbol(")")
    return Tuple(tuple(items))


def _constrained(line: Line, type_: Type) -> Type:
    if isinstance(type_, Scalar):
        return _scalar(line, type_)
    if isinstance(type_, (Text, List, Map)):
        least = line.integer() if line.accept("min") else 0
        line.word("max")
        type_ = replace(type_, min=least, max=line.integer())
        if isinstance(type_, Text) and line.accept("nonul"):
            type_ = replace(type_, nonul=True)
    return type_


def _scalar(line: Line, type_: Scalar) -> Scalar:
    if line.accept("range"):
        lo = _bound(line, type_)
        line.symbol("..")
        type_ = replace(type_, lo=lo, hi=_bound(line, type_))
    elif line.accept("min"):
        type_ = replace(type_, lo=_bound(line, type_))
    elif line.accept("max"):
        type_ = replace(type_, hi=_bound(line, type_))
    return replace(type_, finite=line.accept("finite"))


def _bound(line: Line, type_: Scalar) -> Union[int, float]:
    if type_.kind == "char":
        return line.char()
    return line.real(type_.kind) if type_.kind in FLOATS else line.integer()


def read_value(line: Line, type_: Type) -> Value:
    """A default of a field of this type."""
    if isinstance(type_, Scalar):
        if type_.kind == "bool":
            if line.accept("true"):
                return True
            line.word("false")
            return False
        return _bound(line, type_)
    if isinstance(type_, Text):
        text = "" if line.accept("empty") else line.string()
        return text if type_.kind == "string" else text.encode("utf-8")
    if isinstance(type_, Option):
        line.word("none")
        return None
    if isinstance(type_, (List, Map)):
        line.word("empty")
        return EMPTY
    return EnumValue(line.name())
