"""NAME.lock back to a protocol, as far as a release tells one.

The reader is lenient in nothing: the format has one spelling, written by ``lock_write``, and the
digest says whether anybody else wrote in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Optional

from ..diagnostics import Reporter
from ..model import (
    BitField,
    Conversation,
    Decl,
    Enum,
    Field,
    Message,
    Packet,
    PacketBytes,
    PacketField,
    PacketInt,
    Protocol,
    Rule,
    Side,
    Span,
    State,
    Struct,
    Variant,
)
from ..recursion import fields_of
from ..source import Source, read_source
from .lock_line import Line, Malformed
from .lock_types import read_type, read_value
from .lock_write import BEFORE_ANSWERS, FORMAT, INDENT, body_digest
from .release import names_in

HEADER_LINES = 3
"""The comment, the format's version, the digest."""


def read_lock(path: Path, display: str, reporter: Reporter) -> Optional[Protocol]:
    """The release that a file records; None (and a report) if it records none."""
    source = read_source(path, display, reporter)
    if source is None:
        return None
    try:
        return _Reader(source).run()
    except Malformed as error:
        reporter.error(error.span, "lock-format", f"{error}; record the release again")
        return None


@dataclass
class _Node:
    """A line and those indented below it."""

    line: Line
    children: list["_Node"] = field(default_factory=list)


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.waits = True  # whether the moves of requests wait for their answers

    def run(self) -> Protocol:
        """All of the file."""
        digest = self._header()
        nodes = self._tree()
        if not nodes:
            raise Malformed("the release is missing", self.source.span(1, 1))
        first = nodes[0].line
        first.word("protocol")
        name = first.name()
        first.word("version")
        version = first.integer()
        first.end()
        p = Protocol(
            name=name, version=version, doc=(), span=self.source.span(HEADER_LINES + 1, 1),
            types={}, messages=(), packets=(), conversations=(), consts={}, imports=(),
            source=self.source.display, digest=digest,
        )  # fmt: skip
        for node in nodes[1:]:
            p = self._declaration(p, node)
        self._check_names(p)
        return p

    def _check_names(self, p: Protocol) -> None:
        """All types that anything mentions are there, and replies are structs."""
        owners = [(m.fields, m.span) for m in p.messages]
        owners += [(fields_of(decl), decl.span) for decl in p.types.values()]
        for fields, span in owners:
            for name in names_in(fields):
                if name not in p.types:
                    raise Malformed(f"there is no type '{name}'", span)
        for m in p.messages:
            if m.reply is not None and not isinstance(p.types.get(m.reply), Struct):
                raise Malformed(f"there is no struct '{m.reply}'", m.span)

    def _header(self) -> str:
        lines = self.source.lines
        span = self.source.span(1, 1)
        if len(lines) < HEADER_LINES or not re.fullmatch(r"lock \d{1,9}", lines[1]):
            raise Malformed("this is no lock file", span)
        if int(lines[1][5:]) > FORMAT:
            raise Malformed("a newer npgen wrote this; use that one", self.source.span(2, 1))
        self.waits = int(lines[1][5:]) > BEFORE_ANSWERS
        body = "\n".join(lines[HEADER_LINES:])
        if lines[2] != f"digest {body_digest(body)}":
            text = "the digest is not that of the text below: it was edited or merged by hand"
            raise Malformed(text, self.source.span(3, 1))
        return lines[2].removeprefix("digest ")

    def _tree(self) -> list[_Node]:
        roots: list[_Node] = []
        open_: list[_Node] = []
        for number, text in enumerate(self.source.lines[HEADER_LINES:], HEADER_LINES + 1):
            if not text:
                continue
            stripped = text.lstrip(" ")
            level, rest = divmod(len(text) - len(stripped), len(INDENT))
            span = self.source.span(number, len(text) - len(stripped) + 1, len(stripped))
            if rest or level > len(open_):
                raise Malformed("the line is indented wrongly", span)
            node = _Node(Line(stripped, span))
            del open_[level:]
            (open_[-1].children if open_ else roots).append(node)
            open_.append(node)
        return roots

    # -- declarations -------------------------------------------------------------------------

    def _declaration(self, p: Protocol, node: _Node) -> Protocol:
        line = node.line
        kind = line.name()
        if kind == "const":
            name = line.name()
            line.symbol("=")
            return replace(p, consts={**p.consts, name: line.last_integer()})
        if kind == "reserved":
            return self._reserved(p, line)
        if kind in ("struct", "enum"):
            decl = self._type(p, kind, node)
            return replace(p, types={**p.types, decl.name: decl})
        if kind in ("message", "request"):
            return replace(p, messages=(*p.messages, self._message(p, kind, node)))
        if kind == "packet":
            return replace(p, packets=(*p.packets, self._packet(p, node)))
        if kind == "conversation":
            return replace(p, conversations=(*p.conversations, self._conversation(p, node)))
        raise line.malformed(f"'{kind}' is nothing that a release records")

    def _reserved(self, p: Protocol, line: Line) -> Protocol:
        if line.at_string():
            name = line.string()
            line.end()
            return replace(p, reserved_names=(*p.reserved_names, name))
        low = high = line.integer()
        if line.accept(".."):
            high = line.integer()
        line.end()
        return replace(p, reserved_ids=(*p.reserved_ids, (low, high)))

    def _type(self, p: Protocol, kind: str, node: _Node) -> Decl:
        line = node.line
        name = line.name()
        depth = line.integer() if line.accept("depth") else None
        max_len = line.integer() if line.accept("max") else None
        line.end()
        if kind == "struct":
            return Struct(name, self._fields(node), (), line.span, depth, max_len, p.name)
        variants = tuple(self._variant(child) for child in node.children)
        return Enum(name, variants, (), line.span, depth, max_len, p.name)

    def _variant(self, node: _Node) -> Variant:
        line = node.line
        line.word("variant")
        index = line.integer()
        name = line.name()
        since = line.integer() if line.accept("since") else 1
        line.end()
        return Variant(name, index, self._fields(node), (), line.span, since)

    def _fields(self, node: _Node) -> tuple[Field, ...]:
        return tuple(self._field(child) for child in node.children)

    def _field(self, node: _Node) -> Field:
        line = node.line
        line.word("field")
        name = line.name()
        line.symbol(":")
        result = Field(name, read_type(line), (), line.span)
        if line.accept("since"):
            since = line.integer()
            line.symbol("=")
            result = replace(result, since=since, default=read_value(line, result.type))
        line.end()
        return result

    def _message(self, p: Protocol, kind: str, node: _Node) -> Message:
        line = node.line
        id_ = line.integer()
        name = line.name()
        stream = line.accept("stream")
        secret = line.accept("secret")
        since = line.integer() if line.accept("since") else 1
        reply: Optional[str] = None
        if kind == "request":
            line.symbol("->")
            reply = line.name()
        line.end()
        return Message(
            name, id_, self._fields(node), (), line.span, stream, secret, since, None, reply,
            None, p.name,
        )  # fmt: skip

    # -- packets ------------------------------------------------------------------------------

    def _packet(self, p: Protocol, node: _Node) -> Packet:
        name = node.line.name()
        node.line.end()
        fields = tuple(self._packet_field(child) for child in node.children)
        lengths = {f.length_field: f.name for f in fields if isinstance(f, PacketBytes)}
        linked: list[PacketField] = []
        for f in fields:
            if isinstance(f, PacketInt):
                f = replace(f, length_of=lengths.get(f.name))
            linked.append(f)
        return Packet(name, tuple(linked), (), node.line.span, p.name)

    def _packet_field(self, node: _Node) -> PacketField:
        line = node.line
        line.word("field")
        name = line.name()
        line.symbol(":")
        word = line.name()
        if word == "bytes":
            line.symbol("[")
            at_count = line.at_number()
            count = line.integer() if at_count else None
            length_field = None if at_count else line.name()
            line.symbol("]")
            line.end()
            return PacketBytes(name, count, length_field, (), line.span)
        match = re.fullmatch(r"(u|i|flags)(8|16|24|32|64)(be|le|)", word)
        if match is None:
            raise line.malformed(f"packets have no type '{word}'")
        lo: Optional[int] = None
        hi: Optional[int] = None
        if line.accept("range"):
            lo = line.integer()
            line.symbol("..")
            hi = line.integer()
        elif line.accept("min"):
            lo = line.integer()
        elif line.accept("max"):
            hi = line.integer()
        const = line.integer() if line.accept("=") else None
        line.end()
        signed, big = match[1] == "i", match[3] != "le"
        parts = self._parts(node)
        return PacketInt(name, int(match[2]), signed, big, (), line.span, const, lo, hi, parts)

    def _parts(self, node: _Node) -> tuple[BitField, ...]:
        parts: list[BitField] = []
        shift = 0
        for child in node.children:
            line = child.line
            line.word("part")
            name = line.name()
            line.symbol(":")
            bits = line.integer()
            const = line.integer() if line.accept("=") else None
            line.end()
            parts.append(BitField(name, shift, bits, const, (), line.span))
            shift += bits
        return tuple(parts)

    # -- conversations ------------------------------------------------------------------------

    def _conversation(self, p: Protocol, node: _Node) -> Conversation:
        line = node.line
        name = line.name()
        line.word("start")
        start = line.name()
        line.end()
        states = tuple(self._state(child) for child in node.children)
        known = {state.name for state in states}
        rules = [r for state in states for r in state.rules]
        targets = {t for r in rules for t in (r.target, r.refused) if t is not None}
        for target in sorted(targets | {start}):
            if target not in known:
                raise line.malformed(f"there is no state '{target}'")
        requests = {m.name for m in p.messages if m.reply is not None and self.waits}
        return Conversation(name, start, states, (), line.span, frozenset(requests))

    def _state(self, node: _Node) -> State:
        line = node.line
        kind = line.name()
        if kind not in ("state", "final"):
            raise line.malformed(f"'{kind}' is no part of a conversation")
        name = line.name()
        within: Optional[int] = None
        if line.accept("within"):
            within = line.integer()
            line.word("ms")
        line.end()
        rules = tuple(self._rule(child) for child in node.children)
        return State(name, rules, within, kind == "final", (), line.span)

    def _rule(self, node: _Node) -> Rule:
        line = node.line
        word = line.name()
        if word not in {side.value for side in Side}:
            raise line.malformed(f"'{word}' is no side")
        messages = () if line.accept("*") else (line.name(),)
        refused: Optional[str] = None
        answered = line.accept("answered")
        target = line.name() if line.accept("->") else None
        if answered:
            line.word("refused")
            line.symbol("->")
            refused = line.name()
        line.end()
        return Rule(Side(word), messages, target, line.span, refused)
