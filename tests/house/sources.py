"""What the C sources under src/ say: what they include, and the functions that they define."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

_INCLUDE = re.compile(r'^#include "((?:\w+/)+\w+\.h)"', re.MULTILINE)
_NAME = re.compile(r"(\w+)\(")


@dataclass(frozen=True)
class Function:
    """A function that a file defines."""

    file: str
    name: str
    static: bool
    lines: int


def files(src: Path, ends: str = ".[ch]") -> Iterator[Path]:
    """All sources, in the order of their names."""
    yield from sorted(path for path in src.rglob(f"*{ends}"))


def includes(src: Path) -> dict[str, set[str]]:
    """What each file includes of the others, as ``folder/file.h``."""
    found: dict[str, set[str]] = {}
    for path in files(src):
        text = path.read_text(encoding="utf-8")
        found[path.relative_to(src).as_posix()] = set(_INCLUDE.findall(text))
    return found


def functions(src: Path) -> Iterator[Function]:
    """All functions. In formatted code the braces of a function, and of nothing else but a struct in
    an old style, stand alone at the beginning of a line."""
    for path in files(src):
        lines = path.read_text(encoding="utf-8").splitlines()
        for begin, line in enumerate(lines):
            if line == "{":
                end = lines.index("}", begin)
                first = _first_line(lines, begin)
                head = " ".join(lines[first:begin])
                name = _NAME.search(head)
                if name is not None:
                    where = path.relative_to(src).as_posix()
                    yield Function(where, name[1], "static" in head.split(), end - first + 1)


def _first_line(lines: list[str], begin: int) -> int:
    """Where the head of a function begins that ends before a line."""
    first = begin
    while first > 0 and lines[first - 1] and not lines[first - 1].endswith(("}", ";", "*/")):
        first -= 1
    return first
