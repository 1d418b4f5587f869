"""Parsing of types, fields and the modifiers behind names: what several declarations share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional

from .cursor import Cursor, Failure
from .diagnostics import visible
from .lexer import Kind, Token
from .model import Span
from .syntax import (
    ArrayType,
    Constraint,
    Expr,
    FieldNode,
    Name,
    TupleType,
    TypeNode,
    WordType,
)

MAX_TYPE_NESTING = 32
"""Levels of ``list<...>``, ``(...)`` and ``[n]`` in one type; the parser recurses that deep."""

CONSTRAINT_WORDS = ("max", "min", "nonempty", "nonul", "range", "finite")


# --------------------------------------------------------------------------------------------
# Lists of statements
# --------------------------------------------------------------------------------------------


def parse_block(c: Cursor, owner: str, statement: Callable[[], None]) -> bool:
    """``{ statement... }``, going on behind each statement that fails; whether none did."""
    opened = c.expect("{", f"after {owner}")
    complete = True
    while not c.at("}"):
        if c.at_kind(Kind.END) or c.at_declaration():
            raise _missing_brace(c, owner, opened)
        if c.accept(";"):
            continue
        try:
            statement()
        except Failure:
            c.skip_statement()
            complete = False
    c.take()
    return complete


def _missing_brace(c: Cursor, owner: str, opened: Token) -> Failure:
    where = f"the '{{' of {owner} in line {opened.span.line} is not closed"
    return c.fail(f"expected '}}' before {c.token}: {where}", c.token.span)


def skip_doc_before_brace(c: Cursor, span: Span) -> bool:
    """Report and drop a doc comment at the end of a block; whether the block ends here."""
    if c.at("}") or c.at_kind(Kind.END):
        c.refuse_doc(("",), span)
        return True
    return False


# --------------------------------------------------------------------------------------------
# Modifiers
# --------------------------------------------------------------------------------------------


@dataclass
class Modifiers:
    """The words behind a declaration's name; which ones are allowed depends on it."""

    stream: bool = False
    secret: bool = False
    depth: Optional[Expr] = None
    max: Optional[Expr] = None
    since: Optional[Expr] = None
    default: Optional[Expr] = None
    deprecated: Optional[str] = None
    timeout: Optional[Expr] = None


_EVERYWHERE = ("stream", "secret", "depth", "max", "since", "=", "deprecated", "timeout")


def parse_modifiers(c: Cursor, owner: str, allowed: tuple[str, ...]) -> Modifiers:
    """Modifiers in the order of ``allowed``, each at most once.

    One order means one way to write a thing. A wrong order is reported, but understood.
    """
    result = Modifiers()
    seen: list[str] = []
    while c.at_any(_EVERYWHERE):
        token = c.token
        word = token.text
        if word in CONSTRAINT_WORDS and word not in allowed:
            break
        if word not in allowed:
            usable = ", ".join(f"'{w}'" for w in allowed) or "none"
            raise c.fail(f"{owner} takes no '{word}'; it takes {usable}")
        if word in seen:
            c.fail(f"'{word}' is given twice; remove one", rule="modifier-order")
        elif seen and allowed.index(word) < max(allowed.index(w) for w in seen):
            later = next(w for w in seen if allowed.index(w) > allowed.index(word))
            c.fail(f"write '{word}' before '{later}'", rule="modifier-order")
        seen.append(word)
        c.take()
        _parse_modifier(c, word, result)
    if c.at_any(CONSTRAINT_WORDS):
        raise c.fail(f"'{c.token.text}' stands directly behind the type that it bounds")
    return result


def _parse_modifier(c: Cursor, word: str, result: Modifiers) -> None:
    if word == "stream":
        result.stream = True
    elif word == "secret":
        result.secret = True
    elif word == "depth":
        result.depth = c.expect_expr("a depth after 'depth'")
    elif word == "max":
        result.max = c.expect_expr("a size after 'max'")
    elif word == "since":
        result.since = c.expect_expr("a version after 'since'")
    elif word == "=":
        result.default = c.expect_expr("a default after '='")
    elif word == "timeout":
        result.timeout = c.expect_expr("a time after 'timeout'")
    else:
        result.deprecated = ""
        if c.at_kind(Kind.STRING):
            reason, _ = c.expect_string("a reason")
            result.deprecated = visible(reason)  # people read it, wherever it appears


# --------------------------------------------------------------------------------------------
# Fields and types
# --------------------------------------------------------------------------------------------


def parse_fields(c: Cursor, owner: str) -> tuple[FieldNode, ...]:
    """``{ name: type ...; }``."""
    fields: list[FieldNode] = []

    def statement() -> None:
        place = c.token.span
        doc = c.take_doc()
        if doc and skip_doc_before_brace(c, place):
            return
        name = c.expect_name("a field's name")
        c.expect(":", f"and a type after field '{name.text}'")
        type_node = parse_type(c)
        modifiers = parse_modifiers(c, "a field", ("since", "=", "deprecated"))
        fields.append(
            FieldNode(
                name, type_node, modifiers.since, modifiers.default, modifiers.deprecated, doc
            )
        )
        c.end_statement(f"field '{name.text}'")

    parse_block(c, owner, statement)
    return tuple(fields)


def parse_type(c: Cursor, level: int = 0) -> TypeNode:
    """``base {constraint} {"[" count "]" {constraint}}``."""
    if level > MAX_TYPE_NESTING:
        text = f"types nest deeper than {MAX_TYPE_NESTING} levels; name a struct for the inner part"
        raise c.fail(text, rule="nesting")
    node = _parse_tuple(c, level) if c.at("(") else _parse_word(c, level)
    suffixes = 0
    while c.accept("["):
        suffixes += 1
        if level + suffixes > MAX_TYPE_NESTING:
            raise c.fail(f"types nest deeper than {MAX_TYPE_NESTING} levels", rule="nesting")
        if c.at("]"):
            text = "an array has a fixed count, such as 'u8[16]'; for as many as there are write"
            raise c.fail(f"{text} 'bytes max 64' or 'list<...> max 16'")
        count = c.expect_expr("a count in '[]'")
        close = c.expect("]", "after the count")
        span = join(node.span, close.span)
        node = ArrayType(node, count, parse_constraints(c), span)
    return node


def _parse_tuple(c: Cursor, level: int) -> TypeNode:
    opened = c.expect("(", "before a tuple")
    items: list[TypeNode] = []
    while not c.at(")"):
        items.append(parse_type(c, level + 1))
        if not c.accept(","):
            break
    close = c.expect(")", "after the items of a tuple")
    return TupleType(tuple(items), parse_constraints(c), join(opened.span, close.span))


def _parse_word(c: Cursor, level: int) -> TypeNode:
    name = c.expect_name("a type")
    span = name.span
    args: list[TypeNode] = []
    if c.accept("<"):
        args.append(parse_type(c, level + 1))
        while c.accept(","):
            args.append(parse_type(c, level + 1))
        close = c.expect(">", f"after the items of '{name.text}'")
        span = join(span, close.span)
    return WordType(name.text, tuple(args), parse_constraints(c), span)


def parse_constraints(c: Cursor) -> tuple[Constraint, ...]:
    """Any number of constraints; whether they fit the type is for the resolver to say."""
    result: list[Constraint] = []
    while c.at_any(CONSTRAINT_WORDS):
        token = c.take()
        args: tuple[Expr, ...] = ()
        if token.text in ("max", "min"):
            args = (c.expect_expr(f"a number after '{token.text}'"),)
        elif token.text == "range":
            low = c.expect_expr("the lower bound after 'range'")
            c.expect("..", "between the bounds of a range")
            args = (low, c.expect_expr("the upper bound of the range"))
        span = join(token.span, args[-1].span) if args else token.span
        result.append(Constraint(token.text, args, span))
    return tuple(result)


def join(first: Span, last: Span) -> Span:
    """From the start of one span to the end of another; only the first line of it if they part."""
    if first.line != last.line:
        return first
    return Span(first.file, first.line, first.column, last.column + last.length - first.column)


def parse_id(c: Cursor, name: Name, what: str) -> Expr:
    """``= N`` behind the name of a message or variant."""
    c.expect("=", f"and {what} after '{name.text}'")
    return c.expect_expr(f"{what} after '='")
