"""Rules about conversations: one rule for each message, a way to every state, no move by what the
runtime says of itself, and where requests move, no message that the two sides could judge
differently."""

from __future__ import annotations

from typing import Optional

from .check_messages import BASE
from .crossing import crossings
from .diagnostics import Reporter
from .machine import SIDES
from .model import Conversation, Protocol, Rule, Side, State
from .places import MAX_MOVES, MAX_PLACES, TooManyPlaces, places_of

_BY_RUNTIME = {
    "Ping": "the runtime says it where a connection is idle",
    "Pong": "the runtime says it where a connection is idle",
    "Hello": "it is said before the conversation begins",
    "Welcome": "it is said before the conversation begins",
    "SecureHandshakeInit": "it is said before the conversation begins",
    "SecureHandshakeResponse": "it is said before the conversation begins",
    "SecureHandshakeConfirm": "it is said before the conversation begins",
}
"""Messages of base.np that no application says, or not alone, and why they cannot move."""


def check_conversation(
    protocol: Protocol, conversation: Conversation, complete: bool, reporter: Reporter
) -> None:
    """All rules that need the whole state machine; ``complete`` if all of it could be read."""
    seen: set[tuple[object, ...]] = set()
    base = {m.name for m in protocol.messages if m.origin == BASE and not protocol.own(m)}
    for state in conversation.states:
        _check_ambiguous(state, seen, reporter)
        _check_base(state, base, seen, reporter)
    if conversation.start and complete:
        _check_reachable(conversation, reporter)


def check_moves(protocol: Protocol, conversation: Conversation, reporter: Reporter) -> None:
    """The rules about all places of a conversation without other errors."""
    places = places_of(protocol, conversation)
    waits = any(places.machine.moving(side) for side in SIDES)
    try:
        if not waits and len(conversation.states) > MAX_PLACES:
            raise TooManyPlaces
        places.reached()
        for span, text in crossings(places) if waits else ():
            reporter.error(span, "request-crosses", text)
    except TooManyPlaces:
        text = f"conversation '{conversation.name}' has more than {MAX_PLACES} places, which are its"
        text += " states times the requests that move and may wait there, or more than"
        text += f" {MAX_MOVES} messages that may be said in them; "
        text += "let fewer requests move" if waits else "let fewer states have '*'"
        reporter.error(conversation.span, "place-count", text)


def _check_ambiguous(state: State, seen: set[tuple[object, ...]], reporter: Reporter) -> None:
    """Report the later one of two rules for the same message; ``seen`` keeps each pair to once."""
    first: dict[tuple[str, Side], Rule] = {}
    for rule in state.rules:
        sides = [Side.CLIENT, Side.SERVER] if rule.side is Side.EITHER else [rule.side]
        mentioned: set[str] = set()
        for message in rule.messages or ("*",):
            other: Optional[Rule] = rule if message in mentioned else None
            mentioned.add(message)
            for side in sides:
                known = first.setdefault((message, side), rule)
                other = other or (known if known is not rule else None)
            if other is not None and (message, rule.span) not in seen:
                seen.add((message, rule.span))
                what = "'*'" if message == "*" else f"'{message}'"
                text = (
                    f"in state '{state.name}' another rule is about {what} from the same side,"
                    f" in line {other.span.line}; keep one"
                )
                reporter.error(rule.span, "rule-ambiguous", text)


def _check_base(
    state: State, base: set[str], seen: set[tuple[object, ...]], reporter: Reporter
) -> None:
    """Report rules that have a message of the runtime's lead somewhere."""
    for rule in state.rules:
        for message in rule.messages if rule.target is not None else ():
            why = _BY_RUNTIME.get(message) if message in base else None
            if why is not None and ("base", message, rule.span) not in seen:
                seen.add(("base", message, rule.span))
                text = f"'{message}' leads nowhere, since {why}; use a message of your own"
                reporter.error(rule.span, "base-moves", text)


def _check_reachable(conversation: Conversation, reporter: Reporter) -> None:
    states = {state.name: state for state in conversation.states}
    reached = {conversation.start}
    todo = [conversation.start]
    while todo:
        for rule in states[todo.pop()].rules:
            for target in (rule.target, rule.refused):
                if target is not None and target not in reached:
                    reached.add(target)
                    todo.append(target)
    for state in conversation.states:
        if state.name not in reached:
            text = f"nothing leads from '{conversation.start}' to state '{state.name}'"
            hint = f"add a rule '... -> {state.name}' or remove it"
            reporter.error(state.span, "state-unreachable", f"{text}; {hint}")
