"""One line of a lock file, read token by token."""

from __future__ import annotations

import math
import re

from ..floats import MAX_DIGITS, exact, nearest
from ..model import Span

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<char>'(?:[^'\\]|\\.)[^']*')
    | (?P<number>-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<symbol>->|\.\.|[<>()\[\],:=*])
    )""",
    re.VERBOSE,
)

_ESCAPE = re.compile(r"\\(?:u\{([0-9A-F]{1,6})\}|x([0-9A-F]{2})|(.))")

_SIMPLE = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}


class Malformed(Exception):
    """The file is no lock file, or a damaged one."""

    def __init__(self, text: str, span: Span) -> None:
        super().__init__(text)
        self.span = span


class Line:
    """A cursor over the tokens of a line."""

    def __init__(self, text: str, span: Span) -> None:
        self.span = span
        self._tokens: list[tuple[str, str]] = []
        self._next = 0
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise self.malformed(f"'{text[position:position + 20]}' is not understood")
            self._tokens.append((str(match.lastgroup), match[match.lastgroup or 0]))
            position = match.end()

    def malformed(self, text: str) -> Malformed:
        """An error in this line."""
        return Malformed(text, self.span)

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("end", "the end")

    def _take(self, kind: str, what: str) -> str:
        found, text = self._peek()
        if found != kind:
            raise self.malformed(f"expected {what}, found {text}")
        self._next += 1
        return text

    def accept(self, text: str) -> bool:
        """Take a word or symbol if it is the next token."""
        kind, found = self._peek()
        if found != text or kind not in ("name", "symbol"):
            return False
        self._next += 1
        return True

    def word(self, text: str) -> None:
        """Take this word."""
        if not self.accept(text):
            raise self.malformed(f"expected '{text}', found {self._peek()[1]}")

    symbol = word

    def end(self) -> None:
        """Nothing may follow."""
        if self._next < len(self._tokens):
            raise self.malformed(f"'{self._peek()[1]}' is too much")

    def name(self) -> str:
        """Take a name."""
        return self._take("name", "a name")

    def at_string(self) -> bool:
        """Whether a string is next."""
        return self._peek()[0] == "string"

    def at_number(self) -> bool:
        """Whether a number is next."""
        return self._peek()[0] == "number"

    def string(self) -> str:
        """Take a string, and tell what it means."""
        return self._unescaped(self._take("string", "a string")[1:-1])

    def char(self) -> int:
        """Take a character, and tell its code point."""
        text = self._unescaped(self._take("char", "a character")[1:-1])
        if len(text) != 1:
            raise self.malformed("a character literal holds one character")
        return ord(text)

    def integer(self) -> int:
        """Take a whole number."""
        text = self._take("number", "a number")
        if not re.fullmatch(r"-?\d{1,40}", text):
            raise self.malformed(f"expected a whole number, found {text}")
        return int(text)

    def last_integer(self) -> int:
        """Take a whole number that ends the line."""
        number = self.integer()
        self.end()
        return number

    def real(self, kind: str) -> float:
        """Take a number that a float kind holds."""
        text = self._take("number", "a number")
        if len(text) > MAX_DIGITS:
            raise self.malformed("the number is too long")
        value = nearest(kind, exact(text))
        if math.isinf(value):
            raise self.malformed(f"{text} exceeds what {kind} holds")
        return -abs(value) if text.startswith("-") else value

    def _unescaped(self, text: str) -> str:
        def meaning(match: "re.Match[str]") -> str:
            digits = match[1] or match[2]
            if not digits:
                return _SIMPLE.get(match[3], match[3])
            point = int(digits, 16)
            if point > 0x10FFFF or 0xD800 <= point < 0xE000:
                raise self.malformed(f"there is no character {digits}")
            return chr(point)

        return _ESCAPE.sub(meaning, text)
