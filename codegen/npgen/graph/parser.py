"""The parse machine: in which order a parser meets values, and what decides where it goes on.

Each message, struct, enum and packet is a machine of its own. A box is a value that is due, one
with two edges a machine that is called; a list is a loop behind its count.
"""

from __future__ import annotations

from typing import Sequence

from ..evolution.release import own_messages, own_packets, released_types
from ..model import (
    Array,
    Enum,
    Field,
    List,
    Map,
    Option,
    Packet,
    PacketBytes,
    Protocol,
    Ref,
    Scalar,
    Struct,
    Tuple,
    Type,
    Unit,
)
from ..spell import constraints, packet_bounds, packet_type, spell
from .dot import LINE, Dot

Ends = list[tuple[str, str]]
"""Arrows without an end yet: from which node, and their label."""


def parser_graph(p: Protocol) -> str:
    """The machines of all messages, then of the types and packets."""
    dot = Dot(f"{p.name} parser", "LR")
    # Graphviz stacks frames from the bottom up: the last one stands first.
    for packet in reversed(own_packets(p)):
        with dot.cluster(packet.name, f"packet {packet.name}"):
            _packet(_Machine(dot, packet.name), packet)
    for name, decl in reversed(released_types(p).items()):
        word = "struct" if isinstance(decl, Struct) else "enum"
        with dot.cluster(name, f"{word} {name}"):
            machine = _Machine(dot, name)
            if isinstance(decl, Struct):
                machine.fields(decl.fields, 1)
            else:
                machine.variants(decl)
            machine.finish()
    for message in reversed(own_messages(p)):
        kind = "request" if message.reply is not None else "message"
        with dot.cluster(message.name, f"{kind} {message.name}"):
            machine = _Machine(dot, message.name)
            machine.step("id", f"id\nu32 = {message.id}")
            machine.fields(message.fields, message.since)
            machine.finish()
    return dot.text()


def _packet(machine: "_Machine", packet: Packet) -> None:
    for f in packet.fields:
        if isinstance(f, PacketBytes):
            count = f.length_field if f.count is None else f.count
            machine.step(f.name, f"{f.name}\nbytes[{count}]")
            continue
        words = [packet_type(f), packet_bounds(f)]
        if f.const is not None:
            words.append(f"= 0x{f.const:X}" if f.const > 9 else f"= {f.const}")
        words += [f"{part.name} = {part.const}" for part in f.parts if part.const is not None]
        machine.step(f.name, f"{f.name}\n{' '.join(word for word in words if word)}")
    machine.finish()


class _Machine:
    """One chain of values, from its start to its end."""

    def __init__(self, dot: Dot, name: str) -> None:
        self.dot = dot
        self.name = name
        start = f"{name}(start)"
        dot.node(start, label="", shape="circle", width="0.14", fixedsize="true", fillcolor=LINE)
        self.open: Ends = [(start, "")]

    def _join(self, node: str) -> None:
        for start, label in self.open:
            self.dot.edge(start, node, **({"label": label} if label else {}))

    def step(self, path: str, label: str, **look: str) -> str:
        """The next node; everything that is open leads to it."""
        node = f"{self.name}.{path}"
        self.dot.node(node, label=label, **look)
        self._join(node)
        self.open = [(node, "")]
        return node

    def finish(self) -> None:
        """The end."""
        self.step("(end)", "", shape="doublecircle", width="0.14", fixedsize="true", fillcolor=LINE)

    def fields(self, fields: Sequence[Field], owner: int, prefix: str = "") -> None:
        """Fields in order; newer ones are skipped together where an older version is spoken."""
        version = owner
        skipped: Ends = []
        for f in fields:
            since = max(f.since, owner)
            if since > version:
                test = self.step(f"{prefix}(since {since})", f"since {since}", shape="diamond")
                self.open = [(test, "newer")]
                skipped.append((test, "older"))
            elif since < version:  # the body of a stream, behind what was added to its head
                self.open += skipped
                skipped = []
            version = since
            self.value(f.type, f"{prefix}{f.name}", f.name)
        self.open += skipped

    def variants(self, decl: Enum) -> None:
        """An index, and what each of its values leads to."""
        index = self.step("(index)", "index\nu32")
        ends: Ends = []
        plain = [v for v in decl.variants if not v.fields]
        for v in decl.variants:
            if v.fields:
                self.open = [(index, f"{v.index} {v.name}")]
                self.fields(v.fields, v.since, f"{v.name}.")
                ends += self.open
        names = [f"{v.index} {v.name}" for v in plain]
        if len(names) > 12:
            names = [*names[:11], f"{len(names) - 11} more"]
        self.open = ends + ([(index, "\n".join(names))] if names else [])

    def value(self, t: Type, path: str, label: str) -> None:
        """A value of any type."""
        if isinstance(t, Unit):
            return
        if isinstance(t, Ref):
            self.step(path, f"{label}\n{t.name}", peripheries="2")
        elif isinstance(t, Tuple):
            for i, item in enumerate(t.items):
                self.value(item, f"{path}.{i}", f"{label}.{i}")
        elif isinstance(t, Option):
            option = self.step(path, f"{label}\noption", shape="diamond")
            self.open = [(option, "some")]
            self.value(t.item, f"{path}.value", label)
            self.open.append((option, "none"))
        elif isinstance(t, (List, Map)) or (
            isinstance(t, Array) and not isinstance(t.item, Scalar)
        ):
            self._loop(t, path, label)
        else:
            self.step(path, f"{label}\n{spell(t)}")

    def _loop(self, t: List | Map | Array, path: str, label: str) -> None:
        count = f"{t.count} times" if isinstance(t, Array) else f"count {constraints(t)}"
        head = self.step(path, f"{label}\n{count}")
        self.open = [(head, "item")]
        if isinstance(t, Map):
            self.value(t.key, f"{path}.key", f"{label} key")
            self.value(t.value, f"{path}.value", f"{label} value")
        else:
            self.value(t.item, f"{path}.item", f"{label} item")
        self._join(head)
        self.open = [(head, "end")]
