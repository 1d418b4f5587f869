"""X_put: writes a value that X_measure has been over; nothing here can fail."""

from __future__ import annotations

from ..model import Array, List, Map, Option, Ref, Scalar, Text, Type, Unit
from ..names import member, upper
from .code import Code
from .common import Context, is_plain_enum, lazy_target, loop_variable, zero
from .layout import Fields, Items, Maybe, Member, Record, UnionRecord, by_version, walk
from .shapes import Place, c_type, is_leaf, is_versioned, leaf_word, scalar_width


class Put:
    """Writes the put functions of a protocol."""

    def __init__(self, context: Context, c: Code) -> None:
        self._x = context
        self._p = context.p
        self._c = c
        self._loops = 0

    # Functions -----------------------------------------------------------------------------

    def record(self, record: Record) -> None:
        c = self._c
        args = ["uint8_t *p", "const void *value", "uint32_t version"]
        locals_ = [f"const {record.name} *v = value"]
        with c.function(f"static uint8_t *{record.name}_put", args, locals_):
            self._body(record)
            c("return p;")

    def plain_enum(self, name: str) -> None:
        c = self._c
        args = ["uint8_t *p", "const void *value", "uint32_t version"]
        with c.function(f"static uint8_t *{name}_put", args):
            c(f"return np_put_u32(p, (uint32_t) * (const {name} *)value);")

    # Bodies --------------------------------------------------------------------------------

    def _body(self, record: Record) -> None:
        c = self._c
        if isinstance(record, Fields):
            for since, group in by_version(record.members):
                if since == 1:
                    self._group(group)
                else:
                    with c.block(f"if (version >= {since}) {{"):
                        self._group(group)
        elif isinstance(record, UnionRecord):
            self._union(record)
        elif isinstance(record, Items):
            self._items(record)
        elif isinstance(record, Maybe):
            c("p = np_put_bool(p, v->has);")
            with c.block("if (v->has) {"):
                self.value(record.value.type, record.value.at, "v->value")
        else:
            self.value(record.items.type, record.items.at, "v->items")

    def _group(self, group: list[Member]) -> None:
        for m in group:
            self.value(m.type, m.at, f"v->{m.name}")

    def _union(self, record: UnionRecord) -> None:
        c = self._c
        c("p = np_put_u32(p, (uint32_t)v->tag);")
        with c.block("switch (v->tag) {"):
            for v, at in record.variants:
                c(f"case {upper(record.name)}_{upper(v.name)}:")
                with c.indented():
                    c(f"p = {at.path}_put(p, &v->{member(v.name)}, version);")
                    c("break;")
            c("default:")
            with c.indented():
                c("break;")

    def _items(self, record: Items) -> None:
        c, t = self._c, record.type
        item = t.value if isinstance(t, Map) else t.item
        same = " && v->wire.version == version" if is_versioned(self._p, item) else ""
        with c.block(f"if (v->items == NULL{same}) {{"):
            c("return np_put_raw(p, v->wire.data, v->wire.len);")
        c()
        c("np_iter it = {0};")
        first = "{0}" if isinstance(t, Map) else zero(self._p, t.item)
        c(f"{record.item_name} item = {first};")
        with c.block(f"while ({walk(self._p, record)}) {{"):
            if isinstance(t, Map):
                c(f"p = {record.item_name}_put(p, &item, version);")
            else:
                expr = "item.items" if isinstance(t.item, Array) else "item"
                self.value(t.item, record.at.item(), expr)

    # Values --------------------------------------------------------------------------------

    def value(self, t: Type, at: Place, expr: str) -> None:
        c, p = self._c, self._p
        if isinstance(t, Scalar) and t.kind in ("f32", "f64"):
            c(f"p = np_store_{t.kind}(p, &{expr});")
        elif isinstance(t, (Scalar, Text)):
            c(f"p = np_put_{leaf_word(t)}(p, {expr});")
        elif isinstance(t, Unit):
            pass
        elif isinstance(t, Array):
            self._array(t, at, expr)
        elif is_plain_enum(p, t):
            c(f"p = np_put_u32(p, (uint32_t){expr});")
        elif isinstance(t, Ref):
            c(f"p = {self._x.function(t, 'put', None)}(p, &{expr}, version);")
        elif isinstance(t, Option) and is_leaf(t.item):
            c(f"p = np_put_bool(p, {expr}.has);")
            if not isinstance(t.item, Unit):
                with c.block(f"if ({expr}.has) {{"):
                    self.value(t.item, at.some(), f"{expr}.value")
        elif isinstance(t, List) and is_leaf(t.item):
            self._leaf_list(t, at, expr)
        else:
            if isinstance(t, (List, Map)):
                c(f"p = np_put_u64(p, {expr}.count);")
            elif isinstance(t, Option) and lazy_target(t) is not None:
                c(f"p = np_put_bool(p, {expr}.count > 0);")
            c(f"p = {c_type(p, t, at)}_put(p, &{expr}, version);")

    def _array(self, t: Array, at: Place, expr: str) -> None:
        if isinstance(t.item, Unit):
            return
        if isinstance(t.item, Scalar) and t.item.kind in ("u8", "i8"):
            self._c(f"p = np_put_raw(p, {expr}, {t.count});")
            return
        i = loop_variable(self._loops)
        self._loops += 1
        with self._c.block(f"for (size_t {i} = 0; {i} < {t.count}; {i}++) {{"):
            inner = f"{expr}[{i}].items" if isinstance(t.item, Array) else f"{expr}[{i}]"
            self.value(t.item, at.item(), inner)
        self._loops -= 1

    def _leaf_list(self, t: List, at: Place, expr: str) -> None:
        c = self._c
        c(f"p = np_put_u64(p, {expr}.count);")
        if isinstance(t.item, Unit):
            return
        if isinstance(t.item, Scalar) and t.item.kind in ("u8", "i8"):
            source = f"{expr}.items != NULL ? (const void *){expr}.items : {expr}.wire.data"
            c.call("p = np_put_raw", ["p", source, f"{expr}.count * {scalar_width(t.item)}"])
            return
        with c.block(f"if ({expr}.items == NULL) {{"):
            c(f"p = np_put_raw(p, {expr}.wire.data, {expr}.wire.len);")
        i = loop_variable(self._loops)
        self._loops += 1
        with c.block(f"for (size_t {i} = 0; {expr}.items != NULL && {i} < {expr}.count; {i}++) {{"):
            self.value(t.item, at.item(), f"{expr}.items[{i}]")
        self._loops -= 1
