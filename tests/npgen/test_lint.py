"""``npgen lint``: each warning has a schema that earns it; and good schemas earn none."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from support import inside

from npgen.lint import lint
from npgen.load import load_result
from npgen.rules import LINTS

HEADER = "protocol demo version 2;\n"

CASES = {
    "bytes-as-list": "/// D.\nmessage M = 1 { a: list<u8> max 9; b: option<list<u8> max 3>[2]; }",
    "doc-missing": "message M = 1 {}\npacket p { a: u8; }",
    "unused": "const A = 1;\n/// D.\nstruct S {}\n/// D.\nmessage M = 1 {}",
    "unmentioned": "/// D.\nmessage M = 1 {}\n/// D.\nmessage N = 2 {}\n"
    "conversation c { start s; state s { client M; } }",
    "state-stuck": "/// D.\nmessage M = 1 {}\n"
    "conversation c { start s; state s { client M -> t; } state t {} }",
    "id-order": "/// D.\nmessage M = 2 {}\n/// D.\nmessage N = 1 {}",
    "redundant-name": "/// D.\nmessage User = 1 { user_name: u8; }",
    "negative-name": "/// D.\nmessage M = 1 { not_ready: bool; disable_cache: bool; }",
    "unit-missing": "/// D.\nmessage M = 1 { timeout: u32; retry_delay: u64; }",
    "large-bound": "/// D.\nmessage M = 1 { a: bytes max 2MiB; }",
    "deprecated-reason": "/// D.\nmessage M = 1 { a: u8 deprecated; }",
}

CLEAN = """
/// Greatest length, for users of the header.
const MAX = 5;
/// D.
struct Point { x: f64; }
/// D.
enum Kind { plain = 0; data = 1 { notes: list<u8 max 3> max 4; } }
/// D.
message Say = 1 { at: list<Point> max 4; kind: Kind; timeout_ms: u32; ready: bool; }
/// D.
message Send = 2 stream { body: bytes max 8MiB; }
conversation talk { start open; state open { client Say, Send; } }
"""


def warnings_of(text: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
        Path("demo.np").write_text(HEADER + text, encoding="utf-8")
        result = load_result(Path("demo.np"))
        assert result.protocol is not None and result.unit is not None, result.reporter.diagnostics
        lint(result.protocol, result.unit, result.reporter)
        return [d.rule for d in result.reporter.in_order()]


class Lint(unittest.TestCase):
    def test_cases(self) -> None:
        for rule, text in CASES.items():
            with self.subTest(rule):
                self.assertEqual(set(warnings_of(text)), {rule})

    def test_every_warning_has_a_case(self) -> None:
        self.assertEqual(set(CASES), set(LINTS))

    def test_clean(self) -> None:
        self.assertEqual(warnings_of(CLEAN), [])


if __name__ == "__main__":
    unittest.main()
