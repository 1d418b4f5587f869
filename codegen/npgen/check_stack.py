"""The stack that a peer can make a decoder take.

A decoder calls itself for types within types. What lies in a list, map or option is read into a
value of its own on the way, and each level of a recursion is such a value. A path through a message
goes through each recursion in it to its full depth, so those of nested recursions add up.
"""

from __future__ import annotations

from typing import Callable

from .diagnostics import Reporter
from .model import Field, Protocol
from .recursion import Edge, components, edges_of, edges_of_fields

MAX_STACK = 512 << 10
"""Bytes along the longest path of a message: threads have 8 MiB as a rule, and small ones 1 MiB."""

FRAME = 256
"""Bytes of a call beside the value that it reads, about: what compilers make without optimizing."""

SizeOf = Callable[[str], int]


def check_stack(protocol: Protocol, size_of: SizeOf, reporter: Reporter) -> None:
    """Report the messages and replies whose decoders may take too much."""
    needs = _Needs(protocol, size_of)
    for message in protocol.messages:
        if not protocol.own(message):
            continue
        need = needs.of(message.fields)
        if message.reply is not None:
            need = max(need, needs.of_type(message.reply))
        if need > MAX_STACK:
            text = (
                f"a peer's '{message.name}' may nest so that decoding takes about {need} bytes of"
                f" stack; the limit is {MAX_STACK} (512 KiB)"
            )
            hint = "lower the 'depth' of its recursive types, or hold large structs in fewer levels"
            reporter.error(message.span, "stack-size", f"{text}; {hint}")


class _Needs:
    """What decoding takes, by the type where it begins."""

    def __init__(self, protocol: Protocol, size_of: SizeOf) -> None:
        self._size_of = size_of
        self._types = protocol.types
        targets = {n: [e.target for e in edges_of(d)] for n, d in self._types.items()}
        self._known: dict[str, int] = {}
        for component in components(targets):  # each after those that it leads to
            members = [self._types[name] for name in component]
            depth = max(d.depth or 0 for d in members)
            own = depth * sum(size_of(name) + FRAME for name in component) if depth else FRAME
            edges = [e for d in members for e in edges_of(d) if e.target not in component]
            need = own + self._greatest(edges)
            self._known.update((name, need) for name in component)

    def of(self, fields: tuple[Field, ...]) -> int:
        return self._greatest(edges_of_fields(fields))

    def of_type(self, name: str) -> int:
        return self._known[name]

    def _greatest(self, edges: list[Edge]) -> int:
        return max((self._behind(e) for e in edges), default=0)

    def _behind(self, edge: Edge) -> int:
        """What lies in another value by itself is part of that; a recursion counts its own."""
        separate = edge.within and self._types[edge.target].depth is None
        return self._known[edge.target] + (self._size_of(edge.target) if separate else 0)
