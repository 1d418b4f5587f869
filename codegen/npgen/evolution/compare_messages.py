"""The messages of two releases. Peers know a message by its id, programs by its name."""

from __future__ import annotations

from ..model import Message, Protocol, Ref
from ..spell import spell
from .compare_types import TypeComparison, Where
from .release import own_messages
from .report import Hurts, Report


def compare_messages(old: Protocol, new: Protocol, types: TypeComparison) -> dict[str, str]:
    """Report what changed; the new name of each message that is still there."""
    return _Messages(old, new, types).run()


class _Messages:
    def __init__(self, old: Protocol, new: Protocol, types: TypeComparison) -> None:
        self.old = old
        self.new = new
        self.types = types
        self.report: Report = types.report
        self.old_by_id = {m.id: m for m in own_messages(old)}
        self.new_by_id = {m.id: m for m in own_messages(new)}
        self.old_names = {m.name for m in own_messages(old)}
        self.new_by_name = {m.name: m for m in own_messages(new)}

    def run(self) -> dict[str, str]:
        names: dict[str, str] = {}
        known: set[int] = set()  # ids of the new release that the old one accounts for
        for message in self.old_by_id.values():
            successor = self._successor(message)
            known.add(message.id)
            if successor is not None:
                names[message.name] = successor.name
                known.add(successor.id)
                self._compare(message, successor)
        for message in self.new_by_id.values():
            if message.id not in known and message.since <= self.old.version:
                self.types.added(
                    "message-added", Hurts.OLD_READERS, message.since,
                    (self.old.span, message.span), f"message '{message.name}'",
                )  # fmt: skip
        return names

    def _successor(self, message: Message) -> Message | None:
        """What the message has become; None if it is gone."""
        same_name = self.new_by_name.get(message.name)
        same_id = self.new_by_id.get(message.id)
        if same_name is not None:
            if same_name is not same_id:
                text = f"'{message.name}' has id {same_name.id}, not {message.id} as released"
                self.report.add("message-id", Hurts.BOTH, (message.span, same_name.span), text)
                self._reused(message, same_id)
            return same_name
        if same_id is None:
            self._removed(message)
            return None
        if same_id.name not in self.old_names and _alike(message, same_id):
            text = f"'{message.name}' is named '{same_id.name}' now; if it means something else,"
            text += " give it a free id"
            self.report.add("message-renamed", Hurts.OPENING, (message.span, same_id.span), text)
            return same_id
        self._removed(message)
        self._reused(message, same_id)
        return None

    def _removed(self, message: Message) -> None:
        text = f"message '{message.name}' = {message.id} is gone"
        spans = (message.span, self.new.span)
        self.report.add("message-removed", Hurts.NEW_READERS, spans, text)

    def _reused(self, message: Message, other: Message | None) -> None:
        """Another message has taken the id; one that was released elsewhere is reported there."""
        if other is not None and other.name not in self.old_names:
            text = f"id {message.id} means '{other.name}' now, and '{message.name}' as released"
            self.report.add("id-reused", Hurts.BOTH, (message.span, other.span), text)

    def _compare(self, old: Message, new: Message) -> None:
        spans = (old.span, new.span)
        what = f"'{new.name}'"
        self.types.since(old.since, new.since, spans, f"message {what}")
        if (old.reply is None) != (new.reply is None):
            now, before = ("message", "request") if new.reply is None else ("request", "message")
            text = f"{what} is a {now} now, and was released as a {before}"
            self.report.add("request-changed", Hurts.BOTH, spans, text)
        elif old.reply is not None and new.reply is not None:
            self.types.reference(
                "reply-changed", Ref(old.reply), Ref(new.reply), spans, f"the reply of {what}"
            )
        if old.stream != new.stream:
            text = f"{what} is {'' if new.stream else 'no more '}sent in chunks ('stream')"
            self.report.add("stream-changed", Hurts.BOTH, spans, text)
        if old.secret != new.secret:
            if new.secret:
                text, hurts = f"{what} is secret now, and its peers compress it", Hurts.NEW_READERS
            else:
                text = f"{what} is no more secret, and its peers take no compressed one"
                hurts = Hurts.OLD_READERS
            self.report.add("secret-changed", hurts, spans, text)
        where = Where(new.name, old.since, new.since, spans)
        self.types.fields(old.fields, new.fields, where)


def _alike(old: Message, new: Message) -> bool:
    """Whether one could be the other with a new name."""
    return (
        [spell(f.type) for f in old.fields] == [spell(f.type) for f in new.fields]
        and (old.reply is None) == (new.reply is None)
        and (old.stream, old.since) == (new.stream, new.since)
    )
