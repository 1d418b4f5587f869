"""Tokens -> syntax tree, by recursive descent.

The parser judges form only. After an error it goes on with the next statement, so that all errors
of a file are reported; the tree it returns then lacks what could not be read.
"""

from __future__ import annotations

from typing import Callable, Optional

from .cursor import DECLARATION_WORDS, Cursor, Failure, did_you_mean
from .diagnostics import Reporter
from .lexer import Kind, Token
from .parse_conversation import parse_conversation
from .parse_fields import (
    parse_block,
    parse_fields,
    parse_id,
    parse_modifiers,
    skip_doc_before_brace,
)
from .parse_packet import parse_packet
from .syntax import (
    ConstNode,
    Declaration,
    Doc,
    EnumNode,
    Expr,
    FieldNode,
    Header,
    ImportNode,
    MessageNode,
    Name,
    ReservedNode,
    Schema,
    StructNode,
    VariantNode,
)


def parse(tokens: list[Token], reporter: Reporter) -> Schema:
    """The tree of one file."""
    return _Parser(Cursor(tokens, reporter)).schema()


class _Parser:
    def __init__(self, cursor: Cursor) -> None:
        self.c = cursor
        self.imports: list[ImportNode] = []
        self.declarations: list[Declaration] = []
        self.broken: set[str] = set()
        self._by_word: dict[str, Callable[[Doc], Optional[Declaration]]] = {
            "const": self._const,
            "reserved": self._reserved,
            "struct": self._struct,
            "enum": self._enum,
            "message": self._message,
            "request": self._request,
            "packet": lambda doc: parse_packet(self.c, doc),
            "conversation": lambda doc: parse_conversation(self.c, doc),
            "import": self._import,
            "protocol": self._second_header,
        }

    def schema(self) -> Schema:
        """The header, then declarations until the end, going on behind each that fails."""
        c = self.c
        doc = c.take_doc()
        header: Optional[Header] = None
        if c.at("protocol"):
            try:
                header = self._header(doc)
            except Failure:
                c.skip_statement()
            doc = ()
        else:
            text = "a schema starts with 'protocol NAME version N;'"
            c.fail(text, rule="protocol-missing")
        while not c.at_kind(Kind.END):
            before = c.token
            try:
                self._declaration(doc)
            except Failure:
                self._note_broken(before, c)
                c.skip_statement()
                if c.at("}") or c.token is before:
                    c.take()  # nothing else would
            doc = ()
        broken = frozenset(self.broken)
        return Schema(header, tuple(self.imports), tuple(self.declarations), broken)

    def _note_broken(self, start: Token, c: Cursor) -> None:
        """Remember the name of a declaration that failed: others may refer to it."""
        words = [t for t in c.since(start) if t.kind is Kind.NAME]
        if len(words) > 1 and words[0].text in DECLARATION_WORDS:
            self.broken.add(words[1].text)

    def _header(self, doc: Doc) -> Header:
        c = self.c
        c.take()
        name = c.expect_name("the protocol's name")
        c.expect("version", f"after 'protocol {name.text}'")
        version = c.expect_expr("the protocol's version")
        c.end_statement("the protocol line")
        return Header(name, version, doc)

    def _declaration(self, doc: Doc) -> None:
        c = self.c
        place = c.token.span
        doc += c.take_doc()
        if c.accept(";"):
            return
        if c.at_kind(Kind.END):
            return c.refuse_doc(doc, place)
        parse_one = self._by_word.get(c.token.text) if c.at_kind(Kind.NAME) else None
        if parse_one is None:
            hint = did_you_mean(c.token.text, DECLARATION_WORDS)
            words = ", ".join(w for w in DECLARATION_WORDS if w != "protocol")
            if c.at("}"):
                raise c.fail("this '}' closes nothing")
            raise c.fail(f"expected a declaration ({words}), found {c.token}{hint}")
        if c.at("import") or c.at("reserved"):
            c.refuse_doc(doc, place)
        c.take()
        declaration = parse_one(doc)
        if declaration is not None:
            self.declarations.append(declaration)

    def _second_header(self, doc: Doc) -> Optional[Declaration]:
        raise self.c.fail("a file declares one protocol, in its first line", self.c.previous.span)

    # -- small declarations -------------------------------------------------------------------

    def _import(self, doc: Doc) -> Optional[Declaration]:
        c = self.c
        if self.declarations:
            text = "imports stand before all declarations; move this one up"
            c.fail(text, c.previous.span, "import-order")
        path, span = c.expect_string("the path of a schema")
        self.imports.append(ImportNode(path, span))
        c.end_statement("the import")
        return None

    def _const(self, doc: Doc) -> Declaration:
        c = self.c
        name = c.expect_name("the constant's name")
        c.expect("=", f"and a value after 'const {name.text}'")
        value = c.expect_expr("the constant's value")
        c.end_statement(f"constant '{name.text}'")
        return ConstNode(name, value, doc)

    def _reserved(self, doc: Doc) -> Declaration:
        c = self.c
        ids: list[tuple[Expr, Expr]] = []
        names: list[Name] = []
        while True:
            if c.at_kind(Kind.STRING):
                text, span = c.expect_string("a name")
                names.append(Name(text, span))
            else:
                low = c.expect_expr("an id or a name in double quotes")
                ids.append((low, c.expect_expr("the last id") if c.accept("..") else low))
            if not c.accept(","):
                break
        c.end_statement("what is reserved")
        return ReservedNode(tuple(ids), tuple(names))

    # -- structs and enums --------------------------------------------------------------------

    def _struct(self, doc: Doc) -> Declaration:
        name = self.c.expect_name("the struct's name")
        modifiers = parse_modifiers(self.c, "a struct", ("depth", "max"))
        fields = parse_fields(self.c, f"struct '{name.text}'")
        return StructNode(name, modifiers.depth, modifiers.max, fields, doc)

    def _enum(self, doc: Doc) -> Declaration:
        c = self.c
        name = c.expect_name("the enum's name")
        modifiers = parse_modifiers(c, "an enum", ("depth", "max"))
        variants: list[VariantNode] = []

        def statement() -> None:
            place = c.token.span
            variant_doc = c.take_doc()
            if variant_doc and skip_doc_before_brace(c, place):
                return
            variants.append(self._variant(variant_doc))

        complete = parse_block(c, f"enum '{name.text}'", statement)
        return EnumNode(name, modifiers.depth, modifiers.max, tuple(variants), doc, complete)

    def _variant(self, doc: Doc) -> VariantNode:
        c = self.c
        name = c.expect_name("a variant's name")
        index = parse_id(c, name, "its index")
        fields: tuple[FieldNode, ...] = ()
        if c.at("{"):
            fields = parse_fields(c, f"variant '{name.text}'")
        elif c.at("("):
            raise c.fail(f"fields have names: write '{name.text} = ... {{ name: type; }}'")
        modifiers = parse_modifiers(c, "a variant", ("since", "deprecated"))
        if c.at("{") and not fields:
            raise c.fail("a variant's fields stand directly behind its index")
        c.end_statement(f"variant '{name.text}'")
        return VariantNode(name, index, fields, modifiers.since, modifiers.deprecated, doc)

    # -- messages and requests ----------------------------------------------------------------

    def _message(self, doc: Doc) -> Declaration:
        c = self.c
        name = c.expect_name("the message's name")
        number = parse_id(c, name, "its id")
        allowed = ("stream", "secret", "since", "deprecated")
        m = parse_modifiers(c, "a message", allowed)
        fields = parse_fields(c, f"message '{name.text}'")
        if c.at("->"):
            text = f"a message has no reply; write 'request {name.text}' instead of 'message'"
            raise c.fail(text)
        return MessageNode(
            name, number, m.stream, m.secret, m.since, m.deprecated, fields, None, None, doc
        )

    def _request(self, doc: Doc) -> Declaration:
        c = self.c
        name = c.expect_name("the request's name")
        number = parse_id(c, name, "its id")
        m = parse_modifiers(c, "a request", ("secret", "since", "deprecated"))
        fields = parse_fields(c, f"request '{name.text}'")
        c.expect("->", f"and the struct of the reply after request '{name.text}'")
        reply = c.expect_name("the struct of the reply")
        timeout = parse_modifiers(c, "a reply", ("timeout",)).timeout
        c.end_statement(f"request '{name.text}'")
        return MessageNode(
            name, number, False, m.secret, m.since, m.deprecated, fields, reply, timeout, doc
        )
