"""The byte machines of packets: constants and reserved bits are grammar, numbers are gathered."""

from __future__ import annotations

from ..model import Packet, PacketField, PacketInt, Protocol
from ..names import member
from .code import Code, machine_of, quote
from .packets import (
    bounds_of,
    bounds_rule,
    check_int,
    const_bits,
    const_rule,
    constant_parts,
    is_refused_early,
    own_packets,
    packet_name,
    parse_args,
    part_mask,
    part_rule,
    store_int,
    values,
)


def emit_packet_machines(p: Protocol, c: Code) -> None:
    for packet in own_packets(p):
        _machine(c, packet)
        _functions(c, packet)


def _machine(c: Code, packet: Packet) -> None:
    name = packet_name(packet)
    parts: list[str] = []
    with c.block("%%{", "}%%"):
        c(f"machine {machine_of(name)};")
        c("alphtype unsigned char;")
        c("access parser->;")
        c()
        c("action begin { parser->begin = parser->offset + (uint32_t)(p - data); parser->value = 0; }")
        c("action big { parser->value = parser->value << 8 | *p; }")
        c("action little {")
        c("    parser->value |= (uint64_t)*p << 8 * (parser->offset + (uint32_t)(p - data) - parser->begin);")
        c("}")
        c()
        at = 0
        for f in packet.fields:
            if isinstance(f, PacketInt):
                parts.append(f"{f.name}_field")
                _int_field(c, packet, f, at)
                at += f.bits // 8
            elif f.count is not None:
                parts.append(f"{f.name}_field")
                target = f"out->{member(f.name)}[parser->offset + (uint32_t)(p - data) - {at}]"
                c(f"action {f.name}_byte {{ {target} = *p; }}")
                c(f"{f.name}_field = any{{{f.count}}} ${f.name}_byte;")
                at += f.count
        c("action complete { *done = true; fbreak; }")
        c(f"main := ( {' '.join(parts)} ) @complete;")
    c()
    c("%% write data noentry;")
    c()


def _int_field(c: Code, packet: Packet, f: PacketInt, at: int) -> None:
    n = f.bits // 8
    if f.const is not None:
        shifts = range(n - 1, -1, -1) if f.big_endian else range(n)
        literal = " ".join(f"0x{const_bits(f) >> 8 * i & 0xFF:02X}" for i in shifts)
        _refusal(c, f"{f.name}_wrong", packet, f.name, const_rule(f), at)
        c(f"{f.name}_field = ( {literal} ) @!{f.name}_wrong;")
        c()
        return
    order = "big" if f.big_endian else "little"
    bytes_ = _up_to(f) if is_refused_early(f) else [_allowed(f, i) for i in range(n)]
    suffix = ""
    if constant_parts(f):
        where, rule = part_rule(f)
        _refusal(c, f"{f.name}_wrong", packet, where, rule, at)
        suffix = f" @!{f.name}_wrong"
    if is_refused_early(f):
        _refusal(c, f"{f.name}_wrong", packet, f.name, bounds_rule(f), at, "NP_ERR_RANGE")
        suffix = f" @!{f.name}_wrong"
    hi = None if is_refused_early(f) else f.hi
    plain = PacketInt(
        f.name, f.bits, f.signed, f.big_endian, f.doc, f.span, None, f.lo, hi, (), None
    )
    taken = Code()
    check_int(taken, packet, plain, "bits", str(at))
    store_int(taken, f, "bits")
    with c.block(f"action {f.name}_done {{"):
        lines = taken.text().splitlines()
        if any(lines):  # constant parts alone leave nothing to take
            c(f"{_c_uint(f.bits)} bits = ({_c_uint(f.bits)})parser->value;")
        # A refusal must stick: it leaves by way of the error state.
        c.lines([s.replace("return np_fault", "return parser->err = np_fault") for s in lines])
    c(f"{f.name}_field = ( {' '.join(bytes_)} ) >begin ${order} @{f.name}_done{suffix};")
    c()


def _wrong(f: PacketField) -> bool:
    """Whether the machine itself refuses values of a field."""
    if not isinstance(f, PacketInt):
        return False
    return f.const is not None or is_refused_early(f) or bool(constant_parts(f))


def _is_checked(f: PacketField) -> bool:
    """Whether there is anything about a field to refuse."""
    return _wrong(f) or (isinstance(f, PacketInt) and bounds_of(f, "") != "")


def _c_uint(bits: int) -> str:
    return f"uint{next(size for size in (8, 16, 32, 64) if bits <= size)}_t"


def _refusal(
    c: Code, action: str, packet: Packet, field: str, rule: str, at: int,
    error: str = "NP_ERR_CONST",
) -> None:  # fmt: skip
    where = quote(f"{packet.origin}.{packet.name}.{field}")
    with c.block(f"action {action} {{"):
        c(f"parser->err = np_fault_at(fault, {error}, {where}, {quote(rule)}, {at});")


def _up_to(f: PacketInt) -> list[str]:
    """The byte strings of numbers up to the greatest, most significant byte first: they share its
    first bytes, then have a lower one, then any."""
    assert f.hi is not None
    n = f.bits // 8
    most = f.hi.to_bytes(n, "big")
    strings = []
    for i, byte in enumerate(most):
        if byte > 0:
            shared = [f"0x{b:02X}" for b in most[:i]]
            lower = "0x00" if byte == 1 else f"0x00..0x{byte - 1:02X}"
            strings.append(" ".join([*shared, lower, *["any"] * (n - i - 1)]))
    strings.append(" ".join(f"0x{b:02X}" for b in most))
    return [" | ".join(strings)]


def _allowed(f: PacketInt, index: int) -> str:
    """The bytes that may stand at a place of an integer: all, but for its constant bits."""
    n = f.bits // 8
    shift = 8 * (n - 1 - index) if f.big_endian else 8 * index
    mask, value = part_mask(f)
    mask, value = mask >> shift & 0xFF, value >> shift & 0xFF
    if mask == 0:
        return "any"
    good = [b for b in range(256) if b & mask == value]
    ranges: list[list[int]] = []
    for b in good:
        if ranges and ranges[-1][1] == b - 1:
            ranges[-1][1] = b
        else:
            ranges.append([b, b])
    texts = [f"0x{a:02X}..0x{z:02X}" if a != z else f"0x{a:02X}" for a, z in ranges]
    return texts[0] if len(texts) == 1 else f"( {' | '.join(texts)} )"


def _functions(c: Code, packet: Packet) -> None:
    name = packet_name(packet)
    with c.function(f"void {name}_parser_init", [f"{name}_parser *parser"]):
        c(f"*parser = ({name}_parser){{.cs = {machine_of(name)}_start, .err = NP_OK}};")
    with c.function(f"np_err {name}_parse", parse_args(name)):
        c("const uint8_t *p = data;")
        c("const uint8_t *pe = data + len;")
        if any(_wrong(f) for f in packet.fields):
            c("const uint8_t *eof = NULL; /* a cut packet is the caller's to judge */")
        c()
        if not values(packet):
            c("(void)out;")
        if not any(_is_checked(f) for f in packet.fields):
            c("(void)fault;")
        c("*done = false;")
        c("*used = 0;")
        with c.block("if (np_unlikely(parser->err != NP_OK)) {"):
            c("return parser->err;")
        with c.block("if (len == 0) {"):
            c("return NP_OK;")
        c("%% write exec;")
        c("*used = (size_t)(p - data);")
        c("parser->offset += (uint32_t)*used;")
        c("return parser->err;")
