"""NAME.c: the codecs of a protocol."""

from __future__ import annotations

from typing import Iterator

from ..model import Array, Enum, List, Option, Protocol, Type
from ..names import upper
from . import packets
from .banner import banner
from .code import Code, quote
from .common import Context, is_plain_enum, lazy_target
from .header import codec_heads
from .layout import Block, Fields, Items, Record, called, has_walk, records
from .deprecation import silence
from .measure import Measure
from .put import Put
from .read import Read
from .shapes import is_leaf, own_messages, own_types, place_of
from .sort import define_sort


def emit_codec(p: Protocol) -> str:
    c = Code()
    context = Context.of(p)
    silence(p, c)
    c(f'#include "{p.name}.h"')
    c()
    held = _held(p)
    _forward(p, c, context, held)
    for decl in own_types(p):
        if isinstance(decl, Enum) and decl.plain:
            _plain_enum(context, c, decl)
    ordered = list(_call_order(p))
    for record in ordered:
        # An array's items are handled where it stands; only lists of arrays need a reader for one.
        if not isinstance(record, Block):
            _record(context, c, record, held)
        elif any(isinstance(r, Items) and r.item_name == record.name for r in ordered):
            c.section(record.where)
            Read(context, c).record(record)
    for decl in own_types(p):
        at = place_of(decl)
        _codec_table(c, at.path, "_whole" if context.recursive(decl.name) else "")
        _public(c, at.path, at.where, None, "_whole" if context.recursive(decl.name) else "")
    flat = {r.name for r in ordered if _is_flat(p, r)}
    for m in own_messages(p):
        at = place_of(m)
        _codec_table(c, at.path, "")
        inline = "NP_FLATTEN " if at.path in flat else ""
        _public(c, at.path, at.where, f"{upper(at.path)}_ID", "", inline, m.since)
    packets.define_packets(p, c)
    return banner(p, f"{p.name}.c - the codecs of the {p.name} protocol.") + c.text()


def _held(p: Protocol) -> set[str]:
    """Recursive types that a container of their own recursion holds, and not only a struct: those
    are met a level deeper."""
    targets = (lazy_target(r.type) for r in records(p) if isinstance(r, Items))
    return {t.name for t in targets if t is not None}


def _forward(p: Protocol, c: Code, context: Context, held: set[str]) -> None:
    """Recursive types call themselves by way of their lists."""
    for decl in own_types(p):
        if context.recursive(decl.name):
            name = place_of(decl).path
            if decl.name in held:
                c(f"static np_err {name}_measure_deeper(np_meter *m, const void *value);")
            c(f"static uint8_t *{name}_put(uint8_t *p, const void *value, uint32_t version);")
            if decl.name in held:
                c(f"static np_err {name}_read_deeper(np_reader *r, void *value);")
            c()


def _call_order(p: Protocol) -> Iterator[Record]:
    """All records, each after those whose functions it calls (but for recursion)."""
    by_name = {r.name: r for r in records(p)}
    done: set[str] = set()

    def visit(name: str) -> Iterator[Record]:
        if name in done or name not in by_name:
            return
        done.add(name)
        for other in called(p, by_name[name]):
            yield from visit(other)
        yield by_name[name]

    for name in by_name:
        yield from visit(name)


def _plain_enum(context: Context, c: Code, e: Enum) -> None:
    at = place_of(e)
    c.section(at.where)
    c("/* The version an index came with; 0 if there is no such variant. */")
    with c.function(f"static uint32_t {at.path}_since", ["uint32_t index"]):
        with c.block("switch (index) {"):
            for since in sorted({v.since for v in e.variants}):
                for v in e.variants:
                    if v.since == since:
                        c(f"case {upper(at.path)}_{upper(v.name)}:")
                with c.indented():
                    c(f"return {since};")
            c("default:")
            with c.indented():
                c("return 0;")
    Measure(context, c).plain_enum(at.path, at.where, any(v.since > 1 for v in e.variants))
    Put(context, c).plain_enum(at.path)
    Read(context, c).plain_enum(at.path, at.where)


def _record(context: Context, c: Code, record: Record, held: set[str]) -> None:
    c.section(record.where)
    if isinstance(record, Items) and has_walk(context.p, record):
        c.call(f"static bool {record.name}_walk", _walk_args(record))
        c()
    Measure(context, c).record(record)
    Put(context, c).record(record)
    read = Read(context, c)
    if isinstance(record, Items):
        read.item(record)
    read.record(record)
    if isinstance(record, Items):
        _next(c, record, read.item_function(record), has_walk(context.p, record))
        define_sort(context.p, c, record)
    decl = context.p.types.get(record.owner or "")
    if decl is not None and context.recursive(decl.name) and record.name == place_of(decl).path:
        assert decl.max_len is not None and decl.depth is not None
        if decl.name in held:
            Measure(context, c).deeper(record.name, record.where, decl.depth)
            Read(context, c).deeper(record.name, record.where, decl.depth)
        Measure(context, c).whole(record.name, record.where, decl.max_len)
        Read(context, c).whole(record.name, record.where, decl.max_len)


def _next_args(record: Items) -> list[str]:
    return [f"const {record.name} *list", "np_iter *it", f"{record.item_name} *item"]


def _walk_args(record: Items) -> list[str]:
    return [*_next_args(record), "bool scratch"]


def _next(c: Code, record: Items, reader: str, walk: bool) -> None:
    """X_next, for users; X_walk, for measuring and writing, does not clear what they do not look at,
    where there is something to clear."""
    head, args = f"bool {record.name}_next", _next_args(record)
    if walk:
        with c.function(head, args):
            c(f"return {record.name}_walk(list, it, item, false);")
        head, args = f"static bool {record.name}_walk", _walk_args(record)
    with c.function(head, args):
        with c.block("if (it->index >= list->count) {"):
            c("return false;")
        with c.block("if (list->items != NULL) {"):
            c("*item = list->items[it->index++];")
            c("return true;")
        c("np_reader r = np_wire_reader(&list->wire, it);")
        if walk:
            c("r.scratch = scratch;")
        with c.block(f"if ({reader}(&r, item) != NP_OK) {{"):
            c("return false;")
        c("it->offset = (size_t)(r.p - r.start);")
        c("it->index++;")
        c("return true;")


def _is_flat(p: Protocol, record: Record) -> bool:
    """Whether a record holds plain values only. The functions that users call for such a message
    take its codec in whole, which spares them calls and a walk through memory."""

    def plain(t: Type) -> bool:
        return is_leaf(t) or is_plain_enum(p, t)

    return isinstance(record, Fields) and all(
        plain(m.type.item) if isinstance(m.type, (Array, List, Option)) else plain(m.type)
        for m in record.members
    )


def _codec_table(c: Code, name: str, whole: str) -> None:
    with c.block(f"const np_codec {name}_codec = {{", "};"):
        c(f".measure = {name}_measure{whole},")
        c(f".put = {name}_put,")
        c(f".read = {name}_read{whole},")
        c(f".c_size = sizeof({name}),")
    c()


def _too_new(c: Code, error: str, where: str, message_id: str | None, since: int) -> None:
    """A message that the version does not have is refused, whatever it says."""
    if since > 1 and message_id:
        with c.block(f"if (np_unlikely(version < {since})) {{"):
            c.call("return np_fault_set", ["fault", error, quote(where), "NULL", "0", message_id])


def _public(
    c: Code,
    name: str,
    where: str,
    message_id: str | None,
    whole: str,
    inline: str = "",
    since: int = 1,
) -> None:
    heads = codec_heads(name)
    head, args = heads["encoded_len"]
    start = "4" if message_id else "0"
    with c.function(head, args):
        _too_new(c, "NP_ERR_NEWER", where, message_id, since)
        c(f"np_meter m = {{{start}, version, 0, fault}};")
        c(f"np_err err = {name}_measure{whole}(&m, value);")
        c()
        with c.block("if (err == NP_OK) {"):
            c("*len = m.len;")
        c("return err;")
    head, args = heads["encode"]
    with c.function(inline + head, args):
        _too_new(c, "NP_ERR_NEWER", where, message_id, since)
        c(f"np_meter m = {{{start}, version, 0, fault}};")
        c(f"np_err err = {name}_measure{whole}(&m, value);")
        c()
        c.bail()
        with c.block("if (np_unlikely(m.len > cap)) {"):
            c(f"return np_meter_fail(&m, NP_ERR_SPACE, {quote(where)}, NULL, NP_GOT_UNSIGNED, cap);")
        if message_id:
            c(f"{name}_put(np_put_u32(buf, {message_id}), value, version);")
        else:
            c(f"{name}_put(buf, value, version);")
        c("*len = m.len;")
        c("return NP_OK;")
    head, args = heads["decode"]
    with c.function(inline + head, args):
        c("np_reader r = np_reader_start(data, len, version, fault);")
        if message_id:
            c(f"np_err err = np_read_id(&r, {message_id}, {quote(where)});")
            c()
            c.bail()
            _too_new(c, "NP_ERR_UNKNOWN_MESSAGE", where, message_id, since)
            c(f"err = {name}_read{whole}(&r, out);")
        else:
            c(f"np_err err = {name}_read{whole}(&r, out);")
            c()
        c.bail()
        c(f"return np_read_end(&r, {quote(where)});")
