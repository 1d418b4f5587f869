"""The banner of a generated file, whatever the schema's path looks like: the file compiles, and the
command in it makes it again."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from support import ROOT, inside

from npgen.cli import main

SCHEMA = "protocol room version 1;\n\n/// Said.\nmessage Say = 1 {\n    text: string max 9;\n}\n"

PATHS = (
    "room.np", "a b/room.np", "it's.np", "$(touch stolen).np", "x*/room.np", "x/*y.np", "a\nb.np",
    "a*/int evil;/*.np", "a\n*/ int evil; /*/b.np", '"quoted"\\.np', "a\u202eb.np", "-->.np", "--!>x.np",
    "-room.np", "~/room.np", "a;touch stolen;.np", "`touch stolen`.np", "a\tb.np", "\x1b[31m.np",
    "?" "?/.np", "%s.np", "\u00fc\U0001f600.np", os.fsdecode(b"\xff\xfe.np"), "a\\.np", "a'*/b.np",
    "\u2028.np", "\u3164.np",
)  # fmt: skip


class Banner(unittest.TestCase):
    def gen(self, *args: str) -> tuple[int, str]:
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(out):
            return main(list(args)), out.getvalue()

    def made(self, folder: str) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in Path(folder).iterdir()}

    def compile(self, folder: str) -> None:
        gcc = shutil.which("gcc")
        if gcc is None:
            return
        for path in (Path(folder, "room.h"), Path(folder, "room_test.c")):
            result = subprocess.run(
                [gcc, "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", folder,
                 f"-I{ROOT}/include", "-include", "netproto/types.h", str(path)],
                capture_output=True, text=True,
            )  # fmt: skip
            self.assertEqual((result.returncode, result.stderr), (0, ""), path.name)

    def again(self, folder: str) -> None:
        """Run the command that each kind of file tells, as somebody would who copies it."""
        for name in ("room.h", "room_test.c"):
            (command,) = re.findall(r"^ \* Again:  (.*) --out DIR$", Path(folder, name).read_text(), re.M)
            script = f'npgen() {{ {sys.executable} -m npgen "$@"; }}\n{command} --out again\n'
            env = {"PYTHONPATH": str(ROOT / "codegen"), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
            subprocess.run(["bash", "-c", script], check=True, env=env, stdout=subprocess.DEVNULL)

    def test_paths(self) -> None:
        for path in PATHS:
            with self.subTest(os.fsencode(path)), tempfile.TemporaryDirectory() as folder:
                with inside(Path(folder)):
                    Path(path).parent.mkdir(parents=True, exist_ok=True)
                    Path(path).write_text(SCHEMA, encoding="utf-8")
                    given = path if path[0] != "-" else f"./{path}"
                    for command in ("gen", "tests"):
                        self.assertEqual(self.gen(command, given, "--out", "out")[0], 0)
                    self.compile("out")
                    self.again("out")
                    self.assertEqual(self.made("again"), self.made("out"))
                    self.assertFalse(Path("stolen").exists())
                    for command in ("gen", "tests"):  # over its own
                        self.assertEqual(self.gen(command, given, "--out", "out")[0], 0)

    def test_another_schema_is_still_told_apart(self) -> None:
        with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
            for path in ("a\nb.np", "c\nb.np"):
                Path(path).write_text(SCHEMA, encoding="utf-8")
            self.assertEqual(self.gen("gen", "a\nb.np", "--out", "out")[0], 0)
            status, said = self.gen("gen", "c\nb.np", "--out", "out")
            self.assertEqual(status, 1)
            self.assertIn("it was generated from a\\u{A}b.np, not from c\\u{A}b.np;", said)


if __name__ == "__main__":
    unittest.main()
