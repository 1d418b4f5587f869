"""Two releases of a protocol: what of the new one would break peers or programs of the old one.

Peers agree on the lower of their versions. So at most the old release's version N is spoken between
old and new, and whatever the new schema has ``since`` later than N is of no concern here. What
remains must be the same at N: what new writers send, old readers must accept and take for the same,
and the other way round. Where values are only allowed or excluded, the direction is told.
"""

from __future__ import annotations

from ..model import Protocol
from .compare_conversations import compare_conversations
from .compare_messages import compare_messages
from .compare_packets import compare_packets
from .compare_types import TypeComparison
from .release import own_messages, own_packets, released_types
from .report import Break, Hurts, Report, quoted


def compare(old: Protocol, new: Protocol) -> list[Break]:
    """The breaks, in the order of the new schema."""
    report = Report()
    _protocol(old, new, report)
    types = TypeComparison(old, new, report)
    names = compare_messages(old, new, types)
    types.compare_declared()
    compare_packets(old, new, report)
    compare_conversations(old, new, names, report)
    rank = {new.span.file: 0}
    for found in report.breaks:
        rank.setdefault(found.span.file, len(rank))
    return sorted(
        report.breaks, key=lambda b: (rank[b.span.file], b.span.line, b.span.column)
    )


def _protocol(old: Protocol, new: Protocol, report: Report) -> None:
    spans = (old.span, new.span)
    if old.name != new.name:
        text = f"protocol '{old.name}' is named '{new.name}' now, and peers compare names"
        report.add("protocol-renamed", Hurts.BOTH, spans, text)
    if new.version < old.version:
        text = f"version {old.version} is released, so this cannot be version {new.version}"
        report.add("version-lowered", Hurts.BOTH, spans, text)
    gone = [name for name in old.consts if name not in new.consts]
    if gone:
        text = f"no constant {quoted(sorted(gone))}"
        report.add("const-removed", Hurts.SOURCE, spans, text)
    for message in own_messages(new):
        if any(low <= message.id <= high for low, high in old.reserved_ids):
            text = f"id {message.id} of '{message.name}' is reserved for what it once meant"
            places = (old.span, message.span)
            report.add("reserved-id-used", Hurts.BOTH, places, text)
    declared = [(m.name, m.span) for m in own_messages(new)]
    declared += [(d.name, d.span) for d in released_types(new).values()]
    declared += [(packet.name, packet.span) for packet in own_packets(new)]
    for name, span in declared:
        if name in old.reserved_names:
            text = f"'{name}' is reserved for what it once meant"
            report.add("reserved-name-used", Hurts.SOURCE, (old.span, span), text)
