"""Rules about conversations: one rule for each message, and a way to every state."""

from __future__ import annotations

from typing import Optional

from .diagnostics import Reporter
from .model import Conversation, Rule, Side, State


def check_conversation(conversation: Conversation, complete: bool, reporter: Reporter) -> None:
    """All rules that need the whole state machine; ``complete`` if all of it could be read."""
    seen: set[tuple[object, ...]] = set()
    for state in conversation.states:
        _check_ambiguous(state, seen, reporter)
    if conversation.start and complete:
        _check_reachable(conversation, reporter)


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
            if rule.target is not None and rule.target not in reached:
                reached.add(rule.target)
                todo.append(rule.target)
    for state in conversation.states:
        if state.name not in reached:
            text = f"nothing leads from '{conversation.start}' to state '{state.name}'"
            hint = f"add a rule '... -> {state.name}' or remove it"
            reporter.error(state.span, "state-unreachable", f"{text}; {hint}")
