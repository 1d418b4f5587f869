"""One protocol's files never replace another's, nor what somebody wrote by hand."""

from __future__ import annotations

import io
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from support import inside

from npgen.cli import main

ROOM = "protocol room version 1;\n\n/// D.\nmessage M = 1 {}\n"
ROOM_SCHEMA = "protocol room_schema version 1;\n\n/// D.\nmessage N = 1 {}\n"


class Overwrite(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        context = inside(Path(folder.name))
        context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        Path("room.np").write_text(ROOM, encoding="utf-8")
        Path("room_schema.np").write_text(ROOM_SCHEMA, encoding="utf-8")

    def gen(self, *schemas: str) -> tuple[int, str]:
        """Generated into one folder."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = main(["gen", *schemas, "--out", "made"])
        return status, err.getvalue()

    def made(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in Path("made").iterdir()}

    def test_again_and_from_elsewhere(self) -> None:
        self.assertEqual(self.gen("room.np"), (0, ""))
        before = self.made()
        self.assertEqual(self.gen("room.np"), (0, ""))
        self.assertEqual(self.made(), before)
        self.assertEqual(self.gen(str(Path("room.np").resolve()))[0], 0)

    def test_two_protocols_of_one_run(self) -> None:
        status, err = self.gen("room.np", "room_schema.np")
        self.assertEqual(status, 1)
        self.assertIn("room.np and room_schema.np would both write room_schema.h; rename", err)
        self.assertFalse(Path("made").exists())

    def test_a_protocol_that_is_there_already(self) -> None:
        self.gen("room.np")
        before = self.made()
        status, err = self.gen("room_schema.np")
        self.assertEqual(status, 1)
        self.assertIn("room_schema.h was generated from room.np, not from room_schema.np", err)
        self.assertEqual(self.made(), before)

    def test_a_file_of_somebody(self) -> None:
        Path("made").mkdir()
        Path("made/room.c").write_text("int main(void) { return 0; }\n")
        status, err = self.gen("room.np")
        self.assertEqual(status, 1)
        self.assertIn("room.c was not written by npgen; move it, or give another --out", err)
        self.assertEqual(self.made(), {"room.c": "int main(void) { return 0; }\n"})

    def test_a_folder_in_the_way(self) -> None:
        Path("made/room.c").mkdir(parents=True)
        status, err = self.gen("room.np")
        self.assertEqual(status, 1)
        self.assertIn("it is no file", err)

    def test_an_empty_file_is_no_loss(self) -> None:
        Path("made").mkdir()
        Path("made/room.c").write_text("")
        self.assertEqual(self.gen("room.np"), (0, ""))


if __name__ == "__main__":
    unittest.main()
