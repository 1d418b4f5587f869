"""The house keeps its shape: floors, no circles between files, short functions and files.

What breaks a rule today stands in today.txt, which may only become shorter: what is not true any
more has to leave it. Run by ctest, with the object files of all libraries and of the tool as
arguments.
"""

from __future__ import annotations

import sys
import unittest
from collections import Counter
from pathlib import Path

import circles
import objects
import sources

HERE = Path(__file__).resolve().parent
SRC = HERE.parent.parent / "src"

BELOW: dict[str, set[str]] = {
    "util": set(),
    "core": {"util"},
    "protocol": {"core", "util"},
    "transport": {"protocol", "core", "util"},
    "service": {"transport", "protocol", "core", "util"},
    "json": {"core", "util"},
    "selftest": {"core", "util"},
    "tool": {"service", "transport", "protocol", "json", "selftest", "core", "util"},
}
"""The folders that a folder's files may include and call, besides its own."""

FUNCTION_MAX = 60
FILE_MAX = 700
"""Lines."""

OBJECTS: list[Path] = []
"""Given by the caller."""


def today() -> set[str]:
    """What is known to break a rule."""
    lines = (HERE / "today.txt").read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line and not line.startswith("#")}


class House(unittest.TestCase):
    maxDiff = None

    def expect(self, kind: str, found: set[str]) -> None:
        """What is found is what is known."""
        known = {line for line in today() if line.startswith(f"{kind}:")}
        found = {f"{kind}: {words}" for words in found}
        self.assertEqual(found - known, set(), "is new; mend it")
        self.assertEqual(known - found, set(), "is not so any more; remove it from today.txt")

    def test_all_files_are_looked_at(self) -> None:
        units = {objects.unit_of(path) for path in OBJECTS}
        there = {path.relative_to(SRC).with_suffix("").as_posix() for path in sources.files(SRC, ".c")}
        self.assertEqual(there - units, set())
        self.assertEqual({name.split("/")[0] for name in there}, set(BELOW))

    def test_no_call_goes_up(self) -> None:
        found = set()
        for unit, others in objects.calls(OBJECTS).items():
            folder = unit.split("/")[0]
            for other in others:
                if other.split("/")[0] not in BELOW.get(folder, set()) | {folder}:
                    found.add(f"{unit} calls {other}")
        self.expect("up", found)

    def test_no_include_goes_up(self) -> None:
        found = set()
        for name, headers in sources.includes(SRC).items():
            folder = name.split("/")[0]
            for header in headers:
                if header.split("/")[0] in BELOW and (
                    header.split("/")[0] not in BELOW[folder] | {folder}
                ):
                    found.add(f"{name} includes {header}")
        self.expect("include", found)

    def test_no_circle_of_calls(self) -> None:
        found = circles.circles(objects.calls(OBJECTS))
        self.expect("circle", {" ".join(circle) for circle in found})

    def test_no_circle_of_headers(self) -> None:
        edges = {k: v for k, v in sources.includes(SRC).items() if k.endswith(".h")}
        self.assertEqual(circles.circles(edges), set())

    def test_static_functions_have_no_prefix(self) -> None:
        """``np_`` says that a function is known outside its file."""
        prefixed = Counter(
            f.file for f in sources.functions(SRC)
            if f.static and f.file.endswith(".c") and f.name.startswith("np_")
        )  # fmt: skip
        self.expect("prefix", {f"{name} {count}" for name, count in prefixed.items()})

    def test_lengths(self) -> None:
        found = {
            f"{f.file} {f.name}" for f in sources.functions(SRC) if f.lines > FUNCTION_MAX
        }
        for path in sources.files(SRC):
            if len(path.read_text(encoding="utf-8").splitlines()) > FILE_MAX:
                found.add(path.relative_to(SRC).as_posix())
        self.expect("long", found)


if __name__ == "__main__":
    OBJECTS += [Path(name) for name in sys.argv[1:] if "/src/" in name]
    unittest.main(argv=sys.argv[:1])
