"""Structs that hold each other twice do not double the parser with each level."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import ROOT


def chain(levels: int) -> str:
    """A message whose leaf can be reached in 2^levels ways."""
    structs = [f"struct S{i} {{ x: S{i + 1}; y: S{i + 1}; }}" for i in range(1, levels)]
    structs.append(f"struct S{levels} {{ a: u8; }}")
    return "\n".join(["protocol chain version 1;", *structs, "message M = 1 { s: S1; }", ""])


class Shared(unittest.TestCase):
    def parser_len(self, levels: int) -> int:
        """Bytes of the parser that is generated; within seconds, or the test fails."""
        with tempfile.TemporaryDirectory() as folder:
            schema = Path(folder, "chain.np")
            schema.write_text(chain(levels), encoding="utf-8")
            command = [sys.executable, "-m", "npgen", "gen", str(schema), "--out", folder]
            subprocess.run(
                command, cwd=ROOT / "codegen", check=True, capture_output=True, timeout=30
            )
            return Path(folder, "chain_parse.c").stat().st_size

    def test_size_grows_by_levels_and_not_by_ways(self) -> None:
        sizes = [self.parser_len(levels) for levels in (8, 12, 16)]
        self.assertLess(sizes[1] - sizes[0], 40_000)
        self.assertLess(sizes[2] - sizes[1], 1.5 * (sizes[1] - sizes[0]))


if __name__ == "__main__":
    unittest.main()
