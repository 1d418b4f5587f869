"""``npgen fmt``: one way to write a schema.

The formatter works on tokens, not on the syntax tree: what it does not understand it cannot lose,
comments above all. It decides about line ends, indentation, spaces and ``;``, and nothing else. The
result of formatting a result is the same text.

    - a statement a line; blocks are indented by four spaces; an empty block is ``{}``
    - between declarations with blocks, and between groups of others, one blank line; elsewhere
      blank lines stay, at most one, and not at the edges of a block
    - a statement ends with ``;``, a declaration's or state's block with ``}``
    - lines above 100 columns are broken after a comma, where there is one
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import Optional, Sequence

from .diagnostics import Reporter, TooManyErrors
from .lexer import Kind, Token, lex
from .parser import parse
from .source import Source

MAX_COLUMNS = 100
INDENT = "    "

_BLOCKS = ("struct", "enum", "message", "request", "packet", "conversation")
_NO_SPACE_BEFORE = frozenset([";", ",", ")", "]", ">", ":", "[", "<", ".."])
_NO_SPACE_AFTER = frozenset(["(", "[", "<", ".."])
_BEHIND_BLOCK = ("since", "deprecated", "max", "min", "range", "nonempty", "=")


def format_source(source: Source, reporter: Reporter) -> Optional[str]:
    """The canonical text of a schema; None (and reports) if it cannot be parsed."""
    try:
        tokens = lex(source, reporter)
        parse(tokens, reporter)
    except TooManyErrors:
        return None
    return None if reporter.failed else _Formatter(_Terminator().run(tokens)).run()


def _is(token: Optional[Token], text: str) -> bool:
    return token is not None and token.kind is Kind.PUNCT and token.text == text


def _is_comment(token: Token) -> bool:
    return token.kind in (Kind.COMMENT, Kind.DOC)


class _Blocks:
    """The blocks that are open, told by the first word of the statements they belong to."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.word = ""  # of the statement at hand

    def see(self, token: Token) -> None:
        """Follow a token that is no comment."""
        if _is(token, "{"):
            self.words.append(self.word)
            self.word = ""
        elif _is(token, "}"):
            self.word = self.words.pop()
        elif _is(token, ";"):
            self.word = ""
        elif not self.word:
            self.word = token.text

    def ends_statement(self) -> bool:
        """Whether the ``}`` just seen ends its statement, so that no ``;`` follows."""
        if not self.words:
            return self.word != "request"
        return self.words[-1] == "conversation"


class _Terminator:
    """Puts ``;`` where a statement ends, directly behind its last token, and nowhere else.

    After this, a comment that stands within a statement really does.
    """

    def __init__(self) -> None:
        self.out: list[Token] = []
        self.behind = 0  # where in ``out`` the last token ends that is no comment
        self.last: Optional[Token] = None  # that token
        self.open = False  # whether it leaves its statement without an end
        self.blocks = _Blocks()

    def run(self, tokens: Sequence[Token]) -> list[Token]:
        """The tokens with all ends in place."""
        for token in tokens:
            if _is_comment(token):
                self.out.append(token)
                continue
            if _is(token, ";"):
                if self.open:
                    self._end()
                continue
            behind_block = _is(self.last, "}") and token.text not in _BEHIND_BLOCK
            if self.open and (_is(token, "}") or (behind_block and not _is(token, "->"))):
                self._end()
            self._put(token)
        return self.out

    def _put(self, token: Token) -> None:
        self.out.append(token)
        self.behind = len(self.out)
        self.last = token
        if token.kind is Kind.END:
            return
        self.blocks.see(token)
        if _is(token, "{"):
            self.open = False
        elif _is(token, "}"):
            self.open = not self.blocks.ends_statement()
            if not self.open:
                self.blocks.word = ""
        else:
            self.open = True

    def _end(self) -> None:
        assert self.last is not None
        end = replace(self.last, kind=Kind.PUNCT, text=";", value=";", first=False)
        self.out.insert(self.behind, end)
        self.behind += 1
        self.last = end
        self.open = False
        self.blocks.see(end)


class _Formatter:
    """Takes the tokens one by one and puts lines out."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.position = 0  # of the token after the one at hand
        self.blocks = _Blocks()
        self.out: list[str] = []
        self.commented = False  # whether the last line ends in a comment
        self.text = ""  # of the line at hand
        self.breaks: list[int] = []  # where it may be broken
        self.last: Optional[Token] = None  # the token before on this line
        self.continued = False  # whether the line continues a statement
        self.indent = 0  # of the line at hand, without what continuing adds
        self.group = ""  # the first word of the declaration before

    def run(self) -> str:
        """The formatted text."""
        for i, token in enumerate(self.tokens):
            self.position = i + 1
            if token.kind is Kind.END:
                break
            if not self.text:
                self._blank_before(i, token)
            if _is_comment(token):
                self._comment(token)
            else:
                self._place(token)
        self._flush()
        return "".join(line + "\n" for line in self.out)

    # -- tokens -------------------------------------------------------------------------------

    def _place(self, token: Token) -> None:
        """Put a token on the line at hand, and that line out if it is complete."""
        closes = _is(token, "}")
        word = self.blocks.word
        self.blocks.see(token)
        if not self.text:
            self.indent = len(self.blocks.words)
        if _is(token, "{"):
            self.indent = min(self.indent, len(self.blocks.words) - 1)
        joined = closes and _is(self.last, "{")
        if self.text and not joined and not self._glued(token):
            self.text += " "
        self.text += token.text
        self.last = token
        if _is(token, ","):
            self.breaks.append(len(self.text))
        if _is(token, "{") and not _is(self.tokens[self.position], "}"):
            self._finish()
        elif closes and self.blocks.ends_statement():
            word, self.blocks.word = self.blocks.word, ""
            self._finish(word)
        elif _is(token, ";"):
            self._finish(word)

    def _glued(self, token: Token) -> bool:
        """Whether no space stands before a token."""
        if token.kind is Kind.PUNCT and token.text in _NO_SPACE_BEFORE:
            return True
        last = self.last
        return last is not None and last.kind is Kind.PUNCT and last.text in _NO_SPACE_AFTER

    def _comment(self, token: Token) -> None:
        """Behind what stands before it on its line, or on a line of its own."""
        within = self.text or self.continued
        if not token.first and self.text:
            self.text += f"  {token.text}"
            self.breaks.clear()
            self._flush()
        elif not token.first and self.out and not self.commented:
            self.out[-1] += f"  {token.text}"
        else:
            self._flush()
            self.continued = bool(within)
            self.indent = len(self.blocks.words)
            self.text = token.text
            self._flush()
        self.continued = bool(within)
        self.commented = True

    # -- lines --------------------------------------------------------------------------------

    def _finish(self, word: str = "") -> None:
        """The line at hand is complete; ``word`` is what a complete statement started with."""
        self._flush()
        self.continued = False
        if not self.blocks.words and word:
            self.group = word

    def _flush(self) -> None:
        """Put the line at hand out, broken where it is too long."""
        indent = INDENT * (self.indent + self.continued)
        text, breaks = self.text, self.breaks
        self.text, self.breaks, self.last = "", [], None
        if not text:
            return
        start = 0
        while len(indent) + len(text) - start > MAX_COLUMNS:
            fits = bisect_right(breaks, start + MAX_COLUMNS - len(indent))  # they ascend
            if fits == 0 or breaks[fits - 1] <= start:
                break
            self.out.append(indent + text[start : breaks[fits - 1]])
            start = breaks[fits - 1] + 1  # without the space behind the comma
            indent = INDENT * (self.indent + 1)
        self.out.append(indent + text[start:])
        self.commented = False

    def _blank_before(self, index: int, token: Token) -> None:
        """The blank line before a statement, or before a comment on a line of its own."""
        if not self.out or self.continued or index == 0:
            return
        if _is_comment(token) and not token.first and not self.commented:
            return
        previous = self.tokens[index - 1]
        wanted = token.span.line - previous.span.line > 1
        if not self.blocks.words:
            wanted = wanted or self._starts_group(index, previous)
        if wanted and not _is(previous, "{") and not _is(token, "}"):
            self.out.append("")

    def _starts_group(self, index: int, previous: Token) -> bool:
        """Whether the declaration that starts here, with its comments, differs from the last."""
        if _is_comment(previous) and previous.first:
            return False  # it has been through this
        while _is_comment(self.tokens[index]):  # the last token is none
            index += 1
        word = self.tokens[index].text
        return bool(self.group and word) and (word != self.group or word in _BLOCKS)
