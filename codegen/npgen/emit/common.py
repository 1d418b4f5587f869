"""What the three halves of a codec (measure, put, read) have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from ..floats import literal
from ..model import (
    Array,
    Enum,
    EnumValue,
    List,
    Map,
    Option,
    Protocol,
    Ref,
    Scalar,
    Text,
    Tuple,
    Type,
)
from ..names import upper
from .code import quote
from .shapes import Place, components, is_leaf, place_of, ref_name, scalar_width


def loop_variable(depth: int) -> str:
    """The counter of a loop within `depth` others: i, j, k, then i3, i4, ..."""
    return "ijk"[depth] if depth < 3 else f"i{depth}"


@dataclass
class Context:
    """A protocol and what the emitters keep asking about it."""

    p: Protocol
    cycles: dict[str, int] = field(default_factory=dict)

    @staticmethod
    def of(p: Protocol) -> "Context":
        return Context(p, components(p))

    def recursive(self, name: str) -> bool:
        return name in self.cycles

    def is_outermost(self, t: Ref, inside: str | None) -> bool:
        """Whether a value of t, standing in type `inside`, starts a recursion of its own."""
        if t.lazy or t.name not in self.cycles:
            return False
        return inside is None or self.cycles.get(inside) != self.cycles[t.name]

    def function(self, t: Ref, verb: str, inside: str | None) -> str:
        """The function that measures, puts or reads a named type."""
        name = ref_name(self.p, t)
        if self.p.types[t.name].origin != self.p.name:
            return f"{name}_codec.{verb}"
        if verb != "put" and self.is_outermost(t, inside):
            return f"{name}_{verb}_whole"
        if verb != "put" and t.lazy:
            return f"{name}_{verb}_deeper"
        return f"{name}_{verb}"


def is_plain_enum(p: Protocol, t: Type) -> bool:
    if not isinstance(t, Ref):
        return False
    decl = p.types[t.name]
    return isinstance(decl, Enum) and decl.plain


def is_struct(p: Protocol, t: Type) -> bool:
    """Whether a type is named and a struct in C: the schema's structs, enums that carry data."""
    return isinstance(t, Ref) and not is_plain_enum(p, t)


def is_cleared(p: Protocol, t: Type) -> bool:
    """Whether reading a value clears memory besides: it holds, by value, an enum that carries data or
    an option of more than a plain value."""
    seen: set[str] = set()
    waiting = [t]
    while waiting:
        t = waiting.pop()
        if isinstance(t, Option):
            if not is_leaf(t.item) and lazy_target(t) is None:
                return True
        elif isinstance(t, Array):
            waiting.append(t.item)
        elif isinstance(t, Tuple):
            waiting += t.items
        elif isinstance(t, Ref) and t.name not in seen:
            seen.add(t.name)
            decl = p.types[t.name]
            if not isinstance(decl, Enum):
                waiting += [f.type for f in decl.fields]
            elif not decl.plain:
                return True
    return False


INT_MIN = {f"i{b}": -(2 ** (b - 1)) for b in (8, 16, 32, 64, 128)} | {
    f"u{b}": 0 for b in (8, 16, 32, 64, 128)
}
INT_MAX = {f"i{b}": 2 ** (b - 1) - 1 for b in (8, 16, 32, 64, 128)} | {
    f"u{b}": 2**b - 1 for b in (8, 16, 32, 64, 128)
}


def int_literal(kind: str, value: int) -> str:
    """A literal of an integer type up to 64 bits."""
    if kind == "u64":
        return f"{value}u" if value < 2**32 else f"{value}ull"
    if kind == "i64":
        if value == -(2**63):
            return "INT64_MIN"
        return str(value) if abs(value) < 2**31 else f"{value}ll"
    if kind == "i32" and value == -(2**31):
        return "INT32_MIN"
    return f"{value}u" if kind in ("u8", "u16", "u32", "char") else str(value)


def wide_literal(kind: str, value: int) -> str:
    """A compound literal of a 128-bit integer."""
    lo, hi = value & (2**64 - 1), value >> 64
    high = int_literal("i64" if kind == "i128" else "u64", hi)
    return f"((np_{kind}){{{int_literal('u64', lo)}, {high}}})"


def macro_literal(value: int) -> str:
    """A constant of any size, to stand in any expression."""
    if not -(2**63) <= value < 2**64:
        return wide_literal("u128" if value > 0 else "i128", value)
    if value < 0:
        return f"({int_literal('i64', value)})"
    return str(value) if value < 2**31 else f"{value}u" if value < 2**32 else f"{value}ull"


def float_literal(kind: str, value: float) -> str:
    """A constant that is the same number in whatever precision the compiler reckons: for the x87,
    `0.1` is nearer to a tenth than a double can be. In decimal where that is exact."""
    text = literal(kind, value)
    if Fraction(text) != Fraction(value):
        digits, _, exponent = float(value).hex().partition("p")
        text = f"{digits.rstrip('0')}p{exponent}"
    return text + ("f" if kind == "f32" else "")


def out_of_range(t: Scalar, expr: str) -> str | None:
    """The condition under which a scalar breaks its range; None if it cannot."""
    if t.kind in ("u128", "i128"):
        parts = []
        if t.lo is not None and t.lo != INT_MIN[t.kind]:
            parts.append(f"np_{t.kind}_compare({expr}, {wide_literal(t.kind, int(t.lo))}) < 0")
        if t.hi is not None and t.hi != INT_MAX[t.kind]:
            parts.append(f"np_{t.kind}_compare({expr}, {wide_literal(t.kind, int(t.hi))}) > 0")
        return " || ".join(parts) or None
    if t.kind in ("f32", "f64"):
        # Written so that NaN, which compares with nothing, is out of every range.
        parts = []
        if t.lo is not None:
            parts.append(f"{expr} >= {float_literal(t.kind, float(t.lo))}")
        if t.hi is not None:
            parts.append(f"{expr} <= {float_literal(t.kind, float(t.hi))}")
        return f"!({' && '.join(parts)})" if parts else None
    if t.kind == "bool":
        return None
    least = 0 if t.kind == "char" else INT_MIN[t.kind]
    most = 0x10FFFF if t.kind == "char" else INT_MAX[t.kind]
    parts = []
    if t.lo is not None and t.lo != least:
        parts.append(f"{expr} < {int_literal(t.kind, int(t.lo))}")
    if t.hi is not None and t.hi != most:
        parts.append(f"{expr} > {int_literal(t.kind, int(t.hi))}")
    return " || ".join(parts) or None


def not_finite(t: Scalar, expr: str) -> str | None:
    """Infinity minus itself is NaN, and so is NaN minus itself: no <math.h> needed."""
    return f"!({expr} - {expr} == 0)" if t.finite else None


def got_of(t: Scalar, expr: str) -> tuple[str, str]:
    """np_got and the value for a fault."""
    if t.kind in ("u128", "i128"):
        return "NP_GOT_NOTHING", "0"
    if t.kind in ("f32", "f64"):
        bits = f"np_float_bits({expr})" if t.kind == "f32" else f"np_f64_bits(&{expr})"
        return "NP_GOT_FLOAT", bits
    if t.kind.startswith("i"):
        return "NP_GOT_SIGNED", f"(uint64_t)(int64_t){expr}"
    return "NP_GOT_UNSIGNED", expr


def key_order(p: Protocol, t: Type, a: str, b: str) -> str:
    """The condition that key a does not come strictly before key b, as Rust's Ord has it."""
    if isinstance(t, Text):
        return f"np_bytes_compare({a}.data, {a}.len, {b}.data, {b}.len) >= 0"
    if isinstance(t, Scalar) and t.kind in ("u128", "i128"):
        return f"np_{t.kind}_compare({a}, {b}) >= 0"
    if isinstance(t, Array):
        return f"memcmp({a}, {b}, sizeof {a}) >= 0"
    return f"{a} >= {b}"


def key_where(p: Protocol, t: Type, at: Place) -> str:
    """What a fault about a map's key names: the field, or the enum, whose values are the same
    everywhere; the incremental parser knows only one place for both."""
    return place_of(p.types[t.name]).where if isinstance(t, Ref) else at.where


def default_value(p: Protocol, t: Type, value: object, c_name: str) -> str:
    """The expression of a default, assignable to a member; structs are not assigned."""
    if isinstance(t, Scalar):
        return scalar_literal(t, value)
    if isinstance(t, Text):
        data = value.encode("utf-8") if isinstance(value, str) else value
        assert isinstance(data, bytes)
        cast = "" if t.kind == "string" else "(const uint8_t *)"
        return f"({c_name}){{{cast}{quote(data.decode('utf-8'))}, {len(data)}}}"
    if isinstance(t, Ref) and isinstance(value, EnumValue):
        return default_variant(p, t, value)
    return f"({c_name}){{0}}"


def default_variant(p: Protocol, t: Ref, value: EnumValue) -> str:
    """The constant of a variant that is a default."""
    decl = p.types[t.name]
    return f"{upper(decl.origin)}_{upper(decl.name)}_{upper(value.variant)}"


def scalar_literal(t: Scalar, value: object) -> str:
    if t.kind == "bool":
        return "true" if value else "false"
    if t.kind in ("f32", "f64"):
        return float_literal(t.kind, float(value)) if isinstance(value, (int, float)) else "0"
    number = ord(value) if isinstance(value, str) else int(value) if isinstance(value, int) else 0
    if t.kind in ("u128", "i128"):
        return wide_literal(t.kind, number)
    return int_literal(t.kind, number)


def lazy_target(t: List | Map | Option) -> Ref | None:
    """The recursive type that a container's items are, if it closes a cycle."""
    item = t.value if isinstance(t, Map) else t.item
    return item if isinstance(item, Ref) and item.lazy else None


def prefix_width(t: Type) -> int | None:
    """Bytes that a value surely begins with and that can be checked for at once: a length, a tag,
    a scalar with a check. None where there is no such prefix."""
    if isinstance(t, Scalar):
        return None if t.kind == "char" else scalar_width(t)
    if isinstance(t, Option):
        return 1
    return 8 if isinstance(t, (Text, List, Map)) else None


def zero(p: Protocol, t: Type) -> str:
    """An initializer that sets a value of a type to zero."""
    if isinstance(t, Scalar) and t.kind not in ("u128", "i128"):
        return "0"
    if is_plain_enum(p, t):
        assert isinstance(t, Ref)
        return f"({ref_name(p, t)})0"
    return "{0}"
