"""Defaults as bytes: what a peer would have sent."""

from __future__ import annotations

import unittest

from support import protocol_of

from npgen.emit.defaults import default_rows, encoded_default

ENUM = "enum Plain { a = 0; b = 258; c = 300 { x: u8; } }\n"

BYTES = {
    "u8": ("7", b"\x07"),
    "i8": ("-7", b"\xf9"),
    "u16": ("258", b"\x02\x01"),
    "i64": ("-2", b"\xfe" + 7 * b"\xff"),
    "u128": ("0x0102", b"\x02\x01" + bytes(14)),
    "bool": ("true", b"\x01"),
    "char": ("'\\u{E9}'", b"\xc3\xa9"),
    "f32": ("1.5", b"\x00\x00\xc0\x3f"),
    "f64": ("-2", bytes(7) + b"\xc0"),
    "string max 9": ('"\\u{E9}"', b"\x02" + bytes(7) + b"\xc3\xa9"),
    "bytes max 9": ('"xy"', b"\x02" + bytes(7) + b"xy"),
    "bytes max 8": ("empty", bytes(8)),
    "list<u8> max 2": ("empty", bytes(8)),
    "map<u8, u8> max 1": ("empty", bytes(8)),
    "option<u64>": ("none", b"\x00"),
    "Plain": ("b", b"\x02\x01\x00\x00"),
}


class Defaults(unittest.TestCase):
    def test_bytes(self) -> None:
        for type_, (text, wanted) in BYTES.items():
            p = protocol_of(f"{ENUM}struct S {{ a: u8; f: {type_} since 2 = {text}; }}\n")
            field = p.types["S"].fields[1]  # type: ignore[union-attr]
            self.assertEqual(encoded_default(p, field.type, field.default), wanted, type_)

    def test_long_ones_are_wrapped(self) -> None:
        text = 4000 * "x"
        p = protocol_of(f'struct S {{ a: u8; f: string max 4096 since 2 = "{text}"; }}\n')
        field = p.types["S"].fields[1]  # type: ignore[union-attr]
        rows = default_rows(p, field.type, field.default)
        self.assertLess(max(len(row) for row in rows), 93)
        joined = " ".join(rows)
        self.assertTrue(joined.startswith("NP_DEFAULT(160, 15, 0, 0, 0, 0, 0, 0, 120, 120,"))
        self.assertEqual(joined.count("120"), 4000)


if __name__ == "__main__":
    unittest.main()
