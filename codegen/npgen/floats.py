"""Floats: a number of a schema is rounded once, to the nearest that its type holds.

The model holds what it became, so that the codec, its tables and its tests, documents and digests
speak of one number. Text is made of it with the fewest digits that give it back: ``f32 max 0.3`` is
still spelled so, though no float is 0.3.
"""

from __future__ import annotations

import math
from decimal import Context, Decimal
from fractions import Fraction

FLOATS = ("f32", "f64")

MAX_F32 = (2 - 2**-23) * 2.0**127

MAX_DIGITS = 200
"""Characters of a number; no longer one is needed."""

_FAR = 2000
"""A power of ten that takes every such number beyond all floats, or to zero."""


def exact(text: str) -> Fraction:
    """The number that a decimal literal means; far beyond all floats another one there."""
    digits, _, power = text.replace("_", "").lower().partition("e")
    return Fraction(digits) * Fraction(10) ** max(-_FAR, min(_FAR, int(power or "0")))


def digits_of(text: str) -> int:
    """How many digits of a decimal literal count."""
    return len(text.lower().partition("e")[0].lstrip("-0.").replace(".", "").replace("_", ""))


def nearest(kind: str, number: Fraction) -> float:
    """The float nearest to a number, the even one of two; infinite if the number is too great."""
    try:
        wide = float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
    if kind == "f64" or wide == 0:
        return wide
    exponent = max(math.frexp(wide)[1] - 24, -149)
    value = math.ldexp(round(number / Fraction(2) ** exponent), exponent)
    return value if abs(value) <= MAX_F32 else math.copysign(math.inf, value)


def shortest(kind: str, value: float) -> float:
    """A number whose ``repr`` has the fewest digits that mean this float."""
    if kind == "f64" or value == 0 or not math.isfinite(value):
        return value
    for digits in range(1, 9):
        below = Decimal(f"{value:.{digits - 1}e}")
        context = Context(prec=digits)
        # Around a power of two the nearest text may be another float's, and its neighbour ours.
        for text in (below, context.next_plus(below), context.next_minus(below)):
            if nearest(kind, Fraction(text)) == value:
                return float(text)
    return float(f"{value:.8e}")


def literal(kind: str, value: float) -> str:
    """The fewest digits that mean this float, with a point or an exponent."""
    return repr(shortest(kind, value))


def is_kept(kind: str, number: Fraction, digits: int, value: float) -> bool:
    """Whether a float is the number that was written with so many digits, or looks like it to as many:
    0.3 is, as f32, and 16777217 is not."""
    if number == Fraction(value) or number == Fraction(literal(kind, value)):
        return True
    return number == Fraction(Context(prec=max(1, digits)).plus(Decimal(value)))


__all__ = ["FLOATS", "MAX_DIGITS", "MAX_F32", "digits_of", "exact", "is_kept", "literal", "nearest", "shortest"]
