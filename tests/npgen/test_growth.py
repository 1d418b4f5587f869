"""Generated code grows with the schema, not with the number of ways through it."""

from __future__ import annotations

import shutil
import tempfile
import unittest
from pathlib import Path

from support import protocol_of

from npgen.emit import generate
from npgen.emit.nesting import INLINE_MAX, needs, shared
from npgen.emit.ragel import emit_ragel
from npgen.graph.command import graph
from npgen.model import Protocol


def structs(depth: int, fields: str = "x: {0}; y: {0};") -> Protocol:
    """Structs that hold each other twice: 2^depth values in the end."""
    text = "message M = 0 { a: A0; b: option<A0>; }\nrequest R = 1 { a: A1; } -> A0;\n"
    for i in range(depth):
        text += f"struct A{i} {{ {fields.format(f'A{i + 1}')} }}\n"
    return protocol_of(text + f"struct A{depth} {{ v: u8 max 3; }}\n")


def enums(depth: int) -> Protocol:
    """The same where only one of the two is there at a time, so that nothing else ends it."""
    text = "message M = 0 { a: A0; }\n"
    for i in range(depth):
        inner = f"A{i + 1}"
        text += f"enum A{i} {{ l = 0 {{ x: {inner}; }}; r = 1 {{ y: list<{inner}> max 1; }}; }}\n"
    return protocol_of(text + f"struct A{depth} {{ v: u8 max 3; }}\n")


def size_of(protocol: Protocol) -> dict[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        return {path.name: path.stat().st_size for path in generate(protocol, Path(folder))}


class Growth(unittest.TestCase):
    def compare(self, small: Protocol, large: Protocol, factor: float) -> None:
        if shutil.which("ragel") is None:
            self.skipTest("ragel is missing")
        before, after = size_of(small), size_of(large)
        self.assertEqual(set(before), set(after))
        for name, size in after.items():
            self.assertLess(size, factor * before[name] + 1000, name)

    def test_structs(self) -> None:
        self.compare(structs(7), structs(14), 2.5)

    def test_options_and_lists(self) -> None:
        fields = "x: option<{0}>; y: list<{0}> max 2; z: {0}[2];"
        self.compare(structs(3, fields), structs(6, fields), 3)

    def test_enums(self) -> None:
        self.compare(enums(29), enums(58), 2.5)

    def test_pictures(self) -> None:
        for options in ((None, "M", False), (None, None, True)):
            small, large = graph(enums(29), *options), graph(enums(58), *options)
            self.assertLess(len(large), 2.2 * len(small))


class Sharing(unittest.TestCase):
    def test_small_types_are_copied(self) -> None:
        text = "struct P { x: f64; y: f64; }\nmessage M = 0 { a: P; b: P; c: list<P> max 3; }\n"
        self.assertEqual(shared(protocol_of(text)), frozenset())

    def test_a_large_type_with_one_use_is_copied(self) -> None:
        fields = "".join(f"f{i}: u8;" for i in range(INLINE_MAX + 1))
        text = f"struct Large {{ {fields} }}\nmessage M = 0 {{ a: Large; }}\n"
        self.assertEqual(shared(protocol_of(text)), frozenset())
        again = protocol_of(text + "message N = 1 { b: Large; }\n")
        self.assertEqual(shared(again), {"Large"})
        self.assertIn("CALL >~demo_large_inside @call_demo_large BACK", emit_ragel(again))
        self.assertEqual(needs(again), (0, 1, 0))

    def test_a_reply_is_a_use(self) -> None:
        fields = "".join(f"f{i}: u8;" for i in range(INLINE_MAX + 1))
        text = f"struct Large {{ {fields} }}\nrequest R = 0 {{ a: Large; }} -> Large;\n"
        self.assertEqual(shared(protocol_of(text)), {"Large"})

    def test_room_counts_the_calls_on_the_deepest_way(self) -> None:
        protocol = structs(14)
        called = shared(protocol)
        self.assertEqual(needs(protocol), (0, len(called), 0))


if __name__ == "__main__":
    unittest.main()
