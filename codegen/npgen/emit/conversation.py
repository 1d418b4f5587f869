"""NAME_conversation.rl: who may say what, and when, as a Ragel machine.

The alphabet is (message, side): 2 * the message's position, + 1 if the accepting side sends it.
Positions count the protocol's own messages first and then those of the base protocol, whose
messages are legal in every state whether a rule names them or not. A place in the conversation is
the machine's state and, above it, the number of the schema's state: one int to keep.
"""

from __future__ import annotations

from ..model import Conversation, Protocol, Side, State
from ..names import snake
from .banner import banner
from .code import Code, doc_comment, quote
from .ragel import PRAGMAS
from .shapes import own_messages


REFUSAL_MAX = 140
"""NP_CONVERSATION_REFUSAL_MAX of netproto/schema.h."""


def emit_conversations(p: Protocol) -> str:
    c = Code()
    c(f'#include "{p.name}_schema.h"')
    c()
    c.lines(PRAGMAS.split("\n"))
    c()
    for conversation in p.conversations:
        _Machine(p, c, conversation).emit()
    with c.block(f"const np_conversation {p.name}_conversations[] = {{", "};"):
        for conversation in p.conversations:
            _row(p, c, conversation)
    about = f"{p.name}_conversation.rl - who may say what, and when, in the {p.name} protocol."
    return banner(p, about) + c.text()


def _row(p: Protocol, c: Code, conversation: Conversation) -> None:
    name = f"{p.name}_{conversation.name}"
    start = [s.name for s in conversation.states].index(conversation.start)
    with c.block("{", "},"):
        c(f".name = {quote(f'{p.name}.{conversation.name}')},")
        c(f".start = {start} << NP_CONVERSATION_SHIFT,")
        c(f".step = {name}_step,")
        c(f".states = {name}_states,")
        c(f".state_count = {len(conversation.states)},")


class _Machine:
    def __init__(self, p: Protocol, c: Code, conversation: Conversation) -> None:
        self._p = p
        self._c = c
        self._conversation = conversation
        self._name = f"{p.name}_{conversation.name}"
        own = [m.name for m in own_messages(p)]
        base = [m.name for m in p.messages if not p.own(m)]
        self._own = own
        self._position = {name: i for i, name in enumerate(own + base)}
        self._numbers = {s.name: i for i, s in enumerate(conversation.states)}

    def emit(self) -> None:
        c, name = self._c, self._name
        c.lines(doc_comment(self._conversation.doc))
        with c.block(f"static const np_conversation_state {name}_states[] = {{", "};"):
            for s in self._conversation.states:
                within = s.within_ms if s.within_ms is not None else 0
                with c.block("{", "},"):
                    c(f".name = {quote(s.name)},")
                    c(f".within_ms = {within},")
                    c(f".final = {'true' if s.final else 'false'},")
                    with c.block(".refusal = {", "},"):
                        for side in ("client", "server"):
                            c(f"{quote(self._refusal(s, side))},")
        c()
        self._machine()
        self._step()

    def _machine(self) -> None:
        c = self._c
        states = self._conversation.states
        with c.block("%%{", "}%%"):
            c(f"machine {self._name};")
            c("alphtype int;")
            c()
            used = sorted({self._position[m] for s in states for _, m in self._moves(s)})
            names = {i: n for n, i in self._position.items()}
            for i in used:
                c(f"client_{snake(names[i])} = {2 * i};")
                c(f"server_{snake(names[i])} = {2 * i + 1};")
            c()
            for s in states:
                c(f"action in_{s.name} {{ state = {self._numbers[s.name]}; }}")
            c()
            ordered = sorted(states, key=lambda s: s.name != self._conversation.start)
            with c.block("main := (", ");"):
                for i, s in enumerate(ordered):
                    self._state(s, last=i == len(ordered) - 1)
        c()
        c("%% write data;")
        c()

    def _state(self, s: State, last: bool) -> None:
        """``open_state: ( ( a | b ) -> open_state | ( c ) -> done_state ) >~in_open``."""
        targets: dict[str, list[str]] = {}
        for (target, side), message in self._moves(s):
            targets.setdefault(target, []).append(f"{side}_{snake(message)}")
        lines = [
            f"( {' | '.join(letters)} ) -> {self._label(target)}"
            for target, letters in targets.items()
        ] or ["zlen"]
        self._c(f"{self._label(s.name)}: (")
        with self._c.indented():
            for i, line in enumerate(lines):
                self._c(("| " if i else "") + line)
        self._c(f") >~in_{s.name}" + ("" if last else ","))

    def _refusal(self, s: State, side: str) -> str:
        """What to say about a message of a side's that the state does not allow, bounded."""
        names = list(dict.fromkeys(m for (_, who), m in self._moves(s) if who == side))
        start = f"from the {side} in state {s.name}; allowed: "
        shown = len(names)
        text = start + (", ".join(names) or "nothing")
        while len(text) > REFUSAL_MAX:  # a name has 64 characters at most: this ends
            shown -= 1
            rest = len(names) - shown
            text = start + ", ".join([*names[:shown], f"and {rest} more" if shown else f"{rest} of them"])
        return text

    def _label(self, name: str) -> str:
        return "start" if name == self._conversation.start else f"{name}_state"

    def _moves(self, s: State) -> list[tuple[tuple[str, str], str]]:
        """Every ((target, side), message) of a state, wildcards spelled out."""
        moves: list[tuple[tuple[str, str], str]] = []
        named = {(side, m) for r in s.rules for side in _sides(r.side) for m in r.messages}
        for r in s.rules:
            target = r.target or s.name
            for side in _sides(r.side):
                messages = r.messages or tuple(m for m in self._own if (side, m) not in named)
                moves += [((target, side), m) for m in messages]
        return moves

    def _step(self) -> None:
        c, name = self._c, self._name
        with c.function(f"static bool {name}_step", ["int *place", "int token"]):
            c("int state = *place >> NP_CONVERSATION_SHIFT;")
            c("int cs = *place & NP_CONVERSATION_MASK;")
            c("const int *p = &token;")
            c("const int *pe = p + 1;")
            c()
            c("/* The start's number is Ragel's to choose, so 0 stands for it. */")
            with c.block("if (cs == 0) {"):
                c(f"cs = {name}_start;")
            c("%% write exec;")
            with c.block(f"if (cs == {name}_error) {{"):
                c("return false;")
            c("*place = state << NP_CONVERSATION_SHIFT | cs;")
            c("return true;")


def _sides(side: Side) -> list[str]:
    return ["client", "server"] if side is Side.EITHER else [side.value]
