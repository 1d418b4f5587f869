"""A pad to write C on: lines with indentation, and the few idioms that recur."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import Iterator

WIDTH = 100


class Code:
    """Lines of C, indented by blocks."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._level = 0

    def __call__(self, line: str = "") -> None:
        """Adds one line at the current indentation, or an empty one."""
        self._lines.append("    " * self._level + line if line else "")

    def lines(self, lines: list[str]) -> None:
        for line in lines:
            self(line)

    def call(self, head: str, args: list[str], tail: str = ";") -> None:
        """Adds ``head(args)tail``, wrapped behind the parenthesis where it is too long."""
        room = WIDTH - 4 * self._level
        whole = f"{head}({', '.join(args)}){tail}"
        if len(whole) <= room:
            self(whole)
            return
        pad = " " * (len(head) + 1)
        line = head + "("
        for i, arg in enumerate(args):
            last = i == len(args) - 1
            piece = arg + (")" + tail if last else ",")
            if len(line) + len(piece) + 1 > room and line.strip() != head + "(":
                self(line.rstrip())
                line = pad
            line += piece + ("" if last else " ")
        self(line)

    def check(self, call_head: str, args: list[str]) -> None:
        """``err = f(args);`` and a return where it failed."""
        self.call(f"err = {call_head}", args)
        self.bail()

    def bail(self) -> None:
        with self.block("if (np_unlikely(err != NP_OK)) {"):
            self("return err;")

    @contextmanager
    def block(self, opening: str, closing: str = "}") -> Iterator[None]:
        self(opening)
        self._level += 1
        yield
        self._level -= 1
        self(closing)

    @contextmanager
    def indented(self) -> Iterator[None]:
        """One level deeper without braces: the statements of a case."""
        self._level += 1
        yield
        self._level -= 1

    @contextmanager
    def function(self, head: str, args: list[str], locals_: list[str] = []) -> Iterator[None]:
        """A function's definition, the brace on a line of its own.

        ``locals_`` are declarations ("np_err err", "T *v = value"): those whose name the body
        mentions stand at its top. Parameters that nothing mentions are silenced.
        """
        outer, self._lines = self._lines, []
        self._level += 1
        yield
        self._level -= 1
        body, self._lines = self._lines, outer
        declared = [d for d in locals_ if mentions(body, _declared_name(d))]
        used = body + [d.partition("=")[2] for d in declared]
        by_ragel = any("%% write exec" in line for line in body)
        unused = [
            n for n in map(_declared_name, args) if not mentions(used, n) and not by_ragel
        ]
        self.call(head, args, "")
        self("{")
        self._lines += [f"    {d};" for d in declared]
        self._lines += [""] if declared else []
        self._lines += [f"    (void){name};" for name in unused]
        self._lines += body
        self("}")
        self()

    def comment(self, text: str) -> None:
        """A block comment, wrapped."""
        self.lines(wrap_comment(text, WIDTH - 4 * self._level))

    def doc(self, lines: tuple[str, ...]) -> None:
        """A schema's doc comment, line breaks kept."""
        self.lines(doc_comment(lines))

    def section(self, title: str) -> None:
        dashes = "-" * max(3, 92 - len(title))
        self(f"/* {title} {dashes} */")
        self()

    def text(self) -> str:
        out: list[str] = []
        for line in self._lines:
            if line or (out and out[-1]):
                out.append(line)
        while out and not out[-1]:
            out.pop()
        return "\n".join(out) + "\n"


def _declared_name(declaration: str) -> str:
    return declaration.partition("=")[0].split()[-1].lstrip("*")


def mentions(lines: list[str], name: str) -> bool:
    """Whether code mentions an identifier (member names and strings do not count)."""
    pattern = re.compile(rf"(?<![\w.>\"]){re.escape(name)}\b")
    return any(pattern.search(line) for line in lines)


def safe_comment(text: str) -> str:
    """No comment of a schema can end ours or start a trigraph-like surprise."""
    text = text.replace("*/", "* /").replace("/*", "/ *").replace("\\", "\\\\")
    return text.replace("??/", "?? /").strip()  # the trigraph of a backslash


def doc_comment(lines: tuple[str, ...]) -> list[str]:
    texts = [safe_comment(line) for line in lines]
    while texts and not texts[-1]:
        texts.pop()
    if not texts:
        return []
    if len(texts) == 1:
        return [f"/* {texts[0]} */"]
    return ["/* " + texts[0]] + [" * " + t if t else " *" for t in texts[1:-1]] + [
        f" * {texts[-1]} */"
    ]


def wrap_comment(text: str, width: int) -> list[str]:
    words = safe_comment(text).split()
    lines: list[str] = []
    line = "/*"
    for word in words:
        if len(line) + 1 + len(word) > width - 3:
            lines.append(line)
            line = " *"
        line += " " + word
    lines.append(line + " */")
    return lines


def quote(text: str) -> str:
    """A C string literal."""
    out = ""
    for byte in text.encode("utf-8"):
        ch = chr(byte)
        if ch in '"\\' or (ch == "?" and out.endswith("?")):  # two '?' begin a trigraph
            out += "\\" + ch
        elif 0x20 <= byte < 0x7F:
            out += ch
        else:
            out += f"\\{byte:03o}"
    return f'"{out}"'


def rule_literal(rule: str | None) -> str:
    return "NULL" if rule is None else quote(rule)


def machine_of(name: str) -> str:
    """What Ragel is told to call a machine. It puts words of its own behind that (``_start``,
    ``_error``, ``_first_final``, ``_en_main``); with an underscore more between them they are no
    names that a schema could ask for."""
    return f"{name}_"
