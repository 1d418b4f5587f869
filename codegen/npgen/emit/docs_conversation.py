"""Conversations for people: a state diagram in Mermaid's language, and a table."""

from __future__ import annotations

from typing import Iterator

from ..model import Conversation, Protocol, Rule
from ..spell import duration
from .docs_text import code, link, prose, table


def conversation_section(p: Protocol, conversation: Conversation) -> list[str]:
    """The section of a conversation, without its heading."""
    lines = [*prose(conversation.doc)]
    lines += [f"It starts in state {code(conversation.start)}.", ""]
    lines += ["```mermaid", *mermaid(conversation), "```", ""]
    lines += table(["state", "who", "says", "then", "within", ""], _rows(p, conversation))
    for state in conversation.states:
        doc = prose(state.doc)
        if doc:
            lines += [f"{code(state.name)}: {doc[0]}", *doc[1:]]
    return lines


def mermaid(conversation: Conversation) -> list[str]:
    """The diagram. Names have a prefix, so that none is a word of Mermaid's own."""
    lines = ["stateDiagram-v2"]
    for state in conversation.states:
        label = state.name
        if state.within_ms is not None:
            label += f" (within {duration(state.within_ms)})"
        lines.append(f'    state "{label}" as s_{state.name}')
    lines.append(f"    [*] --> s_{conversation.start}")
    for state in conversation.states:
        moves: dict[str, list[str]] = {}
        for rule in state.rules:
            moves.setdefault(rule.target or state.name, []).extend(_label(rule))
        for target, labels in moves.items():
            lines.append(f"    s_{state.name} --> s_{target} : {'<br/>'.join(labels)}")
        if state.final:
            lines.append(f"    s_{state.name} --> [*]")
    return lines


def _label(rule: Rule) -> list[str]:
    """A rule in lines that are not too long."""
    names = rule.messages or ("any other",)
    lines = [f"{rule.side.value} {names[0]}"]
    for name in names[1:]:
        lines[-1] += ","
        if len(lines[-1]) + len(name) > 32:
            lines.append(name)
        else:
            lines[-1] += f" {name}"
    return lines


def _rows(p: Protocol, conversation: Conversation) -> Iterator[list[str]]:
    for state in conversation.states:
        within = "" if state.within_ms is None else duration(state.within_ms)
        if not state.rules:
            end = "the end" if state.final else "nothing may be said"
            yield [code(state.name), "", "", "", within, end]
        for i, rule in enumerate(state.rules):
            target = "stays" if rule.target in (None, state.name) else code(str(rule.target))
            first = [code(state.name)] if i == 0 else [""]
            says = _messages(p, rule)
            yield [*first, rule.side.value, says, target, within if i == 0 else "", ""]


def _messages(p: Protocol, rule: Rule) -> str:
    own = {m.name for m in p.messages if p.own(m)}
    names = [link("message", m) if m in own else code(m) for m in rule.messages]
    return ", ".join(names) or "any other message"
