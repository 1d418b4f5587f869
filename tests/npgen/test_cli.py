"""The command line: what goes where, and the exit status."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

from support import ROOT, inside

from npgen.cli import main
from npgen.model import Protocol

RIGHT = "protocol right version 1;\n\n/// D.\nmessage M = 1 {}\n"
WRONG = "protocol wrong version 1;\n\nstruct S {\n    a: string;\n}\n"
MESSY = "protocol right version 1;message M=1{}"


class Cli(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        context = inside(Path(folder.name))
        context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        for name, text in (("right", RIGHT), ("wrong", WRONG), ("messy", MESSY)):
            Path(f"{name}.np").write_text(text, encoding="utf-8")

    def run_cli(self, *arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            try:
                status = main(arguments)
            except SystemExit as exit_:
                status = int(exit_.code or 0)
        return status, out.getvalue(), err.getvalue()

    def test_check(self) -> None:
        self.assertEqual(self.run_cli("check", "right.np"), (0, "", ""))
        status, out, err = self.run_cli("check", "right.np", "wrong.np", "none.np")
        self.assertEqual((status, out), (1, ""))
        self.assertEqual(err.split("\n")[0], "wrong.np:4:8: unbounded: 'string' has no bound;"
                         " write for example 'string max 64'")
        self.assertIn("none.np:1:1: unreadable", err)

    def test_a_message_that_no_conversation_mentions(self) -> None:
        """check and gen warn, and are content all the same."""
        text = RIGHT + "message N = 2 {}\nconversation c { start s; state s { client M; } }\n"
        Path("talk.np").write_text(text, encoding="utf-8")
        warning = "talk.np:5:9: warning: unmentioned: no conversation mentions 'N'"
        emit = mock.MagicMock(generate=lambda protocol, out: [])
        with mock.patch.dict(sys.modules, {"npgen.emit": emit}):
            for arguments in (("check", "talk.np"), ("gen", "talk.np", "--out", "made")):
                status, out, err = self.run_cli(*arguments)
                self.assertEqual((status, out), (0, ""))
                self.assertTrue(err.startswith(warning), err)
                self.assertIn("write 'either N;' ('client', 'server': one side only) in a state", err)

    def test_usage_errors(self) -> None:
        wrong = ([], ["check"], ["gen", "right.np"], ["frobnicate"], ["lint", "--allow", "x"])
        for arguments in wrong:
            with self.subTest(arguments):
                self.assertEqual(self.run_cli(*arguments)[0], 2)

    def test_fmt_prints(self) -> None:
        status, out, err = self.run_cli("fmt", "messy.np")
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(out, "protocol right version 1;\n\nmessage M = 1 {}\n")
        self.assertEqual(Path("messy.np").read_text(), MESSY)

    def test_fmt_check(self) -> None:
        self.assertEqual(self.run_cli("fmt", "--check", "right.np"), (0, "", ""))
        found = self.run_cli("fmt", "--check", "right.np", "messy.np")
        self.assertEqual(found[:2], (1, "messy.np\n"))

    def test_fmt_write(self) -> None:
        os.chmod("messy.np", 0o640)
        self.assertEqual(self.run_cli("fmt", "--write", "messy.np", "right.np"), (0, "", ""))
        self.assertEqual(self.run_cli("fmt", "--check", "messy.np"), (0, "", ""))
        self.assertEqual(os.stat("messy.np").st_mode & 0o777, 0o640)
        self.assertEqual(sorted(os.listdir()), ["messy.np", "right.np", "wrong.np"])

    def test_fmt_of_something_else(self) -> None:
        Path("bad.np").write_text("struct {", encoding="utf-8")
        status, out, err = self.run_cli("fmt", "--write", "bad.np")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("bad.np:1:1: protocol-missing:", err)
        self.assertEqual(Path("bad.np").read_text(), "struct {")

    def test_lint(self) -> None:
        self.assertEqual(self.run_cli("lint", "right.np")[0], 0)
        status, _, err = self.run_cli("lint", "messy.np")
        self.assertEqual(status, 1)
        self.assertIn("messy.np:1:34: doc-missing:", err)
        self.assertEqual(self.run_cli("lint", "messy.np", "--allow", "doc-missing")[0], 0)

    def test_gen(self) -> None:
        made: list[tuple[str, Path]] = []

        def generate(protocol: Protocol, out: Path) -> list[Path]:
            made.append((protocol.name, out))
            return [out / f"{protocol.name}.h"]

        emit = mock.MagicMock(generate=generate)
        with mock.patch.dict(sys.modules, {"npgen.emit": emit}):
            result = self.run_cli("gen", "right.np", "--out", "gen")
            self.assertEqual(result, (0, os.path.join("gen", "right.h") + "\n", ""))
            self.assertEqual(made, [("right", Path("gen"))])
            made.clear()
            self.assertEqual(self.run_cli("gen", "right.np", "wrong.np", "--out", "gen")[0], 1)
            status, _, err = self.run_cli("gen", "right.np", "messy.np", "--out", "gen")
            self.assertEqual(status, 1)
            expected = "messy.np:1:10: duplicate-name: right.np is a protocol 'right', too; rename"
            self.assertTrue(err.startswith(expected), err)
            self.assertEqual(made, [])

    def test_gen_without_ragel(self) -> None:
        """The apt line is told, and no half of the files is left behind."""
        with mock.patch.dict(os.environ, {"PATH": "/nonexistent"}):
            status, out, err = self.run_cli("gen", "right.np", "--out", "made")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("apt-get install ragel", err)
        self.assertFalse(Path("made").exists())

    def test_gen_with_a_ragel_that_takes_for_ever(self) -> None:
        Path("bin").mkdir()
        Path("bin/ragel").write_text("#!/bin/sh\nexec sleep 60\n")
        Path("bin/ragel").chmod(0o755)
        path = {"PATH": f"{Path.cwd() / 'bin'}:{os.environ['PATH']}"}
        with mock.patch.dict(os.environ, path), mock.patch("npgen.emit.ragel.RAGEL_SECONDS", 0.2):
            status, out, err = self.run_cli("gen", "right.np", "--out", "made")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("ragel was ended after 0.2 s on right_parse.rl", err)
        self.assertFalse(Path("made").exists())

    def test_as_a_module(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "codegen")}
        done = subprocess.run(
            [sys.executable, "-m", "npgen", "check", "right.np", "wrong.np"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.assertEqual(done.returncode, 1)
        self.assertTrue(done.stderr.startswith("wrong.np:4:8: unbounded:"))


if __name__ == "__main__":
    unittest.main()
