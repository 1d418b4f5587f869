"""A conversation as the machine it is: wildcards and ``either`` spelled out.

A request that leads somewhere in any state is a *moving* one of its side's: it moves nothing when
it is said, but when it is answered or refused (places.py).
"""

from __future__ import annotations

from typing import Iterable, Iterator, Optional

from .model import Conversation, Rule, Side, State

Move = tuple[str, Optional[Rule]]
"""Where a message, or the answer to a request, leads, and by which rule (None: it is legal
everywhere)."""

SIDES = (Side.CLIENT, Side.SERVER)

ANY_OTHER = "any other"
"""What people read for a wildcard."""


class Machine:
    """What may be said in the states of a conversation; ``own``: the protocol's own messages."""

    def __init__(self, conversation: Conversation, own: Iterable[str]) -> None:
        self.states = {s.name: s for s in conversation.states}
        self.own = set(own)
        self._named: dict[tuple[str, Side, str], Rule] = {}
        self._wildcards: dict[tuple[str, Side], Rule] = {}
        for state in conversation.states:
            for rule in state.rules:
                for side in SIDES if rule.side is Side.EITHER else (rule.side,):
                    if rule.wildcard:
                        self._wildcards[state.name, side] = rule
                    for message in rule.messages:
                        self._named.setdefault((state.name, side, message), rule)
        self._moving = {side: self._moving_of(conversation, side) for side in SIDES}

    def _moving_of(self, conversation: Conversation, side: Side) -> frozenset[str]:
        """Of all versions of the schema: a request that moves at one of them moves at each."""
        named: dict[str, set[str]] = {}
        found: set[str] = set()
        for (name, who, message), rule in self._named.items():
            if who is side:
                named.setdefault(name, set()).add(message)
                if _leads_away(rule, name) and message in conversation.requests:
                    found.add(message)
        for (name, who), rule in self._wildcards.items():
            if who is side and _leads_away(rule, name) and len(found) < len(conversation.requests):
                found |= conversation.requests - named.get(name, set())
        return frozenset(found)

    def moves(self, side: Side, message: str) -> bool:
        """Whether it is a moving request of that side's."""
        return message in self._moving[side]

    def asks(self, state: str, side: Side) -> bool:
        """Whether a moving request of a side's falls under the state's wildcard."""
        return any((state, side, message) not in self._named for message in self._moving[side])

    def moving(self, side: Side) -> list[str]:
        """All moving requests of a side's that exist at this version."""
        return sorted(self._moving[side] & self.own)

    def legal(self, state: str) -> int:
        """How many of the protocol's own messages both sides may say in a state, counted together."""
        named = {(side, m) for side in SIDES for r in self.states[state].rules for m in r.messages
                 if (state, side, m) in self._named and m in self.own}  # fmt: skip
        count = len(named)
        for side in SIDES:
            if (state, side) in self._wildcards:
                count += len(self.own) - sum(1 for who, _ in named if who is side)
        return count

    def refused(self, state: str, side: Side, message: str) -> str:
        """Where a refusal leads that is said in a state."""
        move = self.move(state, side, message)
        rule = move[1] if move is not None else None
        return state if rule is None else rule.refused or state

    def move(self, state: str, side: Side, message: str) -> Optional[Move]:
        """Where a message leads; None if it is illegal there."""
        rule = self._named.get((state, side, message))
        if rule is None and message not in self.own:  # of an imported protocol: legal everywhere
            return state, None
        rule = rule or self._wildcards.get((state, side))
        return None if rule is None else (rule.target or state, rule)

    def alike(self, but: Iterable[str] = ()) -> list[str]:
        """All messages ``but`` some; of those that the same rules treat alike only one."""
        rules: dict[str, list[object]] = {m: [] for m in self.letters() if m not in set(but)}
        for (state, side, message), rule in self._named.items():
            if message in rules:
                rules[message].append((state, side, rule.span))
        groups: dict[tuple[object, ...], str] = {}
        for message, treated in rules.items():
            groups.setdefault((message in self.own, *treated), message)
        return sorted(groups.values())

    def mentioned(self) -> set[str]:
        """All messages that rules name."""
        return {m for s in self.states.values() for r in s.rules for m in r.messages}

    def letters(self) -> list[str]:
        """All messages that may lead anywhere: the protocol's own, and imported ones named."""
        return sorted(self.own | self.mentioned())


def _leads_away(rule: Rule, state: str) -> bool:
    return any(to not in (None, state) for to in (rule.target, rule.refused))


def arrows(machine: Machine, state: State, rule: Rule) -> Iterator[tuple[str, str]]:
    """What a rule draws for people: where it leads, and by what."""
    target, refused = rule.target or state.name, rule.refused or state.name
    sides = SIDES if rule.side is Side.EITHER else (rule.side,)
    if rule.wildcard:
        waits = target != state.name and any(machine.asks(state.name, side) for side in sides)
        yield target, f"{ANY_OTHER}, requests answered" if waits else ANY_OTHER
    for message in rule.messages:
        moves = any(machine.moves(side, message) for side in sides)
        if not moves or target == state.name:
            yield target, message
        else:
            yield target, f"{message} answered"
        if moves and refused != state.name:
            yield refused, f"{message} refused"
