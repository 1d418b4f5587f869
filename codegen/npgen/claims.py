"""Which C names a protocol claims: the table behind the rule ``name-collision``.

The emitters make names by putting schema names together (``chat_say_tags``), so different parts may
give the same whole. Everything an emitter defines at file scope is listed here; a new emitter that
defines more adds its words. Listing a few too many costs a user a rename, one too few a build.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator

from .model import (
    Array,
    Decl,
    Enum,
    Field,
    List,
    Map,
    Message,
    Option,
    Packet,
    PacketInt,
    Protocol,
    Ref,
    Scalar,
    Span,
    Text,
    Tuple,
    Type,
    Unit,
)
from .names import snake, upper

CODEC_WORDS = (
    "encoded_len", "encoded_len_at", "encode", "encode_at", "decode", "decode_at", "copy",
    "codec", "next", "measure", "put", "read", "measure_whole", "read_whole", "measure_deeper",
    "read_deeper", "item_read", "read_item", "type", "fields", "variants", "range", "since",
    "sort", "ascends",
)  # fmt: skip
"""Functions and tables of every type."""

_TABLES = frozenset(("codec", "type", "fields", "variants", "range"))
"""Those of the words above that name tables; the others name functions."""

MESSAGE_WORDS = ("send", "begin", "call", "call_wait", "reply", "done", "run", "run_pieces", "take")
"""Functions and types of every message on top of that."""

PROTOCOL_WORDS = (
    "protocol", "messages", "handlers", "dispatch", "dispatch_table", "run_fn", "service",
    "conversations", "digests", "parser_step", "parser_state",
)  # fmt: skip
"""Names that a protocol has once."""


@dataclass(frozen=True)
class Claim:
    """A C name, who needs it, and where that stands."""

    c_name: str
    owner: str
    span: Span
    declared: str = ""  # the owner's name, where it is one of the schema's shared names
    kind: str = ""  # "a function", where the name is none that the schema has, but made from one


def claims(p: Protocol) -> Iterator[Claim]:
    """All names of the protocol and its imports."""
    for word in PROTOCOL_WORDS:
        yield Claim(f"{p.name}_{word}", "the protocol", p.span)
    yield Claim(f"{upper(p.name)}_VERSION", "the protocol's version", p.span)
    for guard in ("GENERATED_H", "SCHEMA_GENERATED_H", "SERVICE_GENERATED_H"):
        yield Claim(f"{upper(p.name)}_{guard}", "a header's guard", p.span)
    for decl in p.types.values():
        yield from _decl(decl)
    for message in p.messages:
        yield from _message(message)
    for packet in p.packets:
        yield from _packet(packet)
    for conversation in p.conversations:
        path = f"{p.name}_{conversation.name}"
        owner = f"conversation '{conversation.name}'"
        yield from _all(path, ("", "states", "places", "step"), owner, conversation.span)
        for state in conversation.states:
            yield Claim(upper(f"{path}_{state.name}"), f"state '{state.name}'", state.span)


def const_claim(p: Protocol, name: str, span: Span) -> Claim:
    """The name of a constant (which has no span in the model)."""
    return Claim(f"{upper(p.name)}_{name}", f"constant '{name}'", span)


def _all(
    path: str, words: tuple[str, ...], owner: str, span: Span, declared: str = ""
) -> Iterator[Claim]:
    for word in words:
        yield Claim(f"{path}_{word}" if word else path, owner, span, declared, _kind(word))


def _kind(word: str) -> str:
    """What a name is that ends in such a word; nothing if it has none, or speaks for itself."""
    if word in CODEC_WORDS:
        return "a table" if word in _TABLES else "a function"
    if word.isupper():
        return "a constant"
    return "a name" if word else ""


def _decl(decl: Decl) -> Iterator[Claim]:
    path = f"{decl.origin}_{snake(decl.name)}"
    what = "enum" if isinstance(decl, Enum) else "struct"
    words = ("", "list", "option", *CODEC_WORDS)
    yield from _all(path, words, f"{what} '{decl.name}'", decl.span, decl.name)
    if not isinstance(decl, Enum):
        yield from _fields(path, decl.fields, decl.name)
        return
    if not decl.plain:
        yield Claim(f"{path}_tag", f"enum '{decl.name}'", decl.span)
    for variant in decl.variants:
        owner = f"variant '{variant.name}'"
        yield Claim(f"{upper(path)}_{upper(variant.name)}", owner, variant.span)
        if variant.fields:
            inner = f"{path}_{snake(variant.name)}"
            yield from _all(inner, ("", *CODEC_WORDS), owner, variant.span)
            yield from _fields(inner, variant.fields, variant.name)


def _message(message: Message) -> Iterator[Claim]:
    path = f"{message.origin}_{snake(message.name)}"
    words = ("", *CODEC_WORDS, *MESSAGE_WORDS)
    owner = f"{'request' if message.reply else 'message'} '{message.name}'"
    yield from _all(path, words, owner, message.span, message.name)
    yield from _all(upper(path), ("ID", "MAX_LEN", "MESSAGE", "SINCE"), owner, message.span)
    pieces = ("begin", "data", "end") if message.stream else ()
    yield from _all(f"on_{snake(message.name)}", ("", *pieces), owner, message.span)
    yield from _fields(path, message.fields, message.name)


def _packet(packet: Packet) -> Iterator[Claim]:
    path = f"{packet.origin}_{packet.name}"
    owner = f"packet '{packet.name}'"
    yield from _all(path, ("", "put", "read", "parse", "parser", "parser_init"), owner, packet.span)
    yield Claim(f"{upper(path)}_HEADER_LEN", owner, packet.span)
    for field in packet.fields:
        owner = f"field '{field.name}' of packet '{packet.name}'"
        if isinstance(field, PacketInt) and field.const is not None:
            yield Claim(f"{upper(path)}_{upper(field.name)}", owner, field.span)
        elif isinstance(field, PacketInt) and field.hi is not None:
            yield Claim(f"{upper(path)}_{upper(field.name)}_MAX", owner, field.span)


def _fields(path: str, fields: tuple[Field, ...], owner: str) -> Iterator[Claim]:
    """The names that nameless types take from the fields they stand in."""
    for field in fields:
        inner = f"{path}_{snake(field.name)}"
        yield from _nameless(inner, field.type, f"field '{field.name}' of '{owner}'", field.span)


def _nameless(
    path: str, type_: Type, owner: str, span: Span, is_item: bool = False
) -> Iterator[Claim]:
    if isinstance(type_, (List, Option)):
        if not isinstance(type_.item, (Scalar, Text, Unit, Ref)):  # those have types of their own
            yield from _all(path, ("", *CODEC_WORDS), owner, span)
        word = "item" if isinstance(type_, List) else "value"
        yield from _nameless(f"{path}_{word}", type_.item, owner, span, word == "item")
    elif isinstance(type_, Map):
        yield from _all(path, ("", *CODEC_WORDS), owner, span)
        yield from _all(f"{path}_entry", ("", *CODEC_WORDS), owner, span)
        yield from _nameless(f"{path}_key", type_.key, owner, span)
        yield from _nameless(f"{path}_value", type_.value, owner, span)
    elif isinstance(type_, Array):
        if is_item:  # C has no place for an array there, so it is wrapped
            yield from _all(path, ("", *CODEC_WORDS), owner, span)
        yield from _nameless(f"{path}_item", type_.item, owner, span, True)
    elif isinstance(type_, Tuple):
        yield from _all(path, ("", *CODEC_WORDS), owner, span)
        for i, item in enumerate(type_.items):
            yield from _nameless(f"{path}_{i}", item, owner, span)
