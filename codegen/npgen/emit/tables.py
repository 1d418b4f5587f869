"""NAME_schema.h and NAME_schema.c: the schema as constant tables (netproto/schema.h)."""

from __future__ import annotations

from typing import Iterator

from ..evolution.meaning import OLDEST, digests
from ..model import (
    Array,
    Decl,
    Field,
    List,
    Map,
    Message,
    Option,
    Protocol,
    Ref,
    Scalar,
    Struct,
    Text,
    Tuple,
    Type,
    Unit,
)
from ..names import upper
from ..sizes import message_max_len, struct_max_len
from .banner import banner
from .code import Code, quote
from .common import INT_MAX, INT_MIN, float_literal, int_literal
from .defaults import default_rows
from .deprecation import silence
from .nesting import needs
from .shapes import Place, own_messages, own_types, place_of, ref_name, rule_of

KINDS = {"string": "STR", "bytes": "BYTES"}


def type_name(p: Protocol, t: Type, at: Place) -> str:
    """The name of a type's descriptor: the runtime's, the declaration's, or the place's."""
    if isinstance(t, Unit):
        return "np_type_unit"
    if isinstance(t, Scalar) and rule_of(t) is None:
        return f"np_type_{t.kind}"
    if isinstance(t, Ref):
        return f"{ref_name(p, t)}_type"
    return f"{at.unique}_type"


def inner_types(t: Type, at: Place) -> Iterator[tuple[Type, Place]]:
    """The types directly inside a nameless type."""
    if isinstance(t, (Array, List)):
        yield t.item, at.item()
    elif isinstance(t, Map):
        yield t.key, at.key()
        yield t.value, at.value()
    elif isinstance(t, Option):
        yield t.item, at.some()
    elif isinstance(t, Tuple):
        for i, item in enumerate(t.items):
            yield item, at.position(i)


def _all_types(p: Protocol, t: Type, at: Place) -> Iterator[tuple[Type, Place]]:
    """A type and what is inside it, inner ones first, without those that have names."""
    for inner, place in inner_types(t, at):
        yield from _all_types(p, inner, place)
    if type_name(p, t, at) == f"{at.unique}_type":
        yield t, at


def _groups(p: Protocol) -> Iterator[tuple[Place, tuple[Field, ...]]]:
    for decl in own_types(p):
        at = place_of(decl)
        if isinstance(decl, Struct):
            yield at, decl.fields
        else:
            for v in decl.variants:
                yield at.variant(v), v.fields
    for m in own_messages(p):
        yield place_of(m), m.fields


def nameless_types(p: Protocol) -> list[tuple[Type, Place]]:
    found: list[tuple[Type, Place]] = []
    for at, fields in _groups(p):
        for f in fields:
            found += _all_types(p, f.type, at.field(f))
    return found


# --------------------------------------------------------------------------------------------
# The header: private to the generated files
# --------------------------------------------------------------------------------------------


def emit_tables_header(p: Protocol) -> str:
    c = Code()
    guard = f"{upper(p.name)}_SCHEMA_GENERATED_H"
    c(f"#ifndef {guard}")
    c(f"#define {guard}")
    c()
    c(f'#include "{p.name}.h"')
    c()
    c("#include <netproto/parser.h>")
    c()
    for _, at in nameless_types(p):
        c(f"NP_HIDDEN extern const np_type {at.unique}_type;")
    c()
    c("/* The incremental parser's machine, from Ragel. */")
    c(f"NP_HIDDEN void {p.name}_parser_step(np_parser *parser, int token);")
    c(f"NP_HIDDEN int {p.name}_parser_state(np_parser_state state);")
    if p.conversations:
        c()
        c(f"NP_HIDDEN extern const np_conversation {p.name}_conversations[];")
    c()
    c("#endif")
    about = f"{p.name}_schema.h - descriptors of nameless types; private to the generated files."
    return banner(p, about) + c.text()


# --------------------------------------------------------------------------------------------
# The tables
# --------------------------------------------------------------------------------------------


def emit_tables(p: Protocol) -> str:
    c = Code()
    silence(p, c)
    c(f'#include "{p.name}_schema.h"')
    c()
    for t, at in nameless_types(p):
        _nameless(p, c, t, at)
    for decl in own_types(p):
        _declared(p, c, decl)
    messages = own_messages(p)
    for m in messages:
        at = place_of(m)
        _fields(p, c, at, m.fields)
        rows = [".kind = NP_KIND_STRUCT", f".name = {quote(at.where)}", *_field_rows(at, m.fields)]
        _table(c, f"static const np_type {at.unique}_type", rows)
    _messages(p, c, messages)
    _digests(p, c)
    _protocol(p, c, messages)
    return banner(p, f"{p.name}_schema.c - the {p.name} schema as constant tables.") + c.text()


def _table(c: Code, head: str, rows: list[str]) -> None:
    with c.block(f"{head} = {{", "};"):
        for row in rows:
            c(row + ",")
    c()


def _nameless(p: Protocol, c: Code, t: Type, at: Place) -> None:
    rows: list[str] = []
    rule = rule_of(t)
    if isinstance(t, Scalar):
        if t.lo is not None or t.hi is not None:
            _table(c, f"static const np_range {at.unique}_range", _range_rows(t))
            rows.append(f".range = &{at.unique}_range")
        rows.insert(0, f".kind = NP_KIND_{t.kind.upper()}")
        if t.finite:
            rows.append(".finite = true")
    elif isinstance(t, Text):
        rows += [f".kind = NP_KIND_{KINDS[t.kind]}"]
        if t.nonul:
            rows.append(".nonul = true")
        rows += [f".min = {t.min}", f".max = {t.max}"]
    elif isinstance(t, Array):
        rows += [".kind = NP_KIND_ARRAY", f".min = {t.count}", f".max = {t.count}"]
        rows.append(f".item = &{type_name(p, t.item, at.item())}")
    elif isinstance(t, List):
        rows += [".kind = NP_KIND_LIST", f".min = {t.min}", f".max = {t.max}"]
        rows.append(f".item = &{type_name(p, t.item, at.item())}")
    elif isinstance(t, Map):
        rows += [".kind = NP_KIND_MAP", f".min = {t.min}", f".max = {t.max}"]
        rows.append(f".key = &{type_name(p, t.key, at.key())}")
        rows.append(f".item = &{type_name(p, t.value, at.value())}")
    elif isinstance(t, Option):
        rows += [".kind = NP_KIND_OPTION", f".item = &{type_name(p, t.item, at.some())}"]
    else:
        assert isinstance(t, Tuple)
        with c.block(f"static const np_field {at.unique}_fields[] = {{", "};"):
            for i, item in enumerate(t.items):
                _row(c, str(i), at.position(i), type_name(p, item, at.position(i)), 1, ["NULL"])
        c()
        rows += [".kind = NP_KIND_STRUCT", f".fields = {at.unique}_fields"]
        rows.append(f".field_count = {len(t.items)}")
    if rule is not None:
        rows.append(f".rule = {quote(rule)}")
    _table(c, f"const np_type {at.unique}_type", rows)


def _range_rows(t: Scalar) -> list[str]:
    if t.kind in ("f32", "f64"):
        lo = "-__builtin_inf()" if t.lo is None else float_literal(t.kind, float(t.lo))
        hi = "__builtin_inf()" if t.hi is None else float_literal(t.kind, float(t.hi))
        return [f".lo = {{.f = {lo}}}", f".hi = {{.f = {hi}}}"]
    least = 0 if t.kind == "char" else INT_MIN[t.kind]
    most = 0x10FFFF if t.kind == "char" else INT_MAX[t.kind]
    signed = t.kind.startswith("i")
    rows = []
    for label, value in (("lo", t.lo), ("hi", t.hi)):
        number = int(value) if value is not None else least if label == "lo" else most
        low, high = number & (2**64 - 1), number >> 64
        wide = f"{int_literal('u64', low)}, {int_literal('i64' if signed else 'u64', high)}"
        rows.append(f".{label} = {{.{'i' if signed else 'u'} = {{{wide}}}}}")
    return rows


def _row(c: Code, name: str, at: Place, type_: str, since: int, missing: list[str]) -> None:
    head = f"{{{quote(name)}, {quote(at.where)}, &{type_}, {since},"
    if len(missing) == 1 and len(head) + len(missing[0]) <= 92:
        c(f"{head} {missing[0]}}},")
        return
    c(head)
    for line in missing[:-1]:
        c(f"    {line}")
    c(f"    {missing[-1]}}},")


def _fields(p: Protocol, c: Code, at: Place, fields: tuple[Field, ...]) -> None:
    if not fields:
        return
    with c.block(f"static const np_field {at.unique}_fields[] = {{", "};"):
        for f in fields:
            missing = default_rows(p, f.type, f.default) if f.since > 1 else ["NULL"]
            _row(c, f.name, at.field(f), type_name(p, f.type, at.field(f)), f.since, missing)
    c()


def _field_rows(at: Place, fields: tuple[Field, ...]) -> list[str]:
    if not fields:
        return []
    return [f".fields = {at.unique}_fields", f".field_count = {len(fields)}"]


def _declared(p: Protocol, c: Code, decl: Decl) -> None:
    at = place_of(decl)
    rows = [f".name = {quote(at.where)}"]
    if isinstance(decl, Struct):
        _fields(p, c, at, decl.fields)
        rows = [".kind = NP_KIND_STRUCT", *rows, *_field_rows(at, decl.fields)]
    else:
        for v in decl.variants:
            _fields(p, c, at.variant(v), v.fields)
        with c.block(f"static const np_variant {at.path}_variants[] = {{", "};"):
            for v in decl.variants:
                place = at.variant(v)
                fields = f"{place.unique}_fields, {len(v.fields)}" if v.fields else "NULL, 0"
                c(f"{{{quote(v.name)}, {v.index}, {v.since}, {fields}}},")
        c()
        rows = [".kind = NP_KIND_ENUM", *rows, f".variants = {at.path}_variants"]
        rows.append(f".variant_count = {len(decl.variants)}")
    if decl.depth is not None:
        rows += [f".depth = {decl.depth}", f".max_len = {decl.max_len}"]
        rows.append(f".rule = {quote(f'max {decl.max_len}')}")
    _table(c, f"const np_type {at.unique}_type", rows)


def _messages(p: Protocol, c: Code, messages: list[Message]) -> None:
    if not messages:
        return
    with c.block(f"static const np_message {p.name}_messages[] = {{", "};"):
        for m in messages:
            at = place_of(m)
            with c.block("{", "},"):
                for row in _message_rows(p, m, at):
                    c(row + ",")
    c()


def _message_rows(p: Protocol, m: Message, at: Place) -> Iterator[str]:
    kind = "REQUEST" if m.reply else "STREAM" if m.stream else "PLAIN"
    yield f".id = {upper(at.path)}_ID"
    yield f".kind = NP_MESSAGE_{kind}"
    yield f".since = {m.since}"
    if m.secret:
        yield ".secret = true"
    yield f".name = {quote(at.where)}"
    yield f".type = &{at.path}_type"
    yield f".codec = &{at.path}_codec"
    yield f".max_len = {upper(at.path)}_MAX_LEN"
    if m.reply is not None:
        name = ref_name(p, Ref(m.reply))
        decl = p.types[m.reply]
        assert isinstance(decl, Struct)
        yield f".reply = &{name}_type"
        yield f".reply_codec = &{name}_codec"
        yield f".reply_max_len = {4 + struct_max_len(p, decl)}"
        if m.timeout_ms is not None:
            yield f".timeout_ms = {m.timeout_ms}"


def _digests(p: Protocol, c: Code) -> None:
    """One a version: 'npgen digest' prints them too."""
    with c.block(f"static const uint8_t {p.name}_digests[][32] = {{", "};"):
        for version, digest in enumerate(digests(p), OLDEST):
            bytes_ = [f"0x{digest[i:i + 2]}" for i in range(0, 64, 2)]
            c(f"/* {version} */")
            with c.block("{", "},"):
                for i in range(0, 32, 8):
                    c(", ".join(bytes_[i : i + 8]) + ",")
    c()


def _protocol(p: Protocol, c: Code, messages: list[Message]) -> None:
    levels, calls, keys = needs(p)
    rows = [f".name = {quote(p.name)}", f".version = {upper(p.name)}_VERSION"]
    rows.append(f".min_version = {OLDEST}")
    with c.block(f"const np_protocol {p.name}_protocol = {{", "};"):
        for row in rows:
            c(row + ",")
        c(f".digests = {p.name}_digests,")
        if messages:
            c(f".messages = {p.name}_messages,")
            c(f".message_count = {len(messages)},")
        if p.conversations:
            c(f".conversations = {p.name}_conversations,")
            c(f".conversation_count = {len(p.conversations)},")
        c(f".parser_step = {p.name}_parser_step,")
        c(f".parser_state = {p.name}_parser_state,")
        c(f".parser_levels = {levels},")
        c(f".parser_calls = {calls},")
        c(f".parser_keys = {keys},")
    c()
