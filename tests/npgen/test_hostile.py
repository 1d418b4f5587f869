"""Schemas that are meant to do harm: an error with its place, or a result; no traceback, no hang.

What would take time that grows with the square of a size is large enough here to run into the time
limit of the tests.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from support import inside

from npgen.cli import main

HEADER = "protocol x version 1;\n"
DIGITS = "9" * 100_000
FIELDS = "".join(f"f{i}: u8;" for i in range(8_000))

MESSAGES = "".join(f"message M{i} = {1000 + i} {{}}\n" for i in range(3000))


def waiting(count: int) -> str:
    """Requests of both sides that may all wait, each beside each of the other side's."""
    text = "struct R {}\n" + "".join(f"request R{i} = {i} {{}} -> R;\n" for i in range(count))
    text += "conversation c { start s; state s { either * -> t; within 1h; }"
    return f"{text} state t {{ either *; within 1h; }} }}\n"


REFUSED: dict[str, tuple[str | bytes, str]] = {
    "deep lists": ("struct S { a: " + "list<" * 10_000 + "u8" + ">" * 10_000 + "; }", "nesting"),
    "open parentheses": ("struct S { a: " + "(" * 100_000, "nesting"),
    "open blocks": ("struct S {" * 5_000, "syntax"),
    "a long name": ("struct " + "A" * (1 << 20) + " {}", "name-style"),
    "a long name used": ("struct S { a: " + "A" * (1 << 20) + "; }", "type-unknown"),
    "a long constant used": ("struct S { a: u8[" + "A" * (1 << 20) + "]; }", "const-unknown"),
    "many fields": (f"message M = 1 {{ {FIELDS * 2} }}", "duplicate-name"),
    "digits": (f"const A = {DIGITS};", "number-range"),
    "hex digits": (f"const A = 0x{'f' * 100_000};", "number-range"),
    "a fraction": (f"struct S {{ a: f64 max 1.{DIGITS}; }}", "number-range"),
    "an exponent": (f"struct S {{ a: f64 max 1e{DIGITS}; }}", "number-range"),
    "a duration": (f"struct S {{}} request M = 1 {{}} -> S timeout {DIGITS}s;", "number-range"),
    "an index": (f"enum E {{ a = {DIGITS}; }}", "number-range"),
    "an escape": ("message M = 1 { c: char max '\\u{" + "F" * 5000 + "}'; }", "escape"),
    "NUL": ("struct S\0 {}", "encoding"),
    "carriage returns": ("struct S {}\rstruct T {}", "encoding"),
    "no UTF-8": (b"struct \xff {}", "encoding"),
    "cut UTF-8": (b"struct S {} // \xe2\x82", "encoding"),
    "a surrogate": (b"struct S {} // \xed\xa0\x80", "encoding"),
    "a chain": ("".join(f"struct S{i} {{ a: S{i + 1}; }}\n" for i in range(2000)), "nesting"),
    "itself": ('import "x.np";', "import-cycle"),
    "a folder": ('import "folder.np";', "import-missing"),
    "a pipe": ('import "pipe.np";', "import-missing"),
    "many places": (waiting(70), "place-count"),
    "many moves": (waiting(30) + MESSAGES, "place-count"),
    "many moves where nothing waits": (MESSAGES + "conversation c { start s0; "
    + "".join(f"state s{i} {{ client * -> s{i + 1}; }}" for i in range(90))
    + "final s90; }", "place-count"),
    "many requests that move": ("struct R {}\n"
    + "".join(f"request R{i} = {i} {{}} -> R;\n" for i in range(4000))
    + "conversation c { start s; state s { client * -> t; } state t {} }", "place-count"),
    "many requests that move, and wait elsewhere": ("struct R {} message M = 9999 {}\n"
    + "".join(f"request R{i} = {i} {{}} -> R;\n" for i in range(2000))
    + "conversation c { start s; state s { client * -> t; server M -> t; } state t {} }", "place-count"),
    "many that cross": ("".join(f"message M{i} = {i} {{}}\n" for i in range(1, 999))
    + "struct R {} request Q = 0 {} -> R;\nconversation c { start s; state s { client Q -> t; }"
    + "state t { client " + ", ".join(f"M{i}" for i in range(1, 999)) + " -> u; server "
    + ", ".join(f"M{i}" for i in range(1, 999)) + " -> s; } final u; }", "request-crosses"),
    "many imports": ("".join(f'import "i{i}.np";\n' for i in range(5000)), "import-missing"),
}  # fmt: skip

FINE = {
    "a long comment": "// " + "x" * (3 << 20),
    "long documentation": "/// x\n" * 100_000 + "struct S {}",
    "Windows": "struct S {\r\n    a: u8;\r\n}\r\n",
    "many constants": "const A0 = 1;"
    + "".join(f"const A{i} = A{i - 1};" for i in range(1, 50_000)),
    "many structs": "".join(f"struct S{i} {{}}\n" for i in range(4_000)),
    "many fields": f"message M = 1 {{ {FIELDS} }}",
    "many messages": "".join(f"message M{i} = {i} {{}}\n" for i in range(3000))
    + "conversation talk { start s; state s { either *; } }",
    "many states": "message M = 1 {}\nconversation talk { start s0; "
    + "".join(f"state s{i} {{ client M -> s{i + 1}; }}" for i in range(4_000))
    + "final s4000; }",
    "many waiting": waiting(36),
}


class Hostile(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        context = inside(Path(folder.name))
        context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        Path("folder.np").mkdir()
        os.mkfifo("pipe.np")

    def run_cli(self, command: str, text: str | bytes, header: str = HEADER) -> tuple[int, str]:
        raw = text if isinstance(text, bytes) else text.encode("utf-8")
        Path("x.np").write_bytes(header.encode("utf-8") + raw)
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = main([command, "x.np"])
        return status, err.getvalue()

    def test_refused(self) -> None:
        for name, (text, rule) in REFUSED.items():
            with self.subTest(name):
                status, err = self.run_cli("check", text)
                self.assertEqual(status, 1)
                first = err.split("\n")[0]
                self.assertRegex(first, rf"^[a-z.]+:\d+:\d+: {re.escape(rule)}: ")
                self.assertLess(len(first), 1000, "nobody reads a name of a mebibyte")

    def test_a_mark_of_byte_order(self) -> None:
        status, err = self.run_cli("check", "", "\ufeff" + HEADER)
        self.assertEqual(status, 1)
        self.assertTrue(err.startswith("x.np:1:1: encoding: a byte order mark (U+FEFF)"))

    def test_fine(self) -> None:
        for name, text in FINE.items():
            for command in ("fmt", "lint", "digest"):
                with self.subTest(name, command=command):
                    status, err = self.run_cli(command, text)
                    self.assertEqual(status, int(command == "lint" and err != ""), err[:300])


if __name__ == "__main__":
    unittest.main()
