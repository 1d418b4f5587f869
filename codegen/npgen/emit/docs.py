"""NAME.md: the protocol on paper, complete enough to implement it without npgen."""

from __future__ import annotations

from typing import Callable, Iterator, Optional, Sequence

from ..evolution.release import own_messages, released_types
from ..model import (
    LEN_PREFIX,
    TAG_SIZE,
    Array,
    Decl,
    Enum,
    Field,
    List,
    Map,
    Message,
    Option,
    Packet,
    Protocol,
    Ref,
    Scalar,
    Struct,
    Text,
    Tuple,
    Type,
    Unit,
    Variant,
)
from ..recursion import fields_of
from ..sizes import decl_max_len, decl_min_len, max_len, message_max_len, message_min_len, min_len
from ..spell import bare, constraints, duration, number, size, spell, value
from .banner import banner
from .docs_conversation import conversation_section
from .docs_example import example
from .docs_packet import hex_or_decimal, packet_section
from .docs_text import cell, code, inline, link, prose, summary, table


def emit_docs(p: Protocol) -> str:
    """The whole document."""
    lines = [_banner(p)]
    lines += [f"# {inline(p.name)}", "", *prose(p.doc), *_facts(p)]
    sections: list[tuple[str, list[str]]] = [
        ("Encoding", _encoding(p)),
        ("Versions", _versions(p)),
        ("Messages", _messages(p)),
        ("Types", _types(p)),
        ("Packets", _packets(p)),
        ("Conversations", _conversations(p)),
        ("Constants", _constants(p)),
    ]
    present = [(title, body) for title, body in sections if body]
    lines += [" · ".join(f"[{title}](#{title.lower()})" for title, _ in present), ""]
    for title, body in present:
        lines += [f"## {title}", "", *body]
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines) + "\n"


def _banner(p: Protocol) -> str:
    """The banner as a comment, which nothing in it can end (emit/banner.py sees to paths)."""
    text = banner(p, f"{p.name}.md - the {p.name} protocol.", "", "", "").strip()
    inner = "\n".join(line.strip() for line in text.split("\n"))
    return f"<!--\n{inner}\n-->\n"


def _facts(p: Protocol) -> list[str]:
    text = f"Version {p.version}."
    if p.imports:
        names = ", ".join(code(name) for name in p.imports)
        text += f" It builds upon {names}."
    return [text, ""]


# --------------------------------------------------------------------------------------------
# Encoding
# --------------------------------------------------------------------------------------------

WIRE: tuple[tuple[str, Callable[[Type], bool], str], ...] = (
    ("unsigned and signed integers", lambda t: isinstance(t, Scalar) and t.kind[1:].isdigit()
     and t.kind[0] in "ui", "`u8` 1 byte, `u16` 2, `u32` 4, `u64` 8, `u128` 16; `i8` to `i128`"
     " likewise, in two's complement"),
    ("`f32`, `f64`", lambda t: isinstance(t, Scalar) and t.kind[0] == "f", "4, 8 bytes, IEEE 754;"
     " `finite` excludes infinities and NaN, and a float with bounds is not NaN"),
    ("`bool`", lambda t: t == Scalar("bool"), "1 byte, 0 or 1"),
    ("`char`", lambda t: isinstance(t, Scalar) and t.kind == "char", "1 to 4 bytes of UTF-8, one"
     " code point that is no surrogate"),
    ("`string`", lambda t: isinstance(t, Text) and t.kind == "string", "`u64` length in bytes, then"
     " so many bytes of valid UTF-8; `nonul` excludes the character NUL"),
    ("`bytes`", lambda t: isinstance(t, Text) and t.kind == "bytes", "`u64` length, then so many"
     " bytes"),
    ("`()`", lambda t: isinstance(t, Unit), "nothing"),
    ("`T[n]`", lambda t: isinstance(t, Array), "n items one after the other"),
    ("`list<T>`", lambda t: isinstance(t, List), "`u64` count, then the items"),
    ("`map<K, V>`", lambda t: isinstance(t, Map), "`u64` count, then pairs of key and value; each"
     " key is greater than the one before: numbers by value, strings and bytes by their bytes,"
     " enums by index"),
    ("`option<T>`", lambda t: isinstance(t, Option), "1 byte 0 for none, or 1 and then the value"),
    ("`(A, B)`", lambda t: isinstance(t, Tuple), "the items one after the other"),
)  # fmt: skip
"""What there is, how to tell whether a protocol has it, and what it is on the wire."""


def _encoding(p: Protocol) -> list[str]:
    if not own_messages(p) and not released_types(p):
        return []
    lines = [
        "Values follow each other without padding. Integers are little-endian. What is outside of"
        " the bounds given here, and bytes left over behind the last field, make a message invalid:"
        " a sender does not send it, and a receiver refuses it.",
        "",
    ]
    used = list(_all_types(p))
    rows = [[what, text] for what, present, text in WIRE if any(map(present, used))]
    decls = released_types(p).values()
    if any(isinstance(d, Struct) for d in decls):
        rows.append(["struct", "its fields one after the other"])
    if any(isinstance(d, Enum) for d in decls):
        rows.append(["enum", "`u32` index of the variant, then the variant's fields"])
    rows.append(["message", "`u32` id, then its fields"])
    if any(m.reply is not None for m in own_messages(p)):
        rows.append(["reply", "`u32` id of the request, then the fields of the struct"])
    lines += table(["type", "on the wire"], rows)
    if any(constraints(t) for t in used):
        lines += [
            "`max` and `min` bound the bytes of strings and bytes, the items of lists and maps, and"
            " the value of numbers; `range A..B` allows A to B, both included.",
            "",
        ]
    if "base" in p.imports:
        lines += [
            "Messages travel as the payload of the frames that protocol `base` describes. Its own"
            " messages have the ids 0 to 255 and are legal at any time.",
            "",
        ]
    return lines


def _all_types(p: Protocol) -> Iterator[Type]:
    for message in own_messages(p):
        for field in message.fields:
            yield from _within(field.type)
    for decl in released_types(p).values():
        for field in fields_of(decl):
            yield from _within(field.type)


def _within(t: Type) -> Iterator[Type]:
    yield t
    if isinstance(t, (Array, List, Option)):
        yield from _within(t.item)
    elif isinstance(t, Map):
        yield from _within(t.key)
        yield from _within(t.value)
    elif isinstance(t, Tuple):
        for item in t.items:
            yield from _within(item)


# --------------------------------------------------------------------------------------------
# Versions
# --------------------------------------------------------------------------------------------


def _versions(p: Protocol) -> list[str]:
    added = sorted(_added(p), key=lambda row: row[0])
    if not added:
        return [] if p.version == 1 else [f"Versions 1 to {p.version} are the same.", ""]
    rows: dict[int, list[str]] = {}
    for version, what in added:
        rows.setdefault(version, []).append(what)
    return [
        "Peers agree on the lower of their versions. A sender leaves out all that is newer than the"
        " version agreed on; a receiver then assumes the default of a field that is missing.",
        "",
        *table(["version", "added"], [[str(v), ", ".join(names)] for v, names in rows.items()]),
    ]


def _added(p: Protocol) -> Iterator[tuple[int, str]]:
    for m in own_messages(p):
        if m.since > 1:
            yield m.since, f"message {link('message', m.name)}"
        yield from _added_fields(m.fields, link("message", m.name))
    for decl in _ordered_types(p):
        if isinstance(decl, Struct):
            yield from _added_fields(decl.fields, link("struct", decl.name))
            continue
        for v in decl.variants:
            if v.since > 1:
                yield v.since, f"variant {code(v.name)} of {link('enum', decl.name)}"
            yield from _added_fields(v.fields, f"{code(v.name)} of {link('enum', decl.name)}")


def _added_fields(fields: Sequence[Field], owner: str) -> Iterator[tuple[int, str]]:
    for f in fields:
        if f.since > 1:
            yield f.since, f"field {code(f.name)} of {owner}"


# --------------------------------------------------------------------------------------------
# Fields
# --------------------------------------------------------------------------------------------


def _fields(p: Protocol, fields: Sequence[Field], start: int) -> list[str]:
    """The table of fields; ``start`` bytes stand before the first."""
    header = ["offset", "field", "type", "bounds", "since", "older peers mean", "description"]
    rows: list[list[str]] = []
    at: Optional[int] = start
    for f in fields:
        rows.append([
            "" if at is None else str(at),
            code(f.name),
            _type(p, f.type),
            bounds(f.type),
            str(f.since) if f.since > 1 else "",
            code(value(f.type, f.default)) if f.since > 1 else "",
            _deprecated(f.deprecated) + cell(f.doc),
        ])  # fmt: skip
        if at is not None:
            least, most = min_len(p, f.type), max_len(p, f.type)
            at = at + most if least == most else None
    return table(header, rows)


def _type(p: Protocol, t: Type) -> str:
    names = [r.name for r in _within(t) if isinstance(r, Ref)]
    links = ", ".join(_link(p, name) for name in dict.fromkeys(names))
    if isinstance(t, Ref):
        return links
    return code(bare(t)) + (f" of {links}" if links else "")


def _link(p: Protocol, name: str) -> str:
    return link("enum" if isinstance(p.types[name], Enum) else "struct", name)


def bounds(t: Type) -> str:
    """The constraints of a type in words."""
    if isinstance(t, (Text, List, Map)):
        word = "bytes" if isinstance(t, Text) else "items" if isinstance(t, List) else "entries"
        low, high = str(t.min), str(t.max)
        if isinstance(t, Text) and t.max >= 1024 and t.max % 1024 == 0:
            high, word = size(t.max).rsplit(" ", 1)
        text = f"at most {high} {word}" if not t.min else f"{low} to {high} {word}"
        if t.min == t.max:
            text = f"exactly {high} {word}"
        return text + (", no NUL" if isinstance(t, Text) and t.nonul else "")
    if not isinstance(t, Scalar):
        return ""
    words: list[str] = []
    if t.lo is not None and t.hi is not None:
        words.append(f"{_bound(t, t.lo)} to {_bound(t, t.hi)}")
    elif t.lo is not None:
        words.append(f"at least {_bound(t, t.lo)}")
    elif t.hi is not None:
        words.append(f"at most {_bound(t, t.hi)}")
    if t.finite:
        words.append("finite")
    return ", ".join(words)


def _bound(t: Scalar, bound: float) -> str:
    text = number(t.kind, bound)
    return code(text) if t.kind == "char" else text


def _deprecated(reason: Optional[str]) -> str:
    if reason is None:
        return ""
    return f"*Deprecated{': ' + inline(reason) if reason else ''}.* "


# --------------------------------------------------------------------------------------------
# Messages
# --------------------------------------------------------------------------------------------


def _kind(m: Message) -> str:
    words = ["stream"] if m.stream else []
    words += ["secret"] if m.secret else []
    words.append("message" if m.reply is None else "request")
    return " ".join(words)


def _span(least: int, most: int) -> str:
    return size(most) if least == most else f"{least} to {size(most)}"


def _messages(p: Protocol) -> list[str]:
    messages = own_messages(p)
    header = ["id", "name", "kind", "since", "size", "about"]
    rows = [
        [
            str(m.id), link("message", m.name), _kind(m), str(m.since) if m.since > 1 else "",
            _span(message_min_len(p, m), message_max_len(p, m)),
            ("*Deprecated.* " if m.deprecated is not None else "") + summary(m.doc),
        ]
        for m in messages
    ]  # fmt: skip
    lines = table(header, rows)
    for m in messages:
        lines += [f"### Message {m.name}", "", *prose(m.doc), *_message_facts(p, m)]
        lines += _fields(p, m.fields, TAG_SIZE) or ["It has no fields.", ""]
        newest = f", in version {p.version}" if p.version > 1 else ""
        lines += [f"With the least values{newest}:", "", "```", *example(p, m), "```", ""]
    reserved = [str(a) if a == b else f"{a} to {b}" for a, b in p.reserved_ids]
    if reserved:
        lines += [f"Reserved ids, which no message may take: {', '.join(reserved)}.", ""]
    return lines


def _message_facts(p: Protocol, m: Message) -> list[str]:
    facts = [f"Id {m.id}; {_span(message_min_len(p, m), message_max_len(p, m))} with the id."]
    if m.since > 1:
        facts.append(f"Since version {m.since}.")
    if m.stream:
        body = m.fields[-1].name if m.fields else ""
        facts.append(f"A stream: {code(body)} may be produced and consumed in chunks.")
    if m.secret:
        facts.append("Secret: it is never compressed.")
    if m.reply is not None:
        wait = duration(m.timeout_ms if m.timeout_ms is not None else 30_000)
        facts.append(f"It is answered by {link('struct', m.reply)}, for which the caller waits"
                     f" {wait}.")  # fmt: skip
    deprecated = _deprecated(m.deprecated).strip()
    return [*([deprecated, ""] if deprecated else []), " ".join(facts), ""]


# --------------------------------------------------------------------------------------------
# Types
# --------------------------------------------------------------------------------------------


def _ordered_types(p: Protocol) -> list[Decl]:
    """The protocol's own types as the schema has them, then those of imports."""
    decls = list(released_types(p).values())
    return sorted(decls, key=lambda d: (not p.own(d), d.span.line if p.own(d) else 0, d.name))


def _types(p: Protocol) -> list[str]:
    lines: list[str] = []
    for decl in _ordered_types(p):
        word = "Struct" if isinstance(decl, Struct) else "Enum"
        lines += [f"### {word} {decl.name}", "", *prose(decl.doc)]
        facts = [f"{_span(decl_min_len(p, decl), decl_max_len(p, decl))}."]
        if not p.own(decl):
            facts.insert(0, f"From protocol {code(decl.origin)}.")
        if decl.depth is not None and decl.max_len is not None:
            facts.append(f"It contains itself, at most {decl.depth} deep;"
                         f" an outermost value has at most {size(decl.max_len)}.")  # fmt: skip
        lines += [" ".join(facts), ""]
        if isinstance(decl, Struct):
            lines += _fields(p, decl.fields, 0) or ["It has no fields.", ""]
        else:
            lines += _variants(p, decl)
    return lines


def _variants(p: Protocol, decl: Enum) -> list[str]:
    def row(v: Variant) -> list[str]:
        since = str(v.since) if v.since > 1 else ""
        carries = ", ".join(code(f.name) for f in v.fields)
        return [str(v.index), code(v.name), carries, since, _deprecated(v.deprecated) + cell(v.doc)]

    header = ["index", "variant", "carries", "since", "description"]
    lines = table(header, [row(v) for v in decl.variants])
    for v in decl.variants:
        if v.fields:
            lines += [f"{code(v.name)}, behind its index:", "", *_fields(p, v.fields, TAG_SIZE)]
    return lines


# --------------------------------------------------------------------------------------------
# The rest
# --------------------------------------------------------------------------------------------


def _packets(p: Protocol) -> list[str]:
    packets: list[Packet] = [packet for packet in p.packets if p.own(packet)]
    lines: list[str] = []
    if packets:
        lines += [
            "In the diagrams bytes stand in the order in which they travel, and in each byte the"
            " most significant bit is the first. Bits of a field are counted from its least"
            " significant one.",
            "",
        ]
    for packet in packets:
        lines += [f"### Packet {packet.name}", "", *packet_section(packet)]
    return lines


def _conversations(p: Protocol) -> list[str]:
    lines: list[str] = []
    base = ", and the messages of " + ", ".join(map(code, p.imports)) if p.imports else ""
    if p.conversations:
        lines += [
            "`client` is the side that connects, `server` the one that accepts, `either` both. What"
            " a state does not list is illegal in it, but for what is always legal: the reply of a"
            f" request{base}.",
            "",
        ]
    for conversation in p.conversations:
        lines += [f"### Conversation {conversation.name}", ""]
        lines += conversation_section(p, conversation)
    return lines


def _constants(p: Protocol) -> list[str]:
    rows = [
        [code(name), hex_or_decimal(number_) if number_ >= 0 else str(number_),
         cell(p.const_docs.get(name, ()))]
        for name, number_ in p.consts.items()
    ]  # fmt: skip
    return table(["name", "value", "description"], rows)
