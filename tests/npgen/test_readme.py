"""The language's reference stays true: its examples load, and its list of rules is complete."""

from __future__ import annotations

import re
import unittest

from support import ROOT, TESTS, protocol_of

from npgen.load import load_text
from npgen.rules import LINTS, RULES
from test_bad import BY_CODE

README = (ROOT / "schema" / "README.md").read_text(encoding="utf-8")


def blocks() -> list[str]:
    return re.findall(r"^```\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


class Readme(unittest.TestCase):
    def test_the_schema_loads(self) -> None:
        (schema,) = [b for b in blocks() if b.startswith("/// Talk")]
        protocol, found = load_text(schema, "talk.np", [ROOT / "schema"])
        self.assertIsNotNone(protocol, "\n".join(map(str, found)))

    def test_the_other_examples_load(self) -> None:
        examples = [b for b in blocks() if b.startswith(("struct Tree", "packet frame"))]
        self.assertEqual(len(examples), 2)
        for text in examples:
            protocol_of(text)

    def test_the_login_loads(self) -> None:
        (text,) = [b for b in blocks() if b.startswith("request Login")]
        protocol_of("struct Welcomed {} message Say = 257 {}\n" + text)

    def test_the_replacements_of_rust_types_load(self) -> None:
        section = README.split("## Rust types without")[1].split("\n## ")[0]
        snippets = re.findall(r"`((?:struct|enum) \w+ \{[^`]*\})`", section)
        self.assertGreater(len(snippets), 8)
        for text in snippets:
            with self.subTest(text):
                protocol_of(re.sub(r"\b[TE];", "u8;", text))

    def test_every_rule_is_there_with_a_true_example(self) -> None:
        expected = "".join(
            path.read_text(encoding="utf-8") for path in (TESTS / "bad").glob("*.expected")
        )
        rows = re.findall(r"^\| `([a-z-]+)` \| (.+?) \| `+(.+?)`+ \|$", README, re.MULTILINE)
        examples = {rule: (meaning, example) for rule, meaning, example in rows}
        for rule, meaning in RULES.items():
            with self.subTest(rule):
                self.assertIn(rule, examples)
                self.assertEqual(examples[rule][0], meaning)
                if rule not in BY_CODE:
                    self.assertIn(f": {rule}: {examples[rule][1]}\n", expected)

    def test_every_warning_is_there(self) -> None:
        for rule in LINTS:
            self.assertIn(f"| `{rule}` | ", README)


if __name__ == "__main__":
    unittest.main()
