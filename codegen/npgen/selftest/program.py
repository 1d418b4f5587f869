"""NAME_test.c: a program that tries a protocol's generated code with examples of every message."""

from __future__ import annotations

import zlib
from typing import Iterator, Optional

from ..emit.banner import banner
from ..emit.code import Code, quote, rule_literal
from ..emit.deprecation import silence
from ..emit.packets import own_packets
from ..emit.shapes import Place, own_messages, own_types, place_of, refs_in
from ..model import Array, Field, Message, Protocol, Ref, Struct, Type
from ..names import member, snake, upper
from .cases import Case, Cases, newer
from .conversation import write_conversation
from .layout import lines_of
from .literal import NO_MEMBERS, Literals
from .members import Members
from .packets import write_packet
from .values import Choice, Items, Maybe, Parts, Record, Value
from .wire import encode

ABOUT = """
For every message: values that the schema allows, each with the length and the CRC-32 of the bytes
that it must become, and values just beyond a bound, each with the error that refuses it. What is
done with them is told in <netproto/selftest.h>.
""".strip()

MOST_SHOWN = 1024
"""A typical value of more bytes is not written out byte by byte."""


def emit_test(p: Protocol) -> str:
    """The text of NAME_test.c."""
    c = Code()
    silence(p, c)
    c("#include <math.h>")
    c()
    c("#include <netproto/selftest.h>")
    c()
    c(f'#include "{p.name}.h"')
    c()
    c.comment(ABOUT)
    c()
    writer = _Writer(p, c)
    tests = [*writer.messages(), *writer.structs()]
    for packet in own_packets(p):
        tests.append(write_packet(c, packet))
    for conversation in p.conversations:
        tests.append(write_conversation(p, c, conversation))
    # Two underscores as in all names here: 'test_all' is a type's in a protocol that is called 'test'.
    with c.function("static void all__tests", ["np_selftest *t"]):
        for test in tests:
            c(f"{test}(t);")
        if not tests:
            c("(void)t; /* there is nothing in the schema to try */")
    with c.function("int main", ["int argc", "char **argv"]):
        c(f"return np_selftest_main(argc, argv, &{p.name}_protocol, all__tests);")
    about = f"{p.name}_test.c - tries the generated code of the {p.name} protocol."
    return banner(p, about, command="tests") + c.text()


class _Writer:
    def __init__(self, p: Protocol, c: Code) -> None:
        self._p = p
        self._c = c
        self._cases = Cases(p)
        self._literals = Literals(p)
        self._tables = Members(p, c)
        self._codecs: set[str] = set()  # whose table stands already

    # -- what there is --------------------------------------------------------------------------

    def messages(self) -> Iterator[str]:
        for m in own_messages(self._p):
            at = place_of(m)
            record = self._cases.typical(m)
            versions = range(m.since, self._p.version + 1)
            begin = ("message", f"{upper(at.path)}_ID")
            yield self._test(f"test__{snake(m.name)}", at, record, versions, begin, m.id)
            if m.reply is not None:
                yield self._reply(m, m.reply, versions)

    def _reply(self, m: Message, name: str, versions: range) -> str:
        decl = self._p.types[name]
        assert isinstance(decl, Struct)
        at = place_of(decl)
        record = self._cases.typical_struct(decl)
        begin = ("reply", f"{upper(place_of(m).path)}_ID")
        return self._test(f"test__{snake(m.name)}__reply", at, record, versions, begin, m.id)

    def structs(self) -> Iterator[str]:
        """What no message holds is there for those who import the schema."""
        reached = self._reached()
        for decl in own_types(self._p):
            if isinstance(decl, Struct) and decl.name not in reached:
                at = place_of(decl)
                record = self._cases.typical_struct(decl)
                versions = range(1, self._p.version + 1)
                begin = ("struct",)
                test = f"test__{snake(decl.name)}__struct"
                yield self._test(test, at, record, versions, begin, None)

    def _reached(self) -> set[str]:
        reached: set[str] = set()
        waiting: list[str] = []
        for m in own_messages(self._p):
            waiting += [name for f in m.fields for name in refs_in(f.type)]
            waiting += [m.reply] if m.reply is not None else []
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                decl = self._p.types[name]
                groups = [decl.fields] if isinstance(decl, Struct) else [v.fields for v in decl.variants]
                waiting += [n for fields in groups for f in fields for n in refs_in(f.type)]
        return reached

    # -- a test ---------------------------------------------------------------------------------

    def _test(
        self, test: str, at: Place, record: Record, versions: range, begin: tuple[str, ...],
        message_id: Optional[int],
    ) -> str:  # fmt: skip
        c = self._c
        c.section(at.where if not test.endswith("__reply") else f"{at.where}, a reply")
        if at.path not in self._codecs:
            self._codecs.add(at.path)
            self._tables.of_fields(at.path, record.fields, at)
            c(f"NP_SELFTEST_CODEC({at.path})")
            c()
        id_bytes = message_id.to_bytes(4, "little") if message_id is not None else b""
        cases = self._cases.of(record, at)
        least_version = max(newer(record, versions), default=0) + 1
        with c.function(f"static void {test}", ["np_selftest *t"]):
            typical = ", ".join(self._literals.members(record, at)) or NO_MEMBERS
            self._statement(f"const {at.path} typical = {{{typical}}};")
            c(f"{at.path} v = typical;")
            c()
            kind, *ids = begin
            c.call(f"np_selftest_{kind}", ["t", f"&{at.path}__selftest", *ids])
            self._bytes(record, versions, id_bytes, at)
            for case in cases:
                self._case(case, record, at, versions, id_bytes, least_version)
        return test

    def _statement(self, text: str) -> None:
        self._c.lines(lines_of(text, 1))

    def _bytes(self, record: Record, versions: range, id_bytes: bytes, at: Place) -> None:
        """What the typical value becomes, written out, at every version at which it differs."""
        lacking = newer(record, versions)
        last: Optional[bytes] = None
        for version in versions:
            if version in lacking:
                continue
            data = id_bytes + encode(record, version)
            if data == last or len(data) > MOST_SHOWN:
                continue
            last = data
            if not data:  # C has no array without items
                self._c(f'np_selftest_wire(t, {version}, &v, (const uint8_t *)"", 0);')
                continue
            with self._c.block("{"):
                with self._c.block("static const uint8_t bytes[] = {", "};"):
                    self._rows(record, version, id_bytes)
                self._c(f"np_selftest_wire(t, {version}, &v, bytes, sizeof bytes);")

    def _rows(self, record: Record, version: int, id_bytes: bytes) -> None:
        pieces = [("id", id_bytes)] if id_bytes else []
        for f, value in zip(record.fields, record.values):
            if f.since <= version:
                pieces.append((f.name, encode(value, version)))
        for name, data in pieces:
            for start in range(0, len(data), 12):
                row = ", ".join(f"0x{byte:02X}" for byte in data[start : start + 12])
                self._c(f"{row}, /* {name} */" if start == 0 else f"{row},")
        if not any(data for _, data in pieces):
            self._c("0,")

    def _case(
        self, case: Case, record: Record, at: Place, versions: range, id_bytes: bytes, least: int
    ) -> None:
        c = self._c
        self._assign(case, record, at)
        first = max(case.since, least, versions.start)
        if case.refusal is not None:
            refusal = case.refusal
            args = ["t", quote(case.name), "&v", str(first), refusal.error, quote(refusal.where)]
            c.call("np_selftest_bad", [*args, rule_literal(refusal.rule)])
            return
        lacking = newer(case.value, versions)
        first = max(lacking, default=0) + 1 if lacking else versions.start
        data = id_bytes + encode(case.value, versions[-1])
        numbers = [str(first), str(len(data)), f"0x{zlib.crc32(data):08X}"]
        c.call("np_selftest_good", ["t", quote(case.name), "&v", *numbers])
        for version, where in lacking.items():
            c.call("np_selftest_newer", ["t", quote(case.name), "&v", str(version), quote(where)])

    def _assign(self, case: Case, record: Record, at: Place) -> None:
        """Sets v to the case's value: to the typical one but for what differs."""
        value = case.value
        assert isinstance(value, Record)
        if value == record:
            return
        self._c()
        differing = [i for i, x in enumerate(value.values) if x != record.values[i]]
        if len(differing) > 1:
            text = ", ".join(self._literals.members(value, at)) or NO_MEMBERS
            self._statement(f"v = ({at.path}){{{text}}};")
            return
        self._c("v = typical;")
        for i in differing:
            f = value.fields[i]
            self._change(f"v.{member(f.name)}", value.values[i], record.values[i], f.type, at.field(f))

    def _change(self, name: str, new: Value, old: Value, t: Type, at: Place) -> None:
        """Assigns what differs between two values of a type, as deep inside as C can reach."""
        parts = self._inside(name, new, old, t, at)
        if parts is None:
            self._statement(f"{name} = {self._literals.expression(new, t, at)};")
            return
        for part in parts:
            if part[1] != part[2]:
                self._change(*part)

    def _inside(
        self, name: str, new: Value, old: Value, t: Type, at: Place
    ) -> Optional[list[tuple[str, Value, Value, Type, Place]]]:
        """The parts of two values that are held by value in C, in pairs; None if there are none."""
        if isinstance(new, Parts) and isinstance(old, Parts):
            items = enumerate(zip(new.parts, old.parts, new.type.items))
            return [(f"{name}.f{i}", x, y, u, at.position(i)) for i, (x, y, u) in items]
        if isinstance(new, Record) and isinstance(old, Record):
            assert isinstance(t, Ref)
            return self._members(name, new.fields, new, old, place_of(self._p.types[t.name]))
        if isinstance(new, Choice) and isinstance(old, Choice):
            variant = new.variant
            if variant is None or variant != old.variant or not variant.fields:
                return None
            place = place_of(new.enum).variant(variant)
            return self._members(f"{name}.{member(variant.name)}", variant.fields, new, old, place)
        if isinstance(new, Maybe) and isinstance(old, Maybe):
            item = new.type.item
            if new.value is None or old.value is None or isinstance(item, Ref) and item.lazy:
                return None
            return [(f"{name}.value", new.value, old.value, item, at.some())]
        if isinstance(t, Array) and isinstance(new, Items) and isinstance(old, Items):
            pairs = enumerate(zip(_expanded(new), _expanded(old)))
            block = ".items" if isinstance(t.item, Array) else ""
            return [(f"{name}[{i}]{block}", x, y, t.item, at.item()) for i, (x, y) in pairs]
        return None

    @staticmethod
    def _members(
        name: str, fields: tuple[Field, ...], new: Record | Choice, old: Record | Choice, at: Place
    ) -> list[tuple[str, Value, Value, Type, Place]]:
        return [
            (f"{name}.{member(f.name)}", x, y, f.type, at.field(f))
            for f, x, y in zip(fields, new.values, old.values)
        ]


def _expanded(value: Items) -> tuple[Value, ...]:
    return value.items * (value.repeat or 1)


__all__ = ["emit_test"]
