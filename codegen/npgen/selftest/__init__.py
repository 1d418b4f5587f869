"""What tests a protocol's generated code: NAME_test.c, and NAME_fuzz.c.

The values in them, and the bytes they must become, are made here from the schema alone. Nothing of
what makes the codecs (``npgen.emit``) has a part in the bytes, so that the two judge each other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Callable

from ..model import Protocol
from .fuzz import emit_fuzz
from .program import emit_test

EMITTERS: dict[str, Callable[[Protocol], str]] = {
    "{name}_test.c": emit_test,
    "{name}_fuzz.c": emit_fuzz,
}
"""File name -> emitter."""


def outputs(protocol: Protocol) -> list[str]:
    """The names of the files that ``generate`` writes."""
    return [pattern.format(name=protocol.name) for pattern in EMITTERS]


def generate(protocol: Protocol, out_dir: Path) -> list[Path]:
    """Write all files of a protocol into a directory; nothing is written unless all can be made."""
    texts = {p.format(name=protocol.name): emit(protocol) for p, emit in EMITTERS.items()}
    out_dir.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (out_dir / name).write_text(text, encoding="utf-8")
    return [out_dir / name for name in texts]


__all__ = ["EMITTERS", "generate", "outputs"]
