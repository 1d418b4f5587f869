"""Initialisers cut into lines."""

from __future__ import annotations

from typing import Optional

from ..emit.code import WIDTH


def lines_of(text: str, indent: int) -> list[str]:
    """A statement or member as lines that fit, broken within braces. Indentation is left out of
    the first level: the caller's pad adds it."""
    group = _outermost(text) if 4 * indent + len(text) > WIDTH else None
    if group is None:
        return [text]
    begin, end = group
    parts = _split(text[begin + 1 : end])
    lines = [text[: begin + 1]]
    if all(len(part) <= 20 and "{" not in part for part in parts):
        lines += ["    " + row for row in _packed(parts, WIDTH - 4 * (indent + 1))]
    else:
        for part in parts:
            inner = lines_of(part + ",", indent + 1)
            lines += ["    " + row for row in inner]
    return [*lines, text[end:]]


def _packed(parts: list[str], room: int) -> list[str]:
    """Short things, as many to a line as fit."""
    rows: list[str] = []
    for part in parts:
        if rows and len(rows[-1]) + len(part) + 2 <= room:
            rows[-1] += f" {part},"
        else:
            rows.append(part + ",")
    return rows


def _outermost(text: str) -> Optional[tuple[int, int]]:
    """The first pair of braces that holds something to break at."""
    depth, begin = 0, -1
    for i, ch in _outside_strings(text):
        if ch == "{":
            begin = i if depth == 0 else begin
            depth += 1
        elif ch == "}":
            depth -= 1
            if depth == 0:
                return (begin, i)
    return None


def _split(text: str) -> list[str]:
    """The parts between the commas that no bracket encloses."""
    parts: list[str] = []
    depth = start = 0
    for i, ch in _outside_strings(text):
        if ch in "({[":
            depth += 1
        elif ch in ")}]":
            depth -= 1
        elif ch == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return [*parts, text[start:].strip()]


def _outside_strings(text: str) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    inside = escaped = False
    for i, ch in enumerate(text):
        if inside:
            inside = escaped or ch != '"'
            escaped = ch == "\\" and not escaped
        elif ch == '"':
            inside = True
        else:
            found.append((i, ch))
    return found
