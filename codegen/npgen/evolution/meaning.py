"""What a protocol means at one of its versions, as text, and the digest of that.

Two peers that speak version N of a protocol compare this digest when they meet. So the text holds
what exists at N and may be seen by a peer or told apart by a program: names, ids, order, types,
bounds, defaults, conversations. It leaves out how that is written (comments, order of declarations,
constants) and what came later, so a schema that has grown still has the old digests of old
versions. The lines are those of the lock file. schema/README.md documents them for others.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Iterable, Optional

from ..machine import SIDES, Machine
from ..model import (
    INT_BITS,
    Array,
    Conversation,
    Decl,
    Field,
    List,
    Map,
    Message,
    Option,
    Protocol,
    Scalar,
    Struct,
    Tuple,
    Type,
)
from ..recursion import fields_of
from ..versions import turning_points
from .lock_write import body_text, indented, message_lines, type_lines
from .release import names_in, own_messages

OLDEST = 1
"""The oldest version that generated code speaks."""


def digests(p: Protocol) -> list[str]:
    """SHA-256 of the meaning at each version from ``OLDEST`` on, in lowercase hex."""
    bodies: dict[int, str] = {}  # by the newest 'since' that counts: between those nothing changes
    result: list[str] = []
    changes = set(turning_points(p))
    newest = OLDEST
    for version in range(OLDEST, p.version + 1):
        newest = version if version in changes else newest
        if newest not in bodies:
            bodies[newest] = _body(p, newest)
        text = _head(p, version) + bodies[newest]
        result.append(hashlib.sha256(text.encode("utf-8")).hexdigest())
    return result


def meaning(p: Protocol, version: int) -> str:
    """The text whose digest it is."""
    return _head(p, version) + _body(p, version)


def _head(p: Protocol, version: int) -> str:
    return f"protocol {p.name} version {version}\n"


def _body(p: Protocol, version: int) -> str:
    messages = [_message_at(m, version) for m in own_messages(p) if m.since <= version]
    types = _types_at(p, messages, version)
    sections = [list(type_lines(types[name], dated=False)) for name in sorted(types)]
    sections += [list(message_lines(m, dated=False)) for m in messages]
    # Peers keep to the first; others are for programs that name them, and may come at any time.
    sections += [_conversation(c, p, version) for c in p.conversations[:1]]
    body = _ascii(body_text(sections))
    return f"\n{body}" if sections else ""


def _ascii(text: str) -> str:
    """Which characters are printable depends on the edition of Unicode, so none but ASCII stands in
    the text; only quoted texts and characters have others."""
    return "".join(c if c < "\x7f" else f"\\u{{{ord(c):X}}}" for c in text)


# --------------------------------------------------------------------------------------------
# What exists at a version
# --------------------------------------------------------------------------------------------


def _message_at(m: Message, version: int) -> Message:
    return replace(m, fields=_fields_at(m.fields, version))


def _types_at(p: Protocol, messages: Iterable[Message], version: int) -> dict[str, Decl]:
    """All types that the messages can carry at a version, those of imports too."""
    waiting: list[str] = []
    for m in messages:
        waiting += names_in(m.fields)
        waiting += [m.reply] if m.reply is not None else []
    found: dict[str, Decl] = {}
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = _decl_at(p.types[name], version)
            waiting += names_in(fields_of(found[name]))
    return found


def _decl_at(decl: Decl, version: int) -> Decl:
    # What is imported has no 'since' inside: it would count another protocol's versions.
    if isinstance(decl, Struct):
        return replace(decl, fields=_fields_at(decl.fields, version))
    variants = tuple(
        replace(v, fields=_fields_at(v.fields, version))
        for v in decl.variants
        if v.since <= version
    )
    return replace(decl, variants=variants)


def _fields_at(fields: tuple[Field, ...], version: int) -> tuple[Field, ...]:
    return tuple(replace(f, type=plain(f.type)) for f in fields if f.since <= version)


def plain(type_: Type) -> Type:
    """The type without bounds that exclude nothing: ``u8 max 255`` is ``u8``."""
    if isinstance(type_, Scalar) and type_.kind in INT_BITS:
        bits, signed = INT_BITS[type_.kind], type_.kind.startswith("i")
        return _without(type_, -(1 << bits - 1) if signed else 0, (1 << bits - signed) - 1)
    if isinstance(type_, Scalar) and type_.kind == "char":
        return _without(type_, 0, 0x10FFFF)
    if isinstance(type_, Scalar) and type_.lo is not None and type_.hi is not None:
        return replace(type_, finite=False)  # which a float between two bounds is anyway
    if isinstance(type_, (Array, List, Option)):
        return replace(type_, item=plain(type_.item))
    if isinstance(type_, Map):
        return replace(type_, key=plain(type_.key), value=plain(type_.value))
    if isinstance(type_, Tuple):
        return Tuple(tuple(plain(item) for item in type_.items))
    return type_


def _without(type_: Scalar, least: int, most: int) -> Scalar:
    lo: Optional[float] = None if type_.lo == least else type_.lo
    hi: Optional[float] = None if type_.hi == most else type_.hi
    return replace(type_, lo=lo, hi=hi)


# --------------------------------------------------------------------------------------------
# Conversations
# --------------------------------------------------------------------------------------------


def _conversation(c: Conversation, p: Protocol, version: int) -> list[str]:
    """The machine itself: every move by itself, and no state that nothing leads to."""
    newer = {m.name for m in own_messages(p) if m.since > version}
    machine = Machine(c, (m.name for m in own_messages(p) if m.since <= version))
    letters = [m for m in machine.letters() if m not in newer]
    reached: dict[str, list[str]] = {}
    waiting = [c.start]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        lines: list[str] = []
        for side, message in ((side, message) for side in SIDES for message in letters):
            move = machine.move(name, side, message)
            # That an imported message is legal is said only where it leads to another state.
            if move is None or (message not in machine.own and move[0] == name):
                continue
            waiting.append(move[0])
            if machine.moves(side, message):
                refused = machine.refused(name, side, message)
                waiting.append(refused)
                lines.append(f"{side.value} {message} answered -> {move[0]} refused -> {refused}")
            else:
                lines.append(f"{side.value} {message} -> {move[0]}")
        reached[name] = sorted(lines)
    lines = [f"conversation {c.name} start {c.start}"]
    for name in sorted(reached):
        state = machine.states[name]
        within = f" within {state.within_ms}ms" if state.within_ms is not None else ""
        lines += indented([f"{'final' if state.final else 'state'} {name}{within}"])
        lines += indented(indented(reached[name]))
    return lines
