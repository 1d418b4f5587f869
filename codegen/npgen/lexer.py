"""Text -> tokens.

Comments are tokens too: the parser skips the ordinary ones, but the formatter must not lose them.
A malformed token is reported and replaced by a harmless one of its kind; where not even the kind is
clear, by one of kind BAD, about which the parser keeps silent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Optional, Union

from .diagnostics import Reporter
from .floats import MAX_DIGITS
from .model import Span
from .source import Source

MAX_NUMBER = (1 << 128) - 1
"""The greatest magnitude of a literal: what u128 holds."""


class Kind(Enum):
    """What a token is."""

    NAME = "a name"
    INT = "an integer"
    FLOAT = "a number"
    STRING = "a string"
    CHAR = "a character"
    DURATION = "a time"
    PUNCT = "punctuation"
    DOC = "a doc comment"
    COMMENT = "a comment"
    BAD = "something unreadable"
    END = "the end of the file"


@dataclass(frozen=True)
class Token:
    """One token. ``text`` is as written; ``value`` what it means (numbers, strings, docs)."""

    kind: Kind
    text: str
    value: Union[int, float, str]
    span: Span
    first: bool  # whether it is the first token of its line

    @property
    def end_column(self) -> int:
        """The column just behind it."""
        return self.span.column + len(self.text)

    def __str__(self) -> str:
        """The token as a message names it."""
        if self.kind is Kind.END:
            return str(self.kind.value)
        if self.kind is Kind.DOC:
            return "a doc comment"
        text = self.text if len(self.text) <= 40 else self.text[:37] + "..."
        return f"'{text}'" if self.kind is not Kind.CHAR else text


_TOKEN = re.compile(
    r"""
      (?P<space>   [ \t]+ )
    | (?P<comment> //[^\n]* )
    | (?P<name>    [A-Za-z_][A-Za-z0-9_]* )
    | (?P<float>   -?[0-9][0-9_]*(?:\.[0-9][0-9_]*(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)
                   (?![A-Za-z0-9_]) )
    | (?P<number>  -?[0-9][0-9A-Za-z_]* )
    | (?P<string>  "(?:[^"\\\n]|\\[^\n])*" )
    | (?P<char>    '(?:[^'\\\n]|\\[^\n])*' )
    | (?P<punct>   -> | \.\. | [{}()\[\]<>,;:=*] )
    """,
    re.VERBOSE,
)

_INT = re.compile(
    r"(-?)(?:0x([0-9A-Fa-f]+(?:_[0-9A-Fa-f]+)*)|0b([01]+(?:_[01]+)*)"
    r"|(0|[1-9][0-9]*(?:_[0-9]+)*)(KiB|MiB|GiB|ms|s|m|h)?)"
)
_FLOAT_DIGITS = re.compile(r"-?[0-9]+(?:_[0-9]+)*(?:\.[0-9]+(?:_[0-9]+)*)?(?:[eE][+-]?[0-9]+)?")
_SIZE = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_TIME_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}

_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u\{([0-9A-Fa-f]{1,6})\}|(.))", re.DOTALL)
_SIMPLE_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "\\": "\\", '"': '"', "'": "'"}


def lex(source: Source, reporter: Reporter) -> list[Token]:
    """All tokens of a file, ended by one of kind END."""
    return _Lexer(source, reporter).run()


class _Lexer:
    """The state of one run: where it is, and what it has found."""

    def __init__(self, source: Source, reporter: Reporter) -> None:
        self.source = source
        self.reporter = reporter
        self.tokens: list[Token] = []

    def run(self) -> list[Token]:
        """Go line by line: no token spans two of them."""
        for number, line in enumerate(self.source.lines, 1):
            self._line(number, line)
        last = len(self.source.lines)
        span = self.source.span(last, len(self.source.lines[-1]) + 1)
        self.tokens.append(Token(Kind.END, "", "", span, True))
        return self.tokens

    def _line(self, number: int, line: str) -> None:
        position, first = 0, True
        while position < len(line):
            match = _TOKEN.match(line, position)
            if match is None:
                position = self._stray(number, line, position)
                continue
            position = match.end()
            if match.lastgroup == "space":
                continue
            span = self.source.span(number, match.start() + 1, len(match[0]))
            self.tokens.append(self._token(match.lastgroup or "", match[0], span, first))
            first = False

    def _stray(self, number: int, line: str, position: int) -> int:
        """Report what starts no token; returns where to go on."""
        char = line[position]
        span = self.source.span(number, position + 1)
        if char in "\"'":
            what = "string" if char == '"' else "character"
            text = f"the {what} does not end on its line; close it with {char}"
            self.reporter.error(
                self.source.span(number, position + 1, len(line) - position), "unterminated", text
            )
            return self._bad(line[position:], span, len(line))
        if line.startswith("/*", position) or line.startswith("*/", position):
            text = "comments are '// ...' to the end of the line, not '/* ... */'"
        elif char == "/":
            text = "'/' starts nothing; a comment is '// ...'"
        elif char == "-":
            text = "'-' stands only directly before a number, or in '->'"
        elif char == "." and line[position : position + 2] != "..":
            text = "'.' stands only within a number; a range is 'A..B'"
        else:
            text = f"unexpected character '{char}'"
            if ord(char) > 0x7F:
                text += f" (U+{ord(char):04X}); names are ASCII"
        self.reporter.error(span, "bad-character", text)
        if line.startswith("/*", position):
            return self._bad(line[position:], span, len(line))
        return self._bad(char, span, position + 1)

    def _bad(self, text: str, span: Span, end: int) -> int:
        before = self.tokens[-1] if self.tokens else None
        first = before is None or before.span.line != span.line
        self.tokens.append(Token(Kind.BAD, text, "", span, first))
        return end

    def _token(self, group: str, text: str, span: Span, first: bool) -> Token:
        if group == "comment":
            # Four slashes are a line to look at, not documentation.
            if text.startswith("///") and not text.startswith("////"):
                doc = text[3:].rstrip()
                doc = doc[1:] if doc[:1] == " " else doc
                return Token(Kind.DOC, text.rstrip(), doc, span, first)
            return Token(Kind.COMMENT, text.rstrip(), "", span, first)
        if group == "name":
            return Token(Kind.NAME, text, text, span, first)
        if group == "float":
            return Token(Kind.FLOAT, text, self._float(text, span), span, first)
        if group == "number":
            return self._number(text, span, first)
        if group == "string":
            return Token(Kind.STRING, text, self._unescape(text[1:-1], span), span, first)
        if group == "char":
            value = self._unescape(text[1:-1], span)
            if len(value) != 1:
                self.reporter.error(span, "escape", "a character literal holds one character")
                value = "?"
            return Token(Kind.CHAR, text, value, span, first)
        return Token(Kind.PUNCT, text, text, span, first)

    def _float(self, text: str, span: Span) -> float:
        if not _FLOAT_DIGITS.fullmatch(text):
            self.reporter.error(span, "number", f"'{text}': '_' stands only between digits")
            return 0.0
        value = float(text.replace("_", "")) if len(text) <= MAX_DIGITS else float("inf")
        if value in (float("inf"), float("-inf")):
            self.reporter.error(span, "number-range", "the number exceeds what f64 holds")
            return 0.0
        return value

    def _number(self, text: str, span: Span, first: bool) -> Token:
        match = _INT.fullmatch(text)
        if match is None:
            self.reporter.error(span, "number", _why_malformed(text))
            return Token(Kind.INT, text, 0, span, first)
        sign, hexadecimal, binary, decimal, suffix = match.groups()
        kind = Kind.DURATION if suffix in _TIME_MS else Kind.INT
        digits = (hexadecimal or binary or decimal).replace("_", "")
        base = 16 if hexadecimal else 2 if binary else 10
        value = int(digits, base) if len(digits) <= MAX_DIGITS else MAX_NUMBER + 1
        value *= _SIZE.get(suffix, 1) * _TIME_MS.get(suffix, 1)
        if value > MAX_NUMBER:
            self.reporter.error(span, "number-range", "the number exceeds 128 bits")
            value = 0
        return Token(kind, text, -value if sign else value, span, first)

    def _unescape(self, body: str, span: Span) -> str:
        """The text of a literal with its escapes replaced; a wrong one becomes ``?``."""

        def replace(match: re.Match[str]) -> str:
            char = _escaped(match)
            if char is None:
                column = span.column + 1 + match.start()
                place = self.source.span(span.line, column, len(match[0]))
                self.reporter.error(
                    place,
                    "escape",
                    f"no escape '{match[0]}'; there are \\n \\r \\t \\0 \\\\ \\\" \\' "
                    "\\x00 to \\x7F and \\u{...}",
                )
                return "?"
            return char

        return _ESCAPE.sub(replace, body)


def _escaped(match: re.Match[str]) -> Optional[str]:
    """The character an escape sequence means, None if it means none."""
    byte, point, simple = match.groups()
    if simple is not None:
        return _SIMPLE_ESCAPES.get(simple)
    value = int(byte or point, 16)
    if byte and value > 0x7F:  # could be meant as a byte or as a code point
        return None
    return chr(value) if value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF else None


def _why_malformed(text: str) -> str:
    """What is wrong with a word that starts like a number."""
    digits = text.lstrip("-")
    if digits[:1] == "0" and digits[1:2].isdigit():
        return f"'{text}': a decimal number has no leading zero (octal is not supported)"
    if "__" in digits or digits.endswith("_"):
        return f"'{text}': '_' stands only between digits"
    unit = re.sub(r"^[0-9_]+", "", digits)
    if digits[:2] in ("0x", "0b", "0X", "0B"):
        return f"'{text}' is no number: hexadecimal is 0x1F, binary 0b101"
    return f"unknown unit '{unit}': sizes are KiB, MiB, GiB, times ms, s, m, h"
