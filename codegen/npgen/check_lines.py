"""What build tools find without a parser, by looking at lines: a file's imports and its protocol.

It is no matter of syntax: `npgen fmt` reads what breaks this rule, and mends it.
"""

from __future__ import annotations

from typing import Sequence

from .diagnostics import Reporter
from .lexer import Kind, Token

COMMENTS = (Kind.DOC, Kind.COMMENT)


def check_lines(tokens: Sequence[Token], reporter: Reporter) -> None:
    """An import and the protocol begin their line, and are told in it, as they are."""
    words = [t for t in tokens if t.kind not in COMMENTS]
    if len(words) > 1 and words[0].text == "protocol" and words[1].kind is Kind.NAME:
        _check(words[0], words[1], "the protocol's name", reporter)
    for word, path in zip(words, words[1:]):
        if word.kind is Kind.NAME and word.text == "import" and path.kind is Kind.STRING:
            _check(word, path, "the path", reporter)
            if path.text[1:-1] != path.value:
                text = "a path has no escapes; write its characters"
                reporter.error(path.span, "import-path", text)


def _check(word: Token, behind: Token, what: str, reporter: Reporter) -> None:
    if not word.first:
        text = f"'{word.text}' begins a line; move it to one"
        reporter.error(word.span, "line", text)
    elif behind.first or behind.span.column == word.span.column + len(word.text):
        text = f"{what} stands behind '{word.text}' and a space, in the same line"
        reporter.error(behind.span, "line", text)
