"""``npgen fmt``: canonical, idempotent, and without loss."""

from __future__ import annotations

import random
import unittest
from pathlib import Path
from typing import Optional

from support import ROOT, TESTS

from npgen.diagnostics import Reporter
from npgen.format import MAX_COLUMNS, format_source
from npgen.lexer import Kind, Token, lex
from npgen.source import make_source

COMMENTS = (Kind.COMMENT, Kind.DOC)


def formatted(text: str) -> Optional[str]:
    return format_source(make_source(Path("t.np"), "t.np", text), Reporter())


def tokens_of(text: str) -> list[Token]:
    return lex(make_source(Path("t.np"), "t.np", text), Reporter())


def comments_of(text: str) -> list[str]:
    return [t.text for t in tokens_of(text) if t.kind in COMMENTS]


def code_of(text: str) -> list[str]:
    """All tokens but comments, and but the ``;`` that the formatter adds and removes."""
    return [t.text for t in tokens_of(text) if t.kind not in COMMENTS and t.text != ";"]


def schemas() -> list[Path]:
    """All schemas that can be parsed."""
    files = [*TESTS.rglob("*.np"), *(ROOT / "schema").glob("*.np")]
    readable = (f for f in files if not f.name.startswith("encoding"))
    return [f for f in sorted(readable) if formatted(f.read_text(encoding="utf-8")) is not None]


def scattered(text: str, random_: random.Random) -> str:
    """The same schema with line ends and comments anywhere between its tokens."""
    out: list[str] = []
    for token in tokens_of(text):
        out.append(f"\n{token.text}\n" if token.kind in COMMENTS else token.text)
        gap = random_.random()
        if gap < 0.1:
            out.append(f" // behind {random_.randrange(100)}\n")
        elif gap < 0.2:
            out.append(f"\n// alone {random_.randrange(100)}\n")
        else:
            out.append("\n" * random_.choice([1, 2, 3]) if gap < 0.4 else " ")
    return "".join(out)


class Format(unittest.TestCase):
    maxDiff = None

    def test_golden(self) -> None:
        text = (TESTS / "format" / "messy.np").read_text(encoding="utf-8")
        expected = (TESTS / "format" / "messy.expected").read_text(encoding="utf-8")
        self.assertEqual(formatted(text), expected)

    def test_loses_nothing_and_is_idempotent(self) -> None:
        random_ = random.Random(1)
        self.assertGreater(len(schemas()), 50)
        for path in schemas():
            original = path.read_text(encoding="utf-8")
            for text in (original, *(scattered(original, random_) for _ in range(4))):
                with self.subTest(path.name, text=text):
                    once = formatted(text)
                    assert once is not None
                    self.assertEqual(comments_of(once), comments_of(text))
                    self.assertEqual(code_of(once), code_of(text))
                    self.assertEqual(formatted(once), once)

    def test_long_lists_are_broken_after_commas(self) -> None:
        names = ", ".join(f"Message{i}" for i in range(40))
        once = formatted(
            f"protocol p version 1; conversation c {{ state s {{ client {names} -> s; }} }}"
        )
        assert once is not None
        self.assertLessEqual(max(map(len, once.split("\n"))), MAX_COLUMNS)
        self.assertEqual(formatted(once), once)

    def test_a_schema_that_cannot_be_parsed_stays_as_it_is(self) -> None:
        self.assertIsNone(formatted("protocol p version 1;\nstruct S { a u8; }\n"))

    def test_our_own_schemas_are_formatted(self) -> None:
        for path in (ROOT / "schema").glob("*.np"):
            text = path.read_text(encoding="utf-8")
            self.assertEqual(formatted(text), text, path.name)


if __name__ == "__main__":
    unittest.main()
