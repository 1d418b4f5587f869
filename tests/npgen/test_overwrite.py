"""One protocol's files never replace another's, nor what somebody wrote by hand."""

from __future__ import annotations

import io
import os
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from support import inside

from npgen import emit, selftest
from npgen.cli import main
from npgen.load import load
from npgen.names import FILE_SUFFIXES, takes_files
from npgen.overwrite import same_schema

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
        expected = "room_schema.np:1:10: file-collision: protocol 'room' (room.np) has files"
        self.assertTrue(err.startswith(f"{expected} 'room_schema.*', too; rename one of"), err)
        self.assertFalse(Path("made").exists())
        status, err = self.gen("room_schema.np", "room.np")
        self.assertEqual(status, 1)
        self.assertIn("room.np:1:10: file-collision: protocol 'room_schema' (room_schema.np)", err)

    def test_every_file_has_a_suffix_that_is_known(self) -> None:
        text = ROOM + "conversation talk { start s; state s { either M; } }\n"
        Path("room.np").write_text(text, encoding="utf-8")
        protocol, _ = load(Path("room.np"))
        assert protocol is not None
        names = {name.partition(".")[0] for name in emit.outputs(protocol)}
        names |= {name.partition(".")[0] for name in selftest.outputs(protocol)}
        self.assertEqual(names, {"room", *(f"room_{suffix}" for suffix in FILE_SUFFIXES)})
        self.assertTrue(all(takes_files(name, "room") for name in names))
        self.assertFalse(takes_files("room", "room_chat"))

    def test_a_protocol_that_is_there_already(self) -> None:
        self.gen("room.np")
        before = self.made()
        status, err = self.gen("room_schema.np")
        self.assertEqual(status, 1)
        expected = "made/room_schema.h:3:1: file-taken: it was generated from room.np, not from"
        self.assertTrue(err.startswith(f"{expected} room_schema.np; give another"), err)
        self.assertEqual(self.made(), before)

    def test_a_file_of_somebody(self) -> None:
        Path("made").mkdir()
        Path("made/room.c").write_text("int main(void) { return 0; }\n")
        status, err = self.gen("room.np")
        self.assertEqual(status, 1)
        self.assertIn("made/room.c:1:1: file-taken: npgen did not write it, and replaces only", err)
        self.assertEqual(self.made(), {"room.c": "int main(void) { return 0; }\n"})

    def test_a_folder_in_the_way(self) -> None:
        Path("made/room.c").mkdir(parents=True)
        status, err = self.gen("room.np")
        self.assertEqual(status, 1)
        self.assertIn("made/room.c:1:1: file-taken: it is no file; move it", err)

    def test_a_pipe_or_a_dead_link_in_the_way(self) -> None:
        Path("made").mkdir()
        os.mkfifo("made/room.c")  # reading it would wait for ever
        os.symlink("nowhere", "made/room.h")
        status, err = self.gen("room.np")
        self.assertEqual(status, 1)
        self.assertIn("made/room.c:1:1: file-taken: it is no file", err)
        self.assertIn("made/room.h:1:1: file-taken: it is a link to nothing", err)
        self.assertEqual(sorted(os.listdir("made")), ["room.c", "room.h"])

    def test_a_namesake_in_another_folder(self) -> None:
        for folder in ("old", "new rooms"):
            Path(folder).mkdir()
            Path(folder, "room.np").write_text(ROOM, encoding="utf-8")
        self.assertEqual(self.gen("new rooms/room.np"), (0, ""))
        before = self.made()
        status, err = self.gen("old/room.np")
        self.assertEqual(status, 1)
        self.assertIn("it was generated from new rooms/room.np, not from old/room.np;", err)
        self.assertEqual(self.made(), before)
        with inside(Path("new rooms")):
            out = io.StringIO()
            with redirect_stdout(out), redirect_stderr(out):
                self.assertEqual(main(["gen", "room.np", "--out", "../made"]), 0, out.getvalue())

    def test_the_same_schema_from_elsewhere(self) -> None:
        for one, other in (("a.np", "b/a.np"), ("../b/a.np", "/c/b/a.np"), ("./a.np", "../a.np")):
            self.assertTrue(same_schema(one, other) and same_schema(other, one))
        for one, other in (("b/a.np", "c/a.np"), ("a.np", "aa.np"), ("a.np", "a.np/b.np")):
            self.assertFalse(same_schema(one, other) or same_schema(other, one))

    def test_an_empty_file_is_no_loss(self) -> None:
        Path("made").mkdir()
        Path("made/room.c").write_text("")
        self.assertEqual(self.gen("room.np"), (0, ""))


if __name__ == "__main__":
    unittest.main()
