"""Errors and warnings as the user sees them.

No stage raises its errors: it reports them here and goes on, so that one run shows all there is to
repair. A diagnostic carries its source line, so that printing needs no file a second time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Iterable, Sequence

from .model import Span
from .rules import BREAKS, LINTS, LOCK_ERRORS, RULES

MAX_DIAGNOSTICS = 500
"""With more than this something else is wrong, and a hostile file would keep npgen busy for long."""

KNOWN = RULES.keys() | LINTS.keys() | BREAKS.keys() | LOCK_ERRORS.keys()
"""The names that a diagnostic may carry."""

MAX_TEXT = 600
"""Characters of a diagnostic's text; only names and paths that are far too long make it longer."""

LINE_WINDOW = 160
"""Columns of a source line that are shown; a longer line is cut around the caret."""

_INVISIBLE_RANGES = (
    (0x0, 0x8), (0xB, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x34F, 0x34F), (0x600, 0x605),
    (0x61C, 0x61C), (0x6DD, 0x6DD), (0x70F, 0x70F), (0x890, 0x891), (0x8E2, 0x8E2),
    (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F), (0x2028, 0x202E),
    (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB), (0x110BD, 0x110BD), (0x110CD, 0x110CD), (0x13430, 0x1343F),
    (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
"""By Unicode 15: the categories Cc (but tab and newline), Cf, Zl and Zp, and all that a font may leave
out (Default_Ignorable_Code_Point). They stand here, as Python's own tables change with its version."""

INVISIBLE = re.compile(
    "[" + "".join(f"\\U{first:08X}-\\U{last:08X}" for first, last in _INVISIBLE_RANGES) + "]"
)
"""What hides in a text, or reorders it: control and format characters, bidi marks, fillers, variation
selectors, tags, the BOM."""

_UNPRINTABLE = re.compile(f"{INVISIBLE.pattern}|[\t\n]")


@dataclass(frozen=True)
class Diagnostic:
    """One finding: where, which rule, and what to write instead."""

    span: Span
    rule: str
    text: str
    source_line: str = ""

    @property
    def headline(self) -> str:
        """``file:line:col: rule: text``, the form that editors jump to."""
        span = self.span
        return f"{span.file}:{span.line}:{span.column}: {self.rule}: {self.text}"

    def __str__(self) -> str:
        """The headline, the source line and a caret below the place.

        The line comes from a file that may be hostile, so nothing in it reaches the terminal that
        would do more than be seen.
        """
        if not self.source_line or self.source_line.isspace():
            return self.headline
        line, start = self.source_line, self.span.column - 1
        cut = max(0, start - LINE_WINDOW // 2) if len(line) > LINE_WINDOW else 0
        line, start = INVISIBLE.sub("\ufffd", line[cut : cut + LINE_WINDOW]), start - cut
        # Tabs are kept, so that the caret stands below its place whatever their width.
        lead = "".join("\t" if c == "\t" else " " for c in line[:start].ljust(start))
        width = max(1, min(self.span.length, len(line) - start))
        return f"{self.headline}\n{line}\n{lead}^{'~' * (width - 1)}"


def visible(text: str) -> str:
    """A text on one line, with escapes for what hides or reorders it."""
    return _UNPRINTABLE.sub(lambda m: f"\\u{{{ord(m[0]):X}}}", text)


def _printable(text: str) -> str:
    """A text that may quote the schema: on one line, of a length to be read, and doing nothing to
    the terminal."""
    half = MAX_TEXT // 2
    if len(text) > MAX_TEXT:
        text = f"{text[:half]} ... {text[-half:]}"
    return visible(text)


class TooManyErrors(Exception):
    """The run has found ``MAX_DIAGNOSTICS``; who started it shows those."""


@dataclass
class Reporter:
    """Collects the diagnostics of a run, over all of its files."""

    diagnostics: list[Diagnostic] = field(default_factory=list)
    _lines: dict[str, Sequence[str]] = field(default_factory=dict)

    def add_source(self, display: str, lines: Sequence[str]) -> None:
        """Make the lines of a file known, so that its diagnostics can show them."""
        self._lines.setdefault(display, lines)

    def error(self, span: Span, rule: str, text: str) -> None:
        """Report a violation of ``rule``; the caller goes on with something harmless."""
        assert rule in KNOWN, f"unknown rule {rule}"
        lines = self._lines.get(span.file, ())
        line = lines[span.line - 1] if 0 < span.line <= len(lines) else ""
        diagnostic = Diagnostic(span, rule, _printable(text), line)
        if diagnostic not in self.diagnostics:
            self.diagnostics.append(diagnostic)
        if len(self.diagnostics) >= MAX_DIAGNOSTICS:
            raise TooManyErrors

    @property
    def full(self) -> bool:
        """Whether the run ended early because of too many errors."""
        return len(self.diagnostics) >= MAX_DIAGNOSTICS

    @property
    def failed(self) -> bool:
        """Whether anything was reported."""
        return bool(self.diagnostics)

    def in_order(self) -> list[Diagnostic]:
        """All diagnostics, by file (as they were opened), line and column."""
        rank = {name: i for i, name in enumerate(self._lines)}
        return sorted(
            self.diagnostics,
            key=lambda d: (rank.get(d.span.file, -1), d.span.line, d.span.column),
        )


def format_all(diagnostics: Iterable[Diagnostic]) -> str:
    """All diagnostics as text, one after the other, with a final newline."""
    return "".join(f"{d}\n" for d in diagnostics)
