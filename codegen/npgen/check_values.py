"""The rule that there is a value to send: at each version at which a message exists.

An enum may have no variant at an older version, or too few for a map that must have some. What
holds a value of it has none then either, but for options, and lists and maps that may be empty.
"""

from __future__ import annotations

from typing import Iterable

from .diagnostics import Reporter
from .model import (
    Array,
    Decl,
    Enum,
    Field,
    List,
    Map,
    Option,
    Protocol,
    Ref,
    Struct,
    Tuple,
    Type,
)

NEVER = 1 << 16
"""Beyond all versions: there is no value at all, which other rules report."""


def check_values(protocol: Protocol, reporter: Reporter) -> None:
    """Report each field that has no value when it is already sent."""
    oldest = _Oldest(protocol.types)
    for decl in protocol.types.values():
        if isinstance(decl, Struct):
            later = [f for f in decl.fields if f.since > 1]
            _check(oldest, decl.name, later, 1, reporter)
        else:
            for v in decl.variants:
                later = [f for f in v.fields if f.since > max(1, v.since)]
                _check(oldest, f"{decl.name}.{v.name}", later, v.since, reporter)
    for message in protocol.messages:
        _check(oldest, message.name, message.fields, message.since, reporter)
        if message.reply is not None:
            first = oldest.of(Ref(message.reply))
            if max(1, message.since) < first < NEVER:
                text = f"its reply '{message.reply}' has no value before version {first}"
                text += f", and '{message.name}' is there since {message.since}"
                reporter.error(message.span, "since-value", f"{text}; {_HINT}")


_HINT = "an enum needs variants that are as old as what holds it"


def _check(
    oldest: "_Oldest", owner: str, fields: Iterable[Field], since: int, reporter: Reporter
) -> None:
    for field in fields:
        there = max(1, since, field.since)
        first = oldest.of(field.type)
        if there < first < NEVER:
            text = f"'{field.name}' of '{owner}' is there since {there}"
            text += f", and has no value before version {first}"
            reporter.error(field.span, "since-value", f"{text}; {_HINT}")


class _Oldest:
    """The first version at which a type has a value. From then on it has one at each: what comes
    later brings its default."""

    def __init__(self, types: dict[str, Decl]) -> None:
        self._types = types
        self._known: dict[str, int] = {}
        changed = True
        while changed:  # more than twice only for recursive types
            changed = False
            for decl in types.values():
                first = self._decl(decl)
                changed |= first < self._known.get(decl.name, NEVER)
                self._known[decl.name] = first

    def of(self, type_: Type) -> int:
        """The version, ``NEVER`` if there is none."""
        if isinstance(type_, Ref):
            return self._known.get(type_.name, NEVER)
        if isinstance(type_, Array):
            return self.of(type_.item)
        if isinstance(type_, Tuple):
            return max((self.of(item) for item in type_.items), default=1)
        if isinstance(type_, Option) or not isinstance(type_, (List, Map)) or type_.min == 0:
            return 1
        if isinstance(type_, List):
            return self.of(type_.item)
        return max(self._keys(type_.key, type_.min), self.of(type_.value))

    def _keys(self, key: Type, count: int) -> int:
        """The first version at which a key has so many values."""
        decl = self._types.get(key.name) if isinstance(key, Ref) else None
        if not isinstance(decl, Enum):
            return 1
        since = sorted(max(1, v.since) for v in decl.variants)
        return since[count - 1] if count <= len(since) else NEVER

    def _decl(self, decl: Decl) -> int:
        if isinstance(decl, Struct):
            return self._fields(decl.fields, 1)
        return min((self._fields(v.fields, v.since) for v in decl.variants), default=NEVER)

    def _fields(self, fields: Iterable[Field], owner: int) -> int:
        owner = max(1, owner)
        return max([owner, *(self.of(f.type) for f in fields if f.since <= owner)])
