"""NAME.h: the C types of a protocol, and the functions that encode and decode them."""

from __future__ import annotations

from .. import GEN_ABI
from ..model import Enum, Protocol
from ..names import member, upper
from ..sizes import message_max_len
from . import packets
from .banner import banner
from .code import Code
from .common import macro_literal
from .deprecation import declare as declare_marked, note
from .layout import Fields, Items, Maybe, Member, Record, UnionRecord, records
from .shapes import declare, own_messages, own_types, place_of
from .sort import declare_sort


def emit_header(p: Protocol) -> str:
    c = Code()
    guard = f"{upper(p.name)}_GENERATED_H"
    c(f"#ifndef {guard}")
    c(f"#define {guard}")
    c()
    c("#include <netproto/codec.h>")
    c("#include <netproto/schema.h>")
    for name in p.imports:
        c(f"#include <{p.import_headers.get(name, name + '.h')}>")
    c()
    c(f"#if NP_GEN_ABI != {GEN_ABI}")
    c('#error "generated for another version of netproto: regenerate with npgen"')
    c("#endif")
    c()
    c("#ifdef __cplusplus")
    c('extern "C" {')
    c("#endif")
    c()
    _constants(p, c)
    _types(p, c)
    packets.declare_packets(p, c)
    _functions(p, c)
    c("#ifdef __cplusplus")
    c("}")
    c("#endif")
    c()
    c("#endif")
    about = f"{p.name}.h - the {p.name} protocol, version {p.version}: types and codecs."
    return banner(p, about) + c.text()


def _constants(p: Protocol, c: Code) -> None:
    up = upper(p.name)
    c.section("Constants")
    c("/* The newest version of the protocol. */")
    c(f"#define {up}_VERSION {p.version}")
    c()
    for name, value in p.consts.items():
        c(f"#define {up}_{name} {macro_literal(value)}")
    c()
    messages = own_messages(p)
    if messages:
        c("/* Ids of the messages. */")
        for m in messages:
            c(f"#define {upper(place_of(m).path)}_ID {m.id}u")
        c()
        later = [m for m in messages if m.since > 1]
        if later:
            c("/* The version that brought a message: to peers of an older version sending it gives")
            c(" * NP_ERR_NEWER. Compare with np_conn_version(conn). */")
            for m in later:
                c(f"#define {upper(place_of(m).path)}_SINCE {m.since}u")
            c()
        c("/* Greatest encoded size of each message in bytes, id included. */")
        for m in messages:
            c(f"#define {upper(place_of(m).path)}_MAX_LEN {message_max_len(p, m)}u")
        c()


# --------------------------------------------------------------------------------------------
# Types
# --------------------------------------------------------------------------------------------


def _types(p: Protocol, c: Code) -> None:
    c.section("Types")
    # Who takes a list for a plain array reads through NULL, and looks here first.
    c("/* Strings, bytes, lists and maps are views. To send a list or map, set items and count. In one")
    c(" * that came, items is NULL: its _at or _next reads it; see netproto/types.h. The entries of a")
    c(" * map are sent in the order of their keys: its _sort makes that of an array of them. */")
    c()
    for decl in own_types(p):
        if isinstance(decl, Enum):
            _enum_constants(c, decl)
    ordered = records(p)
    for record in ordered:
        c(f"typedef struct {record.name} {record.name};")
    c()
    for record in ordered:
        _define(p, c, record)
        c()
    for record in ordered:
        if isinstance(record, Items):
            _accessors(p, c, record)


def _enum_constants(c: Code, e: Enum) -> None:
    at = place_of(e)
    name = at.path if e.plain else f"{at.path}_tag"
    c.doc(e.doc if e.plain else (f"Which variant of {at.path} it is.",))
    with c.block(f"typedef enum {name} {{", f"}} {name};"):
        for i, v in enumerate(e.variants):
            if e.plain:
                c.doc(v.doc + note(v.deprecated))
            comma = "," if i + 1 < len(e.variants) else ""
            name = f"{upper(at.path)}_{upper(v.name)}"
            declare_marked(c, name, v.deprecated, f" = {v.index}{comma}")
    c()


def _define(p: Protocol, c: Code, record: Record) -> None:
    if isinstance(record, (Fields, UnionRecord)):
        c.doc(record.doc if isinstance(record, Fields) else record.enum.doc)
    with c.block(f"struct {record.name} {{", "};"):
        if isinstance(record, Fields):
            for m in record.members:
                _member(p, c, m)
            if not record.members:
                c("np_unit nothing; /* it has no fields */")
        elif isinstance(record, UnionRecord):
            c(f"{record.name}_tag tag;")
            with c.block("union {", "};"):
                for v, at in record.variants:
                    declare_marked(c, f"{at.path} {member(v.name)}", v.deprecated, ";")
        elif isinstance(record, Items):
            c(f"const {record.item_name} *items;")
            c("size_t count;")
            c("np_wire wire;")
        elif isinstance(record, Maybe):
            c("bool has;")
            _member(p, c, record.value)
        else:
            _member(p, c, record.items)


def _member(p: Protocol, c: Code, m: Member) -> None:
    since = (f"Since version {m.since}.",) if m.since > 1 else ()
    c.doc(m.doc + since + note(m.deprecated))
    declare_marked(c, declare(p, m.type, m.at, m.name), m.deprecated, ";")


def _accessors(p: Protocol, c: Code, record: Items) -> None:
    c("/* The next item, or false at the end. Start with `np_iter it = {0};` */")
    args = [f"const {record.name} *list", "np_iter *it", f"{record.item_name} *item"]
    c.call(f"NP_API bool {record.name}_next", args)
    c()
    declare_sort(c, record)


# --------------------------------------------------------------------------------------------
# Functions
# --------------------------------------------------------------------------------------------

CODEC_DOC = """
Every message and struct has these functions. `version` is the protocol version agreed on with the
peer; the forms without it mean the newest.

X_encoded_len  checks a value against the schema and tells its exact size in bytes.
X_encode       checks and writes it into buf; *len is set on success. NP_ERR_SPACE if cap is too
               small, NP_ERR_NEWER if a variant did not exist at that version, or the error of the
               refused field. Nothing is written unless all of it is.
X_decode       checks and reads; strings, bytes and lists point into data. Every member is written:
               the value of an option that is not there and the variants that were not chosen are
               zero, what an older peer does not send is its default. Errors are of class
               NP_CLASS_PROTO. *out is undefined after an error.
X_copy         copies a value with all it points to into an arena, where it lives on.

A message's payload begins with its u32 id, a struct's does not. fault may be NULL; where it is
given it tells field, offset and rule of what was refused.
""".strip()


def _functions(p: Protocol, c: Code) -> None:
    c.section("Codecs")
    rows = CODEC_DOC.split("\n")
    c("/* " + rows[0])
    for row in rows[1:-1]:
        c(f" * {row}".rstrip())
    c(f" * {rows[-1]} */")
    c()
    for decl in own_types(p):
        at = place_of(decl)
        _declare_codec(p, c, at.path)
        c(f"NP_API extern const np_type {at.path}_type;")
        c()
    for m in own_messages(p):
        c(f"/* {place_of(m).where}: {'request' if m.reply else 'message'} {m.id} */")
        _declare_codec(p, c, place_of(m).path)
        c()
    c("/* The whole schema, for the runtime, the tool and JSON. */")
    c(f"NP_API extern const np_protocol {p.name}_protocol;")
    c()


def codec_heads(name: str) -> dict[str, tuple[str, list[str]]]:
    """Name and parameters of the three functions of a codec."""
    return {
        "encoded_len": (
            f"np_err {name}_encoded_len_at",
            [f"const {name} *value", "uint32_t version", "size_t *len", "np_fault *fault"],
        ),
        "encode": (
            f"np_err {name}_encode_at",
            [
                f"const {name} *value",
                "uint32_t version",
                "uint8_t *buf",
                "size_t cap",
                "size_t *len",
                "np_fault *fault",
            ],
        ),
        "decode": (
            f"np_err {name}_decode_at",
            [
                f"{name} *out",
                "uint32_t version",
                "const uint8_t *data",
                "size_t len",
                "np_fault *fault",
            ],
        ),
    }


def _declare_codec(p: Protocol, c: Code, name: str) -> None:
    newest = f"{upper(p.name)}_VERSION"
    heads = codec_heads(name)
    for head, args in heads.values():
        c.call(f"NP_API NP_MUST_CHECK {head}", args)
    for head, args in heads.values():
        short = [a for a in args if a != "uint32_t version"]
        passed = [newest if a == "uint32_t version" else a.split("*")[-1].split()[-1] for a in args]
        function = head.split()[-1]
        c.call(f"static inline NP_MUST_CHECK np_err {function[:-3]}", short, "")
        with c.block("{"):
            c.call(f"return {function}", passed)
    c(f"NP_API extern const np_codec {name}_codec;")
    args = [f"{name} *out", f"const {name} *value", "np_arena *arena"]
    c.call(f"static inline NP_MUST_CHECK np_err {name}_copy", args, "")
    with c.block("{"):
        c(f"return np_codec_copy(&{name}_codec, out, value, {newest}, arena);")
