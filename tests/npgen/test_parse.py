"""Lexer and parser: what is understood, and how the parser gets over what is not."""

from __future__ import annotations

import unittest
from pathlib import Path

from support import errors_of, protocol_of

from npgen.diagnostics import Reporter
from npgen.lexer import Kind, lex
from npgen.model import List, Scalar, Text, Tuple
from npgen.source import make_source


def tokens_of(text: str) -> list[tuple[Kind, object]]:
    reporter = Reporter()
    tokens = lex(make_source(Path("t.np"), "t.np", text), reporter)
    assert not reporter.failed, reporter.diagnostics
    return [(t.kind, t.value) for t in tokens[:-1]]


class Lexer(unittest.TestCase):
    def test_numbers(self) -> None:
        for text, value in {
            "0": 0, "42": 42, "1_000_000": 1_000_000, "0xDEAD_beef": 0xDEADBEEF, "0b1010": 10,
            "-7": -7, "4KiB": 4096, "16MiB": 16 << 20, "1GiB": 1 << 30,
            "340282366920938463463374607431768211455": (1 << 128) - 1,
        }.items():  # fmt: skip
            self.assertEqual(tokens_of(text), [(Kind.INT, value)], text)

    def test_times_are_milliseconds(self) -> None:
        for text, value in {"500ms": 500, "2s": 2000, "5m": 300_000, "1h": 3_600_000}.items():
            self.assertEqual(tokens_of(text), [(Kind.DURATION, value)], text)

    def test_floats(self) -> None:
        for text, value in {"1.5": 1.5, "-0.25": -0.25, "1e3": 1000.0, "2.5e-3": 0.0025}.items():
            self.assertEqual(tokens_of(text), [(Kind.FLOAT, value)], text)

    def test_a_range_of_integers_holds_no_float(self) -> None:
        kinds = [kind for kind, _ in tokens_of("0..150 -5..-1 1.5..2.5")]
        whole, dots, fraction = Kind.INT, Kind.PUNCT, Kind.FLOAT
        self.assertEqual(kinds, [whole, dots, whole] * 2 + [fraction, dots, fraction])

    def test_escapes(self) -> None:
        text = r'"\n\r\t\0\\\"\'\x41\u{1F600}"'
        self.assertEqual(tokens_of(text), [(Kind.STRING, "\n\r\t\0\\\"'A\U0001f600")])

    def test_comments(self) -> None:
        found = tokens_of("// a\n/// b\n//// c\n///d")
        kinds = [Kind.COMMENT, Kind.DOC, Kind.COMMENT, Kind.DOC]
        self.assertEqual([kind for kind, _ in found], kinds)
        self.assertEqual([value for kind, value in found if kind is Kind.DOC], ["b", "d"])

    def test_columns_count_characters(self) -> None:
        found = errors_of('const A = "äöü" ;\nstruct S { a: string; }  // Größe\n')
        self.assertEqual([(d.span.line, d.span.column) for d in found], [(2, 11), (3, 15)])


class Parser(unittest.TestCase):
    def test_constraints_bound_what_stands_before_them(self) -> None:
        fields = protocol_of(
            "struct S { a: list<string max 16> max 8; b: string max 16[2]; c: (u8 max 3, u8); }"
        ).types["S"].fields  # type: ignore[union-attr]
        self.assertEqual(fields[0].type, List(Text("string", 16), 8))
        self.assertEqual(fields[1].type.count, 2)
        self.assertEqual(fields[1].type.item, Text("string", 16))
        self.assertEqual(fields[2].type, Tuple((Scalar("u8", None, 3), Scalar("u8"))))

    def test_last_semicolon_may_be_missing(self) -> None:
        a = protocol_of("enum E { a = 0; b = 1 { x: u8; y: u8 } }")
        b = protocol_of("enum E { a = 0; b = 1 { x: u8; y: u8; }; };;")
        self.assertEqual([v.name for v in a.types["E"].variants],  # type: ignore[union-attr]
                         [v.name for v in b.types["E"].variants])  # type: ignore[union-attr]

    def test_words_of_the_language_are_names_too(self) -> None:
        words = "message request max min range state list option string since deprecated start"
        fields = " ".join(f"{word}: u8;" for word in words.split())
        protocol = protocol_of(f"struct S {{ {fields} }}")
        self.assertEqual([f.name for f in protocol.types["S"].fields],  # type: ignore[union-attr]
                         words.split())

    def test_docs(self) -> None:
        protocol = protocol_of(
            "/// One.\n///\n/// Two.\nstruct S {\n// no\n/// Field.\na: u8;\n}\n"
            "enum E {\n/// Variant.\na = 0;\n}\n/// Limit.\nconst A = 1;\n"
        )
        struct = protocol.types["S"]
        self.assertEqual(struct.doc, ("One.", "", "Two."))
        self.assertEqual(struct.fields[0].doc, ("Field.",))  # type: ignore[union-attr]
        self.assertEqual(protocol.types["E"].variants[0].doc,  # type: ignore[union-attr]
                         ("Variant.",))
        self.assertEqual(protocol.const_docs, {"A": ("Limit.",)})

    def test_windows_line_ends(self) -> None:
        unix = protocol_of("/// Doc.\nstruct S { a: u8; }\n")
        windows = protocol_of("/// Doc.\r\nstruct S { a: u8; }\r\n", "protocol demo version 3;\r\n")
        self.assertEqual(unix, windows)


class Recovery(unittest.TestCase):
    def test_all_errors_of_a_run_are_reported(self) -> None:
        found = errors_of(
            "struct A { a: strin max 3; }\n"  # resolve
            "message B = 1 { a u8; b: string; }\n"  # parse, resolve
            "const c = 1;\n"  # names
            "message D = 1 {}\n"  # ids
            "conversation t { start u; state u { client E; } }\n"  # conversation
            "struct F { a: u8 max 300; ?: u8; }\n"  # types, lexer
        )
        rules = [(d.span.line, d.rule) for d in found]
        self.assertEqual(rules, [
            (2, "type-unknown"), (3, "syntax"), (3, "unbounded"), (4, "name-style"),
            (5, "duplicate-id"), (6, "message-unknown"), (7, "range-type"), (7, "bad-character"),
        ])  # fmt: skip

    def test_a_missing_brace_costs_one_error(self) -> None:
        found = errors_of("struct A {\n    a: u8;\nstruct B {\n    a: u8;\n}\nstruct C { a: A; }\n")
        self.assertEqual([(d.span.line, d.rule) for d in found], [(4, "syntax")])

    def test_a_missing_semicolon_costs_one_error(self) -> None:
        found = errors_of("const A = 1\nconst B = 2;\nstruct S {\n    a: u8\n    b: u8;\n}\n")
        self.assertEqual([(d.span.line, d.span.column) for d in found], [(2, 12), (5, 10)])


if __name__ == "__main__":
    unittest.main()
