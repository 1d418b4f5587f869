"""NAME_parse.rl: the incremental parser, as Ragel machines.

Two kinds of machine. One over bytes for each packet: its layout is a regular language, constants
and reserved bits included (packet_machine.py). And one over np_token for the messages: each value
is one letter, so that variable-size bytes are never grammar and structs read as they do in the
schema. Recursive types, and large ones that many places share, are machines of their own, which the
others call.
"""

from __future__ import annotations

import subprocess
from itertools import groupby
from pathlib import Path

from ..model import (
    Array,
    Decl,
    Field,
    List,
    Map,
    Option,
    Protocol,
    Ref,
    Struct,
    Tuple,
    Type,
)
from . import packet_machine
from .banner import banner
from .code import Code, machine_of, quote
from .common import Context, is_plain_enum
from .nesting import is_value, shared
from .shapes import Place, own_messages, place_of, ref_name
from .tables import type_name

# Ragel's goto code falls through its cases by design, and leaves labels and constants unused.
PRAGMAS = """
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wimplicit-fallthrough"
#pragma GCC diagnostic ignored "-Wunused-label"
#pragma GCC diagnostic ignored "-Wunused-const-variable"
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wswitch-unreachable"
#endif
""".strip()

TOKENS = ("VALUE", "OPEN", "ITEM", "END", "NONE", "SOME", "CALL", "RETURN", "BACK")
FIRST_CHOICE = 16


def emit_ragel(p: Protocol) -> str:
    c = Code()
    c(f'#include "{p.name}_schema.h"')
    c()
    c.lines(PRAGMAS.split("\n"))
    c()
    packet_machine.emit_packet_machines(p, c)
    if own_messages(p):
        Machine(p, c).emit()
    else:
        _no_messages(p, c)
    return banner(p, f"{p.name}_parse.rl - the incremental parser of the {p.name} protocol.") + c.text()


def _no_messages(p: Protocol, c: Code) -> None:
    with c.function(f"void {p.name}_parser_step", ["np_parser *parser", "int token"]):
        c("(void)parser;")
        c("(void)token;")
    with c.function(f"int {p.name}_parser_state", ["np_parser_state state"]):
        c("return state == NP_PARSER_FINAL ? 1 : 0;")


class Machine:
    """Writes the machine over np_token."""

    def __init__(self, p: Protocol, c: Code) -> None:
        self._p = p
        self._c = c
        self._x = Context.of(p)
        self._actions: dict[str, str] = {}
        self._shared = shared(p)
        self._called: list[str] = []  # types with a machine of their own, in order of first call
        self._defined: dict[str, str] = {}  # definitions in order
        self._choices: dict[str, int] = {}

    def emit(self) -> None:
        p, c = self._p, self._c
        messages = own_messages(p)
        tops: dict[str, list[str]] = {"message": [], "reply": []}
        for i, m in enumerate(messages):
            at = place_of(m)
            self._choices[f"IS_{at.path}"] = FIRST_CHOICE + i
            self._defined[at.path] = self._fields(at, m.fields, None, None)
            tops["message"].append(f"IS_{at.path} {at.path}")
            if m.reply is not None:
                expr = self._type(Ref(m.reply), at, None, None)
                tops["reply"].append(f"IS_{at.path} {expr}")
        with c.block("%%{", "}%%"):
            c(f"machine {machine_of(f'{p.name}_parser')};")
            c("alphtype int;")
            c("access np_parser_machine_of(parser)->;")
            c()
            c("# The alphabet: np_token.")
            for i, token in enumerate(TOKENS):
                c(f"{token} = {i + 1};")
            for choice, number in self._choices.items():
                c(f"{choice} = {number};")
            c()
            c("# What is due in a state.")
            c("action more { np_parser_due_more(parser); }")
            if self._called:
                c("action return { np_parser_due_return(parser); }")
            for name, body in self._actions.items():
                c(f"action {name} {{ {body} }}")
            c()
            for name in self._called:
                c(f"action call_{name} {{ fcall {name}; }}")
            if self._called:
                c("action leave { fret; }")
                c()
            for name, expr in self._defined.items():
                self._definition(name, expr)
            for name in self._called:
                c(f"{name} := {name}__body RETURN >~return @leave;")
            for top, alternatives in tops.items():
                if alternatives:
                    self._definition(top, "\n| ".join(alternatives), ":=")
        c()
        c("%% write data;")
        c()
        self._functions(bool(tops["reply"]))

    def _definition(self, name: str, expr: str, sign: str = "=") -> None:
        lines = expr.split("\n")
        with self._c.block(f"{name} {sign}", ""):
            for line in lines[:-1]:
                self._c(line)
            self._c(lines[-1] + ";")

    def _functions(self, replies: bool) -> None:
        p, c = self._p, self._c
        machine = machine_of(f"{p.name}_parser")
        with c.function(f"void {p.name}_parser_step", ["np_parser *parser", "int token"]):
            c("const int *p = &token;")
            c("const int *pe = p + 1;")
            c()
            c("%% write exec;")
        with c.function(f"int {p.name}_parser_state", ["np_parser_state state"]):
            with c.block("switch (state) {"):
                c("case NP_PARSER_MESSAGE:")
                with c.indented():
                    c(f"return {machine}_en_message;")
                c("case NP_PARSER_REPLY:")
                with c.indented():
                    c(f"return {machine}_{'en_reply' if replies else 'error'};")
                c("default:")
                with c.indented():
                    c(f"return {machine}_first_final;")

    # Expressions ---------------------------------------------------------------------------

    # `via` is the expression of a foreign type's descriptor: those of nameless types are private to
    # the files of their protocol, but the tables of its named types lead to them.

    def _fields(
        self, at: Place, fields: tuple[Field, ...], inside: str | None, via: str | None
    ) -> str:
        lines: list[str] = []
        numbered = enumerate(fields)
        for since, together in groupby(numbered, key=lambda pair: pair[1].since):
            group = [
                self._type(
                    f.type, at.field(f), inside, None if via is None else f"{via}[{i}].type"
                )
                for i, f in together
            ]
            if since == 1:
                lines += group
            else:
                self._actions[f"since_{since}"] = f"np_parser_due_since(parser, {since});"
                lines.append(f"( NONE | SOME ( {' '.join(group)} ) ) >~since_{since}")
        return "\n".join(lines) or "zlen"

    def _due(self, t: Type, at: Place, via: str | None, call: str = "np_parser_due") -> str:
        """The action that says that a value of this type is due at this place."""
        where = at.where
        if isinstance(t, Ref):
            where = place_of(self._p.types[t.name]).where
        descriptor = via or f"&{type_name(self._p, t, at)}"
        self._actions[at.unique] = f"{call}(parser, {descriptor}, {quote(where)});"
        return at.unique

    def _type(self, t: Type, at: Place, inside: str | None, via: str | None) -> str:
        def within(member: str) -> str | None:
            return None if via is None else f"{via}->{member}"

        if is_value(self._p, t):
            return f"VALUE >~{self._due(t, at, via)}"
        if isinstance(t, (Array, List)):
            opening = f"OPEN >~{self._due(t, at, via)}"
            item = self._type(t.item, at.item(), inside, within("item"))
            return f"{opening} ( ITEM {item} )* >~more %~more END"
        if isinstance(t, Map):
            opening = f"OPEN >~{self._due(t, at, via)}"
            key = f"VALUE >~{self._due(t.key, at.key(), within('key'), 'np_parser_due_key')}"
            value = self._type(t.value, at.value(), inside, within("item"))
            return f"{opening} ( ITEM {key} {value} )* >~more %~more END"
        if isinstance(t, Option):
            opening = self._due(t, at, via)
            some = self._type(t.item, at.some(), inside, within("item"))
            return f"( NONE | SOME {some} ) >~{opening}"
        if isinstance(t, Tuple):
            return " ".join(
                self._type(item, at.position(i), inside, within(f"fields[{i}].type"))
                for i, item in enumerate(t.items)
            )
        assert isinstance(t, Ref) and not is_plain_enum(self._p, t)
        return self._ref(t, inside)

    def _ref(self, t: Ref, inside: str | None) -> str:
        name = ref_name(self._p, t)
        decl = self._p.types[t.name]
        if t.name in self._shared:
            return self._call(name, decl, "inside", None)
        if not self._x.recursive(t.name):
            if name not in self._defined:
                self._defined[name] = ""  # keeps its place: nothing inside refers back to it
                body = self._decl(decl, inside)
                del self._defined[name]
                self._defined[name] = body
            return name
        kind = "deeper" if t.lazy else "whole" if self._x.is_outermost(t, inside) else "inside"
        return self._call(name, decl, kind, t.name)

    def _call(self, name: str, decl: Decl, kind: str, inside: str | None) -> str:
        """Calls the machine of a type, within a recursion or not."""
        action = f"{name}_{kind}"
        self._actions[action] = (
            f"np_parser_due_call(parser, &{name}_type, NP_CALL_{kind.upper()});"
        )
        if name not in self._called:
            self._called.append(name)
            self._defined[f"{name}__body"] = self._decl(decl, inside)
        return f"CALL >~{action} @call_{name} BACK"

    def _decl(self, decl: Decl, inside: str | None) -> str:
        at = place_of(decl)
        foreign = not self._p.own(decl)
        if isinstance(decl, Struct):
            via = f"{at.path}_type.fields" if foreign else None
            return self._fields(at, decl.fields, inside, via)
        lines: list[str] = []
        for i, v in enumerate(decl.variants):
            place = at.variant(v)
            self._choices[f"IS_{place.unique}"] = FIRST_CHOICE + i
            via = f"{at.path}_type.variants[{i}].fields" if foreign else None
            fields = self._fields(place, v.fields, inside, via).replace("\n", " ")
            fields = fields if v.fields else ""
            lines.append(f"IS_{place.unique} {fields}".strip())
        due = self._due(Ref(decl.name), at.tag(), None)
        return "( " + "\n| ".join(lines) + f"\n) >~{due}"


# --------------------------------------------------------------------------------------------
# Running Ragel
# --------------------------------------------------------------------------------------------


RAGEL_SECONDS = 120
"""More than any schema within the limits was seen to take, by a factor of a hundred."""


class RagelMissing(Exception):
    """Ragel is not installed, takes for ever, or refused what we wrote (a bug of ours, both)."""


def run_ragel(folder: Path, source: str, output: str) -> None:
    """Compile a machine to C. Runs in the folder with bare names, so that the #line directives
    are the same everywhere; -L leaves them out of the result altogether."""
    command = ["ragel", "-C", "-G2", "-L", "-o", output, source]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=RAGEL_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise RagelMissing(
            f"ragel was ended after {RAGEL_SECONDS} s on {source}; a smaller schema helps, and "
            "please report this one"
        ) from error
    except FileNotFoundError as error:
        raise RagelMissing(
            "ragel is needed to generate the parser and was not found; on Debian: "
            "apt-get install ragel"
        ) from error
    if done.returncode != 0:
        raise RagelMissing(f"ragel failed on {source}:\n{done.stderr}")


