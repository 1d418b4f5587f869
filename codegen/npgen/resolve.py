"""Syntax trees -> the model.

Each file is resolved in its own scope, imports first; then all types are put in an order in which
C can declare them. What needs the whole protocol (sizes, ids, evolution) is left to ``check``.
"""

from __future__ import annotations

from typing import Optional, Sequence

from .diagnostics import Reporter
from .model import (
    Decl,
    Enum,
    Field,
    Message,
    Packet,
    Protocol,
    Struct,
    Value,
    Variant,
)
from .recursion import mark_recursion
from .resolve_conversation import resolve_conversation
from .resolve_packet import resolve_packet
from .resolve_types import GENERICS, MAX_BOUND, TYPE_WORDS, TypeResolver
from .resolve_values import ValueResolver, duration_ms
from .scope import Scope, Unit, kind_of
from .syntax import (
    ConstNode,
    ConversationNode,
    EnumNode,
    Expr,
    FieldNode,
    MessageNode,
    Name,
    PacketNode,
    StructNode,
    VariantNode,
)

MAX_VERSION = 65535
MAX_U32 = (1 << 32) - 1
MAX_INDEX = (1 << 31) - 1
"""Greatest index of a variant: a C enumerator is an int."""

MAX_DEPTH = 64

NO_SINCE = 0
"""Stands for the version of a field or variant whose ``since`` is invalid."""

NO_ID = -1
"""Stands for an id or index that could not be evaluated; no rule about ids looks at it."""


def resolve(root: Unit, digest: str, reporter: Reporter) -> Optional[Protocol]:
    """The protocol of a file and its imports; None if it has not even a name."""
    scope = Scope(root, reporter)
    scope.define_consts()
    resolvers = [_UnitResolver(scope, unit) for unit in root.closure]
    for resolver in resolvers:
        resolver.run()
    own = resolvers[-1]
    header = root.schema.header
    if header is None:
        return None
    types: dict[str, Decl] = {}
    for resolver in resolvers:
        for decl in resolver.types:
            types.setdefault(decl.name, decl)
    messages = [m for resolver in resolvers for m in resolver.messages]
    return Protocol(
        name=header.name.text,
        version=own.version,
        doc=header.doc,
        span=header.name.span,
        types=mark_recursion(types, reporter),
        messages=tuple(sorted(messages, key=lambda m: m.id)),
        packets=tuple(p for resolver in resolvers for p in resolver.packets),
        conversations=tuple(
            resolve_conversation(node, scope, root) for node in own.conversations
        ),
        consts=own.consts,
        imports=tuple(unit.name for unit in root.closure[:-1]),
        source=root.source.display,
        digest=digest,
        reserved_ids=own.reserved_ids,
        reserved_names=own.reserved_names,
        import_headers=_import_headers(root),
        const_docs=own.const_docs,
    )


def _import_headers(root: Unit) -> dict[str, str]:
    """The header of each imported protocol: beside where the schema was imported from."""
    headers: dict[str, str] = {}
    for unit in root.closure:
        for node, imported in unit.imports:
            folder = node.path.rpartition("/")[0]
            header = f"{imported.name}.h"
            headers.setdefault(imported.name, f"{folder}/{header}" if folder else header)
    return headers


class _UnitResolver:
    """Resolves the declarations of one file."""

    def __init__(self, scope: Scope, unit: Unit) -> None:
        self.scope = scope
        self.unit = unit
        self.reporter = scope.reporter
        self.type_resolver = TypeResolver(scope, unit)
        self.value_resolver = ValueResolver(scope, unit)
        self.version = self._version()
        self.types: list[Decl] = []
        self.messages: list[Message] = []
        self.packets: list[Packet] = []
        self.conversations: list[ConversationNode] = []
        self.consts: dict[str, int] = {}
        self.const_docs: dict[str, tuple[str, ...]] = {}
        self.reserved_ids: tuple[tuple[int, int], ...] = ()
        self.reserved_names: tuple[str, ...] = ()

    def run(self) -> None:
        """Resolve everything, in the order of the file."""
        self._reserved()
        for node in self.unit.schema.declarations:
            if isinstance(node, StructNode):
                self.types.append(self._struct(node))
            elif isinstance(node, EnumNode):
                self.types.append(self._enum(node))
            elif isinstance(node, MessageNode):
                self.messages.append(self._message(node))
            elif isinstance(node, PacketNode):
                self.packets.append(resolve_packet(node, self.scope, self.unit))
            elif isinstance(node, ConversationNode):
                self.conversations.append(node)
            elif isinstance(node, ConstNode):
                self.consts[node.name.text] = self.scope.consts[node.name.text]
                self.const_docs[node.name.text] = node.doc

    # -- numbers ------------------------------------------------------------------------------

    def _number(
        self, expr: Expr, what: str, rule: str, low: int, high: int, otherwise: int
    ) -> int:
        """An integer from ``low`` to ``high``; ``otherwise`` after an error."""
        value = self.scope.integer(self.unit, expr, what)
        if value is None:
            return otherwise
        if not low <= value <= high:
            self.reporter.error(expr.span, rule, f"{what} is {low} to {high}, not {value}")
            return otherwise
        return value

    def _version(self) -> int:
        header = self.unit.schema.header
        if header is None:
            return MAX_VERSION
        what = "a protocol's version"
        return self._number(header.version, what, "version-range", 1, MAX_VERSION, MAX_VERSION)

    def _checked_since(self, expr: Optional[Expr]) -> Optional[int]:
        """The version of a ``since``, 1 if there is none; None after an error."""
        if expr is None:
            return 1
        value = self.scope.integer(self.unit, expr, "'since'")
        if value is None:
            return None
        if not 1 <= value <= self.version:
            text = f"'since' is 1 to {self.version}, the protocol's version, not {value}"
            header = self.unit.schema.header
            if header is not None and self.version < value <= MAX_VERSION:
                hint = f"for something new, raise the protocol's version to {value}"
                text += f"; {hint} (line {header.version.span.line})"
            self.reporter.error(expr.span, "since-range", text)
            return None
        return value

    def _duration(self, expr: Optional[Expr]) -> Optional[int]:
        return None if expr is None else duration_ms(expr, self.reporter)

    def _reserved(self) -> None:
        ids: list[tuple[int, int]] = []
        names: list[str] = []
        for node in self.unit.reserved():
            for low_expr, high_expr in node.ids:
                low = self._number(low_expr, "an id", "id-range", 0, MAX_U32, 0)
                high = self._number(high_expr, "an id", "id-range", 0, MAX_U32, low)
                if low > high:
                    text = f"the first id {low} is above the last id {high}"
                    self.reporter.error(low_expr.span, "range-empty", text)
                ids.append((low, high))
            names.extend(name.text for name in node.names)
        self.reserved_ids, self.reserved_names = tuple(ids), tuple(names)

    # -- structs and enums --------------------------------------------------------------------

    def _recursion_bounds(self, node: StructNode | EnumNode) -> tuple[Optional[int], Optional[int]]:
        depth: Optional[int] = None
        size: Optional[int] = None
        if node.depth is not None:
            what = "the depth of a recursive type"
            depth = self._number(node.depth, what, "recursion-depth", 1, MAX_DEPTH, 1)
        if node.max is not None:
            what = "the greatest size of a recursive type"
            size = self._number(node.max, what, "bound-range", 1, MAX_BOUND, MAX_BOUND)
        return depth, size

    def _struct(self, node: StructNode) -> Struct:
        depth, size = self._recursion_bounds(node)
        fields = self._fields(node.fields)
        name = node.name
        return Struct(name.text, fields, node.doc, name.span, depth, size, self.unit.name)

    def _enum(self, node: EnumNode) -> Enum:
        depth, size = self._recursion_bounds(node)
        self._check_unique([v.name for v in node.variants], "variant")
        variants = [self._variant(v) for v in node.variants]
        name = node.name
        if not node.variants and node.complete:
            text = f"enum '{name.text}' has no variants, so it has no values; add one"
            self.reporter.error(name.span, "enum-empty", text)
        self._check_indices(node.variants, variants)
        ordered = tuple(sorted(variants, key=lambda v: v.index))
        return Enum(name.text, ordered, node.doc, name.span, depth, size, self.unit.name)

    def _variant(self, node: VariantNode) -> Variant:
        index = self._number(node.index, "a variant's index", "index-range", 0, MAX_INDEX, NO_ID)
        return Variant(
            node.name.text,
            index,
            self._fields(node.fields),
            node.doc,
            node.name.span,
            self._checked_since(node.since) or NO_SINCE,
            node.deprecated,
        )

    def _check_indices(self, nodes: Sequence[VariantNode], variants: list[Variant]) -> None:
        """Ascending indices show at a glance which one is free."""
        seen: dict[int, Variant] = {}
        highest: Optional[Variant] = None
        for node, variant in zip(nodes, variants):
            if variant.index == NO_ID:
                continue
            other = seen.setdefault(variant.index, variant)
            if other is not variant:
                text = f"index {variant.index} belongs to '{other.name}'"
                self.reporter.error(node.index.span, "duplicate-index", f"{text}; take a free one")
            elif highest is not None and variant.index < highest.index:
                text = f"'{variant.name}' stands after '{highest.name}' = {highest.index}"
                self.reporter.error(node.index.span, "index-order", f"{text}; sort by index")
            if highest is None or variant.index > highest.index:
                highest = variant

    # -- fields -------------------------------------------------------------------------------

    def _fields(self, nodes: Sequence[FieldNode]) -> tuple[Field, ...]:
        self._check_unique([node.name for node in nodes], "field")
        return tuple(self._field(node) for node in nodes)

    def _check_unique(self, names: Sequence[Name], what: str) -> None:
        seen: dict[str, Name] = {}
        for name in names:
            other = seen.setdefault(name.text, name)
            if other is not name:
                text = f"{what} '{name.text}' is already declared in line {other.span.line}"
                self.reporter.error(name.span, "duplicate-name", f"{text}; rename one")

    def _field(self, node: FieldNode) -> Field:
        type_ = self.type_resolver.resolve(node.type)
        checked = self._checked_since(node.since)
        since = checked or 1
        default: Value = None
        if node.default is not None:
            default = self.value_resolver.default(node.default, type_)
            if checked == 1:
                text = "only a field with 'since' has a default: all peers send the others"
                self.reporter.error(node.default.span, "default-without-since", text)
        elif since > 1:
            name = node.name.text
            text = f"field '{name}' is since {since}: say what older peers mean by '= ...'"
            self.reporter.error(node.name.span, "default-missing", text)
        return Field(
            node.name.text,
            type_,
            node.doc,
            node.name.span,
            NO_SINCE if checked is None else since,
            default,
            node.deprecated,
            node.since is not None,
        )

    # -- messages -----------------------------------------------------------------------------

    def _message(self, node: MessageNode) -> Message:
        what = "a request's id" if node.reply else "a message's id"
        return Message(
            name=node.name.text,
            id=self._number(node.id, what, "id-range", 0, MAX_U32, NO_ID),
            fields=self._fields(node.fields),
            doc=node.doc,
            span=node.name.span,
            stream=node.stream,
            secret=node.secret,
            since=self._checked_since(node.since) or 1,
            deprecated=node.deprecated,
            reply=self._reply(node.reply),
            timeout_ms=self._duration(node.timeout),
            origin=self.unit.name,
        )

    def _reply(self, name: Optional[Name]) -> Optional[str]:
        if name is None:
            return None
        declaration = self.scope.find_type(self.unit, name.text)
        if isinstance(declaration, StructNode):
            return name.text
        if name.text in TYPE_WORDS or name.text in GENERICS:
            text = f"a reply is a struct, and '{name.text}' is none; name a struct with it inside"
        elif declaration is not None:
            text = f"a reply is a struct, and '{name.text}' is {kind_of(declaration)}; wrap it"
        else:
            known = self.scope.type_names(self.unit)
            text = self.scope.why_unknown(self.unit, name, "struct", known)
        self.reporter.error(name.span, "reply-type", text)
        return None
