"""What a schema calls deprecated: programs that use it are warned, generated code and who takes it
from others are not."""

from __future__ import annotations

import subprocess
import tempfile
import unittest
from pathlib import Path

from support import ROOT, protocol_of

from npgen import selftest
from npgen.emit import generate

SCHEMA = """
enum Plain { fine = 0; old_color = 1 deprecated "use 'fine'"; }
enum Data { none = 0; old_way = 1 { a: u8; } deprecated "use none"; }
struct Part {
    good: u8;
    bad: u16[3] deprecated "use good, as everybody has for such a long time that nobody knows why";
}
message Fresh = 300 { part: Part; plain: Plain; data: Data; }
message Stale = 301 deprecated "send a Fresh" { a: u8; }
message Heap = 302 stream deprecated { body: bytes max 1MiB; }
request Ask = 303 deprecated "just say it" {} -> Part;
"""

USES = {
    "v->bad[0] = 1": "use good",
    "(void)DEMO_PLAIN_OLD_COLOR": "use 'fine'",
    "(void)DEMO_DATA_OLD_WAY": "use none",
    "(void)d->old_way": "use none",
    "(void)!demo_stale_send(NULL, NULL, NULL)": "send a Fresh",
    "(void)!demo_heap_send(NULL, NULL, NULL)": "see the schema",
    "(void)!demo_heap_begin(NULL, NULL, 1, NULL, NULL)": "see the schema",
    "(void)!demo_ask_call(NULL, NULL, NULL, NULL, NULL)": "just say it",
    "(void)!demo_ask_call_wait(NULL, NULL, NULL, NULL, NULL)": "just say it",
}

FINE = {
    "v->good = 1",
    "d->tag = DEMO_DATA_NONE",
    "(void)!demo_fresh_send(NULL, NULL, NULL)",
    "demo_handlers h = {.on_stale = NULL, .on_ask = NULL}; (void)h",
    "(void)!demo_ask_reply((np_call){0}, NULL, NULL)",
    "demo_stale taken = {1}; (void)taken.a",
}


class Deprecated(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = Path(folder.name)
        self.protocol = protocol_of(SCHEMA)
        generate(self.protocol, self.out)

    def compile(self, source: Path, *options: str) -> str:
        command = ["cc", "-std=c11", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
        command += [f"-I{self.out}", f"-I{ROOT / 'include'}", f"-I{ROOT / 'generated'}"]
        return subprocess.run(
            [*command, *options, str(source)], capture_output=True, text=True, check=False
        ).stderr

    def try_use(self, use: str, *options: str) -> str:
        source = self.out / "user.c"
        source.write_text(
            '#include "demo_service.h"\n'
            "void f(demo_part *v, demo_data *d);\n"
            f"void f(demo_part *v, demo_data *d)\n{{\n    (void)v;\n    (void)d;\n    {use};\n}}\n"
        )
        return self.compile(source, *options)

    def test_uses_give_a_warning(self) -> None:
        for use, reason in USES.items():
            with self.subTest(use):
                found = self.try_use(use)
                self.assertIn("deprecated", found)
                self.assertIn(reason, found)
                self.assertEqual(self.try_use(use, "-DNP_NO_DEPRECATED"), "")

    def test_the_rest_does_not(self) -> None:
        for use in FINE:
            with self.subTest(use):
                self.assertEqual(self.try_use(use), "")

    def test_generated_code_does_not(self) -> None:
        for pattern, emit in selftest.EMITTERS.items():
            (self.out / Path(pattern.format(name="demo")).name).write_text(emit(self.protocol))
        sources = sorted(self.out.glob("*.c"))
        self.assertGreater(len(sources), 4)
        for source in sources:
            with self.subTest(source.name):
                self.assertEqual(self.compile(source), "")

    def test_comments_tell_it(self) -> None:
        text = (self.out / "demo.h").read_text() + (self.out / "demo_service.h").read_text()
        self.assertIn("/* Deprecated: use 'fine' */", text)
        self.assertIn(" * Deprecated: send a Fresh */", text)


if __name__ == "__main__":
    unittest.main()
