"""Places of a conversation: where both sides are while requests that move wait for their answers.

A place is a state, the moving request of the client's that waits there or none, and the server's.
Letters move from place to place. A message is one letter, said by its sender. A moving request has
three: *said*, which only makes it wait, and *answered* or *refused*, said by the other side, which
end the waiting and move by the rule of the state in which they are said.

While its request waits, a side may say what leads to one place whether it is heard before the
answer or behind it, and whichever answer that is. Messages of imported protocols are never held
back: the runtime says some of them by itself.

Sets of letters are the bits of an int, so that thousands of messages and thousands of places do not
multiply.
"""

from __future__ import annotations

from enum import Enum
from typing import Iterator, NamedTuple, Optional

from .machine import SIDES, Machine, Move
from .model import Conversation, Protocol, Side

PARTING = "Disconnect"
"""Base's message that ends a connection; its sender does not judge what comes after it."""

MAX_PLACES = 4096

MAX_MOVES = 1 << 18
"""Messages that may be said in a place, over all places: what Ragel takes a minute for."""


class Kind(Enum):
    """What becomes of a message or request."""

    SAID = "said"
    ANSWERED = "answered"
    REFUSED = "refused"


class Letter(NamedTuple):
    """What moves a conversation: ``side`` is the one whose message it is, not who answers it."""

    kind: Kind
    side: Side
    message: str

    @property
    def speaker(self) -> Side:
        """Who says it."""
        return self.side if self.kind is Kind.SAID else other(self.side)


class Place(NamedTuple):
    """Where the conversation is, and which moving request of either side waits for its answer."""

    state: str
    client: Optional[str] = None
    server: Optional[str] = None

    def waiting(self, side: Side) -> Optional[str]:
        """The side's request that waits."""
        return self.client if side is Side.CLIENT else self.server

    def wait(self, side: Side, message: Optional[str]) -> "Place":
        """The same with another request of the side's waiting, or none."""
        if side is Side.CLIENT:
            return self._replace(client=message)
        return self._replace(server=message)


class TooManyPlaces(Exception):
    """A conversation has more than ``MAX_PLACES``, or ``MAX_MOVES`` in them."""


def other(side: Side) -> Side:
    """The side that hears what this one says."""
    return Side.SERVER if side is Side.CLIENT else Side.CLIENT


def places_of(protocol: Protocol, conversation: Conversation) -> "Places":
    """The places of a conversation of the protocol's, at its newest version."""
    own = [m.name for m in protocol.messages if protocol.own(m)]
    parting = {m.name for m in protocol.messages if m.origin == "base" and m.name == PARTING}
    return Places(Machine(conversation, own), conversation.start, parting)


class Places:
    """The machine over places. Of messages that the rules treat alike it knows one (``letters``)."""

    def __init__(self, machine: Machine, start: str, parting: set[str]) -> None:
        self.machine = machine
        self.start = Place(start)
        self.letters: dict[Side, list[Letter]] = {side: [] for side in SIDES}
        self._plain: dict[Side, list[str]] = {}  # the first letters: bit i is the i-th one
        self._parting: dict[Side, int] = {}
        moving = {side: machine.moving(side) for side in SIDES}
        everywhere = set(moving[Side.CLIENT]) | set(moving[Side.SERVER])
        parting = parting & machine.mentioned()
        alike = [*machine.alike(everywhere | parting), *parting]
        for side in SIDES:
            plain = sorted([*alike, *(m for m in everywhere if not machine.moves(side, m))])
            self._plain[side] = plain
            self._parting[side] = sum(1 << i for i, m in enumerate(plain) if m in parting)
            self.letters[side] += [Letter(Kind.SAID, side, m) for m in plain]
        for side in SIDES:
            self.letters[side] += [Letter(Kind.SAID, side, m) for m in moving[side]]
            for kind in (Kind.ANSWERED, Kind.REFUSED):
                self.letters[other(side)] += [Letter(kind, side, m) for m in moving[side]]
        self._numbers = {side: {x: i for i, x in enumerate(self.letters[side])} for side in SIDES}
        self._imported = {
            side: sum(1 << i for i, m in enumerate(plain) if m not in machine.own)
            for side, plain in self._plain.items()
        }
        self._asked: dict[tuple[str, Side], list[Letter]] = {}
        self._legal: dict[str, int] = {}
        self._targets: dict[tuple[str, Side], dict[str, int]] = {}
        self._free: dict[tuple[str, Side, Optional[str]], int] = {}
        self._dests: dict[tuple[Place, Side], dict[Place, int]] = {}

    # -- letter by letter ---------------------------------------------------------------------

    def rule(self, place: Place, letter: Letter) -> Optional[Move]:
        """The rule by which a letter is legal, or an answer moves."""
        return self.machine.move(place.state, letter.side, letter.message)

    def step(self, place: Place, letter: Letter) -> Optional[Place]:
        """Where a letter leads; None where it may not be said."""
        after = self._raw(place, letter)
        waiting = place.waiting(letter.side)
        if after is None or letter.kind is not Kind.SAID or waiting is None:
            return after
        if letter.message not in self.machine.own:
            return after
        for kind in (Kind.ANSWERED, Kind.REFUSED):
            answer = Letter(kind, letter.side, waiting)
            before = self._raw(place, answer)
            assert before is not None
            end = self._raw(before, letter)
            if end is None or end != self._raw(after, answer):
                return None
        return after

    def _raw(self, place: Place, letter: Letter) -> Optional[Place]:
        """Without what a side that waits keeps to."""
        kind, side, message = letter
        move = self.rule(place, letter)
        if kind is Kind.SAID and not self.machine.moves(side, message):
            return None if move is None else place._replace(state=move[0])
        if kind is Kind.SAID:
            return None if move is None or place.waiting(side) else place.wait(side, message)
        if place.waiting(side) != message:
            return None
        state = place.state if move is None else move[0]
        if kind is Kind.REFUSED:
            state = self.machine.refused(place.state, side, message)
        return place.wait(side, None)._replace(state=state)

    # -- many letters at once -----------------------------------------------------------------

    def reached(self) -> list[Place]:
        """All places that the start leads to, that one first. Raises TooManyPlaces, as soon as it
        knows, since looking at all of them may take a long time."""
        found = {self.start: None}
        todo = [self.start]
        moves = 0
        while todo:
            place = todo.pop()
            if place.state not in self._legal:
                self._legal[place.state] = self.machine.legal(place.state)
            moves += self._legal[place.state]
            if moves > MAX_MOVES:
                raise TooManyPlaces
            for side in SIDES:
                for after in self.destinations(place, side):
                    if after not in found:
                        found[after] = None
                        todo.append(after)
            if len(found) > MAX_PLACES:
                raise TooManyPlaces
        return list(found)

    def destinations(self, place: Place, side: Side) -> dict[Place, int]:
        """Where a side can lead from a place, each with the letters that do."""
        key = (place, side)
        if key not in self._dests:
            result: dict[Place, int] = {}
            free = self._unheld(place.state, side, place.waiting(side))
            for state, letters in self._by_target(place.state, side).items():
                if letters & free:
                    result[place._replace(state=state)] = letters & free
            for letter in self._special(place, side):
                after = self.step(place, letter)
                if after is not None:
                    bit = 1 << self._numbers[side][letter]
                    result[after] = result.get(after, 0) | bit
            self._dests[key] = result
        return self._dests[key]

    def _special(self, place: Place, side: Side) -> list[Letter]:
        """The letters of moving requests that a side could say in a place, in their order: of
        thousands, the answers to the one that waits, and those that rules of the state have."""
        found: list[Letter] = []
        if place.waiting(side) is None:
            found += self._askable(place.state, side)
        asked = place.waiting(other(side))
        if asked is not None:
            found += [Letter(kind, other(side), asked) for kind in (Kind.ANSWERED, Kind.REFUSED)]
        return sorted(found, key=self._numbers[side].__getitem__)

    def _askable(self, state: str, side: Side) -> list[Letter]:
        key = (state, side)
        if key not in self._asked:
            move = self.machine.move
            moving = [m for m in self.machine.moving(side) if move(state, side, m) is not None]
            self._asked[key] = [Letter(Kind.SAID, side, m) for m in moving]
        return self._asked[key]

    def _by_target(self, state: str, side: Side) -> dict[str, int]:
        key = (state, side)
        if key not in self._targets:
            result: dict[str, int] = {}
            for i, message in enumerate(self._plain[side]):
                move = self.machine.move(state, side, message)
                if move is not None:
                    result[move[0]] = result.get(move[0], 0) | 1 << i
            self._targets[key] = result
        return self._targets[key]

    def _unheld(self, state: str, side: Side, waiting: Optional[str]) -> int:
        """The plain letters that a side may say in a state if the rules have them; see ``step``."""
        key = (state, side, waiting)
        if key not in self._free:
            plain = self._plain[side]
            free = (1 << len(plain)) - 1
            if waiting is not None:
                free = self._imported[side]
                free |= self._commuting(Place(state).wait(side, waiting), side)
            self._free[key] = free
        return self._free[key]

    def _commuting(self, place: Place, side: Side) -> int:
        """Those that may be heard on either side of either answer."""
        waiting = place.waiting(side)
        assert waiting is not None
        answers = [Letter(kind, side, waiting) for kind in (Kind.ANSWERED, Kind.REFUSED)]
        result = 0
        for state, letters in self._by_target(place.state, side).items():
            for answer in answers:
                before = self._raw(place, answer)
                after = self._raw(place._replace(state=state), answer)
                assert before is not None and after is not None
                letters &= self._by_target(before.state, side).get(after.state, 0)
            result |= letters
        return result

    # -- what crosses -------------------------------------------------------------------------

    def crossing(self, place: Place) -> Iterator[tuple[Letter, Letter]]:
        """The pairs, the client's letter first, that do not lead to one place in both orders; one
        for each pair of rules."""
        for at_client, xs in self.destinations(place, Side.CLIENT).items():
            for at_server, ys in self.destinations(place, Side.SERVER).items():
                pair = (xs & ~self._parting[Side.CLIENT], ys & ~self._parting[Side.SERVER])
                if all(pair) and not self._join(at_client, at_server, *pair):
                    yield from self._bad(place, at_client, at_server, *pair)

    def _join(self, at_client: Place, at_server: Place, xs: int, ys: int) -> bool:
        """Whether the other's letter then leads both to one place, whichever two letters."""
        ahead = self.destinations(at_client, Side.SERVER)
        back = self.destinations(at_server, Side.CLIENT)
        first = self.letters[Side.SERVER][(ys & -ys).bit_length() - 1]
        end = self.step(at_client, first)
        return end is not None and not (ys & ~ahead.get(end, 0) or xs & ~back.get(end, 0))

    def _bad(
        self, place: Place, at_client: Place, at_server: Place, xs: int, ys: int
    ) -> Iterator[tuple[Letter, Letter]]:
        said = self._representatives(place, at_server, Side.CLIENT, xs)
        answered = self._representatives(place, at_client, Side.SERVER, ys)
        for x, end_x in said:
            for y, end_y in answered:
                if end_x is None or end_x != end_y:
                    yield x, y

    def _representatives(
        self, place: Place, at: Place, side: Side, letters: int
    ) -> list[tuple[Letter, Optional[Place]]]:
        """Letters and where they lead from ``at``; of those that one rule treats alike, one."""
        found: dict[object, tuple[Letter, Optional[Place]]] = {}
        for i, letter in enumerate(self.letters[side]):
            if letters >> i & 1:
                end = self.step(at, letter)
                move = self.rule(place, letter)
                rule = move[1].span if move is not None and move[1] is not None else None
                found.setdefault((end, rule, letter.kind), (letter, end))
        return list(found.values())
