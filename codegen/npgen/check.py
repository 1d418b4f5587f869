"""Semantic rules: everything that needs the whole protocol.

Each group of rules is a module; all of them run, so that one error hides no other. Only the rules
about sizes need a protocol whose types have sizes.
"""

from __future__ import annotations

from .check_conversation import check_conversation, check_moves
from .check_evolution import check_evolution
from .check_messages import check_message_sizes, check_messages
from .check_names import check_names
from .check_types import check_nesting, check_types
from .check_values import check_values
from .diagnostics import Reporter
from .model import Protocol
from .scope import Unit
from .syntax import ConversationNode

_NO_SIZES = {"recursion-endless", "recursion-shape", "recursion-unbounded"}


def check(protocol: Protocol, unit: Unit, reporter: Reporter) -> None:
    """Report every violation in a protocol and the file it comes from."""
    check_names(protocol, unit, reporter)
    check_evolution(protocol, reporter)
    check_values(protocol, reporter)
    check_messages(protocol, reporter)
    nodes = [n for n in unit.schema.declarations if isinstance(n, ConversationNode)]
    for node, conversation in zip(nodes, protocol.conversations):
        check_conversation(protocol, conversation, node.complete, reporter)
    if not reporter.failed:  # a machine with a hole in it would cause errors of its own
        for conversation in protocol.conversations:
            check_moves(protocol, conversation, reporter)
    if any(d.rule in _NO_SIZES for d in reporter.diagnostics):
        return
    if check_nesting(protocol, reporter):
        check_types(protocol, reporter)
        check_message_sizes(protocol, reporter)
