"""usage: table.py SUMMARY

Prints how much of each folder of src/ tests have run, from gcovr's --json-summary, as the table of
docs/testing.md. Status 1: a folder is below what is wanted of it.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

WANTED = {
    "core": 100.0,
    "protocol": 100.0,
    "util": 99.0,
    "service": 99.0,
    "transport": 97.0,
    "tool": 95.0,
}
"""Percent of lines, at least."""


def percent(part: int, whole: int) -> float:
    """Of nothing, all."""
    return 100.0 * part / whole if whole else 100.0


def folder_of(name: str) -> str:
    """``src/core/codec.c`` is of ``core``."""
    return name.removeprefix("src/").split("/")[0]


def main(summary: Path) -> int:
    """Prints the table; returns the exit code."""
    sums: dict[str, Counter[str]] = {}
    for file in json.loads(summary.read_text(encoding="utf-8"))["files"]:
        counts = sums.setdefault(folder_of(file["filename"]), Counter())
        for key in ("line_total", "line_covered", "branch_total", "branch_covered"):
            counts[key] += file[key]
    below = False
    print("| folder | lines | run | wanted | branches | taken |")
    print("|---|---|---|---|---|---|")
    for folder, n in sorted(sums.items()):
        lines = percent(n["line_covered"], n["line_total"])
        branches = percent(n["branch_covered"], n["branch_total"])
        wanted = WANTED.get(folder)
        below |= wanted is not None and lines < wanted
        words = "" if wanted is None else f"{wanted:.0f} %" + (" **missed**" if lines < wanted else "")
        print(f"| `src/{folder}` | {n['line_total']} | {lines:.1f} % | {words} "
              f"| {n['branch_total']} | {branches:.1f} % |")  # fmt: skip
    return 1 if below else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
