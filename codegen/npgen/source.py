"""Reading schema files and finding imports.

Input may come from anywhere, so a file is judged before anything looks at it: its size, its
encoding, and characters that would make the text read differently from what it is.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional, Sequence

from .diagnostics import INVISIBLE, Reporter
from .model import Span

MAX_FILE_SIZE = 4 << 20
"""Bytes of one schema file."""

BUILTIN_PREFIX = "netproto/"
"""Imports below this folder may come with npgen itself."""


@dataclass(frozen=True)
class Source:
    """The text of one file, with line ends normalised to ``\\n``."""

    path: Path
    display: str  # the name as the user gave it; never made absolute
    text: str
    lines: tuple[str, ...] = field(repr=False)

    def span(self, line: int, column: int, length: int = 1) -> Span:
        """A span in this file."""
        return Span(self.display, line, column, length)


def make_source(path: Path, display: str, text: str) -> Source:
    """A source from text that is already in memory."""
    text = text.replace("\r\n", "\n")
    return Source(path, display, text, tuple(text.split("\n")))


def read_source(path: Path, display: str, reporter: Reporter) -> Optional[Source]:
    """Read and judge a file; None (and a report) if it is no text a schema can be."""
    try:
        if _is_idle_pipe(path):
            raise OSError(0, "it is a named pipe")
        with open(path, "rb") as file:
            raw = file.read(MAX_FILE_SIZE + 1)
    except OSError as error:
        reason = error.strerror or "unknown error"
        reporter.error(Span(display, 1, 1), "unreadable", f"cannot read the file: {reason}")
        return None
    if len(raw) > MAX_FILE_SIZE:
        reporter.error(Span(display, 1, 1), "file-size", "the file is larger than 4 MiB; split it")
        return None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8")) + 1
        byte = raw[error.start]
        span = Span(display, line, column)
        reporter.error(span, "encoding", f"byte 0x{byte:02x} is not valid UTF-8; save it as UTF-8")
        return None
    source = make_source(path, display, text)
    reporter.add_source(display, source.lines)
    return source if check_characters(source, reporter) else None


def check_characters(source: Source, reporter: Reporter) -> bool:
    """Refuse characters that a reader would not see or would see elsewhere."""
    clean = True
    for number, line in enumerate(source.lines, 1):
        for match in INVISIBLE.finditer(line):
            name = "NUL" if match[0] == "\0" else f"U+{ord(match[0]):04X}"
            span = source.span(number, match.start() + 1)
            text = f"invisible or control character {name}; remove it"
            if match[0] == "\ufeff" and (number, match.start()) == (1, 0):
                text = "a byte order mark (U+FEFF); save the file as UTF-8 without one"
            reporter.error(span, "encoding", text)
            clean = False
    return clean


def builtin_dir() -> Optional[Path]:
    """The folder of the schemas that come with npgen: of a checkout or of an install."""
    package = Path(__file__).resolve().parent
    for candidate in (
        package.parents[1] / "schema",  # checkout: codegen/npgen, schema
        package.parent,  # install: share/netproto/npgen, share/netproto/base.np
        package.parents[1] / "share" / "netproto",
    ):
        if (candidate / "base.np").is_file():
            return candidate
    return None


def builtin_imports() -> list[str]:
    """How to import each of the schemas that come with npgen."""
    folder = builtin_dir()
    names = [] if folder is None else sorted(path.name for path in folder.glob("*.np"))
    return [BUILTIN_PREFIX + name for name in names]


def _is_idle_pipe(path: Path) -> bool:
    """Whether opening the file would wait for somebody to write it. What the shell gives as
    /dev/stdin or /dev/fd/N has a writer."""
    return path.parts[:2] != ("/", "dev") and path.is_fifo()


def exists(path: Path) -> bool:
    """Whether anything is there, be it a folder or a pipe."""
    try:
        return path.exists()
    except OSError:  # a name that no file can have
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False


def find_import(
    importer: Source, path: str, import_dirs: Sequence[Path]
) -> Optional[tuple[Path, str]]:
    """The file that ``import "path";`` means and the name to show for it.

    The importing file's folder comes first, then the import folders in order, then npgen's own.
    """
    beside = importer.path.parent / path
    if _is_file(beside):
        return beside, os.path.normpath(os.path.join(os.path.dirname(importer.display), path))
    for folder in import_dirs:
        if _is_file(folder / path):
            return folder / path, os.path.normpath(os.path.join(str(folder), path))
    builtin = builtin_dir() if path.startswith(BUILTIN_PREFIX) else None
    if builtin is not None and _is_file(builtin / path[len(BUILTIN_PREFIX) :]):
        return builtin / path[len(BUILTIN_PREFIX) :], path
    return None
