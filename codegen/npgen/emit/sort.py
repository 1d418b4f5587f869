"""X_sort of each map: puts entries that a program gathered into the order that encoding wants."""

from __future__ import annotations

from ..model import Map, Protocol
from .code import Code
from .common import key_order
from .layout import Items


def _head(record: Items) -> str:
    return f"void {record.name}_sort"


def _args(record: Items) -> list[str]:
    return [f"{record.item_name} *entries", "size_t count"]


def declare_sort(c: Code, record: Items) -> None:
    """In the header, for maps."""
    if not isinstance(record.type, Map):
        return
    c("/* Puts entries into the order in which a map is sent, keys ascending; where they lie, without")
    c(" * memory of its own. Entries of the same key come to stand side by side: a map has one. */")
    c.call(f"NP_API {_head(record)}", _args(record))
    c()


def define_sort(p: Protocol, c: Code, record: Items) -> None:
    """Beside the codec, for maps."""
    if not isinstance(record.type, Map):
        return
    ascends = f"{record.name}_ascends"
    with c.function(f"static bool {ascends}", ["const void *a", "const void *b"]):
        c(f"const {record.item_name} *left = a;")
        c(f"const {record.item_name} *right = b;")
        c()
        c(f"return !({key_order(p, record.type.key, 'left->key', 'right->key')});")
    with c.function(_head(record), _args(record)):
        c.call("np_sort", ["entries", "count", "sizeof *entries", ascends])
