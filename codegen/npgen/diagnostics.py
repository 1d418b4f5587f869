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

LINE_WINDOW = 160
"""Columns of a source line that are shown; a longer line is cut around the caret."""

LONG_WORD = re.compile(r"\S{300,}")
"""A name in a message that is longer than any name may be; what it begins with is enough."""

INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)
"""What hides or reorders text: control characters but tab and newline, bidi marks, the BOM."""


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
        if not self.source_line.strip():
            return self.headline
        line, start = INVISIBLE.sub("\ufffd", self.source_line), self.span.column - 1
        cut = max(0, start - LINE_WINDOW // 2) if len(line) > LINE_WINDOW else 0
        line, start = line[cut : cut + LINE_WINDOW], start - cut
        # Tabs are kept, so that the caret stands below its place whatever their width.
        lead = "".join("\t" if c == "\t" else " " for c in line[:start].ljust(start))
        width = max(1, min(self.span.length, len(line) - start))
        return f"{self.headline}\n{line}\n{lead}^{'~' * (width - 1)}"


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
        text = LONG_WORD.sub(lambda word: f"{word[0][:80]}[...]", text)
        line = lines[span.line - 1] if 0 < span.line <= len(lines) else ""
        diagnostic = Diagnostic(span, rule, text, line)
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
