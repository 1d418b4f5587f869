"""Packets of the syntax tree -> packets of the model, with the rules for byte-exact layouts."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional, Union

from .cursor import did_you_mean
from .model import BitField, Packet, PacketBytes, PacketField, PacketInt, Span
from .resolve_types import MAX_BOUND
from .scope import Scope, Unit
from .syntax import Expr, Name, PacketFieldNode, PacketNode, PartNode

_WIDTHS = {
    "u8": 8, "i8": 8, "flags8": 8, "u16": 16, "i16": 16, "flags16": 16, "u24": 24, "u32": 32,
    "i32": 32, "flags32": 32, "u64": 64, "i64": 64,
}  # fmt: skip

INT_TYPES = {
    (word if bits == 8 else word + order): (word, bits, order == "be")
    for word, bits in _WIDTHS.items()
    for order in (("",) if bits == 8 else ("be", "le"))
}
"""The integer types of packets: word, width and whether the greatest byte comes first."""

PACKET_TYPES = (*INT_TYPES, "bytes")

INSTEAD = {
    "f32": "; take the bits as 'u32be' or 'u32le'",
    "f64": "; take the bits as 'u64be' or 'u64le'",
    "string": "; use 'bytes[n]'",
    "bool": "; use a part of 'flags8'",
}
"""What packets have in place of a type of messages."""

MAX_PACKET_BYTES = 1024
"""Bytes of a packet's header, all of them: its machine has a state for each."""


def resolve_packet(node: PacketNode, scope: Scope, unit: Unit) -> Packet:
    """The packet of the model."""
    return _PacketResolver(scope, unit).run(node)


class _PacketResolver:
    """Resolves one packet; fields refer to those before them."""

    def __init__(self, scope: Scope, unit: Unit) -> None:
        self.scope = scope
        self.unit = unit
        self.fields: list[PacketField] = []
        self.complete = True

    def error(self, span: Span, rule: str, text: str) -> None:
        """Report and go on."""
        self.scope.reporter.error(span, rule, text)

    def integer(self, expr: Expr, what: str) -> Optional[int]:
        """The value of a literal or constant."""
        return self.scope.integer(self.unit, expr, what)

    def run(self, node: PacketNode) -> Packet:
        """All fields, in order."""
        self.complete = node.complete
        if not node.fields and node.complete:
            text = f"packet '{node.name.text}' has no fields; a packet has at least one byte"
            self.error(node.name.span, "packet-type", text)
        seen: dict[str, Name] = {}
        variable: Optional[PacketBytes] = None
        for field_node in node.fields:
            self._check_unique(field_node.name, seen, "field")
            if variable is not None:
                text = f"'{variable.name}' has a variable size and must be the packet's last field"
                self.error(field_node.name.span, "packet-order", text)
            field = self._field(field_node)
            if isinstance(field, PacketBytes) and field.count is None:
                variable = field
            self.fields.append(field)
        name = node.name
        packet = Packet(name.text, tuple(self.fields), node.doc, name.span, self.unit.name)
        if packet.header_len > MAX_PACKET_BYTES:
            text = f"packet '{name.text}' has {packet.header_len} bytes before what varies in size"
            self.error(name.span, "packet-length", f"{text}; the limit is {MAX_PACKET_BYTES}")
        return packet

    def _check_unique(self, name: Name, seen: dict[str, Name], what: str) -> None:
        other = seen.setdefault(name.text, name)
        if other is not name:
            text = f"{what} '{name.text}' is already declared in line {other.span.line}; rename one"
            self.error(name.span, "duplicate-name", text)

    def _field(self, node: PacketFieldNode) -> PacketField:
        word = node.type.text
        if word == "bytes":
            return self._bytes(node)
        if word not in INT_TYPES:
            hint = INSTEAD.get(word.removesuffix("be").removesuffix("le"), "")
            hint = hint or did_you_mean(word, PACKET_TYPES)
            if f"{word}be" in INT_TYPES:
                hint = f"; say which byte comes first: '{word}be' or '{word}le'"
            text = f"packets have no type '{word}'{hint}"
            self.error(node.type.span, "packet-type", text)
            word = "u8"
            node = replace(node, constraints=(), const=None, parts=None, size=None)
        return self._int(node, *INT_TYPES[word])

    # -- integers -----------------------------------------------------------------------------

    def _int(self, node: PacketFieldNode, word: str, bits: int, big: bool) -> PacketInt:
        signed = word[0] == "i"
        low = -(1 << bits - 1) if signed else 0
        high = (1 << bits - 1) - 1 if signed else (1 << bits) - 1
        if node.size is not None:
            text = "packets have no arrays of integers; use 'bytes[n]' or a field for each"
            self.error(node.size.span, "packet-type", text)
        lo, hi = self._bounds(node, low, high)
        const = self._const(node, low, high, lo, hi)
        parts: tuple[BitField, ...] = ()
        if word.startswith("flags"):
            parts = self._parts(node, bits)
        elif node.parts is not None:
            flags = f"flags{bits}{node.type.text[-2:] if bits > 8 else ''}"
            hint = f"; write '{flags}'" if flags in INT_TYPES else ""
            text = f"only flags types have parts{hint}"
            self.error(node.type.span, "packet-bits", text)
        name = node.name
        return PacketInt(name.text, bits, signed, big, node.doc, name.span, const, lo, hi, parts)

    def _bounds(
        self, node: PacketFieldNode, low: int, high: int
    ) -> tuple[Optional[int], Optional[int]]:
        lo: Optional[int] = None
        hi: Optional[int] = None
        seen: set[str] = set()
        for constraint in node.constraints:
            word = constraint.word
            if word not in ("min", "max", "range") or node.type.text.startswith("flags"):
                text = f"'{node.type.text}' takes no '{word}'"
                self.error(constraint.span, "constraint", text)
                continue
            sides = {"min", "max"} if word == "range" else {word}
            if seen & sides:
                text = f"'{word}' gives a bound that is already given; remove one"
                self.error(constraint.span, "constraint-twice", text)
                continue
            seen |= sides
            values = [self._bound(arg, node, low, high) for arg in constraint.args]
            lo = values[0] if "min" in sides else lo
            hi = values[-1] if "max" in sides else hi
        if lo is not None and hi is not None and lo > hi:
            text = f"the lower bound {lo} is above the upper bound {hi}; change them round"
            self.error(node.constraints[0].span, "range-empty", text)
            return None, hi
        return lo, hi

    def _bound(self, expr: Expr, node: PacketFieldNode, low: int, high: int) -> Optional[int]:
        value = self.integer(expr, "a bound")
        if value is not None and not low <= value <= high:
            text = f"{value} is no {node.type.text}, which holds {low} to {high}"
            self.error(expr.span, "range-type", text)
            return None
        return value

    def _const(
        self, node: PacketFieldNode, low: int, high: int, lo: Optional[int], hi: Optional[int]
    ) -> Optional[int]:
        if node.const is None:
            return None
        if node.type.text.startswith("flags"):
            text = "a flags field has no constant; its parts have"
            self.error(node.const.span, "packet-const", text)
            return None
        value = self.integer(node.const, "a constant value")
        if value is None:
            return None
        low = low if lo is None else lo
        high = high if hi is None else hi
        if not low <= value <= high:
            text = f"{value} is outside of {low} to {high}, what '{node.name.text}' holds"
            self.error(node.const.span, "packet-const", text)
            return None
        return value

    def _parts(self, node: PacketFieldNode, bits: int) -> tuple[BitField, ...]:
        """The parts of a flags field, from the least significant bit; no bit is left over."""
        if node.parts is None:
            text = f"name all {bits} bits: '{node.type.text} {{ name: bits; ... }}'"
            self.error(node.type.span, "packet-bits", text)
            return ()
        parts: list[BitField] = []
        seen: dict[str, Name] = {}
        shift = 0
        for part in node.parts:
            self._check_unique(part.name, seen, "part")
            field = self._part(part, shift, bits)
            shift += field.bits
            parts.append(field)
        sound = all(field.bits > 0 for field in parts)
        if shift != bits and node.complete and sound:
            rest = f"{bits - shift} left" if shift < bits else f"{shift - bits} too many"
            text = f"the parts have {shift} bits, '{node.type.text}' has {bits}: {rest}"
            if shift < bits:
                text += f"; add 'reserved: {bits - shift} = 0;'"
            self.error(node.name.span, "packet-bits", text)
        return tuple(parts)

    def _part(self, node: PartNode, shift: int, total: int) -> BitField:
        bits = self.integer(node.bits, "a number of bits")
        const: Optional[int] = None
        if bits is None or not 1 <= bits <= total:
            if bits is not None:
                text = f"a part has 1 to {total} bits, not {bits}"
                self.error(node.bits.span, "packet-bits", text)
            bits = 0  # which nobody counts
        elif node.const is not None:
            const = self.integer(node.const, "a constant value")
            if const is not None and not 0 <= const < 1 << bits:
                text = f"{const} does not fit into {bits} bits"
                self.error(node.const.span, "packet-const", text)
                const = None
        return BitField(node.name.text, shift, bits, const, node.doc, node.name.span)

    # -- bytes --------------------------------------------------------------------------------

    def _bytes(self, node: PacketFieldNode) -> PacketBytes:
        for constraint in node.constraints:
            text = "bytes of a packet take no constraints; bound the length field instead"
            self.error(constraint.span, "constraint", text)
        if node.const is not None:
            text = "bytes have no constant; use integer fields"
            self.error(node.const.span, "packet-const", text)
        if node.parts is not None:
            self.error(node.type.span, "packet-bits", "bytes have no parts; a flags type has")
        count, length_field = self._size(node)
        return PacketBytes(node.name.text, count, length_field, node.doc, node.name.span)

    def _size(self, node: PacketFieldNode) -> tuple[Optional[int], Optional[str]]:
        """Either a fixed count or the field that holds the length."""
        size = node.size
        if size is None:
            text = "say how many: 'bytes[16]', or 'bytes[length]' with an earlier field 'length'"
            self.error(node.type.span, "packet-length", text)
            return 1, None
        if size.kind == "name" and not _is_const(str(size.value)):
            return self._length_field(node.name.text, str(size.value), size.span)
        count = self.integer(size, "a count of bytes")
        if count is not None and not 1 <= count <= MAX_PACKET_BYTES:
            text = f"a fixed field has 1 to {MAX_PACKET_BYTES} bytes, not {count}"
            self.error(size.span, "packet-length", text)
            count = None
        return (1 if count is None else count), None

    def _length_field(
        self, owner: str, name: str, span: Span
    ) -> tuple[Optional[int], Optional[str]]:
        earlier = {f.name: (i, f) for i, f in enumerate(self.fields)}
        problem: Optional[str] = None
        if name not in earlier and not self.complete:
            return 1, None
        if name not in earlier:
            names = [n for n, (_, f) in earlier.items() if isinstance(f, PacketInt)]
            problem = f"no field '{name}' stands before '{owner}'{did_you_mean(name, names)}"
        else:
            index, field = earlier[name]
            problem = _why_no_length(field)
            if problem is None and isinstance(field, PacketInt):
                self.fields[index] = replace(field, length_of=owner)
                return None, name
        self.error(span, "packet-length", problem or f"'{name}' is no length")
        return 1, None


def _why_no_length(field: Union[PacketInt, PacketBytes]) -> Optional[str]:
    """Why a field cannot hold a length; None if it can."""
    if not isinstance(field, PacketInt) or field.signed or field.parts:
        return f"'{field.name}' is no unsigned integer, so it cannot be a length"
    if field.const is not None:
        return f"'{field.name}' is constant; write that count in the '[]' instead"
    if field.length_of is not None:
        return f"'{field.name}' is already the length of '{field.length_of}'"
    if field.hi is None:
        text = f"the length '{field.name}' has no bound"
        return f"{text}; write for example 'max 64KiB' after its type"
    if field.hi > MAX_BOUND:
        return f"the length '{field.name}' may be {field.hi}; the limit is 16 MiB"
    return None


def _is_const(name: str) -> bool:
    return name.upper() == name
