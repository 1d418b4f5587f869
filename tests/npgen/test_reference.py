"""The reference of the wire format still writes the vectors that are checked in."""

from __future__ import annotations

import subprocess
import sys
import unittest
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "reference" / "vectors.py"


class Reference(unittest.TestCase):
    def test_vectors_are_what_it_writes(self) -> None:
        command = [sys.executable, "-B", str(SCRIPT), "--check"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == "__main__":
    unittest.main()
