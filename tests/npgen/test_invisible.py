"""Nothing in a schema, and nothing that is made of one, is invisible."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import unicodedata
import unittest
from pathlib import Path

from support import ROOT, errors_of, protocol_of

from npgen.diagnostics import INVISIBLE

IGNORABLE = frozenset((
    0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), *range(0x200B, 0x2010),
    *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x3164, *range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0,
    *range(0xFFF0, 0xFFF9), *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000),
))  # fmt: skip
"""Default_Ignorable_Code_Point of Unicode, which Python does not tell."""

LATER = range(0x13430, 0x13440)
"""Format characters that Python's tables have only from some version on."""


def is_hidden(point: int) -> bool:
    """Whether a character is one that no schema may hold."""
    kept = unicodedata.category(chr(point)) not in ("Cc", "Cf", "Zl", "Zp") or point in (0x9, 0xA)
    return not kept or point in IGNORABLE or point in LATER


class Characters(unittest.TestCase):
    def test_every_character(self) -> None:
        wrong = [f"U+{c:04X}" for c in range(0x110000)
                 if (INVISIBLE.fullmatch(chr(c)) is not None) != is_hidden(c)]  # fmt: skip
        self.assertEqual(wrong, [])

    def test_everywhere(self) -> None:
        for char in "\u200b\u2060\u2028\u2029\u3164\U000e0061\ufe0f\u00ad\u180e\u202e\u0085":
            for text in (f"/// A{char}b\nmessage M = 1 {{}}", f"// A{char}b\nmessage M = 1 {{}}",
                         f'message M = 1 {{ a: string max 9 since 2 = "{char}"; }}',
                         f"message M = 1 {{ a: char since 2 = '{char}'; }}",
                         f'message M = 1 deprecated "{char}" {{}}',
                         f"message M{char} = 1 {{}}"):  # fmt: skip
                rules = {d.rule for d in errors_of(text)}
                self.assertEqual(rules, {"encoding"}, f"U+{ord(char):04X} in {text!r}")

    def test_what_is_seen_is_kept(self) -> None:
        words = "Ünïcode, 漢字, עברית, العربية, हिन्दी, 한국어, \U0001f600\t e\u0301 \u00a0."
        protocol_of(f'/// {words}\nmessage M = 1 {{ a: string max 99 since 2 = "{words}"; }}')

    def test_what_is_made_of_escapes(self) -> None:
        hidden = "".join(f"\\u{{{ord(c):X}}}" for c in "\u200b\u2028\u202e\U000e0061\u3164\u0085")
        schema = f"""protocol demo version 2;
/// D.
message M = 1 deprecated "use{hidden}N" {{
    a: string max 99 since 2 = "a{hidden}\\x1B";
    b: char since 2 = '\\u{{202E}}' deprecated "{hidden}\\n*/";
}}
enum E {{ a = 0; b = 1 deprecated "{hidden}"; }}
struct S {{ e: E; s: string max 40 nonempty; c: char range '\\u{{200B}}'..'\\u{{202E}}'; }}
reserved "A{hidden}";
"""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "demo.np"
            path.write_text(schema, encoding="utf-8")
            for command in (("gen", "--out", folder), ("tests", "--out", folder), ("lock",)):
                subprocess.run([sys.executable, "-m", "npgen", command[0], "demo.np", *command[1:]],
                               env={"PYTHONPATH": str(ROOT / "codegen"), "PATH": "/usr/bin:/bin"},
                               cwd=folder, check=True, capture_output=True)  # fmt: skip
            made = [p for p in Path(folder).iterdir() if p.name != "__pycache__"]
            self.assertGreater(len(made), 8)
            for file in made:
                text = file.read_text(encoding="utf-8")
                self.assertEqual(INVISIBLE.findall(text), [], file.name)


if __name__ == "__main__":
    unittest.main()
