"""Types that are used in many places: what is generated grows with the schema, not with the number
of ways through it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from support import ROOT, protocol_of

from npgen import selftest
from npgen.emit import EMITTERS, generate
from npgen.emit.nesting import INLINE_MAX, needs, shared
from npgen.graph.parser import parser_graph
from npgen.model import Protocol

LINKS = {
    "struct": "struct {0} {{ a: {1}; b: {1}; }}",
    "tuple": "struct {0} {{ a: ({1}, {1}); }}",
    "option": "struct {0} {{ a: option<{1}>; b: option<{1}>; }}",
    "list": "struct {0} {{ a: list<{1}> max 1; b: list<{1}> max 1; }}",
    "map": "struct {0} {{ a: map<u8, {1}> max 1; b: map<u8, {1}> max 1; }}",
    "array": "struct {0} {{ a: {1}[1]; b: {1}[1]; }}",
    "enum": "enum {0} {{ a = 0 {{ v: {1}; }}; b = 1 {{ v: {1}; w: u8; }}; }}",
}
"""How one type of a chain holds the next one twice."""


def chain_text(length: int, kind: str = "struct") -> str:
    """Types that each hold the next one twice, so many levels above the last one."""
    links = [LINKS[kind].format(f"L{i}", f"L{i + 1}") for i in range(length)]
    return "\n".join([*links, f"struct L{length} {{ v: u8; }}", "message M = 1 { chain: L0; }", ""])


def chain(length: int, kind: str = "struct") -> Protocol:
    return protocol_of(chain_text(length, kind))


def sizes(p: Protocol) -> dict[str, int]:
    """Bytes of each file that is generated."""
    with tempfile.TemporaryDirectory() as folder:
        return {path.name: path.stat().st_size for path in generate(p, Path(folder))}


class InAProcess(unittest.TestCase):
    """What explodes is ended, and the test fails."""

    def parser_len(self, levels: int) -> int:
        """Bytes of the parser that is generated; within seconds, or the test fails."""
        with tempfile.TemporaryDirectory() as folder:
            schema = Path(folder, "chain.np")
            schema.write_text(f"protocol chain version 1;\n{chain_text(levels)}", encoding="utf-8")
            command = [sys.executable, "-m", "npgen", "gen", str(schema), "--out", folder]
            subprocess.run(
                command, cwd=ROOT / "codegen", check=True, capture_output=True, timeout=30
            )
            return Path(folder, "chain_parse.c").stat().st_size

    def test_size_grows_by_levels_and_not_by_ways(self) -> None:
        sizes = [self.parser_len(levels) for levels in (7, 11, 15)]
        self.assertLess(sizes[1] - sizes[0], 40_000)
        self.assertLess(sizes[2] - sizes[1], 1.5 * (sizes[1] - sizes[0]))


class Growth(unittest.TestCase):
    def test_files_grow_with_the_chain(self) -> None:
        for kind in LINKS:
            short, long = sizes(chain(6, kind)), sizes(chain(12, kind))
            for name, size in short.items():
                with self.subTest(kind=kind, file=name):
                    # What each file begins with makes it less than twice, calls come in steps; the
                    # number of ways is 64 times as large.
                    self.assertLess(long[name], 3 * size)

    def test_long_chains_take_no_time(self) -> None:
        for kind, length in (("struct", 14), ("enum", 60)):
            with self.subTest(kind=kind):
                before = time.monotonic()
                found = sizes(chain(length, kind))
                self.assertLess(time.monotonic() - before, 10)
                self.assertLess(sum(found.values()), 2 << 20)


class Shared(unittest.TestCase):
    def test_short_types_are_copied(self) -> None:
        self.assertEqual(shared(chain(3)), frozenset())

    def test_long_ones_are_called_where_they_are_used_twice(self) -> None:
        fields = " ".join(f"f{i}: u8;" for i in range(INLINE_MAX))
        long = f"struct Long {{ {fields} }}\n"
        once = protocol_of(long + "message M = 1 { a: Long; }")
        self.assertEqual(shared(once), frozenset())
        twice = protocol_of(long + "message M = 1 { a: Long; }\nrequest R = 2 {} -> Long;")
        self.assertEqual(shared(twice), {"Long"})

    def test_the_machine_calls_them(self) -> None:
        text = EMITTERS["{name}_parse.rl"](chain(12))
        self.assertEqual(text.count("np_parser_due_call"), len(shared(chain(12))))
        self.assertGreater(text.count("np_parser_due_call"), 1)


class Room(unittest.TestCase):
    def test_calls_within_calls(self) -> None:
        self.assertEqual(needs(chain(3)), (0, 0, 0))
        p = chain(12)
        self.assertEqual(needs(p), (0, len(shared(p)), 0))

    def test_recursions_within_recursions_add_up(self) -> None:
        types = "\n".join(
            f"struct Q{i} depth 8 max 4KiB {{"
            f" own: list<Q{i}> max 1; on: map<u8, Q{i + 1}> max 1; }}"
            for i in range(5)
        )
        p = protocol_of(types + "\nstruct Q5 { v: u8; }\nmessage M = 1 { q: Q0; }")
        # Each recursion: a list a level and the map that leads out of it, a call a level.
        self.assertEqual(needs(p), (5 * 9, 5 * 8, 5 * 16))

    def test_a_recursion_of_several_types(self) -> None:
        p = protocol_of(
            "struct A depth 4 max 4KiB { b: B; other: list<list<u8> max 1> max 1; }\n"
            "struct B depth 4 max 4KiB { a: map<u8, A> max 1; }\n"
            "message M = 1 { a: list<A> max 1; }"
        )
        # Both types a level, each level behind a map; in the last one two lists; the message's own.
        self.assertEqual(needs(p), (1 + 4 + 2, 2 * 4, 4 * 16))


class Others(unittest.TestCase):
    """What else is made of a schema."""

    def test_examples_in_documents(self) -> None:
        """Lists that are never empty: the least value has 2^18 parts."""
        links = [f"struct L{i} {{ a: list<L{i + 1}> min 2 max 2; }}" for i in range(18)]
        p = protocol_of("\n".join([*links, "struct L18 { v: u8; }", "message M = 1 { a: L0; }"]))
        before = time.monotonic()
        self.assertLess(len(EMITTERS["{name}.md"](p)), 50_000)
        self.assertLess(time.monotonic() - before, 2)

    def test_graphs_and_tests(self) -> None:
        for length, kind in ((60, "enum"), (12, "list"), (12, "option")):
            p = chain(length, kind)
            before = time.monotonic()
            self.assertLess(len(parser_graph(p)), 100_000)
            for pattern, emit in selftest.EMITTERS.items():
                with self.subTest(kind=kind, file=pattern):
                    self.assertLess(len(emit(p)), 8 << 20)
            self.assertLess(time.monotonic() - before, 30)


if __name__ == "__main__":
    unittest.main()
