"""``npgen breaking``: every rule has changes that break it, and evolution as documented none.

A case is the schema before, the schema after, and whom the change hurts. Cases are about their rule
alone: whatever else is reported must be listed, too.
"""

from __future__ import annotations

import unittest
from dataclasses import dataclass

from support import ROOT, protocol_of

from npgen.evolution.align import align
from npgen.evolution.compare import compare
from npgen.evolution.report import Hurts
from npgen.rules import BREAKS

OLD, NEW, BOTH = Hurts.OLD_READERS, Hurts.NEW_READERS, Hurts.BOTH
OPENING, SOURCE = Hurts.OPENING, Hurts.SOURCE


@dataclass(frozen=True)
class Case:
    before: str
    after: str
    expected: tuple[tuple[str, Hurts], ...]


def case(before: str, after: str, *expected: tuple[str, Hurts]) -> Case:
    return Case(before, after, expected)


def fields(before: str, after: str, *expected: tuple[str, Hurts]) -> Case:
    """A change of a message's fields."""
    return Case(f"message M = 1 {{ {before} }}", f"message M = 1 {{ {after} }}", expected)


def bounds(before: str, after: str, *hurts: Hurts) -> Case:
    """A change of a type's bounds."""
    rule = {NEW: "bound-tightened", OLD: "bound-widened"}
    return fields(f"a: {before};", f"a: {after};", *((rule[h], h) for h in hurts))


def talk(before: str, after: str, *expected: tuple[str, Hurts]) -> Case:
    """A change of a conversation."""
    messages = "message A = 1 {} message B = 2 {}\n"
    return Case(messages + before, messages + after, expected)


def states(before: str, after: str, *expected: tuple[str, Hurts]) -> Case:
    """A change of the states of a conversation that starts in s."""
    wrap = "conversation c {{ start s; {} }}"
    return talk(wrap.format(before), wrap.format(after), *expected)


def asks(before: str, after: str, *expected: tuple[str, Hurts]) -> Case:
    """A change of what a request does in a conversation."""
    declared = "struct R {} request Q = 3 {} -> R; conversation c { start s; "
    return talk(f"{declared}{before} }}", f"{declared}{after} }}", *expected)


SIMPLE = "message M = 1 { a: u8; }"

CASES: dict[str, list[Case]] = {
    "protocol-renamed": [],  # these two are about the header, see test_protocol
    "version-lowered": [],
    "version-not-raised": [
        fields("a: u8;", "a: u8; b: u8 since 2 = 0;", ("version-not-raised", BOTH)),
        fields("a: u8;", "a: u8; b: u8 since 3 = 0;", ("version-not-raised", BOTH)),
        case(SIMPLE, SIMPLE + " message N = 2 since 3 {}", ("version-not-raised", OLD)),
        case("enum E { a = 0; }", "enum E { a = 0; b = 1 since 2; }", ("version-not-raised", OLD)),
    ],
    "reserved-id-used": [
        case("reserved 5;", "message M = 5 since 4 {}", ("reserved-id-used", BOTH)),
        case("reserved 5..9;", "message M = 9 since 4 {}", ("reserved-id-used", BOTH)),
    ],
    "reserved-name-used": [
        case('reserved "Old";', "message Old = 5 since 4 {}", ("reserved-name-used", SOURCE)),
        case('reserved "Old";', "struct Old {}", ("reserved-name-used", SOURCE)),
    ],
    "const-removed": [case("const A = 1;", "const B = 1;", ("const-removed", SOURCE))],
    "message-removed": [
        case(SIMPLE, "", ("message-removed", NEW)),
        case("message M = 1 {} message N = 2 {}", "message N = 2 {}", ("message-removed", NEW)),
    ],
    "message-added": [case(SIMPLE, SIMPLE + " message N = 2 {}", ("message-added", OLD))],
    "message-id": [
        case("message M = 1 { a: u8; }", "message M = 2 { a: u8; }", ("message-id", BOTH)),
        case(
            "message M = 1 {} message N = 2 {}", "message M = 2 {} message N = 1 {}",
            ("message-id", BOTH), ("message-id", BOTH),
        ),
    ],
    "id-reused": [
        case(SIMPLE, "message N = 1 { a: u16; }", ("message-removed", NEW), ("id-reused", BOTH)),
        case(
            SIMPLE, "message N = 1 since 4 {} message M = 2 { a: u8; }",
            ("message-id", BOTH), ("id-reused", BOTH),
        ),
    ],
    "message-renamed": [case(SIMPLE, "message N = 1 { a: u8; }", ("message-renamed", OPENING))],
    "request-changed": [
        case("struct S {} message M = 1 {}", "struct S {} request M = 1 {} -> S;",
             ("request-changed", BOTH)),
        case("struct S {} request M = 1 {} -> S;", "struct S {} message M = 1 {}",
             ("request-changed", BOTH)),
    ],
    "reply-changed": [
        case("struct S { a: u8; } struct T { a: u16; } request M = 1 {} -> S;",
             "struct S { a: u8; } struct T { a: u16; } request M = 1 {} -> T;",
             ("reply-changed", BOTH)),
        case("struct S { a: u8; } struct T { a: u8; } request M = 1 {} -> S;",
             "struct S { a: u8; } struct T { a: u8; } request M = 1 {} -> T;",
             ("reply-changed", OPENING)),
    ],
    "stream-changed": [
        case("message M = 1 { a: bytes max 9; }", "message M = 1 stream { a: bytes max 9; }",
             ("stream-changed", BOTH)),
    ],
    "secret-changed": [
        case(SIMPLE, "message M = 1 secret { a: u8; }", ("secret-changed", NEW)),
        case("message M = 1 secret { a: u8; }", SIMPLE, ("secret-changed", OLD)),
    ],
    "since-changed": [
        fields("a: u8 since 2 = 0;", "a: u8 since 3 = 0;", ("since-changed", BOTH)),
        fields("a: u8 since 2 = 0;", "a: u8 since 4 = 0;", ("since-changed", BOTH)),
        fields("a: u8 since 2 = 0;", "a: u8;", ("since-changed", BOTH)),
        case("message M = 1 {}", "message M = 1 since 4 {}", ("since-changed", BOTH)),
        case("enum E { a = 0; b = 1 since 2; }", "enum E { a = 0; b = 1; }",
             ("since-changed", BOTH)),
    ],
    "field-removed": [
        fields("a: u8; b: u16;", "a: u8;", ("field-removed", BOTH)),
        fields("a: u8; b: u16;", "b: u16;", ("field-removed", BOTH)),
        fields("a: u8; b: u16 since 2 = 0;", "a: u8;", ("field-removed", BOTH)),
        case("enum E { a = 0 { x: u8; }; }", "enum E { a = 0; }", ("field-removed", BOTH)),
    ],
    "field-added": [
        fields("a: u8;", "a: u8; b: u8;", ("field-added", BOTH)),
        case("struct S {}", "struct S { a: u8; }", ("field-added", BOTH)),
    ],
    "field-inserted": [
        fields("a: u8;", "b: u8; a: u8;", ("field-inserted", BOTH)),
        fields("a: u8; c: u8;", "a: u8; b: u16; c: u8;", ("field-inserted", BOTH)),
        fields("a: u8; b: u8;", "x: u16; b: u8;",
               ("field-removed", BOTH), ("field-inserted", BOTH)),
    ],
    "field-reordered": [
        fields("a: u8; b: u8;", "b: u8; a: u8;", ("field-reordered", BOTH)),
        fields("a: u8; b: u8; c: u8;", "c: u8; a: u8; b: u8;", ("field-reordered", BOTH)),
    ],
    "field-retyped": [
        fields(f"a: {before};", f"a: {after};", ("field-retyped", hurts))
        for before, after, hurts in (
            ("u8", "u16", BOTH), ("u8", "i8", BOTH), ("string max 4", "bytes max 4", BOTH),
            ("u8", "option<u8>", BOTH), ("u8[2]", "u8[3]", BOTH), ("list<u8> max 2", "u8", BOTH),
            ("(u8, u8)", "(u8, u16)", BOTH), ("(u8, u8)", "(u8, u8, u8)", BOTH),
            ("()", "bool", BOTH), ("list<u8> max 4", "bytes max 4", OPENING),
            ("list<u8> max 4", "bytes max 5", BOTH), ("f32", "f64", BOTH), ("char", "u32", BOTH),
            ("map<u8, u8> max 2", "list<(u8, u8)> max 2", BOTH),
            ("option<u8>", "option<option<u8>>", BOTH),
        )
    ] + [
        # The same values, and yet other words in the text of the digest.
        fields(f"a: {before};", f"a: {after};", ("field-retyped", OPENING))
        for before, after in (
            ("f32 finite", "f32 range -3.4028235e38..3.4028235e38"),
            ("f32 min -3.4028235e38 finite", "f32 finite"),
            ("f32 range 1.0..3.4028235e38", "f32 min 1.0 finite"),
            ("list<f64 max 1.0 finite> max 2",
             "list<f64 range -1.7976931348623157e308..1.0> max 2"),
            ("map<u8, f64 finite> max 2", "map<u8, f64 max 1.7976931348623157e308 finite> max 2"),
        )
    ] + [
        case("struct S { a: u8; } struct T { a: u16; } message M = 1 { s: S; }",
             "struct S { a: u8; } struct T { a: u16; } message M = 1 { s: T; }",
             ("field-retyped", BOTH)),
        case("struct S { a: u8; } struct T { b: u8; } message M = 1 { s: S; }",
             "struct S { a: u8; } struct T { b: u8; } message M = 1 { s: T; }",
             ("field-retyped", OPENING)),
        case("struct S { a: u8; b: u8; } message M = 1 { s: S; }",
             "struct S { a: u8; b: u8; } message M = 1 { s: (u8, u8); }",
             ("field-retyped", OPENING)),
    ],
    "field-renamed": [
        fields("a: u8;", "b: u8;", ("field-renamed", OPENING)),
        fields("a: u8; x: u16;", "b: u8; x: u16;", ("field-renamed", OPENING)),
    ],
    "default-changed": [
        fields("a: u8 since 2 = 0;", "a: u8 since 2 = 1;", ("default-changed", NEW)),
        fields('a: string max 4 since 2 = "x";', "a: string max 4 since 2 = empty;",
               ("default-changed", NEW)),
    ],
    "bound-tightened": [
        bounds(before, after, NEW)
        for before, after in (
            ("string max 8", "string max 7"), ("string max 8", "string max 8 nonempty"),
            ("string max 8", "string max 8 nonul"), ("u8", "u8 max 254"), ("u8", "u8 min 1"),
            ("i8 range -5..5", "i8 range -4..5"), ("f32", "f32 finite"), ("f64", "f64 min 0.0"),
            ("f64 min 0.0", "f64 min 0.0 finite"), ("list<u8> max 3", "list<u8> max 2"),
            ("map<u8, u8> max 3", "map<u8, u8> min 1 max 3"), ("char", "char max 'z'"),
            ("list<u8> max 3", "list<u8 max 9> max 3"), ("u8[3]", "u8 max 9[3]"),
            ("option<u8>", "option<u8 max 9>"), ("(u8, u8)", "(u8, u8 max 9)"),
            ("map<u8, u8> max 3", "map<u8 max 9, u8> max 3"),
            ("u128", "u128 max 340282366920938463463374607431768211454"),
        )
    ] + [
        case("packet p { a: u8; }", "packet p { a: u8 max 9; }", ("bound-tightened", NEW)),
        case("struct S { a: u8; } message M = 1 { s: list<S> max 2; }",
             "struct S { a: u8 max 9; } message M = 1 { s: list<S> max 2; }",
             ("bound-tightened", NEW)),
    ],
    "bound-widened": [
        bounds(before, after, OLD)
        for before, after in (
            ("string max 8", "string max 9"), ("bytes min 2 max 8", "bytes max 8"),
            ("u8 max 254", "u8"), ("f32 finite", "f32"), ("f64 min 0.0 finite", "f64 finite"),
            ("list<string max 4> max 3", "list<string max 5> max 3"),
        )
    ] + [
        case("packet p { a: i16be range -5..5; }", "packet p { a: i16be range -6..5; }",
             ("bound-widened", OLD)),
        bounds("u8 range 2..5", "u8 range 1..4", NEW, OLD),
        bounds("f64 max 1.0", "f64 finite", NEW, OLD),
    ],
    "type-removed": [case("struct S {} enum E { a = 0; }", "", ("type-removed", SOURCE),
                          ("type-removed", SOURCE))],
    "type-changed": [
        case("struct S { a: u8; }", "enum S { a = 0; }", ("type-changed", BOTH)),
        case("enum S { a = 0; }", "struct S { a: u8; }", ("type-changed", BOTH)),
    ],
    "type-renamed": [
        case("struct S { a: u8; } message M = 1 { s: S; }",
             "struct T { a: u8; } message M = 1 { s: T; }", ("type-renamed", OPENING)),
        case("struct S { a: u8; } request M = 1 {} -> S;",
             "struct T { a: u16; } request M = 1 {} -> T;",
             ("type-renamed", OPENING), ("field-retyped", BOTH)),
    ],
    "recursion-changed": [
        case(f"struct S depth 4 max 99 {{ s: option<S>; }}",
             f"struct S {after} {{ s: option<S>; }}", ("recursion-changed", hurts))
        for after, hurts in (("depth 3 max 99", NEW), ("depth 5 max 99", OLD),
                             ("depth 4 max 98", NEW), ("depth 4 max 100", OLD))
    ],
    "variant-removed": [
        case("enum E { a = 0; b = 1; }", "enum E { a = 0; }", ("variant-removed", NEW)),
    ],
    "variant-added": [
        case("enum E { a = 0; }", "enum E { a = 0; b = 1; }", ("variant-added", OLD)),
        case("enum E { a = 0; c = 2; }", "enum E { a = 0; b = 1; c = 2; }", ("variant-added", OLD)),
    ],
    "variant-index": [
        case("enum E { a = 0; }", "enum E { a = 1; }", ("variant-index", BOTH)),
        case("enum E { a = 0; b = 1; }", "enum E { b = 0; a = 1; }",
             ("variant-index", BOTH), ("variant-index", BOTH)),
    ],
    "variant-renamed": [
        case("enum E { a = 0; b = 1; }", "enum E { a = 0; c = 1; }", ("variant-renamed", OPENING)),
    ],
    "packet-removed": [case("packet p { a: u8; }", "", ("packet-removed", SOURCE))],
    "packet-changed": [
        case(f"packet p {{ {before} }}", f"packet p {{ {after} }}", ("packet-changed", hurts))
        for before, after, hurts in (
            ("a: u8;", "a: u16be;", BOTH), ("a: u16be;", "a: u16le;", BOTH),
            ("a: u8; b: u16be;", "b: u16be; a: u8;", BOTH), ("a: u8;", "a: u8; b: u8;", BOTH),
            ("a: u8; b: u8;", "a: u8;", BOTH), ("a: u8 = 1;", "a: u8 = 2;", BOTH),
            ("a: u8 = 1;", "a: u8;", OLD), ("a: u8;", "a: u8 = 1;", NEW),
            ("a: bytes[4];", "a: bytes[5];", BOTH),
            ("a: u8 max 9; b: u8 max 9; c: bytes[a];", "a: u8 max 9; b: u8 max 9; c: bytes[b];",
             BOTH),
            ("f: flags8 { a: 2; b: 6 = 0; };", "f: flags8 { a: 2; c: 1; b: 5 = 0; };", OLD),
            ("f: flags8 { a: 2; b: 6; };", "f: flags8 { a: 3; b: 5; };", BOTH),
            ("f: flags8 { a: 2; b: 6; };", "f: flags8 { a: 2; b: 6 = 0; };", NEW),
            ("f: flags8 { a: 2; b: 6 = 3; };", "f: flags8 { a: 2; b: 6 = 2; };", BOTH),
        )
    ],
    "conversation-removed": [
        talk("conversation c { start s; state s { client A; } }", "",
             ("conversation-removed", OLD)),
    ],
    "conversation-added": [
        talk("", "conversation c { start s; state s { client A; } }", ("conversation-added", NEW)),
    ],
    "conversation-renamed": [
        talk("conversation c { start s; state s { client A; } }",
             "conversation d { start s; state s { client A; } }", ("conversation-renamed", OPENING)),
    ],
    "conversation-order": [
        talk("conversation c { start s; state s { client A; } }"
             " conversation d { start s; state s { client B; } }",
             "conversation d { start s; state s { client B; } }"
             " conversation c { start s; state s { client A; } }", ("conversation-order", BOTH)),
        talk("conversation c { start s; state s { client A; } }",
             "conversation d { start s; state s { client B; } }"
             " conversation c { start s; state s { client A; } }", ("conversation-order", BOTH)),
        # Also where it has a new name.
        talk("conversation c { start s; state s { client A; } }"
             " conversation d { start s; state s { client B; } }",
             "conversation d { start s; state s { client B; } }"
             " conversation e { start s; state s { client A; } }",
             ("conversation-order", BOTH), ("conversation-renamed", OPENING)),
    ],
    "final-changed": [
        states("state s { client A -> t; } final t;",
               "state s { client A -> t; } state t {}", ("final-changed", OPENING)),
        states("state s { client A -> t; } state t {}",
               "state s { client A -> t; } final t;", ("final-changed", OPENING)),
    ],
    "state-renamed": [
        states("state s { client A -> t; } state t { client A; }",
               "state s { client A -> u; } state u { client A; }", ("state-renamed", OPENING)),
    ],
    "start-changed": [
        talk("conversation c { start s; state s { client A -> t; } state t { client A -> s; } }",
             "conversation c { start t; state s { client A -> t; } state t { client A -> s; } }",
             ("start-changed", BOTH)),
    ],
    "rule-removed": [
        states("state s { client A, B; }", "state s { client A; }", ("rule-removed", NEW)),
        states("state s { either A; }", "state s { client A; }", ("rule-removed", NEW)),
        states("state s { client *; }", "state s { client A; }", ("rule-removed", NEW)),
    ],
    "rule-added": [
        states("state s { client A; }", "state s { client A, B; }", ("rule-added", OLD)),
        states("state s { client A; }", "state s { client A; server A; }", ("rule-added", OLD)),
        states("state s { client A; }", "state s { client B; }",
               ("rule-removed", NEW), ("rule-added", OLD)),
    ],
    "rule-target": [
        states("state s { client A -> t; } state t { client B -> s; }",
               "state s { client A -> t; } state t { client B; }", ("rule-target", BOTH)),
        asks("state s { client Q -> t; } state t { client A -> s; }",
             "state s { client Q -> t else t; } state t { client A -> s; }", ("rule-target", BOTH)),
        asks("state s { client Q -> t else t; } state t { client A -> s; }",
             "state s { client Q -> s else t; } state t { client A -> s; }", ("rule-target", BOTH)),
    ],
    "request-moves": [
        asks("state s { client Q; }", "state s { client Q -> t; } final t;",
             ("request-moves", BOTH), ("rule-target", BOTH)),
        asks("state s { client Q -> s else t; } state t { client A -> s; }",
             "state s { client Q; client A -> t; } state t { client A -> s; }",
             ("request-moves", BOTH), ("rule-added", OLD)),
        # Also where it moves only in a state that the release did not have.
        asks("state s { client Q; }",
             "state s { client Q; client B -> t; } state t { client Q -> s; }",
             ("request-moves", BOTH), ("rule-added", OLD)),
    ],
    "within-changed": [
        states("state s { client A; within 5s; }", "state s { client A; within 4s; }",
               ("within-changed", NEW)),
        states("state s { client A; within 5s; }", "state s { client A; within 6s; }",
               ("within-changed", OLD)),
        states("state s { client A; }", "state s { client A; within 6s; }",
               ("within-changed", NEW)),
        states("state s { client A; within 6s; }", "state s { client A; }",
               ("within-changed", OLD)),
    ],
}  # fmt: skip

FINE: dict[str, tuple[str, str]] = {
    "nothing": (SIMPLE, SIMPLE),
    "a field at the end": ("struct S { a: u8; }", "struct S { a: u8; b: u8 since 4 = 0; }"),
    "a field before a body": (
        "message M = 1 stream { b: bytes max 9; }",
        "message M = 1 stream { a: u8 since 4 = 0; b: bytes max 9; }",
    ),
    "a field of a variant": (
        "enum E { a = 0 { x: u8; }; }", "enum E { a = 0 { x: u8; y: u8 since 4 = 0; }; }",
    ),
    "a variant": ("enum E { a = 0; }", "enum E { a = 0; b = 3 { x: u8; } since 4; }"),
    "a message": (SIMPLE, SIMPLE + "message N = 0 since 4 { s: string max 8; }"),
    "a request": (SIMPLE, SIMPLE + "struct T {} request R = 2 since 4 {} -> T;"),
    "a new message with a new type": (
        SIMPLE, SIMPLE + "struct T { a: u8; } message N = 2 since 4 { t: T; }",
    ),
    "a packet, a constant, a reservation": (
        SIMPLE, SIMPLE + "packet p { a: u8; } const A = 1; reserved 7;",
    ),
    "a constant's value": ("const A = 1;", "const A = 2;"),
    "comments, order, spelling": (
        "struct S { a: string min 1 max 1024; } message M = 1 {} message N = 2 {}",
        "/// D.\nmessage N = 2 {} /// D.\nmessage M = 1 {}\n"
        "struct S { a: string max 1KiB nonempty; }",
    ),
    "deprecation and timeouts": (
        "struct S { a: u8; } request R = 1 {} -> S timeout 2s;",
        "struct S { a: u8 deprecated; } request R = 1 deprecated {} -> S timeout 3s;",
    ),
    "a new message in a conversation": (
        "message A = 1 {} conversation c { start s; state s { client A; } }",
        "message A = 1 {} message B = 2 since 4 {}\n"
        "conversation c { start s; state s { client A; server B -> t; } state t { server B; } }",
    ),
    "a wildcard spelled out": (
        "message A = 1 {} message B = 2 {} conversation c { start s; state s { client *; } }",
        "message A = 1 {} message B = 2 {} conversation c { start s; state s { client A, B; } }",
    ),
    "either as both": (
        "message A = 1 {} conversation c { start s; state s { either A; } }",
        "message A = 1 {} conversation c { start s; state s { client A; server A -> s; } }",
    ),
    "a float's other spelling of the same text": (
        "message M = 1 { a: f32 range 0.5..1.0 finite; b: f64 min -0.0; }",
        "message M = 1 { a: f32 range 0.50..1; b: f64 min 0.0; }",
    ),
    "a second conversation": (
        "message A = 1 {} conversation c { start s; state s { either A; } }",
        "message A = 1 {} conversation c { start s; state s { either A; } }\n"
        "conversation d { start s; state s { client A; } }",
    ),
    "a type of a newer message": (
        SIMPLE, SIMPLE + "enum E { a = 0; b = 1; } message N = 3 since 4 { e: E[2]; }",
    ),
    "recursion": (
        "struct T depth 4 max 99 { t: list<T> max 2; e: option<E>; }\n"
        "enum E depth 4 max 99 { a = 0 { t: list<T> max 2; }; }",
        "struct T depth 4 max 99 { t: list<T> max 2; e: option<E>; x: u8 since 4 = 1; }\n"
        "enum E depth 4 max 99 { a = 0 { t: list<T> max 2; }; b = 1 since 4; }",
    ),
}  # fmt: skip


def found(before: str, after: str) -> list[tuple[str, Hurts]]:
    old = protocol_of(before, "protocol demo version 3;\n")
    new = protocol_of(after, "protocol demo version 4;\n")
    return [(b.rule, b.hurts) for b in compare(old, new)]


WORDS = {
    OLD: "old readers", NEW: "new readers", BOTH: "both", OPENING: "opening", SOURCE: "programs",
}  # fmt: skip
"""What the reference calls those who are hurt."""


def reference() -> list[str]:
    """The rows of the reference's table of rules."""
    rows = []
    for rule, meaning in BREAKS.items():
        hurts = {h for c in CASES[rule] for name, h in c.expected if name == rule} or {BOTH}
        words = ", ".join(word for h, word in WORDS.items() if h in hurts)
        rows.append(f"| `{rule}` | {meaning} | {words} |\n")
    return rows


class Breaking(unittest.TestCase):
    def test_the_reference_has_every_rule_and_whom_it_hurts(self) -> None:
        text = (ROOT / "schema" / "README.md").read_text(encoding="utf-8")
        self.assertIn("|---|---|---|\n" + "".join(reference()), text)

    def test_every_rule_has_a_case(self) -> None:
        self.assertEqual(set(CASES), set(BREAKS))

    def test_cases(self) -> None:
        for rule, cases in CASES.items():
            for c in cases:
                with self.subTest(rule, before=c.before, after=c.after):
                    self.assertCountEqual(found(c.before, c.after), c.expected)
                    self.assertIn(rule, {name for name, _ in c.expected})

    def test_evolution_as_documented(self) -> None:
        for what, (before, after) in FINE.items():
            with self.subTest(what):
                self.assertEqual(found(before, after), [])

    def test_texts_about_requests_that_move(self) -> None:
        (first, *_) = CASES["request-moves"]
        old, new = protocol_of(first.before), protocol_of(first.after, "protocol demo version 4;\n")
        texts = [b.text for b in compare(old, new)]
        self.assertEqual(texts[0], "the client's 'Q' moves the conversation when it is answered or"
                                   " refused now, and did not as released")  # fmt: skip
        new = protocol_of(first.after)
        texts = [b.text for b in compare(new, old)]
        self.assertEqual(texts[0], "the client's 'Q' moves the conversation no more by its answer,"
                                   " as it did when released")  # fmt: skip
        (_, refused, _) = CASES["rule-target"]
        old, new = protocol_of(refused.before), protocol_of(refused.after)
        (found_,) = compare(old, new)
        self.assertEqual(found_.text, "in state 's' a refusal of 'Q' leads the client to 't', and to"
                                      " 's' as released")  # fmt: skip

    def test_protocol(self) -> None:
        old = protocol_of(SIMPLE, "protocol demo version 3;\n")
        renamed = protocol_of(SIMPLE, "protocol other version 3;\n")
        self.assertEqual([b.rule for b in compare(old, renamed)], ["protocol-renamed"])
        lower = protocol_of(SIMPLE, "protocol demo version 2;\n")
        self.assertEqual([b.rule for b in compare(old, lower)], ["version-lowered"])

    def test_a_version_that_was_not_raised_is_told(self) -> None:
        old = protocol_of("struct S {}")
        new = protocol_of("struct S { a: u8 since 3 = 0; }")
        (break_,) = compare(old, new)
        self.assertEqual(
            break_.message,
            "field 'a' of 'S' is new, and version 3 is released; raise the protocol's"
            " version to 4 and write 'since 4'; breaks old and new peers, both ways (demo.np:2)",
        )

    def test_something_new_without_a_version_is_told_both_steps(self) -> None:
        old = protocol_of(SIMPLE)
        (break_,) = compare(old, protocol_of(SIMPLE + " message N = 2 {}"))
        text = "message 'N' is new; raise the protocol's version to 4 and write 'since 4'"
        self.assertIn(text, break_.message)
        raised = protocol_of(SIMPLE + " message N = 2 {}", "protocol demo version 4;\n")
        (break_,) = compare(old, raised)
        self.assertIn("message 'N' is new; write 'since 4'", break_.message)

    def test_text_and_places(self) -> None:
        old = protocol_of("message Say = 1 {\n    text: string max 4KiB;\n}\n")
        new = protocol_of("\nmessage Say = 1 {\n    text: string max 1KiB;\n}\n")
        (break_,) = compare(old, new)
        self.assertEqual((break_.span.line, break_.span.column, break_.old.line), (4, 5, 3))
        self.assertEqual(
            break_.message,
            "field 'text' of 'Say' is 'string max 1024', and 'string max 4096' as released;"
            " breaks new readers of old writers (demo.np:3)",
        )

    def test_what_to_write_instead_of_another_type(self) -> None:
        for types, hint in (
            (("u8", "u16"), "keep it, and add a field with 'u16' and 'since 4' at the end;"),
            (("S", "T"), "keep it, and add a field with 'T' and 'since 4' at the end;"),
            (("list<u8> max 4", "bytes max 4"),
             "keep 'list<u8> max 4', which travels as the same bytes;"),
        ):
            declared = "struct S { a: u8; } struct T { a: u16; }"
            old, new = (protocol_of(f"{declared} message M = 1 {{ f: {t}; }}") for t in types)
            (break_,) = compare(old, new)
            self.assertIn(f"as released; {hint} ", break_.message)

    def test_a_type_is_reported_once_however_often_it_is_used(self) -> None:
        use = "message A = 1 { s: S; } message B = 2 { s: list<S> max 2; t: S[2]; }"
        breaks = found(f"struct S {{ a: u8; }} {use}", f"struct S {{ a: u16; }} {use}")
        self.assertEqual(breaks, [("field-retyped", BOTH)])

    def test_no_protocol_breaks_itself(self) -> None:
        for cases in CASES.values():
            for c in cases:
                self.assertEqual(found(c.before, c.before), [], c.before)


class Align(unittest.TestCase):
    def test_the_longest_part_in_order_stays(self) -> None:
        found_ = align("abcde", "eabcx", lambda i, j: False)
        self.assertEqual(found_.same, ((0, 1), (1, 2), (2, 3)))
        self.assertEqual(found_.moved, ((4, 0),))
        self.assertEqual((found_.removed, found_.added), ((3,), (4,)))
        self.assertEqual(align("abcd", "badc", lambda i, j: False).moved, ((0, 1), (2, 3)))

    def test_renames_stay_between_their_neighbours(self) -> None:
        found_ = align("axb", "ayb", lambda i, j: True)
        self.assertEqual(found_.same, ((0, 0), (1, 1), (2, 2)))
        self.assertEqual(align("axb", "aby", lambda i, j: True).removed, (1,))


if __name__ == "__main__":
    unittest.main()
