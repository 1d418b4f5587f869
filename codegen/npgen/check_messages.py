"""Rules about messages: ids, streams, and the size of the whole."""

from __future__ import annotations

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


def check_messages(protocol: Protocol, reporter: Reporter) -> None:
    """Rules about ids and about the form of streams."""
    owners: dict[int, Message] = {}
    own_first = [m for m in protocol.messages if not protocol.own(m)]
    own_first += sorted((m for m in protocol.messages if protocol.own(m)), key=_place)
    for message in own_first:
        if message.id >= 0:
            other = owners.setdefault(message.id, message)
            if other is not message:
                owner = f"'{other.name}'"
                if other.origin != message.origin:
                    owner += f" of protocol '{other.origin}'"
                text = f"id {message.id} belongs to {owner}; take a free one"
                reporter.error(message.span, "duplicate-id", text)
            _check_id(protocol, message, reporter)
        if message.stream:
            _check_body(message, reporter)


def _place(message: Message) -> tuple[int, int]:
    return message.span.line, message.span.column


def _check_id(protocol: Protocol, message: Message, reporter: Reporter) -> None:
    if message.origin == BASE:
        if message.id >= FIRST_OWN_ID:
            text = f"the ids of protocol '{BASE}' are below {FIRST_OWN_ID}, not {message.id}"
            reporter.error(message.span, "id-range", text)
    elif BASE in protocol.imports and message.id < FIRST_OWN_ID:
        text = f"id {message.id} belongs to the imported '{BASE}'; take {FIRST_OWN_ID} or higher"
        reporter.error(message.span, "id-range", text)
    if protocol.own(message):
        for low, high in protocol.reserved_ids:
            if low <= message.id <= high:
                text = f"id {message.id} is reserved, usually for what it once meant"
                reporter.error(message.span, "reserved-id", f"{text}; take a free one")
                break


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
