"""Messages that cross: both sides speak at once, and no longer agree on where they are.

In a state in which both may speak, the client may say X and the server Y before either hears the
other. The client's machine then takes X and Y, the server's Y and X. All is well if both orders are
legal and lead to the same state. If that holds for each pair in each state, then it holds for
whatever both have under way, by laying the pairs side by side; and where it does not, the two sides
need only be in that state. So the condition is exact.
"""

from __future__ import annotations

from typing import Iterable, Iterator, Optional

from .machine import Machine
from .model import Conversation, Protocol, Side, Span

PARTING = "Disconnect"
"""Base's message that ends a connection; its sender does not judge what comes after it."""


def crossings(protocol: Protocol, conversation: Conversation) -> Iterator[tuple[Span, str]]:
    """Where and how messages may cross; one example for each pair of rules in each state."""
    own = [m.name for m in protocol.messages if protocol.own(m)]
    parting = {m.name for m in protocol.messages if m.origin == "base" and m.name == PARTING}
    machine = Machine(conversation, own)
    letters = machine.alike(parting)
    for state in machine.states:
        yield from _state(machine, state, letters)


def _state(machine: Machine, state: str, letters: Iterable[str]) -> Iterator[tuple[Span, str]]:
    client, server = (
        [(m, move) for m in letters if (move := machine.move(state, side, m)) is not None]
        for side in (Side.CLIENT, Side.SERVER)
    )
    told: set[tuple[Optional[Span], Optional[Span]]] = set()
    for x, (at_client, client_rule) in client:
        for y, (at_server, server_rule) in server:
            rules = (
                client_rule.span if client_rule is not None else None,
                server_rule.span if server_rule is not None else None,
            )
            if rules in told:
                continue
            ends = (
                machine.move(at_client, Side.SERVER, y),
                machine.move(at_server, Side.CLIENT, x),
            )
            if ends[0] is not None and ends[1] is not None and ends[0][0] == ends[1][0]:
                continue
            told.add(rules)
            place = rules[0] or rules[1] or machine.states[state].span
            words = (
                f"the client {_outcome(ends[0], y, at_client)}",
                f"the server {_outcome(ends[1], x, at_server)}",
            )
            text = f"in state '{state}' the client's '{x}' and the server's '{y}' may cross;"
            text += f" then {words[0]}, and {words[1]}"
            if ends[0] is None:
                hint = _take(machine, at_client, y, "server")
            elif ends[1] is None:
                hint = _take(machine, at_server, x, "client")
            else:
                hint = "let both orders lead to one state"
            yield place, f"{text}: {hint}, or let only one side speak in '{state}'"


def _outcome(end: Optional[tuple[str, object]], message: str, at: str) -> str:
    return f"refuses '{message}' in '{at}'" if end is None else f"is in '{end[0]}'"


def _take(machine: Machine, state: str, message: str, side: str) -> str:
    if machine.states[state].final:
        hint = f"go to '{state}' by a state that still takes '{message}' from the {side}"
        return f"{hint} until that side answers"
    return f"let state '{state}' still take '{message}' from the {side}"
