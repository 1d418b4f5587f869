"""The packets of two releases. A layout has no versions: nothing of it may change."""

from __future__ import annotations

from ..model import Packet, PacketBytes, PacketField, PacketInt, Protocol, Scalar, Span
from ..bounds import narrower
from ..spell import packet_bounds, packet_type
from .release import own_packets
from .report import Hurts, Report

Spans = tuple[Span, Span]


def compare_packets(old: Protocol, new: Protocol, report: Report) -> None:
    """Report what changed."""
    now = {packet.name: packet for packet in own_packets(new)}
    for packet in own_packets(old):
        other = now.get(packet.name)
        if other is None:
            text = f"packet '{packet.name}' is gone"
            report.add("packet-removed", Hurts.SOURCE, (packet.span, new.span), text)
        else:
            _compare(packet, other, report)


def _compare(old: Packet, new: Packet, report: Report) -> None:
    for before, now in zip(old.fields, new.fields):
        spans = (before.span, now.span)
        if _shape(before) != _shape(now):
            text = f"'{now.name}: {_shape(now)}' of packet '{new.name}' stands where"
            text += f" '{before.name}: {_shape(before)}' was released"
            report.add("packet-changed", Hurts.BOTH, spans, text)
            return  # all behind it has moved, or means something else
        if before.name != now.name:
            text = f"field '{before.name}' of packet '{new.name}' is named '{now.name}' now"
            report.add("field-renamed", Hurts.SOURCE, spans, text)
        if isinstance(before, PacketInt) and isinstance(now, PacketInt):
            _int(before, now, new.name, report)
    if len(old.fields) > len(new.fields):
        gone = old.fields[len(new.fields)]
        text = f"field '{gone.name}' of packet '{new.name}' is gone"
        report.add("packet-changed", Hurts.BOTH, (gone.span, new.span), text)
    elif len(old.fields) < len(new.fields):
        extra = new.fields[len(old.fields)]
        text = f"field '{extra.name}' of packet '{new.name}' is new, and a layout has no versions"
        report.add("packet-changed", Hurts.BOTH, (old.span, extra.span), text)


def _shape(field: PacketField) -> str:
    if isinstance(field, PacketBytes):
        return f"bytes[{field.length_field if field.count is None else field.count}]"
    return packet_type(field)


def _int(old: PacketInt, new: PacketInt, packet: str, report: Report) -> None:
    spans = (old.span, new.span)
    what = f"field '{new.name}' of packet '{packet}'"
    if old.parts and new.parts:
        _parts(old, new, packet, report)
    elif old.const is not None or new.const is not None:
        _const(old.const, new.const, what, spans, report)
    else:
        text = f"{what} has '{packet_bounds(new) or 'no bounds'}', and"
        text += f" '{packet_bounds(old) or 'no bounds'}' as released"
        a, b = (Scalar(f"{'i' if f.signed else 'u'}128", *_limits(f)) for f in (old, new))
        if narrower(b, a):
            report.add("bound-tightened", Hurts.NEW_READERS, spans, text)
        if narrower(a, b):
            report.add("bound-widened", Hurts.OLD_READERS, spans, text)


def _limits(field: PacketInt) -> tuple[int, int]:
    low = -(1 << field.bits - 1) if field.signed else 0
    high = (1 << field.bits - field.signed) - 1
    return low if field.lo is None else field.lo, high if field.hi is None else field.hi


def _const(old: int | None, new: int | None, what: str, spans: Spans, report: Report) -> None:
    if old == new:
        return
    now = "free" if new is None else f"always {new}"
    text = f"{what} is {now}, and {'free' if old is None else f'always {old}'} as released"
    hurts = Hurts.BOTH
    if old is None:
        hurts = Hurts.NEW_READERS
    elif new is None:
        hurts = Hurts.OLD_READERS
    report.add("packet-changed", hurts, spans, text)


def _parts(old: PacketInt, new: PacketInt, packet: str, report: Report) -> None:
    """Parts bit by bit: constant bits may be cut from a part, and a part may keep its place."""
    was = {(p.shift, p.bits): p for p in old.parts}
    for part in new.parts:
        spans = (old.span, part.span)
        what = f"part '{part.name}' of packet '{packet}'"
        same = was.get((part.shift, part.bits))
        if same is not None:
            if same.name != part.name:
                text = f"part '{same.name}' of packet '{packet}' is named '{part.name}' now"
                report.add("field-renamed", Hurts.SOURCE, (same.span, part.span), text)
            _const(same.const, part.const, what, (same.span, part.span), report)
            continue
        bits = range(part.shift, part.shift + part.bits)
        before = [_constant_bit(old, bit) for bit in bits]
        if any(bit is None for bit in before):
            text = f"{what} takes bits that were released as others"
            report.add("packet-changed", Hurts.BOTH, spans, text)
            return
        const = sum((bit or 0) << i for i, bit in enumerate(before))
        _const(const, part.const, what, spans, report)


def _constant_bit(field: PacketInt, bit: int) -> int | None:
    """The value that a bit always has; None if it is free."""
    for part in field.parts:
        if part.shift <= bit < part.shift + part.bits and part.const is not None:
            return part.const >> bit - part.shift & 1
    return None
