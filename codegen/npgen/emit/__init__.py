"""The emitters: each makes one file of text out of a protocol and cannot fail.

A new target is one module and one line in ``EMITTERS``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Callable

from ..model import Protocol
from .codec import emit_codec
from .conversation import emit_conversations
from .docs import emit_docs
from .header import emit_header
from .ragel import RagelMissing, emit_ragel, run_ragel
from .service import emit_service, emit_service_header
from .tables import emit_tables, emit_tables_header

EMITTERS: dict[str, Callable[[Protocol], str]] = {
    "{name}.h": emit_header,
    "{name}.c": emit_codec,
    "{name}_schema.h": emit_tables_header,
    "{name}_schema.c": emit_tables,
    "{name}_parse.rl": emit_ragel,
    "{name}_service.h": emit_service_header,
    "{name}_service.c": emit_service,
    "{name}.md": emit_docs,
}
"""File name -> emitter."""

CONVERSATION: dict[str, Callable[[Protocol], str]] = {
    "{name}_conversation.rl": emit_conversations,
}
"""What a protocol has besides if it states a conversation."""


def _emitters(protocol: Protocol) -> dict[str, Callable[[Protocol], str]]:
    patterns = EMITTERS | (CONVERSATION if protocol.conversations else {})
    return {pattern.format(name=protocol.name): emit for pattern, emit in patterns.items()}


def _compiled(source: str) -> str:
    """What Ragel makes of a machine."""
    return source.removesuffix(".rl") + ".c"


def outputs(protocol: Protocol) -> list[str]:
    """The names of the files that ``generate`` writes."""
    names = list(_emitters(protocol))
    return names + [_compiled(name) for name in names if name.endswith(".rl")]


def generate(protocol: Protocol, out_dir: Path) -> list[Path]:
    """Write all files of a protocol into a directory; nothing is written unless all can be made."""
    texts = {name: emit(protocol) for name, emit in _emitters(protocol).items()}
    machines = [name for name in texts if name.endswith(".rl")]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for source in machines:
            (folder / source).write_text(texts[source], encoding="utf-8")
            run_ragel(folder, source, _compiled(source))
            texts[_compiled(source)] = (folder / _compiled(source)).read_text(encoding="utf-8")
    out_dir.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name, text in texts.items():
        (out_dir / name).write_text(text, encoding="utf-8")
        written.append(out_dir / name)
    return written


__all__ = ["EMITTERS", "RagelMissing", "generate", "outputs"]
