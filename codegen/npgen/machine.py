"""A conversation as the machine it is: wildcards and ``either`` spelled out."""

from __future__ import annotations

from typing import Iterable, Optional

from .model import Conversation, Rule, Side

Move = tuple[str, Optional[Rule]]
"""Where a message leads, and by which rule (None: it is legal everywhere)."""

SIDES = (Side.CLIENT, Side.SERVER)


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
