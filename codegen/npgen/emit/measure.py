"""X_measure: checks a value against its schema and adds up its encoded size."""

from __future__ import annotations

from ..model import Array, List, Map, Option, Ref, Scalar, Text, Type, Unit
from ..names import member, upper
from .code import Code, quote, rule_literal
from .common import (
    Context,
    got_of,
    key_order,
    key_where,
    lazy_target,
    loop_variable,
    not_finite,
    out_of_range,
    zero,
)
from .layout import Fields, Items, Maybe, Member, Record, UnionRecord, by_version, walk
from .shapes import SCALAR_C, Place, c_type, is_leaf, leaf_word, raw_width, rule_of, scalar_width


_WHOLE = "set items together with count"
"""What to do about a list whose count is not that of what it holds, such as one without items."""

_SOME = "count is 0, or 1 with items"
"""The same of an option that is a list."""


class Measure:
    """Writes the measure functions of a protocol."""

    def __init__(self, context: Context, c: Code) -> None:
        self._x = context
        self._p = context.p
        self._c = c
        self._fixed = 0  # bytes met since the last statement that needs m->len to be right
        self._loops = 0
        self._inside: str | None = None  # the named type being written

    # Functions -----------------------------------------------------------------------------

    def record(self, record: Record) -> None:
        c = self._c
        self._inside = record.owner
        args = ["np_meter *m", "const void *value"]
        locals_ = [f"const {record.name} *v = value", "np_err err"]
        with c.function(f"static np_err {record.name}_measure", args, locals_):
            self._body(record)
            c("return NP_OK;")

    def plain_enum(self, name: str, where: str, versioned: bool) -> None:
        c = self._c
        with c.function(f"static np_err {name}_measure", ["np_meter *m", "const void *value"]):
            c(f"uint32_t index = (uint32_t) * (const {name} *)value;")
            c(f"uint32_t since = {name}_since(index);")
            c()
            with c.block("if (np_unlikely(since == 0)) {"):
                self._fail("NP_ERR_VARIANT", where, None, "NP_GOT_UNSIGNED", "index")
            if versioned:
                with c.block("if (np_unlikely(since > m->version)) {"):
                    self._fail("NP_ERR_NEWER", where, None, "NP_GOT_UNSIGNED", "index")
            c("m->len += 4;")
            c("return NP_OK;")

    def whole(self, name: str, where: str, max_len: int) -> None:
        """The outermost value of a recursive type."""
        c = self._c
        args = ["np_meter *m", "const void *value"]
        with c.function(f"static np_err {name}_measure_whole", args):
            c("size_t begin = m->len;")
            c("uint32_t outer = m->depth;")
            c()
            c("m->depth = 0;")
            c(f"np_err err = {name}_measure(m, value);")
            c.bail()
            c("m->depth = outer;")
            c(f"return np_meter_whole(m, begin, {max_len}, {quote(where)}, {quote(f'max {max_len}')});")

    def deeper(self, name: str, where: str, depth: int) -> None:
        """A value of a recursive type one level further down."""
        c = self._c
        args = ["np_meter *m", "const void *value"]
        with c.function(f"static np_err {name}_measure_deeper", args):
            with c.block(f"if (np_unlikely(m->depth + 1 >= {depth})) {{"):
                self._fail("NP_ERR_DEPTH", where, None, "NP_GOT_NOTHING", "0")
            c("m->depth++;")
            c(f"np_err err = {name}_measure(m, value);")
            c("m->depth--;")
            c("return err;")

    # Bodies --------------------------------------------------------------------------------

    def _body(self, record: Record) -> None:
        c = self._c
        if isinstance(record, Fields):
            self._members(record.members)
        elif isinstance(record, UnionRecord):
            self._union(record)
        elif isinstance(record, Items):
            self._items(record)
        elif isinstance(record, Maybe):
            self._fixed += 1
            self._flush()
            with c.block("if (v->has) {"):
                self.value(record.value.type, record.value.at, "v->value")
                self._flush()
        else:
            self.value(record.items.type, record.items.at, "v->items")
            self._flush()

    def _members(self, members: tuple[Member, ...]) -> None:
        for since, group in by_version(members):
            if since == 1:
                self._group(group)
            else:
                with self._c.block(f"if (m->version >= {since}) {{"):
                    self._group(group)

    def _group(self, group: list[Member]) -> None:
        for m in group:
            self.value(m.type, m.at, f"v->{m.name}")
        self._flush()

    def _union(self, record: UnionRecord) -> None:
        c = self._c
        unsigned = "NP_GOT_UNSIGNED"
        at_of = {v.name: at for v, at in record.variants}
        with c.block("switch (v->tag) {"):
            for v in record.enum.variants:
                c(f"case {upper(record.name)}_{upper(v.name)}:")
                with c.indented():
                    if v.since > 1:
                        with c.block(f"if (np_unlikely(m->version < {v.since})) {{"):
                            self._fail("NP_ERR_NEWER", record.where, None, unsigned, str(v.index))
                    c("m->len += 4;")
                    if v.name in at_of:
                        c.check(f"{at_of[v.name].path}_measure", ["m", f"&v->{member(v.name)}"])
                    c("break;")
            c("default:")
            with c.indented():
                self._fail("NP_ERR_VARIANT", record.where, None, unsigned, "(uint64_t)v->tag")

    def _items(self, record: Items) -> None:
        c, t = self._c, record.type
        c("np_iter it = {0};")
        first = "{0}" if isinstance(t, Map) else zero(self._p, t.item)
        c(f"{record.item_name} item = {first};")
        if isinstance(t, Map):
            c(f"{record.item_name} last = {{0}};")
        c()
        with c.block(f"while ({walk(self._p, record)}) {{"):
            if isinstance(t, Map):
                order = key_order(self._p, t.key, "last.key", "item.key")
                where = key_where(self._p, t.key, record.at.key())
                with c.block(f"if (it.index > 1 && np_unlikely({order})) {{"):
                    self._fail("NP_ERR_ORDER", where, None, "NP_GOT_NOTHING", "0")
                c("last = item;")
                c.check(f"{record.item_name}_measure", ["m", "&item"])
            else:
                at = record.at.item() if isinstance(t, List) else record.at.some()
                self.value(t.item, at, "item.items" if isinstance(t.item, Array) else "item")
                self._flush()
        with c.block(f"if (np_unlikely({_incomplete('it', 'v->')})) {{"):
            self._fail("NP_ERR_ARG", record.where, _WHOLE, "NP_GOT_UNSIGNED", "v->count")

    # Values --------------------------------------------------------------------------------

    def value(self, t: Type, at: Place, expr: str) -> None:
        c, p = self._c, self._p
        width = raw_width(t)
        if width is not None:
            self._fixed += width
        elif isinstance(t, Scalar):
            self._scalar(t, at, expr)
        elif isinstance(t, Text):
            self._flush()
            self._text(t, at, expr)
        elif isinstance(t, Array):
            self._flush()
            i = loop_variable(self._loops)
            self._loops += 1
            with c.block(f"for (size_t {i} = 0; {i} < {t.count}; {i}++) {{"):
                inner = f"{expr}[{i}]" + (".items" if isinstance(t.item, Array) else "")
                self.value(t.item, at.item(), inner)
                self._flush()
            self._loops -= 1
        elif isinstance(t, Ref):
            self._flush()
            c.check(self._x.function(t, "measure", self._inside), ["m", f"&{expr}"])
        elif isinstance(t, Option) and is_leaf(t.item):
            self._fixed += 1
            self._flush()
            if raw_width(t.item) != 0:
                with c.block(f"if ({expr}.has) {{"):
                    self.value(t.item, at.some(), f"{expr}.value")
                    self._flush()
        elif isinstance(t, (List, Map)):
            self._flush()
            self._list(t, at, expr)
        elif isinstance(t, Option) and lazy_target(t) is not None:
            self._flush()
            with c.block(f"if (np_unlikely({expr}.count > 1)) {{"):
                self._fail("NP_ERR_ARG", at.where, _SOME, "NP_GOT_UNSIGNED", f"{expr}.count")
            c("m->len += 1;")
            c.check(f"{c_type(p, t, at)}_measure", ["m", f"&{expr}"])
        else:
            self._flush()
            c.check(f"{c_type(p, t, at)}_measure", ["m", f"&{expr}"])

    def _scalar(self, t: Scalar, at: Place, expr: str) -> None:
        c, where, rule = self._c, at.where, rule_of(t)
        got, value = got_of(t, expr)
        if t.kind == "char":
            self._flush()
            with c.block(f"if (np_unlikely(!np_char_valid({expr}))) {{"):
                self._fail("NP_ERR_CHAR", where, None, got, value)
        for error, condition in (
            ("NP_ERR_RANGE", out_of_range(t, expr)),
            ("NP_ERR_FINITE", not_finite(t, expr)),
        ):
            if condition is not None:
                self._flush()
                with c.block(f"if (np_unlikely({condition})) {{"):
                    self._fail(error, where, rule, got, value)
        if t.kind == "char":
            c(f"m->len += np_char_len({expr});")
        else:
            self._fixed += scalar_width(t)

    def _text(self, t: Text, at: Place, expr: str) -> None:
        bounds = [str(t.min), str(t.max)]
        tail = [quote(at.where), rule_literal(rule_of(t))]
        if t.kind == "string":
            nonul = "true" if t.nonul else "false"
            self._c.check("np_meter_str", ["m", expr, *bounds, nonul, *tail])
        else:
            self._c.check("np_meter_bytes", ["m", expr, *bounds, *tail])

    def _list(self, t: List | Map, at: Place, expr: str) -> None:
        c = self._c
        bounds = [str(t.min), str(t.max), quote(at.where), rule_literal(rule_of(t))]
        c.check("np_meter_length", ["m", f"{expr}.count", *bounds])
        c("m->len += 8;")
        if isinstance(t, Map) or not is_leaf(t.item):
            c.check(f"{c_type(self._p, t, at)}_measure", ["m", f"&{expr}"])
            return
        if isinstance(t.item, Unit):
            return
        if isinstance(t.item, Scalar) and t.item.kind != "char":
            self._fixed_list(t.item, at, expr)
        else:
            self._walked_list(t.item, at, expr)

    def _fixed_list(self, item: Scalar, at: Place, expr: str) -> None:
        """Items of one width: in wire form their bytes must be there; then each is checked."""
        c, width = self._c, scalar_width(item)
        with c.block(
            f"if ({expr}.items == NULL && np_unlikely({expr}.wire.len != {expr}.count * {width})) {{"
        ):
            self._fail("NP_ERR_ARG", at.where, _WHOLE, "NP_GOT_UNSIGNED", f"{expr}.count")
        if out_of_range(item, "x") is None and not item.finite:
            c(f"m->len += {expr}.count * {width};" if width > 1 else f"m->len += {expr}.count;")
            return
        i = loop_variable(self._loops)
        self._loops += 1
        with c.block(f"for (size_t {i} = 0; {i} < {expr}.count; {i}++) {{"):
            c(f"{SCALAR_C[item.kind]} each = np_list_{item.kind}_at(&{expr}, {i});")
            self._scalar(item, at.item(), "each")
            self._flush()
        self._loops -= 1

    def _walked_list(self, item: Type, at: Place, expr: str) -> None:
        c = self._c
        with c.block("{"):
            c("np_iter walk = {0};")
            c(f"{c_type(self._p, item, at.item())} each = {zero(self._p, item)};")
            c()
            with c.block(f"while (np_list_{leaf_word(item)}_next(&{expr}, &walk, &each)) {{"):
                self.value(item, at.item(), "each")
                self._flush()
            with c.block(f"if (np_unlikely({_incomplete('walk', f'{expr}.')})) {{"):
                self._fail("NP_ERR_ARG", at.where, _WHOLE, "NP_GOT_UNSIGNED", f"{expr}.count")

    # Pieces --------------------------------------------------------------------------------

    def _flush(self) -> None:
        if self._fixed:
            self._c(f"m->len += {self._fixed};")
            self._fixed = 0

    def _fail(self, error: str, where: str, rule: str | None, got: str, value: str) -> None:
        self._c.call(
            "return np_meter_fail", ["m", error, quote(where), rule_literal(rule), got, value]
        )


def _incomplete(it: str, v: str) -> str:
    """The condition that a walk has not met what the count says: too few items, or bytes of the
    wire behind the last one, which X_put would copy beyond what was measured."""
    return f"{it}.index != {v}count || ({v}items == NULL && {it}.offset != {v}wire.len)"
