"""Conversations for people: a state diagram in Mermaid's language, and a table."""

from __future__ import annotations

from typing import Iterator

from ..machine import ANY_OTHER, SIDES, Machine, arrows
from ..model import Conversation, Protocol, Rule, State
from ..spell import duration
from .docs_text import code, link, prose, table


WAITS = (
    "A request that leads to another state does so when its answer, or its refusal, is said. Until"
    " then its side says only what leads to the same state before that and after it."
)


def conversation_section(p: Protocol, conversation: Conversation) -> list[str]:
    """The section of a conversation, without its heading."""
    lines = [*prose(conversation.doc)]
    lines += [f"It starts in state {code(conversation.start)}.", ""]
    lines += ["```mermaid", *mermaid(conversation), "```", ""]
    machine = Machine(conversation, (m.name for m in p.messages if p.own(m)))
    if any(machine.moving(side) for side in SIDES):
        lines += [WAITS, ""]
    lines += table(["state", "who", "says", "then", "within", ""], _rows(p, conversation, machine))
    for state in conversation.states:
        doc = prose(state.doc)
        if doc:
            lines += [f"{code(state.name)}: {doc[0]}", *doc[1:]]
    return lines


def mermaid(conversation: Conversation) -> list[str]:
    """The diagram. Names have a prefix, so that none is a word of Mermaid's own."""
    lines = ["stateDiagram-v2"]
    machine = Machine(conversation, ())
    for state in conversation.states:
        label = state.name
        if state.within_ms is not None:
            label += f" (within {duration(state.within_ms)})"
        lines.append(f'    state "{label}" as s_{state.name}')
    lines.append(f"    [*] --> s_{conversation.start}")
    for state in conversation.states:
        moves: dict[str, list[str]] = {}
        for rule in state.rules:
            said: dict[str, list[str]] = {}
            for target, label in arrows(machine, state, rule):
                said.setdefault(target, []).append(label)
            for target, names in said.items():
                moves.setdefault(target, []).extend(_label(rule.side.value, names))
        for target, labels in moves.items():
            lines.append(f"    s_{state.name} --> s_{target} : {'<br/>'.join(labels)}")
        if state.final:
            lines.append(f"    s_{state.name} --> [*]")
    return lines


def _label(side: str, names: list[str]) -> list[str]:
    """A rule in lines that are not too long."""
    lines = [f"{side} {names[0]}"]
    for name in names[1:]:
        lines[-1] += ","
        if len(lines[-1]) + len(name) > 32:
            lines.append(name)
        else:
            lines[-1] += f" {name}"
    return lines


def _rows(p: Protocol, conversation: Conversation, machine: Machine) -> Iterator[list[str]]:
    for state in conversation.states:
        within = "" if state.within_ms is None else duration(state.within_ms)
        if not state.rules:
            end = "the end" if state.final else "nothing may be said"
            yield [code(state.name), "", "", "", within, end]
        for i, rule in enumerate(state.rules):
            target = _then(machine, state, rule)
            first = [code(state.name)] if i == 0 else [""]
            says = _messages(p, rule)
            yield [*first, rule.side.value, says, target, within if i == 0 else "", ""]


def _then(machine: Machine, state: State, rule: Rule) -> str:
    """Where a rule leads, and from when on."""
    target = "stays" if rule.target in (None, state.name) else code(str(rule.target))
    by_answer = {label for _, label in arrows(machine, state, rule)} - {*rule.messages, ANY_OTHER}
    if not by_answer:
        return target
    whose = "" if len(rule.messages) == 1 else ", requests"
    if rule.refused in (None, state.name):
        return f"{target}{whose} when answered"
    return f"{target}{whose} when answered, {code(str(rule.refused))} when refused"


def _messages(p: Protocol, rule: Rule) -> str:
    own = {m.name for m in p.messages if p.own(m)}
    names = [link("message", m) if m in own else code(m) for m in rule.messages]
    return ", ".join(names) or "any other message"
