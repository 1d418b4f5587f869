"""The generated document: complete, true, and proof against what a schema may contain."""

from __future__ import annotations

import re
import struct
import unittest
from typing import Any

from support import ROOT, TESTS, load_file, protocol_of

from npgen.emit.docs import emit_docs
from npgen.emit.docs_packet import diagram
from npgen.emit.docs_text import code, inline, prose, table
from npgen.model import (
    INT_BITS,
    Array,
    List,
    Map,
    Option,
    Protocol,
    Ref,
    Scalar,
    Struct,
    Text,
    Tuple,
    Type,
)


ASKS = """
struct R {}
request Login = 1 {} -> R;
request Find = 2 {} -> R;
message Say = 3 {}
conversation c {
    start a;
    state a { client Login -> b else c; client Find; }
    state b { client Say, Login -> c; server Find; }
    state c { server Find; }
}
"""

TALK = "conversation c { start a; state a { client Login, Find; server Say; } }"


class Decoder:
    """Reads what the document's examples encode, by the rules that the document states."""

    def __init__(self, p: Protocol, data: bytes) -> None:
        self.p = p
        self.data = data

    def take(self, count: int) -> bytes:
        assert len(self.data) >= count, "too short"
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def number(self, count: int, signed: bool = False) -> int:
        return int.from_bytes(self.take(count), "little", signed=signed)

    def count(self, t: Text | List | Map) -> int:
        count = self.number(8)
        assert t.min <= count <= t.max
        return count

    def value(self, t: Type) -> Any:
        if isinstance(t, Scalar):
            return self.scalar(t)
        if isinstance(t, Text):
            text = self.take(self.count(t))
            assert not (t.nonul and b"\0" in text)
            return text.decode() if t.kind == "string" else text
        if isinstance(t, Array):
            return tuple(self.value(t.item) for _ in range(t.count))
        if isinstance(t, List):
            return [self.value(t.item) for _ in range(self.count(t))]
        if isinstance(t, Map):
            pairs = [(self.value(t.key), self.value(t.value)) for _ in range(self.count(t))]
            keys = [key for key, _ in pairs]
            assert all(a < b for a, b in zip(keys, keys[1:])), keys
            return pairs
        if isinstance(t, Option):
            tag = self.number(1)
            assert tag <= 1
            return self.value(t.item) if tag else None
        if isinstance(t, Tuple):
            return tuple(self.value(item) for item in t.items)
        return self.named(t) if isinstance(t, Ref) else ()

    def scalar(self, t: Scalar) -> float:
        number: float
        if t.kind in INT_BITS:
            number = self.number(INT_BITS[t.kind] // 8, t.kind[0] == "i")
        elif t.kind == "char":
            lead = self.data[0]
            number = ord(self.take(1 + (lead >= 0xC0) + (lead >= 0xE0) + (lead >= 0xF0)).decode())
        elif t.kind == "bool":
            number = self.number(1)
            assert number <= 1
        else:
            code_, width = ("<f", 4) if t.kind == "f32" else ("<d", 8)
            number = struct.unpack(code_, self.take(width))[0]
        assert t.lo is None or number >= t.lo
        assert t.hi is None or number <= t.hi
        return number

    def named(self, t: Ref) -> Any:
        decl = self.p.types[t.name]
        if isinstance(decl, Struct):
            return tuple(self.value(f.type) for f in decl.fields)
        index = self.number(4)
        (variant,) = [v for v in decl.variants if v.index == index]
        fields = tuple(self.value(f.type) for f in variant.fields)
        return (index, fields) if fields else index


def examples(text: str) -> list[bytes | None]:
    """What a document's examples encode; None for one that is not shown whole."""
    blocks = re.findall(r"With the least values[^\n]*\n\n```\n(.*?)```", text, re.DOTALL)
    return [
        None
        if "\n..." in block or " more " in block
        else bytes.fromhex("".join(r[:24] for r in block.splitlines()))
        for block in blocks
    ]


def schemas() -> list[Protocol]:
    paths = [ROOT / "schema" / "base.np", *sorted((ROOT / "tests" / "schema").glob("*.np"))]
    paths += sorted((TESTS / "good").glob("*.np"))
    protocols = []
    for path in paths:
        protocol, found = load_file(path)
        assert protocol is not None, found
        protocols.append(protocol)
    return protocols


MINIMA = """
enum Key { a = 3; b = 9; c = 12; }
enum Data { big = 0 { x: u64; }; small = 1 { y: u8 min 7; }; new = 2 since 2; }
struct Tree depth 4 max 999 { v: i16 range -9..-4; kids: list<Tree> max 2; more: option<Tree>; }
message M = 7 {
    a: u32 min 5; b: i8 max -3; c: f64 range 1.5..2.5; d: f32 max -1.0; e: char min 'x'; f: bool;
    g: string min 3 max 9 nonul; h: bytes min 60 max 60; i: list<u16 min 1> min 3 max 9;
}
message N = 8 {
    j: map<u8, bool> min 3 max 9; k: map<i16 max -2, ()> min 2 max 9; l: map<bool, u8> min 2 max 2;
    m: map<string min 2 max 4, u8> min 2 max 4; n: map<bytes max 4, u8> min 2 max 4;
    o: map<Key, u8> min 3 max 3; p: map<u8[3], u8> min 2 max 3;
    q: map<char min 'y', u8> min 2 max 3;
    r: (u8, Data, ()); s: Data[3]; t: Tree; u: option<Tree>; v: u128 min 1; w: i128 max -1;
    x: u8[20]; y: map<u8 min 253, u8> min 3 max 3; z: Data since 2 = new;
}
"""


class Examples(unittest.TestCase):
    def test_they_are_valid_and_whole(self) -> None:
        for p in [*schemas(), protocol_of(MINIMA)]:
            text = emit_docs(p)
            messages = [m for m in p.messages if p.own(m)]
            found = examples(text)
            self.assertEqual(len(found), len(messages))
            for message, data in zip(messages, found):
                if data is None:
                    continue
                with self.subTest(f"{p.name}.{message.name}"):
                    decoder = Decoder(p, data)
                    self.assertEqual(decoder.number(4), message.id)
                    for field in message.fields:
                        decoder.value(field.type)
                    self.assertEqual(decoder.data, b"")

    def test_long_ones_are_cut(self) -> None:
        text = emit_docs(protocol_of(
            "struct S { a: u8; b: u16; }\n"
            "message M = 1 { a: S[64][16]; b: string min 1048576 max 2MiB; c: u64[400]; }"
        ))  # fmt: skip
        self.assertLess(len(text), 8000)
        self.assertIn("1048512 more", text)

    def test_annotations(self) -> None:
        text = emit_docs(protocol_of(
            "message M = 258 { a: u16 min 9; b: string max 4; c: option<u8>; d: u8[10]; }"
        ))  # fmt: skip
        self.assertIn(
            "```\n"
            "02 01 00 00               id 258\n"
            "09 00                     a: 9\n"
            "00 00 00 00 00 00 00 00   b: 0 bytes\n"
            "00                        c: none\n"
            "00 00 00 00 00 00 00 00   d\n"
            "00 00\n"
            "```\n", text,
        )  # fmt: skip


HOSTILE = '''
/// # No heading, <script>alert(1)</script> & [link](http://x) `code` *bold* _it_ snake_case | pipe
/// - no list
/// 1. no list
/// --> ends no comment
message M = 1 {
    /// | a | b | <b>
    a: string max 8 since 2 = "`|\\u{202E}";
    b: u8 since 3 = 1 deprecated "use *a*";
}
'''


class Markup(unittest.TestCase):
    def test_nothing_of_a_schema_becomes_markup(self) -> None:
        text = emit_docs(protocol_of(HOSTILE))
        body = text.split("### Message M\n")[1]
        for markup in ("<script", "[link](", "<b>", "\n# No", "\n- no", "\n1. no", "\u202e"):
            self.assertNotIn(markup, body)
        self.assertIn("\\# No heading, &lt;script&gt;", body)
        self.assertIn("snake_case \\| pipe", body)
        self.assertIn("*Deprecated: use \\*a\\*.*", body)
        self.assertIn(r"`` \"`\|\u{202E}\" ``".replace('\\"', '"'), body)
        for row in re.findall(r"^\| 4 .*|^\| +`?a`?.*", body, re.MULTILINE):
            cells = re.split(r"(?<!\\)\|", row)[1:-1]
            self.assertEqual(len(cells), 7, row)

    def test_pieces(self) -> None:
        self.assertEqual(inline("a<b>&c"), "a&lt;b&gt;&amp;c")
        self.assertEqual(inline("_a_ b_c"), "\\_a\\_ b_c")
        self.assertEqual(code("a`b|c"), "`` a`b\\|c ``")
        self.assertEqual(prose(("One.", "", "+ two", "")), ["One.", "", "\\+ two", ""])
        self.assertEqual(prose(("Of:", "- a", "12. b")), ["Of:\\", "\\- a\\", "12\\. b", ""])
        self.assertEqual(table(["a", "b"], [["1", ""]]), ["| a |", "|---|", "| 1 |", ""])
        self.assertEqual(table(["a"], []), [])

    def test_a_source_name_cannot_end_the_banner(self) -> None:
        from dataclasses import replace

        p = replace(protocol_of("message M = 1 {}"), source="a-->b.np")
        self.assertEqual(emit_docs(p).index("-->"), emit_docs(p).index("\n-->\n") + 1)

    def test_requests_that_move(self) -> None:
        document = emit_docs(protocol_of(ASKS))
        self.assertIn("A request that leads to another state does so when its answer", document)
        for line in (
            "    s_a --> s_b : client Login answered",
            "    s_a --> s_a : client Find",
            "    s_a --> s_c : client Login refused",
            "| `a` | client | [Login](#message-login) | `b` when answered, `c` when refused |",
            "| | client | [Find](#message-find) | stays |",
            "| `b` | client | [Say](#message-say), [Login](#message-login)"
            " | `c`, requests when answered |",
        ):
            self.assertIn(line + "\n", document)
        talk = "conversation c { start a; state a { client Find; client * -> b; }"
        talk += " state b { client *; server Say; } }"
        document = emit_docs(protocol_of(ASKS.split("conversation")[0] + talk))
        for line in (
            "    s_a --> s_b : client any other, requests answered",
            "| | client | any other message | `b`, requests when answered |",
            "    s_b --> s_b : client any other<br/>server Say",
            "| `b` | client | any other message | stays |",
        ):
            self.assertIn(line + "\n", document)
        # Where all requests that move have rules of their own, what else there is moves when said.
        talk = talk.replace("client Find;", "client Find; client Login -> b;")
        document = emit_docs(protocol_of(ASKS.split("conversation")[0] + talk))
        self.assertIn("    s_a --> s_b : client Login answered<br/>client any other\n", document)
        self.assertIn("| | client | any other message | `b` |\n", document)
        still = protocol_of(ASKS.split("conversation")[0] + TALK)
        self.assertNotIn("when its answer", emit_docs(still))

    def test_links_lead_to_headings(self) -> None:
        for p in schemas():
            text = emit_docs(p)
            anchors = {
                h.lower().replace(" ", "-") for h in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
            }
            for target in re.findall(r"\]\(#([^)]+)\)", text):
                self.assertIn(target, anchors, p.name)

    def test_lines_end_cleanly(self) -> None:
        for p in schemas():
            self.assertNotRegex(emit_docs(p), r"[ \t]\n|\n\n\n")
            self.assertEqual(emit_docs(p), emit_docs(p))


class Diagrams(unittest.TestCase):
    maxDiff = None

    def drawn(self, fields: str) -> tuple[str, dict[str, str]]:
        lines, legend = diagram(protocol_of(f"packet p {{ {fields} }}").packets[0])
        return "\n".join(lines[2:]), legend

    def test_frame(self) -> None:
        lines, legend = self.drawn(
            "magic: u32be = 0xDEADBEEF; version: u8 = 1; flags: flags8 { compression: 2;"
            " encrypted: 1; more: 2; reserved: 3 = 0; };"
            " length: u32be max 9; payload: bytes[length];"
        )
        full = "+" + "-+" * 32
        self.assertEqual(lines, "\n".join([
            full,
            "|                       magic = 0xDEADBEEF                      |",
            full,
            "|  version = 1  |  R  | M |E| C |                               |",
            full,
            "|             length            |                               |",
            "+" + "-+" * 16 + " " * 31 + "+",
            "~                     payload (length bytes)                    ~",
            full,
        ]))  # fmt: skip
        names = {"R": "reserved", "M": "more", "E": "encrypted", "C": "compression"}
        self.assertEqual(legend, names)

    def test_every_line_is_as_wide_as_the_fields(self) -> None:
        for fields in (
            "a: u8;", "a: u24be;", "a: u8; b: bytes[3]; c: bytes[64]; d: u16le;",
            "a: u16be max 9; b: bytes[a];", "a: u8; b: bytes[25]; c: u64be;", "a: bytes[1024];",
        ):  # fmt: skip
            lines = self.drawn(fields)[0].split("\n")
            with self.subTest(fields):
                self.assertLessEqual(len(lines), 20)
                for above, line, below in zip(lines, lines[1:], lines[2:]):
                    if line[0] in "|~":
                        self.assertLessEqual(len(line), len(above))
                        self.assertGreaterEqual(len(line), len(below))
                        self.assertEqual(len(line) % 2, 1)

    def test_little_endian_parts_stand_where_they_travel(self) -> None:
        lines, _ = self.drawn("f: flags16le { low: 4; middle: 8; high: 4; };")
        self.assertIn("| middle|  low  |  high | middle|", lines)

    def test_keys_are_unique(self) -> None:
        _, legend = self.drawn(
            "f: flags8 { alpha: 1; alps: 1; altar: 1; a: 1; p: 1; l: 1; also: 2; };"
        )
        self.assertEqual(len(set(legend)), len(legend))


class Sections(unittest.TestCase):
    def test_offsets_end_where_sizes_vary(self) -> None:
        text = emit_docs(protocol_of("message M = 1 { a: u8; b: u16[2]; c: string max 4; d: u8; }"))
        rows = re.findall(r"^\| (\d*) *\| `([a-d])`", text, re.MULTILINE)
        self.assertEqual(rows, [("4", "a"), ("5", "b"), ("9", "c"), ("", "d")])

    def test_versions(self) -> None:
        text = emit_docs(protocol_of(
            "enum E { a = 0; b = 1 since 3; } struct S { x: u8 since 2 = 7; }\n"
            "message M = 1 since 2 { e: E; s: S; }"
        ))  # fmt: skip
        self.assertIn("| 2 | message [M](#message-m), field `x` of [S](#struct-s) |", text)
        self.assertIn("| 3 | variant `b` of [E](#enum-e) |", text)

    def test_only_what_there_is(self) -> None:
        text = emit_docs(protocol_of("packet p { a: u8; }", "protocol demo version 1;\n"))
        self.assertEqual(re.findall("^## (.+)$", text, re.MULTILINE), ["Packets"])
        empty = emit_docs(protocol_of("", "/// Empty.\nprotocol demo version 1;\n"))
        self.assertIn("# demo\n\nEmpty.\n\nVersion 1.\n", empty)


if __name__ == "__main__":
    unittest.main()
