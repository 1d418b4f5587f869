"""What npgen makes to test a schema's code. Whether it is right is seen where it is compiled and run
(ctest -L generated); here: which examples there are, and that they are readable."""

from __future__ import annotations

import io
import re
import tempfile
import unittest
from contextlib import redirect_stdout
from pathlib import Path

from support import ROOT

from npgen.cli import main
from npgen.load import load_result
from npgen.model import Map, Protocol
from npgen.selftest.layout import lines_of
from npgen.selftest.program import emit_test
from npgen.selftest.typical import Maker, step_f32
from npgen.selftest.wire import encode

SCHEMA = """
protocol small version 3;
enum Mood { plain = 0; glad = 1 { much: u8; } new = 2 since 2; }
struct Unused { x: u16 range 3..9; }
message Say = 1 {
    text: string max 9 nonempty;
    tags: list<string max 4> max 3;
    at: option<u64>;
    mood: Mood;
    late: u8 range 1..2 since 3 = 1;
}
request Ask = 2 since 2 { key: map<u8, bool> max 2; } -> Unused;
packet head { magic: u16be = 0xABCD; len: u8 max 4; }
"""


def protocol(text: str) -> Protocol:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.np"
        path.write_text(text, encoding="utf-8")
        result = load_result(path, [], "small.np")
    assert result.protocol is not None, result.reporter.diagnostics
    return result.protocol


def calls(text: str) -> list[str]:
    """Every call with an example's name, on one line each."""
    joined = " ".join(line.strip() for line in text.split("\n"))
    return [c for c in joined.split(";") if 'np_selftest_' in c and ', "' in c]


class Program(unittest.TestCase):
    def setUp(self) -> None:
        self.text = emit_test(protocol(SCHEMA))
        self.calls = calls(self.text)

    def has(self, call: str) -> None:
        self.assertTrue(any(call in c for c in self.calls), call)

    def test_bounds(self) -> None:
        for name in ("typical", "least", "text.shortest", "text.longest", "tags.most", "at.none",
                     "tags.item.longest", "at.highest", "mood.plain", "mood.glad.much.lowest"):
            self.has(f'np_selftest_good(t, "{name}", &v, 1,')
        self.has('np_selftest_bad(t, "text.too_long", &v, 1, NP_ERR_TOO_LONG, "small.Say.text",'
                 ' "min 1 max 9")')
        self.has('np_selftest_bad(t, "text.no_utf8", &v, 1, NP_ERR_UTF8, "small.Say.text",')
        self.has('np_selftest_bad(t, "tags.too_many", &v, 1, NP_ERR_TOO_LONG, "small.Say.tags",')
        self.has('np_selftest_bad(t, "mood.unknown", &v, 1, NP_ERR_VARIANT, "small.Mood", NULL)')
        self.has('np_selftest_bad(t, "key.key.descends", &v, 2, NP_ERR_ORDER, "small.Ask.key.key"')

    def test_versions(self) -> None:
        """What is newer is refused by older versions; a field that they lack is not looked at."""
        self.has('np_selftest_good(t, "mood.new", &v, 2,')
        self.has('np_selftest_newer(t, "mood.new", &v, 1, "small.Mood")')
        self.has('np_selftest_bad(t, "late.too_high", &v, 3, NP_ERR_RANGE, "small.Say.late"')

    def test_bytes(self) -> None:
        """The typical message at each version at which its bytes differ."""
        self.assertEqual(self.text.count("np_selftest_wire(t, 1, &v"), 1)
        self.assertEqual(self.text.count("np_selftest_wire(t, 3, &v"), 1)
        self.assertIn("0x74, 0x65, 0x78, 0x74, /* text */", self.text)

    def test_packets(self) -> None:
        self.has('np_selftest_packet_bad(t, "magic.wrong", bytes, NP_ERR_CONST, "small.head.magic"')
        self.has('np_selftest_packet_bad(t, "len.too_high", bytes, NP_ERR_RANGE, "small.head.len"')

    def test_structs_in_no_message(self) -> None:
        self.assertNotIn("np_selftest_struct", self.text)  # it is the reply to Ask
        text = emit_test(protocol(SCHEMA.replace("-> Unused", "-> Other") + "struct Other {}\n"))
        self.assertIn("np_selftest_struct(t, &small_unused__selftest)", text)

    def test_no_name_that_a_schema_could_have(self) -> None:
        """In a protocol called 'test', a type may be called All, and a message too."""
        found = re.findall(r"^static void (\w+)\(", self.text, re.MULTILINE)
        self.assertGreater(len(found), 4)
        self.assertEqual([name for name in found if "__" not in name], [])
        self.assertEqual(len(set(found)), len(found))
        text = emit_test(protocol("protocol test version 1;\nmessage All = 1 {}\nstruct Tests {}\n"))
        found = re.findall(r"^static void (\w+)\(", text, re.MULTILINE)
        self.assertEqual(len(set(found)), 3)

    def test_the_same_every_time(self) -> None:
        self.assertEqual(self.text, emit_test(protocol(SCHEMA)))

    def test_lines(self) -> None:
        for path in (ROOT / "tests/schema").glob("*.np"):
            result = load_result(path, [], path.name)
            assert result.protocol is not None
            for line in emit_test(result.protocol).split("\n"):
                self.assertLessEqual(len(line), 110, f"{path.name}: {line}")


class Keys(unittest.TestCase):
    """A map that must have many keys has them: different ones, in order, and no newer than needed."""

    def keys(self, key: str, least: int) -> list[bytes]:
        p = protocol("protocol small version 4;\nenum E { a = 0; b = 1 since 2; c = 3 since 2; d = 9 since 4; }\n"
                     f"message M = 1 since 4 {{ m: map<{key}, u8> max 30000 min {least}; }}\n")  # fmt: skip
        (field,) = p.messages[0].fields
        assert isinstance(field.type, Map)
        return [encode(k, 4) for k in Maker(p).keys(field.type, least)]

    def test_as_many_as_there_are(self) -> None:
        for key, least in (
            ("bool", 2), ("u8", 256), ("i8 range -100..100", 201), ("u16", 30000), ("u16 min 60000", 5536),
            ("char max 'z'", 123), ("char range 0xD000..0xF000", 6145), ("u8[1]", 256), ("u8[2]", 300),
            ("bytes max 1", 257), ("bytes max 3", 700), ("string max 1", 129), ("string max 1 nonul", 128),
            ("string max 2", 18433), ("string max 2 min 2 nonul", 18049), ("string max 9 min 4", 500),
            ("E", 1), ("E", 2), ("E", 4),
        ):  # fmt: skip
            with self.subTest(key, least=least):
                found = self.keys(key, least)
                self.assertEqual(len(found), least)
                signed = key.startswith("i")
                if key[0] in "ui" and "[" not in key or key == "E":
                    order = [int.from_bytes(k, "little", signed=signed) for k in found]
                else:
                    text = key.startswith(("bytes", "string"))
                    order = [k[8:] if text else k for k in found]
                self.assertEqual(order, sorted(set(order)))

    def test_newer_ones_only_where_they_are_needed(self) -> None:
        self.assertEqual([k[0] for k in self.keys("E", 1)], [0])
        self.assertEqual([k[0] for k in self.keys("E", 3)], [0, 1, 3])


class Command(unittest.TestCase):
    def test_outputs(self) -> None:
        schema = str(ROOT / "tests/schema/talk.np")
        with tempfile.TemporaryDirectory() as folder:
            for extra in (["--list-outputs"], []):
                out = io.StringIO()
                with redirect_stdout(out):
                    self.assertEqual(main(["tests", schema, "--out", folder, *extra]), 0)
                names = [f"{folder}/talk_test.c", f"{folder}/talk_fuzz.c"]
                self.assertEqual(out.getvalue().split(), names)
                self.assertEqual(len(list(Path(folder).iterdir())), 0 if extra else 2)


class Numbers(unittest.TestCase):
    def test_the_next_f32(self) -> None:
        inf = float("inf")
        self.assertEqual(step_f32(1.0, inf), 1.0 + 2.0**-23)
        self.assertEqual(step_f32(-1.0, inf), -1.0 + 2.0**-24)
        self.assertEqual(step_f32(0.0, -inf), -(2.0**-149))


class Layout(unittest.TestCase):
    def test_breaks_within_braces_only(self) -> None:
        self.assertEqual(lines_of("a = {1, 2};", 1), ["a = {1, 2};"])
        text = 'v = (t){.a = "{,", .b = {.c = ' + "1" * 60 + ", .d = " + "2" * 60 + "}};"
        self.assertEqual(lines_of(text, 1), [
            "v = (t){",
            '    .a = "{,",',
            "    .b = {",
            "        .c = " + "1" * 60 + ",",
            "        .d = " + "2" * 60 + ",",
            "    },",
            "};",
        ])  # fmt: skip


if __name__ == "__main__":
    unittest.main()
