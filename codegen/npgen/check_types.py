"""Rules about sizes: of types on the wire, of their C structs, and of their nesting."""

from __future__ import annotations

from .check_stack import check_stack
from .diagnostics import Reporter
from .model import (
    INT_BITS,
    Array,
    Decl,
    Field,
    List,
    Map,
    Option,
    Protocol,
    Ref,
    Scalar,
    Span,
    Struct,
    Text,
    Tuple,
    Type,
    Unit,
)
from .recursion import edges_of, fields_of
from .sizes import ENDLESS, decl_min_len, sizes_of

MAX_NESTING = 64
"""Types within types, through references; the codecs recurse that deep at most."""

MAX_STRUCT = 64 << 10
"""Bytes of a C struct: handlers have decoded messages on their stacks."""

MAX_RECURSION = 256 << 10
"""Bytes of stack that a peer may make a decoder take by nesting one recursive type."""

MAX_EMPTY_ITEMS = 65536
"""Items of a list that take no bytes, so that 8 bytes do not keep a reader busy for long."""


def check_nesting(protocol: Protocol, reporter: Reporter) -> bool:
    """Whether types are nested at most ``MAX_NESTING`` deep, recursion aside."""
    depth: dict[str, int] = {}
    fine = True
    for decl in protocol.types.values():
        inner = [depth[e.target] for e in edges_of(decl) if e.target in depth]
        depth[decl.name] = 1 + max(inner, default=0)
        if depth[decl.name] == MAX_NESTING + 1:
            text = f"'{decl.name}' nests other types more than {MAX_NESTING} deep; join some of them"
            reporter.error(decl.span, "nesting", text)
        fine = fine and depth[decl.name] <= MAX_NESTING
    return fine


def check_types(protocol: Protocol, reporter: Reporter) -> None:
    """Rules about the sizes of types."""
    layout = _Layout()
    for decl in protocol.types.values():
        _check_recursive_size(protocol, decl, reporter)
        for field in fields_of(decl):
            _check_empty_items(protocol, field, field.type, reporter)
        size = layout.declare(decl)
        layout.check(decl.name, decl.span, fields_of(decl), size, reporter)
        _check_stack(decl, size, reporter)
    for message in protocol.messages:
        for field in message.fields:
            _check_empty_items(protocol, field, field.type, reporter)
        size = layout.fields(message.fields)[0]
        layout.check(message.name, message.span, message.fields, size, reporter)
    check_stack(protocol, lambda name: layout.decls[name][0], reporter)


def _check_recursive_size(protocol: Protocol, decl: Decl, reporter: Reporter) -> None:
    least = decl_min_len(protocol, decl)
    if least >= ENDLESS and decl.depth is not None:
        text = f"every value of '{decl.name}' contains another one, without end"
        reporter.error(decl.span, "recursion-endless", f"{text}; let a list be empty or use option")
    elif decl.max_len is not None and least > decl.max_len:
        text = f"'max {decl.max_len}' is below {least}, the least size of '{decl.name}'"
        reporter.error(decl.span, "bound-range", text)


def _check_stack(decl: Decl, size: int, reporter: Reporter) -> None:
    """Each level of a recursion takes room for one value on the decoder's stack."""
    if decl.depth is not None and decl.depth * size > MAX_RECURSION:
        text = (
            f"'{decl.name}' takes about {size} bytes in C and nests {decl.depth} deep,"
            f" {decl.depth * size} bytes of stack; the limit is {MAX_RECURSION} (256 KiB)"
        )
        hint = "lower 'depth' or use list<T> instead of large arrays"
        reporter.error(decl.span, "struct-size", f"{text}; {hint}")


def _check_empty_items(protocol: Protocol, field: Field, type_: Type, reporter: Reporter) -> None:
    if isinstance(type_, List):
        empty = sizes_of(protocol).max_len(type_.item) == 0
        each = max(1, _values(protocol, type_.item)) if empty else 0
        if 0 < each <= MAX_EMPTY_ITEMS < each * type_.max:  # a larger one is a struct-size
            text = (
                f"field '{field.name}' may list {each * type_.max} items that take no bytes;"
                f" write 'max {MAX_EMPTY_ITEMS // each}' or less"
            )
            reporter.error(field.span, "zero-size-items", text)
    if isinstance(type_, (List, Option, Array)):
        _check_empty_items(protocol, field, type_.item, reporter)
    elif isinstance(type_, Map):
        _check_empty_items(protocol, field, type_.value, reporter)
    elif isinstance(type_, Tuple):
        for item in type_.items:
            _check_empty_items(protocol, field, item, reporter)


def _about(size: int) -> str:
    """A size for people; what multiplies through many types has more digits than they can read."""
    return f"about {size}" if size < 1 << 40 else "far too many"


def _values(protocol: Protocol, type_: Type) -> int:
    """The values in a type that takes no bytes: what a reader walks for one item of a list."""
    known: dict[str, int] = {}

    def count(t: Type) -> int:
        if isinstance(t, Array):
            return t.count * count(t.item)
        if isinstance(t, Tuple):
            return sum(count(item) for item in t.items)
        if isinstance(t, Ref):
            if t.name not in known:
                fields = fields_of(protocol.types[t.name])
                known[t.name] = max(1, sum(count(f.type) for f in fields))
            return known[t.name]
        return 1

    return count(type_)


class _Layout:
    """An estimate of the C structs on a 64-bit machine: size and alignment."""

    def __init__(self) -> None:
        self.decls: dict[str, tuple[int, int]] = {}
        self.greatest = 0  # of the items of lists and maps met since the last reset

    def check(
        self, name: str, span: Span, fields: tuple[Field, ...], size: int, reporter: Reporter
    ) -> None:
        """Report a struct that is too large, or whose lists have items that are."""
        self.greatest = 0
        for field in fields:
            self.of(field.type)
        size = max(size, self.greatest)
        if size > MAX_STRUCT:
            text = f"'{name}' takes {_about(size)} bytes in C; the limit is {MAX_STRUCT} (64 KiB)"
            hint = "use list<T> instead of large arrays"
            reporter.error(span, "struct-size", f"{text}; {hint}")

    def declare(self, decl: Decl) -> int:
        """The size of a declaration, which later ones may contain."""
        if isinstance(decl, Struct):
            self.decls[decl.name] = self.fields(decl.fields)
        elif decl.plain:
            self.decls[decl.name] = (4, 4)
        else:
            variants = [self.fields(v.fields) for v in decl.variants]
            align = max(4, *(a for _, a in variants))
            union = max(s for s, _ in variants)
            self.decls[decl.name] = (_up(_up(4, align) + union, align), align)
        return self.decls[decl.name][0]

    def fields(self, fields: tuple[Field, ...]) -> tuple[int, int]:
        """Members one after the other."""
        return self._members([f.type for f in fields])

    def _members(self, types: list[Type]) -> tuple[int, int]:
        size, greatest = 0, 1
        for type_ in types:
            inner, align = self.of(type_)
            size = _up(size, align) + inner
            greatest = max(greatest, align)
        return max(1, _up(size, greatest)), greatest

    def of(self, type_: Type) -> tuple[int, int]:
        """A value of this type."""
        if isinstance(type_, Scalar):
            bits = INT_BITS.get(type_.kind)
            size = bits // 8 if bits else {"f32": 4, "f64": 8, "bool": 1, "char": 4}[type_.kind]
            return size, min(size, 8)
        if isinstance(type_, Text):
            return 16, 8
        if isinstance(type_, Unit):
            return 1, 1
        if isinstance(type_, Array):
            size, align = self.of(type_.item)
            return size * type_.count, align
        if isinstance(type_, Tuple):
            return self._members(list(type_.items))
        if isinstance(type_, Option):
            if isinstance(type_.item, Ref) and type_.item.lazy:
                return 32, 8
            return self._members([Scalar("bool"), type_.item])
        if isinstance(type_, (List, Map)):
            items = [type_.item] if isinstance(type_, List) else [type_.key, type_.value]
            self.greatest = max(self.greatest, self._members(items)[0])
            return 32, 8
        return self.decls.get(type_.name, (32, 8))


def _up(size: int, align: int) -> int:
    return (size + align - 1) // align * align
