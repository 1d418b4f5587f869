"""The part of NAME_test.c that is about byte-exact packets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterator, Optional

from ..emit.code import Code, quote
from ..emit.common import int_literal
from ..emit.packets import bounds_rule, const_rule, constant_parts, packet_name, part_rule, values
from ..model import Packet, PacketInt
from ..names import member, upper
from .layout import lines_of
from .literal import NO_MEMBERS


@dataclass(frozen=True)
class Sample:
    """A packet's values by the members of its C struct, and the bytes they become."""

    name: str
    members: dict[str, str] = field(default_factory=dict)
    data: bytes = b""
    error: Optional[tuple[str, str, str]] = None  # error, field, rule


def write_packet(c: Code, packet: Packet) -> str:
    """Writes the test of a packet; returns its name."""
    name = packet_name(packet)
    test = f"test__{packet.name}__packet"
    c.section(f"{packet.origin}.{packet.name}, a packet")
    c(f"NP_SELFTEST_PACKET({name}, {upper(name)}_HEADER_LEN)")
    c()
    with c.function(f"static void {test}", ["np_selftest *t"]):
        c(f"np_selftest_packet(t, &{name}__selftest);")
        for sample in samples(packet):
            with c.block("{"):
                with c.block("static const uint8_t bytes[] = {", "};"):
                    for start in range(0, len(sample.data), 12):
                        c(", ".join(f"0x{b:02X}" for b in sample.data[start : start + 12]) + ",")
                if sample.error is None:
                    text = ", ".join(f".{k} = {v}" for k, v in sample.members.items()) or NO_MEMBERS
                    c.lines(lines_of(f"const {name} v = {{{text}}};", 2))
                    c.call("np_selftest_packet_good", ["t", quote(sample.name), "&v", "bytes"])
                else:
                    error, where, rule = sample.error
                    args = ["t", quote(sample.name), "bytes", error, quote(where), quote(rule)]
                    c.call("np_selftest_packet_bad", args)
    return test


def samples(packet: Packet) -> Iterator[Sample]:
    """A typical packet; for each number its least and greatest; and each rule broken once."""
    ints = [f for f in packet.fields if isinstance(f, PacketInt)]
    typical = {f.name: _typical(f, i) for i, f in enumerate(ints)}
    yield _sample(packet, "typical", typical)
    for f in ints:
        where = f"{packet.origin}.{packet.name}.{f.name}"
        low, high = _bounds(f)
        if f.const is not None:
            refusal = ("NP_ERR_CONST", where, const_rule(f))
            yield _sample(packet, f"{f.name}.wrong", typical | {f.name: f.const ^ 1}, refusal)
            continue
        if f.parts:
            yield from _parts(packet, f, typical)
            continue
        yield _sample(packet, f"{f.name}.lowest", typical | {f.name: low})
        yield _sample(packet, f"{f.name}.highest", typical | {f.name: high})
        least, most = _kind(f)
        refusal = ("NP_ERR_RANGE", where, bounds_rule(f))
        if low > least:
            yield _sample(packet, f"{f.name}.too_low", typical | {f.name: low - 1}, refusal)
        if high < most:
            yield _sample(packet, f"{f.name}.too_high", typical | {f.name: high + 1}, refusal)


def _parts(packet: Packet, f: PacketInt, typical: dict[str, int]) -> Iterator[Sample]:
    fixed = sum((part.const or 0) << part.shift for part in f.parts)
    free = sum(
        ((1 << part.bits) - 1) << part.shift for part in f.parts if part.const is None
    )
    yield _sample(packet, f"{f.name}.lowest", typical | {f.name: fixed})
    yield _sample(packet, f"{f.name}.highest", typical | {f.name: fixed | free})
    for part in constant_parts(f):
        name, rule = part_rule(f)
        refusal = ("NP_ERR_CONST", f"{packet.origin}.{packet.name}.{name}", rule)
        wrong = typical[f.name] ^ 1 << part.shift
        yield _sample(packet, f"{f.name}.{part.name}.wrong", typical | {f.name: wrong}, refusal)


def _sample(
    packet: Packet,
    name: str,
    numbers: dict[str, int],
    error: Optional[tuple[str, str, str]] = None,
) -> Sample:
    """A packet with these numbers, constants and flags included."""
    members: dict[str, str] = {}
    data = b""
    known = {label.partition("[")[0] for _, label, _ in values(packet)}
    for f in packet.fields:
        if not isinstance(f, PacketInt):
            if f.count is not None:
                content = bytes((0xA0 + i) & 0xFF for i in range(f.count))
                members[member(f.name)] = "{" + ", ".join(f"0x{b:02X}" for b in content) + "}"
                data += content
            continue
        number = numbers[f.name]
        bits = number & (1 << f.bits) - 1
        data += bits.to_bytes(f.bits // 8, "big" if f.big_endian else "little")
        for part in f.parts:
            if part.const is None:
                value = bits >> part.shift & (1 << part.bits) - 1
                members[f"{f.name}_{part.name}"] = str(value)
        if not f.parts and f.const is None:
            storage = next(size for size in (8, 16, 32, 64) if f.bits <= size)
            kind = f"{'i' if f.signed else 'u'}{storage}"
            members[member(f.name)] = int_literal(kind, number)
    assert set(members) <= known
    return Sample(name, members, data, error)


def _typical(f: PacketInt, i: int) -> int:
    if f.const is not None:
        return f.const
    if f.parts:
        return sum(
            (part.const if part.const is not None else (i + n + 1) & (1 << part.bits) - 1)
            << part.shift
            for n, part in enumerate(f.parts)
        )
    low, high = _bounds(f)
    pattern = int.from_bytes(bytes(16 * i % 112 + 1 + n for n in range(f.bits // 8)), "big")
    return pattern if low <= pattern <= high else low + pattern % (high - low + 1)


def _kind(f: PacketInt) -> tuple[int, int]:
    if f.signed:
        return -(1 << f.bits - 1), (1 << f.bits - 1) - 1
    return 0, (1 << f.bits) - 1


def _bounds(f: PacketInt) -> tuple[int, int]:
    least, most = _kind(f)
    return (least if f.lo is None else f.lo), (most if f.hi is None else f.hi)
