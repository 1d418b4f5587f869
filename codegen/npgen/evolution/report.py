"""A break, and whom it hurts."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Iterable, Union

from ..model import Span
from ..rules import BREAKS


class Hurts(Enum):
    """Who notices a change."""

    OLD_READERS = "old readers of new writers"
    NEW_READERS = "new readers of old writers"
    BOTH = "old and new peers, both ways"
    OPENING = "the opening with peers of the release, and programs"
    SOURCE = "programs that use the generated code"


@dataclass(frozen=True)
class Break:
    """One change: its place in the new schema, and in the release."""

    span: Span
    rule: str
    text: str
    hurts: Hurts
    old: Span

    @property
    def message(self) -> str:
        """The text of the diagnostic."""
        return f"{self.text}; breaks {self.hurts.value} ({self.old.file}:{self.old.line})"


@dataclass
class Report:
    """The breaks found so far, in the order in which they were."""

    breaks: list[Break] = field(default_factory=list)

    def add(self, rule: str, hurts: Hurts, spans: tuple[Span, Span], text: str) -> None:
        """Note a break; ``spans`` are its places in the release and in the new schema."""
        assert rule in BREAKS, f"unknown rule {rule}"
        found = Break(spans[1], rule, text, hurts, spans[0])
        if found not in self.breaks:
            self.breaks.append(found)

    @property
    def hurts_peers(self) -> bool:
        """Whether anything travels differently."""
        return any(b.hurts not in (Hurts.OPENING, Hurts.SOURCE) for b in self.breaks)


def quoted(names: Iterable[Union[str, int]]) -> str:
    """``'a', 'b' and 'c'``."""
    words = [f"'{name}'" for name in names]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
