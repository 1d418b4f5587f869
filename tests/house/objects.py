"""Who calls whom, as the linker sees it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Iterable


def unit_of(path: Path) -> str:
    """``.../src/protocol/session.c.o`` is the unit ``protocol/session``."""
    return path.as_posix().rpartition("/src/")[2].removesuffix(".c.o")


def calls(paths: Iterable[Path]) -> dict[str, set[str]]:
    """The units that each unit takes functions or data from."""
    command = ["nm", "--print-file-name", *map(str, paths)]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    owner: dict[str, str] = {}
    taken: dict[str, set[str]] = {}
    for line in listing.splitlines():
        path, _, symbol = line.partition(":")
        *_, kind, name = symbol.split()
        unit = unit_of(Path(path))
        taken.setdefault(unit, set())
        if kind == "U":
            taken[unit].add(name)
        elif kind.isupper():
            owner[name] = unit
    return {unit: {owner[n] for n in names if n in owner} - {unit} for unit, names in taken.items()}
