"""Spelling types and values: what is spelled can be parsed, and means the same."""

from __future__ import annotations

import unittest

from support import protocol_of
from test_sizes import CASES, DECLARATIONS

from npgen.model import Field, Protocol
from npgen.spell import duration, number, size, spell, string, value

MORE = (
    "char range '\\''..'\\\\'", "char min '\\u{202E}'", "f64 max 1e-7", "f64 range -1e300..1e300",
    "i128 min -5", "bool", "string max 4 nonul[2]", "u8 range 0..1[3]", "f32 finite",
)  # fmt: skip

DEFAULTS = {
    "u8": "7", "i8": "-7", "bool": "true", "char": "'\\n'",
    "string max 99": '"a\\"\\\\\\u{202E}\\x07"',
    "bytes max 9": '"xyz"', "bytes max 8": "empty", "list<u8> max 2": "empty", "option<u8>": "none",
    "Plain": "b", "f64": "1.5", "map<u8, u8> max 1": "empty", "char max 'z'": "'\\''",
}  # fmt: skip


def fields(p: Protocol) -> tuple[Field, ...]:
    return p.types["All"].fields  # type: ignore[union-attr]


class Spell(unittest.TestCase):
    def test_types(self) -> None:
        texts = [*CASES, *MORE]
        body = "".join(f"f{i}: {text};\n" for i, text in enumerate(texts))
        first = fields(protocol_of(DECLARATIONS + f"struct All {{ {body} }}\n"))
        body = "".join(f"{f.name}: {spell(f.type)};\n" for f in first)
        second = fields(protocol_of(DECLARATIONS + f"struct All {{ {body} }}\n"))
        self.assertEqual([f.type for f in first], [f.type for f in second])

    def test_values(self) -> None:
        body = "".join(f"f{i}: {t} since 2 = {v};" for i, (t, v) in enumerate(DEFAULTS.items()))
        found = fields(protocol_of(DECLARATIONS + f"struct All {{ {body} }}\n"))
        for field, text in zip(found, DEFAULTS.values()):
            self.assertEqual(value(field.type, field.default), text)

    def test_for_people(self) -> None:
        self.assertEqual([size(n) for n in (0, 1, 1000, 1024, 1 << 20, 1234567)],
                         ["0 bytes", "1 byte", "1 000 bytes", "1 KiB", "1 MiB", "1 234 567 bytes"])
        self.assertEqual([duration(n) for n in (1, 1500, 2000, 60_000, 7_200_000)],
                         ["1ms", "1500ms", "2s", "1m", "2h"])
        self.assertEqual([number("f64", n) for n in (1, 1.0, 1e-07, 1e22)], ["1.0", "1.0", "1e-7", "1e+22"])
        self.assertEqual([number("u8", 1), number("char", 0x78)], ["1", "'x'"])
        self.assertEqual(string("é\u200e"), '"é\\u{200E}"')


if __name__ == "__main__":
    unittest.main()
