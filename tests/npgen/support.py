"""What the tests of the generator share: where things are, and how to load a schema."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parents[1]
sys.path.insert(0, str(ROOT / "codegen"))

from npgen.diagnostics import Diagnostic  # noqa: E402
from npgen.load import load, load_text  # noqa: E402
from npgen.model import Protocol  # noqa: E402


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in a folder, so that diagnostics show paths relative to it."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def protocol_of(text: str, header: str = "protocol demo version 3;\n") -> Protocol:
    """The protocol of a schema that must be right."""
    protocol, found = load_text(header + text, "demo.np")
    assert protocol is not None, "\n".join(str(d) for d in found)
    return protocol


def errors_of(text: str, header: str = "protocol demo version 3;\n") -> list[Diagnostic]:
    """The diagnostics of a schema that must be wrong."""
    protocol, found = load_text(header + text, "demo.np")
    assert protocol is None and found
    return found


def load_file(path: Path) -> tuple[Protocol | None, list[Diagnostic]]:
    """Load a file by its name within its folder, as a user standing there would."""
    with inside(path.parent):
        return load(Path(path.name), [], path.name)
