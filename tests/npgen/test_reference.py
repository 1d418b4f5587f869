"""The references of the wire format still write the vectors that are checked in."""

from __future__ import annotations

import subprocess
import sys
import unittest
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "reference"


class Reference(unittest.TestCase):
    def expect_fresh(self, script: str) -> None:
        command = [sys.executable, "-B", str(FOLDER / script), "--check"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_payloads_are_what_it_writes(self) -> None:
        self.expect_fresh("vectors.py")

    def test_records_are_what_it_writes(self) -> None:
        self.expect_fresh("records.py")


if __name__ == "__main__":
    unittest.main()
