"""The part of NAME_test.c that is about conversations: every letter in every place."""

from __future__ import annotations

from typing import Iterator

from ..emit.code import Code
from ..emit.conversation import ConversationMachine
from ..model import Conversation, Protocol

MOST_MOVES = 1 << 14
"""A conversation of more is not walked."""


def write_conversation(p: Protocol, c: Code, conversation: Conversation) -> str:
    """Writes the test of a conversation; returns its name."""
    machine = ConversationMachine(p, conversation)
    test = f"test__{conversation.name}__conversation"
    rows = list(walk(machine))
    c.section(f"{p.name}.{conversation.name}, a conversation")
    with c.function(f"static void {test}", ["np_selftest *t"]):
        if len(rows) > MOST_MOVES:
            c(f"(void)t; /* {len(rows)} ways lead through it: too many to try */")
            return test
        with c.block("static const np_selftest_move moves[] = {", "};"):
            for row in rows or [(0, 0, 0)]:
                c(f"{{{row[0]}, {row[1]}, {row[2]}}},")
        with c.block("static const np_selftest_conversation walk = {", "};"):
            c(f".conversation = {p.conversations.index(conversation)},")
            c(f".start = {machine.number(machine.start)},")
            c(".moves = moves,")
            c(f".move_count = {len(rows)},")
            c(f".token_count = {machine.token_count},")
        c("np_selftest_converse(t, &walk);")
    return test


def walk(machine: ConversationMachine) -> Iterator[tuple[int, int, int]]:
    """From where, by which token, to where; every place is reached before it is left."""
    seen = {machine.start}
    todo = [machine.start]
    for place in todo:
        for target, letters in machine.moves[place].items():
            for letter in letters:
                yield machine.number(place), machine.token(letter), machine.number(target)
            if target not in seen:
                seen.add(target)
                todo.append(target)
