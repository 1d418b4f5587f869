"""The syntax tree: what the file says, not yet what it means.

Nodes keep the spans that messages need and names as they were written. Nothing here is resolved:
a constant is still a name, a type still a word. Where a part could not be read, ``complete`` is
False, and no later stage complains that it is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Union

from .model import Span

Doc = tuple[str, ...]


@dataclass(frozen=True)
class Name:
    """An identifier where the grammar wants a name."""

    text: str
    span: Span


@dataclass(frozen=True)
class Expr:
    """A literal, or a name that stands for a constant, a variant or one of the words for values.

    ``kind`` is "int", "float", "string", "char", "duration" (milliseconds) or "name".
    """

    kind: str
    value: Union[int, float, str]
    span: Span
    text: str = ""
    """As it is written, which tells more than a float can."""


# --------------------------------------------------------------------------------------------
# Types
# --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Constraint:
    """``max 16``, ``range 0..9``, ``nonul``: a word and its values, after the type it bounds."""

    word: str
    args: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True)
class WordType:
    """A type that starts with a word: built in, generic (``args``) or declared by the user."""

    name: str
    args: tuple["TypeNode", ...]
    constraints: tuple[Constraint, ...]
    span: Span


@dataclass(frozen=True)
class TupleType:
    """``(A, B)``; without items it is the unit type."""

    items: tuple["TypeNode", ...]
    constraints: tuple[Constraint, ...]
    span: Span


@dataclass(frozen=True)
class ArrayType:
    """``T[n]``."""

    item: "TypeNode"
    count: Expr
    constraints: tuple[Constraint, ...]
    span: Span


TypeNode = Union[WordType, TupleType, ArrayType]

# --------------------------------------------------------------------------------------------
# Declarations
# --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FieldNode:
    name: Name
    type: TypeNode
    since: Optional[Expr]
    default: Optional[Expr]
    deprecated: Optional[str]
    doc: Doc


@dataclass(frozen=True)
class StructNode:
    name: Name
    depth: Optional[Expr]
    max: Optional[Expr]
    fields: tuple[FieldNode, ...]
    doc: Doc


@dataclass(frozen=True)
class VariantNode:
    name: Name
    index: Expr
    fields: tuple[FieldNode, ...]
    since: Optional[Expr]
    deprecated: Optional[str]
    doc: Doc


@dataclass(frozen=True)
class EnumNode:
    name: Name
    depth: Optional[Expr]
    max: Optional[Expr]
    variants: tuple[VariantNode, ...]
    doc: Doc
    complete: bool = True


@dataclass(frozen=True)
class MessageNode:
    """A message, or a request if ``reply`` is set."""

    name: Name
    id: Expr
    stream: bool
    secret: bool
    since: Optional[Expr]
    deprecated: Optional[str]
    fields: tuple[FieldNode, ...]
    reply: Optional[Name]
    timeout: Optional[Expr]
    doc: Doc


@dataclass(frozen=True)
class PartNode:
    """``name: bits [= const];`` within a flags field."""

    name: Name
    bits: Expr
    const: Optional[Expr]
    doc: Doc


@dataclass(frozen=True)
class PacketFieldNode:
    """``parts`` is None unless the type is a flags type; ``size`` is what stands in ``[]``."""

    name: Name
    type: Name
    size: Optional[Expr]
    constraints: tuple[Constraint, ...]
    const: Optional[Expr]
    parts: Optional[tuple[PartNode, ...]]
    doc: Doc
    complete: bool = True


@dataclass(frozen=True)
class PacketNode:
    name: Name
    fields: tuple[PacketFieldNode, ...]
    doc: Doc
    complete: bool = True


@dataclass(frozen=True)
class RuleNode:
    """``messages`` is empty for the wildcard; ``target`` and ``refused`` are None for staying."""

    side: str
    messages: tuple[Name, ...]
    target: Optional[Name]
    span: Span
    refused: Optional[Name] = None


@dataclass(frozen=True)
class StateNode:
    """A state; ``name.text`` is ``*`` for the one whose rules hold in all states."""

    name: Name
    rules: tuple[RuleNode, ...]
    within: tuple[Expr, ...]
    final: bool
    doc: Doc


@dataclass(frozen=True)
class ConversationNode:
    name: Name
    starts: tuple[Name, ...]
    states: tuple[StateNode, ...]
    doc: Doc
    complete: bool = True


@dataclass(frozen=True)
class ConstNode:
    name: Name
    value: Expr
    doc: Doc


@dataclass(frozen=True)
class ReservedNode:
    """Either ranges of ids (inclusive) or names."""

    ids: tuple[tuple[Expr, Expr], ...]
    names: tuple[Name, ...]


@dataclass(frozen=True)
class ImportNode:
    path: str
    span: Span


@dataclass(frozen=True)
class Header:
    """The ``protocol NAME version N;`` line."""

    name: Name
    version: Expr
    doc: Doc


Declaration = Union[
    StructNode, EnumNode, MessageNode, PacketNode, ConversationNode, ConstNode, ReservedNode
]


@dataclass(frozen=True)
class Schema:
    """One file. ``header`` is None only after an error.

    ``broken`` are the names of declarations that could not be read: they exist, but nobody knows
    what they are.
    """

    header: Optional[Header]
    imports: tuple[ImportNode, ...]
    declarations: tuple[Declaration, ...]
    broken: frozenset[str] = frozenset()
