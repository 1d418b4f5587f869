"""Parsing of packets: byte-exact layouts."""

from __future__ import annotations

from typing import Optional

from .cursor import Cursor
from .parse_fields import parse_block, parse_constraints, skip_doc_before_brace
from .syntax import Doc, Expr, Name, PacketFieldNode, PacketNode, PartNode

RESERVED_WORDS = ("if", "switch", "varint", "checksum")
"""What packets will say one day; until then nobody may call a field that."""


def parse_packet(c: Cursor, doc: Doc) -> PacketNode:
    """``packet name { field... }``; the word ``packet`` is already taken."""
    name = c.expect_name("the packet's name")
    fields: list[PacketFieldNode] = []

    def statement() -> None:
        place = c.token.span
        field_doc = c.take_doc()
        if field_doc and skip_doc_before_brace(c, place):
            return
        fields.append(_parse_field(c, field_doc))

    complete = parse_block(c, f"packet '{name.text}'", statement)
    return PacketNode(name, tuple(fields), doc, complete)


def _expect_free_name(c: Cursor, what: str) -> Name:
    """A name that is none of the reserved words."""
    if c.token.text in RESERVED_WORDS:
        text = f"'{c.token.text}' is reserved for packets to come; choose another name"
        if c.peek().text == ":":
            c.fail(text, rule="reserved-word")  # the field itself can still be read
        else:
            raise c.fail(text, rule="reserved-word")
    return c.expect_name(what)


def _parse_field(c: Cursor, doc: Doc) -> PacketFieldNode:
    name = _expect_free_name(c, "a field's name")
    c.expect(":", f"and a type after field '{name.text}'")
    type_name = _expect_free_name(c, "a type")
    size: Optional[Expr] = None
    if c.accept("["):
        size = c.expect_expr("a count or the name of a length field in '[]'")
        c.expect("]", "after the count")
    parts, complete = _parse_parts(c, name) if c.at("{") else (None, True)
    constraints = parse_constraints(c)
    const = c.expect_expr("the field's constant value") if c.accept("=") else None
    c.end_statement(f"field '{name.text}'")
    return PacketFieldNode(name, type_name, size, constraints, const, parts, doc, complete)


def _parse_parts(c: Cursor, owner: Name) -> tuple[tuple[PartNode, ...], bool]:
    """``{ name: bits [= const]; ... }``, and whether all of them could be read."""
    parts: list[PartNode] = []

    def statement() -> None:
        place = c.token.span
        doc = c.take_doc()
        if doc and skip_doc_before_brace(c, place):
            return
        name = _expect_free_name(c, "a part's name")
        c.expect(":", f"and a number of bits after '{name.text}'")
        bits = c.expect_expr("a number of bits")
        const = c.expect_expr("the part's constant value") if c.accept("=") else None
        c.end_statement(f"part '{name.text}'")
        parts.append(PartNode(name, bits, const, doc))

    complete = parse_block(c, f"flags '{owner.text}'", statement)
    return tuple(parts), complete
