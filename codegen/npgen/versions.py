"""The versions of a protocol that brought something."""

from __future__ import annotations

from .model import Enum, Protocol
from .recursion import fields_of

MAX_TURNING_POINTS = 256
"""Versions that bring something, the first included: what each of them means is written and digested."""


def turning_points(p: Protocol) -> list[int]:
    """The versions that brought something, and the first."""
    found = {1}
    for message in (m for m in p.messages if p.own(m)):
        found.add(message.since)
        found.update(f.since for f in message.fields)
    for decl in p.types.values():
        if p.own(decl):
            found.update(f.since for f in fields_of(decl))
            if isinstance(decl, Enum):
                found.update(v.since for v in decl.variants)
    return sorted(found)
