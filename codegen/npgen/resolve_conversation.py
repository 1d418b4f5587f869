"""Conversations of the syntax tree -> state machines of the model."""

from __future__ import annotations

from typing import Optional

from .cursor import did_you_mean
from .model import Conversation, Rule, Side, State
from .parse_conversation import ANY_STATE
from .resolve_values import duration_ms
from .scope import Scope, Unit
from .syntax import ConversationNode, MessageNode, Name, RuleNode, StateNode


def resolve_conversation(node: ConversationNode, scope: Scope, unit: Unit) -> Conversation:
    """The conversation of the model; the rules of ``state *`` are merged into every state."""
    return _ConversationResolver(node, scope, unit).run()


class _ConversationResolver:
    def __init__(self, node: ConversationNode, scope: Scope, unit: Unit) -> None:
        self.node = node
        self.scope = scope
        self.unit = unit
        self.reporter = scope.reporter
        self.states: dict[str, StateNode] = {}
        self.messages = scope.message_names(unit)

    def run(self) -> Conversation:
        """All states, in the order of the file."""
        everywhere: list[Rule] = []
        for state in self.node.states:
            other = self.states.setdefault(state.name.text, state)
            if other is not state:
                line = other.name.span.line
                text = f"state '{state.name.text}' is already declared in line {line}; join them"
                self.reporter.error(state.name.span, "duplicate-name", text)
        star = self.states.pop(ANY_STATE, None)
        if star is not None:
            everywhere = [self._rule(rule) for rule in star.rules]
            for expr in star.within:
                text = "a time limit belongs to one state, not to all; write it in those that have one"
                self.reporter.error(expr.span, "within", text)
        start = self._start()
        states = tuple(self._state(state, everywhere) for state in self.states.values())
        name = self.node.name
        declared = self.unit.schema.declarations
        requests = frozenset(
            d.name.text for d in declared if isinstance(d, MessageNode) and d.reply is not None
        )
        return Conversation(name.text, start, states, self.node.doc, name.span, requests)

    def _start(self) -> str:
        starts = self.node.starts
        if not starts:
            if not self.node.complete:
                return ""
            text = f"conversation '{self.node.name.text}' does not say where it starts"
            first = next(iter(self.states), "name")
            self.reporter.error(self.node.name.span, "start", f"{text}; add 'start {first};'")
            return ""
        for extra in starts[1:]:
            text = "a conversation starts in one state; remove this 'start'"
            self.reporter.error(extra.span, "start", text)
        return self._target(starts[0]) or ""

    def _target(self, name: Optional[Name]) -> Optional[str]:
        if name is None or name.text in self.states:
            return None if name is None else name.text
        if not self.node.complete:
            return None
        hint = did_you_mean(name.text, self.states)
        text = f"conversation '{self.node.name.text}' has no state '{name.text}'{hint}"
        self.reporter.error(name.span, "state-unknown", text)
        return None

    def _state(self, node: StateNode, everywhere: list[Rule]) -> State:
        rules = [self._rule(rule) for rule in node.rules]
        within = [duration_ms(expr, self.reporter) for expr in node.within]
        for expr in node.within[1:]:
            text = f"state '{node.name.text}' has two time limits; remove one"
            self.reporter.error(expr.span, "within", text)
        if node.final and (rules or within):
            text = f"'{node.name.text}' is final: nothing is said after it; write 'state' or ';'"
            self.reporter.error(node.name.span, "final-has-rules", text)
        if not node.final:
            rules += everywhere
        within_ms = within[0] if within else None
        name = node.name
        return State(name.text, tuple(rules), within_ms, node.final, node.doc, name.span)

    def _rule(self, node: RuleNode) -> Rule:
        messages = tuple(name.text for name in node.messages if self._known(name))
        if node.messages and not messages:  # not to be taken for the wildcard
            messages = tuple(name.text for name in node.messages)
        target, refused = self._target(node.target), self._target(node.refused)
        if node.refused is not None:
            self._only_requests(node)
        return Rule(Side(node.side), messages, target, node.span, refused)

    def _only_requests(self, node: RuleNode) -> None:
        """Nobody answers a message, so it cannot be refused; nor can what ``*`` stands for."""
        if not node.messages:
            text = "'*' stands for messages too, which nobody refuses; name the requests"
            self.reporter.error(node.span, "else-message", text)
        for name in node.messages:
            found = self.scope.find_message(self.unit, name.text)
            own = any(found is d for d in self.unit.schema.declarations)
            if found is not None and (found.reply is None or not own):
                what = "a message, which nobody refuses" if found.reply is None else "imported"
                text = f"'{name.text}' is {what}; 'else' follows requests of this protocol"
                self.reporter.error(name.span, "else-message", text)

    def _known(self, name: Name) -> bool:
        if self.scope.find_message(self.unit, name.text) is not None:
            return True
        if self.scope.is_broken(self.unit, name.text):
            return True
        text = self.scope.why_unknown(self.unit, name, "message", self.messages)
        self.reporter.error(name.span, "message-unknown", text)
        return False
