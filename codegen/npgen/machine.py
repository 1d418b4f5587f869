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

    def move(self, state: str, side: Side, message: str) -> Optional[Move]:
        """Where a message leads; None if it is illegal there."""
        wildcard: Optional[Rule] = None
        for rule in self.states[state].rules:
            if rule.side not in (side, Side.EITHER):
                continue
            if message in rule.messages:
                return rule.target or state, rule
            if rule.wildcard:
                wildcard = rule
        if message not in self.own:  # of an imported protocol: legal everywhere
            return state, None
        return None if wildcard is None else (wildcard.target or state, wildcard)

    def mentioned(self) -> set[str]:
        """All messages that rules name."""
        return {m for s in self.states.values() for r in s.rules for m in r.messages}

    def letters(self) -> list[str]:
        """All messages that may lead anywhere: the protocol's own, and imported ones named."""
        return sorted(self.own | self.mentioned())
