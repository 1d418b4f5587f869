"""Rules about versions: what is newer stands behind what is older.

An older peer reads the beginning of what a newer one knows, so additions go to the end, in the
order of their versions.
"""

from __future__ import annotations

from typing import Iterator, Optional, Sequence

from .diagnostics import Reporter
from .model import (
    INT_BITS,
    Decl,
    Enum,
    EnumValue,
    Field,
    List,
    Map,
    Message,
    Option,
    Protocol,
    Ref,
    Scalar,
    Span,
    Struct,
    Text,
    Type,
)
from .recursion import edges_of
from .spell import number
from .versions import MAX_TURNING_POINTS, turning_points


def check_evolution(protocol: Protocol, reporter: Reporter) -> None:
    """All rules about ``since``."""
    for decl in protocol.types.values():
        if isinstance(decl, Struct):
            _check_fields(protocol, decl, decl.fields, 1, reporter)
        else:
            _check_variants(protocol, decl, reporter)
    for message in protocol.messages:
        fields = message.fields
        if message.stream and fields:  # new fields go to the end of the head, before the body
            body = fields[-1]
            fields = fields[:-1]
            if body.since > 1:
                text = "the body of a stream is always there and takes no 'since'"
                reporter.error(body.span, "since-range", text)
        _check_fields(protocol, message, fields, message.since, reporter)
    _check_imported(protocol, reporter)
    points = turning_points(protocol)
    if len(points) > MAX_TURNING_POINTS:
        text = f"'since' names {len(points)} versions; the limit is {MAX_TURNING_POINTS}"
        hint = "let one version bring more, or start a new protocol with all of it"
        reporter.error(protocol.span, "since-count", f"{text}; {hint}")


def _check_fields(
    protocol: Protocol,
    decl: Struct | Enum | Message,
    fields: Sequence[Field],
    owner: int,
    reporter: Reporter,
    variant: str = "",
) -> None:
    """The fields of a declaration, or of a variant of it, which exists since ``owner``."""
    newest = owner
    before = ""  # the first field of that version
    for i, field in enumerate(fields):
        if field.since < 1:  # its 'since' was refused already
            continue
        if 1 < field.since <= owner:
            text = f"'{variant or decl.name}' itself exists only since {owner}"
            text += "; remove the field's 'since'"
            reporter.error(field.span, "since-range", text)
        elif max(field.since, owner) < newest and not field.dated:
            last = not any(later.dated for later in fields[i:])
            version = protocol.version if last and protocol.own(decl) else newest
            example = _example(protocol, field.type, version)
            if example is None:
                hint = f"write 'option<...> since {version} = none'"
            else:
                hint = f"write 'since {version} = {example}'"
            text = f"'{field.name}' has no 'since', so it counts as there from the start"
            hint = f"is it new? {hint}; if not, move it above '{before}'"
            reporter.error(field.span, "since-order", f"{text}; {hint}")
        elif max(field.since, owner) < newest:
            text = f"field '{field.name}' is older than the field before it (since {newest})"
            hint = "add new fields at the end"
            reporter.error(field.span, "since-order", f"{text}; {hint}")
        if field.since > owner and not before:
            before = field.name
        newest = max(newest, field.since)
        _check_default(protocol, field, reporter)


def _check_default(protocol: Protocol, field: Field, reporter: Reporter) -> None:
    """What a field is taken for must be there as soon as the field is."""
    decl = protocol.types.get(field.type.name) if isinstance(field.type, Ref) else None
    if not isinstance(field.default, EnumValue) or not isinstance(decl, Enum):
        return
    for variant in decl.variants:
        if variant.name == field.default.variant and variant.since > field.since:
            text = f"variant '{variant.name}' exists only since {variant.since}"
            text += f", the field since {field.since}"
            reporter.error(field.span, "default-value", text)


def _example(protocol: Protocol, type_: Type, version: int) -> Optional[str]:
    """A default that a field of this type could have; None if there is none that is obvious."""
    if isinstance(type_, Scalar):
        if type_.kind == "bool":
            return "false"
        least, greatest = type_.lo, type_.hi
        if type_.kind == "char":
            return "' '" if not least and (greatest is None or greatest >= 32) else None
        value = max(0, 0 if least is None else least)
        value = value if greatest is None else min(value, greatest)
        return number(type_.kind, value)
    if isinstance(type_, Text):
        return "empty" if type_.min == 0 else '"..."'
    if isinstance(type_, (List, Map)):
        return "empty" if type_.min == 0 else None
    if isinstance(type_, Option):
        return "none"
    decl = protocol.types.get(type_.name) if isinstance(type_, Ref) else None
    variants = decl.variants if isinstance(decl, Enum) else ()
    plain = (v.name for v in variants if not v.fields and v.since <= version)
    return next(plain, None)


def _check_variants(protocol: Protocol, enum: Enum, reporter: Reporter) -> None:
    newest = 1
    for variant in enum.variants:
        if 0 < variant.since < newest:
            text = f"variant '{variant.name}' is older than one with a lower index (since {newest})"
            reporter.error(variant.span, "since-order", f"{text}; give new variants higher indices")
        newest = max(newest, variant.since)
        owner = max(1, variant.since)
        _check_fields(protocol, enum, variant.fields, owner, reporter, variant.name)


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
