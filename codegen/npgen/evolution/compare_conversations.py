"""The conversations of two releases, as the machines that they are.

Both are walked side by side from their starts. In each pair of states, what a side may say must be
the same; where it leads must be the same state, or one with a new name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from ..machine import SIDES, Machine
from ..model import Conversation, Protocol, Side, Span, State
from ..spell import duration
from .release import own_messages
from .report import Hurts, Report, quoted


def compare_conversations(
    old: Protocol, new: Protocol, names: dict[str, str], report: Report
) -> None:
    """Report what changed; ``names`` tells what each released message is called now."""
    by_name = {c.name: c for c in new.conversations}
    gone = [c for c in old.conversations if c.name not in by_name]
    fresh = [c for c in new.conversations if c.name not in {c.name for c in old.conversations}]
    if len(gone) == len(fresh):
        for before, now in zip(gone, fresh):
            text = f"conversation '{before.name}' is named '{now.name}' now"
            report.add("conversation-renamed", Hurts.OPENING, (before.span, now.span), text)
            by_name[before.name] = now
    for conversation in old.conversations:
        other = by_name.get(conversation.name)
        if other is None:
            text = f"conversation '{conversation.name}' is gone, so anything may be said"
            spans = (conversation.span, new.span)
            report.add("conversation-removed", Hurts.OLD_READERS, spans, text)
        else:
            _Walk(old, new, conversation, other, names, report).run()
    _first(old, new, by_name, report)
    if not old.conversations and new.conversations:
        first = new.conversations[0]
        text = f"conversation '{first.name}' is new, and until now anything could be said"
        report.add("conversation-added", Hurts.NEW_READERS, (old.span, first.span), text)


def _first(
    old: Protocol, new: Protocol, now: dict[str, Conversation], report: Report
) -> None:
    """Peers keep to the first conversation, whatever others there are; ``now`` tells which of the
    new ones each released one is."""
    successor = now.get(old.conversations[0].name) if old.conversations else None
    if successor is not None and successor is not new.conversations[0]:
        first = new.conversations[0]
        text = f"conversation '{first.name}' stands first now, where '{successor.name}' was"
        text += " released, and peers keep to the first"
        spans = (old.conversations[0].span, first.span)
        report.add("conversation-order", Hurts.BOTH, spans, text)


@dataclass
class _Walk:
    old_protocol: Protocol
    new_protocol: Protocol
    old: Conversation
    new: Conversation
    names: dict[str, str]
    report: Report
    _paired: set[tuple[str, str]] = field(default_factory=set)
    _renamed: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Walk all pairs of states that can be reached together."""
        before = Machine(self.old, (m.name for m in own_messages(self.old_protocol)))
        now = Machine(self.new, (m.name for m in own_messages(self.new_protocol)))
        imported = (before.mentioned() | now.mentioned()) - before.own - now.own
        letters = [(m, self.names[m]) for m in sorted(before.own) if m in self.names]
        letters += [(m, m) for m in sorted(imported)]
        waiting: list[tuple[str, str]] = []

        def follow(old: str, new: str, rule: str, spans: tuple[Span, Span], text: str) -> None:
            if old != new and old in now.states:
                self.report.add(rule, Hurts.BOTH, spans, text)
            elif (old, new) not in self._paired:
                self._paired.add((old, new))
                waiting.append((old, new))

        text = f"conversation '{self.new.name}' starts in '{self.new.start}',"
        text += f" and in '{self.old.start}' as released"
        spans = (self.old.span, self.new.span)
        follow(self.old.start, self.new.start, "start-changed", spans, text)
        while waiting:
            pair = waiting.pop(0)
            states = (before.states[pair[0]], now.states[pair[1]])
            self._state(*states)
            changes: dict[tuple[str, Side], list[str]] = {}
            for side in SIDES:
                for message, name in letters:
                    was = before.move(pair[0], side, message)
                    is_ = now.move(pair[1], side, name)
                    if was is not None and is_ is not None:
                        place = is_[1].span if is_[1] is not None else states[1].span
                        spans = (states[0].span, place)
                        self._waits(before, now, (message, name), side)
                        ends = [("", was[0], is_[0])]
                        if before.moves(side, message) and now.moves(side, name):
                            old_end = before.refused(pair[0], side, message)
                            new_end = now.refused(pair[1], side, name)
                            ends = [("an answer to ", was[0], is_[0])]
                            ends.append(("a refusal of ", old_end, new_end))
                        for what, old_end, new_end in ends:
                            text = f"in state '{pair[1]}' {what}'{name}' leads the {side.value} to"
                            text += f" '{new_end}', and to '{old_end}' as released"
                            follow(old_end, new_end, "rule-target", spans, text)
                    elif was is not None:
                        changes.setdefault(("rule-removed", side), []).append(name)
                    elif is_ is not None:
                        changes.setdefault(("rule-added", side), []).append(name)
            self._changes(states, changes)

    def _waits(
        self, before: Machine, now: Machine, names: tuple[str, str], side: Side
    ) -> None:
        """Whether a request moves the conversation by its answer now, and did not, or the reverse."""
        waits = now.moves(side, names[1])
        if before.moves(side, names[0]) != waits:
            when = "when it is answered or refused now, and did not" if waits else "no more by its"
            when += " as released" if waits else " answer, as it did when released"
            text = f"the {side.value}'s '{names[1]}' moves the conversation {when}"
            spans = (self.old.span, self.new.span)
            self.report.add("request-moves", Hurts.BOTH, spans, text)

    def _changes(
        self, states: tuple[State, State], changes: dict[tuple[str, Side], list[str]]
    ) -> None:
        spans = (states[0].span, states[1].span)
        for (rule, side), messages in changes.items():
            hurts = Hurts.NEW_READERS if rule == "rule-removed" else Hurts.OLD_READERS
            may = "may no more say" if rule == "rule-removed" else "may now say"
            text = f"in state '{states[1].name}' the {side.value} {may} {quoted(messages)}"
            self.report.add(rule, hurts, spans, text)

    def _state(self, old: State, new: State) -> None:
        spans = (old.span, new.span)
        if old.name != new.name and old.name not in self._renamed:
            self._renamed.add(old.name)
            text = f"state '{old.name}' is named '{new.name}' now"
            self.report.add("state-renamed", Hurts.OPENING, spans, text)
        if old.final != new.final:
            text = f"state '{new.name}' is final now, and was not as released"
            if old.final:
                text = f"state '{new.name}' is no more final, as it was when released"
            self.report.add("final-changed", Hurts.OPENING, spans, text)
        before, now = old.within_ms, new.within_ms
        if before == now:
            return
        shorter = before is None or (now is not None and now < before)
        text = f"state '{new.name}' has {_limit(now)}, and {_limit(before)} as released"
        hurts = Hurts.NEW_READERS if shorter else Hurts.OLD_READERS
        self.report.add("within-changed", hurts, spans, text)


def _limit(within_ms: Optional[int]) -> str:
    return "no time limit" if within_ms is None else f"'within {duration(within_ms)}'"
