"""Names and what they stand for, over a schema and all it imports.

All files of a run share one space of names for structs, enums, messages and constants, since a
reference carries no prefix. A file sees its own declarations and those of its imports, directly or
through them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Iterator, Optional, Union

from .cursor import did_you_mean
from .diagnostics import Reporter
from .floats import MAX_DIGITS, digits_of, exact, is_kept, literal, nearest
from .model import Span
from .source import Source
from .syntax import (
    ConstNode,
    EnumNode,
    Expr,
    ImportNode,
    MessageNode,
    Name,
    ReservedNode,
    Schema,
    StructNode,
)

Named = Union[StructNode, EnumNode, MessageNode, ConstNode]
TypeDeclaration = Union[StructNode, EnumNode]


@dataclass(frozen=True, eq=False)
class Unit:
    """One file of a run, parsed, with the files it imports."""

    source: Source
    schema: Schema
    imports: tuple[tuple[ImportNode, "Unit"], ...]
    rounded: list[tuple[Span, str]] = field(default_factory=list)
    """Where a float is not what is written, and what it is: ``npgen lint`` tells."""

    @property
    def name(self) -> str:
        """The protocol's name; only after an error there may be none."""
        return self.schema.header.name.text if self.schema.header else "?"

    @cached_property
    def closure(self) -> tuple["Unit", ...]:
        """All files this one sees, each after those it imports; itself last."""
        order: list[Unit] = []
        for _, unit in self.imports:
            order.extend(u for u in unit.closure if u not in order)
        return (*order, self)

    @cached_property
    def visible(self) -> frozenset[int]:
        """The closure, for fast membership tests by identity."""
        return frozenset(id(unit) for unit in self.closure)

    def named(self) -> Iterator[Named]:
        """The declarations that share the space of names."""
        for node in self.schema.declarations:
            if isinstance(node, (StructNode, EnumNode, MessageNode, ConstNode)):
                yield node

    def reserved(self) -> Iterator[ReservedNode]:
        """What the file reserves."""
        for node in self.schema.declarations:
            if isinstance(node, ReservedNode):
                yield node


@dataclass(frozen=True)
class Symbol:
    """A declaration and the file it stands in."""

    node: Named
    unit: Unit


def kind_of(node: Named) -> str:
    """The word for a declaration, with its article, as messages use it."""
    if isinstance(node, StructNode):
        return "a struct"
    if isinstance(node, EnumNode):
        return "an enum"
    if isinstance(node, ConstNode):
        return "a constant"
    return "a request" if node.reply is not None else "a message"


class Scope:
    """The table of all names of a run, and questions about them from within one file."""

    def __init__(self, root: Unit, reporter: Reporter) -> None:
        self.root = root
        self.reporter = reporter
        self.symbols: dict[str, Symbol] = {}
        self.consts: dict[str, int] = {}
        self._type_names: dict[int, list[str]] = {}  # by file, for suggestions
        for unit in root.closure:
            for node in unit.named():
                self._declare(unit, node)

    def _declare(self, unit: Unit, node: Named) -> None:
        name = node.name
        known = self.symbols.get(name.text)
        if known is None:
            self.symbols[name.text] = Symbol(node, unit)
            return
        span = known.node.name.span
        place = f"{span.file}:{span.line}" if known.unit is not unit else f"line {span.line}"
        text = f"'{name.text}' is already {kind_of(known.node)}, see {place}; rename one"
        self.reporter.error(name.span, "duplicate-name", text)

    # -- constants ----------------------------------------------------------------------------

    def define_consts(self) -> None:
        """Evaluate all constants, in the order of the files: each may use those before it."""
        for unit in self.root.closure:
            for node in unit.named():
                if isinstance(node, ConstNode):
                    value = self.integer(unit, node.value, "a constant")
                    self.consts.setdefault(node.name.text, 0 if value is None else value)

    def integer(self, unit: Unit, expr: Expr, what: str) -> Optional[int]:
        """The value of a literal or constant; None (and a report) if it is no integer."""
        if expr.kind == "int":
            assert isinstance(expr.value, int)
            return expr.value
        if expr.kind == "name":
            return self._const(unit, str(expr.value), expr)
        found = {"float": "a fraction", "string": "a string", "char": "a character"}
        text = f"{what} is an integer, not {found.get(expr.kind, 'a time')}"
        self.reporter.error(expr.span, "value-kind", text)
        return None

    def real(self, unit: Unit, expr: Expr, kind: str, what: str) -> Optional[float]:
        """The float that a literal or constant becomes, infinite if it is too great; None (and a
        report) if it is no number."""
        if expr.kind == "float":
            if expr.value == 0 and len(expr.text) > MAX_DIGITS:
                return 0.0  # the lexer has refused it
            number, digits = exact(expr.text), digits_of(expr.text)
        else:
            whole = self.integer(unit, expr, what)
            if whole is None:
                return None
            number, digits = Fraction(whole), len(str(abs(whole)))
        value = nearest(kind, number)
        if math.isinf(value) and expr.value == 0:
            return 0.0  # the same
        if math.isfinite(value) and not is_kept(kind, number, digits, value):
            text = f"{kind} does not hold {expr.text}; it becomes {literal(kind, value)}"
            unit.rounded.append((expr.span, text))
        return -abs(value) if expr.text.startswith("-") else value

    def _const(self, unit: Unit, name: str, expr: Expr) -> Optional[int]:
        symbol = self.symbols.get(name)
        if symbol is None and self.is_broken(unit, name):
            return None
        if symbol is not None and not isinstance(symbol.node, ConstNode):
            text = f"'{name}' is {kind_of(symbol.node)}; an integer or a constant stands here"
            self.reporter.error(expr.span, "value-kind", text)
            return None
        if symbol is not None and id(symbol.unit) in unit.visible:
            if name in self.consts:
                return self.consts[name]
            line = symbol.node.name.span.line
            text = f"constant '{name}' is declared in line {line}; move it up, before this use"
        else:
            known = [n for n in self.consts if id(self.symbols[n].unit) in unit.visible]
            text = f"no constant '{name}'{did_you_mean(name, known)}"
        self.reporter.error(expr.span, "const-unknown", text)
        return None

    # -- types and messages -------------------------------------------------------------------

    def find_type(self, unit: Unit, name: str) -> Optional[TypeDeclaration]:
        """The struct or enum of this name, if the file sees one."""
        symbol = self.symbols.get(name)
        if symbol is None or id(symbol.unit) not in unit.visible:
            return None
        return symbol.node if isinstance(symbol.node, (StructNode, EnumNode)) else None

    def find_message(self, unit: Unit, name: str) -> Optional[MessageNode]:
        """The message or request of this name, if the file sees one."""
        symbol = self.symbols.get(name)
        if symbol is None or id(symbol.unit) not in unit.visible:
            return None
        return symbol.node if isinstance(symbol.node, MessageNode) else None

    def is_broken(self, unit: Unit, name: str) -> bool:
        """Whether a declaration of this name was reported as unreadable."""
        return any(name in other.schema.broken for other in unit.closure)

    def why_unknown(self, unit: Unit, name: Name, wanted: str, known: list[str]) -> str:
        """Why a name is not what it should be."""
        symbol = self.symbols.get(name.text)
        if symbol is None:
            return f"no {wanted} '{name.text}'{did_you_mean(name.text, known)}"
        if id(symbol.unit) not in unit.visible:
            return f"'{name.text}' stands in {symbol.unit.source.display}; import it"
        return f"'{name.text}' is {kind_of(symbol.node)}, no {wanted}"

    def type_names(self, unit: Unit) -> list[str]:
        """All structs and enums that the file sees."""
        if id(unit) not in self._type_names:
            names = [n for n in self.symbols if self.find_type(unit, n) is not None]
            self._type_names[id(unit)] = names
        return self._type_names[id(unit)]

    def message_names(self, unit: Unit) -> list[str]:
        """All messages that the file sees."""
        return [n for n in self.symbols if self.find_message(unit, n) is not None]
