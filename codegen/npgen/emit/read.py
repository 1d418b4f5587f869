"""X_read: checks and reads one value from contiguous bytes.

It says what is in every member of the struct: what no field stands for, such as an absent option's
value, is cleared. Of items that are only checked and not kept (``r->scratch``) nobody looks there.

Fields of fixed size that need no check are read in runs: one test for the presence of all of them
and of the prefix (a length, a tag) behind them, then plain loads. The order of the checks is still
the order of the wire, since nothing within a run can fail but for missing input.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..model import (
    Array,
    EnumValue,
    List,
    Map,
    Option,
    Ref,
    Scalar,
    Text,
    Tuple,
    Type,
    Unit,
)
from ..names import member, upper
from .code import Code, quote, rule_literal
from .common import (
    Context,
    default_value,
    default_variant,
    got_of,
    is_cleared,
    is_plain_enum,
    is_struct,
    key_order,
    key_where,
    lazy_target,
    loop_variable,
    not_finite,
    out_of_range,
    prefix_width,
    zero,
)
from .nesting import is_raw_bytes
from .layout import Fields, Items, Maybe, Member, Record, UnionRecord, by_version
from .shapes import SCALAR_C, Place, c_type, is_leaf, leaf_word, raw_width, rule_of, scalar_width


@dataclass(frozen=True)
class Step:
    """A value on its way into a run."""

    type: Type
    at: Place
    expr: str


class Read:
    """Writes the read functions of a protocol."""

    def __init__(self, context: Context, c: Code) -> None:
        self._x = context
        self._p = context.p
        self._c = c
        self._loops = 0
        self._inside: str | None = None
        self._run: list[Step] = []

    # Functions -----------------------------------------------------------------------------

    def record(self, record: Record) -> None:
        c = self._c
        self._inside = record.owner
        args = ["np_reader *r", "void *value"]
        locals_ = [f"{record.name} *v = value", "np_err err"]
        with c.function(f"static np_err {record.name}_read", args, locals_):
            self._body(record)
            c("return NP_OK;")

    def plain_enum(self, name: str, where: str) -> None:
        c = self._c
        with c.function(f"static np_err {name}_read", ["np_reader *r", "void *value"]):
            self._present(4, where)
            c("uint32_t index = np_get_u32(r->p);")
            c(f"uint32_t since = {name}_since(index);")
            with c.block("if (np_unlikely(since == 0 || since > r->version)) {"):
                self._fail("NP_ERR_VARIANT", where, None, "NP_GOT_UNSIGNED", "index")
            c(f"*({name} *)value = ({name})index;")
            c("r->p += 4;")
            c("return NP_OK;")

    def whole(self, name: str, where: str, max_len: int) -> None:
        """The outermost value of a recursive type."""
        c = self._c
        with c.function(f"static np_err {name}_read_whole", ["np_reader *r", "void *value"]):
            c("const uint8_t *begin = r->p;")
            c("uint32_t outer = r->depth;")
            c()
            c("r->depth = 0;")
            c(f"np_err err = {name}_read(r, value);")
            c.bail()
            c("r->depth = outer;")
            c(f"return np_read_whole(r, begin, {max_len}, {quote(where)}, {quote(f'max {max_len}')});")

    def item_function(self, record: Items) -> str:
        """The function that reads one item of a list (or entry of a map)."""
        t = record.type
        if isinstance(t, Map):
            return f"{record.item_name}_read"
        if isinstance(t.item, Ref):
            return self._x.function(t.item, "read", record.owner)
        if record.item_name.startswith("np_"):
            return f"{record.name}_item_read"
        if isinstance(t.item, (List, Map, Option)):
            return f"{record.name}_read_item"
        return f"{record.item_name}_read"

    def item(self, record: Items) -> None:
        """The reader of an item that has none of its own: the runtime's types have not, and those of
        lists, maps and options begin behind the count or tag."""
        t, c = record.type, self._c
        prefixed = isinstance(t, List) and isinstance(t.item, (List, Map, Option))
        if isinstance(t, Map) or not (prefixed or record.item_name.startswith("np_")):
            return
        name = self.item_function(record)
        args = ["np_reader *r", "void *value"]
        locals_ = [f"{record.item_name} *item = value", "np_err err"]
        with c.function(f"static np_err {name}", args, locals_):
            self.value(t.item, record.at.item(), "(*item)")
            self._flush()
            c("return NP_OK;")

    def deeper(self, name: str, where: str, depth: int) -> None:
        """A value of a recursive type one level further down."""
        c = self._c
        with c.function(f"static np_err {name}_read_deeper", ["np_reader *r", "void *value"]):
            with c.block(f"if (np_unlikely(r->depth + 1 >= {depth})) {{"):
                self._fail("NP_ERR_DEPTH", where, None, "NP_GOT_NOTHING", "0")
            c("r->depth++;")
            c(f"np_err err = {name}_read(r, value);")
            c("r->depth--;")
            c("return err;")

    # Bodies --------------------------------------------------------------------------------

    def _body(self, record: Record) -> None:
        c = self._c
        if isinstance(record, Fields):
            self._fields(record)
        elif isinstance(record, UnionRecord):
            self._union(record)
        elif isinstance(record, Items):
            self._items(record)
        elif isinstance(record, Maybe):
            # Fields may share it, so its tag is read by those who know which field it is.
            with c.block("if (v->has) {", "} else {"):
                self.value(record.value.type, record.value.at, "v->value")
                self._flush()
            with c.indented():
                c("np_read_clear(r, &v->value, sizeof v->value);")
            c("}")
        else:
            self.value(record.items.type, record.items.at, "v->items")
            self._flush()

    def _fields(self, record: Fields) -> None:
        if not record.members:
            self._c("v->nothing = (np_unit){0};")
        for since, group in by_version(record.members):
            if since == 1:
                self._group(group)
                continue
            with self._c.block(f"if (r->version >= {since}) {{", "} else {"):
                self._group(group)
            with self._c.indented():
                for m in group:
                    self._default(m)
            self._c("}")

    def _group(self, group: list[Member]) -> None:
        for m in group:
            self.value(m.type, m.at, f"v->{m.name}")
        self._flush()

    def _default(self, m: Member) -> None:
        name = f"v->{m.name}"
        if isinstance(m.type, (Array, Option, Tuple, Unit)) or is_struct(self._p, m.type):
            # An assignment may leave what is between members, or in the rest of a union.
            address = name if isinstance(m.type, Array) else f"&{name}"
            self._c(f"memset({address}, 0, sizeof {name});")
            if isinstance(m.default, EnumValue):
                assert isinstance(m.type, Ref)
                self._c(f"{name}.tag = {default_variant(self._p, m.type, m.default)};")
            return
        value = default_value(self._p, m.type, m.default, c_type(self._p, m.type, m.at))
        self._c(f"v->{m.name} = {value};")

    def _union(self, record: UnionRecord) -> None:
        c = self._c
        at_of = {v.name: at for v, at in record.variants}
        self._present(4, record.where)
        c("const uint8_t *tag = r->p;")
        c("uint32_t index = np_get_u32(tag); /* C's enum may be shorter */")
        c("r->p += 4;")
        c("np_read_clear(r, v, sizeof *v);")
        with c.block("switch (index) {"):
            for v in record.enum.variants:
                c(f"case {upper(record.name)}_{upper(v.name)}:")
                with c.indented():
                    if v.since > 1:
                        with c.block(f"if (np_unlikely(r->version < {v.since})) {{"):
                            self._fail_tag(record.where)
                    c(f"v->tag = {upper(record.name)}_{upper(v.name)};")
                    if v.name in at_of:
                        c(f"return {at_of[v.name].path}_read(r, &v->{member(v.name)});")
                    else:
                        c("break;")
            c("default:")
            with c.indented():
                self._fail_tag(record.where)

    def _fail_tag(self, where: str) -> None:
        self._c.call(
            "return np_read_fail",
            ["r", "NP_ERR_VARIANT", quote(where), "NULL", "tag", "NP_GOT_UNSIGNED", "index"],
        )

    def _items(self, record: Items) -> None:
        """The items behind a count that the field's reader has taken."""
        c, t = self._c, record.type
        c("const uint8_t *from = r->p;")
        first = "{0}" if isinstance(t, Map) else zero(self._p, t.item)
        c(f"{record.item_name} item = {first};")
        if isinstance(t, Map):
            c(f"{record.item_name} last = {{0}};")
        scratch = is_cleared(self._p, t.value if isinstance(t, Map) else t.item)
        if scratch:
            c("bool outer = r->scratch;")
        c()
        if scratch:
            c("r->scratch = true;")
        with c.block("for (size_t n = 0; n < v->count; n++) {"):
            if isinstance(t, Map):
                self._entry(record, t)
            else:
                c.check(self.item_function(record), ["r", "&item"])
        if scratch:
            c("r->scratch = outer;")
        c("v->items = NULL;")
        c("v->wire = np_read_wire(r, from);")

    def _entry(self, record: Items, t: Map) -> None:
        c = self._c
        c("const uint8_t *key = r->p;")
        self.value(t.key, record.at.key(), "item.key")
        self._flush()
        where = key_where(self._p, t.key, record.at.key())
        with c.block(f"if (n > 0 && np_unlikely({key_order(self._p, t.key, 'last.key', 'item.key')})) {{"):
            c.call(
                "return np_read_fail",
                ["r", "NP_ERR_ORDER", quote(where), "NULL", "key", "NP_GOT_NOTHING", "0"],
            )
        self.value(t.value, record.at.value(), "item.value")
        self._flush()
        c("last = item;")

    # Values --------------------------------------------------------------------------------

    def value(self, t: Type, at: Place, expr: str) -> None:
        """Adds a value to the run, and ends the run behind it if it needs a check."""
        if isinstance(t, Unit):
            self._c(f"{expr}.nothing = 0;")
            return
        if raw_width(t) is not None:
            self._run.append(Step(t, at, expr))
            return
        self._flush(Step(t, at, expr))

    def _flush(self, last: Step | None = None) -> None:
        """Reads the run. `last` is the value behind it, which needs a check."""
        run, self._run = self._run, []
        prefix = prefix_width(last.type) if last is not None else None
        if last is not None and is_plain_enum(self._p, last.type):
            prefix = None
        ends: list[tuple[int, str]] = []
        total = 0
        for step in run:
            total += raw_width(step.type) or 0
            ends.append((total, _missing(step.type, step.at).where))
        loads_end = total
        if last is not None and prefix is not None:
            total += prefix
            ends.append((total, last.at.where))
        if total > 0:
            self._presence(total, ends)
        offset = 0
        for step in run:
            self._load(step, offset)
            offset += raw_width(step.type) or 0
        if loads_end > 0:
            self._c(f"r->p += {loads_end};")
        if last is not None:
            self._checked(last)

    def _presence(self, total: int, ends: list[tuple[int, str]]) -> None:
        c = self._c
        if len(ends) == 1:
            self._present(total, ends[0][1])
            return
        with c.block(f"if (np_unlikely(np_left(r) < {total})) {{"):
            with c.block("static const np_run run[] = {", "};"):
                for end, where in ends:
                    c(f"{{{end}, {quote(where)}}},")
            c("return np_read_cut(r, run);")

    def _present(self, width: int, where: str) -> None:
        c = self._c
        with c.block(f"if (np_unlikely(np_left(r) < {width})) {{"):
            c(f"return np_read_short(r, {quote(where)});")

    def _load(self, step: Step, offset: int) -> None:
        t, c = step.type, self._c
        at = f"r->p + {offset}" if offset else "r->p"
        if isinstance(t, Scalar):
            c(load(t, step.expr, at))
            return
        assert isinstance(t, Array)
        if isinstance(t.item, Scalar) and t.item.kind in ("u8", "i8"):
            c(f"memcpy({step.expr}, {at}, {t.count});")
            return
        width = raw_width(t.item) or 0
        if width == 0:
            c(f"memset({step.expr}, 0, sizeof {step.expr});")
            return
        i = loop_variable(self._loops)
        self._loops += 1
        with c.block(f"for (size_t {i} = 0; {i} < {t.count}; {i}++) {{"):
            inner = f"{step.expr}[{i}]" + (".items" if isinstance(t.item, Array) else "")
            base = f"{at} + {width} * {i}" if width > 1 else f"{at} + {i}"
            self._load_item(t.item, inner, base)
        self._loops -= 1

    def _load_item(self, t: Type, expr: str, base: str) -> None:
        if isinstance(t, Scalar):
            self._c(load(t, expr, base))
            return
        assert isinstance(t, Array)
        width = raw_width(t.item) or 0
        i = loop_variable(self._loops)
        self._loops += 1
        with self._c.block(f"for (size_t {i} = 0; {i} < {t.count}; {i}++) {{"):
            inner = f"{expr}[{i}]" + (".items" if isinstance(t.item, Array) else "")
            self._load_item(t.item, inner, f"{base} + {width} * {i}")
        self._loops -= 1

    def _checked(self, step: Step) -> None:
        """A value that needs a check and whose prefix, if it has one, is there."""
        c, p, t, at, expr = self._c, self._p, step.type, step.at, step.expr
        if isinstance(t, Scalar):
            self._scalar(t, at, expr)
        elif isinstance(t, Text):
            self._text(t, at, expr)
        elif isinstance(t, Array):
            i = loop_variable(self._loops)
            self._loops += 1
            with c.block(f"for (size_t {i} = 0; {i} < {t.count}; {i}++) {{"):
                inner = f"{expr}[{i}]" + (".items" if isinstance(t.item, Array) else "")
                self.value(t.item, at.item(), inner)
                self._flush()
            self._loops -= 1
        elif isinstance(t, Ref):
            c.check(self._x.function(t, "read", self._inside), ["r", f"&{expr}"])
        elif isinstance(t, Option):
            self._option(t, at, expr)
        elif isinstance(t, (List, Map)):
            self._list(t, at, expr)
        else:
            c.check(f"{c_type(p, t, at)}_read", ["r", f"&{expr}"])

    def _scalar(self, t: Scalar, at: Place, expr: str) -> None:
        c, where, rule = self._c, at.where, rule_of(t)
        if t.kind == "bool":
            c.check("np_read_bool", ["r", f"&{expr}", quote(where)])
            return
        if t.kind == "char":
            limited = out_of_range(t, expr)
            if limited is None:
                c.check("np_read_char", ["r", f"&{expr}", quote(where)])
                return
            with c.block("{"):
                c("const uint8_t *begin = r->p;")
                c.check("np_read_char", ["r", f"&{expr}", quote(where)])
                with c.block(f"if (np_unlikely({limited})) {{"):
                    args = ["r", "NP_ERR_RANGE", quote(where), rule_literal(rule), "begin"]
                    c.call("return np_read_fail", [*args, "NP_GOT_UNSIGNED", expr])
            return
        c(load(t, expr, "r->p"))
        got, value = got_of(t, expr)
        for error, condition in (
            ("NP_ERR_RANGE", out_of_range(t, expr)),
            ("NP_ERR_FINITE", not_finite(t, expr)),
        ):
            if condition is not None:
                with c.block(f"if (np_unlikely({condition})) {{"):
                    self._fail(error, where, rule, got, value)
        c(f"r->p += {scalar_width(t)};")

    def _text(self, t: Text, at: Place, expr: str) -> None:
        bounds = [str(t.min), str(t.max)]
        tail = [quote(at.where), rule_literal(rule_of(t))]
        if t.kind == "string":
            nonul = "true" if t.nonul else "false"
            self._c.check("np_read_str", ["r", f"&{expr}", *bounds, nonul, *tail])
        else:
            self._c.check("np_read_bytes", ["r", f"&{expr}", *bounds, *tail])

    def _option(self, t: Option, at: Place, expr: str) -> None:
        c, p = self._c, self._p
        name = c_type(p, t, at)
        if lazy_target(t) is not None:
            with c.block("{"):
                c("bool has = false;")
                c()
                c.check("np_read_option", ["r", "&has", quote(at.where)])
                c(f"{expr}.count = has ? 1 : 0;")
                c.check(f"{name}_read", ["r", f"&{expr}"])
        elif is_leaf(t.item):
            c.check("np_read_option", ["r", f"&{expr}.has", quote(at.where)])
            if isinstance(t.item, Unit):
                c(f"{expr}.value.nothing = 0;")
                return
            with c.block(f"if ({expr}.has) {{", "} else {"):
                self.value(t.item, at.some(), f"{expr}.value")
                self._flush()
            with c.indented():
                c(f"{expr}.value = {_nothing(t.item)};")
            c("}")
        else:
            c.check("np_read_option", ["r", f"&{expr}.has", quote(at.where)])
            c.check(f"{name}_read", ["r", f"&{expr}"])

    def _list(self, t: List | Map, at: Place, expr: str) -> None:
        c = self._c
        bounds = [str(t.min), str(t.max), quote(at.where), rule_literal(rule_of(t))]
        c.check("np_read_length", ["r", f"&{expr}.count", *bounds])
        if isinstance(t, Map) or not is_leaf(t.item):
            c.check(f"{c_type(self._p, t, at)}_read", ["r", f"&{expr}"])
            return
        c(f"{expr}.items = NULL;")
        width = raw_width(t.item)
        if width is not None:
            if width > 0:
                size = f"{expr}.count * {width}" if width > 1 else f"{expr}.count"
                with c.block(f"if (np_unlikely(np_left(r) < {size})) {{"):
                    c(f"return np_read_short(r, {quote(at.item().where)});")
                c(f"{expr}.wire = (np_wire){{r->p, (uint32_t)({size}), r->version}};")
                c(f"r->p += {expr}.wire.len;")
            else:
                c(f"{expr}.wire = (np_wire){{r->p, 0, r->version}};")
            return
        with c.block("{"):
            c("const uint8_t *first = r->p;")
            c(f"{_item_type(t.item)} each = {zero(self._p, t.item)};")
            c()
            i = loop_variable(self._loops)
            self._loops += 1
            with c.block(f"for (size_t {i} = 0; {i} < {expr}.count; {i}++) {{"):
                self.value(t.item, at.item(), "each")
                self._flush()
            self._loops -= 1
            c(f"{expr}.wire = np_read_wire(r, first);")

    def _fail(self, error: str, where: str, rule: str | None, got: str, value: str) -> None:
        args = ["r", error, quote(where), rule_literal(rule), "r->p", got, value]
        self._c.call("return np_read_fail", args)


def _missing(t: Type, at: Place) -> Place:
    """What is missing where a value that needs no check is cut: an item, if it is an array."""
    while isinstance(t, Array) and not is_raw_bytes(t):
        t, at = t.item, at.item()
    return at


def load(t: Scalar, expr: str, at: str) -> str:
    """The statement that reads a scalar. Floats are moved as their bits: the x87's registers would
    make a signalling NaN quiet."""
    if t.kind in ("f32", "f64"):
        return f"np_load_{t.kind}(&{expr}, {at});"
    return f"{expr} = np_get_{t.kind}({at});"


def _nothing(t: Type) -> str:
    """What an absent option of a plain value holds."""
    if isinstance(t, Scalar) and t.kind not in ("u128", "i128"):
        return "false" if t.kind == "bool" else "0"
    return f"({_item_type(t)}){{0}}"


def _item_type(t: Type) -> str:
    if isinstance(t, Scalar):
        return SCALAR_C[t.kind]
    return f"np_{leaf_word(t)}"
