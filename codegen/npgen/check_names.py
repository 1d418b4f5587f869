"""Rules about names: their style, words that C takes, names that are reserved or collide."""

from __future__ import annotations

import re
from typing import Iterable, Iterator

from . import taken
from .check_messages import BASE
from .claims import Claim, claims, const_claim
from .diagnostics import Reporter
from .model import Enum, Field, Protocol, Span
from .names import (
    C_HEADERS,
    C_KEYWORDS,
    CONST_NAME,
    CXX_KEYWORDS,
    C_TYPES,
    FOREIGN_PREFIXES,
    HANDLER_PREFIX,
    MACROS,
    MAX_NAME,
    TYPE_NAME,
    UNUSABLE,
    UPPER_MACROS,
    VALUE_NAME,
    snake,
    takes_files,
)
from .parse_conversation import ANY_STATE
from .parse_packet import RESERVED_WORDS
from .recursion import fields_of
from .scope import Unit, kind_of
from .syntax import (
    ConstNode,
    ConversationNode,
    EnumNode,
    FieldNode,
    MessageNode,
    Name,
    PacketFieldNode,
    PacketNode,
    StructNode,
)

BASE_MESSAGES = {("Disconnect", 6), ("Hello", 9), ("Welcome", 10)}
"""What netproto's own schema is told by."""

_EXAMPLES = {"CamelCase": TYPE_NAME, "snake_case": VALUE_NAME, "UPPER_CASE": CONST_NAME}


def check_names(protocol: Protocol, root: Unit, reporter: Reporter) -> None:
    """All rules about names, in all files."""
    for unit in root.closure:
        _Names(unit, reporter).run()
    _check_protocol_names(root, reporter)
    _check_reserved(protocol, root, reporter)
    found = [*claims(protocol), *_const_claims(protocol, root)]
    _check_collisions(found, root, reporter)
    _check_taken(found, reporter)
    _check_hidden(protocol, found, reporter)


class _Names:
    """Style and keywords of one file."""

    def __init__(self, unit: Unit, reporter: Reporter) -> None:
        self.unit = unit
        self.reporter = reporter

    def run(self) -> None:
        """Every name that the file declares."""
        header = self.unit.schema.header
        if header is not None:
            self._style(header.name, "a protocol", "snake_case")
            self._prefix(header.name)
        for node in self.unit.schema.declarations:
            if isinstance(node, ConstNode):
                self._style(node.name, "a constant", "UPPER_CASE")
            elif isinstance(node, StructNode):
                self._style(node.name, "a struct", "CamelCase")
                self._fields(node.fields)
            elif isinstance(node, EnumNode):
                self._style(node.name, "an enum", "CamelCase")
                self._variants(node)
            elif isinstance(node, MessageNode):
                self._style(node.name, kind_of(node), "CamelCase")
                self._fields(node.fields)
            elif isinstance(node, PacketNode):
                self._packet(node)
            elif isinstance(node, ConversationNode):
                self._conversation(node)

    def _style(self, name: Name, what: str, style: str) -> bool:
        if len(name.text) > MAX_NAME:
            text = f"a name has at most {MAX_NAME} characters, this one {len(name.text)}"
            self.reporter.error(name.span, "name-style", text)
            return False
        if _EXAMPLES[style].fullmatch(name.text):
            return True
        better = in_style(name.text, style)
        hint = f"; write '{better}'" if better and better != name.text else ""
        text = f"{what} is named in {style}, not '{name.text}'{hint}"
        self.reporter.error(name.span, "name-style", text)
        return False

    def _is_base(self) -> bool:
        """Whether this is netproto's own schema, of whatever version."""
        messages = (n for n in self.unit.schema.declarations if isinstance(n, MessageNode))
        return BASE_MESSAGES <= {(n.name.text, n.id.value) for n in messages}

    def _prefix(self, name: Name) -> None:
        if name.text in C_HEADERS:
            text = f"a protocol '{name.text}' would hide the system's <{name.text}.h>; rename it"
            self.reporter.error(name.span, "keyword", text)
            return
        if name.text == BASE and not self._is_base():
            text = f"'{BASE}' is the protocol of netproto itself, in whose <{BASE}.h> a program finds it"
            self.reporter.error(name.span, "keyword", f"{text}; rename this one")
            return
        prefix = name.text.split("_")[0]
        if prefix in FOREIGN_PREFIXES:
            text = f"the prefix '{prefix}_' belongs to a library; rename the protocol"
            self.reporter.error(name.span, "keyword", text)
        elif prefix == HANDLER_PREFIX:
            text = "the prefix 'on_' is that of handlers, which would hide types in C++"
            self.reporter.error(name.span, "keyword", f"{text}; rename the protocol")

    def _usable(self, name: Name, what: str) -> None:
        text = snake(name.text)
        if text not in UNUSABLE:
            if UPPER_MACROS.fullmatch(name.text):
                self._refuse_macro(name, what, name.text)
            return
        if text in MACROS:
            self._refuse_macro(name, what, text)
            return
        language = "C" if text in C_KEYWORDS else "C++"
        assert text in C_KEYWORDS or text in CXX_KEYWORDS
        report = f"{what} cannot be named '{text}', a keyword of {language}"
        self.reporter.error(name.span, "keyword", f"{report}; write for example '{text}_value'")

    def _no_type(self, name: Name) -> None:
        if C_TYPES.fullmatch(name.text):
            text = f"a field cannot be named '{name.text}', a type of the generated code"
            self.reporter.error(name.span, "keyword", f"{text}; write for example '{name.text}_value'")

    def _refuse_macro(self, name: Name, what: str, macro: str) -> None:
        report = f"{what} cannot be named '{macro}', a macro of C's headers"
        self.reporter.error(name.span, "keyword", f"{report}; write for example '{macro}_value'")

    def _fields(self, fields: tuple[FieldNode, ...]) -> None:
        for field in fields:
            if self._style(field.name, "a field", "snake_case"):
                self._usable(field.name, "a field")
                self._no_type(field.name)

    def _variants(self, node: EnumNode) -> None:
        for variant in node.variants:
            name = variant.name
            if len(name.text) > MAX_NAME or not TYPE_NAME.fullmatch(name.text):
                if not self._style(name, "a variant", "snake_case"):
                    continue
            if variant.fields:  # it is a member of the union; others are only constants
                self._usable(name, "a variant with data")
            self._fields(variant.fields)

    def _packet(self, node: PacketNode) -> None:
        self._style(node.name, "a packet", "snake_case")
        self._parts(node)
        for field in node.fields:
            names = [(field.name, "a field")]
            names += [(part.name, "a part") for part in field.parts or ()]
            for name, what in names:
                if name.text in RESERVED_WORDS:
                    continue  # the parser has refused it
                if self._style(name, what, "snake_case"):
                    self._usable(name, what)
                    self._no_type(name)

    def _parts(self, node: PacketNode) -> None:
        """A part is a member of the packet's struct: FIELD_PART. The later of two is reported."""
        seen: dict[str, tuple[Name, str]] = {}

        def member(whole: str, name: Name, what: str) -> None:
            other, known = seen.setdefault(whole, (name, what))
            if other is not name and what != known:
                text = f"{what} and {known} (line {other.span.line}) would both be '{whole}' in C"
                self.reporter.error(name.span, "name-collision", f"{text}; rename one")

        for field in node.fields:
            if not field.parts and field.const is None:
                member(field.name.text, field.name, f"field '{field.name.text}'")
            for part in field.parts or ():
                if part.const is None:
                    whole = f"{field.name.text}_{part.name.text}"
                    self._usable(Name(whole, part.name.span), "a part")
                    member(whole, part.name, f"part '{part.name.text}' of '{field.name.text}'")

    def _conversation(self, node: ConversationNode) -> None:
        self._style(node.name, "a conversation", "snake_case")
        for state in node.states:
            if state.name.text != ANY_STATE:
                self._style(state.name, "a state", "snake_case")


def in_style(name: str, style: str) -> str:
    """The name as the style wants it; empty if it gives none."""
    words = [w for w in snake(re.sub(r"[^A-Za-z0-9]+", "_", name)).split("_") if w]
    if not words or not words[0][0].isalpha():
        return ""
    if style == "CamelCase":
        return "".join(w.capitalize() for w in words)
    return "_".join(words).upper() if style == "UPPER_CASE" else "_".join(words)


def _check_protocol_names(root: Unit, reporter: Reporter) -> None:
    seen: list[tuple[str, str]] = []
    for unit in root.closure:
        header, where = unit.schema.header, unit.source.display
        if header is not None:
            check_apart(seen, unit.name, where, header.name.span, reporter)
            seen.append((unit.name, where))
    packets: dict[str, Name] = {}
    conversations: dict[str, Name] = {}
    for node in root.schema.declarations:
        if isinstance(node, (PacketNode, ConversationNode)):
            known = packets if isinstance(node, PacketNode) else conversations
            first = known.setdefault(node.name.text, node.name)
            if first is not node.name:
                what = "packet" if isinstance(node, PacketNode) else "conversation"
                text = f"{what} '{first.text}' is already declared in line {first.span.line}"
                reporter.error(node.name.span, "duplicate-name", f"{text}; rename one")


def check_apart(
    others: Iterable[tuple[str, str]], name: str, source: str, span: Span, reporter: Reporter
) -> None:
    """Report a protocol whose C names or files would be those of others (name, source)."""
    for other, where in others:
        if other == name:
            # They would share the prefix of all their C names.
            text = f"{where} is a protocol '{name}', too; rename one"
            reporter.error(span, "duplicate-name", text)
        elif takes_files(other, name):
            text = f"protocol '{other}' ({where}) has files '{max(other, name, key=len)}.*', too"
            reporter.error(span, "file-collision", f"{text}; rename one of the two")


def _check_reserved(protocol: Protocol, root: Unit, reporter: Reporter) -> None:
    reserved = set(protocol.reserved_names)
    for node in root.named():
        if node.name.text in reserved:
            text = f"'{node.name.text}' is reserved, usually for what it once meant; rename it"
            reporter.error(node.name.span, "reserved-name", text)


def _const_claims(protocol: Protocol, root: Unit) -> Iterator[Claim]:
    for node in root.schema.declarations:
        if isinstance(node, ConstNode):
            yield const_claim(protocol, node.name.text, node.name.span)


def _check_collisions(found: list[Claim], root: Unit, reporter: Reporter) -> None:
    """Every C name has one owner. The later one in the file is reported, once per pair."""
    owners: dict[str, Claim] = {}
    reported: set[tuple[str, Span, str]] = set()
    rank = {unit.source.display: i for i, unit in enumerate(root.closure)}
    found = sorted(found, key=lambda c: (rank.get(c.span.file, 0), c.span.line, c.span.column))
    for claim in found:
        first = owners.setdefault(claim.c_name, claim)
        if first is claim or first.span == claim.span or first.owner == claim.owner:
            continue
        if claim.declared and claim.declared == first.declared:
            continue  # a duplicate-name, which is reported elsewhere
        pair = (first.owner, first.span, claim.owner)
        if pair in reported:
            continue
        reported.add(pair)
        where = f"{first.span.file}:{first.span.line}"
        if first.span.file == claim.span.file:
            where = f"line {first.span.line}"
        text = f"{claim.owner} and {first.owner} ({where}) would both be '{claim.c_name}' in C"
        # A name that stands nowhere in the schema is explained, since nobody would look for it.
        made = [f"{c.kind} made for {c.owner}" for c in (claim, first) if c.kind]
        text += "".join(f", {words}" for words in made)
        reporter.error(claim.span, "name-collision", f"{text}; rename one")


def _check_taken(found: list[Claim], reporter: Reporter) -> None:
    """A protocol's name and another, put together, may be a name of C's own: ``so`` and ``REUSEADDR``.
    One such name is reported for each part of the schema."""
    reported: set[tuple[str, Span]] = set()
    keywords = C_KEYWORDS | CXX_KEYWORDS
    for claim in found:
        name = claim.c_name
        if name.startswith(f"{HANDLER_PREFIX}_"):
            continue  # a member, which no other name is beside
        if name in keywords:
            what = f"a keyword of {'C' if name in C_KEYWORDS else 'C++'}"
        elif name in taken.whole():
            what = "a name of C's headers"
        else:
            continue
        if (claim.owner, claim.span) not in reported:
            reported.add((claim.owner, claim.span))
            made = f", {claim.kind} made for it" if claim.kind else ""
            text = f"{claim.owner} would be '{name}' in C, {what}{made}; rename it or the protocol"
            reporter.error(claim.span, "keyword", text)


def _check_hidden(protocol: Protocol, found: list[Claim], reporter: Reporter) -> None:
    """In C++ a member hides a type of its own name, which others of the struct may need."""
    types = {claim.c_name: claim.owner for claim in found if _is_type(claim)}
    members = [(f"field '{f.name}'", f.name, f.span) for f in _fields_of(protocol)]
    for decl in protocol.types.values():
        if isinstance(decl, Enum):
            members += [(f"variant '{v.name}'", snake(v.name), v.span)
                        for v in decl.variants if v.fields]  # fmt: skip
    for what, name, span in members:
        if name in types:
            text = f"{what} would hide the C type of {types[name]} in C++; rename one"
            reporter.error(span, "name-collision", text)


def _is_type(claim: Claim) -> bool:
    word = claim.c_name.rpartition("_")[2]
    if claim.c_name.startswith(f"{HANDLER_PREFIX}_"):
        return False
    return claim.c_name.islower() and (not claim.kind or word in ("list", "option"))


def _fields_of(protocol: Protocol) -> Iterator[Field]:
    for decl in protocol.types.values():
        yield from fields_of(decl)
    for message in protocol.messages:
        yield from message.fields
