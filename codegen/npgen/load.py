"""From a path to a resolved protocol: reading, parsing, imports, resolving, checking.

The other stages know nothing of files; this one knows nothing of the language but its imports.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Optional, Sequence

from .check import check
from .check_lines import check_lines
from .cursor import did_you_mean
from .diagnostics import Diagnostic, Reporter, TooManyErrors
from .freshness import inputs_digest
from .lexer import lex
from .model import Protocol
from .parser import parse
from .resolve import resolve
from .scope import Unit
from .source import (
    Source,
    builtin_imports,
    check_characters,
    exists,
    find_import,
    make_source,
    read_source,
)
from .syntax import ImportNode, Schema

MAX_IMPORT_DEPTH = 32
"""Files that import each other in a row."""


@dataclass(frozen=True)
class Result:
    """What a run found: ``protocol`` is None if there were errors, ``unit`` if not even a tree."""

    protocol: Optional[Protocol]
    unit: Optional[Unit]
    reporter: Reporter


def load(
    path: Path, import_dirs: Sequence[Path] = (), display: Optional[str] = None
) -> tuple[Optional[Protocol], list[Diagnostic]]:
    """Read a schema and all it imports. The protocol is None exactly if there are diagnostics."""
    result = load_result(path, import_dirs, display)
    return result.protocol, result.reporter.in_order()


def load_result(
    path: Path, import_dirs: Sequence[Path] = (), display: Optional[str] = None
) -> Result:
    """Like ``load``, for those who need the syntax trees too (the linter)."""
    reporter = Reporter()
    shown = display if display is not None else str(path)

    def run() -> Result:
        return _finish(read_source(path, shown, reporter), import_dirs, reporter)

    return _guarded(reporter, run)


def load_text(
    text: str, display: str = "<text>", import_dirs: Sequence[Path] = ()
) -> tuple[Optional[Protocol], list[Diagnostic]]:
    """Like ``load``, for a schema that is in memory; its imports are looked for from here."""
    reporter = Reporter()
    source = make_source(Path(display), display, text)
    reporter.add_source(display, source.lines)

    def run() -> Result:
        clean = check_characters(source, reporter)
        return _finish(source if clean else None, import_dirs, reporter)

    result = _guarded(reporter, run)
    return result.protocol, reporter.in_order()


def _guarded(reporter: Reporter, run: Callable[[], Result]) -> Result:
    """A run that ends early if it finds too many errors."""
    try:
        return run()
    except TooManyErrors:
        return Result(None, None, reporter)


def _finish(source: Optional[Source], import_dirs: Sequence[Path], reporter: Reporter) -> Result:
    if source is None:
        return Result(None, None, reporter)
    unit = _Loader(import_dirs, reporter).load_unit(source)
    protocol = resolve(unit, digest(unit), reporter)
    if protocol is not None:
        check(protocol, unit, reporter)
    if protocol is not None and unit.source.path.is_file():
        files = (used.source.path for used in unit.closure)
        protocol = replace(protocol, inputs=inputs_digest(files))
    return Result(None if reporter.failed else protocol, unit, reporter)


class _Loader:
    """Reads a file and what it imports, each file once, whatever path leads to it."""

    def __init__(self, import_dirs: Sequence[Path], reporter: Reporter) -> None:
        self.import_dirs = import_dirs
        self.reporter = reporter
        self.units: dict[str, Unit] = {}
        self.open: list[Source] = []  # the files whose imports are being read, outermost first

    def load_unit(self, source: Source) -> Unit:
        """Parse a file, then all it imports."""
        tokens = lex(source, self.reporter)
        check_lines(tokens, self.reporter)
        schema = parse(tokens, self.reporter)
        self.open.append(source)
        imports = self._imports(source, schema)
        self.open.pop()
        unit = Unit(source, schema, tuple(imports))
        self.units[_identity(source.path)] = unit
        return unit

    def _imports(self, source: Source, schema: Schema) -> list[tuple[ImportNode, Unit]]:
        result: list[tuple[ImportNode, Unit]] = []
        for node in schema.imports:
            unit = self._import(source, node)
            if unit is None:
                continue
            if any(unit is other for _, other in result):
                text = f'"{node.path}" is imported twice; remove one'
                self.reporter.error(node.span, "import-twice", text)
                continue
            result.append((node, unit))
        return result

    def _import(self, source: Source, node: ImportNode) -> Optional[Unit]:
        if os.path.isabs(node.path) or "\\" in node.path or not node.path.endswith(".np"):
            text = f'"{node.path}": write a relative path with \'/\' that ends in .np'
            self.reporter.error(node.span, "import-path", text)
            return None
        found = find_import(source, node.path, self.import_dirs)
        if found is None and exists(source.path.parent / node.path):
            text = f'"{node.path}" is no file; import the .np file itself'
            self.reporter.error(node.span, "import-missing", text)
            return None
        if found is None:
            text = f'"{node.path}" is neither beside this file nor in an import folder'
            known = builtin_imports()
            name = node.path.rpartition("/")[2]
            same = next((path for path in known if path.rpartition("/")[2] == name), None)
            hint = f'; did you mean "{same}"?' if same else did_you_mean(node.path, known, '"')
            text += hint or "; see --import-dir"
            self.reporter.error(node.span, "import-missing", text)
            return None
        path, display = found
        identity = _identity(path)
        if identity in self.units:
            return self.units[identity]
        names = [_identity(s.path) for s in self.open]
        if identity in names:
            ring = [s.display for s in self.open[names.index(identity) :]] + [display]
            text = f"the files import each other: {' -> '.join(ring)}"
            self.reporter.error(node.span, "import-cycle", text)
            return None
        if len(self.open) >= MAX_IMPORT_DEPTH:
            text = f"more than {MAX_IMPORT_DEPTH} files import each other in a row"
            self.reporter.error(node.span, "nesting", text)
            return None
        imported = read_source(path, display, self.reporter)
        return self.load_unit(imported) if imported is not None else None


def _identity(path: Path) -> str:
    """The same for all paths that lead to one file."""
    return os.path.realpath(path)


def digest(unit: Unit) -> str:
    """SHA-256 over the schema's text and each import, in order, with its name and text.

    Lengths stand before the texts, so that no two sets of files have the same input. Line ends are
    already normalised and the root's own path is left out: a checkout elsewhere is the same schema.
    """
    result = hashlib.sha256()

    def add(data: bytes) -> None:
        result.update(len(data).to_bytes(8, "little"))
        result.update(data)

    add(unit.source.text.encode())
    for other in unit.closure[:-1]:
        names = [node.path for user in unit.closure for node, used in user.imports if used is other]
        add(min(names).encode())
        add(other.source.text.encode())
    return result.hexdigest()
