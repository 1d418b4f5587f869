"""A pad to write dot on, and the one look that all graphs have.

Colours are of middle tone and the background is transparent, so that a graph can be read on white
and on black; svg.py replaces them where the reader's screen is dark.
"""

from __future__ import annotations

from contextlib import contextmanager
from html import escape
from typing import Iterator, Sequence

INK = "#111827"
LINE = "#6b7280"
PAPER = "#f3f4f6"
HEAD = "#d1d5db"
CLIENT = "#2563eb"
SERVER = "#c2410c"
EITHER = "#7c3aed"

FONT = "Helvetica,Arial,sans-serif"

WRAP = 28
"""Characters in a line of a label."""


class Dot:
    """Lines of dot."""

    def __init__(self, name: str, rankdir: str) -> None:
        self._lines: list[str] = []
        self._level = 0
        self(f"digraph {quote(name)} {{")
        self._level = 1
        self(f'graph [rankdir={rankdir}, bgcolor="transparent", fontname="{FONT}",')
        self(f'       fontcolor="{LINE}", color="{LINE}", nodesep=0.35, ranksep=0.5];')
        self(f'node [fontname="{FONT}", fontsize=11, fontcolor="{INK}", color="{LINE}",')
        self(f'      fillcolor="{PAPER}", style="filled", shape=box, margin="0.12,0.06"];')
        self(f'edge [fontname="{FONT}", fontsize=10, fontcolor="{LINE}", color="{LINE}",')
        self("      arrowsize=0.7];")

    def __call__(self, line: str) -> None:
        """Add a line."""
        self._lines.append("    " * self._level + line)

    def node(self, name: str, **attributes: str) -> None:
        """A node; a label that starts with ``<`` is dot's HTML."""
        self(f"{quote(name)}{_attributes(attributes)};")

    def edge(self, start: str, end: str, **attributes: str) -> None:
        """An arrow. ``tail`` and ``head`` are the cells of tables between which it goes."""
        tail, head = (attributes.pop(side, "") for side in ("tail", "head"))
        start, end = (
            f"{quote(node)}:{quote(cell)}:{compass}" if cell else quote(node)
            for node, cell, compass in ((start, tail, "e"), (end, head, "w"))
        )
        self(f"{start} -> {end}{_attributes(attributes)};")

    @contextmanager
    def cluster(self, name: str, label: str) -> Iterator[None]:
        """A frame around nodes."""
        self(f"subgraph {quote('cluster_' + name)} {{")
        self._level += 1
        self(f'label={quote(label)}; labeljust=l; fontsize=12; style="rounded"; color="{LINE}";')
        yield
        self._level -= 1
        self("}")

    def text(self) -> str:
        """All of it."""
        return "\n".join([*self._lines, "}"]) + "\n"


def quote(text: str) -> str:
    """A string of dot."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def _attributes(attributes: dict[str, str]) -> str:
    if not attributes:
        return ""
    items = (
        f"{key}={text if text.startswith('<') and text.endswith('>') else quote(text)}"
        for key, text in attributes.items()
    )
    return f" [{', '.join(items)}]"


def html(text: str) -> str:
    """Text within an HTML label."""
    return escape(text, quote=True).replace("&#x27;", "'")


def coloured(text: str, colour: str) -> str:
    """Coloured text within an HTML label."""
    return f'<font color="{colour}">{html(text)}</font>'


def wrapped(words: Sequence[str], first: str = "", width: int = WRAP) -> list[str]:
    """Words with commas between them, in lines that are not too long; ``first`` leads."""
    lines = [first] if first else []
    for i, word in enumerate(words):
        word += "," if i + 1 < len(words) else ""
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
