"""``npgen graph``: what is drawn, that graphviz takes it, and that it is the same every time."""

from __future__ import annotations

import io
import os
import re
import shutil
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

from support import ROOT, TESTS, inside, load_file, protocol_of

from npgen.cli import main
from npgen.graph.command import NothingToDraw, graph
from npgen.graph.conversation import conversation_graph
from npgen.graph.dot import quote, wrapped
from npgen.graph.layout import layout_graph
from npgen.graph.parser import parser_graph
from npgen.graph.svg import svg
from npgen.model import Protocol

TALK = """
message Join = 1 {}
message Say = 2 {}
conversation session {
    start greet;
    state greet { client Join -> open; within 5s; }
    state open { either Say; server * -> open; client Join -> done; server Say -> done; }
    final done;
}
"""

HAVE_DOT = shutil.which("dot") is not None


def schemas() -> list[Protocol]:
    paths = [ROOT / "schema" / "base.np", *sorted((ROOT / "tests" / "schema").glob("*.np"))]
    paths += sorted((TESTS / "good").glob("*.np"))
    found = [load_file(path)[0] for path in paths]
    return [p for p in found if p is not None]


class Conversation(unittest.TestCase):
    def test_states_and_arrows(self) -> None:
        talk = TALK.replace("server Say -> done; ", "").replace("either Say", "client Say")
        text = graph(protocol_of(talk), None, None, False)
        self.assertIn('"greet" [label=<<b><font color="#111827">greet</font></b><br/>'
                      "<i>within 5s</i>>", text)
        self.assertIn('"done" [label=<<b>done</b>>, shape="doublecircle"', text)
        self.assertIn('"(start)" -> "greet";', text)
        self.assertRegex(text, '"greet" -> "open" .*client: Join.*style="solid"')
        self.assertNotIn('"open" -> "open"', text)
        self.assertIn("server: any other", text)

    def test_requests_that_move(self) -> None:
        text = "struct R {} request Login = 3 {} -> R; message Say = 4 {}\n"
        text += "conversation c { start a; state a { client Login -> b else c; client Say; }"
        text += " state b { client Login; } state c { server Login; } }"
        text = graph(protocol_of(text.replace(" server Login;", "")), None, None, False)
        self.assertRegex(text, '"a" -> "b" .*>client: Login answered<')
        self.assertRegex(text, '"a" -> "c" .*>client: Login refused<')
        self.assertRegex(text, '"b" .*client: Login</font>')

    def test_requests_under_a_wildcard(self) -> None:
        text = "struct R {} request Login = 3 {} -> R; message Say = 4 {}\n"
        text += "conversation c { start a; state a { client * -> b; } state b { client *; } }"
        text = graph(protocol_of(text), None, None, False)
        self.assertRegex(text, '"a" -> "b" .*any other, requests answered<')
        self.assertRegex(text, '"b" .*client: any other</font>')

    def test_several_conversations_stand_in_frames(self) -> None:
        text = TALK.replace("server Say -> done; ", "") .replace("either Say", "client Say")
        text += "conversation other { start a; state a { client Join; } }"
        p = protocol_of(text)
        self.assertIn('subgraph "cluster_other"', graph(p, None, None, False))
        self.assertNotIn("cluster", graph(p, "other", None, False))

    def test_labels_are_wrapped(self) -> None:
        lines = wrapped([f"Message{i}" for i in range(9)], "client:")
        self.assertGreater(len(lines), 3)
        self.assertTrue(all(len(line) <= 28 for line in lines))
        self.assertEqual(" ".join(lines), "client: " + ", ".join(f"Message{i}" for i in range(9)))


class Layout(unittest.TestCase):
    def test_fields_and_types(self) -> None:
        p = protocol_of("enum E { a = 0; b = 1 { s: S; }; } struct S { x: u8; }\n"
                        "request M = 1 { n: u16; e: list<E> max 2; k: u8; } -> S;")
        text = graph(p, None, "M", False)
        for piece in ("request M", "struct S", "enum E", "list&lt;E&gt; max 2", "u32 = 1"):
            self.assertIn(piece, text)
        self.assertIn('"request M":"e":e -> "E":"(title)":w;', text)
        self.assertIn('"E":"b.s":e -> "S":"(title)":w;', text)
        self.assertIn('label="reply"', text)


class Parser(unittest.TestCase):
    def test_loops_options_and_versions(self) -> None:
        p = protocol_of("message M = 1 stream { a: list<u8> max 2; o: option<bool>;"
                        " n: u8 since 2 = 0; body: bytes max 9; }")
        text = parser_graph(p)
        edges = set(re.findall(r'"M\.?([^"]*)" -> "M\.([^"]*)"(?: \[label="(\w+)"\])?;', text))
        self.assertEqual(edges, {
            ("(start)", "id", ""), ("id", "a", ""), ("a", "a.item", "item"), ("a.item", "a", ""),
            ("a", "o", "end"), ("o", "o.value", "some"), ("o", "(since 2)", "none"),
            ("o.value", "(since 2)", ""), ("(since 2)", "n", "newer"), ("n", "body", ""),
            ("(since 2)", "body", "older"), ("body", "(end)", ""),
        })  # fmt: skip

    def test_variants(self) -> None:
        text = parser_graph(protocol_of("enum E { a = 0; b = 1 { x: u8; }; c = 2; }"))
        self.assertIn('"E.(index)" -> "E.b.x" [label="1 b"]', text)
        self.assertIn('"E.(index)" -> "E.(end)" [label="0 a\\n2 c"]', text)


class Everything(unittest.TestCase):
    def test_the_same_every_time(self) -> None:
        for p in schemas():
            for draw in (parser_graph, lambda p: layout_graph(p, p.messages)):
                if p.messages:
                    self.assertEqual(draw(p), draw(p))
                    self.assertNotIn(str(ROOT), draw(p))

    @unittest.skipUnless(HAVE_DOT, "graphviz is not installed")
    def test_graphviz_takes_all(self) -> None:
        for p in schemas():
            texts = [parser_graph(p), *([layout_graph(p, p.messages)] if p.messages else [])]
            texts += [conversation_graph(p.conversations)] if p.conversations else []
            for text in texts:
                picture = svg(text)
                root = ElementTree.fromstring(picture.encode("utf-8"))
                self.assertTrue(root.tag.endswith("svg"))
                self.assertIn("prefers-color-scheme:dark", picture)
                self.assertNotIn("Generated by", picture)

    def test_quoting(self) -> None:
        self.assertEqual(quote('a"b\\c\nd'), '"a\\"b\\\\c\\nd"')

    def test_nothing_to_draw(self) -> None:
        p = protocol_of("message Say = 1 {}\nconst A = 1;")
        with self.assertRaisesRegex(NothingToDraw, "no message 'Sya'; did you mean 'Say'"):
            graph(p, None, "Sya", False)
        with self.assertRaisesRegex(NothingToDraw, "no conversation 'x'"):
            graph(p, "x", None, False)
        with self.assertRaisesRegex(NothingToDraw, "neither conversations nor messages"):
            graph(protocol_of(""), None, None, False)


class Cli(unittest.TestCase):
    def run_cli(self, *arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
            Path("talk.np").write_text("protocol talk version 1;\nmessage Say = 1 {}\n")
            with redirect_stdout(out), redirect_stderr(err):
                try:
                    status = main(arguments)
                except SystemExit as exit_:
                    status = int(exit_.code or 0)
        return status, out.getvalue(), err.getvalue()

    def test_graph(self) -> None:
        for wish in ([], ["--message", "Say"], ["--parser"]):
            status, out, err = self.run_cli("graph", "talk.np", *wish)
            self.assertEqual((status, err), (0, ""))
            self.assertTrue(out.startswith("digraph "))
        status, _, err = self.run_cli("graph", "talk.np", "--message", "Sya")
        self.assertEqual(status, 1)
        self.assertTrue(err.startswith("npgen: protocol 'talk' has no message"))
        self.assertEqual(self.run_cli("graph", "talk.np", "--message", "Say", "--parser")[0], 2)
        self.assertEqual(self.run_cli("graph", "talk.np", "talk.np")[0], 2)
        self.assertEqual(self.run_cli("graph", "none.np")[0], 1)

    def test_without_graphviz(self) -> None:
        with mock.patch.dict(os.environ, {"PATH": "/nonexistent"}):
            status, out, err = self.run_cli("graph", "talk.np", "--format", "svg")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("apt-get install graphviz", err)


if __name__ == "__main__":
    unittest.main()
