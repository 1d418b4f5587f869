"""Rules about messages: ids, streams, and the size of the whole."""

from __future__ import annotations

from typing import Optional

from .diagnostics import Reporter
from .model import Message, Protocol, Text
from .sizes import message_max_len, reply_max_len, sizes_of

MAX_MESSAGE = 16 << 20
"""Bytes of a message, its id included: what one frame or sequence of fragments carries."""

MAX_STREAM_HEAD = 64 << 10
"""Bytes of a stream message before its body: they are kept until the body begins."""

BASE = "base"
"""The protocol that owns the ids below ``FIRST_OWN_ID``."""

FIRST_OWN_ID = 256

MAX_ID = (1 << 32) - 1


def check_messages(protocol: Protocol, reporter: Reporter) -> None:
    """Rules about ids and about the form of streams."""
    owners: dict[int, Message] = {}
    own_first = [m for m in protocol.messages if not protocol.own(m)]
    own_first += sorted((m for m in protocol.messages if protocol.own(m)), key=_place)
    for message in own_first:
        if message.id >= 0 and _check_id(protocol, message, reporter):
            other = owners.setdefault(message.id, message)
            if other is not message:
                owner = f"'{other.name}' (line {other.span.line})"
                if other.origin != message.origin:
                    place = f"{other.span.file}:{other.span.line}"
                    owner = f"'{other.name}' of protocol '{other.origin}' ({place})"
                free = _free_id(protocol, message)
                hint = "take a free one" if free is None else f"the next free one is {free}"
                text = f"id {message.id} belongs to {owner}; {hint}"
                reporter.error(message.span, "duplicate-id", text)
        if message.stream:
            _check_body(message, reporter)


def _place(message: Message) -> tuple[int, int]:
    return message.span.line, message.span.column


def _free_id(protocol: Protocol, message: Message) -> Optional[int]:
    """The first id above a message's that nothing has or reserves."""
    used = {m.id for m in protocol.messages}
    free = message.id + 1
    moved = True
    while moved:
        moved = free in used
        free += moved
        for low, high in protocol.reserved_ids:
            if low <= free <= high:
                free, moved = high + 1, True
    last = FIRST_OWN_ID - 1 if message.origin == BASE else MAX_ID
    return free if free <= last else None


def _check_id(protocol: Protocol, message: Message, reporter: Reporter) -> bool:
    """Whether the id is in the range that is the protocol's own."""
    if message.origin == BASE:
        if message.id >= FIRST_OWN_ID:
            text = f"the ids of protocol '{BASE}' are below {FIRST_OWN_ID}, not {message.id}"
            reporter.error(message.span, "id-range", text)
            return False
    elif BASE in protocol.imports and message.id < FIRST_OWN_ID:
        text = f"id {message.id} belongs to the imported '{BASE}'; take {FIRST_OWN_ID} or higher"
        reporter.error(message.span, "id-range", text)
        return False
    if protocol.own(message):
        for low, high in protocol.reserved_ids:
            if low <= message.id <= high:
                text = f"id {message.id} is reserved, usually for what it once meant"
                reporter.error(message.span, "reserved-id", f"{text}; take a free one")
                break
    return True


def _check_body(message: Message, reporter: Reporter) -> None:
    body = message.fields[-1] if message.fields else None
    if body is None or not (isinstance(body.type, Text) and body.type.kind == "bytes"):
        span = body.span if body else message.span
        text = f"the last field of stream '{message.name}' is its body: 'body: bytes max N'"
        reporter.error(span, "stream-body", text)


def check_message_sizes(protocol: Protocol, reporter: Reporter) -> None:
    """Rules about the greatest size of each message."""
    for message in protocol.messages:
        size = message_max_len(protocol, message)
        if size > MAX_MESSAGE:
            largest = max(message.fields, key=lambda f: sizes_of(protocol).max_len(f.type))
            text = (
                f"'{message.name}' may have {size} bytes; the limit is {MAX_MESSAGE} (16 MiB),"
                f" and field '{largest.name}' may have the most"
            )
            reporter.error(message.span, "message-size", text)
        reply = reply_max_len(protocol, message)
        if reply > MAX_MESSAGE:
            text = f"the reply '{message.reply}' may have {reply} bytes"
            limit = f"the limit is {MAX_MESSAGE} (16 MiB)"
            reporter.error(message.span, "message-size", f"{text}; {limit}")
        if message.stream and message.fields:
            head = size - sizes_of(protocol).max_len(message.fields[-1].type)
            if head > MAX_STREAM_HEAD:
                text = f"the fields before the body may have {head} bytes; the limit is 64 KiB"
                reporter.error(message.span, "stream-head", text)
