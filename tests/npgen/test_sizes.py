"""Greatest and least sizes on the wire."""

from __future__ import annotations

import unittest

from support import protocol_of

from npgen.sizes import (
    decl_min_len,
    max_len,
    message_max_len,
    message_min_len,
    min_len,
    reply_max_len,
    struct_max_len,
)

CASES = {
    "u8": (1, 1), "i16": (2, 2), "u32": (4, 4), "f32": (4, 4), "i64": (8, 8), "f64": (8, 8),
    "u128": (16, 16), "bool": (1, 1), "char": (1, 4), "char max 'z'": (1, 1),
    "char range '\\u{7FF}'..'\\u{800}'": (2, 3), "()": (0, 0),
    "string max 10": (8, 18), "bytes max 10 min 3": (11, 18), "string max 10 nonempty": (9, 18),
    "u16[5]": (10, 10), "string max 4[2]": (16, 24), "(u8, u64, bool)": (10, 10),
    "option<u64>": (1, 9), "option<()>": (1, 1), "list<u32> max 3": (8, 20),
    "list<u32> max 3 min 2": (16, 20), "list<()> max 9": (8, 8),
    "map<u8, string max 4> max 2": (8, 34), "map<u8, u16> max 2 nonempty": (11, 14),
    "Plain": (4, 4), "Data": (4, 21), "Point": (16, 16), "Point[3]": (48, 48), "Newer": (1, 9),
    "Tree": (17, 1024), "list<Tree> max 2": (8, 2056), "option<Tree>": (1, 1025),
    "Expr": (12, 512),
}  # fmt: skip

DECLARATIONS = """
enum Plain { a = 0; b = 9; }
enum Data { a = 0; b = 1 { x: u8; y: u64 since 2 = 0; }; c = 2 { z: u8[17]; }; d = 5 since 3; }
struct Point { x: f64; y: f64; }
struct Newer { a: u8; b: u64 since 2 = 0; }
struct Tree depth 9 max 1KiB { value: u64; kids: list<Tree> max 2; left: option<Tree>; }
enum Expr depth 9 max 512 { call = 0 { f: list<Expr> max 2 nonempty; }; num = 1 { v: i64; }; }
"""


class Sizes(unittest.TestCase):
    def test_types(self) -> None:
        fields = "".join(f"f{i}: {text};\n" for i, text in enumerate(CASES))
        protocol = protocol_of(DECLARATIONS + f"struct All {{ {fields} }}\n")
        struct = protocol.types["All"]
        fields_ = struct.fields  # type: ignore[union-attr]
        for field, (text, expected) in zip(fields_, CASES.items()):
            with self.subTest(text):
                found = (min_len(protocol, field.type), max_len(protocol, field.type))
                self.assertEqual(found, expected)
        total = sum(greatest for _, greatest in CASES.values())
        self.assertEqual(struct_max_len(protocol, struct), total)  # type: ignore[arg-type]

    def test_messages_include_their_id(self) -> None:
        protocol = protocol_of(
            "struct S { a: u64; }\nmessage Empty = 0 {}\n"
            "request R = 1 { a: string max 6; b: u8 since 2 = 0; } -> S;\n"
        )
        empty, request = protocol.messages
        self.assertEqual(message_min_len(protocol, empty), 4)
        self.assertEqual(message_max_len(protocol, empty), 4)
        self.assertEqual(message_min_len(protocol, request), 12)
        self.assertEqual(message_max_len(protocol, request), 19)
        self.assertEqual(reply_max_len(protocol, request), 12)

    def test_shared_parts_do_not_take_exponential_time(self) -> None:
        text = "struct S0 { a: u8; }\n"
        for i in range(1, 60):
            text += f"struct S{i} {{ a: list<S{i - 1}> max 2; b: S{i - 1}; }}\n"
        protocol = protocol_of(text)
        self.assertEqual(decl_min_len(protocol, protocol.types["S59"]), 59 * 8 + 1)


if __name__ == "__main__":
    unittest.main()
