"""Floats in schemas: each is rounded once, to the nearest, and means the same everywhere."""

from __future__ import annotations

import random
import struct
import tempfile
import unittest
from fractions import Fraction
from pathlib import Path

from support import errors_of, inside, protocol_of

from npgen.emit.common import float_literal
from npgen.emit.defaults import encoded_default
from npgen.emit.shapes import rule_of
from npgen.evolution.lock_read import read_lock
from npgen.evolution.lock_write import lock_text
from npgen.floats import nearest, shortest
from npgen.diagnostics import Reporter
from npgen.lint import lint
from npgen.load import load_result
from npgen.model import Scalar
from npgen.spell import spell

MAX_F32 = 3.4028234663852886e38

ROUNDED = {
    ("f32", "3.4028235e38"): MAX_F32,
    ("f32", "-3.4028235e38"): -MAX_F32,
    ("f32", "340282350000000000000000000000000000000"): MAX_F32,
    ("f32", "340282356779733661637539395458142568447.9999"): MAX_F32,
    ("f32", "0.3"): 0.30000001192092896,
    ("f32", "16777217"): 16777216.0,
    ("f32", "16777217.00000000000000000000000001"): 16777218.0,
    ("f32", "1.00000005960464477539062500000000000000001"): 1.0 + 2.0**-23,
    ("f32", "1.000000059604644775390625"): 1.0,
    ("f32", "1e-45"): 2.0**-149,
    ("f32", "1e-46"): 0.0,
    ("f32", "1e-999999999999"): 0.0,
    ("f32", "0x1000001"): 16777216.0,
    ("f64", "9007199254740993"): 9007199254740992.0,
    ("f64", "9007199254740993.0000000000000000000000001"): 9007199254740994.0,
    ("f64", "1.7976931348623158e308"): 1.7976931348623157e308,
    ("f64", "340282366920938463463374607431768211455"): 2.0**128,
    ("f64", "1e-400"): 0.0,
}

TOO_GREAT = (
    ("f32", "3.4028236e38", "range-type"),
    ("f32", "340282356779733661637539395458142568448", "range-type"),
    ("f32", "-1e39", "range-type"),
    ("f64", "1.7976931348623159e308", "number-range"),
    ("f64", "1e999999999999", "number-range"),
)


def f32(bits: int) -> float:
    """The f32 of these bits."""
    value: float = struct.unpack("<f", struct.pack("<I", bits))[0]
    return value


class Rounding(unittest.TestCase):
    def test_bounds(self) -> None:
        for (kind, text), value in ROUNDED.items():
            with self.subTest(text):
                (message,) = protocol_of(f"message M = 1 {{ a: {kind} max {text}; }}").messages
                self.assertEqual(message.fields[0].type, Scalar(kind, None, value))

    def test_defaults(self) -> None:
        for (kind, text), value in ROUNDED.items():
            with self.subTest(text):
                p = protocol_of(f"message M = 1 {{ a: {kind} since 2 = {text}; }}")
                field = p.messages[0].fields[0]
                self.assertEqual(field.default, value)
                code = "<f" if kind == "f32" else "<d"
                self.assertEqual(encoded_default(p, field.type, value), struct.pack(code, value))

    def test_too_great(self) -> None:
        for kind, text, rule in TOO_GREAT:
            found = errors_of(f"message M = 1 {{ a: {kind} max {text}; }}")
            self.assertEqual([d.rule for d in found], [rule])
            found = errors_of(f"message M = 1 {{ a: {kind} since 2 = {text}; }}")
            self.assertEqual([d.rule for d in found], [rule.replace("range-type", "default-value")])

    def test_a_default_at_a_rounded_bound(self) -> None:
        for text in ("0.3", "0.30000001", "0.3000000119"):
            protocol_of(f"message M = 1 {{ a: f32 range 0.3..0.3 since 2 = {text}; }}")
        errors_of("message M = 1 { a: f32 range 0.3..0.3 since 2 = 0.30000003; }")

    def test_signs_of_zero(self) -> None:
        for kind in ("f32", "f64"):
            for text in ("-0", "-0.0", "-1e-400"):
                p = protocol_of(f"message M = 1 {{ a: {kind} since 2 = {text}; }}")
                field = p.messages[0].fields[0]
                self.assertEqual(encoded_default(p, field.type, field.default)[-1], 0x80, text)
                # A bound has no sign to tell: -0 and 0 are equal.
                p = protocol_of(f"message M = 1 {{ a: {kind} min {text}; }}")
                self.assertEqual(spell(p.messages[0].fields[0].type), f"{kind} min 0.0")

    def test_against_the_machine(self) -> None:
        rng = random.Random(5)
        for _ in range(3000):
            low = rng.randrange(0x7F7FFFFF)
            a, b = Fraction(f32(low)), Fraction(f32(low + 1))
            middle, even = (a + b) / 2, f32(low + (low & 1))
            tiny = (b - a) / 10**30
            self.assertEqual(nearest("f32", middle), even)
            self.assertEqual(nearest("f32", -middle), -even)
            self.assertEqual(nearest("f32", middle - tiny), f32(low))
            self.assertEqual(nearest("f32", middle + tiny), f32(low + 1))
            self.assertEqual(nearest("f32", a), f32(low))


class Spelling(unittest.TestCase):
    def test_fewest_digits(self) -> None:
        for bits, text in (
            (0x3E99999A, "0.3"), (0x7F7FFFFF, "3.4028235e+38"), (1, "1e-45"), (0, "0.0"),
            (0x4B800000, "16777216.0"), (0x80000000, "-0.0"), (0x6B000000, "1.5474251e+26"),
        ):  # fmt: skip
            self.assertEqual(repr(shortest("f32", f32(bits))), text)

    def test_what_is_spelled_means_the_same(self) -> None:
        rng = random.Random(6)
        for _ in range(3000):
            value = f32(rng.choice((rng.randrange(0x7F800000), rng.randrange(256) << 23)))
            if value == float("inf"):
                continue
            literal = float_literal("f32", value)
            if literal.startswith("0x"):
                # No decimal of a sensible length is this number, so it stands in binary, exactly.
                self.assertEqual(float.fromhex(literal.removesuffix("f")), value)
                continue
            self.assertEqual(Fraction(literal.removesuffix("f")), Fraction(value))
            self.assertLessEqual(sum(c.isdigit() for c in literal.partition("e")[0].strip("0.")), 39)

    def test_rules(self) -> None:
        (message,) = protocol_of("message M = 1 { a: f32 range 0.3..0.30000001; }").messages
        self.assertEqual(rule_of(message.fields[0].type), "range 0.3..0.3")
        self.assertEqual(spell(message.fields[0].type), "f32 range 0.3..0.3")

    def test_lock(self) -> None:
        p = protocol_of("message M = 1 { a: f32 range 0.3..3.4028235e38; b: f32 since 2 = 1e-45; }")
        text = lock_text(p)
        self.assertIn("field a: f32 range 0.3..3.4028235e+38\n", text)
        self.assertIn("field b: f32 since 2 = 1e-45\n", text)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "demo.lock"
            path.write_text(text, encoding="utf-8")
            again = read_lock(path, "demo.lock", Reporter())
        assert again is not None
        self.assertEqual([f.type for f in again.messages[0].fields], [f.type for f in p.messages[0].fields])
        self.assertEqual(again.messages[0].fields[1].default, 2.0**-149)


class Warnings(unittest.TestCase):
    """``npgen lint`` tells where a float is not what is written."""

    def warnings(self, text: str) -> list[str]:
        with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
            schema = f"protocol demo version 2;\nconst BIG = 16_777_217;\n/// D.\nmessage M = 1 {{ {text} }}\n"
            Path("demo.np").write_text(schema, encoding="utf-8")
            result = load_result(Path("demo.np"))
            assert result.protocol is not None and result.unit is not None
            lint(result.protocol, result.unit, result.reporter)
            return [d.text for d in result.reporter.in_order() if d.rule == "float-rounded"]

    def test_what_changes(self) -> None:
        for text, value in (
            ("a: f32 max 16777217;", "f32 does not hold 16777217; it becomes 16777216.0"),
            ("a: f32 max BIG;", "f32 does not hold BIG; it becomes 16777216.0"),
            ("a: list<f32 min 0.123456789> max 2;", "f32 does not hold 0.123456789; it becomes 0.12345679"),
            ("a: f32 since 2 = 1e-46;", "f32 does not hold 1e-46; it becomes 0.0"),
            ("a: f64 max 9007199254740993;",
             "f64 does not hold 9007199254740993; it becomes 9007199254740992.0"),
            ("a: f64 since 2 = 1e-400;", "f64 does not hold 1e-400; it becomes 0.0"),
        ):  # fmt: skip
            self.assertEqual(self.warnings(text), [value])

    def test_what_does_not(self) -> None:
        for text in ("0.3", "0.1", "16777216", "3.4028235e38", "3.40282346638528859811704183484516925440e38",
                     "3.402823466e+38", "1.17549435e-38", "340282346638528859811704183484516925440",
                     "-0.0", "1_000.5", "0x10", "1e10", "1.4012984643248170709e-45"):  # fmt: skip
            self.assertEqual(self.warnings(f"a: f32 min -5 max {text};") if text[0] != "-" else [], [])
            self.assertEqual(self.warnings(f"a: f32 since 2 = {text};"), [], text)


if __name__ == "__main__":
    unittest.main()
