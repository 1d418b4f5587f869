"""Rules about versions: what is newer stands behind what is older.

An older peer reads the beginning of what a newer one knows, so additions go to the end, in the
order of their versions.
"""

from __future__ import annotations

from typing import Iterator, Sequence

from .diagnostics import Reporter
from .model import Decl, Enum, Field, Message, Protocol, Span, Struct
from .recursion import edges_of


def check_evolution(protocol: Protocol, reporter: Reporter) -> None:
    """All rules about ``since``."""
    for decl in protocol.types.values():
        if isinstance(decl, Struct):
            _check_fields(decl.fields, 1, decl.name, reporter)
        else:
            _check_variants(decl, reporter)
    for message in protocol.messages:
        fields = message.fields
        if message.stream and fields:  # new fields go to the end of the head, before the body
            body = fields[-1]
            fields = fields[:-1]
            if body.since > 1:
                text = "the body of a stream is always there and takes no 'since'"
                reporter.error(body.span, "since-range", text)
        _check_fields(fields, message.since, message.name, reporter)
    _check_imported(protocol, reporter)


def _check_fields(fields: Sequence[Field], owner: int, name: str, reporter: Reporter) -> None:
    newest = owner
    for field in fields:
        if 1 < field.since <= owner:
            text = f"'{name}' itself exists only since {owner}; remove the field's 'since'"
            reporter.error(field.span, "since-range", text)
        elif max(field.since, owner) < newest:
            text = f"field '{field.name}' is older than the field before it (since {newest})"
            hint = "add new fields at the end"
            reporter.error(field.span, "since-order", f"{text}; {hint}")
        newest = max(newest, field.since)


def _check_variants(enum: Enum, reporter: Reporter) -> None:
    newest = 1
    for variant in enum.variants:
        if variant.since < newest:
            text = f"variant '{variant.name}' is older than one with a lower index (since {newest})"
            reporter.error(variant.span, "since-order", f"{text}; give new variants higher indices")
        newest = max(newest, variant.since)
        _check_fields(variant.fields, variant.since, variant.name, reporter)


# --------------------------------------------------------------------------------------------
# Imports
# --------------------------------------------------------------------------------------------


def _check_imported(protocol: Protocol, reporter: Reporter) -> None:
    """Versions of two protocols count differently: neither can decide about the other's parts."""
    versioned = _versioned(protocol)
    for message in protocol.messages:
        uses = [(ref, field.span) for field, ref in _references(message)]
        if message.reply is not None:
            uses.append((message.reply, message.span))
        _report_uses(protocol, message.origin, uses, versioned, reporter)
    for decl in protocol.types.values():
        uses = [(edge.target, edge.field.span) for edge in edges_of(decl)]
        _report_uses(protocol, decl.origin, uses, versioned, reporter)


def _references(message: Message) -> Iterator[tuple[Field, str]]:
    struct = Struct(message.name, message.fields, (), message.span)
    for edge in edges_of(struct):
        yield edge.field, edge.target


def _report_uses(
    protocol: Protocol,
    origin: str,
    uses: Sequence[tuple[str, Span]],
    versioned: set[str],
    reporter: Reporter,
) -> None:
    for target, span in uses:
        decl = protocol.types.get(target)
        if decl is not None and decl.origin != origin and target in versioned:
            text = (
                f"'{target}' of protocol '{decl.origin}' has parts with 'since', which count that"
                " protocol's versions; declare a type of your own"
            )
            reporter.error(span, "since-import", text)


def _versioned(protocol: Protocol) -> set[str]:
    """The types whose encoding depends on the version, themselves or through what they contain."""
    found: set[str] = set()
    size = -1
    while size != len(found):  # a second round only for recursive types
        size = len(found)
        for decl in protocol.types.values():
            if _has_since(decl) or any(edge.target in found for edge in edges_of(decl)):
                found.add(decl.name)
    return found


def _has_since(decl: Decl) -> bool:
    if isinstance(decl, Struct):
        return any(f.since > 1 for f in decl.fields)
    return any(v.since > 1 or any(f.since > 1 for f in v.fields) for v in decl.variants)
