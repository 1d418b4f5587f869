"""What of a protocol a release promises: its own messages, and all types that they can carry."""

from __future__ import annotations

from typing import Iterable, Iterator

from ..model import (
    Array,
    Decl,
    Field,
    List,
    Map,
    Message,
    Option,
    Packet,
    Protocol,
    Ref,
    Tuple,
    Type,
)
from ..recursion import fields_of


def own_messages(p: Protocol) -> list[Message]:
    """The protocol's own messages by id; those of an import are that protocol's promise."""
    return [m for m in p.messages if p.own(m)]


def own_packets(p: Protocol) -> list[Packet]:
    """The protocol's own packets, by name."""
    return sorted((packet for packet in p.packets if p.own(packet)), key=lambda packet: packet.name)


def released_types(p: Protocol) -> dict[str, Decl]:
    """The protocol's own types by name, and those of imports that its own declarations contain."""
    waiting = [d.name for d in p.types.values() if p.own(d)]
    for message in own_messages(p):
        waiting += names_in(message.fields)
        waiting += [message.reply] if message.reply is not None else []
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in p.types and name not in found:
            found.add(name)
            waiting += names_in(fields_of(p.types[name]))
    return {name: p.types[name] for name in sorted(found)}


def names_in(fields: Iterable[Field]) -> Iterator[str]:
    """The types that fields mention, keys of maps included."""
    for field in fields:
        yield from _names(field.type)


def _names(type_: Type) -> Iterator[str]:
    if isinstance(type_, Ref):
        yield type_.name
    elif isinstance(type_, (Array, List, Option)):
        yield from _names(type_.item)
    elif isinstance(type_, Map):
        yield from _names(type_.key)
        yield from _names(type_.value)
    elif isinstance(type_, Tuple):
        for item in type_.items:
            yield from _names(item)
