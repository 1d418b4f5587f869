"""What a schema calls deprecated, in C: a warning where a program uses it, and a line in its comment.

Generated code goes on to serve it, without a warning.
"""

from __future__ import annotations

from typing import Optional

from ..model import Enum, Protocol
from ..recursion import fields_of
from .code import Code, quote

WIDTH = 100


def note(reason: Optional[str]) -> tuple[str, ...]:
    """The line for the comment."""
    if reason is None:
        return ()
    return (f"Deprecated: {reason}" if reason else "Deprecated.",)


def mark(reason: Optional[str]) -> str:
    """The attribute, with a space before it; nothing for what is not deprecated."""
    return "" if reason is None else f" NP_DEPRECATED({quote(reason or 'see the schema')})"


def declare(c: Code, text: str, reason: Optional[str], end: str) -> None:
    """A declaration, with the attribute on a line of its own where it gets too long."""
    line = f"{text}{mark(reason)}{end}"
    if reason is None or len(line) + 8 <= WIDTH:
        c(line)
    else:
        c(text)
        c(f"   {mark(reason)}{end}")


def silence(p: Protocol, c: Code) -> None:
    """Before the first include of a source that serves what is deprecated."""
    if _is_anything(p):
        c("/* It serves peers that still use what is deprecated. */")
        c("#define NP_NO_DEPRECATED")
        c()


def _is_anything(p: Protocol) -> bool:
    found = [m.deprecated for m in p.messages]
    found += [f.deprecated for m in p.messages for f in m.fields]
    for decl in p.types.values():
        found += [f.deprecated for f in fields_of(decl)]
        if isinstance(decl, Enum):
            found += [v.deprecated for v in decl.variants]
    return any(reason is not None for reason in found)
