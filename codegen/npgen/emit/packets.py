"""Byte-exact packets: a C struct, put and read in straight C, and a byte-by-byte Ragel parser."""

from __future__ import annotations

from ..model import BitField, Packet, PacketInt, Protocol
from ..names import member, upper
from .code import Code, quote
from .common import int_literal, macro_literal


def own_packets(p: Protocol) -> list[Packet]:
    return [packet for packet in p.packets if p.own(packet)]


def packet_name(packet: Packet) -> str:
    return f"{packet.origin}_{packet.name}"


def values(packet: Packet) -> list[tuple[str, str, tuple[str, ...]]]:
    """Members of a packet's struct as (type, name, doc): what is neither constant nor payload."""
    out: list[tuple[str, str, tuple[str, ...]]] = []
    for f in packet.fields:
        if not isinstance(f, PacketInt):
            if f.count is not None:
                out.append(("uint8_t", f"{member(f.name)}[{f.count}]", f.doc))
            continue
        if f.parts:
            for part in f.parts:
                if part.const is None:
                    out.append((_c_uint(part.bits), f"{f.name}_{part.name}", part.doc))
        elif f.const is None:
            sign = "" if f.signed else "u"
            out.append((f"{sign}int{_storage(f.bits)}_t", member(f.name), f.doc))
    return out


def _storage(bits: int) -> int:
    return next(size for size in (8, 16, 32, 64) if bits <= size)


def _c_uint(bits: int) -> str:
    return f"uint{_storage(bits)}_t"


def declare_packets(p: Protocol, c: Code) -> None:
    packets = own_packets(p)
    if not packets:
        return
    c.section("Packets")
    c.lines(
        [
            "/* X_put     writes the constant part; returns the address behind it. Nothing is checked.",
            " * X_read    checks and reads the constant part, which is there as a whole.",
            " * X_parse   does the same with pieces of any size: call it with what has come, until *done",
            " *           or an error. *used tells how many bytes of data it took. A byte that breaks",
            " *           a rule is refused as soon as it arrives. */",
        ]
    )
    c()
    for packet in packets:
        _declare(c, packet)


def _declare(c: Code, packet: Packet) -> None:
    name = packet_name(packet)
    c.doc(packet.doc)
    with c.block(f"typedef struct {name} {{", f"}} {name};"):
        for ctype, label, doc in values(packet):
            c.doc(doc)
            c(f"{ctype} {label};")
        if not values(packet):
            c("np_unit nothing; /* all of it is constant */")
    c()
    c(f"#define {upper(name)}_HEADER_LEN {packet.header_len}")
    for f in packet.fields:
        if isinstance(f, PacketInt):
            if f.const is not None:
                c(f"#define {upper(name)}_{upper(f.name)} {_macro(f, f.const)}")
            elif f.hi is not None:
                c(f"#define {upper(name)}_{upper(f.name)}_MAX {_macro(f, f.hi)}")
    c()
    with c.block(f"typedef struct {name}_parser {{", f"}} {name}_parser;"):
        c("int cs;          /* state of the machine */")
        c("uint32_t begin;  /* offset of the field that is coming in */")
        c("uint32_t offset; /* bytes taken */")
        c("np_err err;      /* sticky */")
        c("uint64_t value;  /* of the field so far */")
    c()
    c.call(f"NP_API uint8_t *{name}_put", ["uint8_t *p", f"const {name} *packet"])
    c.call(f"NP_API NP_MUST_CHECK np_err {name}_read", read_args(name))
    c(f"NP_API void {name}_parser_init({name}_parser *parser);")
    c.call(f"NP_API NP_MUST_CHECK np_err {name}_parse", parse_args(name))
    c()


def _macro(f: PacketInt, value: int) -> str:
    return macro_literal(value) if f.signed else f"{value}u"


def const_bits(f: PacketInt) -> int:
    """A constant as the bits that travel."""
    assert f.const is not None
    return f.const & (1 << f.bits) - 1


def const_rule(f: PacketInt) -> str:
    """A constant as a fault tells it."""
    assert f.const is not None
    return f"= {f.const}" if f.const < 0 else f"= 0x{f.const:X}"


def read_args(name: str) -> list[str]:
    return [f"{name} *out", "const uint8_t *data", "np_fault *fault"]


def parse_args(name: str) -> list[str]:
    return [
        f"{name}_parser *parser",
        f"{name} *out",
        "const uint8_t *data",
        "size_t len",
        "size_t *used",
        "bool *done",
        "np_fault *fault",
    ]


# --------------------------------------------------------------------------------------------
# Straight C
# --------------------------------------------------------------------------------------------


def define_packets(p: Protocol, c: Code) -> None:
    for packet in own_packets(p):
        c.section(f"{p.name}.{packet.name}")
        _put(c, packet)
        _read(c, packet)


def _put(c: Code, packet: Packet) -> None:
    name = packet_name(packet)
    with c.function(f"uint8_t *{name}_put", ["uint8_t *p", f"const {name} *packet"]):
        at = 0
        for f in packet.fields:
            if not isinstance(f, PacketInt):
                if f.count is not None:
                    c(f"memcpy(p + {at}, packet->{member(f.name)}, {f.count});")
                    at += f.count
                continue
            n = f.bits // 8
            for i in range(n):
                shift = 8 * (n - 1 - i) if f.big_endian else 8 * i
                if f.const is not None:
                    c(f"p[{at + i}] = 0x{const_bits(f) >> shift & 0xFF:02X};")
                    continue
                expr = _field_expr(f)
                byte = f"{expr} >> {shift}" if shift else expr
                c(f"p[{at + i}] = (uint8_t)({byte});")
            at += n
        c(f"return p + {at};")


def _field_expr(f: PacketInt) -> str:
    if f.parts:
        pieces = []
        for part in f.parts:
            value = f"{part.const}u" if part.const is not None else f"packet->{f.name}_{part.name}"
            if part.const == 0:
                continue
            mask = f"({value} & 0x{(1 << part.bits) - 1:X}u)"
            pieces.append(f"{mask} << {part.shift}" if part.shift else mask)
        return "(" + " | ".join(pieces or ["0u"]) + ")"
    unsigned = f"(uint{_storage(f.bits)}_t)" if f.signed else ""
    return f"{unsigned}packet->{member(f.name)}"


def _read(c: Code, packet: Packet) -> None:
    name = packet_name(packet)
    with c.function(f"np_err {name}_read", read_args(name)):
        at = 0
        for f in packet.fields:
            if not isinstance(f, PacketInt):
                if f.count is not None:
                    c(f"memcpy(out->{member(f.name)}, data + {at}, {f.count});")
                    at += f.count
                continue
            n = f.bits // 8
            loads = []
            for i in range(n):
                shift = 8 * (n - 1 - i) if f.big_endian else 8 * i
                cast = f"({_c_uint(f.bits)})" if f.bits > 8 else ""
                load = f"{cast}data[{at + i}]"
                loads.append(f"{load} << {shift}" if shift else load)
            c(f"{_c_uint(f.bits)} {f.name}_bits = {_narrow(f.bits, ' | '.join(loads))};")
            check_int(c, packet, f, f"{f.name}_bits", str(at))
            store_int(c, f, f"{f.name}_bits")
            at += n
        c("return NP_OK;")


def _narrow(bits: int, expr: str) -> str:
    return f"({_c_uint(bits)})({expr})" if bits == 16 else expr


def check_int(c: Code, packet: Packet, f: PacketInt, value: str, offset: str) -> None:
    """Refuses a whole value; the offset is the one of its first byte."""
    where = f"{packet.origin}.{packet.name}.{f.name}"

    def refuse(condition: str, error: str, where: str, rule: str, got: str | None) -> None:
        with c.block(f"if (np_unlikely({condition})) {{"):
            args = ["fault", error, quote(where), quote(rule), offset]
            if got is None:
                c.call("return np_fault_at", args)
            elif f.signed:
                c.call("return np_fault_set_signed", [*args, f"(int{_storage(f.bits)}_t){got}"])
            else:
                c.call("return np_fault_set", [*args, got])

    if f.const is not None:
        refuse(f"{value} != 0x{const_bits(f):X}u", "NP_ERR_CONST", where, const_rule(f), None)
    if constant_parts(f):
        mask, bits = part_mask(f)
        name, rule = part_rule(f)
        condition = f"({value} & 0x{mask:X}u) != 0x{bits:X}u"
        refuse(condition, "NP_ERR_CONST", f"{packet.origin}.{packet.name}.{name}", rule, None)
    bounds = bounds_of(f, value)
    if bounds:
        shown = None if is_refused_early(f) else value
        refuse(bounds, "NP_ERR_RANGE", where, bounds_rule(f), shown)


def constant_parts(f: PacketInt) -> list[BitField]:
    return [part for part in f.parts if part.const is not None]


def part_mask(f: PacketInt) -> tuple[int, int]:
    """The bits that constant parts take, and what they must be."""
    mask = bits = 0
    for part in constant_parts(f):
        mask |= ((1 << part.bits) - 1) << part.shift
        bits |= (part.const or 0) << part.shift
    return mask, bits


def part_rule(f: PacketInt) -> tuple[str, str]:
    """What a fault about constant parts names and demands: the part, or the field if there are
    several, since a byte may break more than one of them."""
    parts = constant_parts(f)
    if len(parts) == 1:
        return f"{f.name}.{parts[0].name}", f"= {parts[0].const}"
    return f.name, ", ".join(f"{part.name} = {part.const}" for part in parts)


def bounds_of(f: PacketInt, value: str) -> str:
    """The condition under which a value breaks its bounds; empty if it cannot."""
    signed = f"(int{_storage(f.bits)}_t){value}" if f.signed else value
    least = -(2 ** (f.bits - 1)) if f.signed else 0
    most = 2 ** (f.bits - (1 if f.signed else 0)) - 1
    kind = f"{'i' if f.signed else 'u'}{_storage(f.bits)}"
    bounds = []
    if f.lo is not None and f.lo > least:
        bounds.append(f"{signed} < {int_literal(kind, f.lo)}")
    if f.hi is not None and f.hi < most:
        bounds.append(f"{signed} > {int_literal(kind, f.hi)}")
    return " || ".join(bounds)


def is_refused_early(f: PacketInt) -> bool:
    """Whether the first byte that makes a number too large is known as it comes: most significant
    byte first, and nothing but a greatest value. The number is not told then; it is not there."""
    plain = not f.signed and not f.parts and f.const is None and not f.lo
    return plain and f.big_endian and f.bits > 8 and f.hi is not None and f.hi < 2**f.bits - 1


def bounds_rule(f: PacketInt) -> str:
    if f.lo is not None and f.hi is not None and (f.signed or f.lo != 0):
        return f"range {f.lo}..{f.hi}"
    return f"max {f.hi}" if f.hi is not None else f"min {f.lo}"


def store_int(c: Code, f: PacketInt, value: str) -> None:
    if f.parts:
        for part in f.parts:
            if part.const is None:
                mask = (1 << part.bits) - 1
                shifted = f"({value} >> {part.shift} & 0x{mask:X}u)" if part.shift else f"({value} & 0x{mask:X}u)"
                c(f"out->{f.name}_{part.name} = ({_c_uint(part.bits)}){shifted};")
    elif f.const is None:
        kind = f"int{_storage(f.bits)}_t" if f.signed else _c_uint(f.bits)
        c(f"out->{member(f.name)} = ({kind}){value};")
