"""``npgen lint``: what is legal, but what its author will want to write differently.

Warnings look like errors and have rule names of their own (``rules.LINTS``). They are about the
file given, not about its imports.
"""

from __future__ import annotations

import re
from dataclasses import fields as dataclass_fields, is_dataclass
from typing import Iterator, Union

from .crossing import crossings
from .diagnostics import Reporter, TooManyErrors
from .machine import SIDES
from .model import (
    INT_BITS,
    Array,
    Conversation,
    Enum,
    Field,
    List,
    Map,
    Message,
    Option,
    Protocol,
    Scalar,
    Span,
    Struct,
    Text,
    Tuple,
    Type,
)
from .names import snake
from .places import Places, places_of
from .recursion import edges_of
from .scope import Unit
from .spell import duration
from .syntax import ConstNode, Expr

LARGE_BOUND = 1 << 20

DEFAULT_TIMEOUT_MS = 30_000
"""What the runtime gives a request whose schema states none (netproto/conn.h, call_timeout_ms)."""

_NEGATION = re.compile(r"(?:not|no|non|disable|disabled|without)(?:_.*)?|is_not_.*")
_TIMES = re.compile(r"(?:.*_)?(?:timeout|delay|interval|duration|ttl|latency|uptime)")

Owner = Union[Struct, Enum, Message]


def lint(protocol: Protocol, unit: Unit, reporter: Reporter) -> None:
    """Report all warnings about a protocol without errors."""
    try:
        _Linter(protocol, unit, reporter).run()
    except TooManyErrors:
        pass  # the first hundreds are enough to begin with


def lint_unmentioned(protocol: Protocol, unit: Unit, reporter: Reporter) -> None:
    """Only the warning that ``check`` and ``gen`` give too: a message that can never be sent."""
    try:
        _Linter(protocol, unit, reporter).unmentioned()
    except TooManyErrors:
        pass


class _Linter:
    def __init__(self, protocol: Protocol, unit: Unit, reporter: Reporter) -> None:
        self.protocol = protocol
        self.unit = unit
        self.warn = reporter.error
        self.types = [d for d in protocol.types.values() if protocol.own(d)]
        self.messages = [m for m in protocol.messages if protocol.own(m)]

    def run(self) -> None:
        """All warnings, declaration by declaration, then those about the whole."""
        for decl in self.types:
            self._doc("enum" if isinstance(decl, Enum) else "struct", decl.name, decl)
            if isinstance(decl, Struct):
                self._fields(decl.name, decl.fields)
            else:
                self._enum(decl)
        for message in self.messages:
            self._message(message)
        for packet in self.protocol.packets:
            if self.protocol.own(packet) and not packet.doc:
                text = f"packet '{packet.name}' has no doc comment ('/// ...' before it)"
                self.warn(packet.span, "doc-missing", text)
        for span, text in self.unit.rounded:
            self.warn(span, "float-rounded", text)
        self._unused()
        self._id_order()
        for conversation in self.protocol.conversations:
            self._stuck(conversation)
            self._places(conversation)
        self.unmentioned()

    # -- declarations -------------------------------------------------------------------------

    def _doc(self, what: str, name: str, decl: Owner) -> None:
        if not decl.doc:
            text = f"{what} '{name}' has no doc comment ('/// ...' before it)"
            self.warn(decl.span, "doc-missing", text)

    def _deprecated(self, what: str, reason: str | None, span: Span) -> None:
        if reason == "":
            text = f"say what replaces {what}: 'deprecated \"use ...\"'"
            self.warn(span, "deprecated-reason", text)

    def _enum(self, enum: Enum) -> None:
        for variant in enum.variants:
            self._redundant(enum.name, variant.name, variant.span)
            self._deprecated(f"variant '{variant.name}'", variant.deprecated, variant.span)
            self._fields(variant.name, variant.fields)

    def _message(self, message: Message) -> None:
        self._doc("request" if message.reply else "message", message.name, message)
        self._deprecated(f"'{message.name}'", message.deprecated, message.span)
        self._fields(message.name, message.fields)
        for field in message.fields:
            if isinstance(field.type, Text) and field.type.max > LARGE_BOUND and not message.stream:
                text = (
                    f"field '{field.name}' may have {field.type.max} bytes, which both sides keep"
                    " as a whole; a 'stream' message passes them on in chunks"
                )
                self.warn(field.span, "large-bound", text)

    def _fields(self, owner: str, fields: tuple[Field, ...]) -> None:
        for field in fields:
            self._redundant(owner, field.name, field.span)
            self._deprecated(f"field '{field.name}'", field.deprecated, field.span)
            if _has_byte_list(field.type):
                text = f"field '{field.name}' is a list<u8>; 'bytes' is the same on the wire"
                self.warn(field.span, "bytes-as-list", f"{text} and a plain view in C")
            if not isinstance(field.type, Scalar):
                continue
            if field.type.kind == "bool" and _NEGATION.fullmatch(field.name):
                text = f"'{field.name}' is true when something is not; name the positive"
                self.warn(field.span, "negative-name", text)
            if field.type.kind in INT_BITS and _TIMES.fullmatch(field.name):
                text = f"'{field.name}' does not tell its unit; write for example"
                self.warn(field.span, "unit-missing", f"{text} '{field.name}_ms'")

    def _redundant(self, owner: str, name: str, span: Span) -> None:
        prefix = snake(owner) + "_"
        if snake(name).startswith(prefix):
            short = snake(name)[len(prefix) :]
            text = f"'{name}' repeats the name of '{owner}'; write '{short}'"
            self.warn(span, "redundant-name", text)

    # -- the whole ----------------------------------------------------------------------------

    def _unused(self) -> None:
        used: set[str] = set()
        for decl in self.types:
            used.update(edge.target for edge in edges_of(decl) if edge.target != decl.name)
        for message in self.messages:
            carrier = Struct(message.name, message.fields, (), message.span)
            used.update(edge.target for edge in edges_of(carrier))
            used.add(message.reply or "")
        if self.messages:  # otherwise it is a file of types for others to import
            for decl in self.types:
                if decl.name not in used:
                    what = "enum" if isinstance(decl, Enum) else "struct"
                    self.warn(decl.span, "unused", f"no message contains {what} '{decl.name}'")
        names = {str(e.value) for e in _expressions(self.unit.schema) if e.kind == "name"}
        for node in self.unit.schema.declarations:
            if isinstance(node, ConstNode) and node.name.text not in names and not node.doc:
                text = f"nothing in this file uses constant '{node.name.text}'"
                hint = "document it with '///' if others do"
                self.warn(node.name.span, "unused", f"{text}; {hint}")

    def _id_order(self) -> None:
        highest = -1
        for message in sorted(self.messages, key=lambda m: (m.span.line, m.span.column)):
            if message.id < highest:
                text = f"'{message.name}' = {message.id} stands after id {highest}; sort by id"
                self.warn(message.span, "id-order", text)
            highest = max(highest, message.id)

    def _stuck(self, conversation: Conversation) -> None:
        for state in conversation.states:
            if not state.final and not state.rules:
                text = f"nothing can be said in state '{state.name}'; write 'final {state.name};'"
                self.warn(state.span, "state-stuck", text)

    def _places(self, conversation: Conversation) -> None:
        places = places_of(self.protocol, conversation)
        for side in SIDES:
            if places.machine.moving(side):  # then what crosses is an error
                self._waiting(places)
                return
        for span, text in crossings(places):
            self.warn(span, "messages-cross", text)

    def _waiting(self, places: Places) -> None:
        """States in which an answer is waited for, whatever it takes."""
        timeouts = {m.name: m.timeout_ms for m in self.messages}
        waits: dict[str, dict[str, None]] = {}
        for place in places.reached():
            for request in (place.client, place.server):
                if request is not None:
                    waits.setdefault(place.state, {})[request] = None
        for state in places.machine.states.values():
            for request in sorted(waits.get(state.name, {})):
                timeout = timeouts[request] or DEFAULT_TIMEOUT_MS
                if state.final or (state.within_ms or 0) >= timeout:
                    continue
                text = f"in state '{state.name}' '{request}' may wait for its answer"
                text += " for ever" if state.within_ms is None else " longer than 'within' allows"
                text += f"; write 'within {duration(timeout)};' or more"
                self.warn(state.span, "waits-without-end", text)

    def unmentioned(self) -> None:
        """Messages that no conversation mentions, although there is one."""
        rules = [r for c in self.protocol.conversations for s in c.states for r in s.rules]
        if not rules or any(rule.wildcard for rule in rules):
            return
        named = {name for rule in rules for name in rule.messages}
        for message in self.messages:
            if message.name not in named and message.origin != "base":
                text = f"no conversation mentions '{message.name}', so it is never legal; write"
                text += f" 'either {message.name};' ('client', 'server': one side only) in a state"
                text += " where it may come"
                self.warn(message.span, "unmentioned", text)


def _has_byte_list(type_: Type) -> bool:
    if isinstance(type_, List):
        item = type_.item
        plain = isinstance(item, Scalar) and item.kind == "u8" and item.lo is None
        return (plain and isinstance(item, Scalar) and item.hi is None) or _has_byte_list(item)
    if isinstance(type_, (Option, Array)):
        return _has_byte_list(type_.item)
    if isinstance(type_, Map):
        return _has_byte_list(type_.value)
    return isinstance(type_, Tuple) and any(_has_byte_list(item) for item in type_.items)


def _expressions(node: object) -> Iterator[Expr]:
    """All expressions below a node of the syntax tree."""
    if isinstance(node, Expr):
        yield node
    elif isinstance(node, tuple):
        for item in node:
            yield from _expressions(item)
    elif is_dataclass(node):
        for f in dataclass_fields(node):
            yield from _expressions(getattr(node, f.name))
