"""Messages that cross: both sides speak at once, and no longer agree on where they are.

Where both may speak, the client may say X and the server Y before either hears the other. The
client's machine then takes X and Y, the server's Y and X. All is well if both orders are legal and
lead to the same place. If that holds for each pair in each place, then it holds for whatever both
have under way, by laying the pairs side by side; and where it does not, the two sides need only be
in that place. So the condition is exact. The answers to requests that move are letters like others
(places.py).
"""

from __future__ import annotations

from typing import Iterator, Optional

from .model import Span
from .places import Kind, Letter, Place, Places


def crossings(places: Places) -> Iterator[tuple[Span, str]]:
    """Where and how letters may cross; one example for each pair of rules in each state."""
    told: set[tuple[object, ...]] = set()
    for place in places.reached():
        for x, y in places.crossing(place):
            rules = [_rule(places, place, letter) for letter in (x, y)]
            key = (place.state, x.kind, y.kind, *rules)
            if key in told:
                continue
            told.add(key)
            span = rules[0] or rules[1] or places.machine.states[place.state].span
            yield span, _text(places, place, x, y)


def _rule(places: Places, place: Place, letter: Letter) -> Optional[Span]:
    move = places.rule(place, letter)
    return move[1].span if move is not None and move[1] is not None else None


def _text(places: Places, place: Place, x: Letter, y: Letter) -> str:
    at_client, at_server = places.step(place, x), places.step(place, y)
    assert at_client is not None and at_server is not None
    ends = places.step(at_client, y), places.step(at_server, x)
    text = f"in {_words(place)} {_named(x)} and {_named(y)} may cross; then the client"
    text += f" {_outcome(ends[0], y, at_client)}, and the server {_outcome(ends[1], x, at_server)}"
    if ends[0] is None:
        hint = _take(places, at_client, y)
    elif ends[1] is None:
        hint = _take(places, at_server, x)
    else:
        hint = "let both orders lead to one state"
    speak = "speak" if Kind.SAID in (x.kind, y.kind) else "ask"
    return f"{text}: {hint}, or let only one side {speak} in '{place.state}'"


def _named(letter: Letter) -> str:
    whose = f"the {letter.speaker.value}'s"
    if letter.kind is Kind.SAID:
        return f"{whose} '{letter.message}'"
    word = "answer to" if letter.kind is Kind.ANSWERED else "refusal of"
    return f"{whose} {word} '{letter.message}'"


def _words(place: Place) -> str:
    waiting = [f"'{m}'" for m in (place.client, place.server) if m is not None]
    are = "are" if len(waiting) > 1 else "is"
    until = f" until {' and '.join(waiting)} {are} answered" if waiting else ""
    return f"state '{place.state}'{until}"


def _outcome(end: Optional[Place], letter: Letter, at: Place) -> str:
    where = f"'{at.state}'"
    waiting = at.waiting(letter.side)
    if letter.kind is Kind.SAID and waiting is not None:
        where += f" until '{waiting}' is answered"
    if end is None:
        return f"refuses '{letter.message}' in {where}"
    waits = [f"'{m}'" for m in (end.client, end.server) if m is not None]
    return f"is in '{end.state}'" + (f" and waits for {' and '.join(waits)}" if waits else "")


def _take(places: Places, at: Place, letter: Letter) -> str:
    side = letter.side.value
    waiting = at.waiting(letter.side)
    if waiting is not None and places.machine.move(at.state, letter.side, letter.message):
        hint = f"let '{letter.message}' lead to one state whether it comes before or after the"
        return f"{hint} answer to '{waiting}'"
    if places.machine.states[at.state].final:
        hint = f"go to '{at.state}' by a state that still takes '{letter.message}' from the {side}"
        return f"{hint} until that side answers"
    return f"let state '{at.state}' still take '{letter.message}' from the {side}"
