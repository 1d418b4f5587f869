"""Types of the syntax tree -> types of the model, with their constraints.

What a single type may be is judged here, where its span is still known. An error gives ``u8``
instead, which no later rule objects to.
"""

from __future__ import annotations

import math
from typing import Callable, Optional, Union

from .cursor import did_you_mean
from .floats import FLOATS
from .keys import SURROGATES, key_count
from .model import (
    INT_BITS,
    Array,
    List,
    Map,
    Option,
    Ref,
    Scalar,
    Span,
    Text,
    Tuple,
    Type,
    Unit as UnitType,
)
from .scope import Scope, Unit
from .spell import number as spelled, spell
from .syntax import (
    ArrayType,
    Constraint,
    EnumNode,
    Expr,
    Name,
    StructNode,
    TupleType,
    TypeNode,
    WordType,
)

MAX_BOUND = 16 << 20
"""The greatest bound of a string, bytes, list or map; a whole message holds no more bytes."""

MAX_ARRAY = 4096
MAX_TUPLE = 16
MAX_TEXT_KEY = 255
MAX_ARRAY_KEY = 64

MAX_CHAR = 0x10FFFF

GENERICS = {"list": 1, "option": 1, "map": 2}
GENERIC_FORMS = {"list": "list<T>", "option": "option<T>", "map": "map<K, V>"}
TYPE_WORDS = (*INT_BITS, *FLOATS, "bool", "char", "string", "bytes", *GENERICS)

HARMLESS = Scalar("u8")
"""Stands for a type that could not be resolved."""

FOREIGN_WORDS = {
    "usize": "u64", "isize": "i64", "int": "i32", "uint": "u32", "float": "f32", "double": "f64",
    "str": "string", "String": "string", "text": "string", "byte": "u8", "boolean": "bool",
    "Vec": "list<T>", "vec": "list<T>", "array": "T[n]", "set": "map<T, ()>",
    "BTreeSet": "map<T, ()>", "BTreeMap": "map<K, V>", "HashMap": "list<(K, V)>",
    "HashSet": "list<T>", "Option": "option<T>", "optional": "option<T>", "Box": "the type itself",
    "uint8_t": "u8", "uint16_t": "u16", "uint32_t": "u32", "uint64_t": "u64", "int8_t": "i8",
    "int16_t": "i16", "int32_t": "i32", "int64_t": "i64", "int8": "i8", "int16": "i16",
    "int32": "i32", "int64": "i64", "uint8": "u8", "uint16": "u16", "uint32": "u32",
    "uint64": "u64", "void": "()", "unit": "()",
    "long": "i64", "short": "i16", "ulong": "u64", "ushort": "u16", "sbyte": "i8",
    "unsigned": "u32", "signed": "i32", "integer": "i32", "size_t": "u64", "ssize_t": "i64",
    "int128": "i128", "uint128": "u128", "sint32": "i32", "sint64": "i64", "fixed32": "u32",
    "fixed64": "u64", "sfixed32": "i32", "sfixed64": "i64", "float32": "f32", "float64": "f64",
    "number": "f64", "wchar_t": "char", "rune": "char", "blob": "bytes", "binary": "bytes",
    "uuid": "u8[16]", "vector": "list<T>", "slice": "list<T>", "sequence": "list<T>",
    "repeated": "list<T>", "VecDeque": "list<T>", "dict": "map<K, V>", "dictionary": "map<K, V>",
    "maybe": "option<T>", "nullable": "option<T>", "tuple": "(A, B)",
}  # fmt: skip
"""What people write who come from other languages, and the word to use here. A word that differs
only in capitals is found too."""


def int_limits(kind: str) -> tuple[int, int]:
    """The least and greatest value of an integer type."""
    bits = INT_BITS[kind]
    return (0, (1 << bits) - 1) if kind[0] == "u" else (-(1 << bits - 1), (1 << bits - 1) - 1)


class TypeResolver:
    """Resolves the types of one file."""

    def __init__(self, scope: Scope, unit: Unit) -> None:
        self.scope = scope
        self.unit = unit

    def error(self, span: Span, rule: str, text: str) -> None:
        """Report and go on."""
        self.scope.reporter.error(span, rule, text)

    def resolve(self, node: TypeNode) -> Type:
        """The model's type for a type of the tree."""
        if isinstance(node, ArrayType):
            return self._array(node)
        if isinstance(node, TupleType):
            return self._tuple(node)
        if node.name in GENERICS:
            return self._generic(node)
        if node.args:
            text = f"'{node.name}' takes no items in '<>'; list, map and option do"
            rule = "type-arity"
            if node.name not in TYPE_WORDS and node.name not in self.scope.symbols:
                if self.scope.is_broken(self.unit, node.name):
                    return HARMLESS
                rule, text = "type-unknown", self._unknown_text(node.name)
            self.error(node.span, rule, text)
            return HARMLESS
        if node.name in INT_BITS:
            return self._integer(node)
        if node.name in FLOATS:
            return self._float(node)
        if node.name == "char":
            return self._char(node)
        if node.name == "bool":
            _Constraints(self, node, "bool", ())
            return Scalar("bool")
        if node.name in ("string", "bytes"):
            return self._text(node)
        return self._reference(node)

    # -- scalars ------------------------------------------------------------------------------

    def _integer(self, node: WordType) -> Scalar:
        lowest, highest = int_limits(node.name)

        def value(expr: Expr) -> Optional[int]:
            number = self.scope.integer(self.unit, expr, f"a bound of {node.name}")
            if number is not None and not lowest <= number <= highest:
                text = f"{number} is no {node.name}, which holds {lowest} to {highest}"
                self.error(expr.span, "range-type", text)
                return None
            return number

        lo, hi = _Constraints(self, node, node.name, ("max", "min", "range")).bounds(value)
        return Scalar(node.name, lo, hi)

    def _float(self, node: WordType) -> Scalar:
        def value(expr: Expr) -> Optional[float]:
            number = self.scope.real(self.unit, expr, node.name, f"a bound of {node.name}")
            if number is not None and math.isinf(number):
                text = f"{expr.text} exceeds what {node.name} holds"
                self.error(expr.span, "range-type", text)
                return None
            return None if number is None else number + 0.0  # as a bound, -0 is 0

        words = ("max", "min", "range", "finite")
        constraints = _Constraints(self, node, node.name, words)
        lo, hi = constraints.bounds(value)
        return Scalar(node.name, lo, hi, constraints.has("finite"))

    def _char(self, node: WordType) -> Scalar:
        def value(expr: Expr) -> Optional[int]:
            if expr.kind == "char":
                return ord(str(expr.value))
            number = self.scope.integer(self.unit, expr, "a bound of char")
            if number is not None and not 0 <= number <= MAX_CHAR:
                text = f"{number} is no code point; char holds 0 to 0x10FFFF"
                self.error(expr.span, "range-type", text)
                return None
            if number in SURROGATES:
                text = f"0x{number:X} is a surrogate, which is no character; write 0xD7FF or 0xE000"
                self.error(expr.span, "range-type", text)
                return None
            return number

        lo, hi = _Constraints(self, node, "char", ("max", "min", "range")).bounds(value)
        return Scalar("char", lo, hi)

    # -- variable size ------------------------------------------------------------------------

    def _text(self, node: WordType) -> Type:
        words = ("max", "min", "nonempty") + (("nonul",) if node.name == "string" else ())
        constraints = _Constraints(self, node, node.name, words)
        size = self._size_bounds(node, constraints, node.name)
        if size is None:
            return HARMLESS
        return Text(node.name, size[1], size[0], constraints.has("nonul"))

    def _generic(self, node: WordType) -> Type:
        items = [self.resolve(arg) for arg in node.args]
        wanted = GENERICS[node.name]
        if len(items) != wanted:
            form = GENERIC_FORMS[node.name]
            text = f"'{node.name}' has {wanted} in its '<>', not {len(items)}; write '{form}'"
            self.error(node.span, "type-arity", text)
            return HARMLESS
        if node.name == "option":
            _Constraints(self, node, "option", ())
            return Option(items[0])
        constraints = _Constraints(self, node, node.name, ("max", "min", "nonempty"))
        size = self._size_bounds(node, constraints, node.name)
        if node.name == "map":
            self._check_key(node.args[0], items[0], items[1])
        if size is None:
            return HARMLESS
        if node.name == "map":
            keys = self._key_count(items[0])
            if keys is not None and size[0] > keys:
                text = f"a map has no {size[0]} different keys of a type with {keys} value"
                text += ("" if keys == 1 else "s") + f"; write 'min {keys}' or less"
                self.error(node.span, "bound-range", text)
            return Map(items[0], items[1], size[1], size[0])
        return List(items[0], size[1], size[0])

    def _size_bounds(
        self, node: WordType, constraints: "_Constraints", what: str
    ) -> Optional[tuple[int, int]]:
        """The least and greatest length, or None if there is no usable ``max``."""

        def value(expr: Expr) -> Optional[int]:
            number = self.scope.integer(self.unit, expr, "a bound")
            if number is not None and not 0 <= number <= MAX_BOUND:
                most = "16 MiB" if what in ("string", "bytes") else f"{MAX_BOUND} items"
                text = f"a bound of '{what}' is 0 to {most}, not {number}"
                self.error(expr.span, "bound-range", text)
                return None
            return number

        lo, hi = constraints.bounds(value)
        upper = constraints.first("max")
        if upper is None:
            form = f"{node.name}<...>" if node.args else node.name
            example = 64 if what in ("string", "bytes") else 16
            text = f"'{form}' has no bound; write for example '{form} max {example}'"
            self.error(node.span, "unbounded", text)
            return None
        if hi == 0:
            text = f"'max 0' leaves nothing but the empty {what}; use '()' or a greater bound"
            self.error(upper.args[0].span, "bound-range", text)
            return None
        return None if hi is None else (int(lo or 0), int(hi))

    def _check_key(self, node: TypeNode, key: Type, value: Type) -> None:
        """Keys have an order that is the same in every language, and no great size."""
        if isinstance(key, Scalar) and key.kind not in FLOATS:
            return
        instead = f"; write 'list<({spell(key)}, {spell(value)})>' instead"
        if isinstance(key, Text):
            if key.max <= MAX_TEXT_KEY:
                return
            text = f"a key of {key.kind} has at most 'max {MAX_TEXT_KEY}', not {key.max}{instead}"
        elif isinstance(key, Array) and isinstance(key.item, Scalar) and key.item.kind == "u8":
            if key.count <= MAX_ARRAY_KEY and key.item == Scalar("u8"):
                return
            if key.item != Scalar("u8"):
                text = "a key of u8[n] has no bound on its items; remove it"
                self.error(node.span, "map-key", text)
                return
            text = f"a key of u8[n] has at most {MAX_ARRAY_KEY} bytes, not {key.count}{instead}"
        elif isinstance(key, Ref):
            declaration = self.scope.find_type(self.unit, key.name)
            if isinstance(declaration, EnumNode):
                if not any(v.fields for v in declaration.variants):
                    return
                text = f"'{key.name}' cannot be a key: its variants carry data{instead}"
            else:
                text = f"the struct '{key.name}' cannot be a key{instead}"
        elif isinstance(key, Scalar):
            text = f"{key.kind} cannot be a key: NaN has no order{instead}"
        else:
            text = "a key is an integer, bool, char, string, bytes, u8[n] or an enum without data"
            text += instead
        self.error(node.span, "map-key", text)

    def _key_count(self, key: Type) -> Optional[int]:
        """How many values a key has; None where no map could hold them all anyway. Which of an
        enum's there are at a version is for ``check_evolution``."""
        if isinstance(key, Ref):
            declaration = self.scope.find_type(self.unit, key.name)
            if not isinstance(declaration, EnumNode) or not declaration.complete:
                return None
            return len(declaration.variants)
        return key_count(key, MAX_BOUND)

    # -- compounds ----------------------------------------------------------------------------

    def _array(self, node: ArrayType) -> Type:
        item = self.resolve(node.item)
        count = self.scope.integer(self.unit, node.count, "an array's count")
        if node.constraints:
            word = node.constraints[0].word
            text = f"an array takes no '{word}'; a bound of its items stands before '['"
            self.error(node.constraints[0].span, "constraint", text)
        if count is None:
            return HARMLESS
        if not 1 <= count <= MAX_ARRAY:
            hint = "use list<T> max N for more" if count > 0 else "leave it out if it holds nothing"
            text = f"an array has 1 to {MAX_ARRAY} items, not {count}; {hint}"
            self.error(node.count.span, "array-size", text)
            return HARMLESS
        return Array(item, count)

    def _tuple(self, node: TupleType) -> Type:
        items = tuple(self.resolve(item) for item in node.items)
        _Constraints(self, node, "a tuple" if items else "'()'", ())
        if not items:
            return UnitType()
        if len(items) == 1:
            self.error(node.span, "tuple-size", "a tuple has at least 2 items; drop the '()'")
            return items[0]
        if len(items) > MAX_TUPLE:
            text = f"a tuple has at most {MAX_TUPLE} items, not {len(items)}; name a struct"
            self.error(node.span, "tuple-size", text)
            return HARMLESS
        return Tuple(items)

    def _reference(self, node: WordType) -> Type:
        declaration = self.scope.find_type(self.unit, node.name)
        if declaration is None and self.scope.is_broken(self.unit, node.name):
            return HARMLESS
        if declaration is None:
            self.error(node.span, "type-unknown", self._unknown_text(node.name, node.span))
            return HARMLESS
        kind = "a struct" if isinstance(declaration, StructNode) else "an enum"
        _Constraints(self, node, kind, ())
        return Ref(node.name)

    def _unknown_text(self, name: str, span: Optional[Span] = None) -> str:
        known = self.scope.type_names(self.unit)
        if span is not None and name in self.scope.symbols:
            return self.scope.why_unknown(self.unit, Name(name, span), "struct or enum", known)
        word = name.lower()
        here = FOREIGN_WORDS.get(name) or GENERIC_FORMS.get(word)
        here = here or (word if word in TYPE_WORDS else FOREIGN_WORDS.get(word))
        if here is not None:
            return f"no type '{name}'; here it is '{here}'"
        if name.endswith(("be", "le")) and name[:-2] in TYPE_WORDS:
            plain = name[:-2]
            return f"'{name}' is a type of packets; messages have '{plain}', little-endian always"
        return f"no type '{name}'{did_you_mean(name, [*TYPE_WORDS, *known])}"


Number = Union[int, float]


class _Constraints:
    """The constraints of one type: refuses what does not apply, and combines the rest."""

    def __init__(
        self, resolver: TypeResolver, node: TypeNode, what: str, allowed: tuple[str, ...]
    ) -> None:
        self.what = what
        self.resolver = resolver
        self.found: dict[str, Constraint] = {}
        for constraint in node.constraints:
            self._add(constraint, what, allowed)

    def _add(self, constraint: Constraint, what: str, allowed: tuple[str, ...]) -> None:
        word = constraint.word
        if word not in allowed:
            takes = ", ".join(f"'{w}'" for w in allowed) if allowed else "no constraints"
            text = f"{what} takes no '{word}'; it takes {takes}"
            if not allowed:
                text = f"{what} takes no '{word}' nor any other constraint"
            self.resolver.error(constraint.span, "constraint", text)
            return
        rivals = {"min": ("min", "nonempty", "range"), "nonempty": ("min", "nonempty"),
                  "max": ("max", "range"), "range": ("min", "max", "range")}  # fmt: skip
        other = next((w for w in rivals.get(word, (word,)) if w in self.found), None)
        if other is None:
            self.found[word] = constraint
            return
        if other == word:
            text = f"'{word}' is given twice; remove one"
        else:
            text = f"'{word}' and '{other}' give the same bound; remove one"
        self.resolver.error(constraint.span, "constraint-twice", text)

    def has(self, word: str) -> bool:
        """Whether the word stands there."""
        return word in self.found

    def first(self, word: str) -> Optional[Constraint]:
        """The constraint of this word."""
        return self.found.get(word)

    def bounds(
        self, value: Callable[[Expr], Optional[Number]]
    ) -> tuple[Optional[Number], Optional[Number]]:
        """The lower and upper bound; ``value`` evaluates and judges one."""
        lo: Optional[Number] = 1 if "nonempty" in self.found else None
        hi: Optional[Number] = None
        if "range" in self.found:
            low, high = self.found["range"].args
            lo, hi = value(low), value(high)
        if "min" in self.found:
            lo = value(self.found["min"].args[0])
        if "max" in self.found:
            hi = value(self.found["max"].args[0])
        if lo is not None and hi is not None and lo > hi:
            place = next(c for w, c in self.found.items() if w in ("range", "min", "nonempty"))
            shown = [spelled(self.what, n) for n in (lo, hi)]
            text = f"the lower bound {shown[0]} is above the upper bound {shown[1]}"
            text += "; change them round" if "range" in self.found else ""
            self.resolver.error(place.span, "range-empty", text)
            return None, None if "max" not in self.found else hi
        return lo, hi
