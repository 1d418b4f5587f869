"""Every rule of the language has a schema that breaks it, and its exact diagnostics.

The file bad/RULE.np or bad/RULE-VARIANT.np breaks RULE; the file .expected beside it holds all that
npgen says. After a deliberate change of a text: ``python3 tests/npgen/test_bad.py --update``, and
read the difference.
"""

from __future__ import annotations

import os
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Optional

from support import TESTS, errors_of, inside, load_file, protocol_of

from npgen.diagnostics import Reporter, format_all
from npgen.load import load, load_text
from npgen.model import Span
from npgen.rules import RULES

BAD = TESTS / "bad"

BY_CODE = {"file-size", "since-count", "unreadable", "file-taken"}
"""Rules whose cases are made by the tests below, because no reasonable file could hold them, and one
that is about files to write (test_overwrite.py)."""


def rule_of(case: Path) -> Optional[str]:
    """The rule that a file's name tells."""
    names = [r for r in RULES if case.stem == r or case.stem.startswith(r + "-")]
    return max(names, key=len, default=None)


def diagnostics_of(case: Path) -> str:
    protocol, found = load_file(case)
    assert protocol is None, f"{case.name} has no error"
    return format_all(found)


class Bad(unittest.TestCase):
    maxDiff = None

    def test_diagnostics(self) -> None:
        for case in sorted(BAD.glob("*.np")):
            with self.subTest(case.name):
                expected = case.with_suffix(".expected").read_text(encoding="utf-8")
                self.assertEqual(diagnostics_of(case), expected)

    def test_cases_break_their_rule_only(self) -> None:
        for case in sorted(BAD.glob("*.np")):
            with self.subTest(case.name):
                _, found = load_file(case)
                self.assertEqual({d.rule for d in found}, {rule_of(case)})

    def test_every_rule_has_a_case(self) -> None:
        covered = {rule_of(case) for case in BAD.glob("*.np")}
        self.assertEqual(set(RULES) - BY_CODE - covered, set())

    def test_no_expectation_without_a_schema(self) -> None:
        for expected in BAD.glob("*.expected"):
            self.assertTrue(expected.with_suffix(".np").is_file(), expected.name)


class ByCode(unittest.TestCase):
    def test_file_size(self) -> None:
        with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
            Path("big.np").write_bytes(b"protocol big version 1;\n" + b"\n" * (4 << 20))
            protocol, found = load(Path("big.np"))
            self.assertIsNone(protocol)
            text = "big.np:1:1: file-size: the file is larger than 4 MiB; split it"
            self.assertEqual([str(d) for d in found], [text])

    def test_unreadable(self) -> None:
        with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
            protocol, found = load(Path("none.np"))
            self.assertIsNone(protocol)
            text = "none.np:1:1: unreadable: cannot read the file: No such file or directory"
            self.assertEqual([str(d) for d in found], [text])

    def test_unreadable_folder(self) -> None:
        with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
            Path("folder.np").mkdir()
            _, found = load(Path("folder.np"))
            text = "folder.np:1:1: unreadable: cannot read the file: Is a directory"
            self.assertEqual([str(d) for d in found], [text])

    def test_a_pipe_without_a_writer(self) -> None:
        with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
            os.mkfifo("pipe.np")
            text = "pipe.np:1:1: unreadable: cannot read the file: it is a named pipe"
            self.assertEqual([str(d) for d in load(Path("pipe.np"))[1]], [text])
            Path("a.np").write_text('protocol a version 1;\nimport "pipe.np";\n')
            self.assertEqual([d.rule for d in load(Path("a.np"))[1]], ["import-missing"])

    def test_the_shells_pipes_are_read(self) -> None:
        reading, writing = os.pipe()
        os.write(writing, b"protocol piped version 1;\n")
        os.close(writing)
        protocol, _ = load(Path(f"/dev/fd/{reading}"))
        os.close(reading)
        self.assertEqual(protocol.name if protocol else "", "piped")

    def test_imports_that_are_no_files(self) -> None:
        with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
            os.mkdir("folder.np")
            os.symlink("loop.np", "loop.np")
            os.symlink("/dev/zero", "device.np")
            for name in ("folder", "loop", "device", "a/" * 5000 + "x", "../.." + "/x" * 99):
                Path("a.np").write_text(f'protocol a version 1;\nimport "{name}.np";\n')
                (found,) = load(Path("a.np"))[1]
                self.assertEqual((found.rule, found.span.line), ("import-missing", 2))
            os.symlink("b.np", "link.np")
            Path("b.np").write_text('protocol b version 1;\nimport "link.np";\n')
            self.assertEqual([d.rule for d in load(Path("b.np"))[1]], ["import-cycle"])

    def test_too_many_versions(self) -> None:
        for count, rules in ((256, []), (257, ["since-count"])):
            fields = "".join(f"f{i}: u8 since {i} = 0;" for i in range(2, count + 1))
            header = "protocol demo version 999;\n"
            _, found = load_text(f"{header}message M = 1 {{ {fields} }}\n", "demo.np")
            self.assertEqual([d.rule for d in found], rules)

    def test_numbers_of_any_length(self) -> None:
        digits = "9" * 100_000
        for text in (
            f"const A = {digits};", f"const A = -{digits};", f"const A = 0x{digits};",
            f"const A = {digits}GiB;", f"message M = {digits} {{}}", f"struct S {{ a: u8[{digits}]; }}",
            f"struct S {{ a: f64 max {digits}.0; }}", f"struct S {{ a: f64 max 1e{digits}; }}",
            f"struct S {{}} request R = 1 {{}} -> S timeout {digits}s;",
            f"packet p {{ a: u8 = {digits}; }}", f"reserved 1..{digits};",
            f"struct S {{ a: u8 since {digits} = 0; }}", f"enum E {{ a = {digits}; }}",
        ):  # fmt: skip
            with self.subTest(text[:40]):
                found = errors_of(text)
                self.assertIn("number-range", [d.rule for d in found])
                self.assertTrue(all(len(str(d)) < 1000 for d in found))
        found = errors_of("protocol demo", f"protocol demo version {digits};\n")
        self.assertEqual(found[0].rule, "number-range")

    def test_texts_are_short_and_on_one_line(self) -> None:
        found = errors_of(f"struct S {{ a: {'A' * 1_000_000}; }}\n")
        self.assertEqual(found[0].rule, "type-unknown")
        self.assertLess(len(str(found[0])), 1000)
        reporter = Reporter()
        reporter.error(Span("demo.np", 2, 8), "import-missing", '"a\n\x1b[31m.np" is')
        self.assertIn('import-missing: "a\\u{A}\\u{1B}[31m.np" is', str(reporter.diagnostics[0]))
        found = errors_of("".join(f"struct S{i} {{ a: S{i + 1}[4096]; }}\n" for i in range(40))
                          + "struct S40 { a: u8; }\n")  # fmt: skip
        self.assertIn("'S0' takes far too many bytes in C", found[0].text)

    def test_what_is_large_is_no_error_by_itself(self) -> None:
        variants = "".join(f"v{i} = {i};" for i in range(20_000))
        messages = "".join(f"message M{i} = {i} {{ e: E; }}\n" for i in range(5_000))
        protocol_of(f"enum E {{ {variants} }}\n{messages}")

    def test_too_many_imports_in_a_row(self) -> None:
        with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
            for i in range(40):
                text = f'protocol p{i} version 1;\nimport "p{i + 1}.np";\n'
                Path(f"p{i}.np").write_text(text, encoding="utf-8")
            Path("p40.np").write_text("protocol p40 version 1;\n", encoding="utf-8")
            _, found = load(Path("p0.np"))
            self.assertEqual([d.rule for d in found], ["nesting"])
            self.assertEqual(found[0].span.file, "p31.np")

    def test_hostile_nesting_does_not_exhaust_the_stack(self) -> None:
        for text in ("list<" * 50_000, "(" * 50_000, "u8" + "[1]" * 50_000):
            found = errors_of(f"struct S {{ a: {text}; }}\n")
            self.assertEqual(found[0].rule, "nesting")

    def test_long_lines_are_cut_around_the_caret(self) -> None:
        found = errors_of("// " + "x" * 5000 + "\nstruct S { " + "a: u8; " * 900 + "}\n")
        line, caret = str(found[-1]).split("\n")[1:]
        self.assertLessEqual(len(line), 160)
        self.assertEqual(line[caret.index("^")], "a")

    def test_so_many_errors_that_some_are_dropped(self) -> None:
        found = errors_of("".join(f"struct S{i} {{ a: string; }}\n" for i in range(2000)))
        self.assertEqual(len(found), 500)


def update() -> None:
    """Write what npgen says now as what is expected."""
    for case in sorted(BAD.glob("*.np")):
        case.with_suffix(".expected").write_text(diagnostics_of(case), encoding="utf-8")


if __name__ == "__main__":
    if "--update" in sys.argv:
        update()
    else:
        unittest.main()
