"""NAME.lock: a release as text.

One fact a line, indented below what it belongs to; everything in an order of its own (names, ids),
so that a change of the protocol is a change of the lines that tell it and of the digest, and moving
declarations about in the schema is none. schema/README.md documents the format.
"""

from __future__ import annotations

import hashlib
from typing import Iterable, Iterator

from ..machine import SIDES, Machine
from ..model import (
    Conversation,
    Decl,
    Field,
    Message,
    Packet,
    PacketBytes,
    PacketField,
    PacketInt,
    Protocol,
    Rule,
    Side,
    State,
    Struct,
    Variant,
)
from ..spell import packet_bounds, packet_type, spell, string, value
from .release import own_messages, own_packets, released_types

FORMAT = 2
"""Version of the format; the reader refuses a newer one."""

BEFORE_ANSWERS = 1
"""The format of a release in which no move waits for an answer: without requests that move it is
still written, and in one that has them they moved when they were said."""

INDENT = "    "


def lock_text(p: Protocol) -> str:
    """The whole file."""
    body = lock_body(p)
    return (
        "# A release of the protocol, recorded by 'npgen lock' for 'npgen breaking'.\n"
        f"lock {_format(p)}\n"
        f"digest {body_digest(body)}\n"
        f"{body}"
    )


def _format(p: Protocol) -> int:
    moving = any(_machine(p, c).moving(side) for c in p.conversations for side in SIDES)
    return FORMAT if moving else BEFORE_ANSWERS


def _machine(p: Protocol, conversation: Conversation) -> Machine:
    return Machine(conversation, (m.name for m in own_messages(p)))


def body_digest(body: str) -> str:
    """SHA-256 of what stands below the digest's line, in lowercase hex."""
    return hashlib.sha256(body.encode("utf-8")).hexdigest()


def lock_body(p: Protocol) -> str:
    """What the release promises: the same text for the same promise, however it is written."""
    sections: list[list[str]] = [[f"protocol {p.name} version {p.version}"]]
    sections.append([f"const {name} = {p.consts[name]}" for name in sorted(p.consts)])
    sections.append(list(_reserved(p)))
    sections += [list(type_lines(decl)) for decl in released_types(p).values()]
    sections += [list(message_lines(message)) for message in own_messages(p)]
    sections += [list(_packet(packet)) for packet in own_packets(p)]
    # In the order of the schema: the runtime takes the first where a program names none.
    sections += [list(_conversation(c, _machine(p, c))) for c in p.conversations]
    return body_text(sections)


def body_text(sections: Iterable[list[str]]) -> str:
    """Sections of lines as text, an empty line between them."""
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def indented(lines: Iterable[str]) -> Iterator[str]:
    """Lines that belong to the one before them."""
    return (INDENT + line for line in lines)


def _reserved(p: Protocol) -> Iterator[str]:
    for low, high in sorted(p.reserved_ids):
        yield f"reserved {low}" if low == high else f"reserved {low}..{high}"
    for name in sorted(p.reserved_names):
        yield f"reserved {string(name)}"


# --------------------------------------------------------------------------------------------
# Types and messages
# --------------------------------------------------------------------------------------------


def _since(version: int) -> str:
    return f" since {version}" if version > 1 else ""


def _fields(fields: Iterable[Field], dated: bool) -> Iterator[str]:
    for field in fields:
        default = f" = {value(field.type, field.default)}" if field.since > 1 else ""
        since = _since(field.since) if dated else ""
        yield f"field {field.name}: {spell(field.type)}{since}{default}"


def type_lines(decl: Decl, dated: bool = True) -> Iterator[str]:
    """A struct or enum; ``dated``: with the versions that its parts came with."""
    recursion = f" depth {decl.depth}" if decl.depth is not None else ""
    recursion += f" max {decl.max_len}" if decl.max_len is not None else ""
    if isinstance(decl, Struct):
        yield f"struct {decl.name}{recursion}"
        yield from indented(_fields(decl.fields, dated))
        return
    yield f"enum {decl.name}{recursion}"
    for variant in decl.variants:
        yield from indented(_variant(variant, dated))


def _variant(variant: Variant, dated: bool) -> Iterator[str]:
    since = _since(variant.since) if dated else ""
    yield f"variant {variant.index} {variant.name}{since}"
    yield from indented(_fields(variant.fields, dated))


def message_lines(message: Message, dated: bool = True) -> Iterator[str]:
    """A message or request; ``dated`` as for types."""
    kind = "request" if message.reply is not None else "message"
    flags = " stream" if message.stream else ""
    flags += " secret" if message.secret else ""
    reply = f" -> {message.reply}" if message.reply is not None else ""
    since = _since(message.since) if dated else ""
    yield f"{kind} {message.id} {message.name}{flags}{since}{reply}"
    yield from indented(_fields(message.fields, dated))


# --------------------------------------------------------------------------------------------
# Packets
# --------------------------------------------------------------------------------------------


def _packet(packet: Packet) -> Iterator[str]:
    yield f"packet {packet.name}"
    for field in packet.fields:
        yield from indented(_packet_field(field))


def _packet_field(field: PacketField) -> Iterator[str]:
    if isinstance(field, PacketBytes):
        count = field.length_field if field.count is None else field.count
        yield f"field {field.name}: bytes[{count}]"
        return
    bounds = packet_bounds(field)
    const = f" = {field.const}" if field.const is not None else ""
    yield f"field {field.name}: {packet_type(field)}{' ' + bounds if bounds else ''}{const}"
    for part in field.parts:
        const = f" = {part.const}" if part.const is not None else ""
        yield f"{INDENT}part {part.name}: {part.bits}{const}"


# --------------------------------------------------------------------------------------------
# Conversations
# --------------------------------------------------------------------------------------------


def _conversation(conversation: Conversation, machine: Machine) -> Iterator[str]:
    yield f"conversation {conversation.name} start {conversation.start}"
    for state in sorted(conversation.states, key=lambda s: s.name):
        yield from indented(_state(state, machine))


def _state(state: State, machine: Machine) -> Iterator[str]:
    if state.final:
        yield f"final {state.name}"
        return
    within = f" within {state.within_ms}ms" if state.within_ms is not None else ""
    yield f"state {state.name}{within}"
    for side in Side:
        rules = [r for r in state.rules if r.side is side]
        lines = sorted(
            f"{side.value} {message}{_leads(r, state, message, machine)}"
            for r in rules
            for message in r.messages or ("*",)
        )
        yield from indented(lines)


def _leads(rule: Rule, state: State, message: str, machine: Machine) -> str:
    sides = SIDES if rule.side is Side.EITHER else (rule.side,)
    if any(machine.moves(side, message) for side in sides):
        targets = rule.target or state.name, rule.refused or state.name
        return f" answered -> {targets[0]} refused -> {targets[1]}"
    return f" -> {rule.target}" if rule.target is not None else ""
