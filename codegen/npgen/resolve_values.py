"""Values: defaults (what a reader assumes for a field an older peer did not send) and times."""

from __future__ import annotations

import math
from typing import Optional

from .cursor import did_you_mean
from .diagnostics import Reporter
from .floats import FLOATS
from .model import (
    EMPTY,
    INT_BITS,
    EnumValue,
    List,
    Map,
    Option,
    Ref,
    Scalar,
    Text,
    Type,
    Value,
)
from .resolve_types import int_limits
from .scope import Scope, Unit
from .spell import number as spelled
from .syntax import EnumNode, Expr


MAX_TIME_MS = 24 * 3_600_000

MAX_DEFAULT = 4094
"""Bytes of a text's default: what a C compiler must take as one string literal, without its NUL."""


class _Refused(Exception):
    """The default does not suit its field; the text says why."""


class ValueResolver:
    """Evaluates the defaults of one file."""

    def __init__(self, scope: Scope, unit: Unit) -> None:
        self.scope = scope
        self.unit = unit

    def default(self, expr: Expr, type_: Type) -> Value:
        """The value of ``= expr`` for a field of this type; None after an error, too."""
        try:
            return self._evaluate(expr, type_)
        except _Refused as refused:
            self.scope.reporter.error(expr.span, "default-value", str(refused))
            return None

    def _evaluate(self, expr: Expr, type_: Type) -> Value:
        if isinstance(type_, Scalar):
            return self._scalar(expr, type_)
        if isinstance(type_, Text):
            return self._text(expr, type_)
        if isinstance(type_, (List, Map)):
            what = "list" if isinstance(type_, List) else "map"
            if _word(expr) != "empty":
                raise _Refused(f"the default of a {what} is 'empty'")
            if type_.min > 0:
                raise _Refused(f"the {what} must not be empty; drop 'min' or 'nonempty'")
            return EMPTY
        if isinstance(type_, Option):
            if _word(expr) != "none":
                raise _Refused("the default of an option is 'none'")
            return None
        if isinstance(type_, Ref):
            node = self.scope.find_type(self.unit, type_.name)
            if isinstance(node, EnumNode):
                return self._variant(expr, node)
        text = "only scalars, text, lists, maps, options and enums have defaults"
        raise _Refused(f"{text}; use 'option<...> = none'")

    def _scalar(self, expr: Expr, type_: Scalar) -> Value:
        if type_.kind == "bool":
            word = _word(expr)
            if word not in ("true", "false"):
                raise _Refused("the default of a bool is 'true' or 'false'")
            return word == "true"
        number = self._number(expr, type_)
        if number is None:
            return None
        if math.isinf(number):
            raise _Refused(f"{expr.text} exceeds what {type_.kind} holds")
        low, high = _limits(type_)
        if (type_.lo is not None and number < type_.lo) or number < low:
            bound = low if type_.lo is None else max(low, type_.lo)
            least = spelled(type_.kind, bound)
            raise _Refused(f"{spelled(type_.kind, number)} is below {least}, the least value")
        if (type_.hi is not None and number > type_.hi) or number > high:
            bound = high if type_.hi is None else min(high, type_.hi)
            greatest = spelled(type_.kind, bound)
            raise _Refused(f"{spelled(type_.kind, number)} is above {greatest}, the greatest value")
        return number

    def _number(self, expr: Expr, type_: Scalar) -> Optional[float]:
        """The number an expression means for an integer, float or char (as a code point)."""
        if type_.kind == "char":
            if expr.kind == "char":
                return ord(str(expr.value))
            raise _Refused("the default of a char is a character such as 'x'")
        if type_.kind in FLOATS:
            return self.scope.real(self.unit, expr, type_.kind, f"the default of {type_.kind}")
        return self.scope.integer(self.unit, expr, f"the default of {type_.kind}")

    def _text(self, expr: Expr, type_: Text) -> Value:
        if _word(expr) == "empty":
            text = ""
        elif expr.kind == "string":
            text = str(expr.value)
        else:
            raise _Refused(f"the default of {type_.kind} is 'empty' or a string")
        data = text.encode("utf-8")
        if not type_.min <= len(data) <= type_.max:
            bounds = f"{type_.min} to {type_.max}"
            raise _Refused(f"the default has {len(data)} bytes, not {bounds}")
        if len(data) > MAX_DEFAULT:
            raise _Refused(f"a default has at most {MAX_DEFAULT} bytes, not {len(data)}")
        if type_.nonul and b"\0" in data:
            raise _Refused("the default contains NUL, which 'nonul' forbids")
        return text if type_.kind == "string" else data

    def _variant(self, expr: Expr, node: EnumNode) -> Value:
        names = [v.name.text for v in node.variants if not v.fields]
        word = _word(expr)
        variant = next((v for v in node.variants if v.name.text == word), None)
        if variant is None and not node.complete:
            return None
        if variant is None:
            known = ", ".join(names[:8]) or "none without data"
            hint = did_you_mean(word or "", names) or f"; its variants: {known}"
            raise _Refused(f"'{node.name.text}' has no such variant{hint}")
        if variant.fields:
            raise _Refused(f"variant '{word}' carries data; a default is a plain one")
        return EnumValue(variant.name.text)


def _word(expr: Expr) -> Optional[str]:
    return str(expr.value) if expr.kind == "name" else None


def _limits(type_: Scalar) -> tuple[float, float]:
    if type_.kind in INT_BITS:
        return int_limits(type_.kind)
    return -math.inf, math.inf


def duration_ms(expr: Expr, reporter: Reporter) -> Optional[int]:
    """The milliseconds of a time such as ``500ms``; None (and a report) if it is none."""
    if expr.kind != "duration":
        text = "write a time with its unit: 500ms, 2s, 5m or 1h"
        reporter.error(expr.span, "duration", text)
        return None
    value = int(expr.value)
    if not 1 <= value <= MAX_TIME_MS:
        reporter.error(expr.span, "duration", f"a time is 1ms to 24h, not {value}ms")
        return None
    return value
