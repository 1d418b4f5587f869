"""NAME_conversation.rl: who may say what, and when, as a Ragel machine.

The alphabet is np_conversation_token: a message's position, what becomes of it (said, answered,
refused), and whether the accepting side says that. Positions count the protocol's own messages
first and then those of the base protocol, whose messages are legal in every state whether a rule
names them or not. The machine has a state for each place (places.py). What a session keeps is that
state and, above it, the number of the place: one int.
"""

from __future__ import annotations

from typing import Iterator

from ..machine import SIDES
from ..model import Conversation, Protocol, Side
from ..names import snake
from ..places import Kind, Letter, Place, places_of
from .banner import banner
from .code import Code, doc_comment, machine_of, quote
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
    starts = [_Writer(p, c, conversation).emit() for conversation in p.conversations]
    with c.block(f"const np_conversation {p.name}_conversations[] = {{", "};"):
        for conversation, start in zip(p.conversations, starts):
            _row(p, c, conversation, start)
    about = f"{p.name}_conversation.rl - who may say what, and when, in the {p.name} protocol."
    return banner(p, about) + c.text()


def _row(p: Protocol, c: Code, conversation: Conversation, start: int) -> None:
    name = f"{p.name}_{conversation.name}"
    with c.block("{", "},"):
        c(f".name = {quote(f'{p.name}.{conversation.name}')},")
        c(f".start = {start} << NP_CONVERSATION_SHIFT,")
        c(f".step = {name}_step,")
        c(f".states = {name}_states,")
        c(f".state_count = {len(conversation.states)},")
        c(f".places = {name}_places,")


class ConversationMachine:
    """The machine of a conversation: its places by number, its letters by token."""

    def __init__(self, p: Protocol, conversation: Conversation) -> None:
        own = [m.name for m in own_messages(p)]
        base = [m.name for m in p.messages if not p.own(m)]
        self.places = places_of(p, conversation)
        self.start = self.places.start
        self.positions = {name: i for i, name in enumerate(own + base)}
        self.token_count = 2 * len(Kind) * len(self.positions)
        self._states = {s.name: i for i, s in enumerate(conversation.states)}
        mentioned = self.places.machine.mentioned()
        self.said = own + [m for m in base if m in mentioned]
        self.reached = sorted(self.places.reached(), key=self._order)
        self._numbers = {place: i for i, place in enumerate(self.reached)}
        self.moves = {place: self._moves_of(place) for place in self.reached}

    def _order(self, place: Place) -> tuple[int, int, int]:
        waiting = (place.client, place.server)
        first, second = (-1 if m is None else self.positions[m] for m in waiting)
        return (self._states[place.state], first, second)

    def number(self, place: Place) -> int:
        """The position in the table of places."""
        return self._numbers[place]

    def token(self, letter: Letter) -> int:
        """As np_conversation_token makes it."""
        kind = list(Kind).index(letter.kind)
        by_server = 1 if letter.speaker is Side.SERVER else 0
        return 2 * (len(Kind) * self.positions[letter.message] + kind) + by_server

    def _moves_of(self, place: Place) -> dict[Place, list[Letter]]:
        """Every letter that may be said in a place, by where it leads."""
        moves: dict[Place, list[Letter]] = {}
        for letter in self._letters(place):
            target = self.places.step(place, letter)
            if target is not None:
                moves.setdefault(target, []).append(letter)
        return moves

    def _letters(self, place: Place) -> Iterator[Letter]:
        for side in SIDES:
            for message in self.said:
                letter = Letter(Kind.SAID, side, message)
                move = self.places.rule(place, letter)
                if move is not None and move[1] is not None:
                    yield letter
            waiting = place.waiting(side)
            if waiting is not None:
                yield from (Letter(kind, side, waiting) for kind in (Kind.ANSWERED, Kind.REFUSED))


class _Writer:
    def __init__(self, p: Protocol, c: Code, conversation: Conversation) -> None:
        self._c = c
        self._conversation = conversation
        self._name = f"{p.name}_{conversation.name}"
        self._numbers = {s.name: i for i, s in enumerate(conversation.states)}
        self._m = ConversationMachine(p, conversation)

    def emit(self) -> int:
        """Writes the tables and the machine; the place in which it starts."""
        c, name = self._c, self._name
        c.lines(doc_comment(self._conversation.doc))
        with c.block(f"static const np_conversation_state {name}_states[] = {{", "};"):
            for s in self._conversation.states:
                within = s.within_ms if s.within_ms is not None else 0
                final = "true" if s.final else "false"
                c(f"{{.name = {quote(s.name)}, .within_ms = {within}, .final = {final}}},")
        c()
        with c.block(f"static const np_conversation_place {name}_places[] = {{", "};"):
            for place in self._m.reached:
                self._place_row(place)
        c()
        self._machine()
        self._step()
        return self._m.number(self._m.start)

    def _place_row(self, place: Place) -> None:
        c = self._c
        waiting = [0 if m is None else self._m.positions[m] + 1 for m in place[1:]]
        with c.block("{", "},"):
            c(f".state = {self._numbers[place.state]},")
            if any(waiting):
                c(f".waiting = {{{waiting[0]}, {waiting[1]}}},")
            with c.block(".refusal = {", "},"):
                for side in SIDES:
                    c(f"{quote(self._refusal(place, side))},")

    def _machine(self) -> None:
        c = self._c
        start = self._m.start
        ordered = sorted(self._m.reached, key=lambda place: place != start)
        moves = self._m.moves
        letters = {letter for found in moves.values() for of in found.values() for letter in of}
        with c.block("%%{", "}%%"):
            c(f"machine {machine_of(self._name)};")
            c("alphtype int;")
            c()
            for letter in sorted(letters, key=self._m.token):
                c(f"{self._word(letter)} = {self._m.token(letter)};")
            c()
            for i, place in enumerate(self._m.reached):
                c(f"action in_{self._label(place)} {{ place_number = {i}; }}")
            c()
            with c.block("main := (", ");"):
                for i, place in enumerate(ordered):
                    self._place(place, moves[place], last=i == len(ordered) - 1)
        c()
        c("%% write data;")
        c()

    def _place(self, place: Place, moves: dict[Place, list[Letter]], last: bool) -> None:
        """``at_open: ( ( a | b ) -> at_open | ( c ) -> at_done ) >~in_open``."""
        lines = [
            f"( {' | '.join(map(self._word, letters))} ) -> {self._entry(target)}"
            for target, letters in moves.items()
        ] or ["zlen"]
        self._c(f"{self._entry(place)}: (")
        with self._c.indented():
            for i, line in enumerate(lines):
                self._c(("| " if i else "") + line)
        self._c(f") >~in_{self._label(place)}" + ("" if last else ","))

    def _refusal(self, place: Place, side: Side) -> str:
        """What to say about a message of a side's that may not come in a place, bounded."""
        said = [letter for of in self._m.moves[place].values() for letter in of]
        wanted = {x.message for x in said if x.kind is Kind.SAID and x.side is side}
        rules = self._m.places.machine.states[place.state].rules
        order = [m for rule in rules for m in rule.messages] + self._m.said
        names = [m for m in dict.fromkeys(order) if m in wanted]
        waiting = place.waiting(side)
        where = f"from the {side.value} in state {place.state}"
        text = _listed(where + (f" until {waiting} is answered" if waiting else ""), names)
        if len(text) > REFUSAL_MAX and waiting:
            text = _listed(f"from the {side.value} until {waiting} is answered", names)
        return text

    def _label(self, place: Place) -> str:
        """A name, which no other place has: no name of a schema contains ``__``."""
        waiting = zip("cs", place[1:])
        return place.state + "".join(f"__{who}_{snake(m)}" for who, m in waiting if m is not None)

    def _entry(self, place: Place) -> str:
        return "start" if place == self._m.start else f"at_{self._label(place)}"

    def _word(self, letter: Letter) -> str:
        what = "" if letter.kind is Kind.SAID else f"{letter.kind.value}__"
        return f"{letter.speaker.value}__{what}{snake(letter.message)}"

    def _step(self) -> None:
        c, name = self._c, self._name
        machine = machine_of(name)
        with c.function(f"static bool {name}_step", ["int *place", "int token"]):
            c("int place_number = *place >> NP_CONVERSATION_SHIFT;")
            c("int cs = *place & NP_CONVERSATION_MASK;")
            c("const int *p = &token;")
            c("const int *pe = p + 1;")
            c()
            c("/* The start's number is Ragel's to choose, so 0 stands for it. */")
            with c.block("if (cs == 0) {"):
                c(f"cs = {machine}_start;")
            c("%% write exec;")
            with c.block(f"if (cs == {machine}_error) {{"):
                c("return false;")
            c("*place = place_number << NP_CONVERSATION_SHIFT | cs;")
            c("return true;")


def _listed(where: str, names: list[str]) -> str:
    """What may be said, as many names as fit."""
    start = f"{where}; allowed: "
    shown = len(names)
    text = start + (", ".join(names) or "nothing")
    while len(text) > REFUSAL_MAX and shown > 0:
        shown -= 1
        rest = len(names) - shown
        text = start + ", ".join([*names[:shown], f"and {rest} more" if shown else f"{rest} of them"])
    return text
