"""Rules about conversations: one rule for each message, a way to every state, and where requests
move, no message that the two sides could judge differently."""

from __future__ import annotations

from typing import Optional

from .crossing import crossings
from .diagnostics import Reporter
from .machine import SIDES
from .model import Conversation, Protocol, Rule, Side, State
from .places import MAX_MOVES, MAX_PLACES, TooManyPlaces, places_of


def check_conversation(conversation: Conversation, complete: bool, reporter: Reporter) -> None:
    """All rules that need the whole state machine; ``complete`` if all of it could be read."""
    seen: set[tuple[object, ...]] = set()
    for state in conversation.states:
        _check_ambiguous(state, seen, reporter)
    if conversation.start and complete:
        _check_reachable(conversation, reporter)


def check_moves(protocol: Protocol, conversation: Conversation, reporter: Reporter) -> None:
    """The rules about all places of a conversation without other errors."""
    places = places_of(protocol, conversation)
    waits = any(places.machine.moving(side) for side in SIDES)
    try:
        if waits:
            legal = {state: places.machine.legal(state) for state in places.machine.states}
            if sum(legal[place.state] for place in places.reached()) > MAX_MOVES:
                raise TooManyPlaces
        elif len(conversation.states) > MAX_PLACES:
            raise TooManyPlaces
        for span, text in crossings(places) if waits else ():
            reporter.error(span, "request-crosses", text)
    except TooManyPlaces:
        text = f"conversation '{conversation.name}' has more than {MAX_PLACES} places, which are its"
        text += " states times the requests that move and may wait there, or more than"
        text += f" {MAX_MOVES} messages that may be said in them; let fewer requests move"
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
