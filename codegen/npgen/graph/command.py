"""``npgen graph``: choosing what is drawn."""

from __future__ import annotations

from typing import Iterable, Optional

from ..cursor import did_you_mean
from ..evolution.release import own_messages
from ..model import Protocol
from .conversation import conversation_graph
from .layout import layout_graph
from .parser import parser_graph


class NothingToDraw(Exception):
    """The protocol has nothing of the name, or of the kind."""


def graph(
    p: Protocol, conversation: Optional[str], message: Optional[str], parser: bool
) -> str:
    """The graph asked for; without a wish the conversations, or the messages if there are none."""
    if parser:
        return parser_graph(p)
    if message is not None:
        found = [m for m in p.messages if m.name == message]
        if not found:
            raise _unknown("message", message, p, (m.name for m in p.messages))
        return layout_graph(p, found)
    if conversation is not None:
        chosen = [c for c in p.conversations if c.name == conversation]
        if not chosen:
            raise _unknown("conversation", conversation, p, (c.name for c in p.conversations))
        return conversation_graph(chosen)
    if p.conversations:
        return conversation_graph(p.conversations)
    messages = own_messages(p)
    if not messages:
        raise NothingToDraw(f"protocol '{p.name}' has neither conversations nor messages")
    return layout_graph(p, messages)


def _unknown(what: str, name: str, p: Protocol, known: Iterable[str]) -> NothingToDraw:
    hint = did_you_mean(name, list(known))
    return NothingToDraw(f"protocol '{p.name}' has no {what} '{name}'{hint}")
