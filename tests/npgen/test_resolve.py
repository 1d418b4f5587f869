"""From trees to the model: values, names, imports, recursion, order."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from support import TESTS, errors_of, inside, load_file, protocol_of

from npgen.load import load
from npgen.model import (
    EMPTY,
    Array,
    Decl,
    Enum,
    EnumValue,
    Field,
    List,
    Map,
    Option,
    PacketBytes,
    PacketInt,
    Protocol,
    Ref,
    Scalar,
    Side,
    Struct,
    Text,
    Tuple,
    Type,
    Unit,
)
from npgen.recursion import fields_of

GOOD = TESTS / "good"


def good(name: str) -> Protocol:
    protocol, found = load_file(GOOD / name)
    assert protocol is not None, "\n".join(map(str, found))
    return protocol


def fields(decl: Decl) -> dict[str, Field]:
    assert isinstance(decl, Struct)
    return {f.name: f for f in decl.fields}


def type_of(protocol: Protocol, struct: str, field: str) -> Type:
    return fields(protocol.types[struct])[field].type


class Types(unittest.TestCase):
    protocol: Protocol

    @classmethod
    def setUpClass(cls) -> None:
        cls.protocol = good("types.np")

    def test_the_whole(self) -> None:
        p = self.protocol
        self.assertEqual((p.name, p.version, p.source), ("types", 3, "types.np"))
        self.assertEqual(p.doc[0], "Every type of the language, with every constraint.")
        consts = {"MAX_NAME": 64, "MASK": 0xFF00, "BITS": 10, "SAME": 64}
        self.assertEqual(p.consts, consts)
        self.assertEqual(p.reserved_ids, ((300, 310), (400, 400)))
        self.assertEqual(p.reserved_names, ("Old", "Older"))

    def test_scalars(self) -> None:
        scalars = [f.type for f in fields(self.protocol.types["Scalars"]).values()]
        self.assertEqual(scalars, [
            Scalar("u8"), Scalar("u16"), Scalar("u32"), Scalar("u64"), Scalar("u128"),
            Scalar("i8", -5, 5), Scalar("i16", -300), Scalar("i32", None, 0xFF00), Scalar("i64"),
            Scalar("i128"), Scalar("f32", finite=True), Scalar("f64", -1.5, 1000.0),
            Scalar("bool"), Scalar("char", ord("a"), ord("z")),
        ])  # fmt: skip

    def test_sized(self) -> None:
        sized = [f.type for f in fields(self.protocol.types["Sized"]).values()]
        self.assertEqual(sized, [
            Text("string", 64, 1, True), Text("bytes", 4096, 4), Unit(), Array(Scalar("u8"), 32),
            Array(Array(Scalar("u16"), 4), 2), Array(Text("string", 16), 2),
            List(Text("string", 16), 8),
            Map(Text("string", 255), List(Scalar("u8", 1, 9), 4, 1), 9),
            Option(Option(Scalar("u64"))),
            Tuple((Scalar("u8"), Tuple((Scalar("f32", finite=True), Scalar("bool"))),
                   Text("string", 3))),
            Ref("Shared"), Ref("Kind"), Map(Ref("Kind"), Array(Scalar("u64"), 2), 3),
        ])  # fmt: skip

    def test_enums(self) -> None:
        kind, shape = self.protocol.types["Kind"], self.protocol.types["Shape"]
        assert isinstance(kind, Enum) and isinstance(shape, Enum)
        self.assertEqual([(v.name, v.index, v.since) for v in kind.variants],
                         [("plain", 0, 1), ("Rusty", 1, 1), ("odd", 7, 1), ("late", 8, 2)])
        self.assertTrue(kind.plain)
        self.assertFalse(shape.plain)
        self.assertEqual(kind.variants[2].deprecated, "use plain")
        polygon = shape.variants[2]
        self.assertEqual((polygon.since, polygon.deprecated), (2, ""))
        self.assertIs(polygon.fields[1].default, True)

    def test_defaults(self) -> None:
        defaults = {n: f.default for n, f in fields(self.protocol.types["Defaults"]).items()}
        self.assertEqual(defaults, {
            "first": None, "a": 200, "b": -1, "c": 1.0, "d": True, "e": 0x1F600, "f": 'a\tb"',
            "g": b"\0\x7f", "h": b"", "i": EMPTY, "j": None, "k": EnumValue("Rusty"), "l": 64,
            "m": -0.0025,
        })  # fmt: skip
        self.assertIsInstance(defaults["c"], float)

    def test_messages(self) -> None:
        messages = {m.name: m for m in self.protocol.messages}
        self.assertEqual([m.id for m in self.protocol.messages], [0, 5, 6, 7, 8, 900])
        words = messages["Words"]
        self.assertEqual((words.stream, words.secret, words.since, words.deprecated),
                         (True, True, 2, "old"))
        find = messages["Find"]
        self.assertEqual((find.reply, find.timeout_ms, find.secret), ("Sized", 1500, True))
        self.assertIsNone(messages["Draw"].timeout_ms)

    def test_each_type_stands_after_what_it_contains(self) -> None:
        seen: set[str] = set()

        def check(type_: Type) -> None:
            if isinstance(type_, Ref):
                self.assertTrue(type_.lazy or type_.name in seen, type_)
            elif isinstance(type_, (List, Option, Array)):
                check(type_.item)
            elif isinstance(type_, Map):
                check(type_.key)
                check(type_.value)
            elif isinstance(type_, Tuple):
                for item in type_.items:
                    check(item)

        for decl in self.protocol.types.values():
            for field in fields_of(decl):
                check(field.type)
            seen.add(decl.name)
        self.assertIn("Tree", seen)


class Recursion(unittest.TestCase):
    def test_direct(self) -> None:
        protocol = good("types.np")
        tree = fields(protocol.types["Tree"])
        self.assertEqual(tree["kids"].type, List(Ref("Tree", True), 8))
        self.assertEqual(tree["left"].type, Option(Ref("Tree", True)))
        self.assertEqual(tree["named"].type, Map(Scalar("u8"), Ref("Tree", True), 2))
        decl = protocol.types["Tree"]
        self.assertEqual((decl.depth, decl.max_len), (16, 65536))

    def test_only_the_edge_that_closes_the_cycle_is_lazy(self) -> None:
        protocol = good("types.np")
        self.assertEqual(type_of(protocol, "Ping", "pong"), Ref("Pong", False))
        self.assertEqual(type_of(protocol, "Pong", "pings"), List(Ref("Ping", True), 2))
        order = list(protocol.types)
        self.assertLess(order.index("Pong"), order.index("Ping"))

    def test_references_from_outside_are_not_lazy(self) -> None:
        protocol = good("types.np")
        carry = next(m for m in protocol.messages if m.name == "Carry")
        self.assertEqual(carry.fields[-1].type, List(Ref("Tree", False), 3))

    def test_through_an_enum(self) -> None:
        protocol = protocol_of(
            "enum Expr depth 8 max 4KiB { num = 0 { v: i64; }; neg = 1 { e: option<Expr>; };"
            " call = 2 { args: list<Expr> max 4 nonempty; }; }"
        )
        expr = protocol.types["Expr"]
        assert isinstance(expr, Enum)
        self.assertEqual(expr.variants[2].fields[0].type, List(Ref("Expr", True), 4, 1))

    def test_a_long_chain_needs_no_deep_stack(self) -> None:
        text = "".join(f"struct S{i} {{ a: S{i + 1}; }}\n" for i in range(5000))
        found = errors_of(text + "struct S5000 { a: u8; }\n")
        self.assertEqual([d.rule for d in found], ["nesting"])

    def test_a_large_cycle_needs_no_deep_stack(self) -> None:
        text = "".join(
            f"struct S{i} depth 2 max 99 {{ a: option<S{(i + 1) % 3000}>; }}\n" for i in range(3000)
        )
        protocol = protocol_of(text)
        self.assertEqual(len(protocol.types), 3000)


class Imports(unittest.TestCase):
    def test_origins_and_headers(self) -> None:
        protocol = good("types.np")
        self.assertEqual(protocol.imports, ("common",))
        self.assertEqual(protocol.import_headers, {"common": "common.h"})
        self.assertEqual(protocol.types["Shared"].origin, "common")
        self.assertFalse(protocol.own(protocol.types["Shared"]))
        self.assertNotIn("LIMIT", protocol.consts)

    def test_search_order_and_display(self) -> None:
        with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
            for name in ("here/sub", "there/sub", "schemas"):
                Path(name).mkdir(parents=True)
            Path("schemas/main.np").write_text(
                'protocol main version 1;\nimport "sub/part.np";\n'
                "struct S { part: Part; size: u8[SIZE]; }\n"
            )
            part = "protocol part version 1;\nconst SIZE = {};\nstruct Part {{ a: {}; }}\n"
            Path("here/sub/part.np").write_text(part.format(2, "u16"))
            Path("there/sub/part.np").write_text(part.format(3, "u32"))
            protocol, _ = load(Path("schemas/main.np"), [Path("here"), Path("there")])
            assert protocol is not None
            self.assertEqual(type_of(protocol, "S", "size"), Array(Scalar("u8"), 2))
            self.assertEqual(protocol.types["Part"].span.file, "here/sub/part.np")
            self.assertEqual(protocol.import_headers, {"part": "sub/part.h"})
            Path("schemas/sub").mkdir()
            Path("schemas/sub/part.np").write_text(part.format(4, "u64"))
            protocol, _ = load(Path("schemas/main.np"), [Path("here"), Path("there")])
            assert protocol is not None
            self.assertEqual(type_of(protocol, "S", "size"), Array(Scalar("u8"), 4))
            self.assertEqual(protocol.types["Part"].span.file, "schemas/sub/part.np")

    def test_a_file_that_two_paths_lead_to_is_read_once(self) -> None:
        with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
            Path("base0.np").write_text("protocol base0 version 1;\nstruct B {}\n")
            for name in ("left", "right"):
                text = f'protocol {name} version 1;\nimport "./base0.np";\n'
                Path(f"{name}.np").write_text(text)
            Path("top.np").write_text(
                'protocol top version 1;\nimport "left.np";\nimport "right.np";\n'
                "struct T { b: B; }\n"
            )
            protocol, found = load(Path("top.np"))
            assert protocol is not None, found
            self.assertEqual(protocol.imports, ("base0", "left", "right"))

    def test_the_digest_covers_imports_but_no_place(self) -> None:
        def digest(folder: str, imported: str, name: str = "main.np") -> str:
            Path(folder).mkdir(exist_ok=True)
            Path(folder, name).write_text('protocol main version 1;\nimport "part.np";\n')
            Path(folder, "part.np").write_bytes(imported.encode())
            protocol, found = load(Path(folder, name))
            assert protocol is not None, found
            return protocol.digest

        with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
            one = digest("a", "protocol part version 1;\n")
            self.assertRegex(one, "^[0-9a-f]{64}$")
            self.assertEqual(one, digest("b", "protocol part version 1;\n", "other.np"))
            self.assertEqual(one, digest("a", "protocol part version 1;\r\n"))
            self.assertNotEqual(one, digest("a", "protocol part version 2;\n"))

    def test_errors_of_imports_are_reported_with_their_file(self) -> None:
        with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
            Path("part.np").write_text("protocol part version 1;\nstruct P { a: string; }\n")
            Path("main.np").write_text(
                'protocol main version 1;\nimport "part.np";\nstruct M { a: bytes; }\n'
            )
            _, found = load(Path("main.np"))
            self.assertEqual([(d.span.file, d.rule) for d in found],
                             [("main.np", "unbounded"), ("part.np", "unbounded")])


class Packets(unittest.TestCase):
    def test_layout(self) -> None:
        packet = good("talk.np").packets[0]
        self.assertEqual((packet.name, packet.header_len, packet.origin), ("frame", 32, "talk"))
        ints = {f.name: f for f in packet.fields if isinstance(f, PacketInt)}
        self.assertEqual((ints["magic"].const, ints["magic"].big_endian), (0xDEADBEEF, True))
        self.assertEqual((ints["delta"].signed, ints["delta"].lo, ints["delta"].hi), (True, -5, 5))
        self.assertEqual((ints["little"].bits, ints["little"].hi), (24, 1000))
        parts = [(p.name, p.shift, p.bits, p.const) for p in ints["flags"].parts]
        expected = [("compression", 0, 2, None), ("encrypted", 2, 1, None), ("rest", 3, 13, 0)]
        self.assertEqual(parts, expected)
        self.assertEqual(ints["length"].length_of, "payload")
        blobs = [f for f in packet.fields if isinstance(f, PacketBytes)]
        sizes = [(b.name, b.count, b.length_field) for b in blobs]
        self.assertEqual(sizes, [("key", 16, None), ("payload", None, "length")])


class Conversations(unittest.TestCase):
    def test_states(self) -> None:
        session, second, third = good("talk.np").conversations
        self.assertEqual((session.name, session.start), ("session", "greet"))
        self.assertEqual(session.doc, ("How it goes.",))
        greet, opened, done = session.states
        self.assertEqual((greet.within_ms, greet.doc), (5000, ("Not yet open.",)))
        self.assertEqual([(r.side, r.messages, r.target) for r in opened.rules], [
            (Side.EITHER, ("Say", "Find"), None), (Side.SERVER, (), "open"),
            (Side.EITHER, ("Leave",), "done"),
        ])  # fmt: skip
        (asked,) = third.states[0].rules
        self.assertEqual((asked.target, asked.refused), ("inside", "outside"))
        self.assertEqual([r.refused for r in greet.rules], [None, None])
        self.assertEqual(session.requests, {"Ask"})
        self.assertTrue(opened.rules[1].wildcard)
        self.assertEqual(greet.rules[-1].messages, ("Leave",))
        self.assertTrue(done.final)
        self.assertEqual(done.rules, ())
        self.assertTrue(second.states[0].rules[0].wildcard)


if __name__ == "__main__":
    unittest.main()
