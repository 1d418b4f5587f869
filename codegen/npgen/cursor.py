"""The parser's place in the tokens, and its ways to get over an error.

An error inside a statement raises ``Failure``; whoever parses the list of statements catches it,
skips to the end of that statement and goes on. So one mistake costs one statement.
"""

from __future__ import annotations

from difflib import get_close_matches
from itertools import islice
from typing import Container, Iterable, Optional

from .diagnostics import Reporter
from .lexer import Kind, Token
from .model import Span
from .syntax import Doc, Expr, Name

DECLARATION_WORDS = (
    "protocol", "import", "const", "reserved", "struct", "enum", "message", "request", "packet",
    "conversation",
)  # fmt: skip
"""The words that start a declaration."""

MAX_CANDIDATES = 200
"""Names that are compared with a misspelt one; comparing is slow."""

_EXPR_KINDS = {
    Kind.INT: "int",
    Kind.FLOAT: "float",
    Kind.STRING: "string",
    Kind.CHAR: "char",
    Kind.DURATION: "duration",
    Kind.NAME: "name",
}


class Failure(Exception):
    """The statement cannot be parsed any further; it has been reported."""


def did_you_mean(word: str, candidates: Iterable[str], quote: str = "'") -> str:
    """``"; did you mean 'x'?"`` if one of the candidates is close, else nothing."""
    similar = (c for c in candidates if abs(len(c) - len(word)) <= 2)
    close = get_close_matches(word, islice(similar, MAX_CANDIDATES), n=1, cutoff=0.65)
    return f"; did you mean {quote}{close[0]}{quote}?" if close else ""


class Cursor:
    """A position in the tokens of one file; comments are already left out."""

    def __init__(self, tokens: list[Token], reporter: Reporter) -> None:
        self._tokens = [t for t in tokens if t.kind is not Kind.COMMENT]
        self._position = 0
        self.reporter = reporter

    # -- looking ------------------------------------------------------------------------------

    @property
    def token(self) -> Token:
        """The token at hand."""
        return self._tokens[self._position]

    @property
    def previous(self) -> Token:
        """The token taken last (the one at hand if none was)."""
        return self._tokens[max(0, self._position - 1)]

    def peek(self, ahead: int = 1) -> Token:
        """A token further on."""
        return self._tokens[min(self._position + ahead, len(self._tokens) - 1)]

    def since(self, start: Token) -> list[Token]:
        """The tokens from ``start`` to the one at hand."""
        first = self._position
        while first > 0 and self._tokens[first] is not start:
            first -= 1
        return self._tokens[first : self._position + 1]

    def at(self, text: str) -> bool:
        """Whether the token at hand is this punctuation or word."""
        return self.token.kind in (Kind.PUNCT, Kind.NAME) and self.token.text == text

    def at_any(self, words: Container[str]) -> bool:
        """Whether the token at hand is one of these."""
        token = self.token
        return token.text in words and token.kind in (Kind.PUNCT, Kind.NAME)

    def at_kind(self, kind: Kind) -> bool:
        """Whether the token at hand is of this kind."""
        return self.token.kind is kind

    def at_declaration(self) -> bool:
        """Whether a new declaration clearly starts here, so that a ``}`` must be missing before.

        A field may be called ``message`` too; but then ``:`` follows, and no name.
        """
        token, after = self.token, self.peek()
        return (
            token.first
            and token.kind is Kind.NAME
            and token.text in DECLARATION_WORDS
            and after.kind in (Kind.NAME, Kind.STRING, Kind.INT)
        )

    # -- taking -------------------------------------------------------------------------------

    def take(self) -> Token:
        """The token at hand; goes on, but never beyond the end."""
        token = self.token
        if token.kind is not Kind.END:
            self._position += 1
        return token

    def accept(self, text: str) -> bool:
        """Take this punctuation or word if it is at hand."""
        if self.at(text):
            self.take()
            return True
        return False

    def expect(self, text: str, where: str) -> Token:
        """Take this punctuation or word, or fail."""
        if not self.at(text):
            span = self._behind_previous() if self.token.first else None
            raise self.fail(f"expected '{text}' {where}, found {self.token}", span)
        return self.take()

    def expect_name(self, what: str) -> Name:
        """Take an identifier, or fail."""
        if not self.at_kind(Kind.NAME):
            raise self.fail(f"expected {what}, found {self.token}")
        token = self.take()
        return Name(token.text, token.span)

    def expect_expr(self, what: str) -> Expr:
        """Take a literal or a name that stands for one, or fail."""
        kind = _EXPR_KINDS.get(self.token.kind)
        if kind is None:
            raise self.fail(f"expected {what}, found {self.token}")
        token = self.take()
        return Expr(kind, token.value, token.span, token.text)

    def expect_string(self, what: str) -> tuple[str, Span]:
        """Take a string, or fail."""
        if not self.at_kind(Kind.STRING):
            raise self.fail(f"expected {what} in double quotes, found {self.token}")
        token = self.take()
        return str(token.value), token.span

    def take_doc(self) -> Doc:
        """The doc comments at hand, a line each."""
        lines = []
        while self.at_kind(Kind.DOC):
            lines.append(str(self.take().value))
        return tuple(lines)

    # -- errors -------------------------------------------------------------------------------

    def fail(self, text: str, span: Optional[Span] = None, rule: str = "syntax") -> Failure:
        """Report an error at the token at hand; the caller raises the result.

        What the lexer has already refused is not reported again.
        """
        if not self.at_kind(Kind.BAD) and self.previous.kind is not Kind.BAD:
            self.reporter.error(span or self.token.span, rule, text)
        return Failure()

    def refuse_doc(self, doc: Doc, span: Span) -> None:
        """Report a doc comment in front of something that has none."""
        if doc:
            text = "this doc comment documents nothing; write '//' or move it to a declaration"
            self.reporter.error(span, "doc-misplaced", text)

    def end_statement(self, what: str) -> None:
        """Take the ``;`` after a statement; before ``}`` and after a block it may be missing."""
        if self.accept(";") or self.at("}") or self.previous.text == "}":
            return
        text = f"expected ';' after {what}, found {self.token}"
        failure = self.fail(text, self._behind_previous())
        if not self.token.first:  # more of the same statement: nothing to go on with
            raise failure

    def _behind_previous(self) -> Span:
        """Where something is missing at the end of a line."""
        before = self.previous
        return Span(before.span.file, before.span.line, before.end_column)

    def skip_statement(self) -> None:
        """After a failure: go behind the statement's ``;`` or before the ``}`` of its block."""
        depth = 0
        while not self.at_kind(Kind.END) and not self.at_declaration():
            if self.at("}"):
                if depth == 0:
                    return
                depth -= 1
            elif self.at("{"):
                depth += 1
            taken = self.take()
            ends = taken.text == "}" or taken.kind is Kind.BAD
            if depth == 0 and (taken.text == ";" or (ends and self._starts_line())):
                return

    def _starts_line(self) -> bool:
        return self.token.first and not self.at(";")
