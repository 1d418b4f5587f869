"""Markdown that says exactly what it is given: nothing in a schema can become markup."""

from __future__ import annotations

import re
from typing import Iterable, Sequence

_SPECIAL = re.compile(r"[\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")

_LEADING = re.compile(r"^(?:[#+=-]|\d+(?=[.)]))")

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def inline(text: str) -> str:
    """Text within a line."""
    for char, entity in _ENTITIES.items():
        text = text.replace(char, entity)
    return _SPECIAL.sub(lambda match: "\\" + match[0], text)


def _line(text: str) -> str:
    """A line of text: what would begin a heading, list or rule does not."""

    def harmless(match: "re.Match[str]") -> str:
        lead = match[0]
        return "\\" + lead if not lead.isdigit() else lead + "\\"

    raw = text.strip()
    lead = _LEADING.match(raw)
    if lead is None:
        return inline(raw)
    rest = inline(raw[lead.end() :])
    return harmless(lead) + rest


def prose(doc: Sequence[str]) -> list[str]:
    """A doc comment as paragraphs; lines that look like items of a list stay lines."""
    lines: list[str] = []
    for raw in doc:
        text = _line(raw)
        if lines and lines[-1] and text and re.match(r"[*+-] |\d+[.)] ", raw.strip()):
            lines[-1] += "\\"
        lines.append(text)
    while lines and not lines[-1]:
        lines.pop()
    return [*lines, ""] if lines else []


def cell(doc: Sequence[str]) -> str:
    """A doc comment within a table."""
    return inline(" ".join(line.strip() for line in doc if line.strip()))


def summary(doc: Sequence[str]) -> str:
    """The first sentence of a doc comment, within a table."""
    text = " ".join(line.strip() for line in doc if line.strip())
    return inline(re.split(r"(?<=[.!?])\s+(?=[A-Z])", text, maxsplit=1)[0])


def code(text: str) -> str:
    """A code span, also within a table."""
    text = text.replace("|", "\\|")
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}" if longest else f"{fence}{text}{fence}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table; columns that are empty in every row are left out. Nothing for no rows."""
    rows = list(rows)
    if not rows:
        return []
    used = [i for i in range(len(header)) if any(row[i] for row in rows)]
    lines = [_row([header[i] for i in used]), "|" + "---|" * len(used)]
    return [*lines, *(_row([row[i] for i in used]) for row in rows), ""]


def _row(cells: Sequence[str]) -> str:
    return "|" + "|".join(f" {text} " if text else " " for text in cells) + "|"


def link(kind: str, name: str) -> str:
    """A link to the section ``### <kind> <name>``."""
    return f"[{name}](#{kind}-{name.lower()})"
