"""The emitters: each makes one file of text out of a protocol and cannot fail.

A new target is one module and one line in ``EMITTERS``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Callable

from ..model import Protocol
from .codec import emit_codec
from .header import emit_header
from .ragel import RagelMissing, emit_ragel, run_ragel
from .tables import emit_tables, emit_tables_header

EMITTERS: dict[str, Callable[[Protocol], str]] = {
    "{name}.h": emit_header,
    "{name}.c": emit_codec,
    "{name}_schema.h": emit_tables_header,
    "{name}_schema.c": emit_tables,
    "{name}_parse.rl": emit_ragel,
}
"""File name -> emitter."""

RAGEL = ("{name}_parse.rl", "{name}_parse.c")
"""What Ragel makes of what."""


def outputs(protocol: Protocol) -> list[str]:
    """The names of the files that ``generate`` writes."""
    return [pattern.format(name=protocol.name) for pattern in (*EMITTERS, RAGEL[1])]


def generate(protocol: Protocol, out_dir: Path) -> list[Path]:
    """Write all files of a protocol into a directory; nothing is written unless all can be made."""
    source, output = (pattern.format(name=protocol.name) for pattern in RAGEL)
    texts = {
        pattern.format(name=protocol.name): emit(protocol) for pattern, emit in EMITTERS.items()
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / source).write_text(texts[source], encoding="utf-8")
        run_ragel(folder, source, output)
        machine = (folder / output).read_text(encoding="utf-8")
    texts[output] = machine
    out_dir.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name, text in texts.items():
        (out_dir / name).write_text(text, encoding="utf-8")
        written.append(out_dir / name)
    return written


__all__ = ["EMITTERS", "RagelMissing", "generate", "outputs"]
