"""The names that C libraries take, read from c_names.txt (which collect_c_names.py makes)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

LIST = Path(__file__).resolve().parent / "c_names.txt"


@lru_cache(maxsize=1)
def _sections() -> dict[str, frozenset[str]]:
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for line in LIST.read_text(encoding="ascii").splitlines():
        if line.startswith("["):
            names = found.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            names.append(line)
    return {section: frozenset(names) for section, names in found.items()}


def headers() -> frozenset[str]:
    """Headers that stand in no folder, without their ``.h``."""
    return _sections()["headers"]


def members() -> frozenset[str]:
    """Macros without arguments: they rewrite a member of their name."""
    return _sections()["members"]


def whole() -> frozenset[str]:
    """What is declared or defined with a ``_`` inside, as generated names have one."""
    return _sections()["whole"]
