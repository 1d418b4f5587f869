"""Conversations as state diagrams.

An arrow is drawn where a message leads to another state, blue and solid for the client's, orange
and dashed for the server's, thick for both. What leaves the state as it is stands inside of it.
"""

from __future__ import annotations

from typing import Sequence

from ..machine import Machine, arrows
from ..model import Conversation, Side, State
from ..spell import duration
from .dot import CLIENT, EITHER, INK, LINE, SERVER, Dot, coloured, html, wrapped

LOOK = {
    Side.CLIENT: (CLIENT, "solid", "1.2"),
    Side.SERVER: (SERVER, "dashed", "1.2"),
    Side.EITHER: (EITHER, "solid", "2.2"),
}
"""Colour, style and width of a side's arrows."""


def conversation_graph(conversations: Sequence[Conversation]) -> str:
    """The conversations of a protocol, each in a frame if there are several."""
    single = len(conversations) == 1
    dot = Dot(conversations[0].name if single else "conversations", "TB")
    for conversation in conversations:
        if single:
            _Drawing(dot, conversation, "").draw()
            continue
        with dot.cluster(conversation.name, conversation.name):
            _Drawing(dot, conversation, f"{conversation.name}.").draw()
    return dot.text()


class _Drawing:
    def __init__(self, dot: Dot, conversation: Conversation, prefix: str) -> None:
        self.dot = dot
        self.conversation = conversation
        self.prefix = prefix
        self.machine = Machine(conversation, ())

    def draw(self) -> None:
        start = f"{self.prefix}(start)"
        self.dot.node(
            start, label="", shape="circle", width="0.16", fixedsize="true", fillcolor=LINE
        )
        for state in self.conversation.states:
            self._node(state)
        self.dot.edge(start, self.prefix + self.conversation.start)
        for state in self.conversation.states:
            for target, sides in self._moves(state).items():
                if target != state.name:
                    for side, messages in sides.items():
                        self._edge(state.name, target, side, messages)

    def _node(self, state: State) -> None:
        name = self.prefix + state.name
        if state.final:
            self.dot.node(name, label=f"<<b>{html(state.name)}</b>>", shape="doublecircle",
                          margin="0.03")  # fmt: skip
            return
        lines = [f"<b>{coloured(state.name, INK)}</b>"]
        if state.within_ms is not None:
            lines.append(f"<i>within {duration(state.within_ms)}</i>")
        for side, messages in self._moves(state).get(state.name, {}).items():
            colour = LOOK[side][0]
            lines += [coloured(line, colour) for line in _said(side, messages)]
        self.dot.node(name, label=f"<{'<br/>'.join(lines)}>", style="rounded,filled")

    def _edge(self, start: str, target: str, side: Side, messages: list[str]) -> None:
        colour, style, width = LOOK[side]
        label = "<br/>".join(coloured(line, colour) for line in _said(side, messages))
        self.dot.edge(
            self.prefix + start, self.prefix + target, label=f"<{label}>", color=colour,
            style=style, penwidth=width,
        )  # fmt: skip


    def _moves(self, state: State) -> dict[str, dict[Side, list[str]]]:
        """Where a state leads, by what of whom: of a request, the side that asks."""
        moves: dict[str, dict[Side, list[str]]] = {}
        for rule in state.rules:
            for target, label in arrows(self.machine, state, rule):
                moves.setdefault(target, {}).setdefault(rule.side, []).append(label)
        return {
            target: {side: sides[side] for side in Side if side in sides}
            for target, sides in moves.items()
        }


def _said(side: Side, messages: list[str]) -> list[str]:
    return wrapped(messages, f"{side.value}:")
